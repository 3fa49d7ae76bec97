"""What a pipeline's stages took, and where a hit stood after each of them: a thin bar and a small line."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ui.components.text import clip, escape
from workbench.types import Stage

if TYPE_CHECKING:
    from workbench.workflows.search import StageResult

WIDTH, HEIGHT, MARGIN = 80, 18, 3
DEEPEST = 30
"""The rank at the foot of a trace; deeper ones stay there. The same for every hit, so that lines can be compared."""
NEGLIGIBLE = 0.05
"""Milliseconds below which a stage is not worth a place in the line."""


def latency_html(timings: Mapping[str, float], stages: Sequence["StageResult"] = ()) -> str:
    """A bar with a part for each stage, as long as the stage took, and the same in numbers. "" without timings.

    `timings`: milliseconds in the order things ran, `total` for the whole; what the total has beyond the parts is
    “other”. `stages` give the parts their kind, and say which were kept from an earlier search.
    """
    known = {each.label: each for each in stages}
    parts = [(name, value) for name, value in timings.items() if name != "total" and value >= NEGLIGIBLE]
    total = timings.get("total", sum(value for _, value in parts))
    rest = total - sum(value for _, value in parts)
    if rest >= max(NEGLIGIBLE, 0.01 * total):
        parts.append(("other", rest))
    if not timings:
        return ""
    whole = sum(value for _, value in parts) or 1.0
    segments, words = [], []
    for name, value in parts:
        stage = known.get(name)
        kind = stage.kind if stage is not None else "rest"
        kept = " wb-kept" if stage is not None and stage.kept else ""
        told = f"{clip(name, 80)}: {milliseconds(value)} ms" + (", kept from before" if kept else "")
        grow = f"flex-grow:{max(value / whole, 0.004):.4f}"
        segments.append(f'<i class="wb-k-{kind}{kept}" style="{grow}" title="{escape(told)}"></i>')
        words.append(
            f'<span title="{escape(told)}"><i class="wb-k-{kind}{kept}"></i>{escape(clip(name, 28))} '
            f"<b>{milliseconds(value)}</b></span>"
        )
    for stage in stages:
        if stage.label not in dict(parts) and stage.kept:
            told = escape(f"{clip(stage.label, 80)}: kept from before, nothing was searched")
            name = escape(clip(stage.label, 28))
            words.append(f'<span title="{told}"><i class="wb-k-{stage.kind} wb-kept"></i>{name} kept</span>')
    return (
        f'<div class="wb-latency"><div class="wb-lbar" aria-hidden="true">{"".join(segments)}</div>'
        f'<div class="wb-lwords">{"".join(words)}'
        f'<span class="wb-ltotal">total <b>{milliseconds(total)} ms</b></span></div></div>'
    )


def milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def trace_text(stages: Mapping[str, Stage], order: Sequence[str]) -> str:
    """ "bm25 9 → minilm · exact 4 → rrf 3": the rank after each stage of `order`, “–” where the document was not."""
    return " → ".join(f"{clip(label, 60)} {stages[label].rank if label in stages else '–'}" for label in order)


def trace_html(stages: Mapping[str, Stage], order: Sequence[str] = ()) -> str:
    """Where a hit stood: a line through its ranks (best on top, logarithmic), the ranks beside it, all in the title.

    `order`: the labels of the pipeline's stages; those without the document leave a gap. "" with fewer than two.
    """
    labels = list(order) or list(stages)
    if len(labels) < 2:
        return ""
    told = escape(trace_text(stages, labels))
    ranks = [stages[label].rank if label in stages else None for label in labels]
    steps = "<u>›</u>".join("–" if rank is None else f"{rank:,}" for rank in ranks)
    return (
        f'<span class="wb-trace" role="img" aria-label="{told}" title="{told}">{spark(ranks)}'
        f'<span class="wb-steps" aria-hidden="true">{steps}</span></span>'
    )


def spark(ranks: Sequence[int | None]) -> str:
    """The line itself: a dot a stage, the last one larger, a dash at the foot where the document was absent."""
    gap = (WIDTH - 2 * MARGIN) / max(1, len(ranks) - 1)
    places = [None if rank is None else (MARGIN + n * gap, height_of(rank)) for n, rank in enumerate(ranks)]
    lines = "".join(
        f'<path d="M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}"/>' for a, b in pairs([p for p in places if p])
    )
    dots = []
    for n, place in enumerate(places):
        if place is None:
            x = MARGIN + n * gap
            dots.append(f'<path class="wb-absent" d="M{x - 2.5:.1f} {HEIGHT - 2}h5"/>')
        else:
            last = ' class="wb-last"' if n == len(places) - 1 else ""
            dots.append(f'<circle{last} cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{2.6 if last else 1.8}"/>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" aria-hidden="true" focusable="false">'
        f"{lines}{''.join(dots)}</svg>"
    )


def height_of(rank: int) -> float:
    """From the top: rank 1 at the margin, `DEEPEST` and below at the foot."""
    depth = min(1.0, math.log(max(rank, 1)) / math.log(DEEPEST))
    return MARGIN + depth * (HEIGHT - 2 * MARGIN)


def pairs(places: Sequence[tuple[float, float]]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    return list(itertools.pairwise(places))
