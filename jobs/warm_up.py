"""Have the kernels that runs need ready, by scoring a small made-up cohort in their ways.

A kernel is compiled once per machine, which takes half a minute for all of them, and loaded once
per process, which takes milliseconds each. `python -m jobs.warm_up` does the former, in every way,
before anyone waits for it; the dispatcher has its workers do the latter, in the usual ways alone.
Everything goes through the functions of real runs, so the compiled signatures are theirs, and there
is no list of them to keep.
"""

import argparse
import struct
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from core.demo_data import (
    DEMO_ACCESSION,
    DemoSite,
    demo_score_rows,
    demo_sites,
    write_demo_scoring_file,
    write_demo_vcf,
)
from core.errors import FastqFileError
from core.genome_build import GenomeBuild
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.directory_cache import DirectoryCache
from core.genotypes.formats import open_cohort
from core.genotypes.source import plan_shards
from core.genotypes.store_writer import StoreTarget
from core.genotypes.tabix import parse_index
from core.genotypes.vcf_wanted import id_table
from core.scoring.report.quality import quality_of_genotypes
from core.scoring.report.write import write_report
from core.storage.objects import ObjectsLocation
from jobs.run_shards import Executor
from jobs.score_cohort import score_cohort
from jobs.scoring_inputs import CohortScoring
from jobs.summarise_cohort import summarise_cohort
from jobs.summarise_reads import summarise_reads

_N_VARIANTS = 3600
_N_SCORES = 5  # of four on, sums are kept side by side
_N_SAMPLES = (1, 80)  # one person, and more than the 64 bytes that a kernel takes at once
_POLICIES: tuple[dict[str, str], ...] = (
    {},
    {"missing": "mean_cohort"},
    {"ploidy": "by_contig"},
)


def warm_up() -> None:
    """Compile the kernels that this machine has not compiled yet, and load them into this process.

    Nothing is left behind but numba's cache. Raises OSError where the temporary folder is full.
    """
    _find_records()
    _read_binary_formats()
    _count_reads()
    with _made_up_scores() as (folder, sites, scores):
        for n_samples in _N_SAMPLES:
            hard, imputed = _genotypes(folder, sites, n_samples)
            for genotypes in (hard, imputed):
                stored = _store(genotypes)
                for uri in (genotypes, stored):
                    _score_in_every_way(folder, uri, scores)
            for field in (GenotypeField.GT, GenotypeField.HDS, GenotypeField.GP):
                _score(folder, imputed, scores, {}, field)


def load_usual() -> None:
    """Load what a person's upload and its scores with their report need, of calls and of dosages: a
    second where `warm_up` has compiled it. The rest is loaded when it is needed."""
    with _made_up_scores() as (folder, sites, scores):
        for genotypes in _genotypes(folder, sites, 1):
            stored = _store(genotypes)
            for files in (scores[:1], scores):
                _score(folder, stored, files, {}, GenotypeField.AUTO)
            write_report(folder / "results", None, quality_of_genotypes((str(stored),)))


def _find_records() -> None:
    """By ID, and in an index of tabix, which the made-up cohort has none of: here of no record."""
    id_table(frozenset({"rs1"}))
    description = struct.pack("<7i", 2, 1, 2, 0, ord("#"), 0, len(b"chr1\0")) + b"chr1\0"
    parse_index(b"TBI\1" + struct.pack("<i", 1) + description + struct.pack("<2i", 0, 0))


def _read_binary_formats() -> None:
    """A BCF in two shards and a BGEN, of one person."""
    with tempfile.TemporaryDirectory(prefix="curagenie-warm-up-") as folder:
        bcf, bgen = Path(folder, "calls.bcf"), Path(folder, "calls.bgen")
        bcf.write_bytes(_bcf())
        bgen.write_bytes(_bgen())
        cases = ((bcf, GenotypeField.GT), (bcf, GenotypeField.DS), (bgen, GenotypeField.AUTO))
        for path, field in cases:
            for shard in plan_shards(open_cohort([str(path)]), _HALF_BCF_BYTES):
                for _ in shard.reader(
                    field=field, half_call=HalfCall.MISSING, wanted=None, s3=None
                ):
                    pass


_HALF_BCF_BYTES = 100
"""Of the records of `_bcf`: the second shard looks for its first one."""


def _bcf() -> bytes:
    """Four records of GT and DS (VCF 4.5, section 6.3)."""
    header = (
        b"##fileformat=VCFv4.3\n##contig=<ID=1>\n"
        b'##FORMAT=<ID=GT,Number=1,Type=String,Description="call">\n'
        b'##FORMAT=<ID=DS,Number=A,Type=Float,Description="imputed">\n'
        b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS0\n\0"
    )
    calls = b"\x11\x01\x21\x02\x04" + b"\x11\x02\x15" + struct.pack("<f", 1)
    content = b"BCF\x02\x02" + struct.pack("<I", len(header)) + header
    for position in range(4):
        site = struct.pack("<3ifHHI", 0, position, 1, 0, 0, 2, 1 | 2 << 24) + b"\x07\x17A\x17G\0"
        content += struct.pack("<2I", len(site), len(calls)) + site + calls
    return content


def _bgen() -> bytes:
    """One variant, uncompressed (layout 2)."""
    names = struct.pack("<2IH2s", 12, 1, 2, b"S0")
    header = struct.pack("<4I4sI", 20 + len(names), 20, 1, 1, b"bgen", 2 << 2 | 1 << 31)
    site = struct.pack("<HHH1sIH", 0, 0, 1, b"1", 1, 2) + b"".join(
        struct.pack("<I", 1) + allele for allele in (b"A", b"G")
    )
    data = struct.pack("<IH7B", 1, 2, 2, 2, 2, 0, 8, 0, 255)
    return header + names + site + struct.pack("<I", len(data)) + data


def _count_reads() -> None:
    """Of a pair that disagrees, so that its names are compared one by one."""
    with tempfile.TemporaryDirectory(prefix="curagenie-warm-up-") as folder:
        reads, mates = Path(folder, "reads.fastq"), Path(folder, "mates.fastq")
        reads.write_text("@r1\nACGT\n+\nIIII\n" * 100)
        mates.write_text("@r2\nACGT\n+\nIIII\n" * 100)
        with suppress(FastqFileError):
            summarise_reads(
                str(reads),
                str(mates),
                executor=Executor.INLINE,
                on_progress=_tell_nobody,
                shard_bytes=500,
            )


@contextmanager
def _made_up_scores() -> Generator[tuple[Path, tuple[DemoSite, ...], tuple[Path, ...]]]:
    """A folder that goes with the block, sites, and scoring files of them in the folder."""
    with tempfile.TemporaryDirectory(prefix="curagenie-warm-up-") as name:
        folder = Path(name)
        sites = _sites()
        yield folder, sites, _scoring_files(folder, sites)


def _sites() -> tuple[DemoSite, ...]:
    """One contig, so that a block has enough terms to sum them for many scores at once."""
    sites = demo_sites(_N_VARIANTS)
    return tuple(site for site in sites if site.contig == sites[0].contig)


def _on_x(sites: Sequence[DemoSite]) -> tuple[DemoSite, ...]:
    """The last quarter moved to X, where ploidy counts."""
    n_autosomal = len(sites) * 3 // 4
    moved = (replace(site, contig="chrX") for site in sites[n_autosomal:])
    return (*sites[:n_autosomal], *moved)


def _scoring_files(folder: Path, sites: Sequence[DemoSite]) -> tuple[Path, ...]:
    """Scores of the same variants, autosomal and on X: of one, few and many there are different
    kernels."""
    files: list[Path] = []
    rows = demo_score_rows(sites) + demo_score_rows(_on_x(sites)[len(sites) * 3 // 4 :])
    for number in range(_N_SCORES):
        text = folder / f"score{number}.txt"
        write_demo_scoring_file(text, [replace(row, weight=row.weight + number) for row in rows])
        text.write_text(text.read_text().replace(DEMO_ACCESSION, f"DEMO{number:06d}"))
        files.append(text)
    return tuple(files)


def _genotypes(folder: Path, sites: Sequence[DemoSite], n_samples: int) -> tuple[Path, Path]:
    """The same sites as a bgzip-compressed VCF of calls, and as a text VCF of dosages."""
    hard = folder / f"hard{n_samples}.vcf.gz"
    write_demo_vcf(hard, sites, n_samples=n_samples)
    imputed = folder / f"imputed{n_samples}.vcf"
    imputed.write_text("".join(_imputed_lines(_on_x(sites), n_samples)))
    return hard, imputed


def _imputed_lines(sites: Sequence[DemoSite], n_samples: int) -> Iterator[str]:
    samples = "\t".join(f"S{number}" for number in range(n_samples))
    yield "##fileformat=VCFv4.3\n"
    for key, number in (("DS", "A"), ("HDS", "2"), ("GP", "G")):
        yield f'##FORMAT=<ID={key},Number={number},Type=Float,Description="imputed">\n'
    yield f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}\n"
    for number, site in enumerate(site for site in sites if len(site.alts) == 1):
        fixed = f"{site.contig}\t{site.position}\t{site.id}\t{site.ref}\t{','.join(site.alts)}"
        text = "0|1:0.9:0.1,0.8:0.2,0.7,0.1" if number % 2 else "0|0:0.012:0.01,0.002:0.9,0.1,0"
        calls = "\t".join([text] * n_samples)
        yield f"{fixed}\t.\tPASS\t.\tGT:DS:HDS:GP\t{calls}\n"


def _store(genotypes: Path) -> Path:
    store = genotypes.parent / f"{genotypes.name}.cgstore"
    summarise_cohort(
        [str(genotypes)],
        executor=Executor.INLINE,
        on_progress=_tell_nobody,
        shard_bytes=None,
        store=StoreTarget(ObjectsLocation(root=store), ""),
    )
    return store


def _sample_sheet(folder: Path) -> Path:
    """Stored dosages do not tell sex, as calls on X do."""
    sheet = folder / "samples.tsv"
    lines = (f"S{number}\t{'MF'[number % 2]}\n" for number in range(max(_N_SAMPLES)))
    sheet.write_text("sample\tsex\n" + "".join(lines))
    return sheet


def _score_in_every_way(folder: Path, uri: Path, scores: tuple[Path, ...]) -> None:
    for policy in _POLICIES:
        for files in (scores[:1], scores[:2], scores):
            _score(folder, uri, files, policy, GenotypeField.AUTO)


def _score(
    folder: Path,
    uri: Path,
    scoring_files: tuple[Path, ...],
    policy: dict[str, str],
    field: GenotypeField,
) -> None:
    request = CohortScoring(
        genotypes=(str(uri),),
        scoring_files=scoring_files,
        output=folder / "results",
        build=GenomeBuild.GRCH38,
        overrides=policy,
        samples=_sample_sheet(folder) if uri.suffix == ".cgstore" else None,
        genotype_field=field,
        reuse=False,
        block_directories=DirectoryCache(folder / "cache"),
    )
    score_cohort(request, executor=Executor.INLINE, on_progress=_tell_nobody)


def _tell_nobody(_done: int, _total: int) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0 when the kernels are compiled."""
    argparse.ArgumentParser(
        prog="python -m jobs.warm_up",
        description="Compile the kernels into numba's cache (beside the sources, or in "
        "NUMBA_CACHE_DIR) by scoring a small made-up cohort: half a minute the first time and "
        "after a kernel changed, else a few seconds.",
    ).parse_args(arguments)
    started = perf_counter()
    warm_up()
    sys.stdout.write(f"the kernels are compiled ({perf_counter() - started:.0f} s)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
