"""The false-negative guard: reasons to doubt that a document judged a negative of a query really is one.

Each reason has a severity, 0 … 1: how likely it makes a false negative on its own. The suspicion of several is
1 − Π (1 − severity), the chance that one of them is right if they were independent (a noisy-or); so a certain reason
decides, weak ones add up, and none can be bought off by another. `STRONGEST` bounds each kind by how often it errs:
the same text cannot, an encoder that ranks a negative above a positive errs daily.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
STRONGEST: Mapping[str, float] = MappingProxyType(
    {
        "duplicate": 1.0,
        "judged": 0.9,
        "near-duplicate": 0.9,
        "reranker": 0.7,
        "similar": 0.6,
        "retrieval": 0.4,
        "agreement": 0.3,
    }
)
"""Severity of each kind of reason where its evidence is complete."""
RESEMBLANCE = 0.7
"""Share of word triples from which two texts are near-duplicates."""
CLOSE = 0.7
"""Closeness (see `closeness`) from which two documents count as similar."""
FIRST = 20
"""Ranks within which encoders must agree on a document."""
READ = 20_000
"""Characters of a document that are compared."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a negative may be false. `told` is for a person; `positive`: id of the positive it is about, "" for none."""

    name: str
    told: str
    severity: float
    positive: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """A document as the guard reads it. `image`: a name that is equal for equal pictures, "" for none.

    `relevant_to`: who judged a negative relevant all the same.
    """

    doc_id: str
    text: str
    content_hash: str = ""
    image: str = ""
    relevant_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Space:
    """What one encoder says of n negatives and p positives of a query; None where it was not asked.

    `cosines` (n, p) between the documents, `random` the mean cosine of two random ones. `scores` (n,) and
    `positive_scores` (p,) for the query, higher is better. `ranks` (n,) int, from 1; 0 = not among the first `FIRST`.
    """

    encoder: str
    cosines: Floats | None = None
    random: float = 0.0
    scores: Floats | None = None
    positive_scores: Floats | None = None
    ranks: NDArray[np.integer] | None = None


def suspicion(reasons: Sequence[Reason]) -> float:
    """1 − Π (1 − severity), 0 … 1; 0 without reasons."""
    return 1.0 - float(np.prod([1.0 - reason.severity for reason in reasons]))


def reasons(
    negatives: Sequence[Compared],
    positives: Sequence[Compared],
    spaces: Sequence[Space] = (),
    reranked: Space | None = None,
    close: float = CLOSE,
) -> list[list[Reason]]:
    """The reasons to doubt each negative, in the order of `negatives`, the most severe first.

    Without positives only other judgments and the agreement of encoders can be told. `reranked`: a reranker's scores.
    """
    words = [triples(each.text) for each in positives]
    found: list[list[Reason]] = []
    for row, negative in enumerate(negatives):
        given = [
            _judged(negative),
            _same_text(negative, positives, words),
            _similar(row, positives, spaces, close),
            _outscored(row, spaces, "retrieval"),
            _outscored(row, [reranked] if reranked else [], "reranker"),
            _agreed(row, spaces),
        ]
        found.append(sorted((each for each in given if each), key=lambda reason: -reason.severity))
    return found


def normal_text(text: str) -> str:
    """The text's words alone: compatibility form, case folded, without punctuation and spacing."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text[:READ]).casefold()))


def triples(text: str) -> frozenset[str]:
    """The runs of three words of a text (shingles); of a shorter one, itself."""
    words = normal_text(text).split()
    return frozenset(" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))) if words else frozenset()


def resemblance(one: frozenset[str], other: frozenset[str]) -> float:
    """|A ∩ B| / |A ∪ B| of two sets of shingles (Broder, “On the resemblance and containment of documents”, 1997)."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


def closeness(cosine: Floats | float, random: float) -> Floats | float:
    """(cosine − random) / (1 − random): 0 where two documents are as similar as random ones, 1 where they are the same.

    Encoders differ in what they call similar (BGE v1 gives random texts 0.7), so a bare cosine says nothing.
    """
    return (cosine - random) / max(1e-6, 1.0 - random)


def _judged(negative: Compared) -> Reason | None:
    if not negative.relevant_to:
        return None
    return Reason("judged", f"judged relevant by {', '.join(negative.relevant_to)}", STRONGEST["judged"])


def _same_text(negative: Compared, positives: Sequence[Compared], words: Sequence[frozenset[str]]) -> Reason | None:
    """A duplicate has the same content hash, or the same words and picture (or none). Else the nearest in words."""
    own, text = triples(negative.text), normal_text(negative.text)
    best, at = 0.0, -1
    for number, positive in enumerate(positives):
        same_picture = negative.image == positive.image
        exact = bool(negative.content_hash) and negative.content_hash == positive.content_hash
        if exact or (text and same_picture and text == normal_text(positive.text)):
            told = f"the same content as the positive {positive.doc_id}"
            return Reason("duplicate", told, STRONGEST["duplicate"], positive.doc_id)
        # Pictures with the same caption are not the same document.
        shared = resemblance(own, words[number]) if same_picture else 0.0
        if shared > best:
            best, at = shared, number
    if best < RESEMBLANCE:
        return None
    told = f"shares {best:.0%} of its word triples with the positive {positives[at].doc_id}"
    return Reason("near-duplicate", told, STRONGEST["near-duplicate"] * best, positives[at].doc_id)


def _similar(row: int, positives: Sequence[Compared], spaces: Sequence[Space], close: float) -> Reason | None:
    """The largest closeness to any positive in any encoder's space, if it reaches `close`; severity rises with it."""
    best: tuple[float, float, int, Space] | None = None
    for space in spaces:
        if space.cosines is None or not space.cosines.shape[1]:
            continue
        at = int(np.argmax(space.cosines[row]))
        cosine = float(space.cosines[row, at])
        near = float(closeness(cosine, space.random))
        if best is None or near > best[0]:
            best = (near, cosine, at, space)
    if best is None or best[0] < close:
        return None
    near, cosine, at, space = best
    told = (
        f"cosine {cosine:.2f} to the positive {positives[at].doc_id} in {space.encoder} "
        f"(random documents: {space.random:.2f})"
    )
    return Reason("similar", told, STRONGEST["similar"] * min(1.0, near), positives[at].doc_id)


def _outscored(row: int, spaces: Sequence[Space], name: str) -> Reason | None:
    """Scores above positives for the query. Severity: the share of the positives outscored, its mean over encoders."""
    shares: list[float] = []
    told: list[str] = []
    for space in spaces:
        if space.scores is None or space.positive_scores is None or not space.positive_scores.size:
            continue
        score, others = float(space.scores[row]), space.positive_scores
        below = int((others < score).sum())
        shares.append(below / others.size)
        if below:
            lowest = float(others.min())
            above = f"the positive's {lowest:.3g}" if others.size == 1 else f"{below} of {others.size} positives"
            told.append(f"{space.encoder} {score:.3g}, above {above}")
    if not told:
        return None
    return Reason(name, f"scores higher than a positive: {'; '.join(told)}", STRONGEST[name] * float(np.mean(shares)))


def _agreed(row: int, spaces: Sequence[Space]) -> Reason | None:
    """Among the first `FIRST` of more than half of the encoders, two at least. Severity: their share."""
    asked = [space for space in spaces if space.ranks is not None]
    places = [(space.encoder, int(space.ranks[row])) for space in asked if space.ranks is not None and space.ranks[row]]
    if len(places) < 2 or 2 * len(places) <= len(asked):
        return None
    where = ", ".join(f"{encoder} {rank}" for encoder, rank in places)
    told = f"among the first {FIRST} of {len(places)} of {len(asked)} encoders: {where}"
    return Reason("agreement", told, STRONGEST["agreement"] * len(places) / len(asked))
