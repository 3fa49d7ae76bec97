"""Several miners on the same queries: their negatives as one list, in turns, each document once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.mining.rules import Mined


@dataclass(frozen=True)
class Joined:
    """`rows` and `ordinals` (m,) of the negatives; `first` (m,) the miner each was taken from.

    `found[i]` (m,): the position of each in miner i's `Mined`, −1 where that miner did not pick it.
    """

    rows: NDArray[np.int64]
    ordinals: NDArray[np.int64]
    first: NDArray[np.int64]
    found: list[NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.rows)


def joined(mined: Sequence[Mined], per_query: int) -> Joined:
    """The first `per_query` of each query: every miner's first pick, in the miners' order, then every second, …"""
    rows, ordinals = (
        np.concatenate([np.asarray(getattr(each, name), np.int64) for each in mined]) for name in ("rows", "ordinals")
    )
    places = np.concatenate([each.places for each in mined])
    miners = np.repeat(np.arange(len(mined)), [len(each) for each in mined])
    order = np.lexsort((miners, places, rows))
    stride = int(ordinals.max(initial=0)) + 1
    keys = rows * stride + ordinals
    _, firsts = np.unique(keys[order], return_index=True)
    kept = order[np.sort(firsts)]
    turn = np.arange(kept.size) - np.searchsorted(rows[kept], rows[kept])
    kept = kept[turn < per_query]
    return Joined(
        rows[kept],
        ordinals[kept],
        miners[kept],
        [_positions(each.rows * stride + each.ordinals, keys[kept]) for each in mined],
    )


def _positions(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """(m,) position of each of `wanted` in `keys`, −1 where it is not there."""
    if not keys.size:
        return np.full(wanted.size, -1, np.int64)
    order = np.argsort(keys)
    places = np.minimum(np.searchsorted(keys[order], wanted), keys.size - 1)
    found = order[places]
    return np.where(keys[found] == wanted, found, -1)
