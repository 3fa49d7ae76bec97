"""How much annotators agree, beyond what chance would give; ratings may be missing.

Ratings are counted as they come (`Ratings.add`), so the memory is that of the pairs of annotators and of values, not
of the units rated. Undefined figures (nothing rated twice, or no spread at all to agree on) are NaN.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["none", "linear", "quadratic"]


@dataclass
class Ratings:
    """What units were rated, counted. `pairs[a, b][x, y]`: units that a rated x and b rated y, a before b by name.

    `coincidences[x, y]`: Krippendorff's, each unit's ordered pairs of ratings over (its ratings − 1). `patterns[n]`:
    for units with n ratings, the sum of Fleiss's P_i, their number, and how often each value was given.
    """

    pairs: dict[tuple[str, str], Counter[tuple[int, int]]] = field(default_factory=dict)
    coincidences: defaultdict[tuple[int, int], float] = field(default_factory=lambda: defaultdict(float))
    patterns: dict[int, "Pattern"] = field(default_factory=dict)
    rated: Counter[str] = field(default_factory=Counter)
    agreeing: float = 0.0
    units: int = 0
    single: int = 0

    def add(self, unit: Mapping[str, int]) -> None:
        """Count a unit: annotator → value. One that nobody rated counts for nothing, one rated once as `single`."""
        self.rated.update(unit.keys())
        count = len(unit)
        if count < 2:
            self.single += count
            return
        self.units += 1
        equal = 0
        for a, b in combinations(sorted(unit), 2):
            x, y = unit[a], unit[b]
            self.pairs.setdefault((a, b), Counter())[x, y] += 1
            self.coincidences[x, y] += 1.0 / (count - 1)
            self.coincidences[y, x] += 1.0 / (count - 1)
            equal += x == y
        share = equal / math.comb(count, 2)
        self.agreeing += share
        self.patterns.setdefault(count, Pattern()).add(list(unit.values()), share)

    @property
    def values(self) -> list[int]:
        """The values given to units that were rated twice or more, ascending."""
        return sorted({value for pair in self.coincidences for value in pair})

    @property
    def percent(self) -> float:
        """The share of agreeing pairs of ratings, averaged over the units rated twice or more."""
        return self.agreeing / self.units if self.units else math.nan

    def confusion(self, a: str, b: str, values: Sequence[int] | None = None) -> Table:
        """(v, v) float64: units that `a` rated as row and `b` as column, over `values` (else all those given)."""
        known = list(self.values if values is None else values)
        flip = (a, b) not in self.pairs and (b, a) in self.pairs
        found = _table(self.pairs.get((b, a) if flip else (a, b), Counter()), known)
        return found.T if flip else found

    def alpha(self, level: Level = "nominal") -> float:
        """`krippendorff_alpha` of all units."""
        known = self.values
        return krippendorff_alpha(_table(self.coincidences, known), known, level)

    def fleiss(self) -> tuple[float, int, int]:
        """(Fleiss's κ, its units, ratings of each): of the units with the most common number of ratings.

        Fleiss's κ is defined for equally many ratings of every unit only; the others are left out, and counted so.
        """
        if not self.patterns:
            return math.nan, 0, 0
        count = max(self.patterns, key=lambda n: (self.patterns[n].units, n))
        pattern = self.patterns[count]
        return pattern.kappa(), pattern.units, count


@dataclass
class Pattern:
    """Sums over the units with equally many ratings."""

    agreeing: float = 0.0
    units: int = 0
    given: Counter[int] = field(default_factory=Counter)

    def add(self, values: Sequence[int], share: float) -> None:
        """Count a unit; `share`: of its pairs of ratings, those that agree (P_i)."""
        self.agreeing += share
        self.units += 1
        self.given.update(values)

    def kappa(self) -> float:
        """Fleiss, “Measuring nominal scale agreement among many raters”, 1971: (P̄ − P̄e) / (1 − P̄e), P̄e = Σ p_j²."""
        total = self.given.total()
        expected = sum((count / total) ** 2 for count in self.given.values())
        return (self.agreeing / self.units - expected) / (1 - expected) if expected < 1 else math.nan


def percent_agreement(confusion: Table) -> float:
    """The share of units on the diagonal."""
    total = float(confusion.sum())
    return float(np.trace(confusion)) / total if total else math.nan


def cohen_kappa(confusion: Table, weights: Weights = "none") -> float:
    """Cohen's κ of two annotators from their (v, v) confusion: 1 − Σ w o / Σ w e, e the product of the margins.

    Disagreement weighs 1 (“none”), |i − j| or (i − j)² by the places of the values in the table (Cohen 1960, 1968).
    """
    total = float(confusion.sum())
    if not total:
        return math.nan
    places = np.arange(len(confusion), dtype=np.float64)
    distance = np.abs(places[:, None] - places[None, :])
    weight = {"none": (distance > 0).astype(np.float64), "linear": distance, "quadratic": distance**2}[weights]
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / total
    by_chance = float((weight * expected).sum())
    return 1.0 - float((weight * confusion).sum()) / by_chance if by_chance else math.nan


def krippendorff_alpha(coincidences: Table, values: Sequence[int], level: Level = "nominal") -> float:
    """α = 1 − D_o / D_e from the (v, v) symmetric coincidences of ascending `values` (Krippendorff 2011).

    The squared difference of two values is 1 (nominal), (x − y)² (interval), or for ordinal (Σ of the ratings from
    the one to the other, the two ends half)².
    """
    margins = coincidences.sum(axis=1)
    total = float(margins.sum())
    if total < 2:
        return math.nan
    difference = _differences(margins, values, level)
    observed = float((coincidences * difference).sum())
    expected = float((np.outer(margins, margins) * difference).sum()) / (total - 1)
    return 1.0 - observed / expected if expected else math.nan


def _differences(margins: Table, values: Sequence[int], level: Level) -> Table:
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    # The ordinal distance telescopes: to the middle of each value's stretch among all ratings in order.
    scale = np.asarray(values, np.float64) if level == "interval" else np.cumsum(margins) - margins / 2
    return np.square(scale[:, None] - scale[None, :])


def _table(counts: Mapping[tuple[int, int], float], values: Sequence[int]) -> Table:
    places = {value: place for place, value in enumerate(values)}
    table = np.zeros((len(values), len(values)))
    for (x, y), count in counts.items():
        table[places[x], places[y]] = count
    return table
