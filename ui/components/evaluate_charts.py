"""The drawings of an evaluation as SVG, for the page and for the report: intervals, differences by query, costs.

Colours are classes (assets/evaluate_charts.css); direction and shape say the same, so that no drawing needs colour.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ui.components.figures import several
from ui.components.text import clip, escape

MOST_BARS = 400
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 600, 330, 52, 42, 12, 18


@dataclass(frozen=True)
class Scale:
    """A horizontal axis of differences, with zero on it."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """In percent, inside the axis."""
        share = (value - self.low) / (self.high - self.low)
        return 100 * min(1.0, max(0.0, share))


def scale_of(values: Sequence[float]) -> Scale:
    """An axis with room for all values and zero."""
    finite = [each for each in values if math.isfinite(each)]
    low, high = min(0.0, *finite, 0.0), max(0.0, *finite, 0.0)
    room = 0.06 * (high - low) or 0.01
    return Scale(low - room, high + room)


def whisker(low: float, mean: float, high: float, scale: Scale, kind: str) -> str:
    """A dot with its interval and the line of zero. `kind`: “up”, “down”, or “level” where nothing is shown."""
    a, m, b, zero = (scale.at(each) for each in (low, mean, high, 0.0))
    told = f"{mean:+.4f}, 95% interval {low:+.4f} to {high:+.4f}"
    dot = f'<circle class="ec-dot ec-{kind}" r="4.5" cx="{m:.2f}%" cy="50%"/>'
    return (
        f'<svg class="ec-whisker" role="img" aria-label="{told}"><title>{told}</title>'
        f'<line class="ec-zero" x1="{zero:.2f}%" x2="{zero:.2f}%" y1="0" y2="100%"/>'
        f'<line class="ec-line ec-{kind}" x1="{a:.2f}%" x2="{b:.2f}%" y1="50%" y2="50%"/>'
        f'<line class="ec-line ec-{kind}" x1="{a:.2f}%" x2="{a:.2f}%" y1="30%" y2="70%"/>'
        f'<line class="ec-line ec-{kind}" x1="{b:.2f}%" x2="{b:.2f}%" y1="30%" y2="70%"/>{dot}</svg>'
    )


def axis(scale: Scale) -> str:
    """The numbers above a column of whiskers."""
    marks = [value for value in ticks(scale.low, scale.high, 3) if scale.at(value) not in (0, 100)]
    return (
        '<span class="ec-axis" aria-hidden="true">'
        + "".join(f'<i style="left:{scale.at(each):.1f}%">{number(each)}</i>' for each in marks)
        + "</span>"
    )


def range_bar(low: float, mean: float, high: float) -> str:
    """Where the mean lies between the lowest and the highest possible value, on an axis from 0 to 1."""
    low, mean, high = (min(1.0, max(0.0, each)) for each in (low, mean, high))
    return (
        f'<span class="ec-range" aria-hidden="true"><i style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%">'
        f'</i><b style="left:{100 * mean:.1f}%"></b></span>'
    )


def difference_bars(
    differences: NDArray[np.float64], link: Callable[[int], str] | None = None, chosen: int = -1
) -> str:
    """Sorted differences as bars from the line of zero, the worst at the left.

    More than `MOST_BARS` share columns of equal numbers of queries, drawn at their middle one. `link`: place in
    `differences` → an address; `chosen`: a place that is marked.
    """
    count = len(differences)
    if not count:
        return ""
    columns = min(count, MOST_BARS)
    edges = np.linspace(0, count, columns + 1).astype(int)
    most = float(np.abs(differences).max()) or 1.0
    parts = [_bar(differences, int(edges[n]), int(edges[n + 1]), n, most, link, chosen) for n in range(columns)]
    told = (
        f"{several(int((differences < 0).sum()), 'query/queries')} worse, {int((differences == 0).sum()):,} equal, "
        f"{int((differences > 0).sum()):,} better"
    )
    return (
        f'<div class="ec-bars"><span class="ec-y" style="top:0">+{number(most)}</span>'
        '<span class="ec-y" style="top:50%">0</span>'
        f'<span class="ec-y" style="top:100%">−{number(most)}</span>'
        f'<svg viewBox="0 0 {columns} 200" preserveAspectRatio="none" role="img" aria-label="{told}">{"".join(parts)}'
        f'<line class="ec-zero" x1="0" x2="{columns}" y1="100" y2="100" vector-effect="non-scaling-stroke"/></svg>'
        f'</div><p class="ec-under"><span>◀ worse</span><span>{told}</span><span>better ▶</span></p>'
    )


def _bar(
    differences: NDArray[np.float64], start: int, stop: int, n: int, most: float,
    link: Callable[[int], str] | None, chosen: int,
) -> str:  # fmt: skip
    middle = float(differences[(start + stop - 1) // 2])
    height = 98 * abs(middle) / most
    top = 100 - height if middle > 0 else 100.0
    kind = "up" if middle > 0 else "down"
    many = f"queries {start + 1:,} to {stop:,} from the worst" if stop - start > 1 else f"query {start + 1:,}"
    here = " ec-here" if start <= chosen < stop else ""
    drawn = (
        f'<rect class="ec-hit{here}" x="{n}" y="0" width="1" height="200"/>'
        f'<rect class="ec-bar ec-{kind}" x="{n}" y="{top:.1f}" width="1" height="{height:.1f}"/>'
        f"<title>{many}: {middle:+.4f}</title>"
    )
    if link is None:
        return f"<g>{drawn}</g>"
    # Nobody tabs through 400 bars: the list beside them has the same queries as links.
    return f'<a class="ev-go" href="{escape(link(start))}" tabindex="-1">{drawn}</a>'


@dataclass(frozen=True)
class Mark:
    """A run in a chart of costs. `number`: as in the table beside it; `front`: nobody beats it in all three."""

    name: str
    number: int
    quality: float
    cost: float
    front: bool


def cost_chart(marks: Sequence[Mark], measure: str, unit: str, text: Callable[[float], str]) -> str:
    """Quality over a cost, its axis logarithmic, with the line that no run passes. "" where no cost is known."""
    if not marks:
        return ""
    low, high = _around([math.log10(max(each.cost, 1e-6)) for each in marks], 0.15)
    bottom, top = _around([each.quality for each in marks], 0.12)

    def x(cost: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(max(cost, 1e-6)) - low) / (high - low)

    def y(quality: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (quality - bottom) / (top - bottom)

    parts = [_grid(y, ticks(bottom, top, 5), x, decades(low, high), text)]
    parts.append(_front(marks, x, y))
    taken: list[tuple[float, float, float, float]] = [(x(m.cost) - 7, y(m.quality) - 7, 14, 14) for m in marks]
    for each in marks:
        parts.append(_mark(each, x(each.cost), y(each.quality), text, taken))
    label = f"{escape(measure)} over {escape(unit)} of each run; the table beside it has the numbers"
    return (
        f'<svg class="ec-costs" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}'
        f'<text class="ec-name" x="{LEFT}" y="{HEIGHT - 6}">{escape(unit)} (less is better) →</text>'
        f'<text class="ec-name" transform="translate(12 {HEIGHT - BOTTOM}) rotate(-90)">{escape(measure)} →</text>'
        "</svg>"
    )


def _grid(
    y: Callable[[float], float], heights: Sequence[float],
    x: Callable[[float], float], widths: Sequence[float], text: Callable[[float], str],
) -> str:  # fmt: skip
    across = "".join(
        f'<line class="ec-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text class="ec-tick" x="{LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{number(v)}</text>'
        for v in heights
    )
    down = "".join(
        f'<line class="ec-grid" x1="{x(v):.1f}" x2="{x(v):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="ec-tick" x="{x(v):.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{escape(text(v))}</text>'
        for v in widths
    )
    return across + down


def _front(marks: Sequence[Mark], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """Steps along the best quality for each cost."""
    best, points = -math.inf, []
    for each in sorted(marks, key=lambda mark: (mark.cost, -mark.quality)):
        if each.quality > best:
            if points:
                points.append(f"{x(each.cost):.1f},{y(best):.1f}")
            points.append(f"{x(each.cost):.1f},{y(each.quality):.1f}")
            best = each.quality
    points.append(f"{WIDTH - RIGHT},{y(best):.1f}")
    return f'<polyline class="ec-front" points="{" ".join(points)}"/>'


def _mark(
    mark: Mark, x: float, y: float, text: Callable[[float], str], taken: list[tuple[float, float, float, float]]
) -> str:
    told = escape(f"{mark.name}: {mark.quality:.4f} at {text(mark.cost)}")
    shape = (
        f'<path class="ec-point ec-best" d="M{x:.1f} {y - 7:.1f}l7 7-7 7-7-7z"/>'
        if mark.front
        else f'<circle class="ec-point" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    )
    label, width = f"{mark.number} {clip(mark.name, 30)}", 6.6 * (min(len(mark.name), 30) + 3)
    under = (min(x - width / 2, WIDTH - width - 2), y + 22)
    spots = [(x + 9, y + 16), under, (x - 9 - width, y - 6), (x + 9, y - 6), (x - 9 - width, y + 16)]
    for left, base in spots:
        box = (left, base - 11, width, 14)
        inside = left >= LEFT and left + width <= WIDTH and base - 11 >= 0 and base <= HEIGHT - BOTTOM
        if inside and not any(_overlap(box, other) for other in taken):
            taken.append(box)
            name = f'<text class="ec-label" x="{left:.1f}" y="{base:.1f}">{escape(label)}</text>'
            break
    else:
        name = f'<text class="ec-label" x="{x + 8:.1f}" y="{y - 6:.1f}">{mark.number}</text>'
    return f"<g>{shape}{name}<title>{told}</title></g>"


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def _around(values: Sequence[float], room: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    spread = (high - low) or 0.2
    return low - room * spread, high + room * spread


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two values, some `about` of them."""
    raw = (high - low) / max(about, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= raw)
    first = math.ceil(low / step)
    return [round(n * step, 10) for n in range(first, math.floor(high / step) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Round costs between two powers of ten: 1, 2, 5, 10, … as many as there is room for."""
    found = [
        factor * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for factor in (1, 2, 5)
        if low <= math.log10(factor * 10.0**power) <= high
    ]
    if len(found) > 9:
        found = [each for each in found if abs(math.log10(each) % 1) < 1e-9]
    return found or [10 ** ((low + high) / 2)]


def number(value: float) -> str:
    """ "0", "0.25", "0.002": as few digits as tell it."""
    text = f"{abs(value):.4f}".rstrip("0").rstrip(".") or "0"
    return f"−{text}" if value < 0 and text != "0" else text


def milliseconds(value: float) -> str:
    """ "0.04 ms", "12 ms", "1.4 s"."""
    if value >= 1000:
        return f"{value / 1000:.3g} s"
    return f"{value:.3g} ms"
