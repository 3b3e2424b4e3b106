"""The first tables: jobs, genomic data, scores, predictions, events and their counters."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
WORD = sa.String(32)


def upgrade() -> None:
    _create_jobs()
    _create_genomic_data()
    _create_prs_scores()
    _create_ml_predictions()
    _create_events()


def downgrade() -> None:
    for table in (
        "user_sequences",
        "events",
        "ml_predictions",
        "prs_scores",
        "genomic_data",
        "jobs",
    ):
        op.drop_table(table)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("queue", WORD, nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("params", DOCUMENT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(128)),
        sa.Column("lease_until", TIME),
        sa.Column("not_before", TIME),
        sa.Column("done", sa.Integer()),
        sa.Column("total", sa.Integer()),
        sa.Column("problem", DOCUMENT),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("ended_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_queue_state_id", "jobs", ["queue", "state", "id"])
    op.create_index("ix_jobs_user_id_id", "jobs", ["user_id", "id"])


def _create_genomic_data() -> None:
    op.create_table(
        "genomic_data",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("file_url", sa.String(1024), nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("metadata_json", DOCUMENT),
        sa.Column("problem", DOCUMENT),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("job_id", ID),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_genomic_data"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_genomic_data_job_id_jobs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_genomic_data_user_id_id", "genomic_data", ["user_id", "id"])


def _create_prs_scores() -> None:
    op.create_table(
        "prs_scores",
        sa.Column("id", ID, nullable=False),
        sa.Column("genomic_data_id", ID, nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("accession", sa.String(128), nullable=False),
        sa.Column("disease_type", sa.String(128)),
        sa.Column("status", WORD, nullable=False),
        sa.Column("score", sa.Double()),
        sa.Column("score_reason", sa.String(64)),
        sa.Column("raw_sum", sa.Double()),
        sa.Column("n_samples", sa.Integer()),
        sa.Column("coverage", sa.Double()),
        sa.Column("weight_coverage", sa.Double()),
        sa.Column("result_url", sa.String(1024)),
        sa.Column("report", DOCUMENT),
        sa.Column("problem", DOCUMENT),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prs_scores"),
        sa.ForeignKeyConstraint(
            ["genomic_data_id"],
            ["genomic_data.id"],
            name="fk_prs_scores_genomic_data_id_genomic_data",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_prs_scores_job_id_jobs"),
        sa.UniqueConstraint(
            "genomic_data_id", "accession", name="uq_prs_scores_genomic_data_id_accession"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_prs_scores_user_id_id", "prs_scores", ["user_id", "id"])
    op.create_index("ix_prs_scores_job_id", "prs_scores", ["job_id"])


def _create_ml_predictions() -> None:
    op.create_table(
        "ml_predictions",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("prediction", sa.String(255), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ml_predictions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ml_predictions_user_id_id", "ml_predictions", ["user_id", "id"])


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("type", WORD, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("data", DOCUMENT, nullable=False),
        sa.Column("job_id", ID),
        sa.Column("time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_events_job_id_jobs"),
        sa.UniqueConstraint("user_id", "sequence", name="uq_events_user_id_sequence"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_job_id", "events", ["job_id"])
    op.create_table(
        "user_sequences",
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_sequences"),
    )
