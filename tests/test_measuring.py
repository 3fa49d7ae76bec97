"""What is measured of an index: recall, ties, the Pareto front, documents compared, ranges of codes; by hand."""

import faiss
import numpy as np
import pytest
from search_fixtures import planted

from workbench.errors import BadInput
from workbench.indices.exact import ExactIndex
from workbench.indices.faiss_index import FaissIndex
from workbench.indices.knobs import curve, settings_for
from workbench.indices.measuring import NONE, measure, padded, pareto, recalls, true_scores
from workbench.indices.suggestions import suggest_two_stage
from workbench.specs import IndexSpec, read_trials
from workbench.types import Ranking
from workbench.vectors import DenseVectors, ShardFolder


def dense(folder, matrix):
    folder.mkdir(exist_ok=True)
    ShardFolder(folder).write(0, {"values": matrix}, len(matrix))
    return DenseVectors(folder)


def test_recall_counts_hits_that_are_as_good_as_the_kth_true_one():
    none = -np.inf
    truth = np.array([[0.9, 0.8, 0.7], [0.9, 0.8, none], [none, none, none]], np.float32)
    found = np.array([[0.9, 0.7, 0.6], [0.8, none, none], [none, none, none]], np.float32)
    # 2 of 3; 1 of the 2 that there are; nothing could be found.
    assert recalls(found, truth).tolist() == pytest.approx([2 / 3, 1 / 2, 1.0])


def test_equal_scores_stand_for_each_other_within_the_tolerance():
    truth = np.array([[0.9, 0.8]], np.float32)
    assert recalls(np.array([[0.9, 0.7993]], np.float32), truth).tolist() == [1.0]  # 0.8 − 0.8e-3 = 0.7992
    assert recalls(np.array([[0.9, 0.7991]], np.float32), truth).tolist() == [0.5]
    far = np.array([[-1.0, -100.0]], np.float32)  # negative distances: the tolerance lies further away
    assert recalls(np.array([[-1.0, -100.09]], np.float32), far).tolist() == [1.0]


def test_a_document_is_left_out_of_its_own_result():
    def ranked(*ordinals):
        return Ranking(np.array(ordinals), np.linspace(1, 0, len(ordinals)).astype(np.float32))

    table = padded([ranked(7, 3, 5), ranked(2, 9, 4), ranked(1)], np.array([7, 8, -1]), 2)
    assert table.tolist() == [[3, 5], [2, 9], [1, NONE]]


def test_true_scores_are_those_of_the_stored_vectors(tmp_path):
    vectors = dense(tmp_path, np.array([[1, 0], [0, 2], [3, 4]], np.float32))
    query = np.array([[0, 1]], np.float32)
    found = np.array([[2, 1, NONE]])
    assert true_scores(vectors, found, query, "dot").tolist() == [[4, 2, -np.inf]]
    assert true_scores(vectors, found, query, "cosine")[0, :2].tolist() == pytest.approx([0.8, 1.0])
    assert true_scores(vectors, found, query, "l2")[0, :2].tolist() == pytest.approx([-np.sqrt(18), -1])


def test_the_front_holds_what_no_other_beats():
    recall, cost = [1.0, 0.9, 0.9, 0.8, 0.7, 0.9], [9.0, 2.0, 3.0, 2.0, 1.0, 2.0]
    # The third is slower than the second for the same recall, the fourth worse for the same time; the last equals it.
    assert pareto(recall, cost) == [True, True, False, False, True, True]


def test_every_query_is_asked_and_timed(tmp_path):
    index = ExactIndex.build(dense(tmp_path, planted(50)), IndexSpec())
    queries = planted(50)[:7].astype(np.float32)
    timed = measure(index, queries, 3, {})
    assert [each.ordinals[0] for each in timed.rankings] == list(range(7))
    assert timed.milliseconds.shape == (7,) and (timed.milliseconds > 0).all() and timed.together > 0
    assert index.scored(queries, {}).tolist() == [50] * 7


def test_ivf_is_compared_with_the_documents_of_its_lists(tmp_path):
    """Three topics, three lists of 20: a query of one topic looks into one list, or into all."""
    index = FaissIndex.build(dense(tmp_path, planted(60)), IndexSpec(factory="IVF3,SQ8"))
    queries = np.eye(16, dtype=np.float32)[:3]
    assert index.scored(queries, {"nprobe": 1}).tolist() == [20, 20, 20]
    assert index.scored(queries, {"nprobe": 3}).tolist() == [60, 60, 60]


def test_a_graph_counts_its_comparisons(tmp_path):
    index = FaissIndex.build(dense(tmp_path, planted(2000)), IndexSpec(factory="HNSW8"))
    queries = np.eye(16, dtype=np.float32)[:2]
    few, many = index.scored(queries, {"ef_search": 16}), index.scored(queries, {"ef_search": 256})
    assert (few > 16).all() and (few < many).all() and (many <= 2000).all()


def test_calibration_ranges_are_those_of_the_vectors(tmp_path):
    rows = planted(300)
    built = FaissIndex.build(dense(tmp_path / "v", rows), IndexSpec(factory="SQ8", metric="dot"))
    built.save(tmp_path / "i")
    low, width = FaissIndex.open(tmp_path / "i").calibration()
    assert low.tolist() == pytest.approx(rows.min(axis=0).astype(np.float32).tolist())
    assert (low + width).tolist() == pytest.approx(rows.max(axis=0).astype(np.float32).tolist(), abs=1e-5)
    assert FaissIndex.build(dense(tmp_path / "w", rows), IndexSpec(factory="Flat")).calibration() is None


def test_lines_of_trials_are_every_combination():
    trials = read_trials("IVF16,PQ4,Verify nprobe=1,4 k_factor=2.5")
    assert [each.label for each in trials] == [
        "IVF16,PQ4,Verify · nprobe 1 · k_factor 2.5",
        "IVF16,PQ4,Verify · nprobe 4 · k_factor 2.5",
    ]
    assert read_trials("Flat")[0].settings == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "names no index"),
        ("nprobe=3", "names no index"),
        ("IVF4,Flat probe=3", "no search setting"),
        ("IVF4,Flat nprobe=", "has no value"),
        ("IVF4,Flat nprobe=two", "is “two”"),
        ("IVF4,Flat nprobe=0", "nprobe is 0"),
        ("X nprobe=" + ",".join(map(str, range(1, 70))), "makes 69 trials"),
    ],
)
def test_a_line_that_is_none_is_refused(line, words):
    with pytest.raises(BadInput, match=words):
        read_trials(line)


def test_settings_and_curves_are_known_before_anything_is_built():
    assert settings_for("Binary,Verify") == {"k_factor": 10.0}
    assert settings_for("HI2_100x15") == {"nprobe": 10}
    assert settings_for("IVF64,PQ8,Verify") == {"nprobe": 8, "k_factor": 10.0}
    assert curve("IVF64,PQ8") == {"nprobe": [2, 4, 8, 32]}
    assert curve("HNSW32") == {"ef_search": [16, 64, 256]}
    assert curve("HI2_4x2") == {"nprobe": [1, 2, 4]}
    assert curve("Flat") == {}


def test_two_stage_suggestions_have_sizes_and_fit():
    found = {each.factory: each for each in suggest_two_stage(10_000, 384, 7_680_000, vocabulary=5000)}
    lists = 256  # 10,000 / 39
    assert list(found) == ["Binary,Verify", f"IVF{lists},PQ96,Verify", f"HI2_{lists}x15"]
    assert found["Binary,Verify"].bytes == 10_000 * 48 and found["Binary,Verify"].vector_bytes == 7_680_000
    assert found[f"HI2_{lists}x15"].bytes == 4 * lists * 384 + 4 * 16 * 10_000 + 8 * (lists + 5000)
    assert [each.factory for each in suggest_two_stage(10_000, 384, 1, memory_mb=0.6)] == ["Binary,Verify"]
    assert suggest_two_stage(100, 384, 1) == []


def test_measuring_leaves_the_threads_as_they_were(tmp_path):
    before = faiss.omp_get_max_threads()
    measure(ExactIndex.build(dense(tmp_path, planted(20)), IndexSpec()), planted(5).astype(np.float32), 2, {})
    assert faiss.omp_get_max_threads() == before
