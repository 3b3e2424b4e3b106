"""A made-up cohort and scoring file in real formats, for the demonstration and for tests.

Everything follows from a seed: the sites, the genotypes and the weights. REF alleles are random,
not those of GRCh38; only contig names and lengths are real. The accession says DEMO, so nobody
takes a made-up score for a published one. Formats: VCF 4.2 (bgzip), PGS Catalog scoring file 2.0.
"""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cyvcf2 import Writer

from core.variants import complement

DEMO_ACCESSION = "DEMO000001"
DEMO_SEED = 20260101

_CONTIG_LENGTHS = {"chr20": 64444167, "chr21": 46709983, "chr22": 50818468}  # GRCh38
_TRANSITION = {"A": "G", "G": "A", "C": "T", "T": "C"}
_OTHER_STRAND = str.maketrans("ACGT", "TGCA")
_MISSING_RATE = 0.01
_SCORED_SHARE = 0.1
"""Scoring-file rows per site of the cohort."""


@dataclass(frozen=True, slots=True)
class DemoSite:
    """One VCF record; `frequencies` are of the ALT alleles, in their order."""

    contig: str
    position: int
    id: str
    ref: str
    alts: tuple[str, ...]
    frequencies: tuple[float, ...]

    @property
    def is_snv(self) -> bool:
        return all(len(allele) == 1 for allele in (self.ref, *self.alts))

    @property
    def is_ambiguous(self) -> bool:
        return len(self.alts) == 1 and complement(self.ref) == self.alts[0]


@dataclass(frozen=True, slots=True)
class DemoScoreRow:
    """One row of the scoring file; `frequency` is the effect allele's."""

    contig: str
    position: int
    effect_allele: str
    other_allele: str
    weight: float
    frequency: float


def demo_sites(n_variants: int, *, seed: int = DEMO_SEED) -> tuple[DemoSite, ...]:
    """Sites in file order: about 85 % SNVs, else insertions, deletions and multiallelic SNVs."""
    rng = np.random.default_rng(seed)
    sites: list[DemoSite] = []
    shares = np.array_split(np.arange(n_variants), len(_CONTIG_LENGTHS))
    for (contig, length), numbers in zip(_CONTIG_LENGTHS.items(), shares, strict=True):
        positions = np.sort(rng.choice(length - 10_000, size=len(numbers), replace=False)) + 5_000
        for number, position in zip(numbers, positions, strict=True):
            sites.append(_site(rng, contig, int(position), int(number)))
    return tuple(sites)


def _site(rng: np.random.Generator, contig: str, position: int, number: int) -> DemoSite:
    ref, alts = _alleles(rng)
    share = float(np.clip(rng.beta(0.9, 2.0), 0.01, 0.95))
    frequencies = (
        (round(share, 4),) if len(alts) == 1 else (round(share * 0.6, 4), round(share * 0.3, 4))
    )
    return DemoSite(contig, position, f"demo{number + 1:06d}", ref, alts, frequencies)


def _alleles(rng: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    bases = rng.permutation(list("ACGT")).tolist()
    ref, first, second = bases[:3]
    kind = rng.random()
    if kind < 0.05:
        return ref, (ref + "".join(rng.choice(list("ACGT"), size=rng.integers(1, 5))),)
    if kind < 0.10:
        return ref + "".join(rng.choice(list("ACGT"), size=rng.integers(1, 5))), (ref,)
    if kind < 0.15:
        return ref, (first, second)
    return ref, (_TRANSITION[ref] if rng.random() < 0.6 else first,)


def write_demo_vcf(
    path: Path, sites: Sequence[DemoSite], *, n_samples: int, seed: int = DEMO_SEED
) -> None:
    """A bgzip-compressed VCF 4.2 of unphased diploid calls, about 1 % of them missing."""
    rng = np.random.default_rng([seed, 1])
    writer = Writer.from_string(str(path), _vcf_header(n_samples), mode="wz")
    try:
        writer.write_header()
        for site in sites:
            writer.write_record(writer.variant_from_string(_vcf_line(rng, site, n_samples)))
    finally:
        writer.close()


def _vcf_header(n_samples: int) -> str:
    contigs = [f"##contig=<ID={name},length={length}>" for name, length in _CONTIG_LENGTHS.items()]
    samples = [f"DEMO{number:04d}" for number in range(1, n_samples + 1)]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]
    return "\n".join(
        [
            "##fileformat=VCFv4.2",
            '##FILTER=<ID=PASS,Description="All filters passed">',
            "##source=CuraGenie demonstration data, synthetic",
            *contigs,
            '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency used to draw the genotypes">',
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
            "\t".join(columns),
            "",
        ]
    )


def _vcf_line(rng: np.random.Generator, site: DemoSite, n_samples: int) -> str:
    alleles = _draw_alleles(rng, site.frequencies, n_samples)
    missing = rng.random(n_samples) < _MISSING_RATE
    calls = [
        "./." if is_missing else f"{first}/{second}"
        for (first, second), is_missing in zip(alleles.tolist(), missing.tolist(), strict=True)
    ]
    info = "AF=" + ",".join(f"{frequency:g}" for frequency in site.frequencies)
    fixed = [site.contig, str(site.position), site.id, site.ref, ",".join(site.alts)]
    return "\t".join([*fixed, ".", "PASS", info, "GT", *calls])


def _draw_alleles(
    rng: np.random.Generator, frequencies: tuple[float, ...], n_samples: int
) -> npt.NDArray[np.int64]:
    """(samples, 2) allele numbers, 0 is REF, the smaller first."""
    edges = np.cumsum([1.0 - sum(frequencies), *frequencies])
    drawn = np.searchsorted(edges[:-1], rng.random((n_samples, 2)), side="right")
    return np.sort(drawn, axis=1)


def demo_score_rows(
    sites: Sequence[DemoSite], *, seed: int = DEMO_SEED
) -> tuple[DemoScoreRow, ...]:
    """Rows of every kind that matching knows, in file order.

    Of the scored sites about 60 % have the ALT as effect allele, 15 % the REF, 15 % are on the
    other strand, 5 % name alleles that the site does not have, and 5 % a locus that the cohort
    lacks; palindromic sites come as they fall, so some rows are ambiguous.
    """
    rng = np.random.default_rng([seed, 2])
    n_rows = max(1, int(len(sites) * _SCORED_SHARE))
    chosen = np.sort(rng.choice(len(sites), size=min(n_rows, len(sites)), replace=False))
    taken = {(site.contig, site.position) for site in sites}
    return tuple(_score_row(rng, sites[int(number)], taken) for number in chosen)


def _score_row(
    rng: np.random.Generator, site: DemoSite, taken: set[tuple[str, int]]
) -> DemoScoreRow:
    effect, other, frequency = site.alts[0], site.ref, site.frequencies[0]
    position, kind = site.position, rng.random()
    if 0.55 <= kind < 0.70 and len(site.alts) == 1:
        effect, other, frequency = other, effect, round(1.0 - frequency, 4)
    elif 0.70 <= kind < 0.85 and site.is_snv:
        effect, other = _other_strand(effect), _other_strand(other)
    elif 0.85 <= kind < 0.90 and site.is_snv and len(site.alts) == 1:
        effect, other = _alleles_of_another_site(site)
    elif 0.90 <= kind < 0.95:
        while (site.contig, position) in taken:
            position += 1
    weight = round(float(rng.normal(0.0, 0.05)), 6)
    return DemoScoreRow(site.contig, position, effect, other, weight, frequency)


def _other_strand(allele: str) -> str:
    return allele.translate(_OTHER_STRAND)


def _alleles_of_another_site(site: DemoSite) -> tuple[str, str]:
    """Two bases that are not the biallelic site's on either strand, taken together."""
    known = {frozenset((site.ref, site.alts[0]))}
    known |= {frozenset((_other_strand(site.ref), _other_strand(site.alts[0])))}
    pairs = [(a, b) for a in "ACGT" for b in "ACGT" if a != b and complement(a) != b]
    return next(pair for pair in pairs if frozenset(pair) not in known)


def write_demo_scoring_file(path: Path, rows: Sequence[DemoScoreRow]) -> None:
    """A PGS Catalog scoring file v2.0, gzip-compressed where `path` ends in .gz."""
    text = "\n".join(_scoring_file_lines(rows)) + "\n"
    content = text.encode()
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    path.write_bytes(content)


def _scoring_file_lines(rows: Sequence[DemoScoreRow]) -> Iterator[str]:
    yield "###PGS CATALOG SCORING FILE - synthetic, for demonstration only"
    yield "#format_version=2.0"
    yield "##POLYGENIC SCORE (PGS) INFORMATION"
    yield f"#pgs_id={DEMO_ACCESSION}"
    yield "#pgs_name=demonstration"
    yield "#trait_reported=Demonstration trait (not a disease)"
    yield "#genome_build=GRCh38"
    yield f"#variants_number={len(rows)}"
    yield "#weight_type=NR"
    yield "##SOURCE INFORMATION"
    yield "#citation=None: random weights, research and demonstration use only"
    columns = ["chr_name", "chr_position", "effect_allele", "other_allele"]
    yield "\t".join([*columns, "effect_weight", "allelefrequency_effect"])
    for row in rows:
        place = f"{row.contig.removeprefix('chr')}\t{row.position}"
        alleles = f"{row.effect_allele}\t{row.other_allele}"
        yield f"{place}\t{alleles}\t{row.weight:.6f}\t{row.frequency:.4f}"
