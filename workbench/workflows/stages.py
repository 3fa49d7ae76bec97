"""The stages of a pipeline: retrieve, fuse, rerank. Each gives a `Ranking`, and is timed, named and kept."""

import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.corpora import CorpusInfo
from workbench.errors import WorkbenchError
from workbench.fusion import fuse
from workbench.project import Project
from workbench.specs import FusionSpec, RerankSpec, RetrieverSpec
from workbench.types import Content, Filter, Ranking
from workbench.workflows import banks, retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.exact_scores import completed
from workbench.workflows.kept import Retrieved, kept, key_of
from workbench.workflows.memory import room_for
from workbench.workflows.retrieving import Target

if TYPE_CHECKING:
    from workbench.rerankers.base import Window

Kind = Literal["retriever", "fusion", "reranker"]
STEPS = ("load", "encode", "filter")


@dataclass(frozen=True)
class StageResult:
    """What one stage of a pipeline gave.

    `milliseconds`: encoding the query and searching, or joining, or scoring again; not loading. `effective`: the query
    as it was really encoded (a fusion has none). `note`: what to know of it (“found nothing: …”, “truncated: …”).
    `kept`: on where the ranking or all of its scores were there already, so that nothing was searched or scored.
    """

    label: str
    kind: Kind
    ranking: Ranking
    milliseconds: float
    effective: str = ""
    note: str = ""
    windows: "list[Window]" = field(default_factory=list)
    kept: bool = False


class Clock:
    """Milliseconds of steps, in the order they were first named; a step made again adds to its own."""

    def __init__(self, steps: Sequence[str] = ()) -> None:
        self._started = time.perf_counter()
        self._steps = dict.fromkeys(steps, 0.0)

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._steps[step] = self._steps.get(step, 0.0) + 1000 * (time.perf_counter() - started)

    def spent(self, *steps: str) -> float:
        """Milliseconds of these steps together, so far."""
        return sum(self._steps.get(step, 0.0) for step in steps)

    def timings(self) -> dict[str, float]:
        """The steps and the `total` since the clock was made, which holds what is between them too."""
        rounded = {name: round(value, 3) for name, value in self._steps.items()}
        return rounded | {"total": round(1000 * (time.perf_counter() - self._started), 3)}


@dataclass(frozen=True)
class Asked:
    """One search: where, what, and among which documents."""

    project: Project
    info: CorpusInfo
    query: Content
    filters: Sequence[Filter] = ()


@dataclass(frozen=True)
class Found:
    """A retriever's stage, and what the next ones need of it. `key`: under which its ranking is kept."""

    stage: StageResult
    target: Target
    retrieved: Retrieved
    key: Hashable


def retrieve(asked: Asked, retriever: RetrieverSpec, depth: int, taken: Sequence[str], clock: Clock) -> Found:
    """The best `depth` documents of one retriever; a ranking that was made before comes from memory.

    `taken`: the labels of the stages before. Raises `BadInput` on a query it cannot read or a query bank that does not
    fit, `NotFound` on names, `WorkbenchError` where memory runs out.
    """
    with clock.time("load"):
        embedding = find_embedding(asked.project, asked.info, retriever.encoder)
        target = retrieving.find_target(asked.project, embedding, retriever)
        if retriever.query_bank:
            banks.check_retriever(retriever, embedding)
    if retriever.image_weight is not None:
        asked = replace(asked, query=replace(asked.query, image_weight=retriever.image_weight))
    inputs = (embedding, target.index)
    key = key_of(asked.project, asked.info, retriever, inputs, (asked.query, asked.filters, depth))
    label = own_label(target.label, taken)
    searched: list[bool] = []

    def search() -> Retrieved:
        searched.append(True)
        with room_for(f"searching with “{embedding.name}”", target.owns):
            return run_retriever(asked, retriever, target, depth, (label, clock))

    before = clock.spent("encode")
    retrieved: Retrieved = kept().get(key, search, lambda found: found.size_bytes)
    with clock.time(label):
        """Named also where the ranking was kept."""
    spent = round(clock.spent("encode") - before + clock.spent(label), 3)
    note = "; ".join(each for each in (retrieved.note, nature(embedding)) if each)
    stage = StageResult(label, "retriever", retrieved.ranking, spent, retrieved.effective, note, kept=not searched)
    return Found(stage, target, retrieved, key)


def nature(embedding: Artifact) -> str:
    """What a person should know of an embedding's encoder whenever it answers; "" where there is nothing special."""
    measured = (embedding.manifest.get("fitted") or {}).get("measured")
    if embedding.manifest.get("family") != "bridge" or not measured:
        return ""
    return (
        f"a fitted image-text bridge, not CLIP: of unseen captions {measured['recall_at_1']:.0%} find their picture "
        f"first, {measured['recall_at_10']:.0%} among ten ({measured['chance_at_10']:.0%} by chance)"
    )


def run_retriever(
    asked: Asked, retriever: RetrieverSpec, target: Target, depth: int, timed: tuple[str, Clock]
) -> Retrieved:
    """Load, encode and search; `timed`: the name of the search's step, and the clock."""
    label, clock = timed
    with clock.time("load"):
        encoder = retrieving.query_encoder(target.embedding)
        index = target.open()
        bank = banks.bank_of(asked.project, asked.info, target.embedding, retriever, encoder)
    settings, warnings = retrieving.settings_of(retriever, index, target.label)
    with clock.time("encode"):
        encoded = encoder.encode(asked.query)
        wanted = retrieving.index_queries(target, index, encoded.matrix, [asked.query])
    retrieving.check_compatible(encoded.matrix, index, target.label)
    with clock.time("filter"):
        allowed = retrieving.allowed_documents(asked.project, asked.info, asked.filters)
    notes = [encoded.note]
    with clock.time(label):
        (ranking,) = index.search(wanted, depth, settings, allowed)
        if bank is not None:
            ranking, note = bank.applied(ranking, encoded.matrix, depth, allowed)
            notes.append(note)
    notes.append(why_nothing(ranking, encoded.effective, target, allowed))
    note = "; ".join(each for each in notes if each)
    return Retrieved(ranking, encoded.matrix, encoded.effective, note, [*encoder.warnings, *warnings])


def why_nothing(ranking: Ranking, effective: str, target: Target, allowed: NDArray[np.bool_] | None) -> str:
    """Why a ranking is empty; "" where it is not."""
    if len(ranking):
        return ""
    if allowed is not None and not allowed.any():
        return "found nothing: no document passes the filters"
    if target.embedding.manifest["output"] == "sparse":
        among = "the corpus" if allowed is None else "the documents that pass the filters"
        words = f"no word of the query occurs in {among}" if effective else "the corpus has none of the query's words"
        return f"found nothing: {words}"
    return "found nothing: there are no vectors to compare with"


def fused(found: Sequence[Found], spec: FusionSpec, taken: Sequence[str], clock: Clock) -> StageResult:
    """The retrievers' rankings as one, from what they found: nothing is searched.

    Raises `BadInput` where “m3” is asked for other than the outputs of one BGE-M3 model.
    """
    label = own_label(spec.method, taken)
    with clock.time(label):
        rankings = [each.retrieved.ranking for each in found]
        if spec.method == "m3":
            rankings = completed([(each.target.embedding, each.retrieved, each.key) for each in found])
        ranking = fuse(rankings, spec)
    return StageResult(label, "fusion", ranking, round(clock.spent(label), 3))


def reranked(
    asked: Asked, candidates: Ranking, spec: RerankSpec, taken: Sequence[str], clock: Clock
) -> tuple[StageResult, list[str]]:
    """(the candidates in the reranker's order, warnings). It sees the first `spec.depth` of them; the others follow.

    Raises what `workflows.reranking.rerank` raises, `WorkbenchError` where memory runs out or a score is no number.
    """
    from workbench.workflows import reranking

    # A folder goes by its own name, as an encoder's does.
    label = own_label(Path(spec.name).name if Path(spec.name).is_absolute() else spec.name, taken)
    if not len(candidates):
        return StageResult(label, "reranker", candidates, 0.0, asked.query.text, "found nothing: no candidates"), []
    top = candidates.ordinals[: spec.depth]
    keys = [(asked.info.fingerprint, int(ordinal)) for ordinal in top]
    with clock.time(label), room_for(f"reranking with “{spec.name}”", of_rerankers):
        documents = contents_of(asked, top)
        outcome = reranking.rerank(asked.project, spec, asked.query, documents, keys)
        ranking = with_tail(candidates, outcome.scores)
    stage = StageResult(
        label,
        "reranker",
        ranking,
        round(clock.spent(label), 3),
        asked.query.text,
        windows=list(outcome.windows),
        kept=outcome.cached == len(top),
    )
    return stage, list(outcome.warnings)


def with_tail(candidates: Ranking, scores: NDArray[np.float32]) -> Ranking:
    """The first n candidates by their new `scores` (n,), the others behind them in the order they had.

    The others have no score of the reranker, and their own are on another scale. Theirs here only keep the order: the
    lowest new score, less 1 for each place below it.
    """
    if not np.isfinite(scores).all():
        raise WorkbenchError("The reranker gave a score that is no number.", "Run it in float32, or choose another.")
    head = Ranking.of(candidates.ordinals[: scores.size], scores)
    tail = candidates.ordinals[scores.size :]
    behind = np.empty(tail.size, np.float32)
    last = np.float32(head.scores[-1])
    for place in range(tail.size):
        # Where 1 is too little to make a difference in float32, the next smaller number does.
        last = min(np.float32(last - 1), np.nextafter(last, np.float32(-np.inf)))
        behind[place] = last
    return Ranking(np.concatenate([head.ordinals, tail]), np.concatenate([head.scores, behind]))


def contents_of(asked: Asked, ordinals: NDArray[np.int64]) -> list[Content]:
    """What a model reads of these documents, in their order."""
    media = asked.project.media
    return [
        Content(each.content, media / each.image if each.image else None)
        for each in corpora.documents(asked.project.db, asked.info.id, ordinals.tolist())
    ]


def of_rerankers(key: Hashable) -> bool:
    """Whether a key of the loaded cache is a reranker's."""
    return isinstance(key, tuple) and str(key[0]).startswith("reranker")


def own_label(label: str, taken: Sequence[str]) -> str:
    """`label`, or “label (2)” and so on where it is taken."""
    number, found = 1, label
    while found in taken:
        number += 1
        found = f"{label} ({number})"
    return found
