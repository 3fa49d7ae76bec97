"""What every encoder family offers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.specs import EncoderSpec, EncodeSpec
from workbench.types import Progress, no_progress

Role = Literal["query", "document"]
Matrix: TypeAlias = NDArray[np.float32] | sparse.csr_matrix
"""(n, dim) float32: an array from a dense encoder, CSR from a sparse one."""


class Encoder(ABC):
    """Turns texts into vectors. A family implements `open`, `describe`, `dim` and `_encode`.

    A row depends on its own text only: not on the order of the input, nor on what else is in it, within 1e-4 in
    cosine (float32: 1e-6), as padding changes the last bits of a matrix product.
    """

    output: ClassVar[Literal["dense", "sparse"]]
    needs_fit: ClassVar[bool] = False
    warnings: list[str]

    @classmethod
    @abstractmethod
    def open(cls, spec: EncoderSpec, run: EncodeSpec, state: Path | None = None) -> Self:
        """Load what `spec` names, to run as `run` says; `state` is a folder written by `save_state`."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Columns of the matrices it makes."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Memory its parameters take, in bytes."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything applied, as plain JSON. `versions` and `fitted` are for reading; the rest makes the vectors."""

    @abstractmethod
    def _encode(self, texts: list[str], role: Role, progress: Progress) -> Matrix:
        """(n, dim) for n ≥ 1 texts, in their order."""

    def encode_documents(self, contents: Sequence[str], progress: Progress = no_progress) -> Matrix:
        """(n, dim), row i for `contents[i]`; `progress` counts texts. Raises what `progress` raises."""
        return self._checked(contents, "document", progress)

    def encode_queries(self, texts: Sequence[str]) -> Matrix:
        """(n, dim), row i for `texts[i]`."""
        return self._checked(texts, "query", no_progress)

    def effective_query(self, text: str) -> str:
        """What is really encoded for the query `text`."""
        return text

    def fit(self, contents: Iterable[Sequence[str]]) -> None:
        """Learn from a corpus given in blocks. Only for families with `needs_fit`."""
        raise TypeError(f"{type(self).__name__} is not fitted to a corpus")

    def save_state(self, folder: Path) -> None:
        """Write what `fit` learned to `folder`. Only for families with `needs_fit`."""
        raise TypeError(f"{type(self).__name__} has nothing to save in {folder.name}")

    def _checked(self, texts: Sequence[str], role: Role, progress: Progress) -> Matrix:
        if not texts:
            empty = (0, self.dim)
            return np.empty(empty, np.float32) if self.output == "dense" else sparse.csr_matrix(empty, dtype=np.float32)
        return self._encode(list(texts), role, progress)
