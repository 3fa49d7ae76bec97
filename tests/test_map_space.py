"""Three coordinates of a map: the same neighbours, rows in step with the map's, seeded, measured, sensibly refused."""

import numpy as np
import pytest
from search_fixtures import add_embedding, planted, planted_project
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from workbench.errors import BadInput, NotFound
from workbench.jobs.kinds import KINDS
from workbench.project import Project
from workbench.specs import MapSpec
from workbench.workflows import map_space
from workbench.workflows.artifacts import delete_artifact
from workbench.workflows.map import get_map, make_map
from workbench.workflows.map_data import find_map, wire_order
from workbench.workflows.map_space import find_space, make_space, space_points

COUNT = 150
SPEC = MapSpec(epochs=60, clusters="none", neighbors=12)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return planted_project(tmp_path_factory.mktemp("space"), COUNT)


@pytest.fixture(scope="module")
def flat(project) -> str:
    return make_map(project, "topics", "planted", SPEC).map


def unit_rows(project: Project) -> np.ndarray:
    rows = planted(COUNT).astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def positions(project: Project, map: str) -> np.ndarray:
    """(m, 3) as the browser reads them, row by row."""
    return np.frombuffer(space_points(project, map), "<f4").reshape(3, -1).T


def by_ordinal(project: Project, map: str) -> np.ndarray:
    found = np.empty((COUNT, 3))
    found[wire_order(COUNT)] = positions(project, map)
    return found


def test_the_layout_is_measured_as_scikit_learn_measures_it(project, flat):
    assert find_space(project, flat) is None
    steps: list[int] = []
    info = make_space(project, "topics", flat, lambda done, total: steps.append(done))
    assert (info.points, info.shown, info.method, info.seed, info.map) == (COUNT, COUNT, "umap", 0, flat)
    assert steps == sorted(steps) and steps[-1] == 1000
    xyz = by_ordinal(project, flat)
    assert np.abs(xyz).max() == pytest.approx(1) and np.ptp(xyz, axis=0).min() > 0.1
    expected = trustworthiness(unit_rows(project), xyz, n_neighbors=info.k, metric="cosine")
    assert info.trustworthiness == pytest.approx(expected, abs=1e-6) and info.k == 12
    # One direction more tears less apart.
    assert info.trustworthiness > get_map(project, flat).trustworthiness
    assert find_space(project, flat) == info


def test_topics_that_are_planted_lie_apart(project, flat):
    make_space(project, "topics", flat)
    xyz, topic = by_ordinal(project, flat), np.arange(COUNT) % 3
    middles = np.stack([xyz[topic == each].mean(axis=0) for each in range(3)])
    nearest = np.linalg.norm(xyz[:, None] - middles[None], axis=2).argmin(axis=1)
    assert (nearest == topic).mean() > 0.98


def test_the_same_seed_gives_the_same_bytes_and_again_is_nothing_to_do(project, flat, monkeypatch):
    first = make_space(project, "topics", flat)
    before = space_points(project, flat)
    project.artifacts.delete(first.id)
    again = make_space(project, "topics", flat)
    assert again.id == first.id and space_points(project, flat) == before

    def refuse(*_: object) -> None:
        raise AssertionError("it was made again")

    monkeypatch.setattr(map_space, "made", refuse)
    assert make_space(project, "topics", flat).id == first.id


def test_pca_is_scikit_learns(project):
    made = make_map(project, "topics", "planted", MapSpec(method="pca", clusters="none")).map
    info = make_space(project, "topics", made)
    assert info.method == "pca"
    expected = PCA(3, svd_solver="full").fit_transform(unit_rows(project))
    found = by_ordinal(project, made)
    # Up to the mirror of each axis and the common scale.
    for axis in range(3):
        assert abs(np.corrcoef(found[:, axis], expected[:, axis])[0, 1]) == pytest.approx(1, abs=1e-4)
    assert np.ptp(found, axis=0) / np.ptp(found[:, 0]) == pytest.approx(
        np.ptp(expected, axis=0) / np.ptp(expected[:, 0]), abs=1e-3
    )


def test_an_aligned_map_starts_from_pca_here(project, flat):
    aligned = make_map(project, "topics", "planted", MapSpec(epochs=20, clusters="none", init=f"map:{flat}")).map
    make_space(project, "topics", aligned)
    artifact = map_space.artifact_of(project, find_map(project, aligned))
    assert artifact.manifest["spec"]["map"]["init"] == "pca"
    assert artifact.inputs == [aligned]


def test_above_the_limit_the_first_rows_are_shown(project, flat, monkeypatch):
    make_space(project, "topics", flat)
    every = positions(project, flat)
    from workbench.workflows.memory import empty_memory

    empty_memory()
    monkeypatch.setattr(map_space, "SHOWN", 40)
    info = find_space(project, flat)
    assert (info.points, info.shown) == (COUNT, 40)
    assert np.array_equal(positions(project, flat), every[:40])
    empty_memory()


def test_words_reduced_for_the_map_are_reduced_again(project):
    from workbench.workflows.encode import encode_corpus

    encode_corpus(project, "topics", "bm25")
    made = make_map(project, "topics", "bm25", MapSpec(epochs=10, clusters="none")).map
    info = make_space(project, "topics", made)
    folder = map_space.artifact_of(project, find_map(project, made)).folder
    assert info.points == COUNT and sorted(each.name for each in folder.iterdir()) == ["manifest.json", "xyz.npy"]


def test_documents_that_are_all_alike_make_a_cloud_or_a_spot(project):
    same = np.ones((COUNT, 4), np.float16)
    add_embedding(project, "topics", same, "same")
    for method in ("umap", "pca"):
        made = make_map(project, "topics", "same", MapSpec(method=method, epochs=10, clusters="none")).map
        make_space(project, "topics", made)
        found = positions(project, made)
        assert np.isfinite(found).all() and found.shape == (COUNT, 3)
        assert (np.ptp(found) == 0) == (method == "pca")


def test_what_cannot_be_made_is_refused(project, flat, tmp_path):
    with pytest.raises(NotFound, match="no map"):
        make_space(project, "topics", "nothing")
    with pytest.raises(NotFound, match="no map"):
        space_points(project, "../secret")
    made = make_map(project, "topics", "planted", MapSpec(method="pca", clusters="none", seed=5)).map
    with pytest.raises(NotFound, match="not made in three dimensions"):
        space_points(project, made)
    other = planted_project(tmp_path, 30)
    with pytest.raises(NotFound):
        make_space(other, "topics", flat)
    from search_fixtures import write_corpus

    from workbench.workflows.corpus import import_corpus

    import_corpus(project, "others", write_corpus(tmp_path / "o.jsonl", 5))
    with pytest.raises(BadInput, match="shows “topics@1”, not “others”"):
        make_space(project, "others", flat)


def test_it_goes_with_the_vectors_it_was_made_of(project, tmp_path):
    own = planted_project(tmp_path, 40)
    made = make_map(own, "topics", "planted", MapSpec(method="pca", clusters="none")).map
    space = make_space(own, "topics", made)
    delete_artifact(own, get_map(own, made).embedding)
    assert own.artifacts.find(space.id) is None and own.artifacts.find(made) is None


def test_it_goes_with_its_map(project, tmp_path):
    from workbench.workflows.map import delete_map

    own = planted_project(tmp_path, 40)
    made = make_map(own, "topics", "planted", MapSpec(method="pca", clusters="none")).map
    space = make_space(own, "topics", made)
    delete_map(own, made)
    assert own.artifacts.find(space.id) is None


def test_the_kind_of_job(project):
    assert KINDS["map-space"].load() is make_space
