"""The map's workflow: what its bytes mean, what lies inside a shape, colours, marks, two maps, and bad input."""

import json
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from search_fixtures import add_embedding, planted, planted_project
from sklearn.manifold import trustworthiness

from workbench import corpora
from workbench.db import judgments, label_sets
from workbench.errors import BadInput, Cancelled, NotFound
from workbench.project import Project
from workbench.query_sets import find
from workbench.specs import MapSpec, PipelineSpec, RetrieverSpec
from workbench.types import Content, Filter
from workbench.workflows import map as maps
from workbench.workflows.artifacts import delete_artifact
from workbench.workflows.corpus import delete_corpus, import_corpus
from workbench.workflows.encode import encode_corpus
from workbench.workflows.map_colours import MISSING, NAMED, OTHER, TOP, category_bytes, dealt, own_colours, ramp
from workbench.workflows.map_data import Frame, find_map, open_map, wire_order
from workbench.workflows.map_views import inside
from workbench.workflows.queries import import_queries
from workbench.workflows.views import list_views

QUICK = MapSpec(method="pca", clusters="kmeans", cluster_count=3)
COUNT = 300


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(project, id of a PCA map of 300 planted documents, id of a second one of other vectors)."""
    project = planted_project(tmp_path_factory.mktemp("map"), COUNT)
    encode_corpus(project, "topics", "bm25")
    noise = np.random.default_rng(5).standard_normal((COUNT, 16)).astype(np.float16)
    add_embedding(project, "topics", noise, "noise")
    first = maps.make_map(project, "topics", "planted", QUICK).map
    second = maps.make_map(project, "topics", "noise", QUICK).map
    yield project, first, second
    project.close()


@pytest.fixture
def project(made) -> Project:
    return made[0]


@pytest.fixture
def map_id(made) -> str:
    return made[1]


def wire(project: Project, id: str) -> tuple[np.ndarray, np.ndarray]:
    """((n, 2) coordinates, (n,) colours) by ordinal, from the bytes a browser gets."""
    content = maps.points(project, id)
    n = len(content) // 9
    x, y = (np.frombuffer(content, "<f4", n, 4 * n * plane) for plane in (0, 1))
    order = wire_order(n)
    xy, colours = np.empty((n, 2)), np.empty(n, np.uint8)
    xy[order], colours[order] = np.stack([x, y], axis=1), np.frombuffer(content, np.uint8, n, 8 * n)
    return xy, colours


def by_ordinal(content: bytes) -> np.ndarray:
    found = np.empty(len(content), np.uint8)
    found[wire_order(len(content))] = np.frombuffer(content, np.uint8)
    return found


# ── points ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_points_are_nine_bytes_in_the_wires_order(project, map_id):
    content = maps.points(project, map_id)
    assert len(content) == 9 * COUNT
    xy, colours = wire(project, map_id)
    raw = np.load(find_map(project, map_id).folder / "xy.npy")
    middle = (raw.min(axis=0) + raw.max(axis=0)) / 2
    np.testing.assert_allclose(xy, (raw - middle) / (np.ptp(raw, axis=0).max() / 2), atol=1e-6)
    assert np.abs(xy).max() == pytest.approx(1, abs=1e-6)
    clusters = np.load(find_map(project, map_id).folder / "clusters.npy")
    np.testing.assert_array_equal(colours, clusters)
    order = np.load(find_map(project, map_id).folder / "order.npy")
    assert order.dtype == np.uint32 and sorted(order.tolist()) == list(range(COUNT))


def test_the_wires_order_is_the_same_for_every_map_and_fair(project, made):
    orders = [np.load(find_map(project, each).folder / "order.npy") for each in made[1:]]
    np.testing.assert_array_equal(*orders)
    # A third of any long beginning is of each topic.
    assert np.abs(np.bincount(orders[0][:150] % 3) - 50).max() < 15


def test_a_frame_keeps_proportions_and_survives_one_place():
    xy = np.array([[0, 0], [4, 2], [2, 1]], np.float32)
    frame = Frame.around(xy)
    np.testing.assert_allclose(frame.to_unit(xy), [[-1, -0.5], [1, 0.5], [0, 0]])
    one = np.full((3, 2), 7, np.float32)
    np.testing.assert_array_equal(Frame.around(one).to_unit(one), np.zeros((3, 2)))
    assert Frame.around(np.empty((0, 2), np.float32)) == Frame(0.0, 0.0, 1.0)


def test_a_map_says_how_it_was_made(project, map_id):
    info = maps.get_map(project, map_id)
    assert (info.encoder, info.corpus, info.points, info.neighbours, info.method) == (
        "planted", "topics@1", COUNT, 15, "pca",
    )  # fmt: skip
    assert info.exact and info.recall == 1 and info.stale == "" and info.reduction == "" and info.metric == "cosine"
    assert set(info.manifest["versions"]) >= {"umap-learn", "faiss-cpu", "scikit-learn"}
    raw = np.load(find_map(project, map_id).folder / "xy.npy")
    vectors = planted(COUNT).astype(np.float32)
    oracle = trustworthiness(vectors, raw, n_neighbors=15, metric="cosine")
    assert info.trustworthiness == pytest.approx(oracle, abs=1e-3)
    assert [each.id for each in maps.list_maps(project, "topics")][-1] == map_id
    assert len(maps.list_maps(project)) == len(maps.list_maps(project, "topics@1")) >= 2


def test_the_same_map_again_is_a_no_op(project, map_id):
    before = find_map(project, map_id).created_at
    again = maps.make_map(project, "topics", "planted", QUICK, lambda done, total: pytest.fail("worked"))
    assert again.map == map_id and find_map(project, map_id).created_at == before
    other = maps.make_map(project, "topics", "planted", replace(QUICK, seed=1))
    assert other.map != map_id


# ── shapes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_inside_is_the_even_odd_rule():
    xy = np.array([[0.5, 0.5], [1.5, 0.5], [-0.1, 0.2], [0.5, 0.99], [2, 2]], np.float32)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    assert inside(xy, square).tolist() == [True, False, False, True, False]
    bow = np.array([[0, 0], [1, 1], [1, 0], [0, 1]], float)
    spots = np.array([[0.9, 0.5], [0.5, 0.9], [0.1, 0.5]], np.float32)
    assert inside(spots, bow).tolist() == [True, False, True]
    # A star drawn in one line: its middle is crossed twice, so it is outside.
    star = np.array([[np.sin(4 * np.pi * n / 5), np.cos(4 * np.pi * n / 5)] for n in range(5)])
    assert inside(np.array([[0, 0], [0, 0.8]], np.float32), star).tolist() == [False, True]


def crossings(polygon, x: float, y: float) -> bool:
    """W. R. Franklin's pnpoly, one point at a time."""
    odd, j = False, len(polygon) - 1
    for i in range(len(polygon)):
        (xi, yi), (xj, yj) = polygon[i], polygon[j]
        if (yi > y) != (yj > y) and x < (xj - xi) * (y - yi) / (yj - yi) + xi:
            odd = not odd
        j = i
    return odd


def test_inside_equals_one_point_at_a_time():
    random = np.random.default_rng(0)
    xy = random.uniform(-1, 1, (400, 2)).astype(np.float32)
    polygon = random.uniform(-1, 1, (30, 2))
    assert inside(xy, polygon).tolist() == [crossings(polygon.tolist(), *point) for point in xy.tolist()]


def test_members_of_a_box_and_of_a_lasso_are_documents(project, map_id):
    xy, _ = wire(project, map_id)
    expected = np.flatnonzero((xy > 0).all(axis=1) & (xy < 0.8).all(axis=1))
    assert 3 < expected.size < COUNT / 2
    np.testing.assert_array_equal(maps.members(project, map_id, [[0.8, 0], [0, 0.8]], "box"), expected)
    around = [[0, 0], [0.8, 0], [0.8, 0.8], [0, 0.8]]
    np.testing.assert_array_equal(maps.members(project, map_id, around), expected)
    nobody = maps.members(project, map_id, [[5, 5], [6, 5], [6, 6]])
    assert nobody.size == 0


def test_a_selection_adds_and_removes_in_order(project, map_id):
    left, right = [[-2, -2], [0, 2]], [[0, -2], [2, 2]]
    xy, _ = wire(project, map_id)
    shapes = [{"polygon": left, "mode": "box"}, {"polygon": right, "mode": "box", "step": "add"}]
    assert maps.selection(project, map_id, shapes).size == COUNT
    shapes.append({"polygon": [[-2, 0], [2, 2]], "mode": "box", "step": "remove"})
    np.testing.assert_array_equal(maps.selection(project, map_id, shapes), np.flatnonzero(xy[:, 1] < 0))
    assert maps.selection(project, map_id, []).size == 0


@pytest.mark.parametrize(
    ("polygon", "mode", "told"),
    [
        ([[0, 0], [1, 1]], "lasso", "2 corners"),
        ([[0, 0]] * 101, "lasso", "101 corners"),
        ([[0, 0], [1, 1], [2, 2]], "box", "two corners"),
        ([[0, 0], [1, float("nan")], [1, 1]], "lasso", "no place"),
        ([[0, 0], [1, float("inf")], [1, 1]], "lasso", "no place"),
        ([[0, 0], [1, 1e300], [1, 1]], "lasso", "no place"),
        ([[0, 0], [1, "1"], [1, 1]], "lasso", "no place"),
        ([[0, 0], [1, True], [1, 1]], "lasso", "no place"),
        ([[0, 0], [1, 1, 1], [1, 1]], "lasso", "no place"),
        ([0, 1, 2], "lasso", "no place"),
        ("abc", "lasso", "0 corners"),
        (None, "lasso", "0 corners"),
        ([[0, 0], [1, 0], [1, 1]], "circle", "no selection called"),
    ],
)
def test_shapes_the_browser_made_up_are_refused(project, map_id, polygon, mode, told):
    with pytest.raises(BadInput, match=told):
        maps.members(project, map_id, polygon, mode)


def test_selections_the_browser_made_up_are_refused(project, map_id):
    box = {"polygon": [[0, 0], [1, 1]], "mode": "box"}
    for shapes in ([{**box, "step": "multiply"}], ["box"], [box] * 101):
        with pytest.raises(BadInput):
            maps.selection(project, map_id, shapes)


# ── documents ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_and_ordinals_are_each_others_inverse(project, map_id):
    rows = maps.highlight(project, map_id, [7, 299, 0])
    order = wire_order(COUNT).tolist()
    assert [order[row] for row in rows] == [7, 299, 0]
    assert maps.ordinals_at(project, map_id, rows) == [7, 299, 0]
    assert maps.highlight(project, map_id, []) == []


@pytest.mark.parametrize("made_up", [[-1], [COUNT], [0, 10**30], ["3"], [1.0], [True], [None]])
def test_ordinals_the_browser_made_up_are_refused(project, map_id, made_up):
    for call in (maps.highlight, maps.ordinals_at):
        with pytest.raises((NotFound, BadInput)):
            call(project, map_id, made_up)
    with pytest.raises((NotFound, BadInput)):
        maps.neighbours_of(project, map_id, made_up[-1])
    with pytest.raises((NotFound, BadInput)):
        maps.card(project, map_id, made_up[-1])


def test_neighbours_are_the_exact_ones(project, map_id):
    vectors = planted(COUNT).astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for ordinal in (0, 17, 299):
        distances = 1 - unit @ unit[ordinal]
        distances[ordinal] = np.inf
        found = maps.neighbours_of(project, map_id, ordinal)
        assert [each for each, _ in found] == np.argsort(distances, kind="stable")[:15].tolist()
        np.testing.assert_allclose([far for _, far in found], np.sort(distances)[:15], atol=1e-5)


def test_an_approximate_graph_is_not_shown_as_neighbours(project, map_id, monkeypatch):
    """Where the graph was made by HNSW, the stored vectors are scanned."""
    expected = maps.neighbours_of(project, map_id, 5)
    artifact = find_map(project, map_id)
    data = open_map(artifact)
    approximate = replace(artifact, manifest={**artifact.manifest, "graph": {"exact": False, "recall": 0.9}})
    monkeypatch.setattr("workbench.workflows.map_views.find_map", lambda *_: approximate)
    wrong = replace(data.graph, indices=np.zeros((COUNT, 15), np.int32))
    monkeypatch.setitem(data.__dict__, "graph", wrong)
    found = maps.neighbours_of(project, map_id, 5)
    assert [each for each, _ in found] == [each for each, _ in expected]
    np.testing.assert_allclose([far for _, far in found], [far for _, far in expected], atol=1e-5)


def test_a_card_has_words_and_facts(project, map_id):
    (row,) = maps.highlight(project, map_id, [4])
    card = maps.card(project, map_id, row)
    assert (card.ordinal, card.title, card.text, card.has_image) == (4, "Water 4", "about water word4", False)
    facts = dict(card.facts)
    assert facts["year"] == 1904 and 0 <= facts["trust"] <= 1 and isinstance(facts["cluster"], str)


def test_masks_are_filters(project, map_id):
    content, count = maps.mask(project, map_id, [Filter("year", ">=", 2000)], "water")
    expected = [1900 + n >= 2000 and n % 3 == 1 for n in range(COUNT)]
    assert by_ordinal(content).tolist() == expected and count == sum(expected)
    everything, count = maps.mask(project, map_id)
    assert count == COUNT and set(everything) == {1}
    with pytest.raises(BadInput):
        maps.mask(project, map_id, [Filter("nothing", "=", 1)])
    with pytest.raises(BadInput, match="of 3 documents"):
        maps.wire_mask(project, map_id, np.ones(3, bool))


# ── colours ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_category_bytes_cap_at_a_hundred():
    numbers = np.array([0, 99, 100, 5000, -1], np.int32)
    assert category_bytes(numbers).tolist() == [0, 99, OTHER, OTHER, MISSING]


def test_a_ramp_runs_from_its_low_to_its_high():
    colours, legend = ramp(np.array([0.0, 5, 10, np.nan, np.inf]), "x")
    assert colours.tolist() == [0, 126, TOP, MISSING, MISSING]
    assert (legend.low, legend.high, legend.missing, legend.clipped) == (0, 10, 2, 0)
    colours, legend = ramp(np.array([0.5, 2.0]), "x", (0, 1))
    assert colours.tolist() == [126, TOP] and legend.clipped == 1
    same, legend = ramp(np.full(3, 4.0), "x")
    assert same.tolist() == [0, 0, 0] and (legend.low, legend.high) == (4, 4)
    nothing, legend = ramp(np.array([np.nan]), "x")
    assert nothing.tolist() == [MISSING] and legend.missing == 1
    assert ramp(np.empty(0), "x")[0].size == 0


def test_a_long_tail_does_not_take_the_whole_ramp():
    values = np.append(np.linspace(0, 10, 999), 1e6)
    colours, legend = ramp(values, "x")
    assert legend.high < 11 and legend.clipped > 0 and colours[-1] == TOP
    assert colours[500] == pytest.approx(TOP / 2, abs=2)


def test_labels_keep_their_colours():
    assert dealt({}, ["a", "b"]) == ({"a": 0, "b": 1}, {"a": 0, "b": 1})
    assert dealt({"a": 0, "b": 1}, ["c", "b"]) == ({"b": 1, "c": 2}, {"c": 2})
    # All colours are taken by another version's labels: this version's own labels still differ.
    full = {f"old {n}": n for n in range(NAMED)}
    chosen, fresh = dealt(full, ["new 0", "old 0", "new 1"])
    assert chosen == {"old 0": 0, "new 0": 1, "new 1": 2} and fresh == {"new 0": 1, "new 1": 2}
    shared = {"x": 3, "y": 3}
    assert dealt(shared, ["x", "y"])[0] == {"x": 3, "y": 0}


def test_colours_are_the_projects_own(project):
    assert own_colours(project, "c/genre", ["rock", "jazz"]) == {"rock": 0, "jazz": 1}
    assert own_colours(project, "c/genre", ["jazz", "blues", "rock"]) == {"rock": 0, "jazz": 1, "blues": 2}
    assert own_colours(project, "other/genre", ["jazz"]) == {"jazz": 0}


COLUMNS = (
    {"kind": "b", "stars": 2, "good": True, "price": 1.5, "own": "x0"},
    {"kind": "a", "stars": 1, "good": False, "price": 9.5, "own": "x1"},
    {"kind": "a", "stars": 2, "good": True, "price": 5.5, "own": "x2"},
    {"stars": None, "own": "x3"},
)


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """(project, map) of 240 documents that repeat COLUMNS, with `own` different for each."""
    folder = tmp_path_factory.mktemp("coloured")
    project = Project.create(folder / "p")
    rows = [
        {"_id": f"d{n}", "text": "word " * (n % 5), **COLUMNS[n % 4], "title": "t", "own": f"value {n}", "n": n}
        for n in range(240)
    ]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_corpus(project, "c", folder / "c.jsonl")
    vectors = np.random.default_rng(1).standard_normal((240, 8)).astype(np.float16)
    vectors[10], vectors[20] = vectors[0], vectors[0]
    add_embedding(project, "c", vectors, "v")
    made = maps.make_map(project, "c", "v", replace(QUICK, clusters="none")).map
    yield project, made
    project.close()


def test_a_text_column_has_its_values_by_count_and_grey_where_there_is_none(coloured):
    content, legend = maps.colouring(*coloured, "column:kind")
    assert [(each.label, each.count, each.color) for each in legend.entries] == [
        ("a", 120, 0), ("b", 60, 1), ("no kind", 60, MISSING),
    ]  # fmt: skip
    assert by_ordinal(content)[:4].tolist() == [1, 0, 0, MISSING]
    assert legend.missing == 60 and legend.entries[0].value == "a"


def test_integers_with_few_values_and_booleans_are_classes(coloured):
    _, legend = maps.colouring(*coloured, "column:stars")
    assert [(each.label, each.count) for each in legend.entries] == [("2", 120), ("1", 60), ("no stars", 60)]
    content, legend = maps.colouring(*coloured, "column:good")
    assert [(each.label, each.count) for each in legend.entries] == [("yes", 120), ("no", 60), ("no good", 60)]
    assert by_ordinal(content)[:4].tolist() == [0, 1, 0, MISSING]


def test_numbers_are_a_ramp(coloured):
    content, legend = maps.colouring(*coloured, "column:price")
    assert (legend.kind, legend.low, legend.high, legend.missing) == ("ramp", 1.5, 9.5, 60)
    assert by_ordinal(content)[:4].tolist() == [0, TOP, round(TOP / 2), MISSING]
    _, legend = maps.colouring(*coloured, "column:n")
    assert legend.kind == "ramp" and (legend.low, legend.high) == (0, 239)


def test_a_column_of_one_member_categories_is_other(coloured):
    content, legend = maps.colouring(*coloured, "column:own")
    assert [(each.label, each.count, each.color) for each in legend.entries] == [("Other", 240, OTHER)]
    assert set(content) == {OTHER}


def test_frequent_values_among_many_are_named(tmp_path):
    project = Project.create(tmp_path / "p")
    values = ["often"] * 30 + ["twice", "twice"] + [f"once {n}" for n in range(150)]
    rows = [{"_id": str(n), "text": "t", "tag": value} for n, value in enumerate(values)]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_corpus(project, "c", tmp_path / "c.jsonl")
    add_embedding(project, "c", np.random.default_rng(0).standard_normal((182, 4)).astype(np.float16), "v")
    made = maps.make_map(project, "c", "v", QUICK).map
    _, legend = maps.colouring(project, made, "column:tag")
    assert [(each.label, each.count) for each in legend.entries] == [("often", 30), ("twice", 2), ("Other", 150)]
    project.close()


def test_the_list_of_colourings_and_each_of_them(coloured):
    found = {each.name: each for each in maps.colourings(*coloured)}
    assert found["column:kind"].kind == found["column:stars"].kind == "category"
    assert found["column:price"].kind == found["column:n"].kind == "ramp"
    assert {"cluster", "trust", "continuity", "outlierness", "hubs", "duplicates", "length"} <= set(found)
    assert "disagreement:kind" in found and "disagreement:price" not in found
    for each in found.values():
        content, legend = maps.colouring(*coloured, each.name)
        assert len(content) == 240 and legend.kind == each.kind
        if each.kind == "category":
            counts = np.bincount(np.frombuffer(content, np.uint8), minlength=256)
            assert {entry.color: entry.count for entry in legend.entries if entry.count} == {
                int(colour): int(counts[colour]) for colour in np.flatnonzero(counts)
            }


def test_lengths_duplicates_and_hubs_are_what_they_say(coloured):
    project, map_id = coloured
    content, legend = maps.colouring(project, map_id, "length")
    assert (legend.low, legend.high) == (1, 21)  # “t”, and “t” with four times “word ”
    content, legend = maps.colouring(project, map_id, "duplicates")
    assert np.flatnonzero(by_ordinal(content) == 0).tolist() == [0, 10, 20]
    assert (legend.entries[0].label, legend.entries[0].count) == ("Exact duplicates", 3)
    graph = open_map(find_map(project, map_id)).graph
    counts = np.bincount(graph.indices.ravel(), minlength=240)
    content, legend = maps.colouring(project, map_id, "hubs")
    assert by_ordinal(content).argmax() in np.flatnonzero(counts >= legend.high)


def test_disagreement_is_the_share_of_other_labels(coloured):
    project, map_id = coloured
    content, _ = maps.colouring(project, map_id, "disagreement:kind")
    kinds = [COLUMNS[n % 4].get("kind") for n in range(240)]
    for ordinal in (0, 1, 3):
        around = [kinds[each] for each, _ in maps.neighbours_of(project, map_id, ordinal) if kinds[each]]
        share = sum(each != kinds[ordinal] for each in around) / len(around)
        expected = MISSING if kinds[ordinal] is None else round(share * TOP)
        assert by_ordinal(content)[ordinal] == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    "name", ["", "nothing", "column:", "column:nothing", "disagreement:price", "agreement:nobody", "judgments:nobody"]
)
def test_colourings_the_browser_made_up_are_refused(coloured, name):
    with pytest.raises(NotFound):
        maps.colouring(*coloured, name)


def test_problems_are_lists_of_documents(coloured):
    project, map_id = coloured
    assert maps.problem(project, map_id, "near-duplicates").groups()[0].ordinals == [0, 10, 20]
    outliers = maps.problem(project, map_id, "outliers")
    values = open_map(find_map(project, map_id)).column("outlierness")
    assert outliers.groups()[0].ordinals == [int(np.argmax(values))]
    assert maps.problem(project, map_id, "label-disagreement:kind").count > 0
    for name in maps.problem_names(project, map_id):
        maps.problem(project, map_id, name)
    with pytest.raises(NotFound):
        maps.problem(project, map_id, "ghosts")
    with pytest.raises(BadInput):
        maps.problem(project, map_id, "near-duplicates", 1.5)


# ── clusters' names ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_clusters_are_named_by_their_words_and_by_people(project, map_id):
    labels = maps.cluster_labels(project, map_id)
    assert [each.size for each in labels] == sorted((each.size for each in labels), reverse=True)
    clusters = np.load(find_map(project, map_id).folder / "clusters.npy")
    assert [each.size for each in labels] == np.bincount(clusters).tolist()
    # Three planted topics, one cluster each.
    assert {each.name.split(" · ")[0] for each in labels} == {"music", "water", "bread"}
    assert all(abs(each.x) <= 1 and abs(each.y) <= 1 and not each.given for each in labels)
    first = labels[0]
    renamed = maps.rename_cluster(project, map_id, first.cluster, "  All that flows ")
    assert (renamed.name, renamed.given, renamed.machine_name) == ("All that flows", True, first.name)
    maps.rename_cluster(project, map_id, labels[1].cluster, "Second")
    assert [each.name for each in maps.cluster_labels(project, map_id)][:2] == ["All that flows", "Second"]
    assert maps.colouring(project, map_id, "cluster")[1].entries[first.cluster].label == "All that flows"
    # Back to a state that was kept before: the latest counts, not the first of its kind.
    assert maps.rename_cluster(project, map_id, first.cluster, "Streams").name == "Streams"
    assert maps.rename_cluster(project, map_id, first.cluster, "All that flows").name == "All that flows"
    assert maps.rename_cluster(project, map_id, first.cluster, "").name == first.name
    maps.rename_cluster(project, map_id, labels[1].cluster, "")
    assert not any(each.given for each in maps.cluster_labels(project, map_id))
    for wrong in (99, -1, True):
        with pytest.raises(NotFound):
            maps.rename_cluster(project, map_id, wrong, "x")
    with pytest.raises(BadInput):
        maps.rename_cluster(project, map_id, first.cluster, "x" * 200)


# ── queries and judgments ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_query_is_placed_between_its_nearest_documents(project):
    made = maps.make_map(project, "topics", "bm25", QUICK)
    info = maps.get_map(project, made.map)
    assert info.reduction.startswith("truncated SVD of") and info.metric == "cosine"
    assert any("inner product" in each for each in made.warnings)
    placed = maps.place_query(project, made.map, Content("water"))
    assert placed.approximate and placed.effective == "water"
    assert {ordinal % 3 for ordinal, _ in placed.neighbours} == {1}
    xy, _ = wire(project, made.map)
    near = xy[[ordinal for ordinal, _ in placed.neighbours]]
    low, high = near.min(axis=0) - 1e-6, near.max(axis=0) + 1e-6
    assert low[0] <= placed.x <= high[0] and low[1] <= placed.y <= high[1]
    content, legend = maps.score_colouring(project, made.map, Content("water"))
    greys = by_ordinal(content) == MISSING
    assert greys.tolist() == [n % 3 != 1 for n in range(COUNT)] and legend.missing == 200


def test_hits_light_up_with_their_ranks(project, map_id):
    spec = PipelineSpec((RetrieverSpec("bm25"),))
    found = maps.search_map(project, map_id, Content("word7 water"), spec, k=5)
    assert [hit.rank for hit in found.hits] == [1, 2, 3, 4, 5] and found.hits[0].ordinal == 7
    assert maps.ordinals_at(project, map_id, [hit.row for hit in found.hits]) == [hit.ordinal for hit in found.hits]
    # The planted vectors have no encoder: the hits are there, and it is said why the query is not.
    assert found.query is None and "ready-made" in found.told


def test_a_dense_query_is_scored_and_placed(tmp_path, tiny_model):
    project = planted_project(tmp_path, 40)
    encode_corpus(project, "topics", str(tiny_model))
    made = maps.make_map(project, "topics", "tiny", QUICK).map
    document = corpora.document(project.db, corpora.find(project.db, "topics"), 11)
    placed = maps.place_query(project, made, Content(document.content))
    assert placed.neighbours[0][0] == 11
    content, legend = maps.score_colouring(project, made, Content(document.content))
    assert by_ordinal(content)[11] == TOP and legend.high == pytest.approx(1, abs=1e-2)
    for query in (Content(""), Content("  ")):
        with pytest.raises(BadInput, match="empty"):
            maps.place_query(project, made, query)
    project.close()


def test_judged_documents_have_their_marks(project, map_id, tmp_path):
    (tmp_path / "q.jsonl").write_text('{"_id": "q1", "text": "water"}\n{"_id": "q2", "text": "bread"}\n')
    (tmp_path / "q.qrels").write_text("q1 0 d1 2\nq1 0 d4 0\nq1 0 gone 1\nq2 0 d2 1\n")
    import_queries(project, "marks", tmp_path / "q.jsonl", "topics", tmp_path / "q.qrels")
    with project.db.write() as connection:
        rows = connection.execute(sa.select(judgments)).mappings().all()
        base = {**next(row for row in rows if row["doc_id"] == "d4"), "label_set": "mine", "annotator": "me"}
        base.pop("id")
        hard = {**base, "doc_id": "d7", "relevance": None, "is_hard_negative": True}
        later = {**base, "doc_id": "d8", "relevance": None}
        for row in (hard, later, {**base, "doc_id": "d1", "relevance": 1}):
            connection.execute(sa.insert(judgments).values(**row))
    marks = maps.judged_marks(project, map_id, "marks", "q1")
    row = {n: maps.highlight(project, map_id, [n])[0] for n in (1, 4, 7)}
    assert (marks.positives, marks.negatives, marks.hard_negatives) == ([row[1]], [row[4]], [row[7]])
    assert marks.grades == {row[1]: 2} and marks.missing == 1
    content, legend = maps.colouring(project, map_id, "judgments:marks")
    expected = {1: 0, 2: 0, 7: 1, 4: 2}
    assert [by_ordinal(content)[n] for n in expected] == list(expected.values())
    assert [(each.label, each.count) for each in legend.entries] == [
        ("Relevant", 2), ("Hard negative", 1), ("Not relevant", 1), ("not judged", COUNT - 4),
    ]  # fmt: skip
    assert len(marks) == 3
    # What a miner proposed and nobody has looked at is no judgment.
    known = find(project.db, "marks")
    label_set = {"query_set_id": known.id, "name": "mined", "kind": "proposed", "spec": {}, "created_at": 0.0}
    mined = {**base, "doc_id": "d10", "is_hard_negative": True, "relevance": 0, "label_set": "mined"}
    with project.db.write() as connection:
        connection.execute(sa.insert(label_sets).values(**label_set))
        connection.execute(sa.insert(judgments).values(**mined))
    assert maps.judged_marks(project, map_id, "marks", "q1") == marks
    assert maps.colouring(project, map_id, "judgments:marks") == (content, legend)
    assert maps.judged_marks(project, map_id, "marks", "nobody") == maps.JudgedMarks()
    with pytest.raises(NotFound):
        maps.judged_marks(project, map_id, "nobody", "q1")


def test_judged_queries_are_found_by_their_words(project, map_id, tmp_path):
    rows = [("a1", "Water of life"), ("a2", " bread "), ("water", "100% stone"), ("a4", "water 100")]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps({"_id": id, "text": text}) + "\n" for id, text in rows))
    (tmp_path / "q.qrels").write_text("a1 0 d1 2\na1 0 d4 0\na2 0 d2 1\n")
    import_queries(project, "words", tmp_path / "q.jsonl", "topics", tmp_path / "q.qrels")
    (tmp_path / "r.jsonl").write_text('{"_id": "r1", "text": "bread"}\n')
    import_queries(project, "other", tmp_path / "r.jsonl", "topics")

    def found(words: str, limit: int = 20) -> list[tuple[str, int]]:
        return [
            (each.query_id, each.judged) for each in maps.queries_with_words(project, map_id, "words", words, limit)
        ]

    assert found("") == [("a1", 2), ("a2", 1), ("water", 0), ("a4", 0)] and found("", 2) == [("a1", 2), ("a2", 1)]
    assert found("WATER of") == [("a1", 2)] and found("100%") == [("water", 0)] and found("nothing") == []
    # The id goes first.
    assert found("water") == [("water", 0), ("a1", 2), ("a4", 0)]
    same = maps.queries_with_text(project, map_id, "bread ")
    assert [(each.query_set, each.judged) for each in same if each.query_set != "marks"] == [("words", 1), ("other", 0)]
    assert maps.queries_with_text(project, map_id, " ") == maps.queries_with_text(project, map_id, "brea") == []
    assert maps.known_query(project, map_id, "words", "a1").judged == 2
    assert {"words", "other"} <= set(maps.query_sets_of_map(project, map_id))
    for call in (("words", "a9"), ("nobody", "a1")):
        with pytest.raises(NotFound):
            maps.known_query(project, map_id, *call)


# ── two maps ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_map_agrees_with_itself(project, map_id):
    found = maps.agreement(project, map_id, map_id)
    assert found.mean == 1 and found.k == 15 and set(found.colours) == {TOP}
    np.testing.assert_allclose(found.displacement, 0, atol=1e-6)


def test_agreement_is_the_overlap_of_true_neighbours(project, made):
    _, a, b = made
    found = maps.agreement(project, a, b, 5)
    for ordinal in (0, 99, 250):
        first, second = ({each for each, _ in maps.neighbours_of(project, m, ordinal)[:5]} for m in (a, b))
        assert found.overlap[ordinal] == pytest.approx(len(first & second) / 5)
        assert by_ordinal(found.colours)[ordinal] == round(len(first & second) / 5 * TOP)
    assert found.mean == pytest.approx(found.overlap.mean())
    assert (found.legend.low, found.legend.high) == (0, 1)
    turned, _ = wire(project, a)
    assert (found.displacement >= 0).all() and found.displacement.shape == (COUNT,) and turned.shape == (COUNT, 2)


def test_what_moved_is_sorted_and_names_neighbours(project, made):
    _, a, b = made
    everything = maps.agreement(project, a, b)
    rows = maps.moved(project, a, b, 20)
    expected = np.lexsort((np.arange(COUNT), everything.overlap, -everything.displacement))[:20]
    assert [each.ordinal for each in rows] == expected.tolist()
    assert rows[0].displacement == pytest.approx(everything.displacement.max())
    first = rows[0]
    before, after = ([each for each, _ in maps.neighbours_of(project, m, first.ordinal)] for m in (a, b))
    assert first.lost == [each for each in before if each not in after]
    assert first.gained == [each for each in after if each not in before]
    lost = maps.moved(project, a, b, 20, "lost")
    assert [each.overlap for each in lost] == sorted(everything.overlap.tolist())[:20]
    ways = maps.displaced(project, a, b, 3)
    assert [each.rank_a for each in ways][:15] == list(range(1, 16))
    after = {each: rank for rank, (each, _) in enumerate(maps.neighbours_of(project, b, 3), 1)}
    assert all(each.rank_b == after.get(each.ordinal) for each in ways)


def test_maps_of_different_documents_are_not_compared(project, map_id, coloured, tmp_path):
    other = planted_project(tmp_path, 30)
    foreign = maps.make_map(other, "topics", "planted", QUICK).map
    with pytest.raises(NotFound):
        maps.agreement(project, map_id, foreign)
    import_corpus(project, "few", tmp_path / "topics.jsonl")
    add_embedding(project, "few", planted(30), "planted")
    few = maps.make_map(project, "few", "planted", QUICK).map
    with pytest.raises(BadInput, match="One map shows"):
        maps.agreement(project, map_id, few)
    with pytest.raises(BadInput, match="start from shows"):
        maps.make_map(project, "few", "planted", replace(QUICK, init=f"map:{map_id}"))
    for k in (0, 16):
        with pytest.raises(BadInput):
            maps.agreement(project, map_id, map_id, k)
    with pytest.raises(BadInput):
        maps.moved(project, map_id, map_id, 0)
    other.close()


def test_an_aligned_map_lies_upon_the_one_it_starts_from(project, made):
    _, a, b = made
    aligned = maps.make_map(project, "topics", "noise", replace(QUICK, init=f"map:{a}")).map
    assert aligned != b
    with pytest.raises(NotFound):
        maps.make_map(project, "topics", "noise", replace(QUICK, init="map:nobody"))
    # Not an input: deleting the first map must not take this one along.
    assert list(find_map(project, aligned).inputs) == [maps.get_map(project, b).embedding]


# ── what can go wrong ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("method", ["pca", "umap"])
def test_fewer_documents_than_neighbours(tmp_path, count, method):
    project = planted_project(tmp_path, count)
    report = maps.make_map(project, "topics", "planted", MapSpec(method=method))
    info = maps.get_map(project, report.map)
    assert info.points == count and info.neighbours == count - 1
    assert any(f"There are {count} documents" in each for each in report.warnings)
    xy, _ = wire(project, report.map)
    assert np.isfinite(xy).all()
    assert len(maps.neighbours_of(project, report.map, 0)) == count - 1
    for each in maps.colourings(project, report.map):
        assert len(maps.colouring(project, report.map, each.name)[0]) == count
    project.close()


def test_identical_vectors(tmp_path):
    project = planted_project(tmp_path, 40)
    add_embedding(project, "topics", np.ones((40, 4), np.float16), "same")
    made = maps.make_map(project, "topics", "same", MapSpec(method="pca")).map
    xy, _ = wire(project, made)
    np.testing.assert_array_equal(xy, np.zeros((40, 2)))
    assert maps.members(project, made, [[-1, -1], [1, 1]], "box").size == 40
    content, _ = maps.colouring(project, made, "duplicates")
    assert set(content) == {0}
    project.close()


def test_vectors_that_are_no_numbers_are_refused_and_leave_nothing(tmp_path):
    project = planted_project(tmp_path, 40)
    (artifact,) = project.artifacts.list("embedding")
    path = next(artifact.folder.glob("shard-*.values.npy"))
    broken = np.load(path)
    broken[3] = np.nan
    np.save(path, broken)
    with pytest.raises(BadInput, match="NaN"):
        maps.make_map(project, "topics", "planted", QUICK)
    assert not list((project.folder / "artifacts" / "map").glob("*"))
    project.close()


def test_a_map_says_when_its_corpus_has_changed(tmp_path):
    project = planted_project(tmp_path, 30)
    made = maps.make_map(project, "topics", "planted", QUICK).map
    assert maps.get_map(project, made).stale == ""
    changed = tmp_path / "topics.jsonl"
    changed.write_text(changed.read_text() + '{"_id": "new", "text": "new"}\n')
    import_corpus(project, "topics", changed)
    assert "version 2" in maps.get_map(project, made).stale
    # It still shows its own version, whole.
    assert [each.id for each in maps.list_maps(project, "topics")] == [made]
    assert maps.list_maps(project, "topics@2") == []
    assert len(maps.points(project, made)) == 270 and maps.mask(project, made, text="new")[1] == 0
    with pytest.raises(NotFound):
        maps.make_map(project, "topics", "planted", QUICK)
    project.close()


def test_a_map_outlives_its_embedding(tmp_path):
    project = planted_project(tmp_path, 30)
    encode_corpus(project, "topics", "bm25")
    made = maps.make_map(project, "topics", "bm25", QUICK).map
    project.artifacts.delete(maps.get_map(project, made).embedding)
    assert "were deleted" in maps.get_map(project, made).stale
    assert len(maps.points(project, made)) == 270 and len(maps.neighbours_of(project, made, 0)) == 15
    with pytest.raises(NotFound, match="were deleted"):
        maps.place_query(project, made, Content("water"))
    project.close()


def test_a_deleted_map_is_gone_with_its_names(tmp_path):
    project = planted_project(tmp_path, 30)
    made = maps.make_map(project, "topics", "planted", QUICK).map
    maps.rename_cluster(project, made, 0, "mine")
    maps.delete_map(project, made)
    for call in (maps.get_map, maps.points, maps.delete_map):
        with pytest.raises(NotFound):
            call(project, made)
    again = maps.make_map(project, "topics", "planted", QUICK).map
    assert again == made and not any(each.given for each in maps.cluster_labels(project, made))
    with pytest.raises(NotFound):
        maps.get_map(project, project.artifacts.list("embedding")[0].id)
    project.close()


def test_deleting_vectors_takes_their_maps_and_names_along(tmp_path):
    project = planted_project(tmp_path, 30)
    made = maps.make_map(project, "topics", "planted", QUICK).map
    maps.rename_cluster(project, made, 0, "mine")
    delete_artifact(project, maps.get_map(project, made).embedding)
    assert maps.list_maps(project) == [] and list_views(project, "map-labels") == []
    add_embedding(project, "topics", planted(30))
    maps.rename_cluster(project, maps.make_map(project, "topics", "planted", QUICK).map, 0, "mine")
    delete_corpus(project, "topics")
    assert list_views(project, "map-labels") == []
    project.close()


def test_problems_are_counted_once(tmp_path, monkeypatch):
    project = planted_project(tmp_path, 60)
    made = maps.make_map(project, "topics", "planted", QUICK).map
    counts = maps.problem_counts(project, made)
    assert list(counts) == maps.problem_names(project, made) and counts["outliers"] == 5
    assert {name: maps.problem(project, made, name).count for name in counts} == counts
    monkeypatch.setattr("workbench.workflows.map_measures.listed", lambda *_: pytest.fail("made twice"))
    assert maps.problem_counts(project, made) == counts
    with pytest.raises(pytest.fail.Exception, match="made twice"):
        maps.problem(project, made, "near-duplicates", 0.5)
    # Made again after it was deleted, it is another map.
    maps.delete_map(project, made)
    assert maps.make_map(project, "topics", "planted", QUICK).map == made
    with pytest.raises(pytest.fail.Exception, match="made twice"):
        maps.problem_counts(project, made)
    project.close()


def test_a_stopped_map_goes_on_where_it_was(tmp_path, monkeypatch):
    project = planted_project(tmp_path, 60)

    def stop(done: int, total: int) -> None:
        if done >= 800:
            raise Cancelled

    with pytest.raises(Cancelled):
        maps.make_map(project, "topics", "planted", QUICK, stop)
    (partial,) = (project.folder / "artifacts" / "map").glob("*.partial")
    assert (partial / "neighbours.npy").exists() and (partial / "xy.npy").exists() and maps.list_maps(project) == []
    monkeypatch.setattr("workbench.neighbourhoods.neighbour_graph", lambda *_: pytest.fail("searched twice"))
    monkeypatch.setattr("workbench.projections.project", lambda *_: pytest.fail("laid out twice"))
    told: list[tuple[int, int]] = []
    report = maps.make_map(project, "topics", "planted", QUICK, lambda done, total: told.append((done, total)))
    assert told == sorted(told) and told[-1] == (1000, 1000)
    assert not list(find_map(project, report.map).folder.glob("reduced*"))
    project.close()


def test_token_vectors_are_mapped_by_their_means(tmp_path, tiny_multi):
    project = planted_project(tmp_path, 30)
    encode_corpus(project, "topics", str(tiny_multi))
    (embedding,) = [each for each in project.artifacts.list("embedding") if each.manifest["output"] == "multi"]
    made = maps.make_map(project, "topics", embedding.name, QUICK).map
    info = maps.get_map(project, made)
    assert info.reduction.startswith("mean of each document's token vectors")
    placed = maps.place_query(project, made, Content("about water word4"))
    assert abs(placed.x) <= 1 and abs(placed.y) <= 1 and len(placed.neighbours) == 15
    assert {path.name for path in find_map(project, made).folder.iterdir()} == {
        "clusters.json", "clusters.npy", "continuity.npy", "distances.npy", "graph.json", "manifest.json",
        "neighbours.npy", "occurrences.npy", "order.npy", "outlierness.npy", "trust.npy", "xy.npy",
    }  # fmt: skip
    project.close()
