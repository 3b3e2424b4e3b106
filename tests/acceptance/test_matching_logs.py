"""Against pgscatalog-match's own logs on hand-made variants: the fate of every scoring-file row."""

import csv
import gzip
from pathlib import Path

import pytest

from core.scoring.policy import Compat
from tests.builders.cohort_run import run_scoring

pytestmark = pytest.mark.acceptance

MODES = {
    "noMA": {},
    "noMA_keep_ambiguous": {"ambiguous": "keep"},
    "noMA_ignore_strand_flips": {"strand_flip": "ignore"},
    "noMA_keep_first_match": {"duplicate_target": "keep_first"},
    "MA": {},
    "MA_keep_multiallelic": {"multiallelic": "every_alt"},
}


def best_rows(path: Path) -> dict[int, dict[str, str]]:
    """The peer's best candidate of each row, by row_nr."""
    with gzip.open(path, "rt") as lines:
        rows = [row for row in csv.DictReader(lines) if row["match_status"] != "not_best"]
    return {int(row["row_nr"]): row for row in rows}


def micro_genotypes(data: Path, folder: Path, mode: str) -> Path:
    """The peer drops multiallelic variants from the target (--max-alleles 2) unless MA."""
    lines = (data / "semantics_micro/micro_autosomes.vcf").read_text().splitlines(keepends=True)
    if mode.startswith("noMA"):
        lines = [line for line in lines if line[0] == "#" or "," not in line.split("\t")[4]]
    path = folder / "micro.vcf"
    path.write_text("".join(lines))
    return path


@pytest.mark.parametrize("mode", MODES)
def test_every_row_has_the_status_match_type_and_variant_of_the_log(
    mode, acceptance_data, tmp_path
):
    micro = acceptance_data / "semantics_micro"
    results = run_scoring(
        micro_genotypes(acceptance_data, tmp_path, mode),
        micro / "micro_catalog.txt",
        tmp_path / "out",
        compat=Compat.PGSC_CALC_V2,
        policy=MODES[mode],
    )
    expected = best_rows(micro / f"matching/{mode}.log.csv.gz")
    ours = {row["row_number"]: row for row in results.matches.to_pylist()}
    assert ours.keys() == expected.keys()
    for number, theirs in expected.items():
        row = ours[number]
        assert row["status"] == theirs["match_status"], row
        assert (row["match_type"] or "") == theirs["match_type"], row
        assert (row["matched_allele"] or "") == flipped_back(theirs), row
        if theirs["ID"] and theirs["is_multiallelic"] == "false":
            assert row["variant_id"] == theirs["ID"], row


def flipped_back(row: dict[str, str]) -> str:
    """Our matched_allele is an allele of the target, and so is the peer's."""
    return row["matched_effect_allele"]


def test_reasons_say_why_a_row_was_left_out(acceptance_data, tmp_path):
    micro = acceptance_data / "semantics_micro"
    results = run_scoring(
        micro / "micro_autosomes.vcf",
        micro / "micro_catalog.txt",
        tmp_path,
        compat=Compat.PGSC_CALC_V2,
    )
    reasons = {row["row_number"]: row["reason"] for row in results.matches.to_pylist()}
    assert reasons == {
        **dict.fromkeys((0, 1, 2, 6, 7, 8, 10)),
        3: "ambiguous",
        4: "ambiguous",
        5: "multiallelic",
        9: "ambiguous",
        11: "duplicate_target",
        12: "duplicate_target",
        13: "absent_locus",
        14: "allele_mismatch",
    }
