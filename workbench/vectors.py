"""Vectors on disk: shards in one folder, memory-mapped; row *i* is document ordinal *i*.

A shard is a set of `.npy` arrays and a small JSON note that is written last, so a shard without its note was never
finished. Dense: `values` (n, d). Sparse (CSR): `indptr` (n + 1,), `indices` (nnz,), `values` (nnz,).
Multi (ragged): `values` (t, d), `offsets` (n + 1,).
"""

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.ragged import Ragged

if TYPE_CHECKING:
    from scipy import sparse


def write_durably(path: Path, data: bytes | memoryview) -> None:
    """Write beside `path` under a name unique to this attempt, sync, then rename."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with aside.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def save_array(path: Path, array: NDArray[Any]) -> str:
    """Save one array as `.npy` (never pickle), durably; returns the sha256 of its bytes."""
    aside = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.npy")
    try:
        with aside.open("wb") as handle:
            np.save(handle, array, allow_pickle=False)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


@dataclass(frozen=True)
class Shard:
    """A finished shard: its number, its count of rows, and the sha256 of each array by name."""

    number: int
    rows: int
    hashes: Mapping[str, str]

    @property
    def stem(self) -> str:
        return f"shard-{self.number:05d}"


class ShardFolder:
    """The finished shards of a folder, and the way to add one. Safe under two attempts at the same shard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def finished(self) -> list[Shard]:
        """Finished shards from number 0 on without a gap, in order."""
        shards: list[Shard] = []
        while (note := self.folder / f"shard-{len(shards):05d}.json").exists():
            shards.append(Shard(**json.loads(note.read_text())))
        return shards

    def write(self, number: int, arrays: Mapping[str, NDArray[Any]], rows: int) -> Shard:
        """Store one shard: arrays first, its note last. Raises `BadInput` on NaN or infinity in `values`."""
        if not np.isfinite(arrays["values"]).all():
            raise BadInput(
                f"The encoder produced NaN or infinite values in shard {number}.",
                "Encode with float32, or check the model's weights.",
            )
        stem = f"shard-{number:05d}"
        hashes = {name: save_array(self.folder / f"{stem}.{name}.npy", array) for name, array in arrays.items()}
        note = {"number": number, "rows": rows, "hashes": hashes}
        write_durably(self.folder / f"{stem}.json", json.dumps(note).encode())
        return Shard(number, rows, hashes)

    def load(self, shard: Shard, name: str) -> NDArray[Any]:
        """One array of a shard, memory-mapped read-only."""
        array: NDArray[Any] = np.load(self.folder / f"{shard.stem}.{name}.npy", mmap_mode="r", allow_pickle=False)
        return array


class Vectors(Protocol):
    """What indices ask of vectors, dense, sparse or multi."""

    @property
    def dim(self) -> int: ...
    def __len__(self) -> int: ...


class DenseVectors:
    """(n, d) float16 or float32 vectors in shards; iterates without loading the whole."""

    def __init__(self, folder: Path) -> None:
        store = ShardFolder(folder)
        shards = store.finished()
        self._parts = [store.load(shard, "values") for shard in shards]
        self._starts = np.cumsum([0] + [shard.rows for shard in shards])
        self._dim = int(self._parts[0].shape[1]) if self._parts else 0
        if any(part.shape[1] != self._dim for part in self._parts):
            raise BadInput(f"The shards of {folder.name} differ in dimension.", "Encode the corpus again.")

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._parts[0].dtype if self._parts else np.dtype(np.float32)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def blocks(self, size: int = 65536) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """(first ordinal, (m, d) float32) for consecutive blocks of at most `size` rows."""
        for start, part in zip(self._starts[:-1], self._parts, strict=True):
            for at in range(0, len(part), size):
                yield int(start) + at, np.asarray(part[at : at + size], dtype=np.float32)

    def take(self, ordinals: NDArray[np.integer]) -> NDArray[np.float32]:
        """Rows by ordinal, (m, d) float32, in the order asked. Raises `IndexError` outside 0 … n − 1."""
        wanted = np.asarray(ordinals, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"ordinals must lie in 0 … {len(self) - 1}")
        rows = np.empty((wanted.size, self._dim), dtype=np.float32)
        owner = np.searchsorted(self._starts, wanted, side="right") - 1
        for number in np.unique(owner):
            chosen = owner == number
            rows[chosen] = self._parts[number][wanted[chosen] - self._starts[number]]
        return rows


class SparseVectors:
    """(n, terms) CSR float32 vectors in shards."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._store = ShardFolder(folder)
        self._shards = self._store.finished()
        self._starts = np.cumsum([0] + [shard.rows for shard in self._shards])
        self._dim = dim

    @property
    def dim(self) -> int:
        return self._dim

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def nonzeros(self) -> int:
        return sum(int(self._store.load(shard, "indices").size) for shard in self._shards)

    def blocks(self) -> "Iterator[tuple[int, sparse.csr_matrix]]":
        """(first ordinal, (m, terms) CSR) shard by shard."""
        from scipy import sparse

        for start, shard in zip(self._starts[:-1], self._shards, strict=True):
            parts = tuple(self._store.load(shard, name) for name in ("values", "indices", "indptr"))
            yield int(start), sparse.csr_matrix(parts, shape=(shard.rows, self._dim))

    def row(self, ordinal: int) -> "sparse.csr_matrix":
        """One document as a (1, terms) CSR row. Raises `IndexError` outside 0 … n − 1."""
        from scipy import sparse

        if not 0 <= ordinal < len(self):
            raise IndexError(f"ordinal must lie in 0 … {len(self) - 1}")
        number = int(np.searchsorted(self._starts, ordinal, side="right")) - 1
        shard, at = self._shards[number], ordinal - int(self._starts[number])
        indptr = self._store.load(shard, "indptr")
        span = slice(int(indptr[at]), int(indptr[at + 1]))
        values, indices = (np.asarray(self._store.load(shard, name)[span]) for name in ("values", "indices"))
        return sparse.csr_matrix((values, indices, [0, values.size]), shape=(1, self._dim))


class MultiVectors:
    """n rows of token vectors, (t, d) float16 or float32 in shards: row i is `values[offsets[i] : offsets[i + 1]]`."""

    def __init__(self, folder: Path) -> None:
        store = ShardFolder(folder)
        shards = store.finished()
        self._values = [store.load(shard, "values") for shard in shards]
        # The offsets are small, and read for every row: in memory.
        self._offsets = [np.array(store.load(shard, "offsets")) for shard in shards]
        self._starts = np.cumsum([0] + [shard.rows for shard in shards])
        self._dim = int(self._values[0].shape[1]) if self._values else 0
        if any(part.shape[1] != self._dim for part in self._values):
            raise BadInput(f"The shards of {folder.name} differ in dimension.", "Encode the corpus again.")

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._values[0].dtype if self._values else np.dtype(np.float32)

    @property
    def tokens(self) -> int:
        """Vectors of all rows together."""
        return sum(len(part) for part in self._values)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) vectors of each row."""
        return np.concatenate([np.empty(0, np.int64), *(np.diff(offsets) for offsets in self._offsets)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def blocks(self, tokens: int = 65536) -> Iterator[tuple[int, Ragged]]:
        """(first ordinal, m rows) for consecutive blocks of at most `tokens` vectors, or of one longer row."""
        for start, values, offsets in zip(self._starts[:-1], self._values, self._offsets, strict=True):
            at, rows = 0, offsets.size - 1
            while at < rows:
                until = max(at + 1, int(np.searchsorted(offsets, offsets[at] + tokens, side="right")) - 1)
                part = np.asarray(values[offsets[at] : offsets[until]], dtype=np.float32)
                yield int(start) + at, Ragged(part, offsets[at : until + 1] - offsets[at])
                at = until

    def take(self, ordinals: NDArray[np.integer]) -> Ragged:
        """Rows by ordinal, float32, in the order asked. Raises `IndexError` outside 0 … n − 1."""
        return Ragged.of([self.row(int(ordinal)) for ordinal in ordinals], self._dim)

    def row(self, ordinal: int) -> NDArray[np.float32]:
        """One document, (t, d) float32. Raises `IndexError` outside 0 … n − 1."""
        if not 0 <= ordinal < len(self):
            raise IndexError(f"ordinal must lie in 0 … {len(self) - 1}")
        number = int(np.searchsorted(self._starts, ordinal, side="right")) - 1
        at = ordinal - int(self._starts[number])
        start, stop = self._offsets[number][at : at + 2]
        return np.asarray(self._values[number][start:stop], dtype=np.float32)


AnyVectors: TypeAlias = DenseVectors | SparseVectors | MultiVectors


def ragged_arrays(rows: Ragged, storage: str) -> dict[str, NDArray[Any]]:
    """The two arrays of a shard of token vectors; `storage`: float16 or float32."""
    return {"values": rows.values.astype(storage), "offsets": rows.offsets.astype(np.int64)}


def csr_arrays(matrix: "sparse.csr_matrix") -> dict[str, NDArray[Any]]:
    """The three arrays of a sparse shard, float32 values and int32 indices."""
    return {
        "values": matrix.data.astype(np.float32),
        "indices": matrix.indices.astype(np.int32),
        "indptr": matrix.indptr.astype(np.int64),
    }
