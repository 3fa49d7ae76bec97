"""Runs: one name each, gone with their artifact or query set. Measures are arrays beside the run, not rows."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("run_metrics")
    # Nothing has written runs before this step.
    op.drop_table("runs")
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query_set_id", sa.Integer(), nullable=False),
        sa.Column("artifact_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["artifact_id"], ["artifacts.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["query_set_id"], ["query_sets.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("query_set_id", "artifact_id"),
    )
    op.create_index(op.f("ix_runs_query_set_id"), "runs", ["query_set_id"], unique=False)
    op.create_index(op.f("ix_runs_artifact_id"), "runs", ["artifact_id"], unique=False)
