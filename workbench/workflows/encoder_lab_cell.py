"""One cell of the encoder laboratory: everything that is measured of one encoder over one corpus."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.artifacts import Artifact
from workbench.corpora import CorpusInfo
from workbench.encoder_measures import (
    Best,
    Variant,
    alignment,
    area_under_curve,
    best_threshold,
    compared,
    histogram,
    pair_scores,
    parts,
    rank_variants,
    recall,
    reduced,
    thresholds,
    uniformity,
)
from workbench.errors import BadInput
from workbench.hubness import occurrences, skewness, top_hubs
from workbench.project import Project
from workbench.specs import EncoderLabSpec, encoder_spec
from workbench.types import Progress
from workbench.vectors import DenseVectors, save_array
from workbench.workflows.encode import RUN, open_encoder, open_family
from workbench.workflows.encoder_lab_asking import READY_MADE, Asked, documents_ask, queries_ask, random_pairs
from workbench.workflows.encoder_lab_lengths import lengths_of
from workbench.workflows.encoder_lab_speed import size_of, speed_of
from workbench.workflows.encoding import STATE
from workbench.workflows.hubness import with_titles
from workbench.workflows.index import metric_of, open_vectors

if TYPE_CHECKING:
    from workbench.encoders.base import Encoder

K = 10
BINS, THRESHOLDS = 60, 241
HUBS = 10
MOST_POSITIVES = 20_000
NO_JUDGMENTS = "Choose a query set with judgments: nDCG, positives, threshold and alignment are measured by them."
Pairs = NDArray[np.int64]


def measure_cell(
    project: Project, info: CorpusInfo, embedding: Artifact, spec: EncoderLabSpec, folder: Path, progress: Progress
) -> dict[str, Any]:
    """The figures as plain JSON; scores of pairs and ranges of codes go into `folder` as arrays.

    `size`, `speed` (None without a model), `curve` (one entry a variant: dim, precision, bytes, recall, ndcg), `scores`
    (histogram, thresholds, auc), `alignment`, `uniformity`, `hubness`, `lengths`, `prompt`, `queries`, `judged`,
    `needs` and `warnings` (sentences). Raises `BadInput` where queries cannot be encoded.
    """
    vectors, metric = open_vectors(embedding), metric_of(embedding)
    if not isinstance(vectors, DenseVectors):
        raise BadInput(f"“{embedding.name}” makes no dense vectors.", "Choose a dense encoder.")
    model = _model(embedding, spec)
    asked = _asked(project, info, vectors, model, spec, embedding.name)
    speed = speed_of(project, info, model, asked, spec) if model is not None and spec.timed else None
    size = size_of(embedding, vectors, model)
    del model
    curve, truth = _curve(asked, vectors, metric, spec, folder, progress)
    random = random_pairs(asked, len(vectors), spec)
    scores = [_scores(asked, vectors, pairs, metric) for pairs in (_some(asked.positives, spec), random)]
    for name, each in zip(("positives", "random"), scores, strict=True):
        save_array(folder / f"{name}.npy", each)
    quality = asked.quality(truth)
    return {
        "metric": metric,
        "documents": len(vectors),
        "queries": len(asked),
        "judged": 0 if quality is None else int(np.isfinite(quality).sum()),
        "size": size,
        "speed": speed,
        "curve": curve,
        "scores": _distribution(*scores),
        "alignment": _alignment(asked, vectors, spec),
        "uniformity": uniformity(vectors.take(_sample(len(vectors), spec))),
        "hubness": _hubness(project, info, truth, len(vectors)),
        "lengths": lengths_of(project, info, (_some(asked.positives, spec), random), (scores[0], scores[1]), quality),
        "prompt": _prompt(embedding, asked, vectors, quality, spec),
        "needs": [] if len(asked.positives) else [NO_JUDGMENTS],
        "warnings": asked.warnings,
    }


def _model(embedding: Artifact, spec: EncoderLabSpec) -> "Encoder | None":
    """The model where anything needs it. Raises `BadInput` where queries need it and it is not known."""
    if "encoder_spec" in embedding.manifest:
        return open_encoder(embedding) if spec.query_set or spec.timed else None
    if spec.query_set:
        raise BadInput(READY_MADE, "Measure it without a query set: its documents ask then.")
    return None


def _asked(
    project: Project,
    info: CorpusInfo,
    vectors: DenseVectors,
    model: "Encoder | None",
    spec: EncoderLabSpec,
    name: str,
) -> Asked:
    if not spec.query_set or model is None:
        return documents_ask(vectors, spec)
    asked = queries_ask(project, info, model, spec, name)
    if asked.matrix.shape[1] != vectors.dim:
        raise BadInput(
            f"“{name}” makes {asked.matrix.shape[1]} dimensions now, its embedding has {vectors.dim}.",
            "Encode the corpus again.",
        )
    return asked


def _curve(
    asked: Asked, vectors: DenseVectors, metric: str, spec: EncoderLabSpec, folder: Path, progress: Progress
) -> tuple[list[dict[str, Any]], Pairs]:
    """(each variant's recall@10 of the whole float32 ranking and nDCG@10; that ranking)."""
    passes = 0

    def blocks() -> Iterator[tuple[int, NDArray[np.float32]]]:
        nonlocal passes
        done, total = len(vectors) * passes, len(vectors) * 6
        passes += 1
        for first, block in vectors.blocks():
            progress(min(done + first, total), total)
            yield first, block

    ranked = rank_variants(asked.matrix, blocks, metric, K, asked.own, spec.rescore)
    for dim, ranges in ranked.ranges.items():
        save_array(folder / f"ranges-{dim}.npy", ranges)
    truth = ranked.found[Variant(vectors.dim, "float32")]
    rows = []
    for variant, found in sorted(ranked.found.items(), key=lambda item: -item[0].dim):
        quality = asked.quality(found)
        row = {"dim": variant.dim, "precision": variant.precision, "bytes": variant.bytes}
        rows.append(row | {"recall": round(recall(found, truth), 6), "ndcg": _mean(quality)})
    return rows, truth


def _some(positives: Pairs, spec: EncoderLabSpec) -> Pairs:
    """A seeded sample of the positives where they are very many."""
    if len(positives) <= MOST_POSITIVES:
        return positives
    chosen = np.random.default_rng(spec.seed).choice(len(positives), MOST_POSITIVES, replace=False)
    return positives[np.sort(chosen)]


def _scores(asked: Asked, vectors: DenseVectors, pairs: Pairs, metric: str) -> NDArray[np.float32]:
    """(n,) the scores of pairs, a few at a time."""
    parts = [pair_scores(asked.matrix[part[:, 0]], vectors.take(part[:, 1]), metric) for part in _chunks(pairs, 4096)]
    return np.concatenate([np.empty(0, np.float32), *parts])


def _chunks(pairs: Pairs, size: int) -> Iterable[Pairs]:
    return (pairs[at : at + size] for at in range(0, len(pairs), size))


def _distribution(positives: NDArray[np.float32], others: NDArray[np.float32]) -> dict[str, Any]:
    """The histogram, the AUC, the best threshold, and a table of thresholds from the lowest score to the highest."""
    edges, *counts = histogram(positives, others, BINS)
    best = best_threshold(positives, others)
    table = thresholds(positives, others, np.linspace(edges[0], edges[-1], THRESHOLDS)) if best else []
    return {
        "edges": edges,
        "positives": counts[0],
        "random": counts[1],
        "count": [int(positives.size), int(others.size)],
        "means": [float(each.mean()) if each.size else None for each in (positives, others)],
        "auc": area_under_curve(positives, others),
        "best": None if best is None else asdict(best),
        "thresholds": [[round(value, 6) for value in asdict(each).values()] for each in table],
    }


def _alignment(asked: Asked, vectors: DenseVectors, spec: EncoderLabSpec) -> float | None:
    pairs = _some(asked.positives, spec)
    found = [
        (alignment(asked.matrix[part[:, 0]], vectors.take(part[:, 1])) or 0.0, len(part))
        for part in _chunks(pairs, 4096)
    ]
    return sum(value * count for value, count in found) / len(pairs) if found else None


def _sample(documents: int, spec: EncoderLabSpec) -> NDArray[np.int64]:
    random = np.random.default_rng(spec.seed + 2)
    return np.sort(random.choice(documents, min(spec.sample, documents), replace=False))


def _hubness(project: Project, info: CorpusInfo, truth: Pairs, documents: int) -> dict[str, Any]:
    """Skewness of N_10 over the asked queries, the share of documents that is never found, and the hubs."""
    counts = occurrences([truth[truth >= 0]], documents)
    hubs = with_titles(project, info, top_hubs(counts, HUBS))
    return {
        "k": K,
        "skewness": skewness(counts),
        "never": float((counts == 0).mean()),
        "hubs": [list(each) for each in hubs],
    }


def _prompt(
    embedding: Artifact, asked: Asked, vectors: DenseVectors, quality: NDArray[np.float64] | None, spec: EncoderLabSpec
) -> dict[str, Any] | None:
    """nDCG@10 with the query prompt and without it; None where there is none, or nothing is judged."""
    prompt = str(embedding.manifest.get("query_prompt") or "")
    if not (spec.prompt and prompt and asked.contents and quality is not None):
        return None
    given = encoder_spec(embedding.manifest["encoder_spec"])
    if not hasattr(given, "query_prompt"):
        return None
    state = embedding.folder / STATE
    changed = encoder_spec(given.to_dict() | {"query_prompt": ""})
    bare = open_family(changed, RUN, state if state.is_dir() else None)
    matrix = np.asarray(bare.encode_queries(asked.contents), np.float32)
    found = exact_top(matrix, vectors, metric_of(embedding))
    return {"prompt": prompt, "with": _mean(quality), "without": _mean(asked.quality(found))}


def exact_top(matrix: NDArray[np.float32], vectors: DenseVectors, metric: str) -> Pairs:
    """(q, K) the best documents of each query."""
    best, cosine = Best(len(matrix), K), metric == "cosine"
    queries = reduced(matrix, vectors.dim, cosine)
    for first, part in parts(vectors.blocks):
        best.add(first, compared(queries, reduced(part, vectors.dim, cosine), metric))
    return best.ordinals(K)


def _mean(values: NDArray[np.float64] | Sequence[float] | None) -> float | None:
    """The mean of what is known."""
    if values is None or not np.isfinite(values).any():
        return None
    return float(np.nanmean(values))
