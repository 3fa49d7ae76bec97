"""Maps against scikit-learn, umap-learn and hand-made examples."""

import numpy as np
import pytest
import scipy.spatial
from map_fixtures import blobs, stored
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from workbench.errors import BadInput, Cancelled
from workbench.neighbourhoods import Graph, nearest, neighbour_graph
from workbench.projections import (
    disparity,
    honesty,
    measure_honesty,
    pca,
    place,
    procrustes,
    project,
    projecting,
    trustworthiness,
)
from workbench.projections.kernel import move_points
from workbench.projections.memberships import curve, memberships
from workbench.specs import MapSpec
from workbench.vectors import DenseVectors

QUICK = MapSpec(epochs=60)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """(vectors, rows, which blob, graph) of 400 documents in 5 blobs."""
    rows, owners = blobs(400)
    vectors = stored(tmp_path_factory.mktemp("v") / "v", rows)
    return vectors, rows, owners, neighbour_graph(vectors, 15)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("k", [1, 5, 12])
def test_trustworthiness_and_continuity_equal_scikit_learn(tmp_path, metric, k):
    rows, _ = blobs(150, seed=3)
    vectors = stored(tmp_path / "v", rows)
    xy = rows[:, :2].copy()
    graph = neighbour_graph(vectors, 12, metric)
    found = measure_honesty(vectors, graph, xy, k)
    name = "cosine" if metric == "cosine" else "euclidean"
    wide = rows.astype(np.float64)
    assert found.trustworthiness == pytest.approx(
        sklearn_trustworthiness(wide, xy.astype(np.float64), n_neighbors=k, metric=name), abs=1e-9
    )
    if metric == "l2":  # continuity is the trustworthiness of the vectors as a picture of the map
        assert found.mean_continuity == pytest.approx(
            sklearn_trustworthiness(xy.astype(np.float64), wide, n_neighbors=k), abs=1e-9
        )
    assert found.trust.mean() == pytest.approx(found.trustworthiness, abs=1e-6)
    assert (found.k, found.sampled, found.trust.shape, found.continuity.dtype) == (k, 0, (150,), np.float32)
    assert trustworthiness(vectors, graph, xy, k) == found.trustworthiness


def test_trust_of_one_point_by_hand(tmp_path):
    """Six points on a line; the map exchanges the first and the last."""
    line = np.arange(6, dtype=np.float32)[:, None] ** 1.5
    shown = np.hstack([line, np.zeros((6, 1))]).astype(np.float32)
    shown[[0, 5]] = shown[[5, 0]]
    vectors = stored(tmp_path / "v", line)
    found = measure_honesty(vectors, neighbour_graph(vectors, 1, "l2"), shown, 1)
    # k = 1, n = 6: 2 / (1 · (12 − 3 − 1)) = 1/4 for each rank above 1. Document 0 lies next to 4, its fourth nearest;
    # 5 next to 1, its fourth nearest; 1's nearest on the map is 2, its second nearest; 2, 3, 4 keep theirs.
    order = np.abs(line - line.T)
    near = [
        int(np.argsort(np.where(np.arange(6) == i, np.inf, np.abs(shown[:, 0] - shown[i, 0])))[0]) for i in range(6)
    ]
    ranks = [int((order[i] < order[i, near[i]]).sum()) for i in range(6)]
    assert near[0] == 4 and near[5] == 1
    assert found.trust.tolist() == pytest.approx([1 - max(0, rank - 1) / 4 for rank in ranks])
    assert found.trust[0] == pytest.approx(0.25)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_above_the_exact_size_honesty_is_estimated(planted, monkeypatch, metric):
    vectors, rows, _, _ = planted
    graph = neighbour_graph(vectors, 15, metric)
    xy = (rows[:, :2] + 0.4 * rows[:, 2:4]).copy()
    exact = measure_honesty(vectors, graph, xy, 10)
    monkeypatch.setattr(honesty, "EXACT", 100)
    monkeypatch.setattr(honesty, "MARKS", 100)
    sampled = measure_honesty(vectors, graph, xy, 10)
    assert sampled.sampled == 100
    assert sampled.trustworthiness == pytest.approx(exact.trustworthiness, abs=0.01)
    assert sampled.mean_continuity == pytest.approx(exact.mean_continuity, abs=0.01)
    assert np.corrcoef(sampled.trust, exact.trust)[0, 1] > 0.95
    assert np.corrcoef(sampled.continuity, exact.continuity)[0, 1] > 0.95
    again = measure_honesty(vectors, graph, xy, 10)
    assert np.array_equal(sampled.trust, again.trust)


def test_a_map_of_the_plane_itself_is_fully_trusted(tmp_path):
    rows = np.random.default_rng(0).standard_normal((80, 2)).astype(np.float32)
    vectors = stored(tmp_path / "v", rows)
    found = measure_honesty(vectors, neighbour_graph(vectors, 8, "l2"), rows, 8)
    assert found.trust.tolist() == [1.0] * 80 and found.continuity.tolist() == [1.0] * 80


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("method", ["umap", "pca"])
def test_few_documents(tmp_path, count, method):
    (tmp_path / "v").mkdir()
    vectors = stored(tmp_path / "v", blobs(9)[0][:count])
    graph = neighbour_graph(vectors, 15)
    xy = project(vectors, graph, MapSpec(method=method, epochs=20))
    assert xy.shape == (count, 2) and xy.dtype == np.float32 and np.isfinite(xy).all()
    found = measure_honesty(vectors, graph, xy)
    assert found.trust.shape == (count,) and found.k == max(0, (count - 1) // 2)
    if count < 3:
        assert found.trustworthiness == 1.0


def test_identical_vectors_are_a_cloud_or_a_spot(tmp_path):
    vectors = stored(tmp_path / "v", np.ones((60, 8)))
    graph = neighbour_graph(vectors, 15)
    cloud = project(vectors, graph, QUICK)
    assert np.isfinite(cloud).all() and len(np.unique(cloud, axis=0)) == 60
    spot = project(vectors, graph, MapSpec(method="pca"))
    assert np.ptp(spot) < 1e-5
    assert measure_honesty(vectors, graph, cloud).trustworthiness == 1.0
    assert measure_honesty(vectors, graph, spot).trustworthiness == 1.0


def test_umap_keeps_neighbours_and_clusters_together(planted):
    """umap-learn with the same settings reaches 0.96 here; it would compile for eight seconds to say so each time."""
    vectors, rows, owners, graph = planted
    xy = project(vectors, graph, MapSpec())
    assert sklearn_trustworthiness(rows, xy, n_neighbors=15, metric="cosine") > 0.95
    nearest_on_map = scipy.spatial.cKDTree(xy).query(xy, k=6)[1][:, 1:]
    assert (owners[nearest_on_map] == owners[:, None]).mean() > 0.99


@pytest.mark.parametrize("duplicates", [0, 40])
def test_memberships_equal_umap_learn(tmp_path, duplicates):
    from umap.umap_ import fuzzy_simplicial_set

    rows, _ = blobs(200)
    rows[:duplicates] = rows[0]
    graph = neighbour_graph(stored(tmp_path / "v", rows), 9)
    own = np.arange(200)[:, None]
    ids, distances = np.hstack([own, graph.indices]), np.hstack([0 * own, graph.distances]).astype(np.float32)
    peer = fuzzy_simplicial_set(rows, 10, None, "cosine", knn_indices=ids, knn_dists=distances)[0]
    ours = memberships(graph)
    assert np.allclose(ours.toarray(), peer.toarray(), atol=1e-4)
    assert (ours != ours.T).nnz == 0


@pytest.mark.parametrize("min_dist", [0.0, 0.1, 0.9])
def test_the_curve_equals_umap_learn(min_dist):
    from umap.umap_ import find_ab_params

    assert curve(min_dist) == pytest.approx(find_ab_params(1.0, min_dist), rel=1e-5)


def test_the_same_seed_gives_the_same_map_with_any_number_of_threads(planted):
    import numba

    vectors, _, _, graph = planted
    first = project(vectors, graph, QUICK)
    most = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        second = project(vectors, graph, QUICK)
    finally:
        numba.set_num_threads(most)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, project(vectors, graph, MapSpec(epochs=60, seed=1)))


def test_one_step_of_the_optimiser_by_hand():
    """Two points 2 apart, a = b = 1, no negatives: each moves by 4·d / (1 + d²) · 0.1 · towards the other."""
    before, after = np.array([[0, 0], [2, 0]], np.float32), np.empty((2, 2), np.float32)
    edges = (np.array([0, 1, 2], np.int32), np.array([1, 0], np.int32), np.ones(2, np.float32))
    one = np.float32(1)
    move_points(before, after, edges, (one, one), (0, np.float32(0.1)), 0, 0)
    assert after.tolist() == [pytest.approx([0.16, 0]), pytest.approx([1.84, 0])]
    assert before.tolist() == [[0, 0], [2, 0]]


def test_an_edge_takes_part_as_often_as_its_rate_says():
    spots = np.array([[0, 0], [2, 0]], np.float32)
    edges = (np.array([0, 1, 2], np.int32), np.array([1, 0], np.int32), np.array([0.3, 1.0], np.float32))
    moved = np.zeros(2)
    for epoch in range(10):
        after = np.empty((2, 2), np.float32)
        move_points(spots, after, edges, (np.float32(1), np.float32(1)), (epoch, np.float32(0.1)), 0, 0)
        moved += (after != spots).any(axis=1)
    assert moved.tolist() == [3, 10]


def test_negatives_push_apart():
    random = np.random.default_rng(0)
    before, after = random.standard_normal((50, 2)).astype(np.float32), np.empty((50, 2), np.float32)
    loop = np.arange(50, dtype=np.int32)  # edges to themselves pull nowhere
    edges = (np.arange(51, dtype=np.int32), loop, np.ones(50, np.float32))
    move_points(before, after, edges, (np.float32(1), np.float32(1)), (0, np.float32(0.1)), 5, 0)
    assert scipy.spatial.distance.pdist(after).mean() > 1.05 * scipy.spatial.distance.pdist(before).mean()
    move_points(before, after, edges, (np.float32(1), np.float32(1)), (0, np.float32(0.1)), 0, 0)
    assert np.array_equal(before, after)


def test_progress_goes_up_by_epochs_and_cancels_between_them(planted):
    vectors, _, _, graph = planted
    seen = []
    project(vectors, graph, QUICK, lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1] == (65, 65) and len(seen) >= 60

    def stop(done, total):
        if done >= 10:
            raise Cancelled

    with pytest.raises(Cancelled):
        project(vectors, graph, QUICK, stop)
    assert not projecting.ONE_AT_A_TIME.locked()


def test_spectral_start(planted):
    vectors, _, _, graph = planted
    xy = project(vectors, graph, MapSpec(init="spectral", epochs=60))
    assert np.isfinite(xy).all() and trustworthiness(vectors, graph, xy) > 0.9


@pytest.mark.parametrize("until", [2, 5])
def test_a_spectral_start_is_cancelled_before_and_after(planted, monkeypatch, until):
    vectors, _, _, graph = planted
    ran = []
    monkeypatch.setattr(
        "workbench.projections.projecting._start",
        lambda vectors, *_: ran.append(1) or np.zeros((len(vectors), 2), np.float32),
    )

    def stop(done: int, total: int) -> None:
        if done >= until:
            raise Cancelled

    with pytest.raises(Cancelled):
        project(vectors, graph, MapSpec(init="spectral", epochs=5), stop)
    assert ran == [1][: until > 2]


def test_a_map_that_starts_from_another_lies_upon_it(planted):
    vectors, _, _, graph = planted
    first = project(vectors, graph, QUICK)
    aligned = project(vectors, graph, MapSpec(init="map:abc", epochs=60, seed=5), init=first)
    afresh = project(vectors, graph, MapSpec(epochs=60, seed=5))
    assert np.linalg.norm(aligned - first, axis=1).mean() < np.linalg.norm(afresh - first, axis=1).mean() + 1e-3
    assert disparity(first, aligned) < 0.1
    with pytest.raises(BadInput, match="positions"):
        project(vectors, graph, MapSpec(init="map:abc"))
    with pytest.raises(BadInput, match="another corpus"):
        project(vectors, graph, MapSpec(init="map:abc"), init=first[:5])
    with pytest.raises(BadInput, match="another corpus"):
        measure_honesty(vectors, graph, first[:5])


def test_pca_equals_scikit_learn(planted):
    vectors, rows, _, _ = planted
    for metric, wanted in (("l2", rows), ("cosine", rows / np.linalg.norm(rows, axis=1, keepdims=True))):
        peer = PCA(2, svd_solver="full").fit(wanted.astype(np.float64))
        signs = np.sign(peer.components_[np.arange(2), np.abs(peer.components_).argmax(axis=1)])
        assert np.allclose(pca(vectors, metric), peer.transform(wanted) * signs, atol=1e-3)
    assert np.corrcoef(pca(vectors, "l2", 0, 200)[:, 0], pca(vectors, "l2")[:, 0])[0, 1] > 0.99


def test_pca_of_one_dimension(tmp_path):
    found = pca(stored(tmp_path / "v", np.array([[1.0], [3.0], [5.0]])), "l2")
    assert found.tolist() == [[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]
    assert pca(DenseVectors(tmp_path)).shape == (0, 2)


def test_procrustes_by_hand():
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], np.float32)
    turned = np.array([[5, 5], [5, 6], [4, 6], [4, 5]], np.float32)  # by 90°, half as large, shifted
    assert np.allclose(procrustes(square, turned), square, atol=1e-6)
    mirrored = square * np.array([-3, 3], np.float32)
    assert np.allclose(procrustes(square, mirrored), square, atol=1e-6)
    assert disparity(square, turned) == pytest.approx(0, abs=1e-9)
    assert procrustes(square, np.ones((4, 2), np.float32)).tolist() == [[1, 1]] * 4
    assert disparity(square, np.ones((4, 2), np.float32)) == 1.0
    with pytest.raises(BadInput, match="same corpus"):
        procrustes(square, turned[:3])
    assert procrustes(square[:0], turned[:0]).shape == (0, 2) and disparity(square[:0], turned[:0]) == 0.0


def test_procrustes_equals_scipy():
    random = np.random.default_rng(2)
    a, b = (random.standard_normal((30, 2)).astype(np.float32) for _ in range(2))
    assert disparity(a, b) == pytest.approx(scipy.spatial.procrustes(a, b)[2], abs=1e-5)


def test_a_document_placed_again_lands_on_itself_and_a_near_one_beside_it(planted):
    vectors, rows, owners, graph = planted
    xy = project(vectors, graph, QUICK)
    again = place(nearest(vectors, rows, 15), xy)
    # Products in float32 leave 1e-7 between a vector and itself.
    assert np.allclose(again, xy, atol=1e-3)
    others = place(graph, xy)  # from its neighbours alone
    away = np.linalg.norm(others - xy, axis=1)
    assert np.median(away) < 0.1 * np.ptp(xy, axis=0).max()
    centres = np.stack([xy[owners == each].mean(axis=0) for each in range(5)])
    landed = np.linalg.norm(others[:, None] - centres, axis=2).argmin(axis=1)
    assert (landed == owners).mean() > 0.99


def test_place_by_hand():
    xy = np.array([[0, 0], [1, 0], [0, 1], [100, 100]], np.float32)
    near = Graph(np.array([[0, 1, 2, 3]], np.int32), np.array([[0.2, 0.2, 0.2, 0.21]], np.float32))
    ((x, y),) = place(near, xy).tolist()
    assert 0 <= x < 1.5 and 0 <= y < 1.5  # the mean would lie at (25, 25), where nothing is
    same = Graph(np.array([[3, 0]], np.int32), np.array([[0.0, 0.5]], np.float32))
    assert place(same, xy).tolist() == [[100, 100]]
    alone = Graph(np.array([[2]], np.int32), np.array([[0.4]], np.float32))
    assert place(alone, xy).tolist() == [[0, 1]]
    none = np.empty((1, 0))
    with pytest.raises(BadInput, match="near enough"):
        place(Graph(none.astype(np.int32), none.astype(np.float32)), xy)
    assert place(near.__class__(near.indices[:0], near.distances[:0]), xy).shape == (0, 2)
