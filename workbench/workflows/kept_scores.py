"""Scores of rerankers that were computed before: bounded, the least recently used dropped, safe under threads."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.rerankers.base import Reranked

PAIRS = 200_000
"""Scores kept in a process: some 60 MB."""
LISTS = 500
"""Whole lists kept of listwise rerankers with their windows; notes on queries; rerankers known."""
Score = tuple[float, bool]
"""A kept score, and whether the document was longer than the reranker reads."""


@dataclass(frozen=True)
class Facts:
    """What must be known of a reranker to find its scores, so that it need not be loaded again for kept ones.

    `fingerprint` stands for everything it applies.
    """

    fingerprint: str
    pointwise: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ScoreCacheInfo:
    """What the cache holds, and how many documents it served (hits) or had to let be scored (misses)."""

    pairs: int
    limit: int
    hits: int
    misses: int


class ScoreCache:
    """Scores by (what was asked, key of the document); `asked` names reranker and query."""

    def __init__(self, limit: int = PAIRS, lists: int = LISTS) -> None:
        self._limit, self._lists_limit = limit, lists
        self._lock = threading.Lock()
        self._pairs: OrderedDict[Hashable, Score] = OrderedDict()
        self._notes: OrderedDict[Hashable, list[str]] = OrderedDict()
        self._lists: OrderedDict[Hashable, Reranked] = OrderedDict()
        self._facts: OrderedDict[Hashable, Facts] = OrderedDict()
        self._hits = self._misses = 0

    def split(self, asked: Hashable, keys: Sequence[Hashable]) -> tuple[dict[Hashable, Score], dict[Hashable, int]]:
        """({key: its score} of those kept, {key: its first position} of the others)."""
        kept: dict[Hashable, Score] = {}
        fresh: dict[Hashable, int] = {}
        with self._lock:
            for position, key in enumerate(keys):
                found = self._pairs.get((asked, key))
                if found is None:
                    fresh.setdefault(key, position)
                else:
                    self._pairs.move_to_end((asked, key))
                    kept[key] = found
        return kept, fresh

    def keep(self, asked: Hashable, found: Mapping[Hashable, Score], notes: Sequence[str]) -> None:
        """Add scores of one query, and what the reranker said about it."""
        with self._lock:
            self._pairs.update(((asked, key), value) for key, value in found.items())
            trim(self._pairs, self._limit)
            if notes:
                self._notes[asked] = list(dict.fromkeys([*self._notes.get(asked, []), *notes]))
                trim(self._notes, self._lists_limit)

    def notes(self, asked: Hashable) -> list[str]:
        """What was said when documents of this query were scored."""
        with self._lock:
            return list(self._notes.get(asked, []))

    def find_list(self, whole: Hashable) -> "Reranked | None":
        """A listwise result that was kept; `whole` names reranker, query and the list in its order."""
        with self._lock:
            if whole in self._lists:
                self._lists.move_to_end(whole)
            return self._lists.get(whole)

    def keep_list(self, whole: Hashable, result: "Reranked") -> None:
        """Add a listwise result."""
        with self._lock:
            self._lists[whole] = result
            trim(self._lists, self._lists_limit)

    def facts(self, reranker: Hashable) -> Facts | None:
        """What is known of a reranker that was loaded once in this process."""
        with self._lock:
            return self._facts.get(reranker)

    def keep_facts(self, reranker: Hashable, facts: Facts) -> None:
        """Add, or replace, what is known of a reranker."""
        with self._lock:
            self._facts[reranker] = facts
            trim(self._facts, self._lists_limit)

    def count(self, hits: int, misses: int) -> None:
        """Add to what `info` tells."""
        with self._lock:
            self._hits += hits
            self._misses += misses

    def info(self) -> ScoreCacheInfo:
        with self._lock:
            return ScoreCacheInfo(len(self._pairs), self._limit, self._hits, self._misses)

    def clear(self) -> None:
        with self._lock:
            for entries in (self._pairs, self._notes, self._lists, self._facts):
                entries.clear()
            self._hits = self._misses = 0


@cache
def score_cache() -> ScoreCache:
    """The one cache of this process."""
    return ScoreCache()


def trim(entries: OrderedDict[Hashable, Any], limit: int) -> None:
    """Drop the oldest entries beyond `limit`."""
    while len(entries) > limit:
        entries.popitem(last=False)
