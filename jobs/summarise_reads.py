"""What a FASTQ holds, or a pair of them: every record is read and checked, its quality counted.

`python -m jobs.summarise_reads --reads R1.fastq.gz --mates R2.fastq.gz --report reads.html`
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.errors import CuraGenieError, FastqFileError, UserError, Where
from core.fastq.counts import ReadCounts, no_reads
from core.fastq.encoding import QualityEncoding, find_encodings
from core.fastq.files import FastqFile, FastqShard, ReadFiles, no_reads_in, open_fastq
from core.fastq.pairs import disagreement
from core.fastq.quality import file_facts, totals
from core.fastq.reader import (
    ShardCounts,
    ShardSpan,
    are_whole,
    count_shard,
    from_table,
    to_table,
)
from core.fastq.report import report_html
from core.fastq.titles import TitleChain
from core.lean_imports import kept_out
from core.settings import load_settings
from core.storage.byte_ranges import S3Access
from jobs.progress_bar import OnProgress, progress_bar
from jobs.run_shards import Executor, choose_executor, run_shards
from jobs.shard_plan import choose_shard_bytes


@dataclass(frozen=True, slots=True)
class CountShard:
    """The work of one task."""

    s3: S3Access | None

    def __call__(self, shard: FastqShard) -> pa.Table:
        return to_table(count_shard(shard, self.s3))


def summarise_reads(
    reads: str,
    mates: str | None = None,
    *,
    executor: Executor,
    on_progress: OnProgress,
    shard_bytes: int | None,
    encoding: QualityEncoding | None = None,
    s3: S3Access | None = None,
) -> dict[str, Any]:
    """Facts about reads, ready for JSON: `totals` of core.fastq.quality over all files, is_paired,
    and `files`: `file_facts` of each, under its URI.

    `on_progress(done, total)` counts shards. The numbers do not depend on how files are cut.
    Raises FastqFileError for a record that is malformed, a file without reads, mates that are not
    those of the reads, and qualities that contradict `encoding` or, in a pair, each other.
    """
    uris = [reads] if mates is None else [reads, mates]
    if mates == reads:
        raise FastqFileError(
            "the file is given as reads and as mates.",
            where=Where(reads),
            fix="Give the other file of the pair as mates.",
        )
    files = tuple(open_fastq(uri, s3=s3) for uri in uris)
    counted = _count(files, shard_bytes, executor, on_progress, s3)
    if mates is not None and counted[0].titles != counted[1].titles:
        error = disagreement(*files, s3=s3)
        assert error is not None  # chains of equal names are equal
        raise error
    return _facts(files, [file.counts for file in counted], encoding)


@dataclass(slots=True)
class _FileCounts:
    """Of the shards of a file that are counted so far; `spans` by their number in the run."""

    counts: ReadCounts = field(default_factory=no_reads)
    spans: dict[int, ShardSpan] = field(default_factory=dict[int, ShardSpan])

    def add(self, number: int, shard: ShardCounts) -> None:
        self.counts += shard.counts
        self.spans[number] = shard.span

    @property
    def spans_in_order(self) -> list[ShardSpan]:
        return [self.spans[number] for number in sorted(self.spans)]

    @property
    def titles(self) -> TitleChain:
        return reduce(add, (span.titles for span in self.spans_in_order), TitleChain())


def _count(
    files: tuple[FastqFile, ...],
    shard_bytes: int | None,
    executor: Executor,
    on_progress: OnProgress,
    s3: S3Access | None,
) -> list[_FileCounts]:
    """Each file cut into shards or, where that is no good, as a whole.

    A shard that cannot be read may have begun at the wrong place, as where records have many lines,
    and does not know its records' numbers: reading from the beginning tells.
    """
    together = ReadFiles(files)
    executor = choose_executor(executor, together)
    size = shard_bytes or choose_shard_bytes(together.size_bytes, n_scores=0, n_samples=0)
    shards = [shard for file in files for shard in file.shards(size)]
    if len(shards) > len(files):
        with suppress(FastqFileError):
            counted = _count_shards(files, shards, executor, on_progress, s3)
            if all(are_whole(c.spans_in_order, f) for f, c in zip(files, counted, strict=True)):
                return counted
    whole = [file.whole for file in files]
    return _count_shards(files, whole, executor, on_progress, s3)


def _count_shards(
    files: tuple[FastqFile, ...],
    shards: Sequence[FastqShard],
    executor: Executor,
    on_progress: OnProgress,
    s3: S3Access | None,
) -> list[_FileCounts]:
    counted = {file: _FileCounts() for file in files}
    on_progress(0, len(shards))
    for n_done, (number, table, _) in enumerate(run_shards(shards, CountShard(s3), executor), 1):
        counted[shards[number].file].add(number, from_table(table))
        on_progress(n_done, len(shards))
    return list(counted.values())


def _facts(
    files: Sequence[FastqFile], counts: Sequence[ReadCounts], stated: QualityEncoding | None
) -> dict[str, Any]:
    for file, of_file in zip(files, counts, strict=True):
        if of_file.n_reads == 0:
            raise no_reads_in(file.uri)
    codes = {f.uri: c.qualities.sum(axis=0) for f, c in zip(files, counts, strict=True)}
    found = find_encodings(codes, stated=stated)
    described = zip(files, counts, found, strict=True)
    return {
        "is_paired": len(files) == 2,
        **totals(list(zip(counts, found, strict=True))),
        "files": [{"file": file.uri, **file_facts(c, f)} for file, c, f in described],
    }


def without_curves(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same facts, small enough for an event: the numbers alone."""
    files = [{k: v for k, v in file.items() if k != "curves"} for file in facts["files"]]
    return {**facts, "files": files}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0 when done, 2 when the request or the data is wrong, 1 when the
    machinery failed."""
    options = _parser().parse_args(arguments)
    try:
        facts = _summarise(options)
        if options.report is not None:
            options.report.write_text(report_html(facts), encoding="utf-8")
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except (CuraGenieError, OSError) as error:
        sys.stderr.write(f"failed: {error}\n")
        return 1
    sys.stdout.write(_OUTPUTS[options.output](facts) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jobs.summarise_reads",
        description="Quality of the reads of a FASTQ (plain, bgzip or gzip), or of a pair.",
        epilog="example: python -m jobs.summarise_reads --reads s1_R1.fastq.gz "
        "--mates s1_R2.fastq.gz --report s1.html",
    )
    add = parser.add_argument
    add("--reads", required=True, metavar="URI", help="the FASTQ, or the first of a pair")
    add("--mates", metavar="URI", help="the second FASTQ of a pair: the same reads, same order")
    add("--output", choices=list(_OUTPUTS), default="text", help="what standard output gets")
    add("--report", type=Path, metavar="FILE.html", help="the curves as one page")
    encodings = [encoding.value for encoding in QualityEncoding]
    add("--quality-encoding", choices=encodings, help="not to be found from the data")
    executors = [executor.value for executor in Executor]
    add("--executor", choices=executors, default="auto", help="threads here, or Ray")
    return parser


def _summarise(options: argparse.Namespace) -> dict[str, Any]:
    settings, stated = load_settings(), options.quality_encoding
    with kept_out("pandas"), progress_bar("reading") as on_progress:
        return summarise_reads(
            options.reads,
            options.mates,
            executor=Executor(options.executor),
            on_progress=on_progress,
            shard_bytes=settings.shard_bytes,
            encoding=QualityEncoding(stated) if stated is not None else None,
            s3=settings.s3_access,
        )


def _as_json(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, indent=2)


def _as_text(facts: Mapping[str, Any]) -> str:
    lines = [f"{name}: {facts[name]}" for name in facts if name != "files"]
    for file in facts["files"]:
        encoding, duplication = file["quality_encoding"], file["duplication"]
        sure = "" if encoding["is_certain"] else " (likely)"
        with_adapter = (f"{a['name']} {a['rate']}" for a in file["adapters"] if a["n_reads"])
        lines += [
            f"{file['file']}:",
            f"  reads: {file['n_reads']}, {file['shortest_read']} to {file['longest_read']} bases",
            f"  quality encoding: {encoding['name']}{sure}",
            f"  q30_rate: {file['q30_rate']}, gc_rate: {file['gc_rate']}",
            f"  duplication rate: {duplication['rate']}",
            f"  reads with an adapter: {', '.join(with_adapter) or 'none'}",
        ]
    return "\n".join(lines)


_OUTPUTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {"text": _as_text, "json": _as_json}


if __name__ == "__main__":
    sys.exit(main())
