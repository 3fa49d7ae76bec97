"""Mining as values: hand-worked rules, equality with mine_hard_negatives, seeds, sweeps, several miners."""

from typing import Any

import numpy as np
import pytest
from mining_fixtures import mined_by_sentence_transformers

from workbench.errors import BadInput
from workbench.mining import (
    RULES,
    Candidates,
    Mark,
    Mined,
    active_rules,
    apply_rules,
    considered_width,
    joined,
    marks_of,
    padded,
    rescored,
    sweep,
)
from workbench.mining.candidates import closest, lowest
from workbench.ragged import Ragged
from workbench.specs import MiningSpec
from workbench.types import Ranking


def block(
    scores: list[list[float]], positives: list[float], marks: dict[tuple[int, int], Mark] | None = None, **more: Any
) -> Candidates:
    """Rows of scores, best first; document 10·row + column; `marks` by cell."""
    values = np.array(scores, np.float32)
    rows, width = values.shape
    noted = np.zeros(values.shape, np.uint8)
    for cell, mark in (marks or {}).items():
        noted[cell] = mark
    ordinals = (10 * np.arange(rows)[:, None] + np.arange(width)).astype(np.int32)
    return Candidates(
        queries=np.arange(rows),
        ordinals=np.where(np.isneginf(values), -1, ordinals).astype(np.int32),
        scores=values,
        ranks=np.tile(np.arange(1, width + 1, dtype=np.int32), (rows, 1)),
        marks=noted,
        positive_scores=np.array(positives, np.float32),
        **more,
    )


def picked(mined: Mined) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row, ordinal in zip(mined.rows.tolist(), mined.ordinals.tolist(), strict=True):
        found.setdefault(row, []).append(ordinal)
    return found


def test_rules_drop_in_their_order_and_count_what_each_dropped_first() -> None:
    candidates = block(
        [[0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4]],
        [0.8],
        {(0, 1): Mark.SAME_TEXT, (0, 2): Mark.POSITIVE | Mark.SAME_TEXT, (0, 5): Mark.SAME_SOURCE},
    )
    spec = MiningSpec(
        range_min=1, range_max=3, per_query=2, relative_margin=0.05, max_score=0.72, min_score=0.45, source_field="book"
    )
    mined = apply_rules(candidates, spec, 8)
    # 0.9 lies above 0.8 − 0.04; 0.85 and 0.8 are marked; 0.75 is below 0.76 but above max_score; 0.6 shares the source;
    # 0.4 is below min_score. Left: 0.7 (passed over by the range) and 0.5.
    assert mined.dropped == dict.fromkeys(RULES, 0) | {
        "positive": 1,
        "same_text": 1,
        "same_source": 1,
        "relative_margin": 1,
        "max_score": 1,
        "min_score": 1,
        "range": 1,
    }
    assert picked(mined) == {0: [6]}
    assert (mined.candidates, mined.eligible) == (8, 1)
    assert mined.ranks.tolist() == [7]
    assert mined.positive_scores.tolist() == [np.float32(0.8)]


def test_a_relative_margin_lies_below_a_negative_positive_score() -> None:
    candidates = block([[-0.40, -0.51, -0.53, -0.60]], [-0.5])
    mined = apply_rules(candidates, MiningSpec(relative_margin=0.05), 4)
    # −0.5 − 0.5 · 0.05 = −0.525; (1 − m) · pos would let −0.51 through.
    assert picked(mined) == {0: [2, 3]}
    assert mined.dropped["relative_margin"] == 2


def test_an_absolute_margin_keeps_what_lies_exactly_on_it() -> None:
    candidates = block([[0.75, 0.5, 0.25]], [0.75])
    assert picked(apply_rules(candidates, MiningSpec(absolute_margin=0.25), 3)) == {0: [1, 2]}


def test_a_positive_that_was_not_found_lets_nothing_pass_a_margin() -> None:
    candidates = block([[0.5, 0.4]], [-np.inf])
    for margin in ({"absolute_margin": 0.0}, {"relative_margin": 0.0}):
        assert len(apply_rules(candidates, MiningSpec(**margin), 2)) == 0
    assert len(apply_rules(candidates, MiningSpec(), 2)) == 2


def test_fewer_than_asked_are_never_filled_up() -> None:
    candidates = block([[0.9, 0.8, -np.inf, -np.inf]], [0.95], {(0, 0): Mark.POSITIVE})
    for sampling in ("top", "random"):
        mined = apply_rules(candidates, MiningSpec(per_query=3, sampling=sampling), 4)
        assert picked(mined) == {0: [1]}
        assert mined.candidates == 2


def test_only_the_considered_part_of_the_ranking_counts() -> None:
    candidates = block([[0.9, 0.8, 0.7, 0.6]], [0.95])
    spec = MiningSpec(range_max=2, per_query=2)
    assert considered_width(spec, 1) == 3
    mined = apply_rules(candidates, spec, 3)
    assert mined.candidates == 3
    assert mined.dropped["range"] == 1


def test_the_range_counts_what_is_left_so_positives_make_no_gap() -> None:
    candidates = block([[0.9, 0.8, 0.7, 0.6]], [0.9], {(0, 0): Mark.POSITIVE})
    assert picked(apply_rules(candidates, MiningSpec(range_min=1, range_max=2, per_query=1), 4)) == {0: [2]}


def test_near_duplicates_need_cosines() -> None:
    candidates = block([[0.9, 0.8]], [0.95])
    with pytest.raises(BadInput, match="near-duplicates"):
        apply_rules(candidates, MiningSpec(near_duplicate=0.9), 2)
    known = block([[0.9, 0.8]], [0.95], near=np.array([[0.9, 0.89]], np.float32))
    mined = apply_rules(known, MiningSpec(near_duplicate=0.9), 2)
    assert picked(mined) == {0: [1]}
    assert mined.dropped["near_duplicate"] == 1


def test_judged_documents_stay_unless_asked() -> None:
    candidates = block([[0.9, 0.8]], [0.95], {(0, 0): Mark.JUDGED})
    assert picked(apply_rules(candidates, MiningSpec(), 2)) == {0: [0, 1]}
    assert picked(apply_rules(candidates, MiningSpec(drop_judged=True), 2)) == {0: [1]}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"range_min": 5, "range_max": 5}, "larger"),
        ({"range_min": 95, "range_max": 100, "per_query": 6}, "holds 5"),
        ({"min_score": 0.5, "max_score": 0.4}, "above"),
        ({"label_sets": ()}, "positive"),
        ({"sampling": "best"}, "top"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        MiningSpec(**values)


def test_active_rules_say_their_limits() -> None:
    spec = MiningSpec(range_min=10, relative_margin=0.05, min_score=0.0, same_text=False)
    assert active_rules(spec) == ["positive", "query", "relative_margin 0.05", "min_score 0.0", "range 10:100"]


def random_block(queries: int, width: int, seed: int = 0) -> Candidates:
    random = np.random.default_rng(seed)
    scores = -np.sort(-random.random((queries, width)), axis=1)
    candidates = block(scores.tolist(), random.random(queries).tolist())
    ordinals = np.argsort(random.random((queries, 3 * width)), axis=1)[:, :width].astype(np.int32)
    marks = (random.random((queries, width)) < 0.1).astype(np.uint8)
    return Candidates(
        candidates.queries, ordinals, candidates.scores, candidates.ranks, marks, candidates.positive_scores
    )


def part(candidates: Candidates, start: int, stop: int) -> Candidates:
    names = ("queries", "ordinals", "scores", "ranks", "marks", "positive_scores")
    return Candidates(**{name: getattr(candidates, name)[start:stop] for name in names})


def test_random_sampling_depends_on_the_seed_and_not_on_blocks() -> None:
    whole = random_block(20, 30)
    spec = MiningSpec(range_min=2, range_max=25, per_query=4, sampling="random", seed=3)
    first = picked(apply_rules(whole, spec, 30))
    again = {
        start + row: found
        for start in range(0, 20, 7)
        for row, found in picked(apply_rules(part(whole, start, start + 7), spec, 30)).items()
    }
    assert first == again
    assert first != picked(apply_rules(whole, MiningSpec(**{**spec.to_dict(), "seed": 4}), 30))
    window = MiningSpec(**{**spec.to_dict(), "sampling": "top", "per_query": 23})
    eligible = picked(apply_rules(whole, window, 30))
    assert all(set(found) <= set(eligible[row]) for row, found in first.items())


def test_random_sampling_draws_all_alike() -> None:
    candidates = block([[0.9, 0.8, 0.7, 0.6, 0.5]] * 1, [1.0])
    counts = np.zeros(5)
    for seed in range(2000):
        mined = apply_rules(candidates, MiningSpec(per_query=2, range_max=5, sampling="random", seed=seed), 5)
        counts[mined.ordinals] += 1
    # Each of 5 is drawn with 2/5; 5 σ of a binomial of 2,000 draws is 110.
    assert np.abs(counts - 800).max() < 110


def test_a_sweep_yields_what_the_rules_yield_at_each_margin() -> None:
    candidates = random_block(40, 25, 5)
    margins = [0.0, 0.05, 0.3, 0.9]
    for kind in ("relative", "absolute"):
        for extra in ({}, {"max_score": 0.8, "min_score": 0.1}):
            base = {"range_min": 2, "range_max": 20, "per_query": 6, **extra}
            points = sweep([part(candidates, 0, 15), part(candidates, 15, 40)], MiningSpec(**base), 25, margins, kind)
            for margin, point in zip(margins, points, strict=True):
                mined = apply_rules(candidates, MiningSpec(**base, **{f"{kind}_margin": margin}), 25)
                assert point.margin == margin
                assert point.negatives == len(mined)
                assert point.short == 40 - (np.bincount(mined.rows, minlength=40) == 6).sum()
                if len(mined):
                    assert point.mean_score == pytest.approx(float(mined.scores.mean(dtype=np.float64)), abs=1e-6)
                    gaps = mined.positive_scores.astype(np.float64) - mined.scores
                    assert point.mean_gap == pytest.approx(float(gaps.mean()), abs=1e-6)


def test_marks_by_ordinal_and_by_group() -> None:
    ordinals = np.array([[3, 1, -1], [1, 2, 3]], np.int32)
    offsets, known = np.array([0, 1, 3]), np.array([1, 3, 0])
    assert marks_of(ordinals, offsets, known).tolist() == [[False, True, False], [False, False, True]]
    groups = np.array([-1, 7, 7, -1])  # documents 1 and 2 share a text; 0 and 3 have none
    assert marks_of(ordinals, offsets, known, groups).tolist() == [[False, True, False], [False, False, False]]
    assert not marks_of(ordinals, np.zeros(3, np.int64), np.empty(0, np.int64)).any()


def test_rescoring_sorts_again_and_keeps_ranks() -> None:
    before = block([[0.9, 0.8, 0.7, 0.6]], [0.95], {(0, 1): Mark.POSITIVE})
    after = rescored(before, np.array([[1.0, 5.0, 3.0, -np.inf]], np.float32), np.array([4.0], np.float32))
    assert after.ordinals.tolist() == [[1, 2, 0, -1]]
    assert after.ranks.tolist() == [[2, 3, 1, 4]]
    assert after.marks.tolist() == [[Mark.POSITIVE, 0, 0, 0]]
    assert picked(apply_rules(after, MiningSpec(absolute_margin=0.5), 4)) == {0: [2, 0]}


def test_several_miners_take_turns_and_share_what_both_found() -> None:
    first = apply_rules(block([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7]], [1.0, 1.0]), MiningSpec(per_query=3), 3)
    other = block([[30.0, 20.0, 10.0], [-np.inf] * 3], [40.0, 40.0])
    ordinals = np.array([[5, 0, 6], [-1, -1, -1]], np.int32)
    second = apply_rules(
        Candidates(other.queries, ordinals, other.scores, other.ranks, other.marks, other.positive_scores),
        MiningSpec(per_query=3),
        3,
    )
    both = joined([first, second], 3)
    assert both.rows.tolist() == [0, 0, 0, 1, 1, 1]
    assert both.ordinals.tolist() == [0, 5, 1, 10, 11, 12]
    assert both.first.tolist() == [0, 1, 0, 0, 0, 0]
    assert both.found[0].tolist() == [0, -1, 1, 3, 4, 5]
    assert both.found[1].tolist() == [1, 0, -1, -1, -1, -1]


def test_small_helpers() -> None:
    ordinals, scores = padded([Ranking.of(np.array([4, 2]), np.array([1.0, 2.0])), Ranking.of([], [])], 3)
    assert ordinals.tolist() == [[2, 4, -1], [-1, -1, -1]]
    assert scores[0].tolist() == [2.0, 1.0, -np.inf]
    rows = np.eye(3, dtype=np.float32)
    assert closest(rows, rows[1:]).tolist() == [0.0, 1.0, 1.0]
    assert closest(rows, rows[:0]).tolist() == [-1.0, -1.0, -1.0]
    values = np.array([[0.5], [0.2], [0.7], [np.nan]], np.float32)
    found = lowest(Ragged(values, np.array([0, 2, 2, 4])))
    assert found.tolist() == [np.float32(0.2), -np.inf, -np.inf]


# Against sentence-transformers, on float64 vectors, so that only the rules decide


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """40 queries and 300 documents around 8 centres, one to three positives near each query."""
    random = np.random.default_rng(7)
    centres = random.standard_normal((8, 12))
    documents = centres[random.integers(0, 8, 300)] + 0.6 * random.standard_normal((300, 12))
    queries = centres[random.integers(0, 8, 40)] + 0.6 * random.standard_normal((40, 12))
    queries[:4] *= -1  # their positives score below 0
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    scores = np.abs(queries @ documents.T)
    positives = [np.argsort(-scores[row])[2 : 3 + row % 3].tolist() for row in range(40)]
    return queries, documents, positives


def by_workbench(world: Any, spec: MiningSpec) -> dict[int, list[int]]:
    queries, documents, positives = world
    most = max(map(len, positives))
    width = min(considered_width(spec, most), len(documents))
    scores = queries @ documents.T
    rankings = [Ranking.of(np.arange(len(documents)), row, width) for row in scores]
    ordinals, values = padded(rankings, width)
    offsets = np.cumsum([0, *map(len, positives)])
    known = np.concatenate(positives)
    own = Ragged.of([scores[row, each][:, None] for row, each in enumerate(positives)], 1)
    marks = marks_of(ordinals, offsets, known).astype(np.uint8) * Mark.POSITIVE
    ranks = np.tile(np.arange(1, width + 1, dtype=np.int32), (len(queries), 1))
    block = Candidates(np.arange(len(queries)), ordinals, values, ranks, marks.astype(np.uint8), lowest(own))
    return picked(apply_rules(block, spec, width))


@pytest.mark.parametrize(
    "rules",
    [
        {"range_max": 20},
        {"range_min": 3, "range_max": 12},
        {"range_max": 30, "relative_margin": 0.05},
        {"range_min": 2, "range_max": 30, "relative_margin": 0.1, "max_score": 0.7},
        {"range_max": 40, "absolute_margin": 0.1, "min_score": 0.2},
        {"range_max": 50, "absolute_margin": 0.05, "relative_margin": 0.02, "max_score": 0.9, "min_score": 0.1},
        {"range_min": 1, "range_max": 400, "relative_margin": 0.3},
    ],
)
@pytest.mark.parametrize("per_query", [1, 7])
def test_the_negatives_are_those_of_sentence_transformers(world: Any, rules: dict[str, Any], per_query: int) -> None:
    theirs = mined_by_sentence_transformers(*world, {**rules, "num_negatives": per_query})
    ours = by_workbench(world, MiningSpec(**rules, per_query=per_query))
    assert ours == theirs
    assert sum(map(len, ours.values())) > 20
