"""Subsets of a corpus: made from a selection, from filters, from a tag or from each other; used as a filter anywhere.

A subset belongs to one version of a corpus; a new version takes it along by document id. `Filter("@subset", "in",
name)` works wherever filters do.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench import subsets as sets
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.project import Project, check_name
from workbench.subsets import FIELDS, NamedSet
from workbench.types import Filter

__all__ = ["FIELDS", "NamedSet"]

Mask = NDArray[np.bool_]
Members = Mask | NDArray[np.integer[Any]] | Iterable[int]
"""Documents of a corpus: (documents,) bool, or ordinals in any order."""
How = Literal["union", "intersection", "difference"]


def create_subset(
    project: Project,
    corpus: str | int,
    name: str,
    members: Members,
    source: Mapping[str, Any] | None = None,
    *,
    replace: bool = False,
) -> NamedSet:
    """Keep a selection under `name`; `source` (plain JSON) says where it came from.

    Raises `BadInput` on an empty selection, ordinals that the corpus does not have, or a name that is taken (unless
    it may `replace` that subset), `NotFound` on the corpus.
    """
    info = corpora.find(project.db, corpus)
    mask = mask_of(info, members)
    name = check_name("subset", name)
    if not mask.any():
        raise BadInput(f"The subset “{name}” would hold no document.", "Select some, or loosen the conditions.")
    return sets.save(project.db, info.id, name, mask, source or {"how": "selection"}, replace=replace)


def subset_from_filters(
    project: Project, corpus: str | int, name: str, filters: Sequence[Filter] = (), text: str = ""
) -> NamedSet:
    """Keep what passes the filters and holds every word of `text` now. Raises `BadInput`, `NotFound`."""
    info = corpora.find(project.db, corpus)
    mask = corpora.filter_mask(project.db, info.id, filters, text)
    asked = [[each.field, each.op, each.value] for each in filters]
    return create_subset(project, info.id, name, mask, {"how": "filters", "filters": asked, "text": text})


def subset_from_tag(project: Project, corpus: str | int, name: str, tag: str) -> NamedSet:
    """Keep the documents that have `tag` now. Raises `NotFound` listing the tags."""
    info = corpora.find(project.db, corpus)
    mask = sets.members(project.db, "tag", info.id, tag, info.documents)
    return create_subset(project, info.id, name, mask, {"how": "tag", "tag": tag})


def combine_subsets(project: Project, corpus: str | int, name: str, how: How, names: Sequence[str]) -> NamedSet:
    """Join two or more subsets: all of their documents, those in every one, or the first without the others.

    Raises `BadInput` where fewer than two are named or nothing is left, `NotFound` listing the subsets.
    """
    joins: dict[str, Callable[[Mask, Mask], Mask]] = {
        "union": lambda a, b: a | b,
        "intersection": lambda a, b: a & b,
        "difference": lambda a, b: a & ~b,
    }
    if how not in joins:
        raise BadInput(f"Subsets cannot be joined by “{how}”.", f"Choose one of: {', '.join(joins)}.")
    if len(names) < 2:
        raise BadInput("Two subsets or more are needed.", "Name them in the order in which they are joined.")
    info = corpora.find(project.db, corpus)
    mask = sets.members(project.db, "subset", info.id, names[0], info.documents)
    for other in names[1:]:
        mask = joins[how](mask, sets.members(project.db, "subset", info.id, other, info.documents))
    return create_subset(project, info.id, name, mask, {"how": how, "of": list(names)})


def list_subsets(project: Project, corpus: str | int) -> list[NamedSet]:
    """The subsets of a corpus by name, with their counts. Raises `NotFound` on the corpus."""
    return sets.listed(project.db, "subset", corpora.find(project.db, corpus).id)


def get_subset(project: Project, corpus: str | int, name: str) -> NamedSet:
    """Raises `NotFound` listing the subsets."""
    return sets.find(project.db, "subset", corpora.find(project.db, corpus).id, name)


def subset_mask(project: Project, corpus: str | int, name: str) -> Mask:
    """(documents,) bool: which ordinals are in the subset. Raises `NotFound` listing the subsets."""
    info = corpora.find(project.db, corpus)
    return sets.members(project.db, "subset", info.id, name, info.documents)


def rename_subset(project: Project, corpus: str | int, name: str, new: str) -> NamedSet:
    """Raises `NotFound`, or `BadInput` on the new name. Links that filter by the old name say that it is gone."""
    info = corpora.find(project.db, corpus)
    return sets.rename(project.db, info.id, name, check_name("subset", new))


def delete_subset(project: Project, corpus: str | int, name: str) -> None:
    """Delete a subset; its documents stay. Raises `NotFound`."""
    sets.delete(project.db, corpora.find(project.db, corpus).id, name)


def count_documents(project: Project, corpus: str | int, filters: Sequence[Filter] = (), text: str = "") -> int:
    """How many documents pass the filters and hold every word of `text`. Raises `BadInput`, `NotFound`."""
    return corpora.page(project.db, corpora.find(project.db, corpus), (filters, text), 0, 0)[1]


def matching(project: Project, corpus: str | int, filters: Sequence[Filter] = (), text: str = "") -> Mask:
    """(documents,) bool: which pass the filters and hold every word of `text`. Raises `BadInput`, `NotFound`."""
    return corpora.filter_mask(project.db, corpora.find(project.db, corpus).id, filters, text)


def mask_of(info: CorpusInfo, members: Members) -> Mask:
    """(documents,) bool of a selection. Raises `BadInput` on ordinals that the corpus does not have."""
    given: NDArray[Any] = members if isinstance(members, np.ndarray) else np.array(list(members))
    if given.size == 0:
        return np.zeros(info.documents, dtype=np.bool_)
    if given.dtype == np.bool_ and given.shape == (info.documents,):
        return given
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise BadInput("The selection is not a list of document numbers.", "Reload the page and select again.")
    wrong = given[(given < 0) | (given >= info.documents)]
    if wrong.size:
        raise BadInput(
            f"“{info.name}” has no document number {wrong[0]}.",
            f"Its numbers go from 0 to {info.documents - 1:,}. Reload the page and select again.",
        )
    mask = np.zeros(info.documents, dtype=np.bool_)
    mask[given] = True
    return mask
