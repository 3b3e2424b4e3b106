"""PLINK filesets: .bed by hand, .pgen by pgenlib's writer or by the installed plink2."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pgenlib import PgenWriter

from core.genotypes.block import MISSING_CALL, SITE_SCHEMA, DosageBlock
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.formats import open_cohort
from core.genotypes.source import plan_shards
from core.genotypes.vcf_wanted import Wanted

MISSING = -9
_BED_CODES = {2: 0b00, MISSING: 0b01, 1: 0b10, 0: 0b11}

Variant = tuple[str, int, str, str, str]
"""Chromosome, position, ID, REF, ALT."""


def write_tables(
    stem: Path, variants: Sequence[Variant], samples: Sequence[tuple[str, str]]
) -> None:
    """NAME.pvar, .bim, .psam and .fam; `samples` are (IID, SEX)."""
    pvar = [f"{c}\t{p}\t{i}\t{r}\t{a}\n" for c, p, i, r, a in variants]
    stem.with_suffix(".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "".join(pvar))
    bim = [f"{c}\t{i}\t0\t{p}\t{a}\t{r}\n" for c, p, i, r, a in variants]
    stem.with_suffix(".bim").write_text("".join(bim))
    psam = [f"{name}\t{sex}\n" for name, sex in samples]
    stem.with_suffix(".psam").write_text("#IID\tSEX\n" + "".join(psam))
    fam = [f"0 {name} 0 0 {sex} -9\n" for name, sex in samples]
    stem.with_suffix(".fam").write_text("".join(fam))


def write_bed(
    stem: Path,
    variants: Sequence[Variant],
    samples: Sequence[tuple[str, str]],
    calls: Sequence[Sequence[int]],
) -> str:
    """`calls` are copies of ALT, a row for each variant; the path of NAME.bed."""
    write_tables(stem, variants, samples)
    content = bytearray(b"\x6c\x1b\x01")
    for row in calls:
        for first in range(0, len(row), 4):
            codes = [_BED_CODES[call] for call in row[first : first + 4]]
            content.append(sum(code << (2 * at) for at, code in enumerate(codes)))
    path = stem.with_suffix(".bed")
    path.write_bytes(content)
    return str(path)


def write_pgen(
    stem: Path,
    variants: Sequence[Variant],
    samples: Sequence[tuple[str, str]],
    alleles: npt.ArrayLike,
) -> str:
    """`alleles` (variants, samples, 2) are allele numbers, -9 missing; the path of NAME.pgen."""
    write_tables(stem, variants, samples)
    path = stem.with_suffix(".pgen")
    counts = [variant[4].count(",") + 2 for variant in variants]
    codes = np.ascontiguousarray(alleles, np.int32).reshape(len(variants), -1)
    with PgenWriter(
        str(path).encode(),
        len(samples),
        variant_ct=len(variants),
        nonref_flags=False,
        allele_ct_limit=max(counts),
    ) as writer:
        writer.append_alleles_batch(codes, allele_cts=np.array(counts, np.uint32))
    return str(path)


def plink2(folder: Path, *arguments: str) -> None:
    limits = ("--threads", "1", "--memory", "640")
    done = subprocess.run(
        ["plink2", *limits, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def read_blocks(
    uri: str,
    shard_bytes: int = 1 << 40,
    *,
    field: GenotypeField = GenotypeField.AUTO,
    wanted: Wanted | None = None,
) -> list[DosageBlock]:
    """Of all shards of a genotype file of any format, in order."""
    options: dict[str, Any] = {"field": field, "half_call": HalfCall.MISSING, "s3": None}
    return [
        block
        for shard in plan_shards(open_cohort([uri]), shard_bytes)
        for block in shard.reader(wanted=wanted, **options)
    ]


def rows_of(blocks: Sequence[DosageBlock]) -> list[tuple[object, ...]]:
    """(contig, position, ID, REF, ALT, n_alts, dosages, ploidies) of every row, None missing."""
    rows: list[tuple[object, ...]] = []
    for block in blocks:
        ploidy = np.full(block.dosage.shape, 2) if block.ploidy is None else block.ploidy
        columns = [block.column(name).to_pylist() for name in SITE_SCHEMA.names if name != "record"]
        for number, site in enumerate(zip(*columns, strict=True)):
            dosages = [
                None if np.isnan(value) or value == MISSING_CALL else float(value)
                for value in block.dosage[number]
            ]
            rows.append((*site, dosages, ploidy[number].tolist()))
    return rows
