"""Parts of the Evaluate page under the table: slices, what labelling could change, quality against cost."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui.components.evaluate_charts import Mark, cost_chart, milliseconds
from ui.components.evaluate_compare import signed
from ui.components.evaluate_table import percent
from ui.components.evaluate_view import EvaluateView
from ui.components.figures import size
from ui.components.text import clip, escape
from ui.session import Place
from workbench.workflows.evaluate import Point, pareto
from workbench.workflows.evaluated import pipeline_of
from workbench.workflows.views import pipeline_key

if TYPE_CHECKING:
    from workbench.workflows.evaluate import Evaluation, Slice

MEGABYTE = 2**20
FEW = 20
"""Queries below which a slice's mean says little."""


def slices_html(found: "Sequence[Slice]", view: EvaluateView, pair: Sequence[str]) -> str:
    """The means of each part of the queries, of the two runs that are compared, and their difference as a bar."""
    if not found:
        return "<p class='dim'>No query falls into a part.</p>"
    base, other = pair[0], pair[-1]
    changes = [each.means[other][view.measure] - each.means[base][view.measure] for each in found]
    most = max((abs(each) for each in changes), default=0) or 1
    rows = "".join(
        f"<tr data-key='slice {escape(each.name)}'><td class='break' dir='auto'>{escape(clip(each.name, 80))}</td>"
        f"<td class='num'>{each.queries:,}{' <small>few</small>' if each.queries < FEW else ''}</td>"
        + "".join(f"<td class='num'>{each.means[name][view.measure]:.4f}</td>" for name in dict.fromkeys(pair))
        + (
            f"<td class='num'>{signed(change)}</td><td class='ec-cell'>{diverging(change / most)}</td>"
            if base != other
            else ""
        )
        + "</tr>"
        for each, change in zip(found, changes, strict=True)
    )
    heads = "".join(f"<th class='num'>{escape(clip(name, 30))}</th>" for name in dict.fromkeys(pair))
    last = "<th class='num'>difference</th><th class='ec-cell'></th>" if base != other else ""
    return (
        "<div class='scroll tall'><table class='grid'><thead><tr><th>part of the queries</th><th class='num'>queries"
        f"</th>{heads}{last}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def diverging(share: float) -> str:
    """A bar to the left or right of a middle line; `share` −1 to 1."""
    kind, left = ("up", 50.0) if share > 0 else ("down", 50 + 50 * share)
    where = f"left:{left:.1f}%;width:{50 * abs(share):.1f}%"
    return f"<span class='ec-side ec-{kind}' aria-hidden='true'><i style='{where}'></i></span>"


def slice_choices(columns: Sequence[str], subsets: Sequence[str]) -> dict[str, str]:
    """What queries can be sliced by: value → words."""
    found = {"length": "length of the query"}
    found |= {f"metadata:{name}": f"{name} of the relevant documents" for name in columns}
    return found | {f"subset:{name}": f"relevant documents in the subset {name}" for name in subsets}


def labelling_html(place: Place, view: EvaluateView, found: "Evaluation") -> str:
    """For each run the lowest and highest mean that judging the unjudged could give; and the way to judge them."""
    known = [(each, limits) for each in found.runs if (limits := each.bounds[view.measure]) is not None]
    if not known:
        return f"<p class='dim'>There is no rule for the bounds of {escape(view.measure)}.</p>"
    rows = "".join(
        f"<tr data-key='bounds {each.run.id}'><td class='break'>{escape(clip(each.run.name, 60))}</td>"
        f"<td class='num'>{each.means[view.measure]:.4f}</td><td class='ec-cell'>"
        f"{between(limits, each.means[view.measure] or 0.0)}</td>"
        f"<td class='num'>{limits[0]:.4f} … {limits[1]:.4f}</td><td class='num'>{share(each.judged[view.measure])}"
        "</td></tr>"
        for each, limits in known
    )
    return (
        f"<p>{settled({each.run.name: limits for each, limits in known}, view.measure)}</p>"
        "<div class='scroll'><table class='grid'><thead><tr><th>run</th><th class='num'>now</th>"
        "<th class='ec-cell'>from 0 to 1</th><th class='num'>could become</th><th class='num'>unjudged</th></tr>"
        "</thead>"
        f"<tbody>{rows}</tbody></table></div>{label_link(place, found)}"
    )


def share(judged: float | None) -> str:
    return "–" if judged is None else percent(1 - judged)


def between(limits: tuple[float, float], mean: float) -> str:
    low, high = limits
    return (
        "<span class='ec-range ec-wide' aria-hidden='true'><i "
        f"style='left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%'>"
        f"</i><b style='left:{100 * mean:.1f}%'></b></span>"
    )


def settled(limits: dict[str, tuple[float, float]], measure: str) -> str:
    """Whether judging more could change which run is the best."""
    if all(high - low < 1e-9 for low, high in limits.values()):
        return f"Every document that counts for {escape(measure)} is judged: labelling changes nothing."
    if len(limits) < 2:
        return "The range is what judging the unjudged documents could make of the mean, if all fell one way."
    best = max(limits, key=lambda name: limits[name][0])
    rivals = [name for name in limits if name != best and limits[name][1] > limits[best][0]]
    if not rivals:
        return f"“{escape(clip(best, 60))}” stays the best in {escape(measure)} whatever the unjudged documents are."
    names = ", ".join(f"“{escape(clip(name, 40))}”" for name in rivals[:3])
    more = f" and {len(rivals) - 3} more" if len(rivals) > 3 else ""
    return (
        f"The ranges overlap: “{escape(clip(best, 60))}” has the highest lower end, but {names}{more} could still pass "
        "it if the unjudged documents fell that way. Judging them narrows the ranges."
    )


def label_link(place: Place, found: "Evaluation") -> str:
    """To the Label page: the queries sorted by what judging them can change for these pipelines."""
    pipelines = [pipeline for each in found.runs if (pipeline := pipeline_of(each.run)) is not None]
    keys = list(dict.fromkeys(pipeline_key(each) for each in pipelines))[:4]
    link = place.link("/label", set=found.query_set, sort="gain", systems=",".join(keys))
    return (
        f"<div class='row'><a class='btn' href='{escape(link)}'>Label what changes most</a>"
        "<span class='dim'>opens the Label page, queries sorted by unjudged documents near the top</span></div>"
    )


def standing(point: Point, best: bool) -> str:
    """Whether a run is on the front, in words; of one whose costs are not known it cannot be said."""
    if point.milliseconds is None and point.bytes is None:
        return "<span class='dim'>costs not known</span>"
    return "◆ on the front" if best else "○ another run beats it"


def costs_html(points: Sequence[Point], measure: str) -> str:
    """Two charts, quality over time and over memory, and the table with the numbers of their marks."""
    front = pareto(points)
    marks = list(enumerate(zip(points, front, strict=True), 1))
    timed = [Mark(p.name, n, p.quality, p.milliseconds, best) for n, (p, best) in marks if p.milliseconds is not None]
    sized = [Mark(p.name, n, p.quality, p.bytes / MEGABYTE, best) for n, (p, best) in marks if p.bytes]
    charts = [
        cost_chart(timed, measure, "milliseconds a query, in batch", milliseconds),
        cost_chart(sized, measure, "memory of vectors, indices and models", lambda value: f"{value:.3g} MB"),
    ]
    drawn = "".join(f"<div>{each}</div>" for each in charts if each)
    rows = "".join(
        f"<tr data-key='cost {n}'><td class='num dim'>{n}</td><td class='break'>{escape(clip(p.name, 60))}</td>"
        f"<td class='num'>{p.quality:.4f}</td><td class='num'>"
        f"{'–' if p.milliseconds is None else milliseconds(p.milliseconds)}</td>"
        f"<td class='num'>{'–' if p.bytes is None else size(p.bytes)}</td>"
        f"<td>{standing(p, best)}</td></tr>"
        for n, (p, best) in marks
    )
    unknown = [p.name for p in points if p.milliseconds is None]
    note = (
        f"<p class='dim'>Costs are not known of imported runs: {escape(', '.join(unknown[:5]))}.</p>" if unknown else ""
    )
    return (
        f"<div class='ec-pair'>{drawn}</div>"
        "<p class='dim'>◆ on the front: no other run is at least as good in quality, time and memory and better in "
        "one. "
        "The dashed line is the best quality for each cost.</p>"
        "<div class='scroll'><table class='grid'><thead><tr><th></th><th>run</th>"
        f"<th class='num'>{escape(measure)}</th><th class='num'>a query</th><th class='num'>memory</th><th></th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>{note}"
    )
