"""What a map can be coloured by, and each colouring: one byte a point in the wire's order, and what the bytes mean."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench import query_sets
from workbench.artifacts import Artifact
from workbench.checkpoints import loaded
from workbench.corpora import CorpusInfo
from workbench.db import documents as table
from workbench.db import judgments
from workbench.project import Project
from workbench.registry import unknown_name
from workbench.types import Content
from workbench.workflows.map_colours import (
    Bytes,
    Legend,
    classes,
    column_classes,
    column_keys,
    column_numbers,
    ramp,
)
from workbench.workflows.map_data import MapData, cache_key, corpus_of, find_map, open_map
from workbench.workflows.map_judged import set_of_map, told_of
from workbench.workflows.map_labels import cluster_labels
from workbench.workflows.map_measures import SAME, duplicates, label_shares, near_distance
from workbench.workflows.map_pairs import overlap_bytes
from workbench.workflows.map_queries import query_scores

TEXTS, SPACE = "Documents", "The space"
DUPLICATES = "Documents with the same vector, and those nearly so"
PLACED = "Documents that came later, and lie approximately: between their nearest neighbours"
SHARED = "Share of true neighbours that both maps have"
FEW = 12
"""An integer column with at most so many values among the first documents is a label, not a quantity."""
FIRST = 2000
COLUMN, DISAGREEMENT, JUDGMENTS, AGREEMENT = "column:", "disagreement:", "judgments:", "agreement:"


@dataclass(frozen=True)
class Colouring:
    """Something to colour a map by. `name` goes into addresses; `kind` is category or ramp; `told` explains it.

    `group`: what it belongs to in a list.
    """

    name: str
    title: str
    kind: str
    group: str
    told: str = ""


Made = tuple[Bytes, Legend]
BY_ARRAY: dict[str, tuple[str, str, str]] = {
    "trust": (
        "trust",
        "Trustworthiness",
        "1: nothing lies near this point that is not near it in the original space; low: its place misleads",
    ),
    "continuity": (
        "continuity",
        "Continuity",
        "1: all that is near in the original space lies near here too; low: some of it was torn away",
    ),
    "outlierness": ("outlierness", "Outlierness", "How far a document lies from its true neighbours, against theirs"),
    "hubs": ("occurrences", "Hubs (N_k)", "In how many documents' nearest neighbours a document stands"),
}
UNIT = ("trust", "continuity")
"""Measures whose values say something by themselves: their ramp ends at 1."""


def colourings(project: Project, map: str) -> list[Colouring]:
    """All that this map can be coloured by, group after group. Raises `NotFound`."""
    artifact = find_map(project, map)
    info = corpus_of(project, artifact)
    kinds = {name: column_kind(project, info, name) for name in info.columns}
    found = [Colouring("cluster", "Clusters", "category", TEXTS, "Groups of documents, named by their words")]
    found += [Colouring(COLUMN + name, name, kind, "Metadata") for name, kind in kinds.items()]
    found += [
        Colouring(JUDGMENTS + each.name, f"Judgments · {each.name}", "category", TEXTS, "Over all queries of the set")
        for each in query_sets.listed(project.db, info.name)
    ]
    found.append(Colouring("length", "Length of the text", "ramp", TEXTS, "Characters of title and text"))
    found += [Colouring(name, title, "ramp", SPACE, told) for name, (_, title, told) in BY_ARRAY.items()]
    if artifact.manifest.get("placed"):
        found.append(Colouring("placed", "Placed later", "category", SPACE, PLACED))
    found.append(Colouring("duplicates", "Duplicates", "category", SPACE, DUPLICATES))
    found += [
        Colouring(DISAGREEMENT + name, f"Neighbours of another {name}", "ramp", SPACE, f"Share whose {name} differs")
        for name, kind in kinds.items()
        if kind == "category"
    ]
    found += [
        Colouring(AGREEMENT + each.id, f"Agreement with {each.name}", "ramp", "Other maps", SHARED)
        for each in project.artifacts.list("map", corpus_id=info.id)
        if each.id != artifact.id
    ]
    groups = list(dict.fromkeys(each.group for each in found))
    return sorted(found, key=lambda each: groups.index(each.group))


def column_kind(project: Project, info: CorpusInfo, column: str) -> str:
    """“category” for texts, yes and no, and integers with few values; “ramp” for other numbers."""
    kind = info.columns[column]
    if kind != "integer":
        return "ramp" if kind == "number" else "category"
    value = sa.func.json_extract(table.c.metadata, f'$."{column}"')
    first = (table.c.corpus_id == info.id) & (table.c.ordinal < FIRST) & value.is_not(None)
    with project.db.read() as connection:
        different = connection.execute(sa.select(sa.func.count(sa.distinct(value))).where(first)).scalar_one()
    return "category" if different <= FEW else "ramp"


def is_constant(name: str) -> bool:
    """Whether a colouring's bytes never change for a map; judgments and scores do, and so do clusters' names."""
    return name.startswith((COLUMN, DISAGREEMENT, AGREEMENT)) or name in (*BY_ARRAY, "duplicates", "length", "placed")


def colouring(project: Project, map: str, name: str) -> tuple[bytes, Legend]:
    """(u8[n] in the wire's order, what the bytes mean). Documents are read in blocks, and one byte of each is kept.

    Raises `NotFound` on the map or listing the colourings there are, `BadInput` where it cannot be made of this map.
    """
    artifact = find_map(project, map)
    data = open_map(artifact)

    def make() -> Made:
        return made(project, artifact, name)

    if is_constant(name):
        key = cache_key("colouring", artifact, name)
        colours, legend = loaded().get(key, make, lambda found: found[0].nbytes + 1024)
    else:
        colours, legend = make()
    return data.wire(colours), legend


def score_colouring(project: Project, map: str, query: Content) -> tuple[bytes, Legend]:
    """Every document's score for a query, as a colouring. Raises as `query_scores`."""
    colours, legend = query_scores(project, map, query)
    return open_map(find_map(project, map)).wire(colours), legend


def made(project: Project, artifact: Artifact, name: str) -> Made:
    """The bytes by ordinal, and the legend."""
    info, data = corpus_of(project, artifact), open_map(artifact)
    if name in BY_ARRAY:
        return measured(data, name)
    simple: dict[str, Callable[[], Made]] = {
        "cluster": lambda: by_cluster(project, artifact.id, data),
        "duplicates": lambda: by_duplicates(data),
        "placed": lambda: by_placing(data),
        "length": lambda: ramp(lengths(project, info), "Characters"),
    }
    if name in simple:
        return simple[name]()
    kind, _, rest = name.partition(":")
    if f"{kind}:" in (COLUMN, DISAGREEMENT) and rest in info.columns:
        by = column_kind(project, info, rest)
        if f"{kind}:" == COLUMN:
            numbers = by == "ramp"
            return ramp(column_numbers(project, info, rest), rest) if numbers else column_classes(project, info, rest)
        if by == "category":
            return disagreement(data, column_keys(project, info, rest), rest)
    if f"{kind}:" == JUDGMENTS:
        return by_judgments(project, artifact.id, rest)
    if f"{kind}:" == AGREEMENT:
        return overlap_bytes(project, artifact, find_map(project, rest))
    raise unknown_name("colouring", name[:80], [each.name for each in colourings(project, artifact.id)])


def measured(data: MapData, name: str) -> Made:
    """One of the map's own measures."""
    array, title, _ = BY_ARRAY[name]
    values = np.asarray(data.column(array), np.float64)
    colours, legend = ramp(values, title)
    if name in UNIT and np.isfinite(values).any():
        low = min(legend.low, 1.0)
        return ramp(values, title, (low, 1.0))
    return colours, legend


def by_cluster(project: Project, map: str, data: MapData) -> Made:
    labels = {each.cluster: each.name for each in cluster_labels(project, map)}
    names = [labels[number] for number in sorted(labels)]
    return classes(np.asarray(data.column("clusters")), names, "Clusters", "in no cluster")


def by_duplicates(data: MapData) -> Made:
    """Exact duplicates, near ones, and neither."""
    numbers = np.full(len(data), -1, np.int64)
    for number, distance in ((1, near_distance(data)), (0, SAME)):
        numbers[duplicates(data, distance) >= 0] = number
    return classes(numbers, ["Exact duplicates", "Near duplicates"], "Duplicates", "alone")


def by_placing(data: MapData) -> Made:
    """Placed into the map later, or (grey, so that those few are seen) laid out with it."""
    numbers = np.where(data.placed, 0, -1)
    return classes(numbers, ["Placed approximately"], "Placed later", "Laid out")


def disagreement(data: MapData, keys: NDArray[np.int32], column: str) -> Made:
    return ramp(label_shares(data, keys).astype(np.float64), f"Neighbours of another {column}", (0.0, 1.0))


def lengths(project: Project, info: CorpusInfo) -> NDArray[np.float64]:
    """(n,) characters of title and text."""
    found = np.zeros(info.documents)
    size = sa.func.length(table.c.title) + sa.func.length(table.c.text)
    query = sa.select(table.c.ordinal, size).where(table.c.corpus_id == info.id).order_by(table.c.ordinal)
    with project.db.read() as connection:
        for rows in connection.execute(query).partitions(10_000):
            ordinals, values = zip(*rows, strict=True)
            found[list(ordinals)] = values
    return found


def by_judgments(project: Project, map: str, query_set: str) -> Made:
    """Relevant to some query of a set, a hard negative of some, judged not relevant, or not judged."""
    known = set_of_map(project, map, query_set)
    info = corpus_of(project, find_map(project, map))
    numbers = np.full(info.documents, -1, np.int64)
    query = (
        sa.select(table.c.ordinal, judgments.c.relevance, judgments.c.is_hard_negative)
        .join(table, (table.c.doc_id == judgments.c.doc_id) & (table.c.corpus_id == info.id))
        .where(told_of(known))
    )
    with project.db.read() as connection:
        for rows in connection.execute(query).partitions(10_000):
            for ordinal, relevance, is_hard in rows:
                # The strongest of what was said of it: relevant, then hard negative, then not relevant.
                number = 0 if relevance and relevance > 0 else 1 if is_hard else 2
                numbers[ordinal] = number if numbers[ordinal] < 0 else min(number, numbers[ordinal])
    return classes(numbers, ["Relevant", "Hard negative", "Not relevant"], "Judgments", "not judged")
