"""Shorter and coarser vectors, scores of pairs, alignment and uniformity: by hand, and against the libraries."""

import numpy as np
import pytest
from scipy import stats

from workbench.encoder_measures import (
    Variant,
    alignment,
    area_under_curve,
    best_threshold,
    binary_codes,
    histogram,
    int8_codes,
    int8_values,
    pair_scores,
    rank_correlation,
    rank_variants,
    recall,
    reduced,
    signs,
    thresholds,
    uniformity,
    value_ranges,
    variants_of,
)
from workbench.hubness import occurrences, skewness

RANDOM = np.random.default_rng(3)


def rows(n: int, d: int) -> np.ndarray:
    return RANDOM.standard_normal((n, d)).astype(np.float32)


def unit(matrix: np.ndarray) -> np.ndarray:
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def test_codes_equal_those_of_sentence_transformers():
    quantization = pytest.importorskip("sentence_transformers.util.quantization")
    documents, queries = rows(200, 24), 1.5 * rows(30, 24)
    documents[:, 5] = 0.25  # a dimension without a range
    ranges = value_ranges([documents[:70], documents[70:]], 24)
    assert np.array_equal(ranges, [documents.min(axis=0), documents.max(axis=0)])
    for each in (documents, queries):
        theirs = quantization.quantize_embeddings(each, "int8", ranges=ranges)
        assert np.array_equal(int8_codes(each, ranges), theirs)
        assert np.array_equal(binary_codes(each), quantization.quantize_embeddings(each, "binary"))


def test_int8_by_hand():
    ranges = np.array([[0.0], [255.0]], np.float32)
    values = np.array([[-3.0], [0.0], [1.0], [1.9], [254.9], [255.0], [900.0]], np.float32)
    codes = int8_codes(values, ranges)
    assert codes[:, 0].tolist() == [-128, -128, -127, -127, 126, 127, 127]
    assert int8_values(codes, ranges)[:, 0].tolist() == [0.5, 0.5, 1.5, 1.5, 254.5, 255.5, 255.5]


def test_signs_count_the_bits_that_differ():
    a, b = rows(1, 21), rows(1, 21)
    differing = int(((a > 0) != (b > 0)).sum())
    assert (signs(a) @ signs(b).T).item() == 21 - 2 * differing


def test_reduced_cuts_and_scales_again():
    matrix = np.array([[3.0, 4.0, 12.0], [0.0, 0.0, 5.0]], np.float32)
    assert np.allclose(reduced(matrix, 2, True), [[0.6, 0.8], [0, 0]])
    assert np.array_equal(reduced(matrix, 2, False), [[3, 4], [0, 0]])


def test_variants_halve_down_to_eight_dimensions():
    assert [each.dim for each in variants_of(32)[::4]] == [32, 16, 8]
    assert [each.dim for each in variants_of(384)[::4]] == [384, 192, 96, 48]
    assert [each.bytes for each in variants_of(20)[:4]] == [80, 20, 3, 3]


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_rankings_equal_those_of_the_whole_matrix(metric):
    documents, queries, k = rows(300, 16), rows(9, 16), 5
    own = np.array([4, *[-1] * 8])

    def blocks():
        for first in range(0, 300, 128):
            yield first, documents[first : first + 128]

    found = rank_variants(queries, blocks, metric, k, own, rescore=3).found

    for dim in (16, 8):
        d, q = documents[:, :dim], queries[:, :dim]
        if metric == "cosine":
            d, q = unit(d), unit(q)
        span = np.array([d.min(axis=0), d.max(axis=0)])
        step = (span[1] - span[0]) / 255
        coded = [span[0] + (np.clip(np.floor((each - span[0]) / step), 0, 255) + 0.5) * step for each in (d, q)]
        hamming = -((q[:, None] > 0) != (d[None] > 0)).sum(axis=2).astype(float)

        def scored(q, d):
            return -np.linalg.norm(q[:, None] - d[None], axis=2) if metric == "l2" else q @ d.T

        def best(scores, depth=k):
            scores = scores.copy()
            scores[0, 4] = -np.inf
            return np.argsort(-scores, axis=1, kind="stable")[:, :depth]

        assert np.array_equal(found[Variant(dim, "float32")], best(scored(q, d)))
        assert np.array_equal(found[Variant(dim, "binary")], best(hamming))
        assert recall(found[Variant(dim, "int8")], best(scored(coded[1], coded[0]))) == 1
        deep, floats = best(hamming, 3 * k), q @ np.where(d > 0, 1, -1).T
        for row, candidates in enumerate(deep):
            order = sorted(candidates, key=lambda each: (-floats[row, each], each))[:k]
            assert found[Variant(dim, "rescored")][row].tolist() == order


def test_a_vector_whose_front_says_all_loses_nothing():
    documents = np.zeros((40, 32), np.float32)
    documents[:, :8] = rows(40, 8)
    documents[:, 8:] = 0
    found = rank_variants(documents[:6], lambda: [(0, documents)], "cosine", 10, np.arange(6)).found
    truth = found[Variant(32, "float32")]
    assert all(recall(found[Variant(dim, "float32")], truth) == 1 for dim in (16, 8))


def test_recall_by_hand():
    truth = np.array([[1, 2], [3, 4], [5, -1]])
    assert recall(np.array([[2, 1], [3, 9], [7, 5]]), truth) == pytest.approx((1 + 0.5 + 1) / 3)


def test_thresholds_by_hand():
    positives, others = np.array([0.9, 0.8, 0.5, 0.3]), np.array([0.6, 0.4, 0.2, 0.1, 0.0])
    low, middle, high = thresholds(positives, others, [0.0, 0.5, 0.95])
    assert (low.recall, low.passed, low.precision) == (1, 1, 0.5)
    # Three of four positives, one of five random pairs: precision 0.75 / 0.95.
    assert (middle.recall, middle.passed) == (0.75, 0.2)
    assert middle.precision == pytest.approx(0.75 / 0.95)
    assert middle.f1 == pytest.approx(2 * 0.75 * (0.75 / 0.95) / (0.75 + 0.75 / 0.95))
    assert (high.recall, high.precision, high.f1, high.passed) == (0, 0, 0, 0)
    best = best_threshold(positives, others)
    # 0.3: all positives and two of five: F1 = 2 / (1 + 1 + 0.4).
    assert best is not None and best.score == 0.3 and best.f1 == pytest.approx(2 / 2.4)


def test_area_under_curve_counts_pairs():
    positives, others = RANDOM.integers(0, 6, 40).astype(float), RANDOM.integers(0, 5, 70).astype(float)
    expected = np.mean([(p > o) + 0.5 * (p == o) for p in positives for o in others])
    assert area_under_curve(positives, others) == pytest.approx(expected)
    assert area_under_curve(positives, np.empty(0)) is None
    assert best_threshold(np.empty(0), others) is None


def test_histogram_holds_every_score():
    edges, a, b = histogram(np.array([0.0, 1.0]), np.array([0.25, 0.25, 0.75]), 4)
    assert (edges, a, b) == ([0, 0.25, 0.5, 0.75, 1.0], [1, 0, 0, 1], [0, 2, 0, 1])
    assert sum(histogram(np.array([0.5]), np.array([0.5]), 4)[1]) == 1


def test_alignment_and_uniformity_by_hand():
    x, y = np.array([[2.0, 0.0]], np.float32), np.array([[0.0, 5.0]], np.float32)
    assert alignment(x, y) == pytest.approx(2)  # at right angles: 1 + 1
    assert alignment(x, -x) == pytest.approx(4)
    assert alignment(x[:0], y[:0]) is None
    assert uniformity(np.concatenate([x, y])) == pytest.approx(-4)  # log exp(−2 · 2)
    three = np.concatenate([x, y, -x])
    assert uniformity(three) == pytest.approx(np.log((2 * np.exp(-4) + np.exp(-8)) / 3))
    assert uniformity(np.concatenate([x, x])) == pytest.approx(0)
    assert uniformity(x) is None


def test_pair_scores_are_those_of_the_metric():
    a, b = np.array([[3.0, 4.0]], np.float32), np.array([[6.0, 8.0]], np.float32)
    assert pair_scores(a, b, "cosine")[0] == pytest.approx(1)
    assert pair_scores(a, b, "dot")[0] == 50
    assert pair_scores(a, b, "l2")[0] == -5


def test_rank_correlation_is_spearmans():
    a, b = RANDOM.integers(0, 9, 60), RANDOM.standard_normal(60)
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert rank_correlation(np.ones(9), b[:9]) is None


def test_skewness_is_scipys():
    counts = occurrences([RANDOM.integers(0, 50, 10) ** 2 // 50 for _ in range(80)], 50)
    assert skewness(counts) == pytest.approx(stats.skew(counts))
