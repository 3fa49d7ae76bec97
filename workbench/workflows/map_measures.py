"""What a map's neighbours say of each document: duplicates, outliers, hubs, labels they disagree with; as lists too."""

import numpy as np
from numpy.typing import NDArray

from workbench.artifacts import Artifact
from workbench.checkpoints import loaded
from workbench.errors import BadInput
from workbench.project import Project
from workbench.registry import unknown_name
from workbench.workflows import problems
from workbench.workflows.map_colours import column_keys
from workbench.workflows.map_data import Floats, MapData, cache_key, corpus_of, find_map, open_map
from workbench.workflows.problems import Problem

NEAR = 0.95
"""Cosine from which two documents count as near duplicates."""
SAME = 1e-6
"""Distance up to which two stored vectors are one: what float32 leaves of equal ones."""
LABELS = "label-disagreement:"


def duplicates(data: MapData, distance: float) -> NDArray[np.int32]:
    """(n,) int32 by ordinal: the group of documents that lie within `distance` of each other, −1 where alone."""
    from workbench.neighbourhoods import duplicate_groups

    return duplicate_groups(data.graph, distance)


def near_distance(data: MapData, cosine: float = NEAR) -> float:
    """The distance of near duplicates: 1 − cosine; in a space of lengths only equal vectors are that near."""
    return 1 - cosine if data.graph.metric == "cosine" else SAME


def label_shares(data: MapData, keys: NDArray[np.int32]) -> Floats:
    """(n,) float32 by ordinal: the share of true neighbours with another label; NaN without labels."""
    from workbench.neighbourhoods import label_disagreement

    return label_disagreement(data.graph, keys)


def problem_names(project: Project, map: str) -> list[str]:
    """The lists that `problem` makes of this map. Raises `NotFound`."""
    info = corpus_of(project, find_map(project, map))
    labels = [LABELS + name for name, kind in info.columns.items() if kind != "number"]
    return ["exact-duplicates", "near-duplicates", "outliers", "hubs", *labels]


def problem(project: Project, map: str, name: str, cosine: float = NEAR) -> Problem:
    """A list of problems of the documents on a map, the worst first. `cosine`: from where on near duplicates are near.

    Neither a map nor its version of a corpus ever changes, so a list is made once in a process. Raises `NotFound` on
    the map, or listing the names there are; `BadInput` on a cosine outside 0 … 1.
    """
    artifact = find_map(project, map)
    if not 0 < cosine <= 1:
        raise BadInput(f"Near duplicates were asked for at a cosine of {cosine}.", "Choose one above 0, at most 1.")
    key = cache_key("problem", artifact, f"{cosine:g} {name}")
    return loaded().get(key, lambda: listed(project, artifact, name, cosine), size_of)


def problem_counts(project: Project, map: str) -> dict[str, int]:
    """How many documents each of the map's lists holds. The first time, every document is read. Raises `NotFound`."""
    return {name: problem(project, map, name).count for name in problem_names(project, map)}


def size_of(found: Problem) -> int:
    return found.ordinals.nbytes + found.starts.nbytes + found.values.nbytes + 1024


def listed(project: Project, artifact: Artifact, name: str, cosine: float) -> Problem:
    """The list, made."""
    data, info = open_map(artifact), corpus_of(project, artifact)
    kind, _, column = name.partition(":")
    if name == "exact-duplicates":
        return problems.exact_duplicates(project, info.label)
    if name == "near-duplicates":
        return problems.near_duplicates(duplicates(data, max(SAME, near_distance(data, cosine))), cosine)
    if name == "outliers":
        return problems.outliers(np.asarray(data.column("outlierness"), np.float64))
    if name == "hubs":
        return problems.hubs(np.asarray(data.column("occurrences")), data.graph.k)
    if f"{kind}:" == LABELS and column in info.columns:
        shares = label_shares(data, column_keys(project, info, column))
        return problems.label_disagreement(np.asarray(shares, np.float64), column)
    raise unknown_name("list of problems", name[:80], problem_names(project, artifact.id))
