"""Agreement of annotators: equal to independent libraries, and to figures worked out by hand."""

import math

import numpy as np
import pytest
from nltk.metrics.agreement import AnnotationTask
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from workbench.annotators import (
    Ratings,
    cohen_kappa,
    krippendorff_alpha,
    percent_agreement,
)

LEVELS = ("nominal", "ordinal", "interval")


def counted(table, names="abcdefgh", by_unit=False):
    """`table` (annotators, units), or turned round, NaN = not rated."""
    ratings = Ratings()
    for unit in np.asarray(table, float) if by_unit else np.asarray(table, float).T:
        ratings.add({name: int(value) for name, value in zip(names, unit, strict=False) if not np.isnan(value)})
    return ratings


def drawn(seed, annotators, units, missing, values=(0, 1, 2, 3)):
    """Noisy copies of one truth, as people's grades are."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(values, units)
    noise = rng.choice(values, (annotators, units))
    table = np.where(rng.random((annotators, units)) < 0.6, truth, noise).astype(float)
    table[rng.random((annotators, units)) < missing] = np.nan
    return table


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
@pytest.mark.parametrize("seed", range(4))
def test_cohens_kappa_is_scikit_learns(seed, weights):
    one, two = drawn(seed, 2, 60, 0)
    ours = cohen_kappa(counted([one, two]).confusion("a", "b", range(4)), weights)
    theirs = cohen_kappa_score(one, two, labels=[0, 1, 2, 3], weights=None if weights == "none" else weights)
    assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("annotators", [2, 3, 5])
def test_fleiss_kappa_is_statsmodels(annotators):
    table = drawn(annotators, annotators, 80, 0)
    counts = np.stack([(table == value).sum(axis=0) for value in range(4)], axis=1)
    kappa, units, each = counted(table).fleiss()
    assert kappa == pytest.approx(statsmodels_fleiss(counts), abs=1e-12)
    assert (units, each) == (80, annotators)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("seed", "missing"), [(0, 0.0), (1, 0.3), (2, 0.6)])
def test_alpha_is_nltks(level, seed, missing):
    table = drawn(seed, 4, 70, missing, values=(0, 1, 3, 7))
    pairable = table[:, (~np.isnan(table)).sum(axis=0) > 1]
    values, counts = np.unique(pairable[~np.isnan(pairable)], return_counts=True)

    def ordinal(one, two):
        """Ratings between the two values, theirs by half, squared (Krippendorff 2011, section C)."""
        low, high = sorted((one, two))
        between = counts[(values >= low) & (values <= high)].sum()
        return (between - (counts[values == low][0] + counts[values == high][0]) / 2) ** 2

    distances = {"nominal": lambda a, b: float(a != b), "ordinal": ordinal, "interval": lambda a, b: (a - b) ** 2}
    ratings = [(who, unit, value) for (who, unit), value in np.ndenumerate(table) if not np.isnan(value)]
    theirs = AnnotationTask(ratings, distance=distances[level]).alpha()
    assert counted(table).alpha(level) == pytest.approx(theirs, abs=1e-12)


def test_alpha_of_krippendorffs_own_example():
    """Computing Krippendorff's Alpha-Reliability (2011), section C: four observers, twelve units, values missing."""
    nan = math.nan
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    ratings = counted(table)
    assert [round(ratings.alpha(level), 3) for level in LEVELS] == [0.743, 0.815, 0.849]
    # The twelfth unit was seen by one observer only.
    assert (ratings.units, ratings.single, ratings.rated["a"], ratings.rated["b"]) == (11, 1, 9, 11)


def test_cohens_kappa_by_hand():
    """Cohen's textbook case: 50 units, 20 + 15 on the diagonal; chance agrees on 25 of them."""
    table = np.array([[20.0, 5.0], [10.0, 15.0]])
    assert percent_agreement(table) == pytest.approx(0.7)
    assert cohen_kappa(table) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_fleiss_example_of_ten_subjects_and_fourteen_raters():
    """Fleiss 1971 as given by Wikipedia: κ = 0.210."""
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    kappa, units, each = counted([np.repeat(range(5), unit) for unit in counts], "abcdefghijklmn", True).fleiss()
    assert (round(kappa, 3), units, each) == (0.210, 10, 14)


def test_percent_counts_pairs_and_fleiss_leaves_out_other_numbers_of_ratings():
    ratings = Ratings()
    for unit in ({"x": 1, "y": 1, "z": 0}, {"x": 2, "y": 2}, {"x": 0, "y": 1}, {"x": 3}, {}):
        ratings.add(unit)
    assert ratings.percent == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert (ratings.units, ratings.single) == (3, 1)
    # Two units have two ratings: {2, 2} and {0, 1}; p = ½, ¼, ¼, P̄ = ½, P̄e = 6/16.
    assert ratings.fleiss() == (pytest.approx((0.5 - 0.375) / 0.625), 2, 2)
    assert ratings.confusion("y", "x").tolist() == ratings.confusion("x", "y").T.tolist()
    assert ratings.confusion("x", "y", range(4))[2, 2] == 1


def test_what_cannot_be_told_is_nan():
    nothing = Ratings()
    assert all(map(math.isnan, (nothing.percent, nothing.alpha(), nothing.fleiss()[0])))
    same = counted([[1, 1, 1], [1, 1, 1]])
    assert same.percent == 1
    assert all(map(math.isnan, (same.alpha(), same.fleiss()[0], cohen_kappa(same.confusion("a", "b")))))
    assert math.isnan(percent_agreement(np.zeros((2, 2)))) and math.isnan(cohen_kappa(np.zeros((2, 2))))
    assert math.isnan(krippendorff_alpha(np.zeros((0, 0)), [], "ordinal"))
