"""Label: the candidates of a query, pooled from several pipelines, with who found each and what was said of it."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench import corpora, judgments, label_sets, query_sets, subsets
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.query_sets import QuerySetInfo
from workbench.types import Content, Document, Filter, Query, Ranking
from workbench.workflows.dealing import Contestant, candidates
from workbench.workflows.judging import Judge, Judgment, Verdict, checked_name, checked_set
from workbench.workflows.matching import matched_terms
from workbench.workflows.search import ask, run
from workbench.workflows.stages import Clock
from workbench.workflows.systems import TEXT, systems

__all__ = ["Contestant", "Judge", "Judgment", "Verdict"]

DEPTH, DEEPEST = 20, 200
"""Documents taken from each pipeline: by default, at most."""
GUIDELINES = 20_000
"""Characters of a label set's guidelines at most."""
_SEARCHED = 100_000  # characters of a text in which the query's words are looked for


@dataclass(frozen=True)
class Found:
    """A pipeline that found a document, at which rank and score."""

    name: str
    rank: int
    score: float


@dataclass(frozen=True)
class Candidate:
    """A document to judge. `proposed`: what mining says of it, by label set. `terms`: the query's words it holds."""

    document: Document
    found: tuple[Found, ...]
    proposed: Mapping[str, Mapping[str, Any]]
    terms: Sequence[str]


@dataclass(frozen=True)
class Pooling:
    """Where candidates come from, and their order.

    `pipelines`: the first `depth` documents of each. `proposed`: label sets of mined negatives. `also`: documents to
    judge whoever finds them. `shuffled`: in an order of its own for each annotator and query, drawn from `seed`, so
    that what stands first is not judged better for it; else by the best rank. `within`: a subset of the corpus, nothing
    outside it is a candidate; "": the whole corpus.
    """

    pipelines: tuple[Contestant, ...]
    depth: int = DEPTH
    proposed: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    shuffled: bool = False
    seed: int = 0
    within: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= DEEPEST:
            raise BadInput(f"{self.depth} documents of each pipeline were asked for.", f"Ask for 1 to {DEEPEST}.")


@dataclass(frozen=True)
class Pool:
    """The candidates of a query in the order to judge them, and why a pipeline is missing.

    `at`: the query's place in its set, from 0, of `total`. `said`: the annotator's verdicts by document id; `others`:
    what other people, the imported qrels and other label sets say.
    """

    query: Query
    at: int
    total: int
    candidates: list[Candidate]
    problems: list[str]
    said: dict[str, Verdict]
    others: dict[str, list[Judgment]]


def choices(project: Project, corpus: str) -> list[Contestant]:
    """The pipelines candidates can come from: saved ones, and every system that can be asked. Raises `NotFound`."""
    return candidates(project, corpus)


def usual(project: Project, corpus: str) -> list[Contestant]:
    """One of `choices` for each encoder that reads texts: its exact search, or what it has."""
    ready = [each for each in systems(project, corpus) if each.ready and each.modalities & TEXT]
    first = {each.encoder: each.label for each in reversed(ready)}
    named = {each.name: each for each in choices(project, corpus)}
    return [named[label] for label in reversed(first.values()) if label in named]


def pool(project: Project, by: Judge, query_id: str, pooling: Pooling) -> Pool:
    """The candidates of a query for an annotator. A pipeline that cannot answer is told in `problems`.

    Order: by the best rank, then how many found it, then ordinal; after them what was proposed or judged before and
    nobody found. Raises `NotFound` on the query set, the query or the subset, `BadInput` on names.
    """
    info = query_sets.find(project.db, by.query_set)
    corpus = corpora.find(project.db, info.corpus)
    at, query = query_sets.placed(project.db, info, query_id)
    rankings, problems = ranked(project, corpus, query, pooling)
    known = judgments.of_query(project.db, info.id, query_id)
    said, others = parted(known, by)
    proposed: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in known:
        if row.label_set in pooling.proposed:
            proposed.setdefault(row.doc_id, {})[row.label_set] = row.provenance
    named = corpora.ordinals_of(project.db, corpus.id, [*pooling.also, *proposed, *said])
    found = found_by(rankings)
    # Those that nobody found come in the order they were named in.
    order = [*sorted(found, key=lambda ordinal: _place(found[ordinal], ordinal)), *named.values()]
    order = list(dict.fromkeys(order))
    if pooling.within:
        inside = subsets.members(project.db, "subset", corpus.id, pooling.within, corpus.documents)
        order = [ordinal for ordinal in order if inside[ordinal]]
    if pooling.shuffled:
        random.Random(f"{pooling.seed}/{by.annotator}/{query_id}").shuffle(order)
    made = [
        Candidate(
            each,
            tuple(found.get(each.ordinal, ())),
            proposed.get(each.doc_id, {}),
            matched_terms(query.text, f"{each.title} {each.text[:_SEARCHED]}") if query.text else (),
        )
        for each in corpora.documents(project.db, corpus.id, order)
    ]
    return Pool(query, at, info.queries, made, problems, said, others)


def _place(found: Sequence[Found], ordinal: int) -> tuple[int, int, int]:
    return min(each.rank for each in found), -len(found), ordinal


def found_by(rankings: Mapping[str, Ranking]) -> dict[int, list[Found]]:
    """Ordinal → who found it, in the order of the pipelines."""
    found: dict[int, list[Found]] = {}
    for name, ranking in rankings.items():
        pairs = zip(ranking.ordinals.tolist(), ranking.scores.tolist(), strict=True)
        for rank, (ordinal, score) in enumerate(pairs, 1):
            found.setdefault(ordinal, []).append(Found(name, rank, score))
    return found


def ranked(
    project: Project, corpus: CorpusInfo, query: Query, pooling: Pooling
) -> tuple[dict[str, Ranking], list[str]]:
    """(each pipeline's ranking by its name, a sentence for each that could not answer)."""
    content = Content(query.text, project.media / query.image if query.image else None)
    filters = (Filter("@subset", "in", pooling.within),) if pooling.within else ()
    rankings: dict[str, Ranking] = {}
    problems: list[str] = []
    for each in pooling.pipelines:
        try:
            stages, _ = run(ask(project, corpus.label, content, filters), each.pipeline, pooling.depth, Clock())
        except WorkbenchError as error:
            problems.append(f"{each.name}: {error.message}")
        else:
            last = stages[-1].ranking
            rankings[each.name] = Ranking(last.ordinals[: pooling.depth], last.scores[: pooling.depth])
    return rankings, problems


def said_of(project: Project, by: Judge, query_id: str) -> tuple[dict[str, Verdict], dict[str, list[Judgment]]]:
    """(the annotator's verdicts of a query, what others say), both by document id. Raises `NotFound`, `BadInput`."""
    info = query_sets.find(project.db, by.query_set)
    return parted(judgments.of_query(project.db, info.id, query_id), by)


def parted(known: Sequence[Judgment], by: Judge) -> tuple[dict[str, Verdict], dict[str, list[Judgment]]]:
    """The judgments of a query as `said_of` gives them; what was mined is a proposal, not somebody's verdict."""
    own = (checked_set(by.label_set), checked_name(by.annotator))
    said: dict[str, Verdict] = {}
    others: dict[str, list[Judgment]] = {}
    for row in known:
        if (row.label_set, row.annotator) == own:
            said[row.doc_id] = row.verdict
        elif row.source != "mined":
            others.setdefault(row.doc_id, []).append(row)
    return said, others


@dataclass(frozen=True)
class LabelSets:
    """The label sets of a query set: those people judge into, and those that were mined."""

    people: list[str]
    proposed: list[str]


def sets_of(project: Project, query_set: str) -> LabelSets:
    """Raises `NotFound`."""
    known = label_sets.listed(project.db, query_sets.find(project.db, query_set).id)
    people = [each.name for each in known if each.kind == "person"]
    return LabelSets(
        list(dict.fromkeys([label_sets.PEOPLE, *people])), [each.name for each in known if each.kind == "proposed"]
    )


def guidelines(project: Project, query_set: str, label_set: str) -> str:
    """What annotators are told about a label set, Markdown; "" where nobody wrote it yet. Raises `NotFound`."""
    info = query_sets.find(project.db, query_set)
    known = {each.name: each.spec for each in label_sets.listed(project.db, info.id)}
    return str(known.get(checked_set(label_set), {}).get("guidelines", ""))


def write_guidelines(project: Project, query_set: str, label_set: str, text: str) -> None:
    """Keep the guidelines of a label set, which is started where it is not there. Raises `NotFound`, `BadInput`."""
    if len(text) > GUIDELINES:
        raise BadInput(f"The guidelines have {len(text):,} characters.", f"Keep them below {GUIDELINES:,}.")
    info: QuerySetInfo = query_sets.find(project.db, query_set)
    label_sets.amend(project.db, info.id, checked_set(label_set), {"guidelines": text.strip()})


def corpus_of(project: Project, query_set: str) -> str:
    """The corpus a query set belongs to; its newest version is judged. Raises `NotFound`."""
    return query_sets.find(project.db, query_set).corpus
