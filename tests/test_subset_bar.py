"""The bar of subsets, tags and exports, and the form of filters: what stands in the markup, and that it is escaped."""

import gradio as gr
import pytest
from set_fixtures import import_numbers

from ui.components.filters import changed_filters, filter_form
from ui.components.filters_text import filter_label, filters_text, read_filters
from ui.components.subset_bar import Sets, exported_html, selection_actions, subset_bar
from ui.components.subset_menu import toggled
from workbench.errors import BadInput
from workbench.types import Filter
from workbench.workflows.subsets import create_subset, list_subsets
from workbench.workflows.tags import TagPreview, last_tagging, list_tags, tag_documents


def event(**data: object) -> gr.EventData:
    return gr.EventData(None, data)


@pytest.fixture
def bugs(project, tmp_path):
    import_numbers(project, tmp_path, range(20))
    create_subset(project, "bugs", "river", [1, 2, 3])
    tag_documents(project, "bugs", [4], "odd")
    return project


def bar(project, filters=(), count=20, pending=None) -> str:
    sets = Sets(
        list_subsets(project, "bugs"),
        list_tags(project, "bugs"),
        filters,
        count,
        20,
        pending,
        last_tagging(project, "bugs"),
        [("<a>.csv", 10, 1.0)],
        "/exports/p",
    )
    return subset_bar(sets)


def test_the_bar_shows_sets_counts_and_what_is_in_sight(bugs):
    markup = bar(bugs)
    assert 'data-name="river" aria-pressed="false"' in markup and 'data-name="odd"' in markup
    assert "all documents" in markup and "“odd”: 1 document tagged" in markup
    assert "/exports/p/%3Ca%3E.csv" in markup and "&lt;a&gt;.csv" in markup and "<a>" not in markup
    chosen = bar(bugs, [Filter("@subset", "in", ("river",))], 3)
    assert 'data-name="river" aria-pressed="true"' in chosen and "the 3 documents shown" in chosen
    none = bar(bugs, [Filter("year", "=", 1)], 0)
    assert 'data-do="save"' not in none and 'data-do="preview"' not in none and "data-format" not in none


def test_a_tagging_is_confirmed_with_its_numbers(bugs):
    markup = bar(bugs, pending=TagPreview("x", "add", 12, 10))
    assert "Adds “x” to 10 of 12 documents: 2 have it already." in markup and "Tag 10 documents" in markup
    assert 'data-do="tag"' not in bar(bugs, pending=TagPreview("x", "add", 12, 0))


def test_a_selection_offers_the_same_and_an_empty_one_nothing():
    markup = selection_actions(12)
    assert "the 12 selected documents" in markup
    assert [name in markup for name in ('data-do="save"', 'data-do="preview"', 'data-format="parquet"')] == [True] * 3
    assert selection_actions(0) == ""
    assert "&lt;i&gt;" in exported_html(1, "<i>", 1, "/e") and "<i>" not in exported_html(1, "<i>", 1, "/e")


def test_a_click_turns_a_subset_on_and_off():
    year = Filter("year", "=", 1)
    on = toggled((year,), event(field="@subset", name="river"))
    assert on == (year, Filter("@subset", "in", ("river",)))
    assert toggled(on, event(field="@subset", name="river")) == (year,)
    assert toggled((Filter("@tag", "=", "odd"),), event(field="@tag", name="odd")) == ()
    both = (Filter("@subset", "in", ("a", "b")),)
    assert toggled(both, event(field="@subset", name="a")) == (*both, Filter("@subset", "in", ("a",)))
    with pytest.raises(BadInput, match="no such subset"):
        toggled((), event(field="year", name="1"))


def test_the_form_of_filters_offers_subsets_and_tags_where_there_are_any(bugs, tmp_path):
    import_numbers(bugs, tmp_path, range(3), "bare")
    assert "@subset" in filter_form(bugs, "bugs", []) and "@subset" not in filter_form(bugs, "bare", [])
    form = filter_form(bugs, "bugs", [], "@subset")
    assert '<option value="river">3 documents</option>' in form and "year" in form
    made = changed_filters((), event(do="add", fields={"field": "@subset", "op": "in", "value": "river, b"}), {})
    assert made == (Filter("@subset", "in", ("river", "b")),)
    assert read_filters(filters_text(made)) == made
    assert [filter_label(each) for each in (*made, Filter("@tag", "!=", "odd"))] == ["subset river, b", "not tag odd"]
