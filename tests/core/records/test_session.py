import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import InfrastructureError, SettingsError
from core.job import Queue
from core.records.session import Database, create_database_engine, open_database
from tests.builders.records import USER, migrated_database, sqlite_url, upload


def test_an_error_rolls_back_everything_that_its_transaction_wrote(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        _ = upload(tx).id // 0
    with database.reading() as tx:
        assert tx.genomic_data.of_user(USER) == []
        assert tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="test", seconds=1) is None
        assert tx.events.last_sequence(USER) == 0


def test_reading_changes_nothing(database: Database) -> None:
    with database.reading() as tx:
        upload(tx)
    with database.reading() as tx:
        assert tx.genomic_data.of_user(USER) == []


def test_times_are_utc_and_come_from_the_database(database: Database) -> None:
    with database.transaction() as tx:
        assert abs(tx.now() - datetime.now(UTC)) < timedelta(seconds=5)
        data = upload(tx)
    assert data.created_at.utcoffset() == timedelta(0)
    with database.reading() as tx:
        assert tx.genomic_data.get(data.id, user_id=USER).created_at == data.created_at


def test_sqlite_runs_in_wal_mode_with_foreign_keys_and_full_sync(tmp_path: Path) -> None:
    engine = create_database_engine(sqlite_url(tmp_path))
    with engine.connect() as connection:
        for pragma, value in (("journal_mode", "wal"), ("foreign_keys", 1), ("synchronous", 2)):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    engine.dispose()


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    database = migrated_database(sqlite_url(tmp_path))
    with database.transaction() as writing:
        upload(writing)
        with database.reading() as tx:
            assert tx.genomic_data.of_user(USER) == []
    database.close()


def test_parallel_writers_wait_for_each_other(database: Database) -> None:
    def write() -> None:
        for _ in range(5):
            with database.transaction() as tx:
                upload(tx)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as tx:
        events = tx.events.after(USER, 0)
        assert [event.sequence for event in events] == list(range(1, 21))
        assert len(tx.genomic_data.of_user(USER)) == 20


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    migrated_database(sqlite_url(tmp_path / "deep" / "er")).close()
    assert (tmp_path / "deep" / "er" / "curagenie.db").is_file()


def test_a_database_that_does_not_answer_is_an_infrastructure_error() -> None:
    database = open_database("postgresql://nobody:nothing@127.0.0.1:1/none")
    with pytest.raises(InfrastructureError, match="does not answer"), database.reading() as tx:
        tx.now()


def test_text_that_is_no_url_is_a_settings_error_without_the_text() -> None:
    with pytest.raises(SettingsError) as caught:
        open_database("hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_postgresql_url_without_a_driver_uses_psycopg2(scheme: str) -> None:
    engine = create_database_engine(f"{scheme}://user:secret@host/name")
    assert engine.dialect.driver == "psycopg2"
