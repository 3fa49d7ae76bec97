"""Reviewing a proposed label set: a person accepts, rejects or relabels each judgment, in a label set of people's own.

Accepting says “a hard negative”. Rejecting says “not to be used as a negative” and nothing of relevance: the pair is
recorded as skipped, with a note, so that it enters no export and no measure. Making it a positive, or any grade, is a
judgment like every other. The proposed label set itself is never changed; deleting it takes no decision along.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

from workbench import label_sets, query_sets
from workbench.db import judgments as table
from workbench.db import queries
from workbench.errors import BadInput
from workbench.judgments import Entry, Pair, Verdict
from workbench.project import Project
from workbench.workflows import judging
from workbench.workflows.judging import Judge, Receipt, Recorded

ACCEPTED = Verdict(0, is_hard_negative=True)
REJECTED = Verdict(state="skipped", note="Rejected as a hard negative.")
State = Literal["open", "accepted", "rejected", "relabelled", "all"]
STATES: tuple[State, ...] = get_args(State)
"""Open: this annotator said nothing of it yet, or “later”. Rejected: skipped, or unrateable. Relabelled: any grade that
is no hard negative."""
_SAID = ("relevance", "is_hard_negative", "state", "note")


@dataclass(frozen=True)
class Proposal:
    """A proposed judgment: `provenance` as the miner wrote it, `said` by this annotator, `others` who judged it too."""

    query_id: str
    doc_id: str
    proposed: Verdict
    provenance: Mapping[str, Any]
    said: Verdict | None
    others: int


@dataclass(frozen=True)
class Reviewed:
    """How far a review is: `by_me` and `by_anyone` of `total` proposals; the others are this annotator's decisions."""

    total: int
    by_me: int
    by_anyone: int
    accepted: int
    rejected: int
    relabelled: int

    @property
    def told(self) -> str:
        """ "47 / 412 reviewed"."""
        return f"{self.by_me:,} / {self.total:,} reviewed"


@dataclass(frozen=True)
class Proposals:
    """A page of a proposed label set, query after query, by rank within one; `found`: rows in the chosen state."""

    rows: list[Proposal]
    found: int
    counts: Reviewed


def proposed_sets(project: Project, query_set: str) -> list[label_sets.LabelSetInfo]:
    """The proposed label sets of a query set, newest first. Raises `NotFound`."""
    info = query_sets.find(project.db, query_set)
    return [each for each in reversed(label_sets.listed(project.db, info.id)) if each.kind == "proposed"]


def proposals(
    project: Project, by: Judge, label_set: str, offset: int = 0, limit: int = 50, state: State = "open"
) -> Proposals:
    """Proposals `offset` … in a state of the review by `by`. Raises `NotFound` on names, `BadInput` on the state."""
    if state not in STATES:
        raise BadInput(f"A review has no state “{state[:40]}”.", f"Choose one of: {', '.join(STATES)}.")
    joined = _Joined(project, by, label_set)
    rank = table.c.provenance["rank"].as_integer()
    query = (
        sa.select(
            table.c.query_id,
            table.c.doc_id,
            *(table.c[name].label(f"proposed_{name}") for name in _SAID),
            table.c.provenance,
            *(joined.mine.c[name].label(name) for name in _SAID),
            joined.others.label("others"),
        )
        .select_from(joined.tables)
        .where(*joined.own, joined.condition(state))
        .order_by(queries.c.ordinal, rank, table.c.doc_id)
        .offset(max(0, offset))
        .limit(limit)
    )
    with project.db.read() as connection:
        rows = connection.execute(query).mappings().all()
    found = [
        Proposal(
            row["query_id"],
            row["doc_id"],
            Verdict(*(row[f"proposed_{name}"] for name in _SAID)),
            row["provenance"],
            None if row["state"] is None else Verdict(*(row[name] for name in _SAID)),
            row["others"],
        )
        for row in rows
    ]
    counts = reviewed(project, by, label_set)
    return Proposals(found, _of_state(counts, state), counts)


def reviewed(project: Project, by: Judge, label_set: str) -> Reviewed:
    """How far the review of a proposed label set is. Raises `NotFound` on names."""
    joined = _Joined(project, by, label_set)

    def number(condition: Any) -> Any:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    said = ~joined.condition("open")
    anyone = said | (joined.others > 0)
    conditions = [said, anyone, *(joined.condition(state) for state in ("accepted", "rejected", "relabelled"))]
    query = sa.select(sa.func.count(), *map(number, conditions)).select_from(joined.tables).where(*joined.own)
    with project.db.read() as connection:
        return Reviewed(*connection.execute(query).one())


def accept(project: Project, by: Judge, label_set: str, pairs: Sequence[Pair]) -> Recorded:
    """Make proposals hard negatives in `by`'s label set; at most 2,000, undone by one `judging.undo`.

    Raises `NotFound` on names, `BadInput` on a pair that was not proposed.
    """
    return relabel(project, by, label_set, pairs, ACCEPTED)


def reject(project: Project, by: Judge, label_set: str, pairs: Sequence[Pair]) -> Recorded:
    """Record that proposals are not to be used as negatives: skipped, with a note. As `accept`."""
    return relabel(project, by, label_set, pairs, REJECTED)


def relabel(
    project: Project,
    by: Judge,
    label_set: str,
    pairs: Sequence[Pair],
    verdict: Verdict | None,
    receipt: Receipt | None = None,
) -> Recorded:
    """Record any verdict on proposals: a grade, “positive”, later; None takes it back. As `accept`.

    The miner's provenance goes with the decision, and the name of the set it was proposed in.
    """
    info = query_sets.find(project.db, by.query_set)
    known = label_sets.find(project.db, info.id, label_set)
    wanted = sa.tuple_(table.c.query_id, table.c.doc_id).in_([tuple(pair) for pair in pairs])
    own = (table.c.query_set_id == info.id, table.c.label_set == known.name)
    query = sa.select(table.c.query_id, table.c.doc_id, table.c.provenance).where(*own, wanted)
    with project.db.read() as connection:
        proposed = {Pair(row[0], row[1]): row[2] for row in connection.execute(query)}
    missing = [pair for pair in pairs if pair not in proposed]
    if missing:
        raise BadInput(
            f"“{label_set}” does not propose the document “{missing[0].doc_id[:80]}” for “{missing[0].query_id[:80]}”.",
            "Nothing was judged; reload the page.",
        )
    entries = [Entry(*pair, verdict, {**proposed[pair], "proposed_in": known.name}) for pair in proposed]
    return judging.judge_many(project, by, entries, receipt)


class _Joined:
    """The proposals of a label set beside what one annotator said of the same pairs, and how many others did."""

    def __init__(self, project: Project, by: Judge, label_set: str) -> None:
        owner = judging.owner(project, by)
        label_sets.find(project.db, owner.info.id, label_set)
        self.mine, others = table.alias("mine"), table.alias("others")

        def same_pair(other: Any) -> Any:
            keys = ("query_set_id", "query_id", "doc_id")
            return sa.and_(*(other.c[key] == table.c[key] for key in keys), other.c.label_set == owner.label_set)

        self.tables = table.join(
            queries, (queries.c.query_set_id == table.c.query_set_id) & (queries.c.query_id == table.c.query_id)
        ).outerjoin(self.mine, same_pair(self.mine) & (self.mine.c.annotator == owner.annotator))
        self.own = (table.c.query_set_id == owner.info.id, table.c.label_set == label_set)
        not_me = (same_pair(others), others.c.annotator != owner.annotator)
        self.others = sa.select(sa.func.count()).where(*not_me).correlate(table).scalar_subquery()

    def condition(self, state: State) -> Any:
        """Which rows are in a state of the review."""
        grade, hard = self.mine.c.relevance, self.mine.c.is_hard_negative
        return {
            "open": self.mine.c.state.is_(None) | (self.mine.c.state == "later"),
            "accepted": hard.is_(True),
            "rejected": self.mine.c.state.in_(("skipped", "unrateable")),
            "relabelled": grade.is_not(None) & hard.is_not(True),
            "all": sa.true(),
        }[state]


def _of_state(counts: Reviewed, state: State) -> int:
    open_ones = counts.total - counts.by_me
    return open_ones if state == "open" else counts.total if state == "all" else int(getattr(counts, state))
