"""Migrations keep the rows of every table, both ways, and a service of the version before works on
the newer tables: what comes is new, empty or has a default."""

import ast
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, MetaData, Table, inspect, select

from core.records import migrations
from core.records.migrations import downgrade, migrate
from core.records.session import open_database

FILES = sorted((Path(migrations.__file__).parent / "versions").glob("0*.py"))
REVISIONS = [file.name[:4] for file in FILES]
WIDENING = {"create_table", "create_index", "add_column"}

Rows = dict[str, dict[str, Any]]


def _value(column: Column[Any]) -> object:
    if column.primary_key or column.foreign_keys:
        return 1 if column.type.python_type is int else "ada"
    kind = column.type.python_type
    samples: dict[type, object] = {
        int: 1,
        float: 0.5,
        str: "ada",
        object: {"a": 1},  # JSON
        dict: {"a": 1},
        datetime: datetime(2026, 1, 2, tzinfo=UTC),
    }
    return samples[kind]


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def _fill(connection: Connection) -> None:
    """One row in every table, each column filled, but for those that name a row of their own."""
    for table in _tables(connection):
        row = {c.name: _value(c) for c in table.columns if c.name != "mate_id"}
        connection.execute(table.insert().values(row))


def _rows(connection: Connection) -> Rows:
    rows = {t.name: connection.execute(select(t)).mappings().all() for t in _tables(connection)}
    return {name: dict(found[0]) for name, found in rows.items() if found}


@pytest.mark.parametrize("revision", REVISIONS)
def test_rows_of_every_revision_survive_the_way_up_and_down(
    database_url: str, revision: str
) -> None:
    migrate(database_url, revision)
    database = open_database(database_url)
    try:
        with database.writing_connection() as connection:
            _fill(connection)
            before = _rows(connection)
        assert len(before) >= 6
        for step in (migrate, lambda url: downgrade(url, revision), migrate):
            database.engine.dispose()
            step(database_url)
            with database.writing_connection() as connection:
                assert repr(_subset(_rows(connection), before)) == repr(before)
                assert inspect(connection).has_table("jobs")
    finally:
        database.close()


def _subset(rows: Rows, wanted: Rows) -> Rows:
    return {name: {key: rows[name][key] for key in row} for name, row in wanted.items()}


def _operations(file: Path) -> list[ast.Call]:
    """The calls of `op` in what the revision does on the way up."""
    tree = ast.parse(file.read_text())
    bodies = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name != "downgrade"]
    calls = [n for body in bodies for n in ast.walk(body) if isinstance(n, ast.Call)]
    return [call for call in calls if ast.unparse(call.func).startswith("op.")]


@pytest.mark.parametrize("file", FILES, ids=REVISIONS)
def test_a_migration_only_widens_so_that_the_version_before_goes_on(file: Path) -> None:
    for call in _operations(file):
        assert ast.unparse(call.func).removeprefix("op.") in WIDENING
        if ast.unparse(call.func) == "op.add_column":
            text = ast.unparse(call)
            assert "nullable=False" not in text or "server_default" in text
