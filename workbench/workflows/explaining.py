"""Why a document was found: the words a sparse score is made of, or the tokens that late interaction matched."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.project import Project
from workbench.ragged import Ragged
from workbench.specs import RetrieverSpec
from workbench.types import Content
from workbench.vectors import MultiVectors, SparseVectors
from workbench.workflows import retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.exact_scores import exact_scores
from workbench.workflows.retrieving import QueryEncoder

NO_PARTS = "A dense vector stands for the whole text: its score has no parts that could be shown."


@dataclass(frozen=True)
class TermWeight:
    """A term's weight in the query and in the document, and their product: what it adds to the score."""

    term: str
    query: float
    document: float
    product: float


@dataclass(frozen=True)
class Explanation:
    """What a score is made of. `terms`: those of both, most added first; `query_terms`: all of the query, strongest
    first. `similarities` (query tokens, document tokens): the score is the sum of each row's largest value, for BGE-M3
    their mean. `score`: of the document, from its stored vectors."""

    kind: Literal["terms", "tokens", "none"]
    score: float
    note: str = ""
    terms: list[TermWeight] = field(default_factory=list)
    query_terms: list[TermWeight] = field(default_factory=list)
    query_tokens: list[str] = field(default_factory=list)
    document_tokens: list[str] = field(default_factory=list)
    similarities: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Pair:
    """A query, encoded, and a document of an embedding."""

    project: Project
    info: CorpusInfo
    embedding: Artifact
    query: Content
    matrix: Any
    ordinal: int


def explain(project: Project, corpus: str, query: str | Content, retriever: RetrieverSpec, ordinal: int) -> Explanation:
    """What the score of the document `ordinal` for a query is made of, whether it was found or not.

    Raises `BadInput` on an empty query or one that the encoder cannot read, `NotFound` on names and the ordinal.
    """
    content = Content(query) if isinstance(query, str) else query
    if not content.modalities:
        raise BadInput("The query is empty.", "Write what you are looking for, or give an image.")
    if retriever.image_weight is not None:
        content = replace(content, image_weight=retriever.image_weight)
    info = corpora.find(project.db, corpus)
    known = corpora.document(project.db, info, int(ordinal))
    embedding = find_embedding(project, info, retriever.encoder)
    encoder = retrieving.query_encoder(embedding)
    encoded = encoder.encode(content)
    score = float(exact_scores(embedding, encoded.matrix, np.array([known.ordinal]))[0])
    pair = Pair(project, info, embedding, content, encoded.matrix, known.ordinal)
    if embedding.manifest["output"] == "sparse":
        return explain_terms(pair, encoder, score)
    if embedding.manifest["output"] == "multi":
        return explain_tokens(pair, encoder, score)
    return Explanation("none", score, NO_PARTS)


def explain_terms(pair: Pair, encoder: QueryEncoder, score: float) -> Explanation:
    """The score as a sum over the terms of the query."""
    vectors = retrieving.vectors_of(pair.embedding)
    if not isinstance(vectors, SparseVectors):
        raise TypeError("sparse vectors are needed")
    asked = sparse.csr_matrix(pair.matrix, copy=True)
    asked.sum_duplicates()
    document = np.asarray(vectors.row(pair.ordinal)[:, asked.indices].todense()).ravel()
    words = encoder.terms(asked.indices.tolist())
    weights = [
        TermWeight(word, float(own), float(other), float(own * other))
        for word, own, other in zip(words, asked.data, document, strict=True)
    ]
    shared = sorted((each for each in weights if each.product), key=lambda each: (-each.product, each.term))
    strongest = sorted(weights, key=lambda each: (-each.query, each.term))
    note = "" if shared else "The document holds no term of the query."
    return Explanation("terms", score, note, terms=shared, query_terms=strongest)


def explain_tokens(pair: Pair, encoder: QueryEncoder, score: float) -> Explanation:
    """Every query token against every document token."""
    vectors = retrieving.vectors_of(pair.embedding)
    if not isinstance(vectors, MultiVectors) or not isinstance(pair.matrix, Ragged):
        raise TypeError("token vectors are needed")
    rows, note = vectors.row(pair.ordinal), ""
    (document,) = corpora.documents(pair.project.db, pair.info.id, [pair.ordinal])
    labels = encoder.tokens(document.content, "document")
    if len(labels) != len(rows):
        labels = [f"vector {number + 1}" for number in range(len(rows))]
        note = "The document's stored vectors and its tokens differ in number, so the vectors are only counted."
    asked = pair.matrix[0]
    words = encoder.tokens(pair.query.text, "query")
    if len(words) != len(asked):
        words = [f"vector {number + 1}" for number in range(len(asked))]
        note = "The query's vectors and its tokens differ in number, so the vectors are only counted."
    similarities = np.asarray(asked @ rows.T, np.float32)
    note = note or ("" if len(rows) else "The document has no vectors.")
    return Explanation("tokens", score, note, query_tokens=words, document_tokens=labels, similarities=similarities)
