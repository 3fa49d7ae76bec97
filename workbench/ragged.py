"""Rows of different length: the token vectors of many texts in one array."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """`values` (t, dim) float32, all rows one after the other; row i is `values[offsets[i] : offsets[i + 1]]`.

    `offsets` (n + 1,) int64, beginning at 0 and ending at t. Raises `ValueError` where they do not fit.
    """

    values: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        fits = self.offsets.ndim == 1 and self.offsets.size and self.values.ndim == 2
        if (
            not fits
            or self.offsets[0] != 0
            or self.offsets[-1] != len(self.values)
            or np.any(np.diff(self.offsets) < 0)
        ):
            raise ValueError(f"offsets {self.offsets.shape} do not cut values {self.values.shape} into rows")

    @classmethod
    def of(cls, rows: Sequence[NDArray[np.floating]], dim: int) -> "Ragged":
        """Join arrays (t_i, dim)."""
        lengths = [len(row) for row in rows]
        values = np.concatenate(rows).astype(np.float32) if rows else np.empty((0, dim), np.float32)
        return cls(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @property
    def dim(self) -> int:
        return int(self.values.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, dim), as the other matrices say it."""
        return len(self), self.dim

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) vectors of each row."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        """Row `row`, (t, dim). Raises `IndexError` outside 0 … n − 1."""
        if not 0 <= row < len(self):
            raise IndexError(f"row must lie in 0 … {len(self) - 1}")
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: NDArray[np.integer]) -> "Ragged":
        """These rows, in the order asked, as a copy. Raises `IndexError` outside 0 … n − 1."""
        return Ragged.of([self[int(row)] for row in rows], self.dim)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[row] for row in range(len(self)))
