"""The queries of an encoder laboratory, and its pairs: positives by the judgments, and random ones."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench import corpora, query_sets
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.evaluation import Qrels, judge, measured, parse_measures
from workbench.project import Project
from workbench.specs import EncoderLabSpec
from workbench.types import Content
from workbench.vectors import DenseVectors
from workbench.workflows.evaluating import EvaluateOptions, Judgments

if TYPE_CHECKING:
    from workbench.encoders.base import Encoder

NDCG = "nDCG@10"
READY_MADE = "The vectors were imported ready-made: no model is known that could be timed or asked."
Ordinals = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """q queries: `matrix` (q, d) float32; `contents` empty where documents ask, then `own` (q,) are their ordinals,
    else −1; `rows` (q,) their numbers in the set. `positives` (p, 2): row of the query, ordinal of the document."""

    matrix: NDArray[np.float32]
    contents: list[Content]
    own: Ordinals
    rows: Ordinals
    positives: Ordinals
    qrels: Qrels | None = None
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.matrix)

    def quality(self, found: Ordinals) -> NDArray[np.float64] | None:
        """(q,) nDCG@10 of the rankings (q, k), NaN for queries without a judgment; None where none has one."""
        if self.qrels is None:
            return None
        values = measured(parse_measures(NDCG)[0], judge(found, self.qrels, self.rows))
        judged = np.diff(self.qrels.starts)[self.rows] > 0
        return np.where(judged, values, np.nan) if judged.any() else None


def state_of(project: Project, query_set: str) -> str:
    """Another text whenever a judgment of the query set changes."""
    return str(Judgments(project, query_set, None, EvaluateOptions()).key)


def documents_ask(vectors: DenseVectors, spec: EncoderLabSpec) -> Asked:
    """A sample of documents as queries, each left out of its own ranking."""
    random = np.random.default_rng(spec.seed)
    own = np.sort(random.choice(len(vectors), min(spec.queries, len(vectors)), replace=False)).astype(np.int64)
    return Asked(vectors.take(own), [], own, np.empty(0, np.int64), np.empty((0, 2), np.int64))


def queries_ask(project: Project, info: CorpusInfo, encoder: "Encoder", spec: EncoderLabSpec, name: str) -> Asked:
    """A sample of the query set, those with judgments before others, encoded.

    Raises `BadInput` where the encoder reads none of them.
    """
    found = query_sets.find(project.db, spec.query_set)
    judgments = Judgments(project, spec.query_set, None, EvaluateOptions())
    rows = _sampled(judgments.rows, found.queries, spec)
    known = query_sets.at_places(project.db, found.id, rows.tolist())
    contents = [
        Content(q.text, project.media / q.image if q.image else None) for q in map(known.get, rows.tolist()) if q
    ]
    readable = [n for n, each in enumerate(contents) if each.modalities and each.modalities <= encoder.modalities]
    if not readable:
        raise BadInput(f"“{name}” can read no query of “{spec.query_set}”.", "Choose another query set.")
    left = len(contents) - len(readable)
    warnings = [f"{left:,} queries cannot be read by “{name}” and were left out."] if left else []
    rows, contents = rows[readable], [contents[n] for n in readable]
    matrix = np.asarray(encoder.encode_queries(contents), np.float32)
    positives = _positives(project, info, judgments, rows)
    qrels = judgments.qrels(info, []) if judgments.rows.size else None
    return Asked(matrix, contents, np.full(len(rows), -1, np.int64), rows, positives, qrels, warnings)


def random_pairs(asked: Asked, documents: int, spec: EncoderLabSpec) -> Ordinals:
    """(r, 2) row of a query, ordinal of a document: drawn alike, without positives and documents with themselves."""
    random = np.random.default_rng(spec.seed + 1)
    rows = random.integers(len(asked), size=spec.pairs)
    pairs = np.column_stack([rows, random.integers(documents, size=spec.pairs)]).astype(np.int64)
    numbers = pairs[:, 0] * documents + pairs[:, 1]
    known = asked.positives[:, 0] * documents + asked.positives[:, 1]
    kept: Ordinals = pairs[~np.isin(numbers, known) & (asked.own[pairs[:, 0]] != pairs[:, 1])]
    return kept


def _sampled(judged: Ordinals, queries: int, spec: EncoderLabSpec) -> Ordinals:
    """Sorted numbers of at most `spec.queries` queries: of the judged ones, and of all where none is."""
    pool = judged if judged.size else np.arange(queries)
    if not pool.size:
        raise BadInput(f"The query set “{spec.query_set}” has no queries.", "Choose another one, or none.")
    chosen = np.random.default_rng(spec.seed).choice(pool, min(spec.queries, pool.size), replace=False)
    return np.sort(chosen).astype(np.int64)


def _positives(project: Project, info: CorpusInfo, judgments: Judgments, rows: Ordinals) -> Ordinals:
    """(p, 2) the pairs of these queries with a relevance above 0 whose document the corpus has."""
    settled = judgments.settled
    wanted = np.flatnonzero((settled.relevance > 0) & np.isin(settled.queries, rows))
    ids = [settled.documents[n] for n in wanted]
    known = corpora.ordinals_of(project.db, info.id, ids)
    places = np.searchsorted(rows, settled.queries[wanted])
    pairs = [(place, known[id]) for place, id in zip(places.tolist(), ids, strict=True) if id in known]
    return np.array(pairs, np.int64).reshape(-1, 2)
