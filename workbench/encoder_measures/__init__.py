"""What an encoder's vectors are like: shorter and coarser copies, scores of pairs, geometry. Values in, values out."""

from workbench.encoder_measures.codes import (
    binary_codes,
    int8_codes,
    int8_values,
    reduced,
    signs,
    value_ranges,
)
from workbench.encoder_measures.curves import (
    PRECISIONS,
    Best,
    Variant,
    compared,
    parts,
    rank_variants,
    recall,
    variants_of,
)
from workbench.encoder_measures.geometry import alignment, pair_scores, uniformity
from workbench.encoder_measures.scores import (
    Threshold,
    area_under_curve,
    best_threshold,
    histogram,
    rank_correlation,
    thresholds,
)

__all__ = [
    "PRECISIONS",
    "Best",
    "Threshold",
    "Variant",
    "alignment",
    "area_under_curve",
    "best_threshold",
    "binary_codes",
    "compared",
    "histogram",
    "int8_codes",
    "int8_values",
    "pair_scores",
    "parts",
    "rank_correlation",
    "rank_variants",
    "recall",
    "reduced",
    "signs",
    "thresholds",
    "uniformity",
    "value_ranges",
    "variants_of",
]
