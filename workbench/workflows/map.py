"""Map: the embedding space of a corpus in two dimensions, with true neighbours, clusters and how far to trust it.

The one door to a map's workflows; the parts are in the `map_*` modules beside it.
"""

import errno
import time
from dataclasses import dataclass, field
from typing import Any

from workbench import corpora
from workbench.artifacts import Artifact, Draft
from workbench.errors import WorkbenchError
from workbench.project import Project
from workbench.specs import MapSpec
from workbench.types import Progress, no_progress
from workbench.workflows.artifacts import delete_artifact
from workbench.workflows.encode import find_embedding
from workbench.workflows.map_colourings import Colouring, colouring, colourings, is_constant, score_colouring
from workbench.workflows.map_colours import Legend, LegendEntry, legend_values
from workbench.workflows.map_data import KIND, ORDER_SEED, MapInfo, find_map, map_info
from workbench.workflows.map_export import export_html
from workbench.workflows.map_hover import MapCard, card
from workbench.workflows.map_judged import (
    JudgedMarks,
    KnownQuery,
    judged_marks,
    known_query,
    picture_of,
    queries_with_text,
    queries_with_words,
    query_sets_of_map,
)
from workbench.workflows.map_labels import ClusterLabel, carry_names, cluster_labels, forget_labels, rename_cluster
from workbench.workflows.map_making import FORMAT, REDUCED_DIM, Making
from workbench.workflows.map_measures import problem, problem_counts, problem_names
from workbench.workflows.map_pairs import Agreement, Displaced, Moved, agreement, displaced, moved
from workbench.workflows.map_placing import Placing, placeable
from workbench.workflows.map_queries import (
    MapHit,
    MapSearch,
    PlacedQuery,
    hits_on_map,
    place_query,
    search_map,
)
from workbench.workflows.map_views import (
    highlight,
    mask,
    members,
    neighbours_of,
    ordinals_at,
    passing,
    points,
    selection,
    wire_mask,
)

__all__ = [
    "Agreement",
    "ClusterLabel",
    "Colouring",
    "Displaced",
    "JudgedMarks",
    "KnownQuery",
    "Legend",
    "LegendEntry",
    "MapCard",
    "MapHit",
    "MapInfo",
    "MapReport",
    "MapSearch",
    "Moved",
    "PlacedQuery",
    "agreement",
    "card",
    "cluster_labels",
    "colouring",
    "colourings",
    "delete_map",
    "displaced",
    "export_html",
    "get_map",
    "highlight",
    "hits_on_map",
    "is_constant",
    "judged_marks",
    "known_query",
    "legend_values",
    "list_maps",
    "make_map",
    "mask",
    "members",
    "moved",
    "neighbours_of",
    "ordinals_at",
    "passing",
    "picture_of",
    "place_map",
    "place_query",
    "placeable",
    "points",
    "problem",
    "problem_counts",
    "problem_names",
    "queries_with_text",
    "queries_with_words",
    "query_sets_of_map",
    "rename_cluster",
    "score_colouring",
    "search_map",
    "selection",
    "wire_mask",
]

SPEC = MapSpec()


@dataclass(frozen=True)
class MapReport:
    """What making a map did. `map` is the artifact's id; the two measures are means over documents, at `k`.

    `placed`: documents that lie approximately, because they were placed into a map that was there.
    """

    map: str
    encoder: str
    points: int
    seconds: float
    trustworthiness: float
    continuity: float
    k: int
    clusters: int
    placed: int = 0
    warnings: list[str] = field(default_factory=list)


def make_map(
    project: Project, corpus: str, encoder: str, spec: MapSpec = SPEC, progress: Progress = no_progress
) -> MapReport:
    """Map the newest embedding of `corpus` by `encoder`; the same map again is a no-op, a half-made one goes on.

    Sparse vectors are reduced by truncated SVD and token vectors to their means; the map says so. Raises `NotFound` on
    names, `BadInput` on vectors that cannot be mapped or an `init` of other documents, `WorkbenchError` on a full disk,
    what `progress` raises.
    """
    started = time.monotonic()
    info = corpora.find(project.db, corpus)
    embedding = find_embedding(project, info, encoder)
    draft = project.artifacts.begin(KIND, embedding.name, made_by(spec), [embedding.id], info.id)
    artifact = draft.existing or finished(draft, Making(project, info, embedding, spec, draft), progress)
    return report_of(artifact, time.monotonic() - started)


def place_map(project: Project, corpus: str, encoder: str, into: str, progress: Progress = no_progress) -> MapReport:
    """Place the documents of `corpus` into the map `into`, and keep that as a map of its own; again is a no-op.

    `corpus` is a newer version of the map's, or another one that was encoded by the same encoder. Documents with the
    content of one on the map keep its place and are not placed anew; neighbours, measures and counts are those of the
    new set. Cluster names that people wrote go along. Raises `NotFound` on names and where the map's vectors are gone,
    `BadInput` where the two are not of one space, what `progress` raises.
    """
    started = time.monotonic()
    info, source = corpora.find(project.db, corpus), find_map(project, into)
    embedding = find_embedding(project, info, encoder)
    spec = MapSpec.from_dict(source.manifest["spec"]["map"])
    # The old map is no input: what is made has all it needs, and must not go when the old one is deleted.
    draft = project.artifacts.begin(KIND, embedding.name, made_by(spec, source.id), [embedding.id], info.id)
    artifact = draft.existing
    if artifact is None:
        artifact = finished(draft, Placing(project, info, embedding, spec, draft, source=source), progress)
        carry_names(project, source.id, artifact.id)
    return report_of(artifact, time.monotonic() - started)


def made_by(spec: MapSpec, into: str = "") -> dict[str, Any]:
    """What a map's id is made of, beside its embedding."""
    whole = {"map": spec.to_dict(), "format": FORMAT, "order": ORDER_SEED, "reduced": REDUCED_DIM}
    return {**whole, "into": into} if into else whole


def report_of(artifact: Artifact, seconds: float) -> MapReport:
    manifest = artifact.manifest
    return MapReport(
        map=artifact.id,
        encoder=artifact.name,
        points=manifest["points"],
        seconds=seconds,
        placed=manifest.get("placed", {}).get("count", 0),
        trustworthiness=manifest["trustworthiness"],
        continuity=manifest["continuity"],
        k=manifest["k"],
        clusters=manifest["clusters"],
        warnings=list(manifest["warnings"]),
    )


def finished(draft: Draft, making: Making, progress: Progress) -> Artifact:
    """The finished map. What an error of the input leaves is removed; what a stop leaves stays for the next time."""
    try:
        making.check()
        return making.run(progress)
    except WorkbenchError:
        draft.discard()
        raise
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise WorkbenchError(
            f"The disk is full: the map of “{making.info.name}” could not be written.",
            "Free some space and make it again; the finished steps are kept.",
        ) from error


def list_maps(project: Project, corpus: str | None = None) -> list[MapInfo]:
    """The maps of a corpus, of every version of it, or of all corpora; newest first. Raises `NotFound`.

    “name@2” means that version alone.
    """
    if corpus is None:
        wanted = None
    elif "@" in corpus:
        wanted = {corpora.find(project.db, corpus).id}
    else:
        wanted = {each.id for each in corpora.finished(project.db, corpora.find(project.db, corpus).name)}
    found = project.artifacts.list(KIND)
    return [map_info(project, each) for each in found if wanted is None or each.corpus_id in wanted]


def get_map(project: Project, id: str) -> MapInfo:
    """Raises `NotFound`."""
    return map_info(project, find_map(project, id))


def delete_map(project: Project, id: str) -> None:
    """Delete a map, with the names that people gave its clusters. Raises `NotFound`."""
    find_map(project, id)
    forget_labels(project, id)
    delete_artifact(project, id)
