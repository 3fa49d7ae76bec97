"""Lists of problems: hand-made groups and orders, duplicates against plain Python, planted cases in an embedding."""

import hashlib
import json
from collections import defaultdict

import numpy as np
import pytest
from search_fixtures import add_embedding, planted, write_corpus

from ui.components.problems_view import GROUPS, problem_html, problems_html, shown_ordinals
from workbench import corpora
from workbench.errors import BadInput
from workbench.types import Document
from workbench.workflows import problems
from workbench.workflows.corpus import import_corpus
from workbench.workflows.problems import (
    Group,
    exact_duplicates,
    hubs,
    label_disagreement,
    near_duplicates,
    outliers,
    problems_of_embedding,
    problems_of_map,
    subset_from_problem,
)
from workbench.workflows.subsets import subset_mask


def import_texts(project, folder, texts: list[str]) -> None:
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps({"id": f"d{i}", "text": text}) + "\n" for i, text in enumerate(texts)))
    import_corpus(project, "t", path)


def test_exact_duplicates_are_groups_the_largest_first(project, tmp_path):
    import_texts(project, tmp_path, ["a", "b", "c", "b", "x", "a", "b", "y", "x"])
    found = exact_duplicates(project, "t")
    assert found.groups() == [Group([1, 3, 6], 3.0), Group([0, 5], 2.0), Group([4, 8], 2.0)]
    assert (found.count, len(found), found.measure) == (7, 3, "documents")
    assert found.redundant().tolist() == [3, 6, 5, 8]
    assert found.groups(1, 1) == [Group([0, 5], 2.0)] and found.groups(9) == []


def test_exact_duplicates_equal_a_plain_count(project, tmp_path, monkeypatch):
    monkeypatch.setattr(problems, "_BLOCK", 64)
    rng = np.random.default_rng(1)
    texts = [f"text {n}" for n in rng.integers(0, 150, 400)]
    import_texts(project, tmp_path, texts)
    groups: dict[str, list[int]] = defaultdict(list)
    for ordinal, text in enumerate(texts):
        groups[hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()].append(ordinal)
    expected = sorted((g for g in groups.values() if len(g) > 1), key=lambda g: (-len(g), g[0]))
    found = exact_duplicates(project, "t")
    assert [each.ordinals for each in found.groups(0, 1000)] == expected
    assert found.count == sum(map(len, expected))
    steps: list[tuple[int, int]] = []
    exact_duplicates(project, "t", lambda done, total: steps.append((done, total)))
    assert steps == [(start, 400) for start in range(0, 400, 64)]


def test_no_duplicates_is_an_empty_list(project, tmp_path):
    import_texts(project, tmp_path, ["a", "b"])
    found = exact_duplicates(project, "t")
    assert (found.count, len(found), found.groups(), found.redundant().tolist()) == (0, 0, [], [])
    with pytest.raises(BadInput, match="would hold no document"):
        subset_from_problem(project, "t", "none", found)


def test_near_duplicates_of_given_groups():
    found = near_duplicates(np.array([-1, 7, 3, 7, -1, 3, 3, 9]), 0.95)
    assert found.groups() == [Group([2, 5, 6], 3.0), Group([1, 3], 2.0)]
    assert "0.95" in found.explanation and found.redundant().tolist() == [5, 6, 3]
    assert near_duplicates(np.full(4, -1), 0.9).count == 0
    assert "same vector" in near_duplicates(np.array([0, 0]), None).explanation


def test_ranked_lists_are_sorted_cut_and_without_gaps():
    values = np.tile([1.0, 3.0, np.nan, 3.0, 0.5], 10)
    assert outliers(values, 3).groups() == [Group([1], 3.0), Group([3], 3.0), Group([6], 3.0)]
    # 50 documents: the five largest, ties by ordinal.
    assert outliers(values).ordinals.tolist() == [1, 3, 6, 8, 11]
    assert outliers(values).redundant().size == 0
    # Mean 5, deviation √200 ≈ 14.1: the line is at 33.3.
    counts = np.array([45, 0, 5, 0, 0, 0, 0, 0, 0, 0])
    assert counts.mean() == 5
    found = hubs(counts, 5)
    assert found.groups() == [Group([0], 45.0)] and found.measure == "N_5"
    assert f"{counts.mean() + 2 * counts.std():.1f}" in found.explanation
    found = label_disagreement(np.array([0.2, 1.0, np.nan, 0.5, 0.6]), "topic")
    assert [(each.ordinals, each.value) for each in found.groups()] == [([1], 1.0), ([4], 0.6), ([3], 0.5)]
    with pytest.raises(BadInput, match="One number for each document"):
        outliers(np.zeros((2, 2)))


def test_outliers_are_those_that_stand_out():
    # ln x is −1, 0 or 1 in equal parts: the median is 0, its deviation 1, so the line is at exp(3 · 1.4826).
    calm = np.exp(np.tile([-1.0, 0.0, 1.0], 100))
    far = calm.copy()
    far[[7, 30, 200, 201, 202, 203, 204]] = [90, 86, 1000, 300, 87, 88, 89]
    found = outliers(far)
    assert found.ordinals.tolist() == [200, 201, 7, 204, 203, 202, 30]
    assert "7 lie beyond 85.44" in found.explanation and "are listed" not in found.explanation
    # Nothing stands out: the five farthest, and it says so.
    assert outliers(calm).ordinals.tolist() == [2, 5, 8, 11, 14]
    assert "0 lie beyond 85.44" in outliers(calm).explanation and "the 5 farthest" in outliers(calm).explanation
    # A fifth stands out: a tenth is listed.
    heavy = calm.copy()
    heavy[:60] = 1e6
    assert outliers(heavy).ordinals.tolist() == list(range(30))
    # Never all, and none of nine; equal values are no outliers.
    assert [outliers(np.ones(n)).count for n in (0, 9, 10, 60)] == [0, 0, 1, 5]
    assert "0 lie beyond 0.30" in outliers(np.full(60, 0.3)).explanation


@pytest.fixture
def topics(project, tmp_path):
    """300 documents of three topics; 5 is an exact copy of 2, 8 nearly, 10 far from all, 7 lies among another topic."""
    matrix = planted(300).astype(np.float32)
    matrix[5] = matrix[2]
    matrix[8] = matrix[2] + 0.001
    matrix[10] = 0
    matrix[10, 15] = 1
    matrix[7] = matrix[3] + 0.05 * np.random.default_rng(3).standard_normal(16)
    path = write_corpus(tmp_path / "topics.jsonl", 300)
    rows = [json.loads(line) | {"topic": n % 3} for n, line in enumerate(path.read_text().splitlines())]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_corpus(project, "topics", path)
    add_embedding(project, "topics", matrix)
    return project


def test_planted_problems_are_found_in_an_embedding(topics):
    found = {each.kind: each for each in problems_of_embedding(topics, "topics", "planted", "topic", 10)}
    assert list(found) == ["exact-duplicates", "near-duplicates", "outliers", "hubs", "label-disagreement"]
    assert found["exact-duplicates"].count == 0
    (together,) = [each for each in found["near-duplicates"].groups(0, 500) if 2 in each.ordinals]
    assert {2, 5, 8} <= set(together.ordinals)
    assert found["outliers"].groups(0, 1)[0].ordinals == [10]
    wrong = {each.ordinals[0]: each.value for each in found["label-disagreement"].groups(0, 500)}
    assert wrong[7] >= 0.9
    # N_k by hand: cosines of all pairs, the ten best of each.
    from workbench.workflows.encode import find_embedding
    from workbench.workflows.index import open_vectors

    vectors = open_vectors(find_embedding(topics, corpora.find(topics.db, "topics"), "planted")).take(np.arange(300))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    counts = np.bincount(np.argsort(-cosines, axis=1, kind="stable")[:, :10].ravel(), minlength=300)
    line = counts.mean() + 2 * counts.std()
    assert set(found["hubs"].ordinals.tolist()) == set(np.flatnonzero(counts > line).tolist())
    with pytest.raises(BadInput, match="no column “tpoic”"):
        problems_of_embedding(topics, "topics", "planted", "tpoic")


def test_a_list_becomes_a_subset(project, tmp_path):
    import_texts(project, tmp_path, ["a", "b", "a", "a", "c"])
    found = exact_duplicates(project, "t")
    made = subset_from_problem(project, "t", "all copies", found)
    assert made.source == {"how": "problem", "kind": "exact-duplicates", "redundant": False}
    assert np.flatnonzero(subset_mask(project, "t", "all copies")).tolist() == [0, 2, 3]
    subset_from_problem(project, "t", "spare", found, redundant=True)
    assert np.flatnonzero(subset_mask(project, "t", "spare")).tolist() == [2, 3]


def test_lists_are_drawn_with_counts_and_escaped():
    groups = near_duplicates(np.arange(60).repeat(2), 0.9)
    single = outliers(np.tile([0.25, 2.0], 5))
    markup = problems_html([groups, single], "outliers")
    assert "120" in markup and "in 60 groups" in markup and "in 2 groups" not in markup
    assert markup.count('aria-pressed="true"') == 1
    documents = {n: Document(f"d<{n}>", "text", f"<b>{n}</b>", ordinal=n) for n in shown_ordinals(groups, 20)}
    assert sorted(documents) == list(range(40, 80))
    drawn = problem_html(groups, documents, 20)
    assert "<b>40</b>" not in drawn and "&lt;b&gt;40&lt;/b&gt;" in drawn and "21–40 of 60" in drawn
    assert drawn.count("<tr data-key") == GROUPS and "all but one of each" in drawn
    assert "all but one" not in problem_html(single, {}) and "document 1" in problem_html(single, {})
    assert "There are none" in problem_html(near_duplicates(np.array([-1]), 0.9), {})


def test_the_lists_of_a_map_come_from_the_neighbours_it_keeps(topics):
    from workbench.specs import MapSpec
    from workbench.workflows.map import make_map

    made = make_map(topics, "topics", "planted", MapSpec(method="pca", neighbors=10, clusters="none"))
    from_map = problems_of_map(topics, made.map, "topic")
    kept = {each.kind: each for each in from_map}
    k = int(kept["hubs"].measure.removeprefix("N_"))
    fresh = {each.kind: each for each in problems_of_embedding(topics, "topics", "planted", "topic", k)}
    assert list(kept) == list(fresh)
    for kind, each in kept.items():
        assert each.ordinals.tolist() == fresh[kind].ordinals.tolist(), kind
        assert each.values == pytest.approx(fresh[kind].values), kind
