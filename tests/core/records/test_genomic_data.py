import pytest

from core.errors import NotFoundError
from core.events import EventType
from core.records.records import RecordStatus
from core.records.session import Database
from tests.builders.records import USER, upload

PROBLEM = {"code": "invalid_genotype_file", "detail": "not a VCF", "line": 3}


def test_an_upload_is_processing_and_knows_its_job(database: Database) -> None:
    with database.transaction() as tx:
        data = upload(tx)
        assert data.status is RecordStatus.PROCESSING
        assert data.job_id is not None
        assert tx.jobs.get(data.job_id, user_id=USER).params == {"genomic_data_id": data.id}


def test_a_completed_upload_has_metadata_and_tells_it(database: Database) -> None:
    with database.transaction() as tx:
        data = tx.genomic_data.complete(upload(tx).id, {"n_samples": 3})
        event = tx.recorded[-1]
    assert data.status is RecordStatus.COMPLETED
    assert data.metadata_json == {"n_samples": 3}
    assert event.type is EventType.UPLOAD_COMPLETE
    assert event.message["status"] == "success"
    assert event.data == {"id": data.id, "filename": "sample.vcf", "metadata": {"n_samples": 3}}


def test_a_failed_upload_keeps_its_problem_and_tells_it(database: Database) -> None:
    with database.transaction() as tx:
        data = tx.genomic_data.fail(upload(tx).id, PROBLEM)
        event = tx.recorded[-1]
    assert data.status is RecordStatus.FAILED
    assert data.problem == PROBLEM
    assert event.message["status"] == "error"
    assert event.data == {"id": data.id, "filename": "sample.vcf", "problem": PROBLEM}


def test_another_users_genomic_data_is_not_found(database: Database) -> None:
    with database.transaction() as tx:
        data = upload(tx)
        with pytest.raises(NotFoundError):
            tx.genomic_data.get(data.id, user_id="eve")
        assert tx.genomic_data.of_user("eve") == []


def test_genomic_data_of_a_user_comes_newest_first_in_pages(database: Database) -> None:
    with database.transaction() as tx:
        ids = [upload(tx).id for _ in range(5)]
        first = tx.genomic_data.of_user(USER, limit=2)
        rest = tx.genomic_data.of_user(USER, before=first[-1].id)
    assert [data.id for data in first + rest] == ids[::-1]
