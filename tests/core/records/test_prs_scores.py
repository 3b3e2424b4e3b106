from dataclasses import replace

import pytest

from core.errors import NotFoundError
from core.events import EventType
from core.records.records import NO_REFERENCE, RecordStatus, ScoreResult
from core.records.session import Database
from jobs.submit import submit_prs
from tests.builders.records import USER, calculation, ready_upload

RESULT = ScoreResult(
    accession="PGS000001",
    raw_sum=0.5,
    n_samples=1,
    coverage=0.9,
    weight_coverage=0.8,
    result_url="prs_scores/job-2/attempt-1",
    report={"status": "ok", "n_rows": 77},
)
PROBLEM = {"code": "genome_build_mismatch", "detail": "wrong build"}


def test_a_calculation_starts_one_score_per_accession_in_the_order_given(
    database: Database,
) -> None:
    with database.transaction() as tx:
        job, scores = calculation(tx, ["PGS000002", "PGS000001"])
    assert [score.accession for score in scores] == ["PGS000002", "PGS000001"]
    assert {score.status for score in scores} == {RecordStatus.PROCESSING}
    assert {score.job_id for score in scores} == {job.id}


def test_a_finished_score_is_null_with_a_reason_beside_its_raw_sum(database: Database) -> None:
    with database.transaction() as tx:
        job, (score,) = calculation(tx, ["PGS000001"])
        finished = tx.prs_scores.finish(score.id, RESULT)
        event = tx.recorded[-1]
    assert finished.status is RecordStatus.COMPLETED
    assert (finished.score, finished.score_reason) == (None, NO_REFERENCE)
    assert (finished.raw_sum, finished.coverage, finished.weight_coverage) == (0.5, 0.9, 0.8)
    assert finished.report == RESULT.report
    assert event.type is EventType.PRS_READY
    assert event.message["status"] == "success"
    assert event.data == {
        "id": score.id,
        "genomic_data_id": score.genomic_data_id,
        "accession": "PGS000001",
        "score": None,
        "score_reason": NO_REFERENCE,
        "raw_sum": 0.5,
        "coverage": 0.9,
        "weight_coverage": 0.8,
        "job_id": job.id,
    }


def test_a_result_with_a_problem_fails_its_own_score_only(database: Database) -> None:
    with database.transaction() as tx:
        _, (good, bad) = calculation(tx, ["PGS000001", "PGS000002"])
        failed = tx.prs_scores.finish(bad.id, replace(RESULT, raw_sum=None, problem=PROBLEM))
        finished = tx.prs_scores.finish(good.id, RESULT)
    assert (failed.status, failed.problem) == (RecordStatus.FAILED, PROBLEM)
    assert failed.score_reason is None
    assert finished.status is RecordStatus.COMPLETED


def test_there_is_one_score_per_genomic_data_and_accession(database: Database) -> None:
    with database.transaction() as tx:
        data = ready_upload(tx)
        first, (score,) = submit_prs(tx, data, ["PGS000001"], disease_type="breast_cancer")
        tx.prs_scores.finish(score.id, RESULT)
        second, (again,) = submit_prs(tx, data, ["PGS000001"])
        assert again.id == score.id
        assert again.status is RecordStatus.PROCESSING
        assert (again.raw_sum, again.result_url, again.disease_type) == (None, None, None)
        assert tx.prs_scores.of_job(first.id) == []
        assert tx.prs_scores.of_job(second.id) == [again]


def test_another_users_score_is_not_found(database: Database) -> None:
    with database.transaction() as tx:
        _, (score,) = calculation(tx, ["PGS000001"])
        with pytest.raises(NotFoundError):
            tx.prs_scores.get(score.id, user_id="eve")
        assert tx.prs_scores.get(score.id, user_id=USER) == score
        assert tx.prs_scores.of_user("eve") == []


def test_scores_of_a_user_come_newest_first_and_by_genomic_data(database: Database) -> None:
    with database.transaction() as tx:
        _, first = calculation(tx, ["PGS000001", "PGS000002"])
        _, second = calculation(tx, ["PGS000001"])
        listed = tx.prs_scores.of_user(USER)
        of_first = tx.prs_scores.of_user(USER, genomic_data_id=first[0].genomic_data_id)
    assert [score.id for score in listed] == sorted((s.id for s in first + second), reverse=True)
    assert [score.id for score in of_first] == [first[1].id, first[0].id]
