"""What the votes of blind rounds say: a ranking with intervals, who beat whom, and whether a side was favoured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench import corpora
from workbench.db import votes
from workbench.preferences import (
    Choice,
    Interval,
    PositionBias,
    Strength,
    Tally,
    Vote,
    position_bias,
    strengths,
    tally,
)
from workbench.project import Project
from workbench.specs import PipelineSpec
from workbench.workflows.blind import PAGE, Contestant, open_round, round_of
from workbench.workflows.views import list_views

__all__ = ["Interval", "Logged", "PositionBias", "Results", "Strength", "Tally", "all_votes", "reveal"]


@dataclass(frozen=True)
class Logged:
    """One vote with the names: `number` is the query's place in its round."""

    session: str
    number: int
    query: str
    image: str
    left: str
    right: str
    choice: Choice
    annotator: str
    at: float

    @property
    def winner(self) -> str:
        """The name of the system that won; empty where none did."""
        return {"left": self.left, "right": self.right}.get(self.choice, "")


@dataclass(frozen=True)
class Results:
    """`strengths`: the strongest first; `tally`: counts in that order; `pipelines` by name; `log`: the votes, in order
    of their numbers; `asked`: the queries of the rounds, voted on or not."""

    strengths: list[Strength]
    tally: Tally
    position: PositionBias
    pipelines: dict[str, PipelineSpec]
    log: list[Logged]
    asked: int
    rounds: int


def reveal(project: Project, session: str) -> Results:
    """The results of a round as far as it was voted on. Intervals are seeded by the round. Raises `NotFound`."""
    played = open_round(project, session)
    rows = _rows(project, votes.c.session == played.id)
    return _results(rows, played.contestants, (len(played), 1), played.seed)


def all_votes(project: Project, corpus: str) -> Results:
    """One ranking from every stored vote on any version of `corpus`, of the systems that were voted on.

    Systems are pooled by what their pipeline does and called as in the newest round. Raises `NotFound`.
    """
    name = corpora.find(project.db, corpus).name
    ids = [info.id for info in corpora.finished(project.db, name)]
    rows = _rows(project, votes.c.corpus_id.in_(ids))
    sessions = {row["session"] for row in rows}
    rounds = [round_of(view) for view in list_views(project, PAGE) if view.id in sessions]
    asked = sum(len(played) for played in rounds)
    return _results(
        rows, _voted_on(rows, [each for played in rounds for each in played.contestants]), (asked, len(sessions))
    )


def _rows(project: Project, which: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    query = sa.select(votes).where(which).order_by(votes.c.session, votes.c.number)
    with project.db.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def _voted_on(rows: Sequence[dict[str, Any]], known: Iterable[Contestant]) -> list[Contestant]:
    """The systems of the votes, each once, with names that differ."""
    names: dict[str, str] = {}
    for each in known:  # the newest round first
        names.setdefault(each.key, each.name)
    pipelines = {row[f"{side}_key"]: row[side] for row in rows for side in ("left", "right")}
    found: list[Contestant] = []
    taken: set[str] = set()
    for key, values in sorted(pipelines.items()):
        pipeline = PipelineSpec.from_dict(values)
        name = names.get(key) or " + ".join(each.encoder for each in pipeline.retrievers)
        # Two pipelines may have had one name, one after the other.
        found.append(Contestant(f"{name} ({key[:6]})" if name in taken else name, pipeline, key))
        taken.add(name)
    return found


def _results(
    rows: Sequence[dict[str, Any]], systems: Sequence[Contestant], asked: tuple[int, int], seed: int = 0
) -> Results:
    names = {each.key: each.name for each in systems}
    log = [
        Logged(
            row["session"],
            row["number"],
            row["query"],
            row["query_image"] or "",
            names[row["left_key"]],
            names[row["right_key"]],
            row["choice"],
            row["annotator"],
            row["at"],
        )
        for row in rows
    ]
    cast = [Vote(each.left, each.right, each.choice) for each in log]
    ranked = strengths(cast, [each.name for each in systems], seed) if systems else []
    order = [each.name for each in ranked]
    pipelines = {each.name: each.pipeline for each in systems}
    return Results(ranked, tally(cast, order), position_bias(cast), pipelines, log, *asked)
