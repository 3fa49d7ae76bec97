"""The token heat map of a multi-vector match: which token of the document answers which token of the query."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ui.components.figures import several
from ui.components.text import clip, escape

SHOWN_TOKENS = 2000
"""Tokens of the document that are drawn; a best match further on is still counted and named."""
SPECIAL = (
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[PAD]",
    "[Q]",
    "[D]",
    "[unused0]",
    "[unused1]",
    "<s>",
    "</s>",
    "<mask>",
    "<pad>",
)
CLOSING = ".,;:!?)]}%’”…"


def heat_html(
    query: Sequence[str], document: Sequence[str], similarities: NDArray[np.floating], score: float | None = None
) -> str:
    """Chips of the query's tokens above the document's tokens, shaded by similarity (see assets/panels.mjs).

    `similarities` (q, d): of query token i and document token j. A chip that is hovered, focused or clicked shades the
    document for its own token; “all” shows the largest over the query. `score` tells a sum from a mean (BGE-M3); None:
    the sum.
    """
    values = np.asarray(similarities, dtype=np.float32)
    # What a mask has put out of play must not become the low end of the scale.
    finite = np.isfinite(values)
    values = np.where(finite, values, values[finite].min() if finite.any() else 0.0)
    best, answers = values.argmax(axis=1), values.argmax(axis=0)
    gains = values.max(axis=1)
    how, total = way_of(gains, score)
    low, high = float(values.min()), float(values.max())
    shown = values[:, :SHOWN_TOKENS]
    named = [plain(token) for token in query]
    words = [plain(token) for token in document]
    chips = "".join(
        chip_html(named[i], (gains, i, how), words[best[i]], int(best[i]), hundredths(shown[i]))
        for i in range(len(query))
    )
    said = f"Together: the {how} of the best similarity of {several(len(query), 'query token')}, {total:.2f}."
    every = (
        f'<button type="button" class="wb-q wb-on" aria-pressed="true" data-s="{hundredths(shown.max(axis=0))}" '
        f'data-said="{escape(said)}" title="The largest over all query tokens">all<b>{total:.2f}</b>'
        f"<small>{how}</small></button>"
    )
    rest = len(document) - SHOWN_TOKENS
    cut = f'<p class="wb-whynote">… {several(rest, "more token")} not drawn.</p>' if rest > 0 else ""
    return (
        "<p>MaxSim: each token of the query counts the similarity (a dot product) of the document token most like it; "
        f"the score is their {how}.</p>"
        f'<div class="wb-heat" data-low="{low:.4f}" data-high="{high:.4f}">'
        f'<div class="wb-qs" role="group" aria-label="Tokens of the query">{every}{chips}</div>'
        f'<p class="wb-said" aria-live="polite">{escape(said)}</p>'
        f'<div class="wb-tokens" dir="auto" tabindex="0" role="group" aria-label="Tokens of the document">'
        f"{tokens_html(document[:SHOWN_TOKENS], shown, answers, named, (low, high))}</div>"
        f"{cut}{legend_html(low, high)}</div>"
    )


def way_of(gains: NDArray[np.floating], score: float | None) -> tuple[str, float]:
    """Whether the score is the sum or the mean of what the query's tokens give, and that number."""
    total, mean = float(gains.sum()), float(gains.mean())
    if score is not None and abs(score - mean) < abs(score - total):
        return "mean", mean
    return "sum", total


def chip_html(name: str, part: tuple[NDArray[np.floating], int, str], match: str, place: int, numbers: str) -> str:
    """A query token with what it gives to the score, and the document token it is most like."""
    gains, i, how = part
    share = f"{gains[i]:.2f} of {gains.sum():.2f}"
    if how == "mean":
        share = f"{gains[i]:.2f}, which adds {gains[i] / len(gains):.3f} of {gains.mean():.2f}"
    said = f"“{name}” is most like “{match}” (token {place + 1}): {share}."
    width = 100 * max(0.0, gains[i]) / max(1e-9, float(gains.max()))
    dim = " wb-special" if name in SPECIAL else ""
    return (
        f'<button type="button" class="wb-q{dim}" aria-pressed="false" style="--w:{width:.0f}%" data-s="{numbers}" '
        f'data-best="{place}" data-name="{escape(clip(name, 40))}" data-said="{escape(said)}" title="{escape(said)}">'
        f"<bdi>{escape(clip(name, 24))}</bdi><b>{gains[i]:.2f}</b><small>→ <bdi>{escape(clip(match, 20))}</bdi></small>"
        "</button>"
    )


def tokens_html(
    tokens: Sequence[str],
    values: NDArray[np.floating],
    answers: NDArray[np.integer],
    named: Sequence[str],
    scale: tuple[float, float],
) -> str:
    """The document in reading order, its pieces joined to words; shaded for “all” before any script runs."""
    low, high = scale
    largest = values.max(axis=0)
    shares = np.clip((largest - low) / ((high - low) or 1.0), 0, 1) ** 2
    parts = []
    for j, (token, gap) in enumerate(zip(tokens, gaps(tokens), strict=True)):
        told = f"{largest[j]:.2f} with “{clip(named[answers[j]], 40)}”"
        dim = " wb-special" if token in SPECIAL else ""
        parts.append(
            f'{" " if gap else ""}<span class="wb-tok{dim}" style="--h:{shares[j]:.3f}" data-b="{answers[j]}" '
            f'title="{escape(told)}">{escape(clip(plain(token), 60))}</span>'
        )
    return "".join(parts)


def legend_html(low: float, high: float) -> str:
    """The scale: quadratic, so that what is merely not unlike stays pale."""
    steps = "".join(f'<i style="--h:{(n / 7) ** 2:.3f}"></i>' for n in range(8))
    return (
        f'<p class="wb-legend wb-scale"><span>{low:.2f}</span><span class="wb-ramp" aria-hidden="true">{steps}</span>'
        f"<span>{high:.2f}</span><span>similarity: darker and thicker underlined = more alike; "
        '<span class="wb-tok wb-best" style="--h:.6">ring</span> = the best match of the chosen token</span></p>'
    )


def hundredths(values: NDArray[np.floating]) -> str:
    """Similarities as whole hundredths with spaces: what the browser shades by."""
    return " ".join(str(value) for value in np.rint(100 * values).astype(int).tolist())


def plain(token: str) -> str:
    """A token as a person reads it: without the marks of word beginnings and continuations."""
    return token.removeprefix("##").replace("▁", "").replace("Ġ", "") or token or "␣"


def gaps(tokens: Sequence[str]) -> list[bool]:
    """Whether a space stands before each token: WordPiece marks continuations, SentencePiece and BPE beginnings."""
    begins = tuple(mark for mark in ("▁", "Ġ") if any(token.startswith(mark) for token in tokens))
    found = []
    for n, token in enumerate(tokens):
        if n == 0:
            found.append(False)
        elif token in SPECIAL or tokens[n - 1] in SPECIAL:
            found.append(True)
        elif begins:
            found.append(token.startswith(begins))
        else:
            found.append(not token.startswith("##") and not (len(token) == 1 and token in CLOSING))
    return found
