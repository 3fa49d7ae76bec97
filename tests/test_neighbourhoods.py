"""The neighbour graph against brute force in NumPy, and its statistics by hand."""

import numpy as np
import pytest
from map_fixtures import blobs, stored

from workbench.errors import BadInput, Cancelled
from workbench.neighbourhoods import (
    Graph,
    duplicate_groups,
    graphs,
    label_disagreement,
    nearest,
    neighbour_graph,
    neighbour_overlap,
    occurrences,
    outlierness,
)
from workbench.vectors import DenseVectors


def brute_force(rows: np.ndarray, metric: str) -> np.ndarray:
    """(n, n) distances in float64, infinite on the diagonal."""
    rows = rows.astype(np.float64)
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        distances = 1 - rows @ rows.T
    else:
        distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return distances


def graph_of(indices, distances=None) -> Graph:
    indices = np.asarray(indices, np.int32)
    given = np.ones(indices.shape) if distances is None else distances
    return Graph(indices, np.asarray(given, np.float32))


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_neighbours_equal_brute_force(tmp_path, metric):
    rows, _ = blobs(333)
    found = neighbour_graph(stored(tmp_path / "v", rows), 10, metric)
    truth = brute_force(rows, metric)
    best = np.sort(truth, axis=1)[:, :10]
    # float32: two documents whose distances differ by less than its rounding may stand in either order.
    assert np.abs(np.take_along_axis(truth, found.indices, 1) - best).max() < 1e-6
    assert np.abs(found.distances - best).max() < 1e-6
    assert all(len(set(row)) == 10 for row in found.indices.tolist())
    assert (found.method, found.recall, found.metric) == ("exact", 1.0, metric)
    assert (found.indices.dtype, found.distances.dtype) == (np.int32, np.float32)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_large_graphs_are_approximate_and_say_how_good(tmp_path, monkeypatch, metric):
    monkeypatch.setattr(graphs, "EXACT_UP_TO", 100)
    rows, _ = blobs(1500, centres=40)
    vectors = stored(tmp_path / "v", rows)
    found = neighbour_graph(vectors, 10, metric, seed=3)
    truth = np.argsort(brute_force(rows, metric), axis=1)[:, :10]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.indices, truth, strict=True)])
    assert recall >= 0.95
    assert found.recall == pytest.approx(recall, abs=0.02)
    assert found.method.startswith("HNSW16, efSearch ")
    assert (found.indices >= 0).all() and (found.indices != np.arange(1500)[:, None]).all()
    again = neighbour_graph(vectors, 10, metric, seed=3)
    assert np.array_equal(found.indices, again.indices) and np.array_equal(found.distances, again.distances)


def test_rows_that_the_graph_left_short_are_searched_exactly(tmp_path, monkeypatch):
    rows, _ = blobs(300)
    vectors = stored(tmp_path / "v", rows)
    search = graphs._search

    def lossy(index, queries, k, effort):
        ids = search(index, queries, k, effort)
        ids[::7, 3:] = -1
        return ids

    monkeypatch.setattr(graphs, "_search", lossy)
    assert np.array_equal(neighbour_graph(vectors, 10).indices, np.argsort(brute_force(rows, "cosine"), axis=1)[:, :10])


def test_fewer_documents_than_neighbours(tmp_path):
    rows, _ = blobs(4)
    found = neighbour_graph(stored(tmp_path / "four", rows), 15)
    assert found.indices.shape == (4, 3)
    assert [sorted([*row, own]) for own, row in enumerate(found.indices.tolist())] == [[0, 1, 2, 3]] * 4
    for count in (0, 1):
        (tmp_path / str(count)).mkdir()
        few = neighbour_graph(stored(tmp_path / str(count), rows[:count]), 15)
        assert few.indices.shape == (count, 0)
        assert outlierness(few).tolist() == [1.0] * count
        assert duplicate_groups(few, 0.1).tolist() == [-1] * count
        assert occurrences(few).tolist() == [0] * count


def test_identical_vectors_are_each_others_neighbours_in_ordinal_order(tmp_path):
    found = neighbour_graph(stored(tmp_path / "v", np.ones((6, 4))), 3)
    assert found.indices.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
    assert not found.distances.any()
    assert outlierness(found).tolist() == [1.0] * 6
    assert duplicate_groups(found, 1e-5).tolist() == [0] * 6


def test_near_duplicates_have_exact_distances(tmp_path):
    """Products in float32 would put 0.02 between these by l2, and noise of 1e-7 by cosine."""
    rows = np.full((40, 384), 50.0)
    rows[:, 0] += np.arange(40) * 1e-3
    truth = brute_force(rows.astype(np.float32), "l2")
    found = neighbour_graph(stored(tmp_path / "v", rows), 5, "l2")
    assert np.allclose(found.distances, np.take_along_axis(truth, found.indices, 1), rtol=1e-3, atol=1e-6)


def test_a_zero_vector_is_as_far_as_can_be_from_all(tmp_path):
    rows = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    found = neighbour_graph(stored(tmp_path / "v", rows), 2)
    assert found.indices[2].tolist() == [0, 1] and found.distances[2].tolist() == [1.0, 1.0]


def test_bad_vectors_and_metrics_are_refused(tmp_path):
    vectors = stored(tmp_path / "v", blobs(10)[0])
    vectors._parts[0] = np.array(vectors._parts[0])
    vectors._parts[0][3, 2] = np.nan
    with pytest.raises(BadInput, match="NaN"):
        neighbour_graph(vectors, 3)
    with pytest.raises(BadInput, match="hamming"):
        neighbour_graph(vectors, 3, "hamming")


def test_progress_counts_to_the_end_and_cancels(tmp_path):
    vectors = stored(tmp_path / "v", blobs(250)[0])
    seen = []
    neighbour_graph(vectors, 5, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[0] == (0, 500) and seen[-1] == (500, 500)

    def stop(done, total):
        if done >= 250:
            raise Cancelled

    with pytest.raises(Cancelled):
        neighbour_graph(vectors, 5, progress=stop)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_nearest_of_new_vectors(tmp_path, metric):
    rows, _ = blobs(120)
    queries = np.vstack([blobs(3, seed=9)[0], rows[17]])
    found = nearest(stored(tmp_path / "v", rows, shard=32), queries, 7, metric)
    truth = brute_force(np.vstack([queries, rows]), metric)[:4, 4:]
    assert np.array_equal(found.indices, np.argsort(truth, axis=1)[:, :7])
    assert np.allclose(found.distances, np.sort(truth, axis=1)[:, :7], atol=1e-5)
    assert found.indices[3, 0] == 17
    assert nearest(stored(tmp_path / "two", rows[:2]), queries, 7, metric).indices.shape == (4, 2)
    assert nearest(DenseVectors(tmp_path), np.empty((1, 0), np.float32), 7, metric).indices.shape == (1, 0)


def test_occurrences_by_hand():
    assert occurrences(graph_of([[1, 2], [2, 0], [1, 0], [1, 2]])).tolist() == [2, 3, 3, 0]


def test_outlierness_by_hand():
    # Mean distances: 1, 1, 1, 4. The last is four times as far as its neighbours; the first has it as a neighbour.
    graph = graph_of([[1, 3], [0, 2], [0, 1], [0, 1]], [[1, 1], [1, 1], [1, 1], [4, 4]])
    assert outlierness(graph).tolist() == pytest.approx([1 / 2.5, 1, 1, 4])


def test_duplicate_groups_by_hand():
    # 1–4 and 4–5 are near enough (by one side each), 2–3 too, 0 is alone.
    graph = graph_of([[1], [4], [3], [2], [5], [4]], [[0.2], [0.01], [0.05], [0.05], [0.1], [0.01]])
    assert duplicate_groups(graph, 0.05).tolist() == [-1, 0, 1, 1, 0, 0]
    assert duplicate_groups(graph, 0.01).tolist() == [-1, 0, -1, -1, 0, 0]
    assert duplicate_groups(graph, 0.001).tolist() == [-1] * 6


def test_label_disagreement_by_hand():
    graph = graph_of([[1, 2], [0, 3], [3, 3], [0, 1]])
    found = label_disagreement(graph, np.array([0, 1, 0, -1]))
    assert found[:2].tolist() == [0.5, 1.0]
    assert np.isnan(found[2]) and np.isnan(found[3])


def test_neighbour_overlap_by_hand():
    first, second = graph_of([[1, 2, 3], [0, 2, 3]]), graph_of([[3, 1, 0], [3, 2, 0]])
    assert neighbour_overlap(first, second, 3).tolist() == pytest.approx([2 / 3, 1])
    assert neighbour_overlap(first, second, 2).tolist() == pytest.approx([1 / 2, 1 / 2])
    assert neighbour_overlap(first, second, 99).tolist() == pytest.approx([2 / 3, 1])
    assert neighbour_overlap(first, second, 0).tolist() == [1, 1]
    with pytest.raises(BadInput, match="same corpus"):
        neighbour_overlap(first, graph_of([[1]]), 1)
