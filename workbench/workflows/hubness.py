"""Hubness: how unevenly the documents of a corpus are found, and what a query bank changes about it."""

from dataclasses import dataclass

import numpy as np

from workbench import corpora
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.hubness import all_scores, bank_statistics, normalized, occurrences, skewness, top_hubs
from workbench.project import Project
from workbench.scoring import top_k
from workbench.workflows import retrieving
from workbench.workflows.banks import bank_contents, check_dense, dense_vectors
from workbench.workflows.encode import find_embedding
from workbench.workflows.index import metric_of

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
    if k < 1:
        raise BadInput(f"The top {k} were asked for.", "Ask for 1 or more.")
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
