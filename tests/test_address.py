"""Addresses of the Search and Corpus pages: written and read back they are the same view."""

from urllib.parse import parse_qs, urlsplit

import pytest

from ui.components.address import Browse, View, knobs_of, make_filter, parse_link, read_browse, read_filters, read_view
from ui.session import Place
from workbench.errors import BadInput
from workbench.types import Filter

PLACE = Place("my project", "a&b")
FILTERS = (Filter("year", ">=", 2000), Filter("a “b” & c", "in", ("x", "y,z")), Filter("ok", "=", True))


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View("wind & rain = #1?", "org/model", "IVF256,PQ16,RFlat", 25, FILTERS, 12, {"nprobe": 8, "k_factor": 2.5}),
        View("日本語 😀", "bm25", "inverted"),
    ],
)
def test_a_search_survives_its_address(view: View) -> None:
    back = read_view(parse_link(view.link(PLACE) + "#17"))
    assert (back.query, back.encoder, back.index, back.k) == (view.query, view.encoder, view.index, view.k)
    assert (back.filters, back.like, dict(back.settings or {})) == (view.filters, view.like, dict(view.settings or {}))


def test_the_address_names_project_and_corpus() -> None:
    parts = urlsplit(View("x", "bm25", "inverted").link(PLACE))
    assert parts.path == "/search"
    assert parse_qs(parts.query) == {
        "project": ["my project"],
        "corpus": ["a&b"],
        "q": ["x"],
        "encoder": ["bm25"],
        "index": ["inverted"],
    }


def test_a_part_of_a_corpus_survives_its_address() -> None:
    browse = Browse("river bank", FILTERS, 150)
    assert read_browse(parse_link(browse.link(PLACE))) == browse


@pytest.mark.parametrize("k", ["0", "-5", "x", "", "1e3", "99999999999999999999999"])
def test_a_wrong_k_is_put_in_range(k: str) -> None:
    assert 1 <= read_view({"k": k}).k <= 1000


@pytest.mark.parametrize("text", ["", "x", "{}", "[1]", '[["a","="]]', '[["a","drop table",1]]', '[[1,"=",1]]', "null"])
def test_filters_that_cannot_be_read_are_left_out(text: str) -> None:
    assert read_filters(text) == ()


@pytest.mark.parametrize(
    ("op", "typed", "kind", "value"),
    [
        ("=", " 7 ", "integer", 7),
        (">=", "2.5", "number", 2.5),
        ("=", "7", "text", "7"),
        ("=", "yes", "boolean", True),
        ("in", "1, 2,3", "integer", (1, 2, 3)),
        ("contains", "19", "integer", "19"),
    ],
)
def test_a_typed_filter_has_its_columns_type(op: str, typed: str, kind: str, value: object) -> None:
    made = make_filter("field", op, typed, kind)
    assert made == Filter("field", op, value)
    assert type(made.value) is type(value)


def test_words_in_a_number_column_are_refused() -> None:
    with pytest.raises(BadInput, match="“soon” is not a number"):
        make_filter("year", ">=", "soon", "integer")


@pytest.mark.parametrize(
    ("factory", "knobs"),
    [
        ("exact", ()),
        ("Flat", ()),
        ("HNSW32", ("ef_search",)),
        ("IVF256,Flat", ("nprobe",)),
        ("IVF256,PQ16,RFlat", ("nprobe", "k_factor")),
        ("IVF64_HNSW32,PQ8,Refine(SQ8)", ("nprobe", "ef_search", "k_factor")),
    ],
)
def test_only_settings_that_an_index_knows_are_offered(factory: str, knobs: tuple[str, ...]) -> None:
    assert knobs_of(factory) == knobs
