"""Recall against latency as a picture: a bubble for each trial, curves of one index, the Pareto front."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ui.components.figures import size
from ui.components.text import escape

if TYPE_CHECKING:
    from workbench.workflows.index_lab import TrialRow

WIDTH, HEIGHT = 640, 344
LEFT, RIGHT, TOP, BOTTOM = 52, 26, 32, 40
SMALL, LARGE = 7.0, 21.0
"""Radii of bubbles; their area stands for memory."""

Point = tuple[float, float]


def chart_html(rows: "Sequence[TrialRow]", chosen: int, view_of: Callable[[int], str]) -> str:
    """The figure; `view_of(number)` is the address of a trial's view. Text and shapes use the theme's colours."""
    places = scaled(rows)
    colours = colours_of(rows)
    most = max((each.memory_bytes for each in rows), default=1) or 1
    radii = [max(SMALL, LARGE * math.sqrt(each.memory_bytes / most)) for each in rows]
    dots = [dot(n, each, places[n], radii[n], (colours, chosen, view_of(n))) for n, each in enumerate(rows)]
    # The large ones first, so that no small one is covered.
    order = sorted(range(len(rows)), key=lambda n: -radii[n])
    curves = "".join(curve(rows, places, factory, colour) for factory, colour in colours.items())
    drawn = "".join(dots[n] for n in order)
    label = f"Recall against latency of {len(rows)} trials; the table has the same figures."
    return (
        f"<section class='panel lab-chart'><header><h3>Recall and latency</h3><span class='facts'>"
        "bubble: memory</span></header>"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(label)}'>{axes(rows)}{curves}"
        f"{front(rows, places)}{drawn}</svg>{legend(colours)}</section>"
    )


def scaled(rows: "Sequence[TrialRow]") -> list[Point]:
    """Where each trial stands: log of the median upward to the right, recall upward."""
    low, high = span(rows)
    floor = lowest(rows)
    return [
        (
            LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(max(each.p50, 1e-4)) - low) / (high - low),
            TOP + (HEIGHT - TOP - BOTTOM) * (1 - (max(each.recall, floor) - floor) / (1 - floor)),
        )
        for each in rows
    ]


def span(rows: "Sequence[TrialRow]") -> tuple[float, float]:
    """The ends of the latency axis, as powers of ten, with some room."""
    logs = [math.log10(max(each.p50, 1e-4)) for each in rows] or [0.0]
    room = max(0.12, 0.06 * (max(logs) - min(logs)))
    return min(logs) - room, max(logs) + room


def lowest(rows: "Sequence[TrialRow]") -> float:
    """Where the recall axis begins: a multiple of 0.05 below all trials, at most 0.9."""
    worst = min((each.recall for each in rows), default=0.9)
    return max(0.0, min(0.9, math.floor(worst * 20 - 0.2) / 20))


def axes(rows: "Sequence[TrialRow]") -> str:
    """Grid, numbers and names of both axes."""
    low, high = span(rows)
    floor = lowest(rows)
    parts = []
    step = next(each for each in (0.02, 0.05, 0.1, 0.2) if (1 - floor) / each <= 6.01)
    for n in range(round((1 - floor) / step) + 1):
        value = 1 - n * step
        if value < floor - 1e-9:
            continue
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - floor) / (1 - floor))
        parts.append(f"<path class='lab-grid' d='M{LEFT} {y:.1f}H{WIDTH - RIGHT}'/>")
        parts.append(f"<text x='{LEFT - 7}' y='{y + 4:.1f}' text-anchor='end'>{value:.2f}</text>")
    for value in ticks(low, high):
        x = LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(value) - low) / (high - low)
        parts.append(f"<path class='lab-grid' d='M{x:.1f} {TOP}V{HEIGHT - BOTTOM}'/>")
        parts.append(f"<text x='{x:.1f}' y='{HEIGHT - BOTTOM + 15}' text-anchor='middle'>{value:g}</text>")
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f"<text class='lab-name' x='{middle}' y='{HEIGHT - 6}' text-anchor='middle'>median ms of one query, ")
    parts.append("one thread (log) → slower</text>")
    parts.append(f"<text class='lab-name' x='{LEFT - 44}' y='{TOP - 18}'>recall ↑</text>")
    return "".join(parts)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers 1, 2, 5 · 10ⁿ between 10^low and 10^high; only powers of ten where there are many."""
    marks = [m * 10.0**n for n in range(math.floor(low), math.ceil(high) + 1) for m in (1, 2, 5)]
    marks = [each for each in marks if low <= math.log10(each) <= high]
    if len(marks) > 8:
        marks = [each for each in marks if abs(math.log10(each) - round(math.log10(each))) < 1e-9]
    return marks


def curve(rows: "Sequence[TrialRow]", places: Sequence[Point], factory: str, colour: str) -> str:
    """A thin line through the trials of one index, in the order of their settings."""
    points = [place for each, place in zip(rows, places, strict=True) if each.factory == factory]
    if len(points) < 2:
        return ""
    return f"<polyline class='lab-curve' style='stroke:{colour}' points='{joined(points)}'/>"


def front(rows: "Sequence[TrialRow]", places: Sequence[Point]) -> str:
    """The Pareto front: a dashed line through the trials that no other beats."""
    points = sorted(place for each, place in zip(rows, places, strict=True) if each.front)
    return f"<polyline class='lab-front' points='{joined(points)}'/>" if len(points) > 1 else ""


def joined(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def dot(n: int, row: "TrialRow", place: Point, radius: float, look: tuple[dict[str, str], int, str]) -> str:
    """One trial: a numbered bubble that can be clicked."""
    colours, chosen, view = look
    told = f"{row.trial}: recall {row.recall:.4f}, median {row.p50:.3g} ms, {size(row.memory_bytes)} in memory"
    told += ", on the Pareto front" if row.front else ""
    mark = " chosen" if n == chosen else ""
    return (
        f"<g class='lab-dot{mark}' data-key='dot {n}' data-do='show' data-view='{escape(view)}' role='button' "
        f"tabindex='0' aria-label='{escape(told)}' transform='translate({place[0]:.1f} {place[1]:.1f})'>"
        f"<title>{escape(told)}</title><circle r='{radius:.1f}' style='fill:{colours[row.factory]}'/>"
        f"<text y='3.5'>{n}</text></g>"
    )


def legend(colours: dict[str, str]) -> str:
    names = "".join(
        f"<span><i style='background:{colour}'></i><code>{escape(factory)}</code></span>"
        for factory, colour in colours.items()
    )
    return f"<div class='lab-legend'>{names}<span><i class='lab-dash'></i>Pareto front</span></div>"


def colours_of(rows: "Sequence[TrialRow]") -> dict[str, str]:
    """A colour for each index, the same for all its settings; that of the exact search is grey."""
    factories = list(dict.fromkeys(each.factory for each in rows))
    rest = [each for each in factories if each != "exact"]
    found = {"exact": "var(--wb-map-other)"} if "exact" in factories else {}
    return found | {each: f"var(--wb-c{n % 100})" for n, each in enumerate(rest)}
