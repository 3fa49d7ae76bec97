"""Bradley–Terry strengths, their intervals and position bias against closed forms and an independent optimiser."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import beta, binom

from workbench.preferences import (
    POINTS,
    Tally,
    Vote,
    bradley_terry,
    chance,
    position_bias,
    prior,
    resampled,
    strengths,
    tally,
)


def votes(*counts):
    """("a", "b", "left", 3) → three such votes."""
    return [Vote(left, right, choice) for left, right, choice, number in counts for _ in range(number)]


def by_optimiser(wins):
    """Maximum likelihood by a general optimiser that knows only the likelihood."""
    n = len(wins)

    def loss(free):
        theta = np.append(free, 0.0)
        return sum(wins[i, j] * np.log1p(np.exp(theta[j] - theta[i])) for i in range(n) for j in range(n) if i != j)

    theta = np.append(minimize(loss, np.zeros(n - 1), method="BFGS", options={"gtol": 1e-10}).x, 0.0)
    return theta - theta.mean()


def test_two_systems_have_the_odds_of_their_wins():
    first, second = bradley_terry(np.array([[0, 7.0], [3, 0]]))
    assert np.exp(first - second) == pytest.approx(7 / 3, rel=1e-12)
    assert first == pytest.approx(-second)


def test_three_systems_of_known_strength():
    # 4 : 2 : 1, sixty games each: 40–20, 48–12, 40–20.
    theta = bradley_terry(np.array([[0, 40, 48], [20, 0, 40], [12, 20, 0.0]]))
    assert np.exp(theta - theta[2]) == pytest.approx([4, 2, 1], rel=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_many_systems_as_an_optimiser_finds_them(seed):
    wins = np.random.default_rng(seed).integers(0, 9, (4, 4)) * (1 - np.eye(4)) + prior(4)
    assert bradley_terry(wins) == pytest.approx(by_optimiser(wins), abs=1e-5)


def test_a_batch_is_the_same_as_one_by_one():
    wins = np.random.default_rng(1).integers(0, 9, (6, 3, 3)) * (1 - np.eye(3)) + prior(3)
    assert bradley_terry(wins) == pytest.approx(np.array([bradley_terry(each) for each in wins]), abs=1e-9)


def test_a_thousand_to_none_is_found_too():
    theta = bradley_terry(np.array([[0, 1000.0], [0, 0]]) + prior(2))
    assert theta[0] - theta[1] == pytest.approx(np.log(1000.5 / 0.5), rel=1e-9)


def test_lopsided_votes_on_which_a_whole_step_of_newton_runs_away():
    wins = np.zeros((6, 6))
    for i, j, number in [
        (0, 3, 194),
        (1, 3, 2),
        (2, 1, 5134),
        (3, 0, 3),
        (4, 1, 2218),
        (5, 2, 4343),
        (5, 3, 899),
        (5, 4, 4719),
    ]:
        wins[i, j] = number
    wins += prior(6)
    theta = bradley_terry(wins)
    expected = (wins + wins.T) / (1 + np.exp(theta[None, :] - theta[:, None]))
    # At the maximum every system has as many wins as the model expects.
    assert expected.sum(1) == pytest.approx(wins.sum(1), rel=1e-8)


def test_the_prior_is_one_tied_vote_a_system():
    assert prior(2).tolist() == [[0, 0.5], [0.5, 0]]
    assert (prior(4) + prior(4).T).sum(1) == pytest.approx(np.ones(4))


def test_ties_and_both_bad_are_half_a_win_and_counted_apart():
    cast = votes(("a", "b", "left", 2), ("b", "a", "left", 1), ("a", "b", "tie", 3), ("b", "a", "bad", 2))
    counts = tally(cast, ["a", "b"])
    assert (counts.wins.tolist(), counts.ties.tolist(), counts.bad.tolist()) == (
        [[0, 2], [1, 0]], [[0, 3], [3, 0]], [[0, 2], [2, 0]],
    )  # fmt: skip
    assert counts.points.tolist() == [[0, 4.5], [3.5, 0]]
    first, second = strengths(cast, ["a", "b"])
    assert (first.name, first.wins, first.losses, first.ties, first.bad) == ("a", 2, 1, 3, 2)
    odds = 5.0 / 4.0  # with half a virtual win each
    assert first.points.value - second.points.value == pytest.approx(400 * np.log10(odds))
    assert first.win.value == pytest.approx(chance(np.log(odds) / 2))


def test_points_are_those_of_elo():
    # Odds of ten to one are 400 points.
    assert np.log(10) * POINTS == pytest.approx(400)


def test_intervals_of_two_systems_are_those_of_the_binomial():
    cast = votes(("a", "b", "left", 36), ("b", "a", "right", 24), ("a", "b", "right", 40))
    a, b = strengths(cast, ["a", "b"], seed=3, draws=20_000)
    p = 60.5 / 101
    for bound, q in ((a.points.low, 0.025), (a.points.high, 0.975)):
        won = binom.ppf(q, 100, p)
        expected = [POINTS / 2 * np.log((w + 0.5) / (100.5 - w)) for w in (won - 1, won + 1)]
        assert expected[0] <= bound <= expected[1]
    assert b.points.low == pytest.approx(-a.points.high)
    assert a.win.low < a.win.value < a.win.high


def test_bootstrap_draws_have_as_many_votes_and_their_mean():
    counts = tally(votes(("a", "b", "left", 6), ("b", "c", "tie", 3), ("c", "a", "bad", 1)), ["a", "b", "c"])
    drawn = resampled(counts, 4000, seed=0)
    assert (drawn.sum((1, 2)) == 10).all()
    expected = (counts.points + prior(3)) * 10 / (10 + prior(3).sum())
    assert drawn.mean(0) == pytest.approx(expected, abs=0.1)


def test_a_seed_makes_intervals_repeat():
    cast = votes(("a", "b", "left", 5), ("b", "a", "left", 4))
    assert strengths(cast, ["a", "b"], seed=1) == strengths(cast, ["a", "b"], seed=1)


def test_an_undefeated_system_is_finite_and_not_certain():
    first, _ = strengths(votes(("a", "b", "left", 10)), ["a", "b"])
    assert first.points.value == pytest.approx(POINTS / 2 * np.log(10.5 / 0.5))
    assert np.isfinite([first.points.low, first.points.high]).all()
    assert first.points.high - first.points.low > 50


def test_without_votes_nothing_is_known():
    found = strengths([], ["b", "a", "c"])
    assert [each.name for each in found] == ["b", "a", "c"]
    assert {(each.win.low, each.win.value, each.win.high) for each in found} == {(0.0, 0.5, 1.0)}


def test_systems_that_never_met_are_joined():
    cast = votes(("a", "b", "left", 5), ("c", "d", "left", 5))
    names = [each.name for each in strengths(cast, ["a", "b", "c", "d"])]
    assert set(names[:2]) == {"a", "c"}


@pytest.mark.parametrize("wrong", [("a", "a", "left"), ("a", "b", "both")])
def test_impossible_votes_are_refused(wrong):
    with pytest.raises(ValueError):
        Vote(*wrong)


def test_a_vote_for_a_stranger_is_refused():
    with pytest.raises(KeyError):
        tally(votes(("a", "z", "left", 1)), ["a", "b"])


def test_position_bias_by_hand():
    found = position_bias(
        votes(("a", "b", "left", 9), ("b", "a", "right", 1), ("a", "b", "tie", 5), ("a", "b", "bad", 2))
    )
    assert (found.left, found.decisive, found.share) == (9, 10, 0.9)
    assert found.p_value == pytest.approx(2 * (10 + 1) / 2**10)
    # Clopper and Pearson's bounds are quantiles of beta distributions.
    assert found.low == pytest.approx(beta.ppf(0.025, 9, 2))
    assert found.high == pytest.approx(beta.ppf(0.975, 10, 1))


def test_no_decisive_vote_says_nothing_about_sides():
    found = position_bias(votes(("a", "b", "tie", 3)))
    assert (found.decisive, found.low, found.high, found.p_value) == (0, 0.0, 1.0, 1.0)


def test_an_empty_tally():
    counts = tally([], [])
    assert isinstance(counts, Tally) and counts.wins.shape == (0, 0)
