"""From votes between two systems to a ranking of all: Bradley–Terry strengths with intervals, and position bias."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Choice = Literal["left", "right", "tie", "bad"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
POINTS = 400 / np.log(10)
"""Elo-like points of one unit of log strength: 400 points are odds of ten to one."""
DRAWS = 1000
_BOUNDS = (2.5, 97.5)
_STEPS = 200


@dataclass(frozen=True, slots=True)
class Vote:
    """One comparison: the systems' names, and which list was better. `bad`: neither was any good."""

    left: str
    right: str
    choice: Choice

    def __post_init__(self) -> None:
        if self.choice not in CHOICES:
            raise ValueError(f"“{self.choice}” is no choice; there are {', '.join(CHOICES)}")
        if self.left == self.right:
            raise ValueError(f"“{self.left}” was compared with itself")


@dataclass(frozen=True)
class Tally:
    """Counts of n systems, each (n, n) int64: `wins[i, j]` = i over j; `ties` and `bad` are symmetric."""

    wins: NDArray[np.int64]
    ties: NDArray[np.int64]
    bad: NDArray[np.int64]

    @property
    def points(self) -> NDArray[np.float64]:
        """Wins with half a win to each side for a tie and for both bad, as arenas count them."""
        return self.wins + (self.ties + self.bad) / 2


@dataclass(frozen=True)
class Interval:
    """An estimate with its 2.5 % and 97.5 % bounds."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Strength:
    """How strong one system is. `win`: chance to win against a system of average strength; `points`: Elo-like, 0 = the
    average. `wins` … `bad` count its votes."""

    name: str
    win: Interval
    points: Interval
    wins: int
    losses: int
    ties: int
    bad: int


@dataclass(frozen=True)
class PositionBias:
    """Votes won by the left list, of those that had a winner. `low` … `high`: exact (Clopper–Pearson) 95 % interval of
    the share; `p_value`: exact two-sided binomial test against one half."""

    left: int
    decisive: int
    share: float
    low: float
    high: float
    p_value: float


def tally(votes: Sequence[Vote], systems: Sequence[str]) -> Tally:
    """Count the votes between `systems`, in their order. Raises `KeyError` on a vote for another system."""
    at = {name: number for number, name in enumerate(systems)}
    wins, ties, bad = (np.zeros((len(at), len(at)), np.int64) for _ in range(3))
    for vote in votes:
        i, j = at[vote.left], at[vote.right]
        if vote.choice == "left":
            wins[i, j] += 1
        elif vote.choice == "right":
            wins[j, i] += 1
        else:
            counts = ties if vote.choice == "tie" else bad
            counts[i, j] += 1
            counts[j, i] += 1
    return Tally(wins, ties, bad)


def prior(systems: int) -> NDArray[np.float64]:
    """(n, n) virtual wins that are added to the votes: one tied vote a system, spread over its opponents.

    With two systems that is half a win to each side. It keeps the strength of an undefeated system finite, and joins
    systems that no chain of votes connects.
    """
    return (1 - np.eye(systems)) * 0.5 / max(1, systems - 1)


def bradley_terry(wins: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log strengths (…, n), mean 0, of the Bradley–Terry model P(i beats j) = 1 / (1 + exp(θ_j − θ_i)).

    `wins` (…, n, n): how often i won against j, any non-negative numbers, of which each two systems must have some on
    both sides (add `prior`). Maximum likelihood by Newton's method: the likelihood is concave, and a step that changes
    no difference by more than 1 cannot lower it (its third derivative is at most its second: Bach 2010, self-concordant
    analysis for logistic regression).
    """
    won = np.asarray(wins, dtype=np.float64)
    n = won.shape[-1]
    games = won + np.swapaxes(won, -1, -2)
    theta = np.zeros(won.shape[:-1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(theta[..., None, :] - theta[..., :, None]))
        gradient = (won - games * chance).sum(-1)
        weight = games * chance * (1 - chance)
        # Only differences matter: the ones make the matrix regular without moving the mean.
        hessian = weight.sum(-1)[..., None] * np.eye(n) - weight + 1.0
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        span = step.max(-1) - step.min(-1)
        theta = theta + step / np.maximum(1.0, span)[..., None]
        if np.all(span < 1e-10):
            break
    centred: NDArray[np.float64] = theta - theta.mean(-1, keepdims=True)
    return centred


def resampled(counts: Tally, draws: int, seed: int) -> NDArray[np.float64]:
    """(draws, n, n) points of as many votes, drawn again with replacement from the votes and the prior's virtual ones.

    With the virtual ones, so that a system that won each of ten votes does not get an interval of no width.
    """
    n = counts.wins.shape[0]
    above = np.triu_indices(n, 1)
    halves = counts.ties + counts.bad
    cells = np.concatenate([counts.wins[above], counts.wins.T[above], halves[above]]).astype(np.float64)
    # A virtual vote is a tie in the fit; here half of it is lost by either side, which is what can turn out otherwise.
    virtual = np.concatenate([prior(n)[above], prior(n)[above], np.zeros(above[0].size)])
    chances = (cells + virtual) / (cells + virtual).sum()
    drawn = np.random.default_rng(seed).multinomial(int(cells.sum()), chances, size=draws)
    first, second, half = np.split(drawn.astype(np.float64), 3, axis=1)
    points = np.zeros((draws, n, n))
    points[:, above[0], above[1]] = first + half / 2
    points[:, above[1], above[0]] = second + half / 2
    return points


def strengths(votes: Sequence[Vote], systems: Sequence[str], seed: int = 0, draws: int = DRAWS) -> list[Strength]:
    """The systems by strength, the strongest first (ties: in the order given), with bootstrap intervals.

    Ties and “both bad” count as half a win each. Two systems or more; without any vote all are equal and the intervals
    say that nothing is known. Raises `KeyError` on a vote for a system that is not listed.
    """
    counts = tally(votes, systems)
    virtual = prior(len(systems))
    fitted = bradley_terry(counts.points + virtual)
    if votes:
        low, high = np.percentile(bradley_terry(resampled(counts, draws, seed) + virtual), _BOUNDS, axis=0)
    else:
        low, high = np.full(len(systems), -np.inf), np.full(len(systems), np.inf)
    found = [
        Strength(
            name,
            Interval(*(chance(value) for value in (fitted[i], low[i], high[i]))),
            Interval(*(float(POINTS * value) for value in (fitted[i], low[i], high[i]))),
            int(counts.wins[i].sum()),
            int(counts.wins[:, i].sum()),
            int(counts.ties[i].sum()),
            int(counts.bad[i].sum()),
        )
        for i, name in enumerate(systems)
    ]
    return [found[i] for i in np.argsort(-fitted.round(9), kind="stable")]


def chance(strength: float) -> float:
    """The chance to win against a system of average strength (0)."""
    with np.errstate(over="ignore"):
        return float(1 / (1 + np.exp(-np.float64(strength))))


def position_bias(votes: Sequence[Vote]) -> PositionBias:
    """Does the left list win more often than by chance? Sides must have been dealt at random. Ties and “both bad” say
    nothing about it and are left out. Without a decisive vote: share ½, interval 0 … 1, p = 1."""
    from scipy.stats import binomtest

    left = sum(vote.choice == "left" for vote in votes)
    decisive = left + sum(vote.choice == "right" for vote in votes)
    if not decisive:
        return PositionBias(0, 0, 0.5, 0.0, 1.0, 1.0)
    test = binomtest(left, decisive, 0.5)
    bounds = test.proportion_ci(0.95, method="exact")
    return PositionBias(left, decisive, left / decisive, float(bounds.low), float(bounds.high), float(test.pvalue))
