"""The Map page's drawing functions and its address, with values."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ui.components import map_bar as bars
from ui.components import map_rail as rail
from ui.components.address import Column
from ui.components.columns import plain
from ui.components.map_choice import asked_spec, fitted
from ui.components.map_judged import legend_html as marks_legend
from ui.components.map_judged import mark_values
from ui.components.map_legend import colour_choice, figure, group_of, legend_html, read_hidden
from ui.components.map_pair import agreement_html, most_moved, step_text, went_html
from ui.components.map_panel import distance_text, document_side, hits_side, members_side
from ui.components.map_state import color_url, lit, mask_url, selection_url
from ui.components.map_view import MapView, asked_anew, read_map_view, read_shapes, shapes_text, with_shape
from ui.components.results import Frame
from ui.session import Place
from workbench.errors import BadInput, NotFound
from workbench.types import Document, Filter, Hit
from workbench.workflows.map import Displaced, JudgedMarks, KnownQuery, Legend, LegendEntry, Moved

SQUARE = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.25], [-0.5, 0.25]]
EVIL = "<script>alert(1)</script>"


def info(**changes: Any) -> Any:
    values = {
        "id": "m1", "encoder": "minilm", "corpus": "birds@1", "corpus_id": 1, "method": "umap", "points": 412, "k": 15,
        "seed": 7, "metric": "cosine", "trustworthiness": 0.9531, "continuity": 0.9184, "reduction": "", "exact": True,
        "recall": 1.0, "seconds": 12.0, "created_at": 0.0, "stale": "", "placed": 0,
        "manifest": {"spec": {"map": {"method": "umap", "seed": 7, "init": "map:abc"}}},
    }  # fmt: skip
    return SimpleNamespace(**{**values, **changes})


def document(ordinal: int, title: str = "The owl") -> Document:
    return Document(f"d{ordinal}", "hunts at night", title, ordinal=ordinal)


# ── the address ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_view_and_its_address_are_one() -> None:
    view = MapView(
        map="m1",
        other="m2",
        color="column:place",
        hidden=(0, 3, 255),
        text="owl",
        filters=(Filter("place", "=", "river"), Filter("@subset", "in", ("mine",))),
        query="fish & chips",
        column=Column(plain("minilm", "exact")),
        k=20,
        pick=5,
        shapes=with_shape((), "replace", SQUARE),
        listed=True,
    )
    link = view.link(Place("p", "birds"))
    assert link.startswith("/map?project=p&corpus=birds&map=m1&with=m2")
    from ui.components.address import parse_link

    assert read_map_view(parse_link(link)) == view


def test_a_view_at_its_defaults_has_a_short_address() -> None:
    assert MapView(map="m1").values() == {"map": "m1"}


@pytest.mark.parametrize(
    "text", ["x", "a_1_2", "a_1_2_3_4_5", "a" + "_1" * 202, "a_1_2_3_4_5_6;drop", "a_9999999999_1_1_1_1_1"]
)
def test_a_selection_that_cannot_be_read_is_told(text: str) -> None:
    found = read_map_view({"map": "m1", "sel": text})
    assert found.shapes == () and "selection" in found.told


def test_shapes_are_kept_to_a_millionth() -> None:
    shapes = with_shape((), "replace", [[0.12345678, -1], [0.5, 0.5], [0, 0]])
    assert shapes[0]["polygon"][0] == [0.123457, -1.0]
    assert shapes_text(shapes) == "a_123457_-1000000_500000_500000_0_0"
    assert read_shapes(shapes_text(shapes)) == shapes


def test_shapes_add_remove_and_replace() -> None:
    first = with_shape((), "add", SQUARE)
    both = with_shape(first, "remove", SQUARE, second=True)
    assert [each["step"] for each in both] == ["add", "remove"] and both[1]["second"]
    assert shapes_text(both).partition("~")[2].startswith("R_")
    assert read_shapes(shapes_text(both)) == both
    assert with_shape(both, "replace", SQUARE) == first
    assert with_shape((), "replace", [SQUARE[0], SQUARE[2]]) == first  # a box by two corners


@pytest.mark.parametrize(
    "polygon", [None, [], SQUARE[:1], [[0, 0], [1, 1], [float("nan"), 0]], [[0, 0], [1, 1], ["1", 0]], [[0, 0]] * 101]
)
def test_what_is_no_shape_is_refused(polygon: object) -> None:
    with pytest.raises(BadInput):
        with_shape((), "replace", polygon)


def test_a_link_to_a_map_that_is_gone_shows_another() -> None:
    made = [info(id="new", stale="old corpus"), info(id="good"), info(id="elsewhere", corpus="birds@2")]
    assert fitted(MapView(), made) == (MapView(map="good"), "")
    view, told = fitted(MapView(map="gone", pick=3), made)
    assert view.map == "good" and view.pick == -1 and "not there" in told
    view, told = fitted(MapView(map="good", other="elsewhere"), made)
    assert view.other == "" and "does not fit" in told
    assert fitted(MapView(map="good", pick=412), made)[0].pick == -1


def test_the_settings_of_a_map_are_read() -> None:
    form = {"method": "umap", "neighbors": "20", "min_dist": "0.25", "seed": "3", "aligned": "true"}
    assert asked_spec(form, "m1") == {"method": "umap", "neighbors": 20, "min_dist": 0.25, "seed": 3, "init": "map:m1"}
    assert "init" not in asked_spec({**form, "method": "pca"}, "m1")
    with pytest.raises(BadInput):
        asked_spec({**form, "neighbors": "many"}, "m1")


# ── what the maps are told ───────────────────────────────────────────────────────────────────────────────────────────


def test_addresses_of_bytes() -> None:
    view = MapView(map="m1", color="column:a b/c", text="owl")
    assert color_url("p", view) == "/points/p/m1/color/column:a%20b%2Fc.u8"
    assert mask_url("p", view) == "/points/p/m1/mask/filter.u8?text=owl"
    assert mask_url("p", MapView(map="m1")) == "" == selection_url("p", MapView(map="m1"))
    chosen = replace(view, shapes=with_shape((), "replace", SQUARE))
    assert selection_url("p", chosen).startswith("/points/p/m1/mask/chosen.u8?sel=a_-500000_-500000")
    assert "hide" not in selection_url("p", chosen)
    assert "hide=2&color=column" in selection_url("p", replace(chosen, hidden=(2,)))
    assert color_url("p", replace(view, color="score", query="fish")) == "/points/p/m1/color/score.u8?q=fish"


def test_hits_and_the_star() -> None:
    found = SimpleNamespace(
        hits=[SimpleNamespace(row=40), SimpleNamespace(row=2)], query=SimpleNamespace(x=0.5, y=-0.25, approximate=True)
    )
    shown = lit(found, "x" * 60)  # type: ignore[arg-type]
    assert shown["highlight"] == [{"row": 40, "rank": 1}, {"row": 2, "rank": 2}]
    assert shown["query"] == {"x": 0.5, "y": -0.25, "text": "x" * 40, "approximate": True}
    assert lit(None, "")["highlight"] == []


# ── legend ───────────────────────────────────────────────────────────────────────────────────────────────────────────

CLASSES = Legend(
    "category", "place", [LegendEntry("river", 412, 0), LegendEntry(EVIL, 9, 3), LegendEntry("no place", 2, 255)]
)


def test_the_legend_counts_and_switches() -> None:
    drawn = legend_html(CLASSES, hidden=(3,))
    assert drawn.count('aria-pressed="true"') == 2 and drawn.count('aria-pressed="false"') == 1
    assert "2 of 3 classes" in drawn and ">412<" in drawn
    assert "var(--wb-c3)" in drawn and "var(--wb-map-missing)" in drawn
    assert EVIL not in drawn and "&lt;script&gt;" in drawn


def test_the_legend_counts_what_conditions_leave() -> None:
    drawn = legend_html(CLASSES, (), {0: 47})
    assert ">47 / 412<" in drawn and ">0 / 9<" in drawn


def test_a_ramp_shows_its_ends() -> None:
    drawn = legend_html(Legend("ramp", "length", [], 0.0, 12345.0, 3, 2))
    assert ">0<" in drawn and ">12,345<" in drawn and "3 beyond the ends" in drawn and "2 without a value" in drawn
    assert (figure(0.91234), figure(12.34), figure(1204)) == ("0.912", "12.3", "1,204")


def label(cluster: int, color: int, name: str, machine: str = "owl · mouse") -> Any:
    given = name != machine
    return SimpleNamespace(cluster=cluster, color=color, name=name, machine_name=machine, given=given, size=3)


def test_names_of_clusters_are_edited_in_the_legend() -> None:
    legend = Legend("category", "Clusters", [LegendEntry("owl · mouse", 3, 0), LegendEntry(EVIL, 2, 1)])
    own = {0: [label(0, 0, "owl · mouse")], 1: [label(1, 1, EVIL)]}
    drawn = legend_html(legend, (), None, own)
    assert drawn.count('data-do="rename"') == 2 and drawn.count('data-do="unname"') == 1 and EVIL not in drawn
    assert "rename" not in legend_html(legend)
    drawn = legend_html(legend, (), None, own, 1)
    assert drawn.count('data-do="rename"') == 1 and 'data-do="name" data-default' in drawn and EVIL not in drawn
    assert (
        'name="cluster" value="1"' in drawn and 'placeholder="owl · mouse"' in drawn and 'data-class="1"' not in drawn
    )
    # Clusters without a colour of their own share an entry: one of them is chosen.
    other = Legend("category", "Clusters", [LegendEntry("Other", 6, 254)])
    many = {254: [label(100, 254, "a"), label(101, 254, "b")]}
    drawn = legend_html(other, (), None, many, 254)
    assert '<option value="101">b</option>' in drawn and 'data-do="unname"' not in legend_html(other, (), None, many)


def test_marks_have_a_legend() -> None:
    found = JudgedMarks([4, 9], [], [2], {4: 1, 9: 3}, 2)
    assert mark_values(found) == [
        {"row": 2, "kind": "negative"},
        {"row": 4, "kind": "positive", "grade": 1},
        {"row": 9, "kind": "positive", "grade": 3},
    ]
    query = KnownQuery("owls", "q1", EVIL, 5)
    drawn = marks_legend(query, found)
    assert EVIL not in drawn and "Relevant" in drawn and "Hard negative" in drawn and "not relevant" not in drawn
    assert "the small number is the grade; 2 more are not on this map" in drawn
    assert "nobody has judged" in marks_legend(query, JudgedMarks())
    assert [each["kind"] for each in mark_values(JudgedMarks([], [3], []))] == ["irrelevant"]


def test_a_judged_query_is_part_of_the_address() -> None:
    view = MapView(map="m1", query="owls", query_set="birds", query_id="q 7/1")
    assert read_map_view(view.values()) == view
    assert asked_anew(view) == MapView(map="m1", query="owls")


def test_hidden_classes_from_the_browser() -> None:
    assert read_hidden("3.0.x.999.-1.255") == (0, 3, 255)
    assert read_hidden("") == ()


def test_colourings_are_in_groups() -> None:
    assert group_of("column:trust") == "Metadata" and group_of("continuity") == group_of("trust")
    assert group_of("disagreement:place") == group_of("hubs") == "Neighbourhoods"
    known = [SimpleNamespace(name=n, title=t) for n, t in (("cluster", "Clusters"), ("column:a", EVIL))]
    drawn = colour_choice(known, "column:a")  # type: ignore[arg-type]
    assert '<option value="column:a" selected>' in drawn and EVIL not in drawn
    assert drawn.count("<optgroup") == 2


# ── around the map ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_honesty_line() -> None:
    drawn = bars.honesty_html(info(), 47)
    for part in ("47 / 412", "0.953", "0.918", "<b>15</b>", "<b>7</b>", "what it does not show"):
        assert part in drawn
    assert "does not show" not in bars.honesty_html(info(), explains=False)
    assert "recall 0.970" in bars.honesty_html(info(exact=False, recall=0.97))
    assert "placed approximately" not in bars.honesty_html(info())
    assert "placed approximately <b>1,204</b>" in bars.honesty_html(info(placed=1204))
    assert bars.map_label(info()).endswith("trust 0.95") and "version 2" in bars.map_label(info(placed=3, corpus="b@2"))


def test_a_stale_map_says_so() -> None:
    assert bars.stale_html(info(), True) == ""
    drawn = bars.stale_html(info(stale="version 2 is there"), True)
    assert "version 2 is there" in drawn and 'data-do="rebuild"' in drawn
    assert "rebuild" not in bars.stale_html(info(stale="version 2 is there"), False)
    assert 'data-do="place"' not in drawn
    drawn = bars.stale_html(info(stale="version 2 is there"), True, True)
    assert 'data-do="place"' in drawn and 'data-do="rebuild"' in drawn
    assert bars.spec_of(info())["init"] == "pca"


def test_a_second_map_is_of_the_same_documents() -> None:
    made = [info(), info(id="m2", encoder=EVIL), info(id="m3", corpus="birds@2")]
    drawn = bars.map_choice(made, "m1", "m2")
    first, _, second = drawn.partition("Compare with")
    assert 'value="m3"' in first and 'value="m3"' not in second
    assert '<option value="m2" selected>' in second and EVIL not in drawn
    assert "Compare with" not in bars.map_choice(made, "m3", "")


def test_the_empty_state_has_one_button() -> None:
    drawn = bars.no_maps("birds", 412, "minilm")
    assert drawn.count("<button") == 1 and 'data-act="make"'.replace('"', "'") in drawn
    assert "Map this corpus with minilm" in drawn


def test_the_selection_bar_counts() -> None:
    assert bars.selection_bar(0, 412) == ""
    drawn = bars.selection_bar(47, 412, "<i>more</i>")
    assert "<b>47</b> of 412 documents selected" in drawn and "<i>more</i>" in drawn
    assert bars.selection_bar(47, 412, "", 412) == bars.selection_bar(47, 412)
    drawn = bars.selection_bar(47, 412, "", 80)
    assert "<b>47</b> of <span" in drawn and ">80 that pass, of 412 documents,</span> selected" in drawn


def test_problems_are_counted_on_request() -> None:
    assert 'data-do="problems"' in rail.problems_html(MapView(map="m1"), None)
    counts = {"hubs": 3, "outliers": 0, "label-disagreement:" + EVIL: 2}
    drawn = rail.problems_html(MapView(map="m1", problem="hubs"), counts)
    assert drawn.count('aria-pressed="true"') == 1 and drawn.count(" disabled") == 1 and EVIL not in drawn


# ── beside the map ───────────────────────────────────────────────────────────────────────────────────────────────────

FRAME = Frame("p", 1)


def test_a_document_and_its_true_neighbours() -> None:
    near = [(document(4, EVIL), 0.12345), (document(9), 1.5)]
    drawn = document_side(document(1), FRAME, ["minilm"], near, "minilm, by 1 − cosine")
    assert drawn.index("True neighbours") < drawn.index("More like this")
    assert drawn.index('data-ordinal="4"') < drawn.index('data-ordinal="9"')
    assert "0.1235" in drawn or "0.1234" in drawn
    assert EVIL not in drawn
    assert distance_text(1.5) == "1.50"


def test_hits_have_the_ranks_of_the_map() -> None:
    hits = [Hit(1, 0.9, document(4), {}), Hit(2, 0.45, document(7, EVIL), {})]
    drawn = hits_side(hits, FRAME, EVIL, "minilm", "★ marks the query")
    assert '<span class="wb-rank">1</span>' in drawn and "width:50%" in drawn and EVIL not in drawn
    assert "Nothing found" in hits_side([], FRAME, "q", "", "")


def test_the_first_of_a_selection_and_how_many_more() -> None:
    drawn = members_side("Selection", [document(1), document(2)], 47, FRAME)
    assert "Selection: 47 documents" in drawn and "45 more" in drawn


# ── two maps ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_where_neighbours_went_the_furthest_first() -> None:
    rows = [Displaced(10, 1, 1), Displaced(11, 2, None), Displaced(12, None, 1), Displaced(13, 3, 2)]
    # k = 3: a missing one stands at rank 4: moves 0, 2, 3, 1.
    assert [each.ordinal for each in most_moved(rows, 3)] == [12, 11, 13, 10]
    assert [step_text(each.rank_a, each.rank_b) for each in rows] == ["=", "lost", "new", "▲ 1"]
    assert step_text(1, 12) == "▼ 11"
    drawn = went_html(EVIL, rows, {10: EVIL}, ("a", "b"), 3)
    assert "2 of 3 are neighbours in both spaces" in drawn and "&gt; 3" in drawn and EVIL not in drawn


def test_agreement_of_two_maps() -> None:
    moved = [Moved(5, EVIL, 0.5, 0.2, [1, 2, 3, 4], [6, 7, 8, 9])]
    drawn = agreement_html(("a", "b"), 0.1234, 5, False, moved)
    assert "12.3%" in drawn and ">1 / 5<" in drawn and 'data-do="agree"' in drawn and EVIL not in drawn
    assert 'data-do="agree"' not in agreement_html(("a", "b"), 0.1234, 5, True, moved)


def test_an_unknown_map_is_refused() -> None:
    from ui.components.map_choice import known_map

    assert known_map([info()], "m1") == "m1" and known_map([info()], "") == ""
    with pytest.raises(NotFound):
        known_map([info()], "m9")
