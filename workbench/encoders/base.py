"""What every encoder family offers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.errors import BadInput
from workbench.ragged import Ragged
from workbench.specs import EncoderSpec, EncodeSpec
from workbench.types import Content, Modality, Progress, no_progress

Role = Literal["query", "document"]
Output = Literal["dense", "sparse", "multi"]
Matrix: TypeAlias = NDArray[np.float32] | sparse.csr_matrix | Ragged
"""n rows of float32: an (n, dim) array from a dense encoder, CSR from a sparse one, n ragged rows from a multi one."""
TEXT: frozenset[Modality] = frozenset({"text"})


class Encoder(ABC):
    """Turns contents into vectors. A family implements `open`, `describe`, `dim`, `size_bytes` and `_encode`.

    A row depends on its own content only: not on the order of the input, nor on what else is in it, within 1e-4 in
    cosine (float32: 1e-6), as padding changes the last bits of a matrix product.
    """

    output: Output
    modalities: frozenset[Modality] = TEXT
    """What it can read. A query with anything else is refused; of a document the rest is left out."""
    needs_fit: ClassVar[bool] = False
    keeps_state: ClassVar[bool] = False
    """On where an embedding needs a copy of what the encoder learned elsewhere, so that it stays whole without it."""
    warnings: list[str]

    @classmethod
    @abstractmethod
    def open(cls, spec: EncoderSpec, run: EncodeSpec, state: Path | None = None) -> Self:
        """Load what `spec` names, to run as `run` says; `state` is a folder written by `save_state`."""

    @classmethod
    def sibling_specs(cls, spec: EncoderSpec) -> list[EncoderSpec]:
        """The specs of all embeddings that one pass over a corpus makes, `spec` first: one for most families."""
        return [spec]

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
    def _encode(self, contents: list[Content], role: Role, progress: Progress) -> Matrix:
        """n rows for n ≥ 1 contents, in their order."""

    def encode_documents(self, contents: Sequence[str | Content], progress: Progress = no_progress) -> Matrix:
        """n rows, row i for `contents[i]`; a string is a text. `progress` counts contents; what it raises passes."""
        return self._checked(contents, "document", progress)

    def encode_queries(self, contents: Sequence[str | Content]) -> Matrix:
        """n rows, row i for `contents[i]`; a string is a text.

        Raises `BadInput` on a query with a modality that the encoder cannot read.
        """
        given = [as_content(each) for each in contents]
        for each in given:
            self.check_readable(each)
        return self._checked(given, "query", no_progress)

    def encode_siblings(
        self, siblings: "Sequence[Encoder]", contents: Sequence[Content], progress: Progress = no_progress
    ) -> list[Matrix]:
        """The documents' rows for each of `siblings`, opened from `sibling_specs`, in one pass."""
        return [each.encode_documents(contents, progress) for each in siblings]

    def check_readable(self, query: Content) -> None:
        """Raise `BadInput` where the query has a modality that this encoder cannot read, and would be half answered."""
        extra = query.modalities - self.modalities
        if extra:
            reads = " and ".join(sorted(self.modalities))
            raise BadInput(
                f"This encoder reads {reads}, and the query has {' and '.join(sorted(extra))}.",
                f"Take the {' and '.join(sorted(extra))} away, or choose an encoder that reads both.",
            )

    def effective_query(self, text: str) -> str:
        """What is really encoded for the query `text`."""
        return text

    def truncated(self, text: str) -> str:
        """What a person should know where the query `text` is longer than the model reads; "" where it is not."""
        return ""

    def tokens(self, text: str, role: Role) -> list[str]:
        """What each vector of `text` stands for, for people to read. Only where `output` is multi."""
        raise TypeError(f"{type(self).__name__} makes no vectors for tokens")

    def terms(self, columns: Sequence[int]) -> list[str]:
        """The words of these columns. Only where `output` is sparse."""
        raise TypeError(f"{type(self).__name__} has no terms")

    def fit(self, contents: Iterable[Sequence[str]]) -> None:
        """Learn from a corpus given in blocks. Only for families with `needs_fit`."""
        raise TypeError(f"{type(self).__name__} is not fitted to a corpus")

    def save_state(self, folder: Path) -> None:
        """Write what it learned to `folder`. Only for families with `needs_fit` or `keeps_state`."""
        raise TypeError(f"{type(self).__name__} has nothing to save in {folder.name}")

    def _checked(self, contents: Sequence[str | Content], role: Role, progress: Progress) -> Matrix:
        if not contents:
            return empty_matrix(self.output, self.dim)
        return self._encode([as_content(each) for each in contents], role, progress)


class TextEncoder(Encoder):
    """Base of the families that read text only; a family implements `_encode_texts`."""

    def _encode(self, contents: list[Content], role: Role, progress: Progress) -> Matrix:
        return self._encode_texts([each.text for each in contents], role, progress)

    @abstractmethod
    def _encode_texts(self, texts: list[str], role: Role, progress: Progress) -> Matrix:
        """n rows for n ≥ 1 texts, in their order."""


def as_content(value: str | Content) -> Content:
    """A string is a text."""
    return Content(value) if isinstance(value, str) else value


def empty_matrix(output: Output, dim: int) -> Matrix:
    """No rows, in the form of `output`."""
    if output == "sparse":
        return sparse.csr_matrix((0, dim), dtype=np.float32)
    values = np.empty((0, dim), np.float32)
    return Ragged(values, np.zeros(1, np.int64)) if output == "multi" else values


def truncation(tokens: int, limit: int | None) -> str:
    """The sentence for a query of `tokens` where the model reads `limit` (special ones counted); "" where it fits."""
    if limit is None or tokens <= limit:
        return ""
    return f"the query has {tokens:,} tokens, and the model reads its first {limit:,}"
