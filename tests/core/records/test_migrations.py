from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from core.records.migrations import downgrade, migrate
from core.records.session import create_database_engine, open_database
from core.records.tables import Table
from tests.builders.records import USER, calculation, upload


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


def test_the_migration_of_mates_keeps_every_row_both_ways(database_url: str) -> None:
    migrate(database_url)
    database = open_database(database_url)
    with database.transaction() as tx:
        job, _ = calculation(tx, ["PGS000001"])  # rows that refer to the changed table
        upload(tx)
    downgrade(database_url, "0001")
    engine = create_database_engine(database_url)
    assert "mate_id" not in {c["name"] for c in inspect(engine).get_columns("genomic_data")}
    engine.dispose()
    migrate(database_url)
    with database.reading() as tx:
        assert [data.mate_id for data in tx.genomic_data.of_user(USER)] == [None, None]
        assert [score.accession for score in tx.prs_scores.of_job(job.id)] == ["PGS000001"]
    database.close()
