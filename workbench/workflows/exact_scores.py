"""The exact score of chosen documents in an embedding, and BGE-M3's fusion, which needs all of each candidate."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.artifacts import Artifact
from workbench.encoders.base import Matrix
from workbench.errors import BadInput
from workbench.hubness import similarities
from workbench.ragged import Ragged
from workbench.scoring import maxsim
from workbench.specs import fingerprint
from workbench.types import Ranking
from workbench.vectors import DenseVectors, SparseVectors
from workbench.workflows import retrieving
from workbench.workflows.index import metric_of
from workbench.workflows.kept import OVERHEAD, Retrieved, kept

M3 = "bge-m3"
MEAN = "meanmaxsim"
"""Similarity of an embedding whose MaxSim is divided by the query's tokens."""


def exact_scores(embedding: Artifact, matrix: Matrix, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n,) scores of these documents for an encoded query (1 row), from the stored vectors.

    As exact search scores them: dense by the encoder's metric, sparse the inner product, token vectors MaxSim (for
    BGE-M3 its mean over the query's tokens, else the sum). A document without vectors scores 0.
    """
    vectors = retrieving.vectors_of(embedding)
    if isinstance(vectors, DenseVectors):
        compared = similarities(np.asarray(matrix, np.float32), vectors.take(ordinals), metric_of(embedding))
        return compared.ravel()
    if isinstance(vectors, SparseVectors):
        if not ordinals.size:
            return np.empty(0, np.float32)
        rows = sparse.vstack([vectors.row(int(ordinal)) for ordinal in ordinals], format="csr")
        products: NDArray[np.float32] = (rows @ sparse.csr_matrix(matrix).T).toarray().ravel().astype(np.float32)
        return products
    if not isinstance(matrix, Ragged):
        raise TypeError("token vectors are needed")
    scores = maxsim(matrix[0], vectors.take(ordinals), mean=embedding.manifest.get("similarity") == MEAN)
    return np.where(np.isfinite(scores), scores, np.float32(0)).astype(np.float32)


def completed(found: Sequence[tuple[Artifact, Retrieved, Hashable]]) -> list[Ranking]:
    """Every candidate of any list, scored exactly in each. `found`: embedding, what was retrieved, key of keeping it.

    Kept, so that other weights cost nothing. Raises `BadInput` where they are not outputs of one BGE-M3 model.
    """
    check_one_model([embedding for embedding, _, _ in found])
    ordinals = np.unique(np.concatenate([each.ranking.ordinals for _, each, _ in found]))
    asked = fingerprint(ordinals.tolist())

    def rescored(embedding: Artifact, retrieved: Retrieved, key: Hashable) -> Ranking:
        def load() -> Ranking:
            return Ranking.of(ordinals, exact_scores(embedding, retrieved.matrix, ordinals))

        return kept().get(("all candidates", key, asked), load, lambda ranking: OVERHEAD + 12 * len(ranking))

    return [rescored(*each) for each in found]


def check_one_model(embeddings: Sequence[Artifact]) -> None:
    """Raise `BadInput` where these are not the outputs of one BGE-M3 model."""
    hint = "Choose rrf, minmax, dbsf, combsum or combmnz."
    for embedding in embeddings:
        if embedding.manifest.get("family") != M3:
            raise BadInput(
                f"The fusion m3 adds raw scores, which only the outputs of one BGE-M3 model allow; “{embedding.name}” "
                "is none: its scores are on another scale.",
                hint,
            )
    models = {(each.manifest.get("model"), each.manifest.get("revision")) for each in embeddings}
    if len(models) > 1:
        names = ", ".join(f"“{each.name}”" for each in embeddings)
        raise BadInput(f"The fusion m3 needs one model, and {names} are outputs of different ones.", hint)
