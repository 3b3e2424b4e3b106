"""The 1000 Genomes panel (2,504 people × 23,770 sites) through HTTP: upload, process, score.

The oracle reads the VCF with cyvcf2 and adds up with numpy; it knows nothing of our code.
"""

import csv
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from cyvcf2 import VCF

from tests.builders.live_service import LiveService, Message, read_until
from tests.builders.panel_score import write_score_over

pytestmark = [pytest.mark.acceptance, pytest.mark.ray, pytest.mark.timeout(900)]

ACCESSION = "PANELSCORE"
USER = "panel"
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


@pytest.fixture(scope="module")
def panel(acceptance_data: Path) -> Path:
    (path,) = (acceptance_data / "genotypes" / "1000g_panel").glob("*GRCh37*.vcf.gz")
    return path


def read_weights(scoring_file: Path) -> dict[tuple[str, int], tuple[str, str, float]]:
    lines = [line for line in scoring_file.read_text().splitlines() if not line.startswith("#")]
    rows = csv.DictReader(lines, delimiter="\t")
    return {
        (row["chr_name"], int(row["chr_position"])): (
            row["effect_allele"],
            row["other_allele"],
            float(row["effect_weight"]),
        )
        for row in rows
    }


def oracle_sums(panel: Path, scoring_file: Path) -> npt.NDArray[np.float64]:
    """Σ weight × dosage of the effect allele; palindromic sites are left out, as the policy says.

    The panel has no missing call, so nothing has to be said about them.
    """
    weights = read_weights(scoring_file)
    vcf = VCF(str(panel), gts012=True)
    sums = np.zeros(len(vcf.samples))
    for variant in vcf:
        row = weights.get((variant.CHROM, variant.POS))
        if row is None or len(variant.ALT) != 1 or COMPLEMENT[variant.REF] == variant.ALT[0]:
            continue
        effect, other, weight = row
        assert {effect, other} == {variant.REF, variant.ALT[0]}
        alts = np.array(variant.gt_types, dtype=np.float64)
        assert alts.max() <= 2
        sums += weight * (alts if effect == variant.ALT[0] else 2 - alts)
    return sums


def test_the_panel_uploads_processes_and_scores_with_every_event_in_order(
    live_service: LiveService, panel: Path
) -> None:
    scoring_file = live_service.scoring_files_dir / f"{ACCESSION}.txt"
    write_score_over(panel, scoring_file, build="GRCh37")
    with live_service.events(USER) as socket, live_service.http() as http:
        record = live_service.upload(USER, panel.read_bytes(), name=panel.name)
        seen = read_until(socket, "upload_complete", seconds=300)
        body = {"genomic_data_id": record["id"], "accessions": [ACCESSION]}
        accepted = http.post("/api/prs/calculate", json=body).json()
        seen += read_until(socket, "prs_ready", seconds=300)
        metadata = http.get(f"/api/genomic-data/{record['id']}").json()["metadata"]
        score = http.get(accepted["links"]["scores"][0]).json()
        text = http.get(score["links"]["download"]).text

    assert_in_order_and_gap_free(seen)
    assert (metadata["n_samples"], metadata["n_variants"]) == (2504, 23_770)
    assert metadata["build"] == "GRCh37"
    assert metadata["call_rate"] == 1.0
    assert score["status"] == "completed"
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    assert [row["sample_id"] for row in rows] == VCF(str(panel)).samples
    sums = np.array([float(row["score_sum"]) for row in rows])
    np.testing.assert_allclose(sums, oracle_sums(panel, scoring_file), rtol=0, atol=1e-9)


def assert_in_order_and_gap_free(messages: list[Message]) -> None:
    sequences = [message["sequence"] for message in messages if "sequence" in message]
    assert sequences == list(range(1, len(sequences) + 1))
    names = [
        message["data"].get("state", message["event"])
        for message in messages
        if "sequence" in message
    ]
    one_job = ["QUEUED", "INITIALIZING", "RUNNING"]
    ends = ("upload_complete", "prs_ready")
    assert names == [name for end in ends for name in (*one_job, end, "COMPLETE")]
