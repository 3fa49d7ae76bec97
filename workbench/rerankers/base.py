"""What every reranker family offers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.specs import EncodeSpec, RerankerSpec
from workbench.types import Content, Modality, Progress, no_progress

RUN = EncodeSpec()


@dataclass(frozen=True)
class Window:
    """One question to a listwise model: documents `start` … `stop` − 1 of the list as it then stood.

    `repairs` names what was wrong with the answer and was mended: wrong form, repetition, missing documents.
    """

    start: int
    stop: int
    prompt: str
    answer: str
    order: tuple[int, ...]
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reranked:
    """`scores` (n,) float32 in the order of the documents given, higher is better; windows of listwise families.

    `cut` holds the positions of documents that were longer than the model reads, so that their end did not count.
    """

    scores: NDArray[np.float32]
    windows: list[Window] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)


class Reranker(ABC):
    """(query, documents) → scores. A family implements `open`, `describe`, `size_bytes` and `_rerank`.

    A pointwise score depends on its own pair only: not on order, nor on the other documents.
    """

    pointwise: ClassVar[bool] = True
    """Off: scores are places in one order of exactly these documents, and cannot be compared with others."""
    modalities: frozenset[Modality] = frozenset({"text"})
    warnings: list[str]

    @classmethod
    @abstractmethod
    def open(cls, spec: RerankerSpec, run: EncodeSpec = RUN) -> Self:
        """Load what `spec` names, to run as `run` says. Raises `NotFound` or `BadInput` where it cannot be."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Memory its parameters take, in bytes."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything applied, as plain JSON. `versions` is for reading; the rest makes the scores."""

    @abstractmethod
    def _rerank(self, query: Content, documents: list[Content], progress: Progress) -> Reranked:
        """Scores for n ≥ 1 documents, in their order."""

    def rerank(
        self, query: str | Content, documents: Sequence[str | Content], progress: Progress = no_progress
    ) -> Reranked:
        """Score each document for the query; a string is a text. `progress` counts documents; what it raises passes.

        Raises `BadInput` on a query with a modality that it cannot read.
        """
        asked = Content(query) if isinstance(query, str) else query
        extra = asked.modalities - self.modalities
        if extra:
            raise BadInput(
                f"This reranker reads {' and '.join(sorted(self.modalities))}, and the query has "
                f"{' and '.join(sorted(extra))}.",
                "Take it away, or leave the reranker out.",
            )
        given = [Content(each) if isinstance(each, str) else each for each in documents]
        if not given:
            return Reranked(np.empty(0, np.float32))
        return self._rerank(asked, given, progress)
