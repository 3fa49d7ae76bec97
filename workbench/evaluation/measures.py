"""Measures by their names in ir-measures' notation, per query; equal to pytrec_eval where it knows them.

The usual ones are computed from arrays (nDCG, AP, RR, P, R, Success, Judged, Rprec and R_cap, with `rel`, and `dcg` of
nDCG); every other one that ir_measures can compute goes through it. Definitions (trec_eval's):

- nDCG@k: Σ gain/log2(rank + 1) over its largest possible value, from all judged documents; the gain is the relevance,
  or 2^relevance − 1 with `dcg='exp-log2'` (Burges et al. 2005); a relevance below 0 gains nothing.
- AP@k: the precision at each relevant document found, over all relevant ones. RR@k: 1 / rank of the first relevant.
- P@k: relevant among the first k, over k. R@k: over all relevant. Success@k: whether there is one. Rprec: P@(relevant).
- R_cap@k: relevant among the first k, over min(k, relevant) (BEIR). Judged@k: judged share of those found, at most k.

A query without results, or without a relevant document, counts 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.evaluation.judged import EMPTY, UNJUDGED, Floats, Judged

DEFAULT = "nDCG@10 R@100 RR@10"
MOST_CUTOFF = 1_000_000


@dataclass(frozen=True)
class Measure:
    """A parsed measure; `name` is its canonical notation, `kind` without cutoff and parameters."""

    name: str
    kind: str
    cutoff: int | None = None
    least: int = 1
    exponential: bool = False
    native: bool = True
    params: Mapping[str, Any] = field(default_factory=dict)

    def gain(self, relevance: NDArray[np.integer]) -> Floats:
        """nDCG's gain of each relevance."""
        positive = np.maximum(relevance, 0).astype(np.float64)
        gains: Floats = np.exp2(positive) - 1 if self.exponential else positive
        return gains


def parse_measures(text: str) -> list[Measure]:
    """The measures named in `text`, separated by spaces or commas outside brackets, each once.

    Raises `BadInput` on a name that is none, a parameter it does not take, or a cutoff that is missing.
    """
    depth, words = 0, [""]
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth == 0 and (character.isspace() or character == ","):
            words.append("")
        else:
            words[-1] += character
    found = {measure.name: measure for measure in map(parse_measure, filter(None, words))}
    if not found:
        raise BadInput("No measure was named.", f"For example “{DEFAULT}”.")
    return list(found.values())


def parse_measure(text: str) -> Measure:
    """One measure. Raises `BadInput` as `parse_measures`."""
    import ir_measures

    ours = text.startswith("R_cap")
    try:
        # R_cap is BEIR's and unknown to ir_measures: read as R, which takes the same parameters.
        parsed = ir_measures.parse_measure("R" + text[len("R_cap") :] if ours else text)
        name, params = str(parsed), dict(parsed.params)
    except (NameError, ValueError, SyntaxError, TypeError, AttributeError, AssertionError, KeyError) as error:
        raise BadInput(
            f"“{text[:60]}” is not a measure.",
            "Examples: nDCG@10, R@100, RR@10, AP, P@5, Success@5, Judged@10, R_cap@10, P(rel=2)@10, Rprec.",
        ) from error
    kind = "R_cap" if ours else str(parsed.NAME)
    cutoff, least = params.get("cutoff"), params.get("rel", 1)
    if cutoff is not None and not 1 <= int(cutoff) <= MOST_CUTOFF:
        raise BadInput(f"The cutoff of “{text[:60]}” is {cutoff}.", "It counts documents: 1 or more.")
    if cutoff is None and kind in ("P", "Success", "R_cap"):
        raise BadInput(f"The measure “{text[:60]}” needs a cutoff.", f"For example {kind}@10.")
    plain = set(params) <= {"cutoff", "rel"} or (kind == "nDCG" and set(params) <= {"cutoff", "dcg"})
    measure = Measure(
        "R_cap" + name[1:] if ours else name,
        kind,
        None if cutoff is None else int(cutoff),
        int(least),
        params.get("dcg") == "exp-log2",
        kind in _KINDS and plain and int(least) >= 1,
        params,
    )
    if not measure.native:
        _check_provided(measure)
    return measure


def _check_provided(measure: Measure) -> None:
    """Raise `BadInput` where no installed provider of ir_measures computes the measure, or it is ours with oddities."""
    import ir_measures

    pipeline: Any = ir_measures.DefaultPipeline
    if measure.kind == "R_cap" or not pipeline.supports(ir_measures.parse_measure(measure.name)):
        raise BadInput(
            f"The measure “{measure.name}” is known, but nothing installed computes it.",
            "Leave its parameters out, or choose another.",
        )


def measured(measure: Measure, judged: Judged) -> Floats:
    """(q,) the measure of each query, 0 … 1 for the usual ones; higher is better."""
    if not measure.native:
        return _through_ir_measures(measure, judged)
    return _KINDS[measure.kind](measure, judged)


def judged_share(cutoff: int | None, judged: Judged) -> Floats:
    """(q,) the share of the first `cutoff` documents found that is judged; NaN where nothing was found."""
    top = judged.top(cutoff)
    found = (top != EMPTY).sum(axis=1)
    known = ((top != EMPTY) & (top != UNJUDGED)).sum(axis=1)
    return np.where(found > 0, known / np.maximum(found, 1), np.nan)


def discounts(count: int) -> Floats:
    """(count,) 1 / log2(rank + 1) for the ranks 1 …"""
    weights: Floats = 1 / np.log2(np.arange(2, count + 2))
    return weights


def ratio(part: NDArray[Any], whole: NDArray[Any] | float) -> Floats:
    """part / whole, 0 where the whole is 0."""
    parts, wholes = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    ratios: Floats = np.divide(parts, wholes, out=np.zeros(parts.shape), where=wholes > 0)
    return ratios


def _ndcg(measure: Measure, judged: Judged) -> Floats:
    top = judged.top(measure.cutoff)
    return ratio(measure.gain(top) @ discounts(top.shape[1]), _ideal(measure, judged))


def _ideal(measure: Measure, judged: Judged) -> Floats:
    gains = measure.gain(judged.relevances)
    order = np.lexsort((-gains, judged.owners))
    owners = judged.owners[order]
    starts = np.searchsorted(owners, np.arange(judged.queries))
    ranks = np.arange(len(owners)) - starts[owners]
    kept = slice(None) if measure.cutoff is None else ranks < measure.cutoff
    weights = gains[order] / np.log2(ranks + 2)
    return np.bincount(owners[kept], weights[kept], minlength=judged.queries).astype(np.float64)


def _hits(measure: Measure, judged: Judged) -> NDArray[np.bool_]:
    return judged.top(measure.cutoff) >= measure.least


def _precision(measure: Measure, judged: Judged) -> Floats:
    return ratio(_hits(measure, judged).sum(axis=1), float(measure.cutoff or 1))


def _recall(measure: Measure, judged: Judged) -> Floats:
    return ratio(_hits(measure, judged).sum(axis=1), judged.relevant(measure.least))


def _capped_recall(measure: Measure, judged: Judged) -> Floats:
    possible = np.minimum(judged.relevant(measure.least), measure.cutoff or 0)
    return ratio(_hits(measure, judged).sum(axis=1), possible)


def _success(measure: Measure, judged: Judged) -> Floats:
    return np.asarray(_hits(measure, judged).any(axis=1), np.float64)


def _reciprocal_rank(measure: Measure, judged: Judged) -> Floats:
    hits = _hits(measure, judged)
    if not hits.shape[1]:
        return np.zeros(len(hits))
    return ratio(np.asarray(hits.any(axis=1)), hits.argmax(axis=1) + 1)


def _average_precision(measure: Measure, judged: Judged) -> Floats:
    hits = _hits(measure, judged)
    precisions = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return ratio(np.where(hits, precisions, 0).sum(axis=1), judged.relevant(measure.least))


def _r_precision(measure: Measure, judged: Judged) -> Floats:
    hits, relevant = _hits(measure, judged), judged.relevant(measure.least)
    inside = np.arange(hits.shape[1]) < relevant[:, None]
    return ratio((hits & inside).sum(axis=1), relevant)


def _judged(measure: Measure, judged: Judged) -> Floats:
    return np.nan_to_num(judged_share(measure.cutoff, judged))


_KINDS: Mapping[str, Callable[[Measure, Judged], Floats]] = {
    "nDCG": _ndcg,
    "AP": _average_precision,
    "RR": _reciprocal_rank,
    "P": _precision,
    "R": _recall,
    "R_cap": _capped_recall,
    "Success": _success,
    "Judged": _judged,
    "Rprec": _r_precision,
}


def _through_ir_measures(measure: Measure, judged: Judged) -> Floats:
    """By ir_measures, with places as scores and names made up for documents, which no measure looks at."""
    import ir_measures

    qrels: dict[str, dict[str, int]] = {str(number): {} for number in np.unique(judged.owners)}
    run: dict[str, dict[str, float]] = {}
    lefts: dict[int, list[int]] = {}
    for owner, relevance in zip(judged.owners.tolist(), judged.relevances.tolist(), strict=True):
        lefts.setdefault(owner, []).append(relevance)
    for number, grades in enumerate(judged.grades.tolist()):
        left, found = lefts.get(number, []), [grade for grade in grades if grade != EMPTY]
        run[str(number)] = {f"f{place}": float(len(found) - place) for place in range(len(found))}
        for place, grade in enumerate(found):
            if grade != UNJUDGED:
                qrels[str(number)][f"f{place}"] = grade
                left.remove(grade)
        if str(number) in qrels:
            qrels[str(number)] |= {f"m{place}": grade for place, grade in enumerate(left)}
    # pytrec_eval reads past its arrays (a crash, or no end) where a query has no result or no grade of 0 or more.
    run = {query: found for query, found in run.items() if found}
    qrels = {query: known for query, known in qrels.items() if max(known.values(), default=-1) >= 0}
    values = np.zeros(judged.queries)
    for each in ir_measures.iter_calc([ir_measures.parse_measure(measure.name)], qrels, run):
        values[int(each.query_id)] = each.value
    return values
