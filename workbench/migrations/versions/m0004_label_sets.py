"""Label sets by name, the state and provenance of a judgment, and changes that can be undone together."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "label_sets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("query_set_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.CheckConstraint("kind IN ('qrels', 'person', 'proposed', 'imported', 'final')", name="kind"),
        sa.ForeignKeyConstraint(["query_set_id"], ["query_sets.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("query_set_id", "name"),
    )
    op.execute(
        "INSERT INTO label_sets (query_set_id, name, kind, spec, created_at) "
        "SELECT DISTINCT j.query_set_id, j.label_set, CASE j.label_set WHEN 'qrels' THEN 'qrels' ELSE 'person' END, "
        "'{}', s.created_at FROM judgments j JOIN query_sets s ON s.id = j.query_set_id"
    )
    op.add_column("judgments", sa.Column("state", sa.Text(), nullable=False, server_default="judged"))
    op.add_column("judgments", sa.Column("provenance", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("judgment_events", sa.Column("change", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("judgment_events", sa.Column("status", sa.Text(), nullable=False, server_default="done"))
    op.create_index(
        "ix_judgment_events_change", "judgment_events", ["query_set_id", "label_set", "annotator", "status", "change"]
    )
