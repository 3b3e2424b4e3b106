"""PostgreSQL that is slow, silent, gone or started again: an error in time, then work goes on."""

import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import make_url, text

from core.errors import InfrastructureError
from core.records.migrations import migrate
from core.records.postgresql import Patience
from core.records.session import Database, open_database
from tests.builders.records import USER, upload
from tests.builders.tcp_proxy import TcpProxy, running_tcp_proxy

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Impatient(Patience):
    """Gives up on a silent server sooner than a test's reader."""

    @property
    def silence(self) -> float:
        return self.statement + 0.3


@pytest.fixture
def proxy(database_url: str) -> Iterator[TcpProxy]:
    url = make_url(database_url)
    assert url.host is not None
    assert url.port is not None
    with running_tcp_proxy(url.host, url.port) as proxy:
        yield proxy


@pytest.fixture
def impatient(database_url: str, proxy: TcpProxy) -> Iterator[Database]:
    """A migrated database behind the proxy."""
    migrate(database_url)
    url = make_url(database_url).set(port=proxy.port).render_as_string(hide_password=False)
    database = open_database(url, Impatient(0.5, 0.3, 0.2, 0.3, 0.3))
    yield database
    database.close()


def _ask(database: Database) -> None:
    with database.reading() as tx:
        tx.now()


def _write_and(database: Database, then: Callable[[], object]) -> None:
    with database.transaction() as tx:
        upload(tx)
        then()


def _execute(database: Database, statement: str) -> None:
    with database.writing_connection() as connection:
        connection.execute(text(statement))


def test_every_connection_tells_the_server_its_limits(database_url: str) -> None:
    database = open_database(database_url)
    with database.writing_connection() as connection:
        for name, limit in (
            ("statement_timeout", "30s"),
            ("lock_timeout", "15s"),
            ("idle_in_transaction_session_timeout", "1min"),
        ):
            assert connection.execute(text(f"SHOW {name}")).scalar() == limit
    database.close()


def test_a_slow_statement_is_an_infrastructure_error(impatient: Database) -> None:
    with pytest.raises(InfrastructureError):
        _execute(impatient, "SELECT pg_sleep(20)")
    _ask(impatient)


def test_a_lock_that_stays_held_is_an_infrastructure_error(
    impatient: Database, database_url: str
) -> None:
    holder = open_database(database_url)
    with holder.transaction() as tx:
        upload(tx)
        with pytest.raises(InfrastructureError), impatient.transaction() as other:
            upload(other)
    holder.close()


def test_a_transaction_in_which_nobody_speaks_is_ended(impatient: Database) -> None:
    with pytest.raises(InfrastructureError):
        _write_and(impatient, lambda: threading.Event().wait(0.8))
    with impatient.reading() as tx:
        assert tx.genomic_data.of_user(USER) == []


def test_a_silent_server_is_an_infrastructure_error_and_then_forgotten(
    impatient: Database, proxy: TcpProxy
) -> None:
    _ask(impatient)
    proxy.silent = True
    with pytest.raises(InfrastructureError):
        _ask(impatient)  # the connection of the pool, then a new one
    proxy.silent = False
    _ask(impatient)


def test_a_server_that_falls_silent_within_a_transaction_keeps_nothing_of_it(
    impatient: Database, proxy: TcpProxy
) -> None:
    with pytest.raises(InfrastructureError):
        _write_and(impatient, lambda: setattr(proxy, "silent", True))
    proxy.silent = False
    with impatient.reading() as tx:
        assert tx.genomic_data.of_user(USER) == []


def test_more_callers_than_connections_wait_and_then_are_told(impatient: Database) -> None:
    connections = [impatient.engine.connect() for _ in range(10)]
    with pytest.raises(InfrastructureError):
        _ask(impatient)
    for connection in connections:
        connection.close()
    _ask(impatient)


def test_a_mistake_of_ours_is_no_infrastructure_error(impatient: Database) -> None:
    with pytest.raises(Exception, match="no_such_table") as caught:
        _execute(impatient, "SELECT * FROM no_such_table")
    assert not isinstance(caught.value, InfrastructureError)


def test_services_that_start_at_once_migrate_once(database_url: str) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        try:
            migrate(database_url)
        except BaseException as error:  # told in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    database = open_database(database_url)
    with database.transaction() as tx:
        upload(tx)
    database.close()
