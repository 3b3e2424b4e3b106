"""The two FASTQ files of a pair name each other."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    key = "fk_genomic_data_mate_id_genomic_data"
    mate = sa.Column("mate_id", ID, sa.ForeignKey("genomic_data.id", name=key))
    # SQLite adds no constraint to a table, but a column may come with one
    op.add_column("genomic_data", mate, inline_references=True)
    op.create_index("ix_genomic_data_mate_id", "genomic_data", ["mate_id"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_genomic_data_mate_id", "genomic_data")
    op.drop_column("genomic_data", "mate_id")
