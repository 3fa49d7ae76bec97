"""Addresses of the Search and Corpus pages: written and read back they are the same view."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from ui.components.address import Browse, Column, View, knobs_of, parse_link, read_browse, read_view
from ui.components.filters_text import make_filter, read_filters
from ui.session import Place
from workbench.errors import BadInput
from workbench.specs import FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.types import Filter

PLACE = Place("my project", "a&b")
FILTERS = (Filter("year", ">=", 2000), Filter("a “b” & c", "in", ("x", "y,z")), Filter("ok", "=", True))


def column(encoder: str, index: str = "exact", **settings: float) -> Column:
    return Column(PipelineSpec((RetrieverSpec(encoder, index, **settings),)))


RERANKED = Column(
    PipelineSpec(
        (RetrieverSpec("bm25", "inverted"), RetrieverSpec("org/é", "IVF8,Flat", nprobe=3, query_bank="@titles")),
        FusionSpec("rrf", k=10.5, origin=0, weights=(1.0, 0.25)),
        RerankSpec("some/model", 20, {"cutoff_layer": 8, "compress_layers": [4, 8]}),
        depth=300,
    ),
    "my & <pipeline>",
)


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View(
            "wind & rain = #1?",
            (column("org/model", "IVF256,PQ16,RFlat", nprobe=8, k_factor=2.5),),
            25,
            FILTERS,
            12,
            "minilm",
        ),
        View("日本語 😀", (column("bm25", "inverted"),)),
        View("two", (column("bm25", "inverted"), RERANKED), image="doc:3", alpha=0.25, query_set="dev & test", at=0),
        View("", (RERANKED,), image="ab12", alpha=0.0),
        View("", (Column(PipelineSpec((RetrieverSpec("a"), RetrieverSpec("b"))), ""),)),
    ],
)
def test_a_search_survives_its_address(view: View) -> None:
    assert read_view(parse_link(view.link(PLACE) + "#2.17")) == view


def test_the_address_names_project_and_corpus() -> None:
    parts = urlsplit(View("x", (column("bm25", "inverted"),)).link(PLACE))
    assert parts.path == "/search"
    assert parse_qs(parts.query) == {
        "project": ["my project"],
        "corpus": ["a&b"],
        "q": ["x"],
        "encoder": ["bm25"],
        "index": ["inverted"],
    }


def test_several_columns_stand_in_the_address_without_what_is_usual() -> None:
    both = Column(PipelineSpec((RetrieverSpec("bm25", "inverted"), RetrieverSpec("minilm")), FusionSpec()))
    values = View("x", (column("minilm"), both)).values()
    assert json.loads(values["cols"]) == [
        {"retrievers": [{"encoder": "minilm"}]},
        {"retrievers": [{"encoder": "bm25", "index": "inverted"}, {"encoder": "minilm"}], "fusion": {"method": "rrf"}},
    ]


@pytest.mark.parametrize(
    ("cols", "words"),
    [
        ("x", "not a list of pipelines"),
        ('{"retrievers":[]}', "not a list of pipelines"),
        ('[{"retrievers":[]}]', "at least one retriever"),
        ('[{"retrievers":[{"encoder":"a"}],"fusion":{"method":"average"}}]', "Raw scores are not averaged"),
        ('[{"retrievers":[{"encoder":"a","indx":"Flat"}]}]', "Did you mean “index”"),
    ],
)
def test_columns_that_cannot_be_read_are_told_and_the_rest_is_kept(cols: str, words: str) -> None:
    view = read_view({"q": "x", "k": "7", "cols": cols})
    assert (view.query, view.k, view.columns) == ("x", 7, ())
    assert words in view.problem


def test_a_link_has_at_most_four_columns_and_shares_lie_between_0_and_1() -> None:
    many = json.dumps([{"retrievers": [{"encoder": f"e{n}"}]} for n in range(9)])
    view = read_view({"cols": many, "alpha": "7", "at": "-3"})
    assert [each.encoder for each in view.columns] == ["e0", "e1", "e2", "e3"]
    assert (view.alpha, view.at) == (1.0, -1)


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
