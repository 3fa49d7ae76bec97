"""Late interaction as a reranker: the candidates' token vectors against the query's, by MaxSim."""

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np

from workbench.batching import windows
from workbench.errors import BadInput
from workbench.ragged import Ragged
from workbench.rerankers.base import RUN, Reranked, Reranker
from workbench.scoring import maxsim
from workbench.specs import EncodeSpec, LateInteractionSpec, RerankerSpec
from workbench.types import Content, Modality, Progress

CHUNK = 64
"""Documents encoded between two reports of progress; their token vectors are in memory together."""


class TokenVectors(Protocol):
    """What is needed of a multi-vector encoder: contents → a `Ragged` of token vectors."""

    modalities: frozenset[Modality]
    warnings: list[str]

    @property
    def output(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    def describe(self) -> dict[str, Any]: ...

    def encode_queries(self, contents: Sequence[str | Content]) -> Any: ...

    def encode_documents(self, contents: Sequence[str | Content]) -> Any: ...


class LateInteractionReranker(Reranker):
    """Σ over query tokens of the best inner product with a document token, with the vectors of any such encoder."""

    def __init__(self, encoder: TokenVectors, spec: LateInteractionSpec) -> None:
        """`encoder` is the one that `spec` names, opened. Raises `BadInput` where it gives one vector a text."""
        if encoder.output != "multi":
            raise BadInput(
                f"“{spec.encoder}” makes one vector for a whole text, and late interaction compares those of tokens.",
                "Choose a multi-vector encoder, such as colbert-small.",
            )
        self._encoder = encoder
        self._spec = spec
        self.modalities = encoder.modalities
        self.warnings = list(encoder.warnings)

    @classmethod
    def open(cls, spec: RerankerSpec, run: EncodeSpec = RUN) -> Self:
        """Always raises `TypeError`: encoders are opened elsewhere; make the reranker from an opened one."""
        raise TypeError("late interaction is made over an opened encoder: LateInteractionReranker(encoder, spec)")

    @property
    def size_bytes(self) -> int:
        return self._encoder.size_bytes

    def describe(self) -> dict[str, Any]:
        encoder = self._encoder.describe()
        return {
            "family": "late-interaction",
            "score": "sum over query tokens of the best inner product",
            "encoder": {name: value for name, value in encoder.items() if name != "versions"},
            "versions": encoder.get("versions", {}),
        }

    def _rerank(self, query: Content, documents: list[Content], progress: Progress) -> Reranked:
        asked: Ragged = self._encoder.encode_queries([query])
        vectors = asked[0]
        parts = []
        for span in windows(len(documents), CHUNK):
            found = maxsim(vectors, self._encoder.encode_documents(documents[span.start : span.stop]))
            # A document without vectors: as if all its tokens pointed away, so that it stands last with a number.
            parts.append(np.where(np.isneginf(found), np.float32(-len(vectors)), found))
            progress(span.stop, len(documents))
        return Reranked(np.concatenate(parts).astype(np.float32))
