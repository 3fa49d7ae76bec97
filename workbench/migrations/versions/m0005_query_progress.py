"""How far each annotator is with each query, kept by triggers: counting a million judgments takes seconds."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KEY = ("query_set_id", "label_set", "annotator", "query_id")
_LATER, _FLAGGED = "{row}.state = 'later'", "({row}.state = 'unrateable' OR {row}.note <> '')"
_SAME = " AND ".join(f"{name} = OLD.{name}" for name in _KEY)


def upgrade() -> None:
    op.create_table(
        "query_progress",
        sa.Column("query_set_id", sa.Integer(), nullable=False),
        sa.Column("label_set", sa.Text(), nullable=False),
        sa.Column("annotator", sa.Text(), nullable=False),
        sa.Column("query_id", sa.Text(), nullable=False),
        sa.Column("said", sa.Integer(), nullable=False),
        sa.Column("later", sa.Integer(), nullable=False),
        sa.Column("flagged", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["query_set_id"], ["query_sets.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*_KEY),
    )
    columns = ", ".join(_KEY)
    op.execute(
        f"INSERT INTO query_progress ({columns}, said, later, flagged) SELECT {columns}, count(*), "
        f"sum({_LATER.format(row='judgments')}), sum({_FLAGGED.format(row='judgments')}) "
        f"FROM judgments GROUP BY {columns}"
    )
    new, old = (_LATER.format(row=row) + ", " + _FLAGGED.format(row=row) for row in ("NEW", "OLD"))
    values = ", ".join(f"NEW.{name}" for name in _KEY)
    op.execute(
        "CREATE TRIGGER query_progress_insert AFTER INSERT ON judgments BEGIN "
        f"INSERT INTO query_progress ({columns}, said, later, flagged) VALUES ({values}, 1, {new}) "
        f"ON CONFLICT ({columns}) DO UPDATE SET said = said + 1, later = later + excluded.later, "
        "flagged = flagged + excluded.flagged; END"
    )
    later, flagged = old.split(", ")
    op.execute(
        "CREATE TRIGGER query_progress_delete AFTER DELETE ON judgments BEGIN "
        f"UPDATE query_progress SET said = said - 1, later = later - ({later}), flagged = flagged - {flagged} "
        f"WHERE {_SAME}; DELETE FROM query_progress WHERE {_SAME} AND said <= 0; END"
    )
    new_later, new_flagged = new.split(", ")
    op.execute(
        "CREATE TRIGGER query_progress_update AFTER UPDATE OF state, note ON judgments "
        "WHEN OLD.state <> NEW.state OR OLD.note <> NEW.note BEGIN "
        f"UPDATE query_progress SET later = later + ({new_later}) - ({later}), "
        f"flagged = flagged + {new_flagged} - {flagged} WHERE {_SAME}; END"
    )
