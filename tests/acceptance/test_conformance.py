"""VCFs of hts-specs: each is read or refused with a reason, and which of both is written here."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.acceptance

READ_ALL = """
import json, sys
from core.errors import CuraGenieError
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.formats import open_cohort
from core.genotypes.source import plan_shards
from tests.builders.processes import peak_bytes

def read(path):
    options = {"field": GenotypeField.AUTO, "half_call": HalfCall.MISSING, "wanted": None}
    shards = plan_shards(open_cohort([path]), 1 << 20)
    return sum(block.n_rows for shard in shards for block in shard.reader(**options, s3=None))

outcomes = {}
for path in sys.argv[1:]:
    try:
        outcomes[path] = read(path)
    except CuraGenieError as error:
        outcomes[path] = error.as_dict()
print(json.dumps({"outcomes": outcomes, "peak_bytes": peak_bytes()}))
"""

MOST_BYTES, MOST_SECONDS = 512 << 20, 120

REFUSED_THOUGH_VALID = {
    "passed_body_alt.vcf": "names an allele",  # a call of allele 1 where ALT is "."
    "passed_fileformat_header_000.vcf": "no samples",
    "passed_meta_": "no samples",
}
"""Part of the name of files that the specification accepts: why they cannot be scored."""

READ_THOUGH_INVALID = {
    "info": "no dosage depends on INFO",
    "qual": "nor on QUAL",
    "filter": "nor on FILTER",
    "id": "an ID is any text; only rows that are matched by rsID ask for it",
    "chrom": "a contig may have any name; one that no score names is counted and skipped",
    "contiguous": "contigs may come back: the rows of a position are settled over all blocks",
    "unsorted": "positions may go back, for the same reason",
    "duplicated": "repeated records are settled by the policy (duplicate_target)",
    "alt": "an ALT that is no sequence matches no row of a scoring file",
    "ref": "nor does such a REF",
    "format": "fields beside the wanted one are not read",
    "sample": "nor are the values of such fields, nor values behind the last field",
    "samples_ploidy": "calls of one record may differ in ploidy: each counts as it is written",
}
"""What is wrong in the body of a file, by its name, where the file is read all the same."""


@pytest.fixture(scope="module")
def report(acceptance_data: Path) -> dict[str, Any]:
    """Every file, read in one process of its own."""
    paths = sorted(map(str, (acceptance_data / "conformance/vcf").glob("*/*/*.vcf")))
    assert len(paths) > 400
    run = subprocess.run(
        [sys.executable, "-c", READ_ALL, *paths],
        check=True,
        capture_output=True,
        timeout=MOST_SECONDS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return json.loads(run.stdout)


def names_of(report: dict[str, Any], kind: str, *, is_read: bool) -> dict[str, Any]:
    """File names of a kind (passed, failed) → rows read, or the problem."""
    return {
        path: outcome
        for path, outcome in report["outcomes"].items()
        if Path(path).parent.name == kind and isinstance(outcome, int) == is_read
    }


def test_all_of_them_together_stay_below_512_mib(report):
    assert report["peak_bytes"] < MOST_BYTES


def test_a_valid_file_is_read_or_refused_for_a_reason_that_is_written_down(report):
    assert sum(names_of(report, "passed", is_read=True).values()) > 0
    for path, problem in names_of(report, "passed", is_read=False).items():
        reasons = [why for part, why in REFUSED_THOUGH_VALID.items() if part in path]
        assert reasons, path
        assert reasons[0] in problem["what"], path


def test_an_invalid_file_is_refused_or_its_mistake_is_where_no_dosage_looks(report):
    for path in names_of(report, "failed", is_read=True):
        body = re.fullmatch(r"failed_body_(\w+?)_\d+\.vcf", Path(path).name)
        assert body is not None, path
        assert body[1] in READ_THOUGH_INVALID, path


def test_every_refusal_says_where_and_how_to_go_on(report):
    refused = names_of(report, "failed", is_read=False)
    assert len(refused) > 200
    for path, problem in refused.items():
        assert problem["what"], path
        assert problem["fix"], path
        assert problem["file"] == path
