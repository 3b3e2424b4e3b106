"""The benchmark's cohorts, made from a seed: bgzipped VCF 4.2, and where its variants are.

A line is about as long as in the 1000 Genomes (GT alone), from minimac, or from joint calling, and
compresses about as well. A cohort of more variants than are worth drawing repeats them on other
positions, as often as `repeats` says.
"""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.benchmarks import bgzf_files
from tests.benchmarks.haplotypes import draw_allele_counts, draw_alleles
from tests.benchmarks.sample_columns import (
    HEADER_LINES,
    Format,
    Text,
    hard_calls,
    imputed,
    joint_called,
)

GENERATOR = 2
"""Counted up when the same shape comes to other bytes: cohorts of older ones are made anew."""

CONTIG, CONTIG_LENGTH = "22", 51_304_566  # GRCh37
FIRST_ID = 100_000_000
_FIRST_POSITION, _SPAN = 16_050_000, 35_000_000
_BLOCK_VARIANTS, _BLOCK_BYTES = 256, 16 << 20
_BASES = np.array(list("ACGT"))


@dataclass(frozen=True, slots=True)
class CohortShape:
    """`n_samples` by `n_variants` records.

    `rare_share`, `multiallelic` (two ALTs) and `missing` are shares of the variants, of the records
    and of the calls.
    """

    name: str
    n_samples: int
    n_variants: int
    format: Format = Format.HARD
    is_phased: bool = True
    rare_share: float = 0.88
    multiallelic: float = 0.005
    missing: float = 0.0
    repeats: int = 1
    seed: int = 20260101

    @property
    def n_genotypes(self) -> int:
        return self.n_samples * self.n_variants

    @property
    def dimensions(self) -> str:
        return f"{self.n_samples:,} × {self.n_variants:,}"


@dataclass(frozen=True, slots=True)
class Sites:
    """Arrays of (n_variants,), bases as one letter. `alt2` is empty where there is one ALT."""

    position: npt.NDArray[np.int64]
    id_number: npt.NDArray[np.int64]
    ref: npt.NDArray[np.str_]
    alt: npt.NDArray[np.str_]
    alt2: npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Cohort:
    """One cohort on disk, alone in its folder."""

    shape: CohortShape
    vcf: Path

    @property
    def folder(self) -> Path:
        return self.vcf.parent

    def sites(self) -> Sites:
        return draw_sites(self.shape)

    def forget(self) -> None:
        """Removes what a program left beside the VCF: block directories, indexes, stores."""
        for path in self.folder.iterdir():
            if path.name not in (self.vcf.name, "complete"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def prepare_cohort(shape: CohortShape, folder: Path) -> Cohort:
    """The cohort of `shape` under `folder`, made if it is not there yet."""
    home = folder / "cohorts" / f"{shape.name}-{shape.seed}-{GENERATOR}"
    cohort = Cohort(shape, home / "cohort.vcf.gz")
    if (home / "complete").exists() and (home / "complete").read_text() == _facts(shape):
        return cohort
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    _write_vcf(shape, cohort.vcf)
    (home / "complete").write_text(_facts(shape))
    return cohort


def _facts(shape: CohortShape) -> str:
    return f"{asdict(shape)}\n"


def draw_sites(shape: CohortShape) -> Sites:
    """All records of `shape`, in the order of the file."""
    rng = np.random.default_rng([shape.seed, 0])
    n, step = shape.n_variants // shape.repeats, _SPAN // shape.repeats
    ref = rng.integers(0, 4, n)
    to_alt = rng.integers(1, 4, n)
    to_alt2 = (to_alt + rng.integers(0, 2, n)) % 3 + 1
    is_multiallelic = rng.random(n) < shape.multiallelic
    once = Sites(
        position=np.sort(rng.choice(step, n, replace=False)) + _FIRST_POSITION,
        id_number=np.arange(n) + FIRST_ID,
        ref=_BASES[ref],
        alt=_BASES[(ref + to_alt) % 4],
        alt2=np.where(is_multiallelic, _BASES[(ref + to_alt2) % 4], ""),
    )
    return _repeated(once, shape.repeats, step)


def _repeated(once: Sites, repeats: int, step: int) -> Sites:
    nth = np.repeat(np.arange(repeats), len(once.position))
    return Sites(
        np.tile(once.position, repeats) + nth * step,
        np.tile(once.id_number, repeats) + nth * len(once.position),
        *(np.tile(bases, repeats) for bases in (once.ref, once.alt, once.alt2)),
    )


def _write_vcf(shape: CohortShape, path: Path) -> None:
    """Blocks of variants are drawn in threads; the text of each is repeated while it is there."""
    parts = [path.with_suffix(f".part{number}") for number in range(shape.repeats)]
    with ExitStack() as files, ThreadPoolExecutor(os.cpu_count()) as threads:
        outs = [files.enter_context(part.open("wb")) for part in parts]
        outs[0].write(bgzf_files.bgzf_blocks(memoryview(_header(shape))))
        for pieces in _in_order(threads, shape):
            for out, piece in zip(outs, pieces, strict=True):
                out.write(piece)
        outs[-1].write(bgzf_files.END)
    with path.open("wb") as whole:
        for part in parts:
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, whole)
            part.unlink()


def _in_order(threads: ThreadPoolExecutor, shape: CohortShape) -> Iterator[list[bytes]]:
    """Compressed blocks of variants, a few at work at a time: text is large."""
    sites = draw_sites(shape)
    n = shape.n_variants // shape.repeats
    counts = draw_allele_counts(
        np.random.default_rng([shape.seed, 1]), n, 2 * shape.n_samples, shape.rare_share
    )
    rows = _block_rows(shape, n)
    waiting = [threads.submit(_compressed, shape, sites, counts, r) for r in islice(rows, 4)]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [threads.submit(_compressed, shape, sites, counts, r) for r in islice(rows, 1)]


def _block_rows(shape: CohortShape, n_variants: int) -> Iterator[range]:
    at_once = min(_BLOCK_VARIANTS, max(1, _BLOCK_BYTES // (4 * shape.n_samples)))
    return (
        range(start, min(start + at_once, n_variants)) for start in range(0, n_variants, at_once)
    )


def _compressed(
    shape: CohortShape, sites: Sites, counts: npt.NDArray[np.int64], rows: range
) -> list[bytes]:
    """One block of variants, once per repeat: each with its own POS and ID."""
    text, starts = _block_text(shape, sites, counts, rows)
    n, pieces = shape.n_variants // shape.repeats, []
    for number in range(shape.repeats):
        at = np.asarray(rows) + number * n
        _overwrite(text, starts + len(CONTIG) + 1, sites.position[at], 8)
        _overwrite(text, starts + len(CONTIG) + 12, sites.id_number[at], 9)
        pieces.append(bgzf_files.bgzf_blocks(text.data))
    return pieces


def _overwrite(
    text: Text, at: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64], n_digits: int
) -> None:
    powers = 10 ** np.arange(n_digits)[::-1]
    text[at[:, None] + np.arange(n_digits)] = numbers[:, None] // powers % 10 + ord("0")


def _block_text(
    shape: CohortShape, sites: Sites, counts: npt.NDArray[np.int64], rows: range
) -> tuple[Text, npt.NDArray[np.int64]]:
    """The lines of `rows`, and where each begins."""
    rng = np.random.default_rng([shape.seed, 2, rows.start])
    alleles = draw_alleles(rng, counts[rows.start : rows.stop], 2 * shape.n_samples)
    for at, row in enumerate(rows):
        if sites.alt2[row]:
            carriers = np.flatnonzero(alleles[at])
            alleles[at, carriers[::3]] = 2
    _forget_calls(rng, shape, alleles)
    lines = [
        part
        for at, row in enumerate(rows)
        for part in (
            _fixed_columns(shape, sites, row, alleles[at]),
            _sample_columns(shape, sites, row, alleles[at]),
        )
    ]
    lengths = [
        len(fixed) + len(cells) for fixed, cells in zip(lines[::2], lines[1::2], strict=True)
    ]
    return np.concatenate(lines), np.cumsum([0, *lengths[:-1]])


def _forget_calls(
    rng: np.random.Generator, shape: CohortShape, alleles: npt.NDArray[np.uint8]
) -> None:
    if shape.missing:
        share = rng.beta(1, 1 / shape.missing - 1, len(alleles))
        is_missing = rng.random((len(alleles), shape.n_samples)) < share[:, None]
        alleles.reshape(len(alleles), -1, 2)[is_missing] = 255


def _sample_columns(
    shape: CohortShape, sites: Sites, row: int, alleles: npt.NDArray[np.uint8]
) -> Text:
    match shape.format:
        case Format.HARD:
            return hard_calls(alleles[None], "|" if shape.is_phased else "/")[0]
        case Format.JOINT:
            return joint_called(alleles, 3 if sites.alt2[row] else 2, shape.seed + row)
        case layout:
            return imputed(alleles, layout, shape.seed + row)


def _fixed_columns(
    shape: CohortShape, sites: Sites, row: int, alleles: npt.NDArray[np.uint8]
) -> Text:
    alt = f"{sites.alt[row]},{sites.alt2[row]}" if sites.alt2[row] else str(sites.alt[row])
    counts = np.bincount(alleles, minlength=3)[1 : 1 + len(alt.split(","))]
    total = int((alleles != 255).sum())
    info = _info(shape, row, counts, total)
    fields = (CONTIG, sites.position[row], f"rs{sites.id_number[row]}", sites.ref[row], alt)
    text = "\t".join(map(str, (*fields, "100", "PASS", info, shape.format)))
    return np.frombuffer(text.encode(), np.uint8)


def _info(shape: CohortShape, row: int, counts: npt.NDArray[np.int64], total: int) -> str:
    frequency = counts / max(total, 1)
    noise = row * 7919 % 4001 / 4001
    af = ",".join(f"{value:.6g}" for value in frequency)
    ac = f"AC={','.join(map(str, counts))};AF={af};AN={total}"
    match shape.format:
        case Format.HARD:
            near = (f"{frequency[0] * (0.5 + noise * k):.4g}" for k in (1, 0.3, 0.7, 0.9, 0.1))
            by_group = ";".join(
                f"{group}_AF={value}"
                for group, value in zip(("EAS", "AMR", "AFR", "EUR", "SAS"), near, strict=True)
            )
            depth = int(shape.n_samples * (7 + noise))
            return f"{ac};NS={shape.n_samples};DP={depth};{by_group};VT=SNP"
        case Format.JOINT:
            depth = int(shape.n_samples * (29 + 2 * noise))
            return f"{ac};DP={depth};FS={3 * noise:.3f};MQ={60 - noise:.2f};QD={17 + noise:.2f}"
        case _:
            return f"{ac};R2={1 - noise / 3:.5f};IMPUTED"


_INFO_HEADER = (
    ("AC", "A", "Integer"),
    ("AF", "A", "Float"),
    ("AN", "1", "Integer"),
    ("NS", "1", "Integer"),
    ("DP", "1", "Integer"),
    *((f"{group}_AF", "A", "Float") for group in ("EAS", "AMR", "AFR", "EUR", "SAS")),
    *((name, "1", "Float") for name in ("FS", "MQ", "QD", "R2")),
    ("VT", ".", "String"),
    ("IMPUTED", "0", "Flag"),
)


def _header(shape: CohortShape) -> bytes:
    samples = "\t".join(f"S{number:06d}" for number in range(shape.n_samples))
    info = "".join(
        f'##INFO=<ID={name},Number={number},Type={kind},Description="Synthetic">\n'
        for name, number, kind in _INFO_HEADER
    )
    return (
        "##fileformat=VCFv4.2\n"
        '##FILTER=<ID=PASS,Description="All filters passed">\n'
        f"##contig=<ID={CONTIG},length={CONTIG_LENGTH}>\n"
        + info
        + "".join(HEADER_LINES[name] for name in shape.format.split(":"))
        + f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}\n"
    ).encode()
