"""Searching on a map: where a query would lie, where its hits are, how near everything is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.artifacts import Artifact
from workbench.errors import BadInput, NotFound
from workbench.hubness import all_scores
from workbench.project import Project
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.types import Content, Filter, Graph
from workbench.vectors import DenseVectors
from workbench.workflows import retrieving
from workbench.workflows.index import EXACT, metric_of
from workbench.workflows.map_colours import Bytes, Legend, ramp
from workbench.workflows.map_data import corpus_of, find_map, open_map
from workbench.workflows.map_views import as_distances
from workbench.workflows.memory import room_for
from workbench.workflows.retrieving import EncodedQuery
from workbench.workflows.search import SearchResult, search

if TYPE_CHECKING:
    from workbench.indices.base import Index


@dataclass(frozen=True)
class PlacedQuery:
    """Where a query would lie, in the map's coordinates: between its nearest documents, so always `approximate`.

    `neighbours`: (ordinal, score) of the documents it was placed by, the best first. `note`: what was left out of it.
    """

    x: float
    y: float
    neighbours: list[tuple[int, float]]
    effective: str
    note: str = ""
    approximate: bool = True


@dataclass(frozen=True)
class MapHit:
    """A hit as a place on the map: row of the wire, document, rank from 1, score."""

    row: int
    ordinal: int
    rank: int
    score: float


@dataclass(frozen=True)
class MapSearch:
    """The hits of a pipeline on the map. `query` is None where the map's encoder cannot read it; `told` says why."""

    result: SearchResult
    hits: list[MapHit]
    query: PlacedQuery | None
    told: str = ""


def place_query(project: Project, map: str, query: Content) -> PlacedQuery:
    """Where `query` would lie: its k nearest documents by the map's encoder, weighted as the layout weighs neighbours.

    The nearest are those that exact search finds in the original vectors. Raises `BadInput` on an empty query or one
    that the encoder cannot read, `NotFound` where the vectors or their encoder are gone, or nothing is near.
    """
    from workbench.projections import place

    artifact = find_map(project, map)
    data = open_map(artifact)
    embedding = embedding_of(project, artifact)
    encoded, index = asked(project, embedding, query)
    (found,) = index.search(encoded.matrix, min(len(data), max(1, data.graph.k)), {}, None)
    if not len(found):
        raise NotFound(
            "No document shares anything with the query, so it has no place on this map.", "Use other words."
        )
    distances = as_distances(found.scores, metric_of(embedding))
    if metric_of(embedding) == "dot":
        # An inner product has no 0 at which query and document are one: only differences count.
        distances = distances - distances.min() + 1
    graph = Graph(found.ordinals.astype(np.int32)[None], np.maximum(distances, 0).astype(np.float32)[None])
    ((x, y),) = place(graph, data.xy).tolist()
    near = list(zip(found.ordinals.tolist(), found.scores.tolist(), strict=True))
    return PlacedQuery(x, y, near, encoded.effective, encoded.note)


def embedding_of(project: Project, artifact: Artifact) -> Artifact:
    """The embedding that a map was made of. Raises `NotFound` where it was deleted."""
    found = project.artifacts.find(str(artifact.manifest["embedding"]))
    if found is None:
        raise NotFound(
            f"The vectors “{artifact.name}” that this map was made of were deleted.", "Encode the corpus again."
        )
    return found


def asked(project: Project, embedding: Artifact, query: Content) -> tuple[EncodedQuery, "Index"]:
    """(the query by a map's encoder, the exact search over its vectors). Raises `BadInput`, `NotFound`."""
    if not query.modalities:
        raise BadInput("The query is empty.", "Write what you are looking for, or give an image.")
    target = retrieving.find_target(project, embedding, RetrieverSpec(encoder=embedding.name, index=EXACT))
    with room_for(f"placing a query with “{embedding.name}”", target.owns):
        index = target.open()
        encoded = retrieving.query_encoder(embedding).encode(query)
    retrieving.check_compatible(encoded.matrix, index, target.label)
    return encoded, index


def search_map(
    project: Project, map: str, query: Content, pipeline: PipelineSpec, k: int = 10, filters: Sequence[Filter] = ()
) -> MapSearch:
    """Search the map's version of its corpus, and say where hits and query lie. Raises as `search`."""
    info = corpus_of(project, find_map(project, map))
    result = search(project, info.label, query, pipeline, k, filters)
    try:
        placed, told = place_query(project, map, query), ""
    except (BadInput, NotFound) as error:
        placed, told = None, str(error)
    return MapSearch(result, hits_on_map(project, map, result), placed, told)


def hits_on_map(project: Project, map: str, result: SearchResult) -> list[MapHit]:
    """Where the hits of a search lie. Raises `NotFound` where they are of another corpus."""
    data = open_map(find_map(project, map))
    rows = data.rows[data.checked(hit.document.ordinal for hit in result.hits)].tolist()
    return [MapHit(row, hit.document.ordinal, hit.rank, hit.score) for row, hit in zip(rows, result.hits, strict=True)]


def query_scores(project: Project, map: str, query: Content) -> tuple[Bytes, Legend]:
    """Every document's score for a query by the map's encoder, as a ramp by ordinal; documents are read in blocks.

    Raises as `place_query`.
    """
    artifact = find_map(project, map)
    embedding = embedding_of(project, artifact)
    encoded, index = asked(project, embedding, query)
    count = int(artifact.manifest["points"])
    vectors = retrieving.vectors_of(embedding)
    if isinstance(vectors, DenseVectors):
        scores = all_scores(np.asarray(encoded.matrix, np.float32), vectors.blocks(), count, metric_of(embedding))
    else:
        # Documents that share nothing with the query are not found: they have no score, and stay grey.
        scores = np.full(count, np.nan, np.float32)
        (found,) = index.search(encoded.matrix, count, {}, None)
        scores[found.ordinals] = found.scores
    return ramp(scores, "Score for the query")
