"""Alembic's entry: runs the revisions on the connection that `migrate` hands over."""

from alembic import context

from core.records.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
)
context.run_migrations()
