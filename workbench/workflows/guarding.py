"""The false-negative guard on a query's negatives: what the stored vectors, the texts and other judgments say of them.

Quick by intent: a model is asked only where it is in memory already or needs none (BM25), a reranker only by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench import corpora, judgments, label_sets, query_sets
from workbench.artifacts import Artifact
from workbench.checkpoints import loaded
from workbench.corpora import CorpusInfo
from workbench.encoders.base import Matrix
from workbench.errors import BadInput, NotFound
from workbench.false_negatives import FIRST, Compared, Reason, Space, reasons
from workbench.hubness import similarities
from workbench.judgments import Judgment
from workbench.project import Project
from workbench.query_sets import QuerySetInfo
from workbench.scoring import normalize_rows
from workbench.specs import RerankSpec, RetrieverSpec
from workbench.types import Content, Document, Query, Ranking
from workbench.vectors import AnyVectors, DenseVectors, SparseVectors
from workbench.workflows import retrieving
from workbench.workflows.exact_scores import exact_scores
from workbench.workflows.index import EXACT
from workbench.workflows.stages import Asked, Clock, contents_of, retrieve
from workbench.workflows.systems import System, modalities_of, systems_of

__all__ = ["Reason", "guard"]

TELLING = ("qrels", "person", "imported", "final")
"""Kinds of label sets whose positives count; a proposed one has only negatives."""
RERANKED = 50
"""Positives that a reranker scores at most, the highest grades first."""
_SAMPLE = 512
_SCANNED = 200_000  # documents above which a built index is asked for ranks


@dataclass(frozen=True)
class Case:
    """The negatives of a query that are to be doubted, and its positives, the highest grade first; hashes by id."""

    query: Content
    negatives: list[Document]
    positives: list[Document]
    hashes: Mapping[str, str]
    relevant_to: Mapping[str, tuple[str, ...]]

    @property
    def ordinals(self) -> NDArray[np.int64]:
        """Of the negatives, then of the positives."""
        return np.array([each.ordinal for each in (*self.negatives, *self.positives)], np.int64)


@dataclass(frozen=True)
class Side:
    """A query as one encoder has it: `matrix` (1 row) and its first documents."""

    matrix: Matrix
    ranking: Ranking


def guard(
    project: Project, query_set: str, query_id: str, doc_ids: Sequence[str], reranker: str = ""
) -> dict[str, list[Reason]]:
    """Document id → the reasons to doubt that it is a negative of the query, the most severe first.

    Positives are those of all label sets but proposed ones. Raises `NotFound` on the query set, query or reranker,
    `BadInput` on a document that the corpus lacks.
    """
    info = query_sets.find(project.db, query_set)
    corpus = corpora.find(project.db, info.corpus)
    query = query_sets.with_ids(project.db, info.id, [query_id]).get(query_id)
    if query is None:
        raise NotFound(f"The query set “{info.name}” has no query “{query_id[:80]}”.", "Reload the page.")
    wanted = list(dict.fromkeys(doc_ids))
    rows = judgments.of_query(project.db, info.id, query_id)
    case = case_of(project, corpus, content_of(project, query), wanted, telling(project, info, rows))
    missing = set(wanted) - {each.doc_id for each in case.negatives}
    if missing:
        raise BadInput(f"The corpus “{corpus.name}” has no document “{min(missing)[:80]}”.", "Reload the page.")
    asked = Asked(project, corpus, case.query)
    spaces = [
        space_of(embedding, case, side_of(asked, embedding, system) if in_memory(embedding) else None)
        for embedding, system in spaces_of(project, corpus)
    ]
    return doubts(project, corpus, case, spaces, reranker)


def doubts(
    project: Project, corpus: CorpusInfo, case: Case, spaces: Sequence[Space], reranker: str = ""
) -> dict[str, list[Reason]]:
    """Document id of each negative → its reasons."""
    reranked = reranked_space(project, corpus, case, reranker) if reranker and case.positives else None
    negatives = [compared(each, case) for each in case.negatives]
    positives = [compared(each, case) for each in case.positives]
    found = reasons(negatives, positives, spaces, reranked)
    return {each.doc_id: given for each, given in zip(negatives, found, strict=True)}


def telling(project: Project, info: QuerySetInfo, rows: Iterable[Judgment]) -> list[Judgment]:
    """Those judgments that make a positive."""
    kinds = {each.name: each.kind for each in label_sets.listed(project.db, info.id)}
    return [row for row in rows if row.verdict.is_positive and kinds.get(row.label_set) in TELLING]


def case_of(
    project: Project, corpus: CorpusInfo, query: Content, negatives: Sequence[str], positives: Iterable[Judgment]
) -> Case:
    """Read the documents; ids that the corpus lacks are left out. A negative is not compared with itself."""
    grades: dict[str, int] = {}
    by: dict[str, list[str]] = {}
    for row in positives:
        grade = row.verdict.relevance or 0
        grades[row.doc_id] = max(grade, grades.get(row.doc_id, 0))
        who = row.label_set if row.annotator == row.label_set else f"{row.annotator} in {row.label_set}"
        by.setdefault(row.doc_id, []).append(f"{who} (grade {grade})")
    others = sorted((doc_id for doc_id in grades if doc_id not in set(negatives)), key=lambda each: -grades[each])
    known = corpora.hashes_of(project.db, corpus.id, [*negatives, *others])
    order = [doc_id for doc_id in (*negatives, *others) if doc_id in known]
    documents = corpora.documents(project.db, corpus.id, [known[doc_id][0] for doc_id in order])
    split = sum(doc_id in known for doc_id in negatives)
    hashes = {doc_id: content for doc_id, (_, content) in known.items()}
    said = {doc_id: tuple(by[doc_id]) for doc_id in negatives if doc_id in by}
    return Case(query, documents[:split], documents[split:], hashes, said)


def content_of(project: Project, query: Query) -> Content:
    return Content(query.text, project.media / query.image if query.image else None)


def compared(document: Document, case: Case) -> Compared:
    content_hash, said = case.hashes[document.doc_id], case.relevant_to.get(document.doc_id, ())
    return Compared(document.doc_id, document.content, content_hash, document.image or "", said)


def spaces_of(project: Project, corpus: CorpusInfo) -> list[tuple[Artifact, System]]:
    """The newest embedding of each encoder with how it is searched: exactly, or by an index where that takes long."""
    newest: dict[str, Artifact] = {}
    for embedding in project.artifacts.list("embedding", corpus_id=corpus.id):
        newest.setdefault(embedding.name, embedding)
    place = -1 if corpus.documents > _SCANNED else 0
    return [(embedding, systems_of(project, embedding)[place]) for embedding in newest.values()]


def in_memory(embedding: Artifact) -> bool:
    """Whether its encoder can be asked at once: it is loaded already, or has no weights to load."""
    if embedding.manifest.get("family") == "bm25":
        return True
    key = retrieving.encoder_key(embedding)
    return any(each.key == key for each in loaded().contents())


def side_of(asked: Asked, embedding: Artifact, system: System) -> Side | None:
    """The query encoded and its first documents, kept for the next time; None where this encoder cannot be asked."""
    if not can_read(asked.query, embedding, system):
        return None
    spec = RetrieverSpec(encoder=embedding.id, index=system.index if system.output == "dense" else EXACT)
    found = retrieve(asked, spec, FIRST, (), Clock())
    return Side(found.retrieved.matrix, found.retrieved.ranking)


def can_read(query: Content, embedding: Artifact, system: System) -> bool:
    return system.ready and bool(query.modalities) and query.modalities <= modalities_of(embedding)


def space_of(embedding: Artifact, case: Case, side: Side | None) -> Space:
    """What one encoder says, from its stored vectors and, where the query was asked, its scores and ranks."""
    count = len(case.negatives)
    vectors = retrieving.vectors_of(embedding)
    space = Space(embedding.name)
    near = cosines(vectors, case.ordinals)
    if near is not None:
        space = replace(space, cosines=near[:count, count:], random=random_cosine(embedding, vectors))
    if side is None:
        return space
    scores = exact_scores(embedding, side.matrix, case.ordinals)
    places = {int(ordinal): rank for rank, ordinal in enumerate(side.ranking.ordinals[:FIRST], 1)}
    ranks = np.array([places.get(each.ordinal, 0) for each in case.negatives], np.int64)
    return replace(space, scores=scores[:count], positive_scores=scores[count:], ranks=ranks)


def cosines(vectors: AnyVectors, ordinals: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """(n, n) cosines between documents, from their stored vectors; None for token vectors, which have no single one."""
    if isinstance(vectors, DenseVectors):
        rows = vectors.take(ordinals)
        return similarities(rows, rows, "cosine")
    if isinstance(vectors, SparseVectors) and ordinals.size:
        matrix = sparse.vstack([vectors.row(int(ordinal)) for ordinal in ordinals], format="csr")
        norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1))).ravel()
        norms[norms == 0] = 1
        products: NDArray[np.float32] = (matrix @ matrix.T).toarray() / np.outer(norms, norms)
        return products.astype(np.float32)
    return None


def random_cosine(embedding: Artifact, vectors: AnyVectors) -> float:
    """The mean cosine of two different documents, from `_SAMPLE` drawn with a fixed seed; kept.

    Of the unit vectors u: (|Σ u|² − Σ |u|²) / (n² − n). 0 where that cannot be told.
    """

    def measure() -> float:
        count = min(_SAMPLE, len(vectors))
        chosen = np.sort(np.random.default_rng(0).choice(len(vectors), count, replace=False))
        if isinstance(vectors, DenseVectors):
            rows = normalize_rows(vectors.take(chosen)).astype(np.float64)
            total, own = float(np.square(rows.sum(axis=0)).sum()), float(np.square(rows).sum())
        else:
            found = cosines(vectors, chosen)
            total, own = (0.0, 0.0) if found is None else (float(found.sum()), float(np.trace(found)))
        return (total - own) / (count * (count - 1)) if count > 1 else 0.0

    return loaded().get(("random cosine", embedding.name, embedding.id), measure, lambda _: 8)


def reranked_space(project: Project, corpus: CorpusInfo, case: Case, reranker: str) -> Space:
    """The reranker's scores of the negatives and the first `RERANKED` positives."""
    from workbench.workflows import reranking

    count = len(case.negatives)
    ordinals = case.ordinals[: count + RERANKED]
    documents = contents_of(Asked(project, corpus, case.query), ordinals)
    keys = [(corpus.fingerprint, int(ordinal)) for ordinal in ordinals]
    scores = reranking.rerank(project, RerankSpec(reranker, len(keys)), case.query, documents, keys).scores
    return Space(reranker, scores=scores[:count], positive_scores=scores[count:])
