"""Query banks: which queries one holds, what it says of a corpus's documents, searching with it, and what it changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora, query_sets
from workbench.artifacts import Artifact
from workbench.checkpoints import loaded
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.hubness import (
    BankStatistics,
    all_scores,
    bank_statistics,
    normalized,
    occurrences,
    skewness,
    top_hubs,
)
from workbench.project import Project
from workbench.scoring import top_k
from workbench.specs import RetrieverSpec
from workbench.types import Content, Ranking
from workbench.vectors import DenseVectors
from workbench.workflows import retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.index import EXACT, metric_of

if TYPE_CHECKING:
    from workbench.workflows.retrieving import QueryEncoder

TITLES = "@titles"
BANK_LIMIT = 2000
HUBS = 10
FEWEST = 4
"""Queries that a read-out needs at least: half of them measure, the other half ask."""


@dataclass(frozen=True)
class HubnessReport:
    """How uneven the top k are, before and after QB-Norm. `hubs`: (ordinal, title, in how many top k it stands)."""

    skewness_before: float
    skewness_after: float
    hubs_before: list[tuple[int, str, int]]
    hubs_after: list[tuple[int, str, int]]
    queries: int


def hubness(
    project: Project, corpus: str, encoder: str, query_bank: str, k: int = 10, beta: float = 20
) -> HubnessReport:
    """How often documents stand in the top `k` of a bank's queries, with and without QB-Norm.

    Every second query of the bank is asked, and the others measure, as a query that is in its own bank would look
    better than a new one does. `queries`: how many were asked. Raises `BadInput` where the bank holds fewer than four
    that the encoder reads, or the embedding is not dense; `NotFound` on names.
    """
    info = corpora.find(project.db, corpus)
    embedding = find_embedding(project, info, encoder)
    check_dense(embedding)
    model = retrieving.query_encoder(embedding)
    contents = bank_contents(project, info, query_bank, model)
    if len(contents) < FEWEST:
        raise BadInput(
            f"The query bank “{query_bank}” has {len(contents)} queries that this encoder reads.",
            f"Take one with {FEWEST} or more.",
        )
    matrix = np.asarray(model.encode_many(contents), np.float32)
    vectors, metric = dense_vectors(embedding), metric_of(embedding)
    statistics = bank_statistics(matrix[1::2], vectors.blocks(), len(vectors), metric, beta)
    before, after = [], []
    for row in matrix[::2]:
        scores = all_scores(row[None], vectors.blocks(), len(vectors), metric)
        before.append(top_k(scores, k).ordinals)
        after.append(top_k(normalized(scores, statistics, None)[0], k).ordinals)
    counts = [occurrences(found, len(vectors)) for found in (before, after)]
    hubs = [with_titles(project, info, top_hubs(each, HUBS)) for each in counts]
    return HubnessReport(skewness(counts[0]), skewness(counts[1]), hubs[0], hubs[1], len(before))


def with_titles(project: Project, info: CorpusInfo, hubs: list[tuple[int, int]]) -> list[tuple[int, str, int]]:
    """(ordinal, title or id, count)."""
    documents = corpora.documents(project.db, info.id, [ordinal for ordinal, _ in hubs])
    return [(ordinal, each.title or each.doc_id, n) for (ordinal, n), each in zip(hubs, documents, strict=True)]


def check_retriever(retriever: RetrieverSpec, embedding: Artifact) -> None:
    """Raise `BadInput` where a retriever with a query bank is not dense and exact."""
    check_dense(embedding)
    if retriever.index.strip() not in ("", EXACT):
        raise BadInput(
            f"A query bank needs every document's score, and the index “{retriever.index}” gives only some.",
            "Search exactly (index “exact”), or leave the query bank out.",
        )


def check_dense(embedding: Artifact) -> None:
    if embedding.manifest["output"] != "dense":
        raise BadInput(
            f"QB-Norm is for dense vectors, and “{embedding.name}” makes {embedding.manifest['output']} ones.",
            "Leave the query bank out.",
        )


def search_with_bank(
    statistics: BankStatistics,
    embedding: Artifact,
    matrix: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_] | None,
) -> Ranking | None:
    """The `k` best by QB-Norm; None where it leaves the scores as they are, so that the index's own ranking stands."""
    vectors = dense_vectors(embedding)
    scores = all_scores(matrix, vectors.blocks(), len(vectors), metric_of(embedding))
    found, changed = normalized(scores, statistics, allowed)
    if not changed:
        return None
    return top_k(found, k) if allowed is None else top_k(found[allowed], k, np.flatnonzero(allowed))


def statistics_of(
    project: Project, info: CorpusInfo, embedding: Artifact, retriever: RetrieverSpec, model: "QueryEncoder"
) -> BankStatistics:
    """What a retriever's bank says of a corpus, from memory where it was made before. Raises `BadInput`, `NotFound`."""
    name, beta = retriever.query_bank, retriever.bank_beta
    made = "" if name == TITLES else query_sets.find(project.db, name).created_at
    key = ("query bank", f"{name} over {embedding.name}", str(project.folder), embedding.id, made, beta)

    def load() -> BankStatistics:
        contents = bank_contents(project, info, name, model)
        if not contents:
            raise BadInput(
                f"The query bank “{name}” has nothing that “{embedding.name}” reads.",
                "Choose another query set, or “@titles” for the documents' own titles.",
            )
        vectors = dense_vectors(embedding)
        matrix = np.asarray(model.encode_many(contents), np.float32)
        return bank_statistics(matrix, vectors.blocks(), len(vectors), metric_of(embedding), beta)

    return loaded().get(key, load, lambda found: found.size_bytes)


def bank_contents(project: Project, info: CorpusInfo, bank: str, model: "QueryEncoder") -> list[Content]:
    """The bank's queries that `model` can read, at most 2,000: a query set's, or the corpus's own first titles."""
    if bank == TITLES:
        first = corpora.documents(project.db, info.id, range(min(info.documents, BANK_LIMIT)))
        contents = [Content(document.title) for document in first]
    else:
        queries = query_sets.page(project.db, query_sets.find(project.db, bank).id, 0, BANK_LIMIT)
        contents = [Content(each.text, project.media / each.image if each.image else None) for each in queries]
    return [each for each in contents if each.modalities and each.modalities <= model.modalities]


def dense_vectors(embedding: Artifact) -> DenseVectors:
    vectors: Any = retrieving.vectors_of(embedding)
    if not isinstance(vectors, DenseVectors):
        raise TypeError(f"{embedding.name} has no dense vectors")
    return vectors


NAMES: Mapping[str, str] = {TITLES: "the documents' titles"}
"""How a bank is called to people, where not by its own name."""


def bank_note(statistics: BankStatistics, name: str, changed: bool) -> str:
    """What a person should know of a ranking that was asked for with a bank."""
    bank = f"{NAMES.get(name, f'“{name}”')} ({statistics.queries:,} queries)"
    if changed:
        return f"QB-Norm with {bank}"
    return f"QB-Norm with {bank} changed nothing: the best document is the best of no query of the bank"
