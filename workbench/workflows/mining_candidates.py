"""The candidates of a miner, kept as an artifact, so that other rules are tried without searching again."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.errors import BadInput, NotFound
from workbench.mining import Candidates, considered_width, padded
from workbench.mining.candidates import closest, lowest
from workbench.project import Project
from workbench.ragged import Ragged
from workbench.scoring import normalize_rows
from workbench.specs import MiningSpec, canonical_json
from workbench.types import Content, Progress, Ranking
from workbench.vectors import DenseVectors, ShardFolder
from workbench.workflows import retrieving
from workbench.workflows.mining_known import Groups, Known, Lists, queries_at
from workbench.workflows.mining_search import Finder

KIND = "candidates"
BLOCK = 1024
"""Queries in a shard: what a crash can cost, and at a depth of 200 some 2 MB."""


class CandidateSet:
    """The candidates of one miner for every query that has a positive. `scores` and marks as `Candidates` says."""

    def __init__(self, artifact: Artifact) -> None:
        if artifact.kind != KIND:
            raise NotFound(f"“{artifact.id}” is no set of candidates but of the kind “{artifact.kind}”.")
        self.artifact = artifact
        self.manifest: Mapping[str, Any] = artifact.manifest
        self._store = ShardFolder(artifact.folder)
        self._shards = self._store.finished()

    @property
    def miner(self) -> str:
        return str(self.manifest["miner"])

    @property
    def depth(self) -> int:
        """Candidates kept of each query, at most."""
        return int(self.manifest["depth"])

    @property
    def queries(self) -> int:
        """Queries with a positive: all that are mined."""
        return int(self.manifest["queries"])

    def __len__(self) -> int:
        return len(self._shards)

    def block(self, number: int) -> Candidates:
        """The queries of one shard."""
        arrays = self._arrays(number, ("ordinals", "values", "marks", "queries"))
        ordinals = arrays["ordinals"]
        names = self._shards[number].hashes
        ranks = np.broadcast_to(np.arange(1, ordinals.shape[1] + 1, dtype=np.int32), ordinals.shape)
        return Candidates(
            arrays["queries"],
            ordinals,
            np.where(ordinals < 0, np.float32(-np.inf), arrays["values"]),
            self._arrays(number, ("ranks",))["ranks"] if "ranks" in names else ranks,
            arrays["marks"],
            lowest(self.positives(number)),
            self._arrays(number, ("near",))["near"] if "near" in names else None,
        )

    def positives(self, number: int) -> Ragged:
        """The scores of the positives of each query of one shard, (t, 1); NaN where the miner does not find one."""
        arrays = self._arrays(number, ("positive_scores", "offsets"))
        return Ragged(arrays["positive_scores"][:, None], arrays["offsets"])

    def positive_ordinals(self, number: int) -> Lists:
        arrays = self._arrays(number, ("positives", "offsets"))
        return Lists(arrays["offsets"], arrays["positives"])

    def blocks(self, limit: int | None = None) -> Iterator[Candidates]:
        """Block after block; with `limit` those that hold the first so many queries."""
        for number in range(len(self)):
            if limit is not None and number * BLOCK >= limit:
                return
            yield self.block(number)

    def _arrays(self, number: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        return {name: np.array(self._store.load(self._shards[number], name)) for name in names}

    def check(self, spec: MiningSpec) -> int:
        """How deep `spec` looks. Raises `BadInput` where these candidates cannot answer it."""
        width = considered_width(spec, int(self.manifest["most_positives"]))
        hint = "Search the candidates again with these settings."
        if self.depth < min(width, int(self.manifest["documents"])) and not self.manifest["reranker"]:
            raise BadInput(
                f"The rules look at {width} candidates a query (the range, and room for the positives), and "
                f"{self.depth} were kept.",
                hint,
            )
        for name, what in (("source_field", "the source column"), ("reranker", "the reranker")):
            if getattr(spec, name) and getattr(spec, name) != self.manifest[name]:
                used = self.manifest[name] or "none"
                raise BadInput(f"The candidates were made with {what} “{used}”, not “{getattr(spec, name)}”.", hint)
        return width


@dataclass(frozen=True)
class Search:
    """One miner's search: what for, how deep, and by which dense embedding near-duplicates are measured (None: not)."""

    project: Project
    known: Known
    finder: Finder
    spec: MiningSpec
    near: Artifact | None
    groups: Groups

    @property
    def depth(self) -> int:
        deepest = max(self.spec.depth, considered_width(self.spec, self.known.positives.longest))
        return min(deepest, self.known.corpus.documents)

    def identity(self) -> dict[str, Any]:
        known = self.known
        return {
            "query_set": [known.info.id, known.info.created_at],
            "known": known.digest,
            "miner": self.finder.pipeline.to_dict(),
            "depth": self.depth,
            "source_field": self.spec.source_field,
            "near": self.near.id if self.near else "",
        }

    def found(self) -> Artifact | None:
        """These candidates, or the same with near-duplicates measured, if they were searched before."""
        wanted = self.identity()
        for artifact in self.project.artifacts.list(KIND, corpus_id=self.known.corpus.id):
            like = None if wanted["near"] else artifact
            if artifact.spec == _plain(wanted, like) and artifact.inputs == self.inputs:
                return artifact
        return None

    @property
    def inputs(self) -> list[str]:
        return [self.known.corpus.fingerprint, *self.finder.inputs]

    def run(self, progress: Progress, before: tuple[int, int]) -> Artifact:
        """Search block after block; what an earlier attempt finished stays. `before`: (queries done, of all miners)."""
        existing = self.found()
        if existing is not None:
            return existing
        known, corpus = self.known, self.known.corpus
        draft = self.project.artifacts.begin(KIND, self.finder.label, self.identity(), self.inputs, corpus.id)
        if draft.existing is not None:
            return draft.existing
        store = ShardFolder(draft.folder)
        done, total = before
        for number in range(len(store.finished()), -(-len(known) // BLOCK)):
            start, stop = number * BLOCK, min((number + 1) * BLOCK, len(known))
            store.write(number, self.shard(start, stop, partial(_told, progress, (done, total))), stop - start)
        progress(done + len(known), total)
        return draft.commit(manifest_of(self))

    def find(
        self, start: int, stop: int, contents: Sequence[Content], told: Callable[[int], None]
    ) -> tuple[list[Ranking], NDArray[np.float32]]:
        """(rankings of the queries `start` … `stop` − 1, the scores of their positives), batch by batch."""
        rankings: list[Ranking] = []
        scores = []
        for at in range(start, stop, self.finder.batch):
            told(at)
            until = min(at + self.finder.batch, stop)
            positives = self.known.positives.part(at, until)
            found, own = self.finder.find(contents[at - start : until - start], self.depth, positives)
            rankings += found
            scores.append(own.values[:, 0])
        return rankings, np.concatenate(scores)

    def shard(self, start: int, stop: int, told: Callable[[int], None]) -> dict[str, NDArray[Any]]:
        """The arrays of the queries `start` … `stop` − 1; `told` hears which one it is at."""
        known, project = self.known, self.project
        positives, judged = known.positives.part(start, stop), known.judged.part(start, stop)
        queries = queries_at(project, known.info, known.queries[start:stop])
        contents = [Content(each.text, project.media / each.image if each.image else None) for each in queries]
        rankings, scores = self.find(start, stop, contents, told)
        ordinals, values = padded(rankings, self.depth)
        own = corpora.ordinals_of(project.db, known.corpus.id, (each.query_id for each in queries))
        itself = np.array([own.get(each.query_id, -1) for each in queries], np.int64)
        texts = np.array([self.groups.text_of(each) for each in queries], np.int64)
        arrays: dict[str, NDArray[Any]] = {
            "queries": known.queries[start:stop],
            "ordinals": ordinals,
            "values": np.where(ordinals < 0, np.float32(0), values),
            "marks": self.groups.marks(ordinals, (positives, judged), (itself, texts)),
            "offsets": positives.offsets,
            "positives": positives.values,
            "positive_scores": scores,
        }
        if self.near is not None:
            arrays["near"] = near_of(self.near, ordinals, positives)
        return arrays


def _told(progress: Progress, of: tuple[int, int], at: int) -> None:
    done, total = of
    progress(done + at, total)


def near_of(embedding: Artifact, ordinals: NDArray[np.int32], positives: Lists) -> NDArray[np.float32]:
    """(q, w) highest cosine of each candidate to one of its query's positives, by the stored vectors."""
    vectors = retrieving.vectors_of(embedding)
    if not isinstance(vectors, DenseVectors):
        raise TypeError(f"{embedding.name} has no dense vectors")
    near = np.full(ordinals.shape, -1, np.float32)
    for row, given in enumerate(ordinals):
        own = positives.values[positives.offsets[row] : positives.offsets[row + 1]]
        kept = given >= 0
        if kept.any():
            rows = normalize_rows(vectors.take(given[kept]))
            near[row, kept] = closest(rows, normalize_rows(vectors.take(own)))
    return near


def manifest_of(search: Search) -> dict[str, Any]:
    """What is kept beside the arrays."""
    known = search.known
    return {
        "miner": search.finder.label,
        "query_set": known.info.name,
        "label_sets": list(search.spec.label_sets),
        "queries": len(known),
        "total_queries": known.total,
        "queries_without_positives": known.without,
        "missing_positives": known.missing,
        "most_positives": known.positives.longest,
        "depth": search.depth,
        "documents": known.corpus.documents,
        "source_field": search.spec.source_field,
        "near": search.near.name if search.near else "",
        "reranker": "",
        "warnings": list(search.finder.warnings),
    }


def _plain(spec: Mapping[str, Any], like: Artifact | None = None) -> dict[str, Any]:
    """As JSON keeps it; with `like`, under that one's choice of near-duplicates."""
    found: dict[str, Any] = json.loads(canonical_json(spec))
    return found | ({"near": like.spec.get("near")} if like is not None else {})
