"""Clusters against what was planted, their names by hand."""

from collections import Counter
from math import log

import numpy as np
import pytest
from map_fixtures import blobs, stored
from sklearn.metrics import adjusted_rand_score

from workbench import clusters
from workbench.clusters import (
    centres,
    find_clusters,
    method_for,
    name_clusters,
    naming_sample,
    telling_terms,
    terms,
)
from workbench.errors import BadInput, Cancelled
from workbench.specs import MapSpec


def islands(count: int = 400, spread: float = 0.3):
    """((count, 2) positions in four islands of unequal size, which one)."""
    random = np.random.default_rng(0)
    owners = random.choice(4, count, p=[0.1, 0.4, 0.2, 0.3])
    middle = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    return (middle[owners] + spread * random.standard_normal((count, 2))).astype(np.float32), owners


def test_hdbscan_finds_islands_the_largest_first(tmp_path):
    xy, owners = islands()
    vectors = stored(tmp_path / "v", xy)
    found = find_clusters(vectors, xy, "l2", MapSpec())
    assert found.dtype == np.int32 and found.max() == 3
    inside = found >= 0
    assert inside.mean() > 0.9
    assert adjusted_rand_score(owners[inside], found[inside]) == 1.0
    sizes = np.bincount(found[inside])
    assert sizes.tolist() == sorted(sizes, reverse=True)
    assert np.bincount(owners)[owners[found == 0][0]] == sizes[0] == max(np.bincount(owners))
    assert np.array_equal(found, find_clusters(vectors, xy, "l2", MapSpec()))


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_kmeans_finds_planted_clusters(tmp_path, metric):
    rows, owners = blobs(600, centres=4)
    vectors = stored(tmp_path / "v", rows)
    spec = MapSpec(clusters="kmeans", cluster_count=4, seed=1)
    found = find_clusters(vectors, rows[:, :2], metric, spec)
    assert adjusted_rand_score(owners, found) > 0.99
    assert np.array_equal(found, find_clusters(vectors, rows[:, :2], metric, spec))
    assert np.bincount(found).tolist() == sorted(np.bincount(found).tolist(), reverse=True)


def test_kmeans_of_fewer_documents_than_clusters_and_of_identical_ones(tmp_path):
    spec = MapSpec(clusters="kmeans", cluster_count=10)
    few = stored(tmp_path / "few", np.eye(3))
    assert sorted(find_clusters(few, np.zeros((3, 2), np.float32), "l2", spec)) == [0, 1, 2]
    same = stored(tmp_path / "same", np.ones((50, 4)))
    assert find_clusters(same, np.zeros((50, 2), np.float32), "cosine", spec).tolist() == [0] * 50


def test_auto_takes_kmeans_for_many():
    assert method_for(50_000, MapSpec()) == "hdbscan"
    assert method_for(50_001, MapSpec()) == "kmeans"
    assert method_for(9, MapSpec(clusters="kmeans")) == "kmeans"


def test_one_spot_is_one_cluster_and_an_even_cloud_none(tmp_path):
    vectors = stored(tmp_path / "v", np.ones((60, 4)))
    assert find_clusters(vectors, np.zeros((60, 2), np.float32), "cosine", MapSpec()).tolist() == [0] * 60
    even = np.random.default_rng(0).random((60, 2)).astype(np.float32)
    assert find_clusters(vectors, even, "cosine", MapSpec(min_cluster_size=25)).tolist() == [-1] * 60


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_too_few_for_a_cluster(tmp_path, count):
    (tmp_path / "v").mkdir()
    rows = np.random.default_rng(0).standard_normal((count, 2)).astype(np.float32)
    assert find_clusters(stored(tmp_path / "v", rows), rows, "l2", MapSpec()).tolist() == [-1] * count


def test_none_wrong_sizes_and_too_many(tmp_path, monkeypatch):
    xy, _ = islands(100)
    vectors = stored(tmp_path / "v", xy)
    assert set(find_clusters(vectors, xy, "l2", MapSpec(clusters="none")).tolist()) == {-1}
    with pytest.raises(BadInput, match="another corpus"):
        find_clusters(vectors, xy[:9], "l2", MapSpec())
    monkeypatch.setattr(clusters, "DENSITY_UP_TO", 20)
    assert find_clusters(vectors, xy, "l2", MapSpec()).min() >= 0
    with pytest.raises(BadInput, match="k-means"):
        find_clusters(vectors, xy, "l2", MapSpec(clusters="hdbscan"))


def test_kmeans_can_be_cancelled(tmp_path):
    rows, _ = blobs(300)

    def stop(done, total):
        if total > 1 and done >= 100:
            raise Cancelled

    with pytest.raises(Cancelled):
        find_clusters(stored(tmp_path / "v", rows), rows[:, :2], "l2", MapSpec(clusters="kmeans"), stop)


@pytest.mark.parametrize("asked", [0, 1])
def test_hdbscan_is_cancelled_before_and_after(tmp_path, monkeypatch, asked):
    rows, _ = blobs(60, 4)
    ran = []

    def density(xy, spec):
        ran.append(len(xy))
        return np.zeros(len(xy), np.int32)

    monkeypatch.setattr("workbench.clusters._by_density", density)
    told = []

    def stop(done: int, total: int) -> None:
        told.append(done)
        if len(told) > asked:
            raise Cancelled

    with pytest.raises(Cancelled):
        find_clusters(stored(tmp_path, rows), rows[:, :2], "cosine", MapSpec(clusters="hdbscan"), stop)
    assert ran == [60][:asked]


def test_centres_are_documents_of_the_cluster():
    xy = np.array([[0, 0], [1, 0], [9, 0], [50, 50], [7, 7]], np.float32)
    assert centres(np.array([0, 0, 0, 1, -1], np.int32), xy).tolist() == [[1, 0], [50, 50]]
    assert centres(np.full(5, -1, np.int32), xy).shape == (0, 2)


def test_naming_sample_takes_some_of_each_cluster():
    labels = np.array([0] * 50 + [-1] * 10 + [1] * 3, np.int32)
    chosen = naming_sample(labels, seed=4, most=5)
    assert np.bincount(labels[chosen]).tolist() == [5, 3]
    assert np.array_equal(chosen, np.sort(chosen)) and np.array_equal(chosen, naming_sample(labels, 4, 5))
    assert not np.array_equal(chosen, naming_sample(labels, 5, 5))
    assert naming_sample(labels[50:60]).size == 0


def test_class_based_tf_idf_by_hand():
    counts = [Counter(river=4, water=4, the=2), Counter(bread=3, water=1, the=6)]
    # A = 20 / 2 = 10. river: 0.4·log(1 + 10/4), water: 0.4·log(1 + 10/5), the: 0.2·log(1 + 10/8).
    assert telling_terms(counts, 3)[0] == ["river", "water", "the"]
    weights = {"bread": 0.3 * log(1 + 10 / 3), "the": 0.6 * log(1 + 10 / 8), "water": 0.1 * log(1 + 10 / 5)}
    assert telling_terms(counts, 3)[1] == sorted(weights, key=weights.get, reverse=True)
    assert telling_terms([Counter(b=1, a=1), Counter()], 5) == [["a", "b"], []]
    assert telling_terms([], 5) == []


def test_terms_are_words_that_could_name_something():
    text = "The Rivers' water-level, 42 kg of flüßiges_Öl, and it's x2 der l’eau"
    assert terms(text) == {"rivers", "water-level", "flüßiges", "öl", "eau"}
    assert terms("") == set() and terms("1234 !!") == set()


def test_names():
    labels = np.array([0, 0, 0, 1, 1, -1, 2, 3], np.int32)
    texts = [
        (0, "the river and the water"), (1, "a river bridge"), (2, "river water river"), (3, "bread oven"),
        (4, "bread and bread"), (5, "volcano"), (6, "1234"), (7, ""),
    ]  # fmt: skip
    assert name_clusters(labels, iter(texts), words=2) == ["river · water", "bread · oven", "Cluster 3", "Cluster 4"]
    assert name_clusters(np.array([0, 1], np.int32), [(0, "bread"), (1, "bread")]) == ["bread", "bread (2)"]
    assert name_clusters(np.full(3, -1, np.int32), [(0, "bread")]) == []
