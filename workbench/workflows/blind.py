"""Blind comparison: rounds of queries, each with two unnamed systems side by side; what was voted is stored at once."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from workbench import corpora
from workbench.corpora import CorpusInfo
from workbench.db import votes
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.preferences import Choice
from workbench.project import Project
from workbench.specs import PipelineSpec
from workbench.types import Content, Hit
from workbench.workflows.dealing import (
    Asked,
    Contestant,
    candidates,
    checked_systems,
    dealt,
    drawn,
    suggested,
    written,
)
from workbench.workflows.search import search
from workbench.workflows.views import SavedView, checked_name, get_view, list_views, pipeline_key, save_view

__all__ = ["Asked", "Contestant", "candidates", "suggested"]

PAGE = "blind"
SHOWN = 10
"""Hits of a side."""
LONGEST = 500
"""Queries of a round at most."""


@dataclass(frozen=True)
class Round:
    """A round as it was dealt. `pairs[i]`: the contestants left and right under query i + 1, by their place."""

    id: str
    name: str
    corpus: str
    corpus_id: int
    source: str
    contestants: tuple[Contestant, ...]
    queries: tuple[Asked, ...]
    pairs: tuple[tuple[int, int], ...]
    seed: int
    started_at: float

    def __len__(self) -> int:
        return len(self.queries)


@dataclass(frozen=True)
class Side:
    """What one system found. `problem`: why it could not answer, for the log: it may tell the system's name."""

    hits: list[Hit] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class Pair:
    """Query `number` of `total`, from 1, with the lists of two systems, which are not named."""

    number: int
    total: int
    query: Asked
    left: Side
    right: Side


@dataclass(frozen=True)
class RoundInfo:
    """A round in a list: `done` of `total` queries are voted on."""

    id: str
    name: str
    corpus: str
    done: int
    total: int
    started_at: float


def start_round(
    project: Project,
    corpus: str,
    systems: Mapping[str, PipelineSpec],
    queries: str | Sequence[str],
    count: int = 10,
    seed: int = 0,
) -> str:
    """Deal a round between two to four named systems and return its session's id; the same round again is the same id.

    `queries`: the name of a query set, of which `count` are drawn, or texts, of which the first `count` are asked. Each
    query shows one pair of systems; pairs, and the side each system is on, are balanced over the round and shuffled.
    Every system answers the first query before the round begins. Raises `BadInput`, `NotFound`.
    """
    info = corpora.find(project.db, corpus)
    contestants = checked_systems(systems)
    if not 1 <= count <= LONGEST:
        raise BadInput(f"A round of {count:,} queries was asked for.", f"Ask for 1 to {LONGEST}.")
    rng = random.Random(seed)
    asked = drawn(project, queries, count, rng) if isinstance(queries, str) else written(queries, count)
    check_answers(project, info, contestants, asked[0])
    names = " | ".join(each.name for each in contestants)
    state = {
        "corpus": info.label,
        "corpus_id": info.id,
        "source": queries if isinstance(queries, str) else "",
        "systems": [{"name": each.name, "pipeline": each.pipeline.to_dict()} for each in contestants],
        "queries": [{"text": each.text, "image": each.image} for each in asked],
        "pairs": dealt(len(contestants), len(asked), rng),
        "seed": seed,
    }
    return save_view(project, PAGE, names[:120], state).id


def check_answers(project: Project, info: CorpusInfo, contestants: Sequence[Contestant], query: Asked) -> None:
    """Ask every system the first query, which also loads its models. Raises `BadInput` naming the one that cannot."""
    for each in contestants:
        try:
            search(project, info.label, content_of(project, query), each.pipeline, SHOWN)
        except WorkbenchError as error:
            raise BadInput(f"“{each.name}” cannot take part: {error.message}", error.hint) from error


def content_of(project: Project, query: Asked) -> str | Content:
    if not query.image:
        return query.text
    from workbench.workflows.images import query_image

    return Content(query.text, query_image(project, query.image))


def open_round(project: Project, session: str) -> Round:
    """Raises `NotFound`."""
    view = get_view(project, session)
    if view.page != PAGE:
        raise NotFound(f"“{session[:24]}” is no blind round.", "Start one on the Blind page.")
    return round_of(view)


def round_of(view: SavedView) -> Round:
    state = view.state
    systems = [(each["name"], PipelineSpec.from_dict(each["pipeline"])) for each in state["systems"]]
    return Round(
        view.id,
        view.name,
        state["corpus"],
        state["corpus_id"],
        state["source"],
        tuple(Contestant(name, pipeline, pipeline_key(pipeline)) for name, pipeline in systems),
        tuple(Asked(**each) for each in state["queries"]),
        tuple((left, right) for left, right in state["pairs"]),
        state["seed"],
        view.created_at,
    )


def list_rounds(project: Project, corpus: str = "") -> list[RoundInfo]:
    """The rounds of a project, or those on any version of `corpus`, the newest first."""
    counts = sa.select(votes.c.session, sa.func.count()).group_by(votes.c.session)
    with project.db.read() as connection:
        done = {str(session): int(number) for session, number in connection.execute(counts)}
    found = [
        RoundInfo(view.id, view.name, view.state["corpus"], done.get(view.id, 0), len(view.state["queries"]), at)
        for view in list_views(project, PAGE)
        for at in (view.created_at,)
    ]
    name = corpus.partition("@")[0]
    return [each for each in found if not name or each.corpus.partition("@")[0] == name]


def voted_numbers(project: Project, session: str) -> list[int]:
    """The numbers of the queries that were voted on, in the order of the votes."""
    query = sa.select(votes.c.number).where(votes.c.session == session).order_by(votes.c.at, votes.c.id)
    with project.db.read() as connection:
        return [int(number) for number in connection.execute(query).scalars()]


def next_pair(project: Project, session: str, after: int = 0) -> Pair | None:
    """The first pair behind number `after` that was not voted on, or None where all were. Raises `NotFound`."""
    played = open_round(project, session)
    done = set(voted_numbers(project, session))
    number = next((n for n in range(after + 1, len(played) + 1) if n not in done), None)
    return None if number is None else pair_of(project, played, number)


def pair_of(project: Project, played: Round, number: int) -> Pair:
    """Pair `number`, searched now. A system that fails on this query has its `problem` told instead of hits."""
    left, right = (played.contestants[at] for at in checked_pair(played, number))
    query = played.queries[number - 1]
    return Pair(number, len(played), query, answer(project, played, left, query), answer(project, played, right, query))


def answer(project: Project, played: Round, contestant: Contestant, query: Asked) -> Side:
    try:
        found = search(project, played.corpus, content_of(project, query), contestant.pipeline, SHOWN)
    except WorkbenchError as error:
        return Side(problem=str(error))
    return Side(found.hits)


def vote(project: Project, session: str, number: int, choice: Choice, annotator: str = "") -> None:
    """Store what was chosen for pair `number`. The same vote again changes nothing, another one replaces it.

    Raises `NotFound`, or `BadInput` where there is no such choice.
    """
    played = open_round(project, session)
    if choice not in get_args(Choice):
        raise BadInput(f"“{str(choice)[:20]}” is no choice.", f"Choose one of: {', '.join(get_args(Choice))}.")
    left, right = (played.contestants[at] for at in checked_pair(played, number))
    query = played.queries[number - 1]
    values: dict[str, Any] = {
        "session": played.id,
        "number": number,
        "corpus_id": played.corpus_id,
        "query": query.text,
        "query_image": query.image or None,
        "left": left.pipeline.to_dict(),
        "right": right.pipeline.to_dict(),
        "left_key": left.key,
        "right_key": right.key,
        "choice": choice,
        "annotator": checked_name(annotator),
        "at": time.time(),
    }
    statement = insert(votes).values(values)
    changed = {name: statement.excluded[name] for name in ("choice", "annotator", "at")}
    statement = statement.on_conflict_do_update(
        index_elements=["session", "number"], set_=changed, where=votes.c.choice != statement.excluded.choice
    )
    try:
        with project.db.write() as connection:
            connection.execute(statement)
    except sa.exc.IntegrityError as error:
        raise NotFound(f"The corpus “{played.corpus}” of this round was deleted.", "Start a new round.") from error


def undo(project: Project, session: str, number: int | None = None) -> int | None:
    """Take the vote on pair `number` of a round back, else the last; its number, or None where there is none.

    Quick votes may be stored in another order than they were given in. Raises `NotFound`.
    """
    played = open_round(project, session)
    last = sa.select(votes.c.id).where(votes.c.session == played.id).order_by(votes.c.at.desc(), votes.c.id.desc())
    if number is not None:
        last = last.where(votes.c.number == number)
    with project.db.write() as connection:
        doomed = sa.delete(votes).where(votes.c.id == last.limit(1).scalar_subquery()).returning(votes.c.number)
        number = connection.execute(doomed).scalar_one_or_none()
    return None if number is None else int(number)


def checked_pair(played: Round, number: int) -> tuple[int, int]:
    if not 1 <= number <= len(played):
        raise NotFound(f"This round has no query {number}.", f"It has {len(played)}.")
    return played.pairs[number - 1]
