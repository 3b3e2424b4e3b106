"""Jobs over HTTP: listed, shown, canceled, tried again."""

from fastapi.testclient import TestClient

from core.events import Event
from core.job import Failures, Job, JobKind, JobState
from core.records.records import LogLine
from core.records.session import Database
from jobs.submit import submit_prs
from tests.builders.records import USER, ready_upload, running


def submit(database: Database, n: int = 1, *, user_id: str = USER) -> list[Job]:
    with database.transaction() as tx:
        return [tx.jobs.submit(JobKind.PROCESS_GENOMIC_FILE, user_id, {}) for _ in range(n)]


def test_a_users_jobs_come_in_pages_newest_first(client: TestClient, database: Database) -> None:
    jobs = submit(database, 3)
    submit(database, user_id="eve")
    page = client.get("/api/jobs", params={"user_id": USER, "limit": 2}).json()
    assert [item["id"] for item in page["items"]] == [jobs[2].id, jobs[1].id]
    assert [item["n_ahead"] for item in page["items"]] == [2, 1]
    more = {"user_id": USER, "page_token": page["next_page_token"]}
    last = client.get("/api/jobs", params=more).json()
    assert [item["id"] for item in last["items"]] == [jobs[0].id]
    assert last["next_page_token"] is None


def test_jobs_of_some_states_are_asked_for(client: TestClient, database: Database) -> None:
    first, second = submit(database, 2)
    with database.transaction() as tx:
        running(tx, first.kind)
    params = {"user_id": USER, "state": ["RUNNING", "CANCELED"]}
    (item,) = client.get("/api/jobs", params=params).json()["items"]
    assert (item["id"], item["state"], item["n_ahead"]) == (first.id, "RUNNING", None)
    assert client.get(f"/api/jobs/{second.id}").json()["n_ahead"] == 0
    assert client.get("/api/jobs", params={"user_id": USER, "state": "DONE"}).status_code == 422


def test_a_job_is_canceled_once_and_everyone_hears_of_it(
    client: TestClient, database: Database, announced: list[Event]
) -> None:
    (job,) = submit(database)
    link = client.get(f"/api/jobs/{job.id}").json()["links"]["cancel"]
    for _ in range(2):
        answer = client.post(link)
        assert answer.status_code == 202, answer.text
        assert answer.json()["state"] == "CANCELING"
    assert [event.data["state"] for event in announced] == ["CANCELING"]


def test_a_job_that_has_ended_cannot_be_canceled(client: TestClient, database: Database) -> None:
    (job,) = submit(database)
    with database.transaction() as tx:
        tx.jobs.advance(running(tx, job.kind), JobState.COMPLETE)
    answer = client.post(f"/api/jobs/{job.id}/cancel")
    assert answer.status_code == 409
    assert answer.json()["detail"] == (
        f"Job {job.id} has ended: COMPLETE. There is nothing left to cancel."
    )
    assert client.post("/api/jobs/999/cancel").status_code == 404


def test_the_events_of_a_job_are_those_of_its_users_log(
    client: TestClient, database: Database
) -> None:
    first, second = submit(database, 2)
    with database.transaction() as tx:
        tx.jobs.advance(running(tx, first.kind), JobState.COMPLETE)
        log = [event.message for event in tx.events.after(USER, 0)]
    link = client.get(f"/api/jobs/{first.id}").json()["links"]["history"]
    found = client.get(link).json()["items"]
    assert found == [message for message in log if message["data"]["job_id"] == first.id]
    assert [message["sequence"] for message in found] == [1, 3, 4, 5]
    params = {"after": 3, "limit": 1}
    assert client.get(link, params=params).json()["items"] == [found[2]]
    assert len(client.get(f"/api/jobs/{second.id}/events").json()["items"]) == 1
    assert client.get("/api/jobs/999/events").status_code == 404


def test_a_job_of_ours_that_failed_is_tried_again(
    client: TestClient, database: Database, announced: list[Event]
) -> None:
    with database.transaction() as tx:
        data = ready_upload(tx)
        job, (score,) = submit_prs(tx, data, ["PGS000001"])
        attempt = running(tx, job.kind)
        tx.prs_scores.fail(score.id, {"code": "infrastructure_error", "detail": "lost"})
        tx.jobs.advance(attempt, JobState.SYSTEM_ERROR, failures=Failures(5, 1))
    ended = client.get(f"/api/jobs/{job.id}").json()
    assert (ended["n_failed"], ended["n_lost"]) == (5, 1)
    answer = client.post(ended["links"]["retry"])
    assert answer.status_code == 202, answer.text
    assert (answer.json()["state"], answer.json()["n_failed"]) == ("QUEUED", 0)
    assert [event.data["state"] for event in announced] == ["QUEUED"]
    score_now = client.get(f"/api/prs/scores/{score.id}").json()
    assert (score_now["status"], score_now["problem"]) == ("processing", None)
    again = client.post(ended["links"]["retry"])
    assert again.status_code == 409
    assert "only one that ended in SYSTEM_ERROR is retried" in again.json()["detail"]
    assert client.post("/api/jobs/999/retry").status_code == 404


def test_a_job_whose_scores_a_newer_one_has_is_not_tried_again(
    client: TestClient, database: Database
) -> None:
    with database.transaction() as tx:
        data = ready_upload(tx)
        job, _ = submit_prs(tx, data, ["PGS000001"])
        tx.jobs.advance(running(tx, job.kind), JobState.SYSTEM_ERROR)
        submit_prs(tx, data, ["PGS000001"])
    answer = client.post(f"/api/jobs/{job.id}/retry")
    assert answer.status_code == 409
    assert "calculated anew" in answer.json()["detail"]
    assert client.get(f"/api/jobs/{job.id}").json()["state"] == "SYSTEM_ERROR"


def test_a_running_job_tells_when_it_may_end(client: TestClient, database: Database) -> None:
    (job,) = submit(database)
    assert client.get(f"/api/jobs/{job.id}").json()["eta_seconds"] is None
    with database.transaction() as tx:
        tx.jobs.heartbeat(running(tx, job.kind), seconds=30, done=1, total=2)
    running_now = client.get(f"/api/jobs/{job.id}").json()
    assert 0 <= running_now["eta_seconds"] < 60


def test_the_newest_lines_of_a_log_come_in_their_order(
    client: TestClient, database: Database
) -> None:
    (job, other) = submit(database, 2)
    with database.transaction() as tx:
        lines = [LogLine(1, tx.now(), "INFO", f"step {n}") for n in range(5)]
        tx.job_log.append(job.id, lines)
        tx.job_log.append(other.id, [LogLine(1, tx.now(), "INFO", "of another job")])
    link = client.get(f"/api/jobs/{job.id}").json()["links"]["log"]
    found = client.get(link, params={"tail": 2}).json()["items"]
    assert [(line["attempt"], line["level"], line["message"]) for line in found] == [
        (1, "INFO", "step 3"),
        (1, "INFO", "step 4"),
    ]
    assert len(client.get(link).json()["items"]) == 5
    assert client.get("/api/jobs/999/log").status_code == 404
