"""A scoring file over the sites of a VCF: seeded weights, both alleles as effect alleles."""

import random
from pathlib import Path

from cyvcf2 import VCF


def write_score_over(vcf: Path, path: Path, *, build: str, seed: int = 1) -> Path:
    """One row per biallelic site; every third names REF as the effect allele."""
    weights = random.Random(seed)
    rows = ["chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight"]
    for number, record in enumerate(VCF(str(vcf), gts012=False)):
        if len(record.ALT) == 1:
            alleles = [record.ALT[0], record.REF]
            effect, other = alleles if number % 3 else reversed(alleles)
            site = f"{record.CHROM}\t{record.POS}"
            rows.append(f"{site}\t{effect}\t{other}\t{weights.gauss(0, 0.01):.6f}")
    header = [f"#pgs_id={path.stem}", f"#genome_build={build}"]
    path.write_text("\n".join([*header, *rows]) + "\n")
    return path
