"""What reranking deeper changes: overlap with the other orders, documents moved in, time and, where judged, nDCG."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ui.components.text import escape

if TYPE_CHECKING:
    from workbench.workflows.depths import DepthEffect

LINES = (("none", "circle"), ("deepest", "square"), ("ndcg", "diamond"))
"""Class and marker of each line: the shape tells them apart as well as the colour."""


def depth_html(effects: Sequence["DepthEffect"], k: int) -> str:
    """Three small charts with one column a depth, and the same numbers as a table for those who do not see them.

    Text keeps its size at every width: only the lines are drawn in a picture that stretches.
    """
    if not effects:
        return '<p class="wb-whynote">No depth to compare: the pipeline has no reranker, or found too little.</p>'
    judged = any(each.ndcg is not None for each in effects)
    series: list[tuple[str, list[float | None]]] = [
        (f"overlap@{k} with no reranking", [each.overlap_with_none for each in effects]),
        (f"overlap@{k} with depth {effects[-1].depth:,}", [each.overlap_with_deepest for each in effects]),
    ]
    if judged:
        series.append((f"nDCG@{k}", [each.ndcg for each in effects]))
    legend = "".join(
        f'<span><i class="wb-mark wb-l-{name} wb-{marker}"></i>{escape(label)}</span>'
        for (name, marker), (label, _) in zip(LINES, series, strict=False)
    )
    moved = bars(effects, lambda each: each.moved_in, lambda each: f"{each.moved_in:,}", "wb-moved")
    spent = bars(effects, lambda each: each.milliseconds, lambda each: milliseconds(each.milliseconds), "wb-spent")
    foot = "".join(f"<span>{each.depth:,}</span>" for each in effects)
    return (
        f'<figure class="wb-depths" style="--n:{len(effects)}"><div aria-hidden="true">'
        f'<p class="wb-legend">{legend}</p>'
        f"{lines_html(series, effects)}<h5>moved into the top {k}</h5>{moved}<h5>milliseconds</h5>{spent}"
        f'<div class="wb-axis wb-cols">{foot}</div><h5 class="wb-axisname">documents reranked</h5></div>'
        f"{table_html(effects, k, judged)}</figure>"
    )


def lines_html(series: Sequence[tuple[str, list[float | None]]], effects: Sequence["DepthEffect"]) -> str:
    """Lines from 0 to 1 over the depths, a marker with its number at each point."""
    paths, marks = [], []
    for (name, marker), (label, values) in zip(LINES, series, strict=False):
        points = [(place(i, len(values)), value) for i, value in enumerate(values) if value is not None]
        drawn = " ".join(f"{x:.2f},{100 - 100 * bounded(y):.2f}" for x, y in points)
        paths.append(f'<polyline class="wb-l-{name}" points="{drawn}" vector-effect="non-scaling-stroke"/>')
        for i, value in enumerate(values):
            if value is None:
                continue
            told = escape(f"depth {effects[i].depth:,}: {label} {value:.2f}")
            marks.append(
                f'<i class="wb-mark wb-l-{name} wb-{marker}" title="{told}" '
                f'style="left:{place(i, len(values)):.2f}%;bottom:{100 * bounded(value):.1f}%"></i>'
            )
    return (
        '<div class="wb-plot"><span class="wb-y" style="bottom:100%">1</span><span class="wb-y" style="bottom:50%">.5'
        '</span><span class="wb-y" style="bottom:0">0</span>'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" focusable="false">'
        '<path class="wb-grid" d="M0 0H100M0 50H100M0 100H100" vector-effect="non-scaling-stroke"/>'
        f"{''.join(paths)}</svg>{''.join(marks)}</div>"
    )


def bars(
    effects: Sequence["DepthEffect"],
    value_of: Callable[["DepthEffect"], float],
    text_of: Callable[["DepthEffect"], str],
    kind: str,
) -> str:
    """One bar a depth with its number above, the largest as high as the space."""
    largest = max((value_of(each) for each in effects), default=0) or 1
    columns = "".join(
        f'<span class="wb-bar1"><b>{text_of(each)}</b>'
        f'<i style="height:{100 * max(0.0, value_of(each)) / largest:.1f}%"></i></span>'
        for each in effects
    )
    return f'<div class="wb-cols wb-bars {kind}">{columns}</div>'


def table_html(effects: Sequence["DepthEffect"], k: int, judged: bool) -> str:
    heads = ["documents reranked", f"moved into the top {k}", f"overlap@{k} with no reranking"]
    heads += [f"overlap@{k} with the deepest", "milliseconds", *([f"nDCG@{k}"] if judged else [])]
    rows = []
    for each in effects:
        cells = [f"{each.depth:,}", f"{each.moved_in:,}", f"{each.overlap_with_none:.2f}"]
        cells += [f"{each.overlap_with_deepest:.2f}", milliseconds(each.milliseconds)]
        if judged:
            cells.append("not judged" if each.ndcg is None else f"{each.ndcg:.3f}")
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    return (
        f'<div class="wb-unseen"><table><caption>What each rerank depth changes</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def milliseconds(value: float) -> str:
    """ "0.4", "87", "1.2 s": short enough for a column of 40 pixels."""
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def place(i: int, n: int) -> float:
    """The middle of column i of n, in percent."""
    return 100 * (i + 0.5) / n


def bounded(value: float) -> float:
    return max(0.0, min(1.0, value))
