"""The index laboratory's measuring: queries dealt into rounds, every trial asked in each round, parts kept on disk."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora, query_sets
from workbench.artifacts import Artifact
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import IndexLabSpec, Trial
from workbench.types import Content, Progress
from workbench.vectors import DenseVectors, ShardFolder, save_array, write_durably
from workbench.workflows import retrieving
from workbench.workflows.index import metric_of
from workbench.workflows.retrieving import Target

if TYPE_CHECKING:
    from workbench.indices.base import Index, Queries

ROUNDS = 4
"""Trials take turns: each is asked a quarter of the queries in every round, in another order. So a machine that is busy
for a while slows all of them alike."""
PARTS, TRUTH, MATRIX, QUERIES = "parts", "truth.npy", "queries.npy", "queries.json"
TEXT = 2000


@dataclass(frozen=True)
class Questions:
    """q queries: `matrix` (q, d) float32, what they are as texts, and of documents `own` (q,) ordinals, else −1."""

    matrix: NDArray[np.float32]
    contents: list[Content]
    ids: list[str]
    own: NDArray[np.int64]
    warnings: list[str]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Parts:
    """What was measured of one trial, in the order of the queries: documents (q, k), milliseconds (q,), documents
    compared (q,) with −1 where unknown, lists (q, k) as `measuring.HELD`, and the seconds of all batches."""

    found: NDArray[np.int64]
    milliseconds: NDArray[np.float64]
    scored: NDArray[np.int64]
    held: NDArray[np.int8]
    together: float


def questions(project: Project, info: CorpusInfo, embedding: Artifact, spec: IndexLabSpec) -> Questions:
    """The queries of a laboratory. Raises `BadInput` where there are none, `NotFound` on the query set."""
    random = np.random.default_rng(spec.seed)
    if spec.query_set:
        return _of_query_set(project, embedding, spec, random)
    count = min(spec.queries, info.documents)
    own = np.sort(random.choice(info.documents, count, replace=False)).astype(np.int64)
    vectors = retrieving.vectors_of(embedding)
    if not isinstance(vectors, DenseVectors):
        raise BadInput(f"“{embedding.name}” makes no dense vectors.", "Choose a dense embedding.")
    documents = corpora.documents(project.db, info.id, own.tolist())
    contents = [Content(each.content) for each in documents]
    return Questions(vectors.take(own), contents, [each.doc_id for each in documents], own, [])


def _of_query_set(project: Project, embedding: Artifact, spec: IndexLabSpec, random: np.random.Generator) -> Questions:
    info = query_sets.find(project.db, spec.query_set)
    if not info.queries:
        raise BadInput(f"The query set “{info.name}” has no queries.", "Choose another, or the documents' own vectors.")
    if "encoder_spec" not in embedding.manifest:
        raise BadInput(
            f"“{embedding.name}” holds ready-made vectors: no encoder is known for queries.",
            "Ask with the documents' own vectors.",
        )
    places = np.sort(random.choice(info.queries, min(spec.queries, info.queries), replace=False)).tolist()
    known = query_sets.at_places(project.db, info.id, places)
    chosen = [known[place] for place in places]
    encoder = retrieving.query_encoder(embedding)
    contents = [Content(each.text, project.media / each.image if each.image else None) for each in chosen]
    readable = [n for n, each in enumerate(contents) if each.modalities and each.modalities <= encoder.modalities]
    if not readable:
        raise BadInput(f"“{embedding.name}” can read no query of “{info.name}”.", "Choose another query set.")
    contents = [contents[n] for n in readable]
    matrix = np.asarray(encoder.encode_many(contents), np.float32)
    left = len(chosen) - len(readable)
    warnings = [f"{left:,} queries cannot be read by “{embedding.name}” and were left out."] if left else []
    own = np.full(len(readable), -1, np.int64)
    return Questions(matrix, contents, [chosen[n].query_id for n in readable], own, warnings)


class Bench:
    """The measurements of one laboratory in `folder`; what an earlier attempt finished there is not done again."""

    def __init__(self, folder: Path, embedding: Artifact, asked: Questions, spec: IndexLabSpec) -> None:
        self._folder, self._embedding, self._asked, self._spec = folder, embedding, asked, spec
        self._store = ShardFolder(folder / PARTS)
        (folder / PARTS).mkdir(parents=True, exist_ok=True)

    def find_truth(self, progress: Progress) -> None:
        """The exact neighbours of every query, kept as `TRUTH`; the queries beside them."""
        from workbench.indices.measuring import padded

        if (self._folder / TRUTH).exists():
            return
        index, asked, k = retrieving.exact_index(self._embedding), self._asked, self._spec.k
        rankings = []
        for start in range(0, len(asked), 64):
            progress(start, len(asked))
            rankings += index.search(asked.matrix[start : start + 64], k + 1)
        rows = [
            {"id": id, "text": each.text[:TEXT], "own": int(own)}
            for id, each, own in zip(asked.ids, asked.contents, asked.own, strict=True)
        ]
        write_durably(self._folder / QUERIES, json.dumps(rows, ensure_ascii=False).encode())
        save_array(self._folder / MATRIX, asked.matrix)
        save_array(self._folder / TRUTH, padded(rankings, asked.own, k))

    def run(self, trials: Sequence[tuple[Target, Trial]], progress: Progress) -> None:
        """Measure every trial in every round, in a seeded order; each part is kept as it is finished."""
        deal = dealt(len(self._asked), len(trials), self._spec.seed)
        for number in range(len(self._store.finished()), len(deal)):
            progress(number, len(deal))
            trial, rows = deal[number]
            self._store.write(number, self._measured(*trials[trial], rows), len(rows))
        progress(len(deal), len(deal))

    def _measured(self, target: Target, trial: Trial, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        from workbench.indices.measuring import held_by, measure, padded

        index, k = target.open(), self._spec.k
        queries = self._queries(target, index, rows)
        own = self._asked.own[rows]
        # A document finds itself: one more is asked for, and itself left out.
        timed = measure(index, queries, k + int(own.max(initial=-1) >= 0), trial.settings)
        found = padded(timed.rankings, own, k)
        scored, held = index.scored(queries, trial.settings), held_by(index, queries, found, trial.settings)
        return {
            "values": timed.milliseconds,
            "found": found,
            "scored": np.full(len(rows), -1, np.int64) if scored is None else scored,
            "held": np.zeros(found.shape, np.int8) if held is None else held,
            "together": np.array([timed.together]),
        }

    def _queries(self, target: Target, index: "Index", rows: NDArray[np.int64]) -> "Queries":
        contents = [self._asked.contents[row] for row in rows]
        return retrieving.index_queries(target, index, self._asked.matrix[rows], contents)


def dealt(queries: int, trials: int, seed: int) -> list[tuple[int, NDArray[np.int64]]]:
    """(trial, rows of its queries) of every part in the order in which they are measured."""
    random = np.random.default_rng(seed)
    rounds = np.array_split(random.permutation(queries), min(ROUNDS, queries))
    return [(int(trial), rows) for rows in rounds for trial in random.permutation(trials)]


def parts_of(folder: Path, trials: int, seed: int, trial: int) -> Parts:
    """All that was measured of one trial of a finished laboratory."""
    truth = truth_of(folder)
    found, spent = np.full(truth.shape, -1, np.int64), np.zeros(len(truth))
    scored, held, together = np.full(len(truth), -1, np.int64), np.zeros(truth.shape, np.int8), 0.0
    for rows, load in _shards(folder, len(truth), trials, seed, trial):
        found[rows], spent[rows] = load("found"), load("values")
        scored[rows], held[rows] = load("scored"), load("held")
        together += float(load("together")[0])
    return Parts(found, spent, scored, held, together)


def _shards(folder: Path, queries: int, trials: int, seed: int, trial: int) -> Iterator[tuple[NDArray[np.int64], Any]]:
    store = ShardFolder(folder / PARTS)
    shards = store.finished()
    for number, (whose, rows) in enumerate(dealt(queries, trials, seed)):
        if whose == trial:
            yield rows, lambda name, shard=shards[number]: store.load(shard, name)


def truth_of(folder: Path) -> NDArray[np.int64]:
    """(q, k) the exact neighbours, −1 where there are fewer."""
    truth: NDArray[np.int64] = np.load(folder / TRUTH, allow_pickle=False)
    return truth


def matrix_of(folder: Path) -> NDArray[np.float32]:
    """(q, d) the queries as they were encoded."""
    matrix: NDArray[np.float32] = np.load(folder / MATRIX, mmap_mode="r", allow_pickle=False)
    return matrix


def queries_of(folder: Path) -> list[Mapping[str, Any]]:
    """`id`, `text` and `own` ordinal (−1: none) of each query."""
    rows: list[Mapping[str, Any]] = json.loads((folder / QUERIES).read_text(encoding="utf-8"))
    return rows


def exact_scores_of(embedding: Artifact, found: NDArray[np.int64], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """(q, k) exact scores of the documents in `found`, by the encoder's own metric."""
    from workbench.indices.measuring import true_scores

    vectors = retrieving.vectors_of(embedding)
    if not isinstance(vectors, DenseVectors):
        raise BadInput(f"“{embedding.name}” makes no dense vectors.", "Choose a dense embedding.")
    return true_scores(vectors, found, matrix, metric_of(embedding))
