"""Clusters of a map and their names.

HDBSCAN (Campello, Moulavi, Sander 2013; scikit-learn's) on the two dimensions, up to `DENSITY_UP_TO` documents:
clusters are what a person sees as islands, and what lies between is in none (−1). Above, or by choice, k-means
(FAISS's, started by k-means++) on the vectors themselves: every document is in one.

Names are the terms that tell a cluster from the others, by class-based tf-idf (Grootendorst 2022, BERTopic):

    w(t, c) = tf(t, c) · log(1 + A / f(t)),   tf = the share of c's term occurrences that are t,
                                              f(t) = occurrences of t in all clusters, A = their mean per cluster.

A term counts once a document, so that one long document does not name its cluster.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.scoring import normalize_rows
from workbench.specs import MapSpec
from workbench.types import Progress, no_progress
from workbench.vectors import DenseVectors

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]
DENSITY_UP_TO = 50_000
SMOOTHING = 10
"""HDBSCAN's min_samples: how many neighbours say how dense it is at a point. More leaves more points in no cluster."""
PER_CENTRE = 256
"""Documents k-means learns from, for each cluster."""
ROUNDS = 20
NAMED_BY = 1000
LONGEST = 20_000
"""Characters of a document that are read for names."""
WORD = re.compile(r"[^\W\d_][^\W_]*(?:-[^\W_]+)*")


def method_for(count: int, spec: MapSpec) -> str:
    """hdbscan, kmeans or none: what `spec` means for so many documents."""
    if spec.clusters != "auto":
        return spec.clusters
    return "hdbscan" if count <= DENSITY_UP_TO else "kmeans"


def find_clusters(
    vectors: DenseVectors, xy: Floats, metric: str, spec: MapSpec, progress: Progress = no_progress
) -> Labels:
    """(n,) int32 clusters from 0, the largest first (ties: the one with the first document), −1 = in none.

    HDBSCAN finds none where the map is one even cloud, and so do fewer documents than a cluster must hold. It is one
    call (seconds at 50,000 documents) that holds the interpreter: a cancel is heard before it and after. The same seed
    gives the same clusters. Raises `BadInput` where `xy` (n, 2) is not of these vectors, or HDBSCAN is asked for more
    documents than it can take, what `progress` raises.
    """
    count = len(vectors)
    if xy.shape != (count, 2):
        raise BadInput(f"The map belongs to another corpus than these {count} vectors.")
    method = method_for(count, spec)
    progress(0, max(1, count))
    if method == "none" or count == 0:
        found = np.full(count, -1, np.int32)
    elif method == "hdbscan":
        found = _by_density(xy, spec)
    else:
        found = _by_means(vectors, metric, spec, progress)
    progress(max(1, count), max(1, count))
    return _largest_first(found)


def centres(labels: Labels, xy: Floats) -> Floats:
    """(clusters, 2): the document nearest to the median of each cluster's, so that a label lies upon its island."""
    found = np.empty((int(labels.max(initial=-1)) + 1, 2), np.float32)
    for number in range(len(found)):
        spots = xy[labels == number]
        away = np.linalg.norm(spots - np.median(spots, axis=0), axis=1)
        found[number] = spots[away.argmin()]
    return found


def naming_sample(labels: Labels, seed: int = 0, most: int = NAMED_BY) -> NDArray[np.int64]:
    """Ordinals, ascending, of at most `most` documents of each cluster: those whose texts `name_clusters` needs."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    ranked = labels[order]
    places = np.arange(len(order)) - np.searchsorted(ranked, ranked)
    return np.sort(order[(ranked >= 0) & (places < most)])


def name_clusters(labels: Labels, texts: Iterable[tuple[int, str]], words: int = 3) -> list[str]:
    """A name for each cluster, 0 first: its `words` most telling terms, “water · river · bridge”.

    `texts`: (ordinal, text), any part of the documents in any order, taken one at a time. Terms are lower-cased words
    of three or more letters (two in scripts with short words) that are no stop words. A cluster without any is called
    “Cluster 3”, counting from 1; the second of two equal names gets its number.
    """
    found: list[Counter[str]] = [Counter() for _ in range(int(labels.max(initial=-1)) + 1)]
    for ordinal, text in texts:
        if labels[ordinal] >= 0:
            found[labels[ordinal]].update(terms(text))
    names: list[str] = []
    for number, best in enumerate(telling_terms(found, words)):
        name = " · ".join(best) or f"Cluster {number + 1}"
        names.append(f"{name} ({number + 1})" if name in names else name)
    return names


def telling_terms(counts: list[Counter[str]], most: int) -> list[list[str]]:
    """The `most` heaviest terms of each class by class-based tf-idf; ties by the alphabet."""
    overall: Counter[str] = Counter()
    for each in counts:
        overall.update(each)
    mean = overall.total() / max(1, len(counts))
    chosen = []
    for each in counts:
        total = max(1, each.total())
        weights = {term: times / total * np.log1p(mean / overall[term]) for term, times in each.items()}
        chosen.append([term for _, term in sorted((-weight, term) for term, weight in weights.items())[:most]])
    return chosen


def terms(text: str) -> set[str]:
    """The words of a text that may name a cluster."""
    words = {match.lower() for match in WORD.findall(text[:LONGEST])}
    return {word for word in words if len(word) > (2 if word.isascii() else 1)} - stop_words()


@cache
def stop_words() -> frozenset[str]:
    """English (scikit-learn's), German, French and Spanish (bm25s') words that name nothing."""
    from bm25s import stopwords
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    lists = (stopwords.STOPWORDS_GERMAN, stopwords.STOPWORDS_FRENCH, stopwords.STOPWORDS_SPANISH)
    return frozenset(ENGLISH_STOP_WORDS).union(*lists)


def _by_density(xy: Floats, spec: MapSpec) -> Labels:
    from sklearn.cluster import HDBSCAN

    count = len(xy)
    if count > 4 * DENSITY_UP_TO:
        raise BadInput(
            f"HDBSCAN would need too long for {count:,} documents.", "Choose k-means, or auto, which does so by itself."
        )
    least = spec.min_cluster_size or max(5, round(np.sqrt(count) / 2))
    # With all points in one spot there is no density to tell apart: they are one cluster.
    if np.ptp(xy, axis=0).max() == 0:
        return np.full(count, 0 if count >= least else -1, np.int32)
    if count < max(least, 3):
        return np.full(count, -1, np.int32)
    fitted = HDBSCAN(min_cluster_size=least, min_samples=min(SMOOTHING, least, count), copy=True).fit(xy)
    labels: Labels = fitted.labels_.astype(np.int32)
    return labels


def _by_means(vectors: DenseVectors, metric: str, spec: MapSpec, progress: Progress) -> Labels:
    import faiss

    count = len(vectors)
    wanted = min(count, spec.cluster_count or int(np.clip(round(np.sqrt(count) / 8), 8, 200)))
    sample = min(count, wanted * PER_CENTRE)
    chosen = np.sort(np.random.default_rng(spec.seed).choice(count, sample, replace=False))
    kmeans: Any = faiss.Kmeans(
        vectors.dim,
        wanted,
        niter=ROUNDS,
        seed=spec.seed,
        spherical=metric == "cosine",
        min_points_per_centroid=1,
        max_points_per_centroid=PER_CENTRE,
        init_method=faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
    )
    kmeans.train(_rows(vectors.take(chosen), metric))
    labels = np.empty(count, np.int32)
    for start, block in vectors.blocks(8192):
        progress(start, count)
        labels[start : start + len(block)] = kmeans.assign(_rows(block, metric))[1]
    return labels


def _rows(block: Floats, metric: str) -> Floats:
    return normalize_rows(block) if metric == "cosine" else block


def _largest_first(labels: Labels) -> Labels:
    """Number clusters by size, ties by first document; leaves none empty."""
    known = labels >= 0
    found = np.full(len(labels), -1, np.int32)
    _, firsts, names, sizes = np.unique(labels[known], return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((firsts, -sizes))
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order))
    found[known] = ranks[names]
    return found
