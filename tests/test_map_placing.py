"""Later documents placed into a map: what stays, what is computed anew, what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from map_fixtures import blobs, stored
from search_fixtures import add_embedding, planted, write_corpus

from workbench import corpora
from workbench.errors import BadInput, Cancelled, NotFound
from workbench.neighbourhoods import growing, grown_graph, nearest_among, neighbour_graph
from workbench.project import Project
from workbench.specs import MapSpec
from workbench.workflows import map as maps
from workbench.workflows.artifacts import delete_artifact
from workbench.workflows.corpus import import_corpus
from workbench.workflows.encode import encode_corpus
from workbench.workflows.map_data import find_map, open_map
from workbench.workflows.map_placing import majority, shared_documents

QUICK = MapSpec(method="pca", clusters="kmeans", cluster_count=3)
COUNT = 120


def later_corpus(path: Path) -> np.ndarray:
    """Version 2: d0 … d9 are gone, d50 says something else, 30 are new, one is a copy of d60; the vectors.

    It is in another order: the new ones come first.
    """
    old = [json.loads(line) for line in path.read_text().splitlines()]
    matrix = planted(COUNT)
    fresh = planted(COUNT + 31)[COUNT:]
    rows = [{"_id": f"n{n}", "title": f"New {n}", "text": f"later {n}", "year": 2000 + n} for n in range(30)]
    rows.append({**old[60], "_id": "copy"})
    rows += [{**each, "text": "something else"} if each["_id"] == "d50" else each for each in old[10:]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return np.vstack([fresh[:30], matrix[60:61], matrix[10:50], fresh[30:31], matrix[51:]])


@pytest.fixture
def grown(tmp_path) -> Iterator[tuple[Project, str]]:
    """(a project whose corpus has a later version that is encoded, the map of the first)."""
    project = Project.create(tmp_path / "p")
    path = write_corpus(tmp_path / "topics.jsonl", COUNT)
    import_corpus(project, "topics", path)
    add_embedding(project, "topics", planted(COUNT))
    made = maps.make_map(project, "topics", "planted", QUICK).map
    vectors = later_corpus(path)
    import_corpus(project, "topics", path)
    add_embedding(project, "topics", vectors)
    yield project, made
    project.close()


def test_shared_content_is_found_and_keeps_its_place(grown):
    project, old = grown
    came = shared_documents(project, corpora.find(project.db, "topics@1"), corpora.find(project.db, "topics@2"))
    expected = [-1] * 30 + [60] + list(range(10, 50)) + [-1] + list(range(51, COUNT))
    assert came.tolist() == expected
    report = maps.place_map(project, "topics", "planted", old)
    assert (report.points, report.placed) == (141, 31)
    before, after = open_map(find_map(project, old)), open_map(find_map(project, report.map))
    np.testing.assert_array_equal(after.xy[came >= 0], before.xy[came[came >= 0]])
    np.testing.assert_array_equal(after.placed, came < 0)
    kept, there = np.asarray(after.column("clusters")), np.asarray(before.column("clusters"))
    np.testing.assert_array_equal(kept[came >= 0], there[came[came >= 0]])
    info = maps.get_map(project, report.map)
    assert info.placed == 31 and info.into == old and info.stale == "" and info.corpus == "topics@2"
    assert info.manifest["placed"] == {
        "into": old, "corpus": "topics@1", "count": 31, "new": 31, "kept": 110, "gone": 11,
    }  # fmt: skip
    assert maps.get_map(project, old).stale and maps.get_map(project, old).placed == 0


def test_new_documents_lie_among_their_neighbours(grown):
    project, old = grown
    report = maps.place_map(project, "topics", "planted", old)
    after = open_map(find_map(project, report.map))
    # The new ones have topic (n + COUNT) % 3 by their vectors: each lies within its topic, in its cluster.
    topic = np.r_[np.arange(30) % 3, 60 % 3, np.arange(10, 50) % 3, (COUNT + 30) % 3, np.arange(51, COUNT) % 3]
    centres = np.stack([after.xy[31:][topic[31:] == each].mean(axis=0) for each in range(3)])
    nearest = np.linalg.norm(after.xy[:30, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == topic[:30]).mean() > 0.9
    clusters = np.asarray(after.column("clusters"))
    usual = [np.bincount(clusters[31:][topic[31:] == each]).argmax() for each in range(3)]
    assert (clusters[:30] == np.array(usual)[topic[:30]]).mean() > 0.9


def test_neighbours_measures_and_counts_are_of_the_new_set(grown):
    project, old = grown
    report = maps.place_map(project, "topics", "planted", old)
    fresh = maps.make_map(project, "topics", "planted", QUICK)
    mine, other = (open_map(find_map(project, each)) for each in (report.map, fresh.map))
    np.testing.assert_allclose(mine.graph.distances, other.graph.distances, atol=1e-6)
    same = (mine.graph.indices == other.graph.indices).mean()
    assert same > 0.99  # but for ties
    for name in ("occurrences", "outlierness"):
        np.testing.assert_allclose(mine.column(name), other.column(name), atol=1)
    sizes = {each.cluster: each.size for each in maps.cluster_labels(project, report.map)}
    assert sum(sizes.values()) == 141 and len(sizes) == 3
    assert 0.5 < report.trustworthiness <= 1 and report.k == 15
    # Every other part of the page works on it.
    assert len(maps.points(project, report.map)) == 9 * 141
    for each in maps.colourings(project, report.map):
        assert len(maps.colouring(project, report.map, each.name)[0]) == 141
    assert maps.agreement(project, report.map, fresh.map).mean > 0.99


def test_placed_documents_are_marked(grown):
    project, old = grown
    report = maps.place_map(project, "topics", "planted", old)
    content, legend = maps.colouring(project, report.map, "placed")
    assert [(each.label, each.count) for each in legend.entries] == [
        ("Placed approximately", 31), ("Laid out", 110),
    ]  # fmt: skip
    colours = np.empty(141, np.uint8)
    colours[open_map(find_map(project, report.map)).order] = np.frombuffer(content, np.uint8)
    assert np.flatnonzero(colours == 0).tolist() == [*range(30), 71]
    new, laid = (maps.highlight(project, report.map, [each])[0] for each in (0, 40))
    assert ("place", "approximate") in maps.card(project, report.map, new).facts
    assert not [1 for name, _ in maps.card(project, report.map, laid).facts if name == "place"]
    assert "placed" not in [each.name for each in maps.colourings(project, old)]


def test_again_is_a_no_op_and_names_go_along(grown):
    project, old = grown
    maps.rename_cluster(project, old, 1, "my own")
    first = maps.place_map(project, "topics", "planted", old)
    assert {each.cluster: each.name for each in maps.cluster_labels(project, first.map)}[1] == "my own"
    maps.rename_cluster(project, first.map, 1, "")
    again = maps.place_map(project, "topics", "planted", old, lambda *_: pytest.fail("worked"))
    assert again.map == first.map and not any(each.given for each in maps.cluster_labels(project, first.map))
    # It stands by itself: the old map and its vectors may go.
    delete_artifact(project, maps.get_map(project, old).embedding)
    assert len(maps.points(project, first.map)) == 9 * 141 and maps.get_map(project, first.map).into == old
    with pytest.raises(NotFound):
        maps.get_map(project, old)


def test_a_placed_map_takes_later_documents_too(grown, tmp_path):
    project, old = grown
    second = maps.place_map(project, "topics", "planted", old).map
    path = tmp_path / "topics.jsonl"
    path.write_text(path.read_text() + '{"_id": "last", "title": "Last", "text": "the last"}\n')
    import_corpus(project, "topics", path)
    vectors = np.vstack([np.load(each) for each in sorted(newest(project).glob("*.values.npy"))])
    add_embedding(project, "topics", np.vstack([vectors, planted(1)]))
    third = maps.place_map(project, "topics", "planted", second)
    assert (third.points, third.placed) == (142, 32)
    before, after = open_map(find_map(project, second)), open_map(find_map(project, third.map))
    np.testing.assert_array_equal(after.xy[:141], before.xy)


def newest(project: Project) -> Path:
    return project.artifacts.list("embedding", name="planted")[0].folder


def test_another_corpus_of_the_same_encoder(grown, tmp_path):
    project, old = grown
    path = tmp_path / "others.jsonl"
    path.write_text("".join(json.dumps({"_id": f"x{n}", "text": f"else {n}"}) + "\n" for n in range(20)))
    import_corpus(project, "others", path)
    add_embedding(project, "others", planted(20))
    report = maps.place_map(project, "others", "planted", old)
    assert (report.points, report.placed) == (20, 20)
    # Their vectors are those of the first documents on the map, so they lie on them.
    before, after = open_map(find_map(project, old)), open_map(find_map(project, report.map))
    np.testing.assert_allclose(after.xy, before.xy[:20], atol=1e-6)
    assert [each.id for each in maps.list_maps(project, "others")] == [report.map]


def test_what_cannot_be_placed_is_refused(grown, tmp_path):
    project, old = grown
    with pytest.raises(BadInput, match="shows “topics@1” already"):
        maps.place_map(project, "topics@1", "planted", old)
    with pytest.raises(NotFound):
        maps.place_map(project, "topics", "nobody", old)
    encode_corpus(project, "topics@1", "bm25")
    encode_corpus(project, "topics", "bm25")
    sparse = maps.make_map(project, "topics@1", "bm25", QUICK).map
    with pytest.raises(BadInput, match="fitted to its own documents"):
        maps.place_map(project, "topics", "bm25", sparse)
    with pytest.raises(NotFound):
        maps.place_map(project, "topics", "planted", "nothing")
    project.artifacts.delete(maps.get_map(project, old).embedding)
    with pytest.raises(NotFound, match="were deleted"):
        maps.place_map(project, "topics", "planted", old)
    assert not list((project.folder / "artifacts" / "map").glob("*.partial"))


def test_an_encoder_with_other_settings_is_another_space(grown):
    project, old = grown
    info = corpora.find(project.db, "topics")
    draft = project.artifacts.begin(
        "embedding", "planted", {"name": "planted", "encoder": {"pooling": "cls"}}, [info.fingerprint], info.id
    )
    draft.folder.joinpath("x").write_text("")
    draft.commit({"output": "dense", "vectors": 141, "dim": 16, "similarity": "cosine", "warnings": []})
    with pytest.raises(BadInput, match="did not make its vectors as"):
        maps.place_map(project, "topics", "planted", old)


def test_a_stopped_placing_goes_on(grown, monkeypatch):
    project, old = grown

    def stop(done: int, total: int) -> None:
        if done >= 800:
            raise Cancelled

    with pytest.raises(Cancelled):
        maps.place_map(project, "topics", "planted", old, stop)
    monkeypatch.setattr("workbench.neighbourhoods.nearest_among", lambda *_: pytest.fail("placed twice"))
    monkeypatch.setattr("workbench.neighbourhoods.grown_graph", lambda *_: pytest.fail("searched twice"))
    told: list[tuple[int, int]] = []
    report = maps.place_map(project, "topics", "planted", old, lambda *given: told.append(given))
    assert told == sorted(told) and told[-1] == (1000, 1000) and report.placed == 31


def test_token_vectors_are_placed_by_their_means(tmp_path, tiny_multi):
    project = Project.create(tmp_path / "p")
    path = write_corpus(tmp_path / "topics.jsonl", 30)
    import_corpus(project, "topics", path)
    encode_corpus(project, "topics", str(tiny_multi))
    (embedding,) = project.artifacts.list("embedding")
    old = maps.make_map(project, "topics", embedding.name, QUICK).map
    path.write_text(path.read_text() + '{"_id": "new", "title": "Water 1", "text": "about water word1"}\n')
    import_corpus(project, "topics", path)
    encode_corpus(project, "topics", str(tiny_multi))
    report = maps.place_map(project, "topics", embedding.name, old)
    # The last has d1's words: it shares its content, so nothing is placed.
    assert report.points == 31 and report.placed == 0
    xy = open_map(find_map(project, report.map)).xy
    np.testing.assert_array_equal(xy[30], xy[1])
    assert not list(find_map(project, report.map).folder.glob("reduced*"))
    project.close()


# ── the neighbours ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_nearest_among_equals_a_plain_search(tmp_path, metric, monkeypatch):
    monkeypatch.setattr(growing, "BLOCK", 64)
    monkeypatch.setattr(growing.graphs, "ROWS", 32)
    rows = blobs(400)[0]
    base, later = stored(tmp_path / "a", rows[:300]), stored(tmp_path / "b", rows[300:])
    asking = np.arange(5, 95)
    found = nearest_among(base, (later, asking), 7, metric)
    wide = rows.astype(np.float64)
    if metric == "cosine":
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
        truth = 1 - wide[300:][asking] @ wide[:300].T
    else:
        truth = np.linalg.norm(wide[300:][asking][:, None] - wide[None, :300], axis=2)
    order = np.argsort(truth, axis=1, kind="stable")[:, :7]
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_allclose(found.distances, np.take_along_axis(truth, order, 1), atol=1e-5)
    few = nearest_among(base, (later, np.arange(0)), 7, metric)
    assert few.indices.shape == (0, 7)


def test_many_are_searched_by_a_graph_whose_recall_is_measured(tmp_path, monkeypatch):
    rows = blobs(600)[0]
    base, later = stored(tmp_path / "a", rows[:500]), stored(tmp_path / "b", rows[500:])
    exact = nearest_among(base, (later, np.arange(100)), 5)
    monkeypatch.setattr(growing, "MOST_PAIRS", 10)
    monkeypatch.setattr(growing.graphs, "EXACT_UP_TO", 10)
    found = nearest_among(base, (later, np.arange(100)), 5)
    assert found.method.startswith("HNSW") and found.recall >= 0.95
    assert (found.indices == exact.indices).mean() > 0.95


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_a_grown_graph_equals_a_fresh_one(tmp_path, metric, monkeypatch):
    rows = blobs(300)[0]
    old = neighbour_graph(stored(tmp_path / "a", rows[:250]), 8, metric)
    # 5 … 249 stay, in another order; 30 stands there twice; 40 are new.
    came = np.r_[np.random.default_rng(1).permutation(np.arange(5, 250)), 30, np.full(40, -1)]
    matrix = np.vstack([rows[came[:246]], rows[250:290]])
    newer = stored(tmp_path / "b", matrix)
    fresh = neighbour_graph(newer, 8, metric)
    monkeypatch.setattr(growing.graphs, "neighbour_graph", lambda *_: pytest.fail("searched afresh"))
    told: list[tuple[int, int]] = []
    found = grown_graph(newer, old, came, 8, progress=lambda *given: told.append(given))
    np.testing.assert_allclose(found.distances, fresh.distances, atol=1e-5)
    assert (found.indices == fresh.indices).all(axis=1).mean() > 0.98
    assert told == sorted(told) and told[-1][0] == told[-1][1]
    assert (found.indices != np.arange(286)[:, None]).all()


def test_a_graph_of_mostly_new_documents_is_searched_afresh(tmp_path):
    rows = blobs(100)[0]
    old = neighbour_graph(stored(tmp_path / "a", rows[:10]), 15)
    newer = stored(tmp_path / "b", rows)
    found = grown_graph(newer, old, np.r_[np.arange(10), np.full(90, -1)], 15)
    np.testing.assert_array_equal(found.indices, neighbour_graph(newer, 15).indices)


def test_majority_takes_the_first_of_equals():
    labels = np.array([[2, 1, 1], [0, 1, 2], [-1, -1, 3], [4, 5, 5]])
    assert majority(labels).tolist() == [1, 0, -1, 5]


# ── the command line ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_job_and_the_command_line_place(grown, tmp_path):
    import subprocess
    import sys

    project, old = grown
    command = [
        sys.executable,
        "-m",
        "workbench",
        "--project",
        str(project.folder),
        "--json",
        "map",
        "topics",
        "planted",
    ]
    root = Path(__file__).parents[1]
    done = subprocess.run([*command, "--place-into", old], cwd=root, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["points"], answer["placed"]) == (141, 31) and answer["map"] != old and answer["seconds"] >= 0
    assert maps.get_map(project, answer["map"]).into == old
    wrong = subprocess.run([*command, "--place-into", "nothing"], cwd=root, capture_output=True, text=True, timeout=180)
    assert wrong.returncode == 1 and "no map" in wrong.stderr and "Traceback" not in wrong.stderr
