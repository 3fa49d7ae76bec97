"""The drawings of the encoder laboratory as SVG: scores of pairs with a threshold to drag, quality by size of a vector.

Colours are classes (assets/lab_encoder.css); shape and dashes tell lines apart too.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ui.components.text import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 230, 44, 14, 12, 34
MARKS = {"float32": "●", "int8": "■", "binary": "▲", "rescored": "◆"}
WORDS = {"float32": "float32", "int8": "int8", "binary": "binary", "rescored": "binary, rescored"}


def histogram_html(encoder: str, scores: Mapping[str, Any], at: float | None) -> str:
    """Shares of positives (up) and of random pairs (down) by score; a threshold to drag with its figures below."""
    edges, counts = scores["edges"], (scores["positives"], scores["random"])
    low, high = edges[0], edges[-1]
    shares = [[each / (sum(own) or 1) for each in own] for own in counts]
    most = max(max(own) for own in shares) or 1.0
    width = 100 / len(shares[0])
    bars = "".join(
        f'<rect class="le-{kind}" x="{n * width:.3f}" width="{width:.3f}" '
        f'y="{50 - 46 * share / most if up else 50:.2f}" height="{46 * share / most:.2f}"/>'
        for kind, own, up in (("positive", shares[0], True), ("random", shares[1], False))
        for n, share in enumerate(own)
        if share
    )
    told = "positives above, random pairs below" if sum(counts[0]) else "random pairs"
    line, control = "", ""
    if scores["thresholds"]:
        chosen = nearest(scores["thresholds"], scores["best"]["score"] if at is None else at)
        place = 100 * (scores["thresholds"][chosen][0] - low) / ((high - low) or 1)
        line = f'<i class="le-line" style="left:{place:.3f}%"></i>'
        control = threshold_html(encoder, scores, chosen)
    ticks = "".join(f'<span style="left:{100 * n / 4:.0f}%">{low + (high - low) * n / 4:.2f}</span>' for n in range(5))
    return (
        f'<div class="le-hist"><div class="le-plot"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="Scores of {escape(encoder)}: {told}">{bars}'
        '<line class="le-zero" x1="0" x2="100" y1="50" y2="50" vector-effect="non-scaling-stroke"/></svg>'
        f'<b class="le-up">positives {counts_text(scores, 0)}</b><b class="le-down">random {counts_text(scores, 1)}</b>'
        f"{line}</div>{control}<div class='le-ticks' aria-hidden='true'>{ticks}</div></div>"
    )


def counts_text(scores: Mapping[str, Any], n: int) -> str:
    mean = scores["means"][n]
    return "none" if mean is None else f"n = {scores['count'][n]:,}, mean {mean:.3f}"


def threshold_html(encoder: str, scores: Mapping[str, Any], chosen: int) -> str:
    """The slider, and what keeping scores from its value on does; the script moves both (assets/lab_encoder.mjs)."""
    table = scores["thresholds"]
    return (
        f"<input type='range' class='le-range' min='0' max='{len(table) - 1}' value='{chosen}' "
        f"data-encoder='{escape(encoder)}' data-table='{escape(json.dumps(table, separators=(',', ':')))}' "
        f"aria-label='Threshold of {escape(encoder)}' aria-valuetext='{table[chosen][0]:.3f}'>"
        f"<p class='le-read' aria-live='polite'>{reading(table[chosen])}</p>"
    )


def reading(row: Sequence[float]) -> str:
    """What a threshold does, in one line of figures."""
    score, precision, recall, f1, passed = row
    parts = (("score ≥", f"{score:.3f}"), ("precision", f"{precision:.3f}"), ("recall", f"{recall:.3f}"))
    parts += (("F1", f"{f1:.3f}"), ("random pairs kept", f"{100 * passed:.1f}%"))
    return "".join(f"<span>{name} <b>{value}</b></span>" for name, value in parts)


def nearest(table: Sequence[Sequence[float]], score: float) -> int:
    """The row whose threshold is closest to `score`."""
    return min(range(len(table)), key=lambda n: abs(table[n][0] - score))


@dataclass(frozen=True)
class Axes:
    """The common axes of all encoders' curves: bytes of a vector (logarithmic) and the highest quality."""

    least: float
    most: float
    top: float

    def x(self, size: float) -> float:
        span = math.log(self.most / self.least) or 1.0
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(size / self.least) / span

    def y(self, quality: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - quality / self.top)


def axes_of(curves: Sequence[Sequence[Mapping[str, Any]]], quality: str) -> Axes:
    """Axes with room for all curves."""
    rows = [row for curve in curves for row in curve]
    sizes = [row["bytes"] for row in rows]
    best = max((row[quality] or 0.0 for row in rows), default=1.0)
    return Axes(min(sizes, default=1), max(sizes, default=2), min(1.0, math.ceil(best * 10 + 1e-9) / 10) or 1.0)


def curve_svg(encoder: str, curve: Sequence[Mapping[str, Any]], quality: str, axes: Axes) -> str:
    """Quality over bytes of a vector, one line a precision, a mark a dimension."""
    known = [row for row in curve if row[quality] is not None]
    lines = []
    for precision, words in WORDS.items():
        own = [(axes.x(row["bytes"]), axes.y(row[quality]), row) for row in known if row["precision"] == precision]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in own)
        lines.append(f'<polyline class="le-curve le-{precision}" points="{points}"/>')
        lines += [
            f'<text class="le-mark le-{precision}" x="{x:.1f}" y="{y:.1f}" dy=".36em">{MARKS[precision]}'
            f"<title>{row['dim']} dimensions, {words}, {row['bytes']:,} bytes: {row[quality]:.4f}</title></text>"
            for x, y, row in own
        ]
    name = "nDCG@10" if quality == "ndcg" else "recall@10"
    return (
        f'<svg class="le-curves" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{name} of {escape(encoder)} by bytes of a vector">{grid(axes)}{"".join(lines)}'
        f'<text class="le-tick" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 3}">bytes of a vector</text></svg>'
    )


def grid(axes: Axes) -> str:
    """Lines and numbers of both axes: quarters of the quality, powers of four of bytes."""
    parts = []
    for n in range(5):
        value = axes.top * n / 4
        y = axes.y(value)
        parts.append(f'<line class="le-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="le-tick le-end" x="{LEFT - 5}" y="{y:.1f}" dy=".34em">{value:.2f}</text>')
    for power in range(0, 17):
        size = 2**power
        if axes.least <= size <= axes.most and power % 2 == 1:
            x = axes.x(size)
            parts.append(f'<line class="le-grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
            parts.append(f'<text class="le-tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 13}">{size:,}</text>')
    return "".join(parts)


def legend_html() -> str:
    """What the marks of the curves stand for."""
    marks = "".join(f"<span class='le-key le-{each}'>{MARKS[each]} {words}</span>" for each, words in WORDS.items())
    return f"<p class='le-legend'>{marks}</p>"
