from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from core.records.migrations import downgrade, migrate
from core.records.session import create_database_engine, open_database
from core.records.tables import Table
from tests.builders.records import upload


def test_the_migrations_make_the_tables_that_the_code_uses(database_url: str) -> None:
    migrate(database_url)
    engine = create_database_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
    engine.dispose()


def test_migrating_twice_changes_nothing_and_keeps_the_rows(database_url: str) -> None:
    migrate(database_url)
    database = open_database(database_url)
    with database.transaction() as tx:
        data = upload(tx)
    migrate(database_url)
    with database.reading() as tx:
        assert tx.genomic_data.get(data.id, user_id=None) == data
    database.close()


def test_downgrading_to_base_leaves_no_table_and_upgrading_works_again(database_url: str) -> None:
    migrate(database_url)
    downgrade(database_url, "base")
    engine = create_database_engine(database_url)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(database_url)
    assert set(inspect(engine).get_table_names()) == {"alembic_version", *Table.metadata.tables}
    engine.dispose()
