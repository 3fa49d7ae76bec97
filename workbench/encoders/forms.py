"""What is kept of a model's output, batch by batch: one vector a text, term weights, or one vector a token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from workbench.ragged import Ragged

Features = dict[str, Any]


class Form(Protocol):
    """`keep` runs on the device, beside the model; `fetch` brings its result into memory, as rows of a matrix."""

    def options(self) -> dict[str, Any]:
        """What the model's modules are told besides the features."""

    def keep(self, output: Features) -> Any: ...

    def fetch(self, kept: Any) -> Any: ...


@dataclass(frozen=True)
class DenseForm:
    """(m, d) float32: the sentence embedding."""

    def options(self) -> dict[str, Any]:
        return {}

    def keep(self, output: Features) -> torch.Tensor:
        vectors: torch.Tensor = output["sentence_embedding"]
        return vectors.float()

    def fetch(self, kept: torch.Tensor) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = kept.cpu().numpy()
        return rows


@dataclass(frozen=True)
class SparseForm:
    """m CSR rows, float32, columns ascending: the sentence embedding, of it the `max_terms` largest where given."""

    max_terms: int | None = None

    def options(self) -> dict[str, Any]:
        return {} if self.max_terms is None else {"max_active_dims": self.max_terms}

    def keep(self, output: Features) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int]]:
        weights: torch.Tensor = output["sentence_embedding"]
        weights = (weights.to_dense() if weights.is_sparse else weights).float()
        if self.max_terms is not None and self.max_terms < weights.shape[1]:
            best, columns = weights.topk(self.max_terms, dim=1)
            weights = torch.zeros_like(weights).scatter_(1, columns, best)
        places = weights.nonzero()
        return places, weights[places[:, 0], places[:, 1]], (weights.shape[0], weights.shape[1])

    def fetch(self, kept: tuple[torch.Tensor, torch.Tensor, tuple[int, int]]) -> sparse.csr_matrix:
        places, values, shape = kept
        rows, columns = places.cpu().numpy().T
        return csr(rows, columns, values.cpu().numpy(), shape)


@dataclass(frozen=True)
class MultiForm:
    """m ragged rows, float32: the vectors of the tokens that the model's mask lets count, padding never."""

    def options(self) -> dict[str, Any]:
        return {}

    def keep(self, output: Features) -> tuple[torch.Tensor, torch.Tensor]:
        return counting(output["token_embeddings"], output["attention_mask"].bool())

    def fetch(self, kept: tuple[torch.Tensor, torch.Tensor]) -> Ragged:
        values, lengths = (each.cpu().numpy() for each in kept)
        return Ragged(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


DENSE, MULTI = DenseForm(), MultiForm()


def counting(vectors: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """((t, d) float32 vectors of (m, l, d) where `mask` (m, l) is on, row after row; (m,) how many of each row)."""
    return vectors[mask].float(), mask.sum(dim=1)


def csr(rows: NDArray[Any], columns: NDArray[Any], values: NDArray[Any], shape: tuple[int, int]) -> sparse.csr_matrix:
    """CSR from coordinates that are sorted by row, then column."""
    starts = np.searchsorted(rows, np.arange(shape[0] + 1))
    parts = (values.astype(np.float32), columns.astype(np.int32), starts.astype(np.int64))
    return sparse.csr_matrix(parts, shape=shape)


def joined(parts: Sequence[Any]) -> Any:
    """Matrices of one form, below each other; dicts of them name by name."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, dict):
        return {name: joined([part[name] for part in parts]) for name in first}
    if isinstance(first, Ragged):
        lengths = np.concatenate([part.lengths for part in parts])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Ragged(np.concatenate([part.values for part in parts]), offsets)
    if sparse.issparse(first):
        return sparse.vstack(parts, format="csr")
    return np.concatenate(parts)


def reordered(matrix: Any, order: NDArray[np.integer]) -> Any:
    """The rows `order` of a matrix of any form, or of each in a dict."""
    if isinstance(matrix, dict):
        return {name: reordered(each, order) for name, each in matrix.items()}
    return matrix.take(order) if isinstance(matrix, Ragged) else matrix[order]
