from core.events import UploadComplete
from core.records.session import Database
from tests.builders.records import USER, upload


def test_sequences_count_from_one_per_user_without_a_gap(database: Database) -> None:
    for user_id in ("ada", "eve", "ada", "ada"):
        with database.transaction() as tx:
            upload(tx, user_id=user_id)
    with database.reading() as tx:
        assert [event.sequence for event in tx.events.after("ada", 0)] == [1, 2, 3]
        assert [event.sequence for event in tx.events.after("eve", 0)] == [1]
        assert tx.events.last_sequences(["ada", "eve", "new"]) == {"ada": 3, "eve": 1, "new": 0}


def test_a_rolled_back_event_leaves_no_gap(database: Database) -> None:
    try:
        with database.transaction() as tx:
            upload(tx)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    with database.transaction() as tx:
        upload(tx)
        assert [event.sequence for event in tx.recorded] == [1]


def test_replay_starts_after_the_cursor_and_stops_at_the_limit(database: Database) -> None:
    with database.transaction() as tx:
        for _ in range(6):
            upload(tx)
    with database.reading() as tx:
        assert [e.sequence for e in tx.events.after(USER, 2, limit=3)] == [3, 4, 5]
        assert tx.events.after(USER, 6) == []


def test_the_transaction_remembers_its_events_as_clients_will_see_them(database: Database) -> None:
    with database.transaction() as tx:
        payload = UploadComplete(id=1, filename="a.vcf", metadata={"n_samples": 1})
        tx.events.append(USER, payload, job_id=None)
    (recorded,) = tx.recorded
    with database.reading() as tx:
        (stored,) = tx.events.after(USER, 0)
    assert stored.message == recorded.message
    assert stored.message["event"] == "upload_complete"
    assert stored.message["status"] == "success"
    assert stored.message["data"] == {
        "id": 1,
        "filename": "a.vcf",
        "metadata": {"n_samples": 1},
    }
