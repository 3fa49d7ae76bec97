"""Query banks of retrievers: which queries a bank holds, what it says of a corpus, a ranking normalised by it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench import corpora, query_sets
from workbench.artifacts import Artifact
from workbench.checkpoints import loaded
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.hubness import BankStatistics, all_scores, bank_statistics, normalized
from workbench.project import Project
from workbench.scoring import top_k
from workbench.specs import RetrieverSpec
from workbench.types import Content, Ranking
from workbench.vectors import DenseVectors
from workbench.workflows import retrieving
from workbench.workflows.index import EXACT, metric_of

if TYPE_CHECKING:
    from workbench.encoders.base import Matrix
    from workbench.workflows.retrieving import QueryEncoder

TITLES = "@titles"
BANK_LIMIT = 2000


@dataclass(frozen=True)
class Bank:
    """A bank measured over one embedding; `title` is its name for people."""

    embedding: Artifact
    statistics: BankStatistics
    title: str

    def applied(self, raw: Ranking, matrix: "Matrix", k: int, allowed: NDArray[np.bool_] | None) -> tuple[Ranking, str]:
        """(the `k` best by QB-Norm, a note on what it did); `raw` itself where it leaves the scores as they are."""
        bank = f"QB-Norm with {self.title} ({self.statistics.queries:,} queries)"
        vectors = dense_vectors(self.embedding)
        metric = metric_of(self.embedding)
        scores = all_scores(np.asarray(matrix, np.float32), vectors.blocks(), len(vectors), metric)
        found, changed = normalized(scores, self.statistics, allowed)
        if not changed:
            return raw, f"{bank} changed nothing: the best document is the best of no query of the bank"
        return top_k(found, k) if allowed is None else top_k(found[allowed], k, np.flatnonzero(allowed)), bank


def check_retriever(retriever: RetrieverSpec, embedding: Artifact) -> None:
    """Raise `BadInput` where a retriever with a query bank is not dense and exact."""
    check_dense(embedding)
    if retriever.index.strip() not in ("", EXACT):
        raise BadInput(
            f"A query bank needs every document's score, and the index “{retriever.index}” gives only some.",
            "Search exactly (index “exact”), or leave the query bank out.",
        )


def check_dense(embedding: Artifact) -> None:
    """Raise `BadInput` where the vectors are not dense."""
    if embedding.manifest["output"] != "dense":
        raise BadInput(
            f"QB-Norm is for dense vectors, and “{embedding.name}” makes {embedding.manifest['output']} ones.",
            "Leave the query bank out.",
        )


def bank_of(
    project: Project, info: CorpusInfo, embedding: Artifact, retriever: RetrieverSpec, model: "QueryEncoder"
) -> Bank | None:
    """The retriever's bank, from memory where it was measured before; None where it has none.

    Raises `NotFound` on its name, `BadInput` where it holds nothing that the encoder reads.
    """
    name, beta = retriever.query_bank, retriever.bank_beta
    if not name:
        return None
    made = "" if name == TITLES else query_sets.find(project.db, name).created_at
    key = ("query bank", f"{name} over {embedding.name}", str(project.folder), embedding.id, made, beta)

    def load() -> BankStatistics:
        matrix = np.asarray(model.encode_many(bank_contents(project, info, name, model)), np.float32)
        vectors = dense_vectors(embedding)
        return bank_statistics(matrix, vectors.blocks(), len(vectors), metric_of(embedding), beta)

    statistics = loaded().get(key, load, lambda found: found.size_bytes)
    return Bank(embedding, statistics, "the documents' titles" if name == TITLES else f"“{name}”")


def bank_contents(project: Project, info: CorpusInfo, bank: str, model: "QueryEncoder") -> list[Content]:
    """The bank's queries that `model` can read, of its first 2,000: a query set's, or the corpus's own titles.

    Raises `NotFound` on its name, `BadInput` where there are none.
    """
    if bank == TITLES:
        first = corpora.documents(project.db, info.id, range(min(info.documents, BANK_LIMIT)))
        contents = [Content(document.title) for document in first]
    else:
        queries = query_sets.page(project.db, query_sets.find(project.db, bank).id, 0, BANK_LIMIT)
        contents = [Content(each.text, project.media / each.image if each.image else None) for each in queries]
    found = [each for each in contents if each.modalities and each.modalities <= model.modalities]
    if not found:
        raise BadInput(
            f"The query bank “{bank}” has nothing that this encoder reads ({' and '.join(sorted(model.modalities))}).",
            "Choose a query set, or “@titles” for the documents' own titles.",
        )
    return found


def dense_vectors(embedding: Artifact) -> DenseVectors:
    vectors = retrieving.vectors_of(embedding)
    if not isinstance(vectors, DenseVectors):
        raise TypeError(f"{embedding.name} has no dense vectors")
    return vectors
