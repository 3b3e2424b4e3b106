"""The benchmark's cohorts, made from a seed: a bgzipped VCF (4.2) and one score over all variants.

Allele counts follow those of a human cohort (half of the variants are seen once, one in eight is
common), and INFO imitates that of the 1000 Genomes, so a variant takes about as many bytes as
there. Haplotypes are drawn independently: there is no linkage disequilibrium.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import deflate
import numpy as np
import numpy.typing as npt

CONTIG, CONTIG_LENGTH = "22", 51_304_566  # GRCh37
ACCESSION = "BENCH000001"
_BLOCK_VARIANTS = 512
_RARE_SHARE = 0.88
_RARE_LIMIT = 50
_MULTIALLELIC_SHARE = 0.005
_REF_EFFECT_SHARE = 0.2
_BGZF_BLOCK_BYTES = 65_280
_BGZF_HEADER = bytes.fromhex("1f8b08040000000000ff060042430200")
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_BASES = np.array(list("ACGT"))


@dataclass(frozen=True, slots=True)
class CohortShape:
    """A row of the table of cohorts: phased GT alone, `n_samples` by `n_variants` records."""

    name: str
    n_samples: int
    n_variants: int
    seed: int = 20260101

    @property
    def n_genotypes(self) -> int:
        return self.n_samples * self.n_variants


@dataclass(frozen=True, slots=True)
class CohortFiles:
    """One cohort on disk: the VCF, and one score over all of its variants in two notations."""

    shape: CohortShape
    vcf: Path
    scoring_file: Path
    plink_score: Path


@dataclass(frozen=True, slots=True)
class _Sites:
    """The records of a cohort; arrays of (n_variants,). `alt2` is empty where there is one ALT."""

    position: npt.NDArray[np.int64]
    ref: npt.NDArray[np.str_]
    alt: npt.NDArray[np.str_]
    alt2: npt.NDArray[np.str_]
    n_carriers: npt.NDArray[np.int64]

    def id_of(self, row: int) -> str:
        return f"rs{100_000_000 + row}"


def prepare_cohort(shape: CohortShape, folder: Path) -> CohortFiles:
    """The files of `shape` under `folder`, made if they are not there yet."""
    home = folder / f"{shape.name}-{shape.seed}"
    files = CohortFiles(shape, home / "cohort.vcf.gz", home / "score.txt", home / "score.plink.tsv")
    if (home / "complete").exists():
        return files
    home.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(shape.seed)
    sites = _draw_sites(rng, shape)
    with files.vcf.open("wb") as out:
        _write_bgzf(out, _vcf_text(rng, shape, sites))
    _write_scores(rng, sites, files)
    (home / "complete").write_text(f"{asdict(shape)}\n")
    return files


def _draw_sites(rng: np.random.Generator, shape: CohortShape) -> _Sites:
    n = shape.n_variants
    base = rng.integers(0, 4, n)
    step = rng.integers(1, 4, n)
    other = (step + rng.integers(1, 3, n) - 1) % 3 + 1
    other = np.where(other == step, step % 3 + 1, other)
    is_multiallelic = rng.random(n) < _MULTIALLELIC_SHARE
    return _Sites(
        position=np.sort(rng.choice(CONTIG_LENGTH - 16_050_000, n, replace=False)) + 16_050_000,
        ref=_BASES[base],
        alt=_BASES[(base + step) % 4],
        alt2=np.where(is_multiallelic, _BASES[(base + other) % 4], ""),
        n_carriers=_draw_allele_counts(rng, n, 2 * shape.n_samples),
    )


def _draw_allele_counts(
    rng: np.random.Generator, n_variants: int, n_haplotypes: int
) -> npt.NDArray[np.int64]:
    """ALT alleles per variant: k^-2 below the limit of rare, k^-1 above it."""
    limit = min(_RARE_LIMIT, n_haplotypes // 2)
    rare, common = np.arange(1, limit), np.arange(limit, n_haplotypes)
    chance = np.concatenate(
        [
            _RARE_SHARE * rare**-2.0 / (rare**-2.0).sum(),
            (1 - _RARE_SHARE) * common**-1.0 / (common**-1.0).sum(),
        ]
    )
    return rng.choice(np.arange(1, n_haplotypes), n_variants, p=chance)


def _vcf_text(rng: np.random.Generator, shape: CohortShape, sites: _Sites) -> Iterator[bytes]:
    yield _header(shape)
    for start in range(0, shape.n_variants, _BLOCK_VARIANTS):
        rows = range(start, min(start + _BLOCK_VARIANTS, shape.n_variants))
        cells = _cells(rng, shape.n_samples, sites, rows)
        for row, calls in zip(rows, cells, strict=True):
            yield _fixed_columns(sites, row, shape.n_samples)
            yield calls.tobytes()


def _header(shape: CohortShape) -> bytes:
    samples = "\t".join(f"S{number:06d}" for number in range(shape.n_samples))
    return (
        "##fileformat=VCFv4.2\n"
        '##FILTER=<ID=PASS,Description="All filters passed">\n'
        f"##contig=<ID={CONTIG},length={CONTIG_LENGTH}>\n"
        '##INFO=<ID=AC,Number=A,Type=Integer,Description="Alternate allele count">\n'
        '##INFO=<ID=AF,Number=A,Type=Float,Description="Alternate allele frequency">\n'
        '##INFO=<ID=AN,Number=1,Type=Integer,Description="Called alleles">\n'
        '##INFO=<ID=NS,Number=1,Type=Integer,Description="Samples with data">\n'
        '##INFO=<ID=DP,Number=1,Type=Integer,Description="Total depth">\n'
        '##INFO=<ID=VT,Number=.,Type=String,Description="Type of variant">\n'
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
        f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}\n"
    ).encode()


def _cells(
    rng: np.random.Generator, n_samples: int, sites: _Sites, rows: range
) -> npt.NDArray[np.uint8]:
    """The sample columns of `rows` as text, (rows, 4 x n_samples + 1): tab, allele, bar, allele."""
    allele = np.zeros((len(rows), 2 * n_samples), np.uint8)
    for at, row in enumerate(rows):
        carriers = rng.choice(2 * n_samples, sites.n_carriers[row], replace=False, shuffle=False)
        allele[at, carriers] = 1
        if sites.alt2[row]:
            allele[at, carriers[::3]] = 2
    text = np.empty((len(rows), 4 * n_samples + 1), np.uint8)
    text[:, 0:-1:4] = ord("\t")
    text[:, 1:-1:4] = allele[:, 0::2] + ord("0")
    text[:, 2:-1:4] = ord("|")
    text[:, 3:-1:4] = allele[:, 1::2] + ord("0")
    text[:, -1] = ord("\n")
    return text


def _fixed_columns(sites: _Sites, row: int, n_samples: int) -> bytes:
    count, total = int(sites.n_carriers[row]), 2 * n_samples
    second = sites.alt2[row]
    counts = [count - (count + 2) // 3, (count + 2) // 3] if second else [count]
    info = (
        f"AC={','.join(map(str, counts))};AF={','.join(f'{n / total:.6g}' for n in counts)};"
        f"AN={total};NS={n_samples};DP={7 * n_samples + row * 7919 % 4001};VT=SNP"
    )
    alt = f"{sites.alt[row]},{second}" if second else sites.alt[row]
    return (
        f"{CONTIG}\t{sites.position[row]}\t{sites.id_of(row)}\t{sites.ref[row]}\t{alt}"
        f"\t100\tPASS\t{info}\tGT"
    ).encode()


def _write_scores(rng: np.random.Generator, sites: _Sites, files: CohortFiles) -> None:
    n = len(sites.position)
    is_ref = rng.random(n) < _REF_EFFECT_SHARE
    effect = np.where(is_ref, sites.ref, sites.alt)
    other = np.where(is_ref, sites.alt, sites.ref)
    weight = [f"{value:.6f}" for value in rng.normal(0, 0.05, n)]
    ids = [sites.id_of(row) for row in range(n)]
    columns = zip(ids, sites.position, effect, other, weight, strict=True)
    files.scoring_file.write_text(
        "###PGS CATALOG SCORING FILE\n#format_version=2.0\n"
        f"#pgs_id={ACCESSION}\n#genome_build=GRCh37\n"
        "rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n"
        + "".join(f"{i}\t{CONTIG}\t{p}\t{e}\t{o}\t{w}\n" for i, p, e, o, w in columns)
    )
    files.plink_score.write_text(
        "ID\teffect_allele\teffect_weight\n"
        + "".join(f"{i}\t{e}\t{w}\n" for i, e, w in zip(ids, effect, weight, strict=True))
    )


def _write_bgzf(out: BinaryIO, pieces: Iterator[bytes]) -> None:
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= 64 * _BGZF_BLOCK_BYTES:
            whole = len(held) // _BGZF_BLOCK_BYTES * _BGZF_BLOCK_BYTES
            out.writelines(_bgzf_blocks(bytes(held[:whole])))
            del held[:whole]
    out.writelines(_bgzf_blocks(bytes(held)))
    out.write(_BGZF_END)


def _bgzf_blocks(text: bytes) -> Iterator[bytes]:
    for start in range(0, len(text), _BGZF_BLOCK_BYTES):
        plain = text[start : start + _BGZF_BLOCK_BYTES]
        packed = bytes(deflate.deflate_compress(plain, 6))
        size = len(_BGZF_HEADER) + 2 + len(packed) + 8
        yield _BGZF_HEADER + (size - 1).to_bytes(2, "little") + packed
        yield deflate.crc32(plain).to_bytes(4, "little") + len(plain).to_bytes(4, "little")
