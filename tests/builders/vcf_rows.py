"""Rows of a VCF as plain tuples, as our reader has them and as cyvcf2 has them; records to read."""

from typing import NamedTuple

import numpy as np
from cyvcf2 import VCF
from hypothesis import strategies as st

from core.genome_build import canonical_contig
from core.genotypes.block import DosageBlock
from core.genotypes.source import Cohort, plan_shards
from core.genotypes.vcf import ShardReader, open_cohort
from tests.builders.vcf import Record


class Row(NamedTuple):
    """One ALT of one record; None is missing."""

    contig: str
    position: int
    id: str
    ref: str
    alt: str
    n_alts: int
    dosages: tuple[float | None, ...]
    ploidies: tuple[int, ...]


def rows_of_block(block: DosageBlock) -> list[Row]:
    dosage = block.dosage
    is_missing = dosage == 255 if dosage.dtype == np.uint8 else np.isnan(dosage)
    ploidy = np.full(dosage.shape, 2) if block.ploidy is None else block.ploidy
    contig, position, name, ref, alt, n_alts = (
        block.column(field).to_pylist() for field in Row._fields[:6]
    )
    return [
        Row(
            contig[i],
            position[i],
            name[i],
            ref[i],
            alt[i],
            n_alts[i],
            tuple(
                None if missing else value
                for value, missing in zip(dosage[i].tolist(), is_missing[i], strict=True)
            ),
            tuple(ploidy[i].tolist()),
        )
        for i in range(block.n_rows)
    ]


def read_blocks(cohort: Cohort, shard_bytes: int = 1 << 40, **options) -> list[DosageBlock]:
    return [
        block
        for shard in plan_shards(cohort, shard_bytes)
        for block in ShardReader(shard, **options)
    ]


def read_rows(uri: str, shard_bytes: int = 1 << 40, **options) -> list[Row]:
    blocks = read_blocks(open_cohort([uri]), shard_bytes, **options)
    return [row for block in blocks for row in rows_of_block(block)]


def cyvcf2_rows(path: str) -> list[Row]:
    """By genotype.array(): -1 a missing allele, -2 the padding of a lower ploidy."""
    rows: list[Row] = []
    file = VCF(path)
    for variant in file:
        alleles = np.full((len(file.samples), 2), -1)
        if "GT" in variant.FORMAT:
            alleles = variant.genotype.array()[:, :-1]
        is_missing = (alleles == -1).any(axis=1)
        ploidy = (alleles != -2).sum(axis=1)
        for i, alt in enumerate(variant.ALT or ["."], start=1):
            copies = (alleles == i).sum(axis=1).tolist()
            rows.append(
                Row(
                    canonical_contig(variant.CHROM),
                    variant.POS,
                    variant.ID or ".",
                    variant.REF.upper(),
                    alt.upper(),
                    max(1, len(variant.ALT)),
                    tuple(
                        None if missing else n
                        for missing, n in zip(is_missing, copies, strict=True)
                    ),
                    tuple(ploidy.tolist()),
                )
            )
    return rows


@st.composite
def calls(draw, n_alts: int) -> str:
    """A GT, sometimes a half-call, sometimes not diploid."""
    alleles = draw(st.lists(st.integers(0, n_alts), min_size=1, max_size=3))
    if draw(st.integers(0, 2)):
        alleles = [*alleles, 0][:2]
    text = [str(allele) for allele in alleles]
    for i in range(len(text)):
        if draw(st.integers(0, 5)) == 0:
            text[i] = "."
    separator = draw(st.sampled_from("/|"))
    return separator.join(text)


@st.composite
def records(draw, *, n_samples: int, max_records: int = 30) -> list[Record]:
    """Records in no order, many at one position, some lines long."""
    found: list[Record] = []
    for _ in range(draw(st.integers(0, max_records))):
        alts = draw(
            st.sampled_from(["G", "g,T", ".", "<DEL>", "*,C", "A,C,G,T,AA,CC,GG,TT,AC,AG,AT"])
        )
        n_alts = 0 if alts == "." else alts.count(",") + 1
        gts = [draw(calls(n_alts)) for _ in range(n_samples)]
        if all(gt == "." for gt in gts):  # cyvcf2 ends the process here
            gts[0] = "./."
        layout, columns = draw(
            st.sampled_from(
                [
                    ("GT", gts),
                    ("GT:DP", [f"{gt}:7" for gt in gts]),
                    ("GT:DP", gts),
                    ("DP:GT", [f".:{gt}" for gt in gts]),
                ]
            )
        )
        found.append(
            Record(
                draw(st.sampled_from(["1", "chr1", "22"])),
                draw(st.sampled_from([7, 7, 7, 8, 2**31 - 1])),
                columns,
                id="".join(draw(st.lists(st.just("rs12345678"), max_size=40))) or ".",
                ref=draw(st.sampled_from(["A", "acgt"])),
                alt=alts,
                format=layout,
            )
        )
    return found
