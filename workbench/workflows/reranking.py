"""Rerank: candidates of one query in the order of a reranker; what was scored before is not scored again."""

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from workbench.catalogue import CatalogueEntry, catalogue, resolve_reranker
from workbench.checkpoints import loaded
from workbench.errors import WorkbenchError
from workbench.project import Project
from workbench.rerankers import RERANKERS
from workbench.specs import EncodeSpec, LateInteractionSpec, M3Spec, RerankerSpec, RerankSpec, fingerprint
from workbench.types import Content, Progress, no_progress
from workbench.workflows.encode import model_folder, open_family, project_spec
from workbench.workflows.kept_scores import Facts, Score, ScoreCacheInfo, score_cache

if TYPE_CHECKING:
    from workbench.rerankers.base import Reranked, Reranker, Window

RUN = EncodeSpec()


@dataclass(frozen=True)
class RerankOutcome:
    """`scores` (n,) float32 in the order of the documents given, higher is better; `cached` of them were kept ones."""

    scores: NDArray[np.float32]
    label: str
    cached: int = 0
    windows: "list[Window]" = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Candidates:
    """What is to be scored: `keys[i]` stands for the content of `documents[i]`."""

    query: Content
    documents: Sequence[Content]
    keys: Sequence[Hashable]


def rerank(
    project: Project,
    spec: RerankSpec,
    query: Content,
    documents: Sequence[Content],
    keys: Sequence[Hashable],
    progress: Progress = no_progress,
) -> RerankOutcome:
    """Score all `documents` for `query`; `keys[i]` stands for the content of `documents[i]` where scores are kept.

    Pointwise scores are kept by (reranker, query, key), so that another depth scores only what is new; a listwise order
    is kept for exactly its list. A model serves one caller at a time; kept scores wait for nobody, and need no model.
    `progress` counts the documents that are scored now. Raises `NotFound` or `BadInput` where the reranker or an option
    is wrong or it cannot read the query, `WorkbenchError` where a score is no number.
    """
    if len(keys) != len(documents):
        raise ValueError(f"{len(keys)} keys for {len(documents)} documents")
    given = resolve_reranker(spec.name, spec.options)
    asked = Candidates(query, documents, keys)
    source = Source(project, given)
    work = _pointwise if source.facts().pointwise else _listwise
    outcome = work(source, asked, progress)
    score_cache().count(outcome.cached, len(documents) - outcome.cached)
    return replace(outcome, label=spec.name)


def list_rerankers() -> list[CatalogueEntry]:
    """The rerankers of the catalogue; none is loaded."""
    return [entry for entry in catalogue() if entry.role == "reranker"]


def score_cache_info() -> ScoreCacheInfo:
    """How full the cache of scores is and what it served."""
    return score_cache().info()


def clear_scores() -> None:
    """Forget all kept scores and lists."""
    score_cache().clear()


class Opened:
    """A loaded reranker; whoever uses it holds `lock`, as tokenizers are not safe under threads."""

    def __init__(self, reranker: "Reranker") -> None:
        self._reranker = reranker
        self.lock = threading.Lock()
        self.size_bytes = reranker.size_bytes
        described = {name: value for name, value in reranker.describe().items() if name != "versions"}
        self.facts = Facts(fingerprint(described), reranker.pointwise, tuple(reranker.warnings))

    def rerank(self, query: Content, documents: list[Content], progress: Progress) -> "Reranked":
        """As the reranker's own. Raises `WorkbenchError` where a score is no number."""
        result = self._reranker.rerank(query, documents, progress)
        bad = int((~np.isfinite(result.scores)).sum())
        if bad:
            raise WorkbenchError(
                f"The reranker gave no number for {bad} of {len(documents)} documents.",
                "Run it in float32, or choose another.",
            )
        return result


class Source:
    """Where a reranker comes from: memory, or its files."""

    def __init__(self, project: Project, given: RerankerSpec) -> None:
        self._project, self._given = project, given
        # A model made in the project may carry any name, so late interaction belongs to its project.
        place = str(project.folder) if isinstance(given, LateInteractionSpec) else ""
        self._key = ("reranker", given.name or given.kind, fingerprint(given.to_dict(), place))

    def facts(self) -> Facts:
        """What finds its kept scores; it is loaded only where this process never did."""
        return score_cache().facts(self._key) or self.opened().facts

    def opened(self) -> Opened:
        """The loaded reranker."""

        def load() -> Opened:
            opened = Opened(open_reranker(self._project, self._given))
            score_cache().keep_facts(self._key, opened.facts)
            return opened

        opened = loaded().get(self._key, load, lambda each: each.size_bytes)
        score_cache().keep_facts(self._key, opened.facts)
        return opened


def open_reranker(project: Project, given: RerankerSpec) -> "Reranker":
    """The reranker of `given`, loaded by its family; late interaction opens its encoder first."""
    family: Any = RERANKERS.load(given.kind)
    if not isinstance(given, LateInteractionSpec):
        return cast("Reranker", family.open(given, RUN))
    encoder = project_spec(project, given.encoder)
    if isinstance(encoder, M3Spec):
        encoder = replace(encoder, output="multi")
    return cast("Reranker", family(open_family(encoder, RUN, model_folder(project, encoder)), given))


def _pointwise(source: Source, asked: Candidates, progress: Progress) -> RerankOutcome:
    """Kept scores, and those of the documents that have none yet."""
    facts = source.facts()
    name = _question(facts, asked.query)
    kept, fresh = score_cache().split(name, asked.keys)
    cached = sum(key not in fresh for key in asked.keys)
    if fresh:
        opened = source.opened()
        facts, name = opened.facts, _question(opened.facts, asked.query)
        with opened.lock:
            # Once more: another column may have scored them while this one waited.
            kept, fresh = score_cache().split(name, asked.keys)
            cached = sum(key not in fresh for key in asked.keys)
            if fresh:
                result = opened.rerank(asked.query, [asked.documents[n] for n in fresh.values()], progress)
                found = dict(zip(fresh, _scores(result), strict=True))
                score_cache().keep(name, found, result.warnings)
                kept |= found
    notes = [*facts.warnings, *score_cache().notes(name)]
    cut = sum(kept[key][1] for key in asked.keys)
    if cut:
        notes.append(
            f"{cut} of {len(asked.keys)} documents are longer than the reranker reads: their end did not count."
        )
    scores = np.array([kept[key][0] for key in asked.keys], np.float32)
    return RerankOutcome(scores, "", cached, [], notes)


def _listwise(source: Source, asked: Candidates, progress: Progress) -> RerankOutcome:
    """The order of the whole list, kept for exactly this list in this order."""
    facts = source.facts()
    result = score_cache().find_list((_question(facts, asked.query), tuple(asked.keys)))
    cached = len(asked.keys)
    if result is None:
        opened = source.opened()
        facts = opened.facts
        whole = (_question(facts, asked.query), tuple(asked.keys))
        with opened.lock:
            result = score_cache().find_list(whole)
            if result is None:
                cached = 0
                result = opened.rerank(asked.query, list(asked.documents), progress)
                score_cache().keep_list(whole, result)
    notes = [*facts.warnings, *result.warnings]
    return RerankOutcome(result.scores.copy(), "", cached, list(result.windows), notes)


def _question(facts: Facts, query: Content) -> Hashable:
    """What a kept score answers, besides the document: by which reranker, for which query."""
    return facts.fingerprint, query.text, str(query.image or ""), query.image_weight


def _scores(result: "Reranked") -> list[Score]:
    cut = set(result.cut)
    return [(float(score), position in cut) for position, score in enumerate(result.scores)]
