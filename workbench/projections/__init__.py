"""Vectors → two dimensions, how far to trust them, and how two maps or new vectors are brought together.

Nothing heavy is imported here: umap, numba and scikit-learn come with the first projection.
"""

from workbench.projections.aligning import disparity, place, procrustes
from workbench.projections.honesty import Honesty, measure_honesty, trustworthiness
from workbench.projections.projecting import pca, project

__all__ = [
    "Honesty",
    "disparity",
    "measure_honesty",
    "pca",
    "place",
    "procrustes",
    "project",
    "trustworthiness",
]
