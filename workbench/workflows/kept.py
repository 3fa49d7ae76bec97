"""Rankings that this process retrieved lately, so that another fusion weight or depth searches nothing again."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from workbench.artifacts import Artifact
from workbench.checkpoints import LoadedCache, file_hash
from workbench.corpora import CorpusInfo
from workbench.project import Project
from workbench.ragged import Ragged
from workbench.specs import RetrieverSpec, fingerprint
from workbench.subsets import filters_key
from workbench.types import Content, Filter, Ranking

if TYPE_CHECKING:
    from workbench.encoders.base import Matrix

LIMIT = 64 << 20
"""Bytes. A ranking of 100 documents takes some 2 kB, so that thousands stay."""
OVERHEAD = 1024


@dataclass(frozen=True)
class Retrieved:
    """What one retriever found, and what it was asked with. `matrix`: the encoded query, 1 row."""

    ranking: Ranking
    matrix: "Matrix"
    effective: str
    note: str
    warnings: Sequence[str]

    @property
    def size_bytes(self) -> int:
        stored = self.matrix.values if isinstance(self.matrix, Ragged) else self.matrix.data
        return OVERHEAD + 12 * len(self.ranking) + int(stored.nbytes)


@cache
def kept() -> LoadedCache:
    """The one cache of retrieved rankings in this process, the least recently used dropped first."""
    return LoadedCache(LIMIT)


def key_of_query(query: Content) -> Hashable:
    """Equal for queries that are equal, whatever the file of their image is called."""
    return (query.text, file_hash(query.image) if query.image is not None else "", query.image_weight)


def key_of(
    project: Project,
    info: CorpusInfo,
    retriever: RetrieverSpec,
    inputs: Sequence[Artifact | None],
    asked: tuple[Content, Sequence[Filter], int],
) -> Hashable:
    """What decides a ranking. `inputs`: embedding and index; `asked`: query, filters and how many documents."""
    query, filters, depth = asked
    corpus = (str(project.folder), info.id, info.label, info.created_at)
    made_with = tuple(each.id if each is not None else "" for each in inputs)
    passing = filters_key(project.db, info.id, filters)
    return ("retrieved", corpus, fingerprint(retriever.to_dict()), made_with, key_of_query(query), passing, depth)
