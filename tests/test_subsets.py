"""Subsets: made in every way, used as filters, kept through a re-import; their bits against plain Python sets."""

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from search_fixtures import planted_project
from set_fixtures import import_numbers

from workbench import carrying, corpora, subsets
from workbench.db import subsets as table
from workbench.errors import BadInput, NotFound
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.types import Filter
from workbench.workflows import corpus as browsing
from workbench.workflows import encode
from workbench.workflows import search as searching
from workbench.workflows import tags as tagging
from workbench.workflows.retrieving import allowed_documents
from workbench.workflows.subsets import (
    combine_subsets,
    count_documents,
    create_subset,
    delete_subset,
    get_subset,
    list_subsets,
    rename_subset,
    subset_from_filters,
    subset_from_tag,
    subset_mask,
)


@pytest.fixture
def bugs(project, tmp_path):
    """A project with the corpus “bugs” of 100 documents."""
    import_numbers(project, tmp_path, range(100))
    return project


def inside(project, name: str, op: str = "in", corpus: str = "bugs") -> list[int]:
    """Ordinals that pass the filter on a subset, through the page of documents."""
    value = (name,) if op == "in" else name
    found = browsing.browse(project, corpus, filters=[Filter("@subset", op, value)], limit=1000)
    ordinals = [document.ordinal for document in found.documents]
    assert found.total == len(ordinals)
    return ordinals


@given(st.lists(st.booleans(), min_size=1, max_size=70))
@settings(max_examples=60, deadline=None)
def test_bits_are_packed_from_the_lowest(values):
    packed = subsets.pack(np.array(values))
    assert len(packed) == (len(values) + 7) // 8
    assert [bool(packed[i // 8] >> (i % 8) & 1) for i in range(len(values))] == values
    assert subsets.unpack(packed, len(values)).tolist() == values
    outside = np.array([-1, 8 * len(packed), 10**9])
    assert not subsets.bits_at(np.frombuffer(packed, dtype=np.uint8), outside).any()


def test_a_selection_is_kept_and_filters(bugs):
    made = create_subset(bugs, "bugs", " river ", [99, 0, 7, 7, 8, 64], {"how": "map", "map": "m1"})
    assert (made.name, made.count, made.source) == ("river", 5, {"how": "map", "map": "m1"})
    assert get_subset(bugs, "bugs", "river") == made
    assert np.flatnonzero(subset_mask(bugs, "bugs", "river")).tolist() == [0, 7, 8, 64, 99]
    assert inside(bugs, "river") == inside(bugs, "river", "=") == [0, 7, 8, 64, 99]
    assert inside(bugs, "river", "!=") == [n for n in range(100) if n not in (0, 7, 8, 64, 99)]
    mask = np.zeros(100, dtype=np.bool_)
    mask[[3, 4]] = True
    assert create_subset(bugs, "bugs", "by mask", mask).count == 2
    assert [(each.name, each.count) for each in list_subsets(bugs, "bugs")] == [("by mask", 2), ("river", 5)]


def test_the_filter_joins_others_and_pages(bugs):
    create_subset(bugs, "bugs", "even", range(0, 100, 2))
    create_subset(bugs, "bugs", "low", range(10))
    filters = [Filter("@subset", "in", ("even",)), Filter("year", ">=", 1950), Filter("wild", "=", True)]
    expected = [n for n in range(100) if n % 2 == 0 and n >= 50 and n % 3 == 0]
    info = corpora.find(bugs.db, "bugs")
    assert np.flatnonzero(corpora.filter_mask(bugs.db, info.id, filters)).tolist() == expected
    page = browsing.browse(bugs, "bugs", "bee", filters, offset=2, limit=3)
    assert ([d.ordinal for d in page.documents], page.total) == (expected[2:5], len(expected))
    either = [Filter("@subset", "in", ("even", "low"))]
    for item in (*either, Filter("@subset", "!=", "even"), Filter("@subset", "in", ())):
        # Alone it is answered from the bits, beside another filter by SQL.
        alone, beside = (
            corpora.filter_mask(bugs.db, info.id, each).tolist() for each in ([item], [item, Filter("year", ">", 0)])
        )
        assert alone == beside
    assert count_documents(bugs, "bugs", either) == len({*range(0, 100, 2), *range(10)}) == 55
    assert count_documents(bugs, "bugs", [Filter("@subset", "in", ())]) == 0


def test_filters_tags_and_other_subsets_become_subsets(bugs):
    made = subset_from_filters(bugs, "bugs", "late bees", [Filter("year", ">=", 1990)], "bee")
    assert np.flatnonzero(subset_mask(bugs, "bugs", "late bees")).tolist() == [90, 93, 96, 99]
    assert made.source == {"how": "filters", "filters": [["year", ">=", 1990]], "text": "bee"}
    tagging.tag_documents(bugs, "bugs", [1, 2], "odd")
    assert subset_from_tag(bugs, "bugs", "tagged", "odd").count == 2
    sets = {"a": {1, 2, 3, 50}, "b": {2, 3, 4}, "c": {3, 99}}
    for name, members in sets.items():
        create_subset(bugs, "bugs", name, members)
    for how, expected in (("union", {1, 2, 3, 4, 50, 99}), ("intersection", {3}), ("difference", {1, 50})):
        made = combine_subsets(bugs, "bugs", f"abc {how}", how, ["a", "b", "c"])
        assert set(np.flatnonzero(subset_mask(bugs, "bugs", made.name)).tolist()) == expected
        assert made.source == {"how": how, "of": ["a", "b", "c"]}


def test_what_cannot_be_a_subset_is_told(bugs):
    create_subset(bugs, "bugs", "a", [1])
    create_subset(bugs, "bugs", "b", [2])
    wrong = [
        (lambda: create_subset(bugs, "bugs", "x", [100]), "no document number 100"),
        (lambda: create_subset(bugs, "bugs", "x", [-1]), "no document number -1"),
        (lambda: create_subset(bugs, "bugs", "x", [0.5]), "not a list of document numbers"),
        (lambda: create_subset(bugs, "bugs", "x", np.ones(99, dtype=np.bool_)), "not a list of document numbers"),
        (lambda: create_subset(bugs, "bugs", "x", []), "would hold no document"),
        (lambda: create_subset(bugs, "bugs", "../x", [1]), "cannot be the name of a subset"),
        (lambda: create_subset(bugs, "bugs", "a", [1]), "already a subset called “a”"),
        (lambda: rename_subset(bugs, "bugs", "a", "b"), "already a subset called “b”"),
        (lambda: combine_subsets(bugs, "bugs", "x", "intersection", ["a", "b"]), "would hold no document"),
        (lambda: combine_subsets(bugs, "bugs", "x", "xor", ["a", "b"]), "cannot be joined by “xor”"),
        (lambda: combine_subsets(bugs, "bugs", "x", "union", ["a"]), "Two subsets or more"),
        (lambda: count_documents(bugs, "bugs", [Filter("@subset", "contains", "a")]), "no condition “contains”"),
    ]
    for call, words in wrong:
        with pytest.raises(BadInput, match=words):
            call()
    for call in (
        lambda: inside(bugs, "c"),
        lambda: inside(bugs, "c", "!="),
        lambda: delete_subset(bugs, "bugs", "c"),
        lambda: rename_subset(bugs, "bugs", "c", "d"),
        lambda: subset_mask(bugs, "bugs", "c"),
    ):
        with pytest.raises(NotFound, match=r"no subset called “c”.*Choices: a, b"):
            call()
    assert [each.name for each in list_subsets(bugs, "bugs")] == ["a", "b"]


def test_rename_replace_and_delete(bugs):
    first = create_subset(bugs, "bugs", "a", [1, 2])
    assert rename_subset(bugs, "bugs", "a", "b").count == 2
    assert inside(bugs, "b") == [1, 2]
    again = create_subset(bugs, "bugs", "b", [3], replace=True)
    assert inside(bugs, "b") == [3] and again.content_hash != first.content_hash
    delete_subset(bugs, "bugs", "b")
    assert list_subsets(bugs, "bugs") == [] and count_documents(bugs, "bugs") == 100


def test_subsets_of_another_corpus_stay_apart(bugs, tmp_path):
    import_numbers(bugs, tmp_path, range(5), "others")
    create_subset(bugs, "bugs", "a", [1])
    create_subset(bugs, "others", "a", [4])
    assert (inside(bugs, "a"), inside(bugs, "a", corpus="others")) == ([1], [4])


def test_a_search_takes_a_subset_and_follows_its_changes(tmp_path):
    """The mask and the ranking are kept in memory: a changed subset must not be answered from there."""
    project = planted_project(tmp_path, 60)
    filters = [Filter("@subset", "in", ("s",))]

    def found() -> set[int]:
        hits = searching.neighbours(project, "topics", "planted", 0, 60, filters).hits
        return {hit.document.ordinal for hit in hits} - {0}

    create_subset(project, "topics", "s", [3, 4, 5])
    assert found() == {3, 4, 5}
    info = corpora.find(project.db, "topics")
    assert np.flatnonzero(allowed_documents(project, info, filters)).tolist() == [3, 4, 5]
    create_subset(project, "topics", "s", [10, 11], replace=True)
    assert found() == {10, 11}
    tagged = [Filter("@tag", "=", "t")]
    for members, expected in (([7], [7]), ([8], [7, 8])):
        tagging.tag_documents(project, "topics", members, "t")
        assert np.flatnonzero(allowed_documents(project, info, tagged)).tolist() == expected
    assert subsets.filters_key(project.db, info.id, filters) != subsets.filters_key(project.db, info.id, tagged)


def test_a_kept_ranking_is_not_the_answer_after_a_subset_changed(bugs):
    encode.encode_corpus(bugs, "bugs", "bm25")
    pipeline = PipelineSpec((RetrieverSpec(encoder="bm25"),))
    filters = [Filter("@subset", "in", ("s",))]

    def found() -> set[int]:
        hits = searching.search(bugs, "bugs", "bee", pipeline, 50, filters).hits
        return {hit.document.ordinal for hit in hits}

    # Every third document is about bees.
    create_subset(bugs, "bugs", "s", [0, 1, 3])
    assert found() == found() == {0, 3}
    create_subset(bugs, "bugs", "s", [6, 7], replace=True)
    assert found() == {6}


def test_a_new_version_takes_subsets_and_tags_along_and_says_what_was_lost(bugs, tmp_path, monkeypatch):
    monkeypatch.setattr(carrying, "_BLOCK", 16)
    create_subset(bugs, "bugs", "tens", range(0, 100, 10))
    create_subset(bugs, "bugs", "gone", [1, 2])
    create_subset(bugs, "bugs", "whole", [40, 41])
    tagging.tag_documents(bugs, "bugs", [5, 50, 99], "odd")
    # Documents 3 … 101 backwards: all change their ordinals, 0 … 2 go, two come.
    numbers = list(range(101, 2, -1))
    report = import_numbers(bugs, tmp_path, numbers)
    assert report.version == 2 and (report.added, report.removed) == (2, 3)
    assert report.warnings == [
        "The subset “gone” keeps 0 of 2 documents; the others are gone.",
        "The subset “tens” keeps 9 of 10 documents; the others are gone.",
    ]
    ids = {each: {numbers[n] for n in inside(bugs, each)} for each in ("tens", "gone", "whole")}
    assert ids == {"tens": set(range(10, 100, 10)), "gone": set(), "whole": {40, 41}}
    assert [(each.name, each.count) for each in list_subsets(bugs, "bugs")] == [("gone", 0), ("tens", 9), ("whole", 2)]
    assert {numbers[n] for n in np.flatnonzero(tagging.tag_mask(bugs, "bugs", "odd"))} == {5, 50, 99}
    assert tagging.last_tagging(bugs, "bugs") is None
    # The old version keeps its own.
    assert inside(bugs, "gone", corpus="bugs@1") == [1, 2]


def test_a_deleted_version_leaves_its_subsets_to_the_newest_left(bugs, tmp_path):
    create_subset(bugs, "bugs", "old", [1])
    import_numbers(bugs, tmp_path, range(99, 49, -1))
    create_subset(bugs, "bugs", "new", [0, 1])
    browsing.delete_corpus(bugs, "bugs@2")
    assert (inside(bugs, "new"), inside(bugs, "old")) == ([98, 99], [1])
    browsing.delete_corpus(bugs, "bugs")
    with bugs.db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0


def test_an_unchanged_import_copies_nothing(bugs, tmp_path):
    create_subset(bugs, "bugs", "a", [1])
    assert import_numbers(bugs, tmp_path, range(100)).unchanged
    with bugs.db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 1
