import pytest

from core.job import JobKind, JobState
from core.records.session import Database
from jobs.submit import announce, submit_genomic_file, submit_prs
from tests.builders.records import USER, ready_upload


def test_a_submitted_upload_commits_its_job_its_link_and_its_first_event_together(
    database: Database,
) -> None:
    with database.transaction() as tx:
        data = tx.genomic_data.create(
            user_id=USER, filename="a.vcf", file_url="x", sha256="0" * 64, size_bytes=1
        )
        job = submit_genomic_file(tx, data)
    with database.reading() as tx:
        assert tx.genomic_data.get(data.id, user_id=USER).job_id == job.id
        assert tx.jobs.get(job.id, user_id=USER).state is JobState.QUEUED
        assert [event.job_id for event in tx.events.after(USER, 0)] == [job.id]


def test_a_calculation_carries_its_accessions_once_each_in_their_order(database: Database) -> None:
    with database.transaction() as tx:
        data = ready_upload(tx)
        job, scores = submit_prs(
            tx, data, ["PGS000002", "PGS000001", "PGS000002"], disease_type="demo"
        )
    assert job.kind is JobKind.CALCULATE_PRS_SCORE
    assert job.params == {
        "genomic_data_id": data.id,
        "accessions": ["PGS000002", "PGS000001"],
        "absent": "unmatched",
        "assume_reference": False,
        "replaced": [],
    }
    assert [score.accession for score in scores] == ["PGS000002", "PGS000001"]
    assert {score.disease_type for score in scores} == {"demo"}


def test_announcing_without_a_dispatcher_is_logged_and_no_error(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with database.transaction() as tx:
        ready_upload(tx)
    announce(tx.recorded)
    assert "jobs wait in the table" in caplog.text
