"""What quality counts, by the definitions, a call at a time."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from core.genotypes.block import DosageBlock
from core.genotypes.site_kinds import alt_kind

AUTOSOMES = {str(n) for n in range(1, 23)}
_KINDS = ("transition", "transversion", "other_snv", "indel", "other")


@dataclass(frozen=True)
class Call:
    """Copies of each ALT, and of all alleles."""

    alts: tuple[int, ...]
    ploidy: int

    @property
    def genotype(self) -> str:
        if self.ploidy == 0:
            return "n_missing"
        if self.ploidy == 1:
            return "n_hap_alt" if sum(self.alts) else "n_hap_ref"
        if not sum(self.alts):
            return "n_hom_ref"
        return "n_hom_alt" if max(self.alts) == self.ploidy else "n_het"


def counted(block: DosageBlock, *, x_positions: range, y_positions: range) -> list[Counter[str]]:
    """Of each sample; X and Y are counted at these positions."""
    people = [Counter[str]() for _ in range(block.n_samples)]
    rows = block.batch.drop_columns(["dosage"]).to_pylist()
    for record in range(rows[-1]["record"] + 1):
        mine = [i for i, row in enumerate(rows) if row["record"] == record]
        _count_record(block, [rows[i] for i in mine], mine, people, (x_positions, y_positions))
    return people


def _count_record(block, sites, rows, people, ranges) -> None:
    kinds = [_KINDS[alt_kind(site["ref"], site["alt"])] for site in sites]
    contig, position = sites[0]["contig"], sites[0]["position"]
    calls = [_call(block, rows, sample) for sample in range(block.n_samples)]
    copies = [sum(call.alts[i] for call in calls if call) for i in range(len(rows))]
    on_x = contig == "X" and position in ranges[0]
    on_y = contig == "Y" and position in ranges[1]
    for person, call in zip(people, calls, strict=True):
        genotype = call.genotype if call else "n_missing"
        person[genotype] += 1
        if genotype == "n_missing":
            person["n_x_missing"] += on_x
            person["n_y_missing"] += on_y
        if call is None:
            continue
        carried = [kind for kind, n in zip(kinds, call.alts, strict=True) if n]
        person["n_transitions"] += carried.count("transition")
        person["n_transversions"] += carried.count("transversion")
        person["n_indels"] += "indel" in carried
        person["n_singletons"] += sum(
            n == 1 and total == 1 for n, total in zip(call.alts, copies, strict=True)
        )
        if {"transition", "transversion", "other_snv"} & {*carried}:
            person["n_snv_het"] += genotype == "n_het"
            person["n_snv_hom_alt"] += genotype == "n_hom_alt"
        person["n_x_haploid"] += on_x and genotype.startswith("n_hap")
        if len(rows) == 1:
            for name in ("het", "hom_alt"):
                person[f"n_autosomal_{name}"] += contig in AUTOSOMES and genotype == f"n_{name}"
                person[f"n_x_{name}"] += on_x and genotype == f"n_{name}"


def _call(block: DosageBlock, rows: list[int], sample: int) -> Call | None:
    alts = [int(block.dosage[row, sample]) for row in rows]
    ploidy = 2 if block.ploidy is None else int(block.ploidy[rows[0], sample])
    return None if 255 in alts else Call(tuple(alts), ploidy)


def random_calls(
    rng: np.random.Generator, alts_per_record: list[int], n_samples: int, ploidies: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """(rows, samples) dosages and ploidies of made-up calls, one in ten of them missing."""
    dosages: list[np.ndarray] = []
    written: list[np.ndarray] = []
    for n_alts in alts_per_record:
        ploidy = rng.choice(ploidies, n_samples)
        frequency = rng.choice([0.0, 0.01, 0.3, 0.9])
        called = rng.random(n_samples) > rng.choice([0.0, 0.1])
        rest = ploidy.copy()
        for _ in range(n_alts):
            copies = rng.binomial(rest, frequency)
            rest -= copies
            dosages.append(np.where(called, copies, 255))
            written.append(ploidy)
    return np.array(dosages, np.uint8), np.array(written, np.uint8)
