"""Tags: many at once after a preview, filtered by, shown, undone exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from set_fixtures import import_numbers

from ui.components.documents import browser_html, document_html
from ui.components.results import Frame, hits_html
from ui.components.text import tag_pills
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.types import Document, Filter, Hit
from workbench.workflows import corpus as browsing
from workbench.workflows.tags import (
    last_tagging,
    list_tags,
    preview_tag,
    tag_documents,
    tag_mask,
    tags_of,
    undo_tagging,
)


@pytest.fixture
def bugs(project, tmp_path):
    import_numbers(project, tmp_path, range(40))
    return project


def tagged(project, tag: str) -> list[int]:
    return np.flatnonzero(tag_mask(project, "bugs", tag)).tolist()


def test_many_at_once_after_a_preview(bugs):
    tag_documents(bugs, "bugs", [1, 2, 3], "odd")
    preview = preview_tag(bugs, "bugs", range(10), "odd")
    assert (preview.selected, preview.changes) == (10, 7)
    assert preview.told == "Adds “odd” to 7 of 10 documents: 3 have it already."
    assert tagged(bugs, "odd") == [1, 2, 3]
    made = tag_documents(bugs, "bugs", range(10), "odd")
    assert (made.tag, made.action, made.count) == ("odd", "add", 7)
    assert tagged(bugs, "odd") == list(range(10))
    preview = preview_tag(bugs, "bugs", [8, 9, 10], "odd", "remove")
    assert preview.told == "Removes “odd” from 2 of 3 documents: 1 do not have it."
    assert tag_documents(bugs, "bugs", [8, 9, 10], "odd", "remove").count == 2
    assert tagged(bugs, "odd") == list(range(8))
    assert tag_documents(bugs, "bugs", [1], "odd") is None
    assert preview_tag(bugs, "bugs", [1, 2], "new").told == "Adds “new” to 2 of 2 documents."
    assert preview_tag(bugs, "bugs", [1, 2], "new", "remove").changes == 0


def test_tags_filter(bugs):
    tag_documents(bugs, "bugs", [1, 2, 3], "odd")
    tag_documents(bugs, "bugs", [3, 4], "even")

    def passing(op: str, value: object) -> list[int]:
        found = browsing.browse(bugs, "bugs", filters=[Filter("@tag", op, value)])
        return [document.ordinal for document in found.documents]

    assert passing("=", "odd") == [1, 2, 3]
    assert passing("in", ("odd", "even")) == [1, 2, 3, 4]
    assert passing("!=", "odd") == [n for n in range(40) if n not in (1, 2, 3)]
    with pytest.raises(NotFound, match=r"no tag called “od”\. Did you mean “odd”"):
        passing("=", "od")
    with pytest.raises(BadInput, match="no condition “<” on @tag"):
        passing("<", "odd")


def test_undo_steps_back_exactly(bugs):
    tag_documents(bugs, "bugs", [1, 2], "a")
    tag_documents(bugs, "bugs", [2, 3], "a")
    tag_documents(bugs, "bugs", [1, 2, 3], "a", "remove")
    tag_documents(bugs, "bugs", [7], "b")
    assert [(each.name, each.count) for each in list_tags(bugs, "bugs")] == [("b", 1)]
    assert last_tagging(bugs, "bugs").tag == "b"
    states = []
    for _ in range(4):
        undo_tagging(bugs, "bugs")
        states.append({each.name: tagged(bugs, each.name) for each in list_tags(bugs, "bugs")})
    # The second change added the tag to 3 alone: 2 had it already and keeps it.
    assert states == [{}, {"a": [1, 2, 3]}, {"a": [1, 2]}, {}]
    assert last_tagging(bugs, "bugs") is None
    with pytest.raises(NotFound, match="no tagging to undo"):
        undo_tagging(bugs, "bugs")
    made = tag_documents(bugs, "bugs", [9], "c")
    assert last_tagging(bugs, "bugs") == made
    assert undo_tagging(bugs, "bugs").undoes == made.id


@given(st.lists(st.tuples(st.sets(st.integers(0, 39), min_size=1), st.booleans(), st.booleans()), max_size=12))
@settings(max_examples=25, deadline=None)
def test_any_changes_undone_leave_what_was_before(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("tags")
    project = Project.create(folder / "p")
    import_numbers(project, folder, range(40))
    history = [set()]
    for members, adds, undoes in changes:
        made = tag_documents(project, "bugs", members, "t", "add" if adds else "remove")
        after = history[-1] | members if adds else history[-1] - members
        assert (made is None) == (after == history[-1])
        if made is not None:
            history.append(after)
        if undoes and len(history) > 1:
            undo_tagging(project, "bugs")
            history.pop()
        names = {each.name for each in list_tags(project, "bugs")}
        assert (set(tagged(project, "t")) if "t" in names else set()) == history[-1]
    project.close()


def test_what_cannot_be_tagged_is_told(bugs):
    for call, words in (
        (lambda: tag_documents(bugs, "bugs", [], "a"), "No document is selected"),
        (lambda: tag_documents(bugs, "bugs", [40], "a"), "no document number 40"),
        (lambda: tag_documents(bugs, "bugs", [1], "a, b"), "cannot be the name of a tag"),
        (lambda: tag_documents(bugs, "bugs", [1], ""), "cannot be the name of a tag"),
        (lambda: tag_documents(bugs, "bugs", [1], "a", "toggle"), "cannot be changed by “toggle”"),
    ):
        with pytest.raises(BadInput, match=words):
            call()
    assert list_tags(bugs, "bugs") == []


def test_tags_are_pills_on_documents_and_hits(bugs):
    tag_documents(bugs, "bugs", [0, 1], "odd")
    tag_documents(bugs, "bugs", [1], "Böses Tag")
    found = tags_of(bugs, "bugs", [0, 1, 2])
    assert found == {0: ["odd"], 1: ["Böses Tag", "odd"]}
    document = Document("d1", "text", "Title", ordinal=1)
    frame = Frame("p", 1, tags=found)
    for markup in (
        browser_html([document], frame, []),
        browser_html([document], Frame("p", 1, True, tags=found), []),
        document_html(document, frame, []),
        hits_html([Hit(1, 0.5, document, {})], frame),
    ):
        assert markup.count("wb-tagged") == 2 and "<bdi>Böses Tag</bdi>" in markup
    assert "wb-tagged" not in hits_html([Hit(1, 0.5, document, {})], Frame("p", 1))
    assert "<script>" not in tag_pills(["<script>"]) and "+2" in tag_pills([str(n) for n in range(8)])
