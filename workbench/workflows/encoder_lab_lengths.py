"""Length sensitivity: scores and nDCG by the length of the documents, in words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.corpora import CorpusInfo
from workbench.encoder_measures import rank_correlation
from workbench.project import Project

BUCKETS = 4
Pairs = NDArray[np.int64]
Scores = NDArray[np.float32]


def lengths_of(
    project: Project,
    info: CorpusInfo,
    pairs: tuple[Pairs, Pairs],
    scores: tuple[Scores, Scores],
    quality: NDArray[np.float64] | None,
) -> dict[str, Any] | None:
    """Quarters of the documents by length with the mean scores in each, and Spearman's ρ of length and score.

    `pairs` and `scores`: positives and random ones, row i for row i; `quality` (q,) nDCG@10 of each query: a query
    counts in every quarter that holds one of its relevant documents. None where the documents have no text.
    """
    words = _words(project, info, np.concatenate([pairs[0][:, 1], pairs[1][:, 1]]))
    lengths = [np.array([words[each] for each in part[:, 1].tolist()], np.int64) for part in pairs]
    whole = np.concatenate(lengths)
    if not whole.size or not whole.max():
        return None
    edges = np.unique(np.quantile(whole, np.linspace(0, 1, BUCKETS + 1)).astype(np.int64))
    edges[-1] += 1
    if edges.size < 2:
        edges = np.array([whole[0], whole[0] + 1])
    spans = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    return {
        "buckets": [_bucket(low, high, pairs[0], lengths, scores, quality) for low, high in spans],
        "correlation": [rank_correlation(length, score) for length, score in zip(lengths, scores, strict=True)],
    }


def _bucket(
    low: int,
    high: int,
    positives: Pairs,
    lengths: list[Pairs],
    scores: tuple[Scores, Scores],
    quality: NDArray[np.float64] | None,
) -> dict[str, Any]:
    inside = [(length >= low) & (length < high) for length in lengths]
    means = [float(score[own].mean()) if own.any() else None for score, own in zip(scores, inside, strict=True)]
    rows = np.unique(positives[inside[0], 0])
    known = quality[rows][np.isfinite(quality[rows])] if quality is not None else np.empty(0)
    return {
        "low": low,
        "high": high - 1,
        "positives": int(inside[0].sum()),
        "random": int(inside[1].sum()),
        "positive_score": means[0],
        "random_score": means[1],
        "queries": int(known.size),
        "ndcg": float(known.mean()) if known.size else None,
    }


def _words(project: Project, info: CorpusInfo, ordinals: NDArray[np.int64]) -> dict[int, int]:
    """The number of words of each document."""
    wanted = np.unique(ordinals).tolist()
    found = corpora.documents(project.db, info.id, wanted)
    return {ordinal: len(each.content.split()) for ordinal, each in zip(wanted, found, strict=True)}
