"""Dealing a blind round: which systems may take part, which queries are asked, who meets whom on which side."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from workbench import query_sets
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.workflows.queries import list_queries
from workbench.workflows.search import System, systems
from workbench.workflows.views import checked_name, list_pipelines, pipeline_key

FEWEST, MOST = 2, 4
"""Systems of a round."""
_CHARACTERS = 2000


@dataclass(frozen=True)
class Contestant:
    """A system of a round. `key`: fingerprint of its pipeline, under which its votes are pooled over all rounds."""

    name: str
    pipeline: PipelineSpec
    key: str


@dataclass(frozen=True)
class Asked:
    """A query of a round. `image`: id of a query image of the project, empty where it has none."""

    text: str
    image: str = ""


def candidates(project: Project, corpus: str) -> list[Contestant]:
    """What can be compared on `corpus`: its saved pipelines, every system that can be asked, and the first two of
    different encoders joined by RRF; each pipeline once. Raises `NotFound`."""
    found: dict[str, Contestant] = {}
    for view in list_pipelines(project, corpus.partition("@")[0]):
        _add(found, view.name, view.pipeline)
    ready = [system for system in systems(project, corpus) if system.ready]
    for system in ready:
        _add(found, system.label, PipelineSpec((retriever_of(system),)))
    different = list({system.encoder: system for system in reversed(ready)}.values())[::-1][:2]
    if len(different) == 2:
        both = tuple(retriever_of(system) for system in different)
        _add(found, " + ".join(each.encoder for each in both), PipelineSpec(both))
    return list(found.values())


def suggested(known: Sequence[Contestant]) -> list[Contestant]:
    """Two to begin with: the first two that do not ask the same encoders, else the first two."""
    for other in known[1:]:
        if encoders_of(other) != encoders_of(known[0]):
            return [known[0], other]
    return list(known[:2])


def encoders_of(contestant: Contestant) -> set[str]:
    return {retriever.encoder for retriever in contestant.pipeline.retrievers}


def retriever_of(system: System) -> RetrieverSpec:
    return RetrieverSpec(system.encoder, system.index)


def _add(found: dict[str, Contestant], name: str, pipeline: PipelineSpec) -> None:
    key = pipeline_key(pipeline)
    found.setdefault(key, Contestant(name, pipeline, key))


def checked_systems(systems: Mapping[str, PipelineSpec]) -> tuple[Contestant, ...]:
    """Raises `BadInput` unless there are two to four with different names that do different things."""
    if not FEWEST <= len(systems) <= MOST:
        raise BadInput(f"{len(systems)} systems were chosen.", f"Choose {FEWEST} to {MOST}.")
    found: dict[str, Contestant] = {}
    for name, pipeline in systems.items():
        key = pipeline_key(pipeline)
        if not checked_name(name):
            raise BadInput("A system has no name.", "The names are shown when the round is revealed.")
        if key in found:
            raise BadInput(f"“{found[key].name}” and “{name}” are the same pipeline.", "Leave one of them out.")
        found[key] = Contestant(checked_name(name), pipeline, key)
    return tuple(found.values())


def written(texts: Sequence[str], count: int) -> list[Asked]:
    """The first `count` different, non-empty texts. Raises `BadInput` where there is none, or one that is too long."""
    different = list(dict.fromkeys(text.strip() for text in texts if text.strip()))[:count]
    if not different:
        raise BadInput("There is no query.", "Write some, one a line, or choose a query set.")
    for text in different:
        if len(text) > _CHARACTERS:
            raise BadInput(f"A query has {len(text):,} characters: “{text[:40]}…”.", f"Use at most {_CHARACTERS:,}.")
    return [Asked(text) for text in different]


def drawn(project: Project, query_set: str, count: int, rng: random.Random) -> list[Asked]:
    """`count` queries of a set, or all it has, in random order. Raises `BadInput` on an empty set, `NotFound`."""
    total = query_sets.find(project.db, query_set).queries
    if not total:
        raise BadInput(f"The query set “{query_set}” is empty.", "Write own queries, or choose another set.")
    found = []
    for at in rng.sample(range(total), min(count, total)):
        (query,) = list_queries(project, query_set, at, 1)
        found.append(Asked(query.text[:_CHARACTERS], stored_image(project, query.image)))
    return found


def stored_image(project: Project, image: str | None) -> str:
    """The id under which pages show the image of a query set's query; empty where it has none."""
    if not image:
        return ""
    from workbench.workflows.images import store_query_image

    return store_query_image(project, project.media / image)


def dealt(systems: int, count: int, rng: random.Random) -> list[tuple[int, int]]:
    """`count` pairs (left, right): each two systems meet equally often within one, each is left half of the times.

    Both orders are shuffled, so that nobody can tell from the pairs before who is where.
    """
    order: list[tuple[int, int]] = []
    while len(order) < count:
        block = list(combinations(range(systems), 2))
        rng.shuffle(block)
        order += block
    order = order[:count]
    turned: dict[tuple[int, int], list[bool]] = {}
    for pair in sorted(set(order)):
        odd = rng.random() < 0.5
        turns = [(n % 2 == 0) == odd for n in range(order.count(pair))]
        rng.shuffle(turns)
        turned[pair] = turns
    return [(b, a) if turned[a, b].pop() else (a, b) for a, b in order]
