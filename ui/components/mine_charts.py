"""Two charts of mining: scores of positives and candidates with the margin line to drag, and yield against margin."""

import math
from collections.abc import Sequence

from ui.components.mine_rules import percent
from ui.components.text import clip, escape
from workbench.specs import MiningSpec
from workbench.workflows.mine import MinerPreview, MinerSweep, Preview, SweepPoint

STEPS = 26
"""Margins of a sweep."""
FARTHEST = 0.5
"""The largest relative margin that is swept."""
MARKERS = ("circle", "square", "diamond")
KIND_NAMES = (("relative", "relative: a share of the score"), ("absolute", "absolute: a difference of scores"))


def margin_of(spec: MiningSpec, kind: str) -> float | None:
    return spec.relative_margin if kind == "relative" else spec.absolute_margin


def margin_text(margin: float | None, kind: str) -> str:
    """ "5 % below the positive", "0.1 below the positive"."""
    if margin is None:
        return "no margin: drag to the left"
    return f"{percent(margin) if kind == 'relative' else f'{margin:g}'} below the positive"


def line_at(each: MinerPreview, margin: float | None, kind: str) -> float:
    """Where the line of a margin stands, in percent of the chart: measured from the median positive, kept inside."""
    low, high = each.edges[0], each.edges[-1]
    median = high if each.positive_median is None else each.positive_median
    below = (margin or 0.0) * (abs(median) if kind == "relative" else 1.0)
    return min(100.0, max(0.0, 100 * (median - below - low) / (high - low)))


def histograms_html(found: Preview, spec: MiningSpec, kind: str) -> str:
    """One histogram a miner: positives upwards, candidates downwards, those taken filled; the line through all."""
    margin = margin_of(spec, kind)
    buttons = "".join(
        f"<button class='btn small' data-do='kind' data-value='{name}' aria-pressed='{str(name == kind).lower()}' "
        f"title='{told}'>{name}</button>"
        for name, told in KIND_NAMES
    )
    mixed = (
        " One difference on scores of several scales: watch what each miner loses, or take a relative margin."
        if kind == "absolute" and len(found.miners) > 1
        else ""
    )
    off = "<button class='btn small' data-do='off' title='Switch this margin off'>no margin</button>"
    figures = "".join(histogram_html(each, margin, kind) for each in found.miners)
    return (
        "<section class='panel mi-scores'><header><h3>Scores</h3><span class='mi-legend'>"
        "<span><i class='mi-k-positive'></i>known positives ↑</span><span><i class='mi-k-other'></i>candidates ↓</span>"
        "<span><i class='mi-k-taken'></i>taken as negatives</span></span><span class='spring'></span>"
        f"<span class='mi-kinds' role='group' aria-label='Margin'>margin {buttons}{off if margin is not None else ''}"
        f"</span></header><div class='mi-hists' data-margin='{'' if margin is None else f'{margin:.10g}'}' "
        f"data-kind='{kind}'>{figures}</div><p class='mi-note'>Drag the line, or focus it and press ← →. It is drawn "
        "below the median of the positives; the rule measures from each query’s own lowest positive. Each of the "
        f"three is drawn as high as its highest bar.{mixed}</p></section>"
    )


def histogram_html(each: MinerPreview, margin: float | None, kind: str) -> str:
    low, high = each.edges[0], each.edges[-1]
    median, at = each.positive_median, line_at(each, margin, kind)
    most = max(each.others, default=0)
    name = escape(clip(each.miner, 60))
    told = "not scored" if median is None else f"median {median:.3g}"
    handle = (
        f"<div class='mi-line' role='slider' tabindex='0' aria-label='Margin, {name}' aria-valuemin='0' "
        f"aria-valuenow='{margin or 0:g}' aria-valuetext='{margin_text(margin, kind)}' "
        f"style='left:{at:.3f}%;--at:{at:.3f}%'>"
        f"<span>{margin_text(margin, kind)}</span></div>"
        if median is not None
        else ""
    )
    return (
        f"<figure class='mi-hist' data-key='hist {escape(each.artifact)}' data-low='{low:.10g}' "
        f"data-high='{high:.10g}' "
        f"data-median='{'' if median is None else f'{median:.10g}'}'{' data-set' if margin is not None else ''}>"
        f"<figcaption><b>{name}</b><span class='facts'><span><b>{sum(each.positives):,}</b> positives, {told}</span>"
        f"<span><b>{sum(each.others):,}</b> candidates</span><span><b>{each.negatives:,}</b> taken</span></span>"
        f"</figcaption><div class='mi-plot'><div class='mi-cut' style='left:{at:.3f}%'></div>"
        f"<svg viewBox='0 0 {len(each.others)} 100' preserveAspectRatio='none' focusable='false' aria-hidden='true'>"
        f"<path class='mi-positive' d='{bars(each.positives, max(each.positives, default=0), 49, -47)}'/>"
        f"<path class='mi-other' d='{bars(each.others, most, 51, 47)}'/>"
        f"<path class='mi-taken-bar' d='{bars(each.taken, max(each.taken, default=0), 51, 47)}'/></svg>"
        f"{handle}</div><div class='mi-axis'>{axis(low, high)}</div></figure>"
    )


def bars(counts: Sequence[int], most: int, base: float, height: float) -> str:
    """Bars of one unit each as one path, `height` long (negative: upwards) where a count is `most`."""
    parts = [
        f"M{n} {base}v{height * count / most:.3f}h1V{base}z" for n, count in enumerate(counts) if count and most > 0
    ]
    return "".join(parts)


def axis(low: float, high: float) -> str:
    """Five round numbers along the scores."""
    digits = max(0, 1 - math.floor(math.log10(high - low)))
    marks = (low + (high - low) * n / 4 for n in range(5))
    return "".join(f"<span>{mark:.{digits}f}</span>" for mark in marks)


# ── yield against margin ─────────────────────────────────────────────────────────────────────────────────────────────


def margins_of(found: Preview, kind: str) -> list[float]:
    """The margins to sweep: 0 to a half, or 0 to the longest way down from a median positive."""
    if kind == "relative":
        return [round(FARTHEST * n / (STEPS - 1), 6) for n in range(STEPS)]
    ways = [each.positive_median - each.edges[0] for each in found.miners if each.positive_median is not None]
    longest = max([way for way in ways if way > 0], default=1.0)
    step = nice(longest / (STEPS - 1))
    return [round(step * n, 10) for n in range(STEPS)]


def nice(step: float) -> float:
    """The next 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= step * (1 - 1e-9))


def sweep_html(sweeps: Sequence[MinerSweep], asked: int, spec: MiningSpec, kind: str) -> str:
    """A line a miner, each mining alone; a click on the chart sets the margin. The numbers as a table for readers."""
    margins = [point.margin for point in sweeps[0].points]
    last = margins[-1]
    lines = "".join(line_html(n, each, asked, last) for n, each in enumerate(sweeps))
    legend = "".join(
        f"<span><i class='mi-mark mi-s{n} mi-{MARKERS[n % len(MARKERS)]}'></i>{escape(clip(each.miner, 60))}</span>"
        for n, each in enumerate(sweeps)
    )
    now = margin_of(spec, kind)
    marker = (
        f"<div class='mi-now' style='left:{100 * min(1.0, now / last):.3f}%' title='the margin chosen'></div>"
        if now is not None and now >= 0
        else "<div class='mi-now' hidden></div>"
    )
    columns = "".join(
        f"<button data-do='set' data-value='{margin:g}' tabindex='-1' style='left:{100 * margin / last:.3f}%' "
        f"title='{escape(told_at(sweeps, n, kind))}' aria-hidden='true'></button>"
        for n, margin in enumerate(margins)
    )
    ticks = "".join(
        f"<span>{percent(margins[n]) if kind == 'relative' else f'{margins[n]:g}'}</span>" for n in range(0, STEPS, 5)
    )
    return (
        "<section class='panel mi-sweep'><header><h3>Yield against margin</h3>"
        f"<span class='mi-legend'>{legend}</span><span class='spring'></span><span class='facts' title='A "
        f"click in the chart sets the margin'>each miner alone</span></header>"
        f"<div class='mi-chart' data-last='{last:g}'><span class='mi-y' "
        f"style='bottom:100%'>{asked:,}</span><span class='mi-y' style='bottom:50%'>{asked / 2:,.0f}</span>"
        "<span class='mi-y' style='bottom:0'>0</span><svg viewBox='0 0 100 100' preserveAspectRatio='none' "
        "focusable='false' aria-hidden='true'><path class='mi-grid' d='M0 0H100M0 50H100M0 100H100' "
        f"vector-effect='non-scaling-stroke'/>{lines}</svg>{marks_html(sweeps, asked, last)}{marker}{columns}</div>"
        f"<div class='mi-axis mi-ticks'>{ticks}</div>{table_html(sweeps, kind)}</section>"
    )


def line_html(n: int, each: MinerSweep, asked: int, last: float) -> str:
    points = " ".join(f"{100 * point.margin / last:.2f},{height(point, asked):.2f}" for point in each.points)
    return f"<polyline class='mi-s{n}' points='{points}' vector-effect='non-scaling-stroke'/>"


def height(point: SweepPoint, asked: int) -> float:
    """From above, in percent of the chart."""
    return 100 - 100 * min(1.0, point.negatives / asked if asked else 0.0)


def marks_html(sweeps: Sequence[MinerSweep], asked: int, last: float) -> str:
    """A marker at every fifth margin: the shape tells the lines apart as well as the colour."""
    return "".join(
        f"<i class='mi-mark mi-s{n} mi-{MARKERS[n % len(MARKERS)]}' style='left:{100 * point.margin / last:.2f}%;"
        f"top:{height(point, asked):.2f}%'></i>"
        for n, each in enumerate(sweeps)
        for point in each.points[::5]
    )


def told_at(sweeps: Sequence[MinerSweep], n: int, kind: str) -> str:
    """The numbers of one margin, a line a miner. Not escaped."""
    head = margin_text(sweeps[0].points[n].margin, kind)
    lines = []
    for each in sweeps:
        point = each.points[n]
        gap = "" if point.mean_gap is None else f", on average {point.mean_gap:.3g} below the positive"
        lines.append(f"{each.miner}: {point.negatives:,} negatives{gap}; {point.short:,} short queries")
    return "\n".join([head, *lines])


def table_html(sweeps: Sequence[MinerSweep], kind: str) -> str:
    rows = "".join(
        f"<tr><td>{escape(each.miner)}</td><td>{point.margin:g}</td><td>{point.negatives:,}</td>"
        f"<td>{point.short:,}</td><td>{point.dropped:,}</td></tr>"
        for each in sweeps
        for point in each.points
    )
    return (
        f"<div class='wb-unseen'><table><caption>Yield by {kind} margin</caption><thead><tr><th>miner</th>"
        f"<th>margin</th><th>negatives</th><th>short queries</th><th>dropped</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
