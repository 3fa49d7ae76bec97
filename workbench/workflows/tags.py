"""Tags on documents: many at once, after a preview; every change is an event, so that it can be undone.

`Filter("@tag", "=", tag)` works wherever filters do. Tags go along to a new version of a corpus by document id; the
log of changes stays with the old one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from workbench import corpora, subsets
from workbench import tags as storage
from workbench.errors import BadInput
from workbench.project import Project, check_name
from workbench.subsets import NamedSet
from workbench.tags import TagEvent
from workbench.workflows.subsets import Mask, Members, mask_of

__all__ = ["NamedSet", "TagEvent"]

Action = Literal["add", "remove"]


@dataclass(frozen=True)
class TagPreview:
    """What tagging would do: of `selected` documents, `changes` get (or lose) the tag; the others stay as they are."""

    tag: str
    action: Action
    selected: int
    changes: int

    @property
    def told(self) -> str:
        """ "Adds “x” to 400 of 412 documents: 12 have it already." """
        rest = self.selected - self.changes
        verb, end = ("Adds", "have it already") if self.action == "add" else ("Removes", "do not have it")
        joined = "to" if self.action == "add" else "from"
        left = f": {rest:,} {end}" if rest else ""
        return f"{verb} “{self.tag}” {joined} {self.changes:,} of {self.selected:,} documents{left}."


def preview_tag(project: Project, corpus: str | int, members: Members, tag: str, action: Action = "add") -> TagPreview:
    """What `tag_documents` would change. Raises `BadInput` on the tag, the action or the selection."""
    info = corpora.find(project.db, corpus)
    mask, tag = mask_of(info, members), _checked(tag, action)
    known = {each.name for each in subsets.listed(project.db, "tag", info.id)}
    if tag not in known:
        return TagPreview(tag, action, int(mask.sum()), int(mask.sum()) if action == "add" else 0)
    tagged = subsets.members(project.db, "tag", info.id, tag, info.documents)
    changed: Mask = mask & (~tagged if action == "add" else tagged)
    return TagPreview(tag, action, int(mask.sum()), int(changed.sum()))


def tag_documents(
    project: Project, corpus: str | int, members: Members, tag: str, action: Action = "add"
) -> TagEvent | None:
    """Add a tag to the selected documents, or remove it, in one step; None where that changes nothing.

    Raises `BadInput` on the tag, the action, an empty selection or ordinals that the corpus does not have.
    """
    info = corpora.find(project.db, corpus)
    mask, tag = mask_of(info, members), _checked(tag, action)
    if not mask.any():
        raise BadInput("No document is selected.", "Select some, or loosen the conditions.")
    return storage.change_tag(project.db, info.id, tag, mask, action)


def undo_tagging(project: Project, corpus: str | int) -> TagEvent:
    """Reverse the last change of a tag; again, the one before. Raises `NotFound` where nothing is left to undo."""
    info = corpora.find(project.db, corpus)
    return storage.undo(project.db, info.id, info.documents)


def last_tagging(project: Project, corpus: str | int) -> TagEvent | None:
    """The change that `undo_tagging` would reverse, or None."""
    return storage.last_change(project.db, corpora.find(project.db, corpus).id)


def list_tags(project: Project, corpus: str | int) -> list[NamedSet]:
    """The tags of a corpus by name, with their counts."""
    return subsets.listed(project.db, "tag", corpora.find(project.db, corpus).id)


def tags_of(project: Project, corpus: str | int, ordinals: Iterable[int]) -> dict[int, list[str]]:
    """Tags by name of each of these ordinals that has any."""
    return storage.tags_of(project.db, corpora.find(project.db, corpus).id, list(ordinals))


def tag_mask(project: Project, corpus: str | int, tag: str) -> Mask:
    """(documents,) bool: which ordinals have the tag. Raises `NotFound` listing the tags."""
    info = corpora.find(project.db, corpus)
    return subsets.members(project.db, "tag", info.id, tag, info.documents)


def _checked(tag: str, action: str) -> str:
    if action not in ("add", "remove"):
        raise BadInput(f"Tags cannot be changed by “{action[:40]}”.", "Choose add or remove.")
    return check_name("tag", tag)
