"""The runs of a query set as a table: means with the share that is judged, costs, and what can be done with each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ui.components.blind_setup import pipeline_text
from ui.components.evaluate_charts import milliseconds, range_bar
from ui.components.evaluate_view import EvaluateView
from ui.components.figures import ago, several, size
from ui.components.text import clip, escape
from ui.session import Place
from workbench.workflows.evaluated import pipeline_of

if TYPE_CHECKING:
    from workbench.workflows.evaluate import Evaluation, RunFigures
    from workbench.workflows.running import RunInfo

COSTS = {"ms": "ms / query", "memory": "memory"}
NEAR = 1e-9


@dataclass(frozen=True)
class Shown:
    """What the page shows: the view, all runs of the set (newest first), and the evaluation of the chosen ones."""

    place: Place
    view: EvaluateView
    runs: "Sequence[RunInfo]"
    evaluation: "Evaluation | None" = None

    @property
    def chosen(self) -> "list[RunInfo]":
        return [] if self.evaluation is None else [each.run for each in self.evaluation.runs]


def table_html(shown: Shown) -> str:
    """The chosen runs sorted as the view says, then those that are not ticked."""
    found, view = shown.evaluation, shown.view
    if found is None:
        return ""
    best = {measure: max_of(found, measure) for measure in found.measures}
    rows = "".join(run_row(shown, each, best) for each in ordered(found.runs, view.sort))
    chosen = {each.id for each in shown.chosen}
    rest = "".join(left_out(shown, each) for each in shown.runs if each.id not in chosen)
    heads = "".join(sort_head(shown, measure, measure) for measure in found.measures)
    costs = "".join(sort_head(shown, name, title) for name, title in COSTS.items())
    return (
        "<div class='scroll'><table class='grid ev-runs'><thead><tr><th></th>"
        f"{sort_head(shown, 'name', 'run', 'text')}{heads}{costs}<th class='num'>documents<br>a query</th>"
        f"{sort_head(shown, 'date', 'made', 'text')}<th></th></tr></thead><tbody>{rows}{rest}</tbody></table></div>"
    )


def max_of(found: "Evaluation", measure: str) -> float | None:
    means = [mean for each in found.runs if (mean := each.means[measure]) is not None]
    return max(means) if means else None


def sort_head(shown: Shown, name: str, title: str, kind: str = "num") -> str:
    """A column's head: a click sorts by it, the next one the other way round."""
    now = shown.view.sort
    best_first = name not in ("name", *COSTS)
    first = f"-{name}" if best_first else name
    other = name if best_first else f"-{name}"
    to = shown.view.link(shown.place, sort=other if now == first else first)
    arrow = " ▾" if now == f"-{name}" else " ▴" if now == name else ""
    state = "descending" if now == f"-{name}" else "ascending" if now == name else "none"
    return (
        f"<th class='{kind}' aria-sort='{state}'><a class='ev-go' href='{escape(to)}' title='Sort'>{escape(title)}"
        f"{arrow}</a></th>"
    )


def ordered(runs: "Sequence[RunFigures]", sort: str) -> "list[RunFigures]":
    """The runs by a column; without one, or by one that is no more, as they were made. Missing values come last."""
    name, down = sort.removeprefix("-"), sort.startswith("-")

    def value(each: "RunFigures") -> Any:
        manifest = each.run.manifest
        known = {
            "name": each.run.name.casefold(),
            "date": each.run.artifact.created_at,
            "ms": manifest.get("milliseconds"),
            "memory": manifest.get("memory_bytes"),
        }
        return known[name] if name in known else each.means.get(name)

    if not any(value(each) is not None for each in runs):
        return sorted(runs, key=lambda each: each.run.id)
    missing = [each for each in runs if value(each) is None]
    return sorted((each for each in runs if value(each) is not None), key=value, reverse=down) + missing


def run_row(shown: Shown, figures: "RunFigures", best: dict[str, float | None]) -> str:
    run, manifest = figures.run, figures.run.manifest
    cells = "".join(cell(figures, measure, best[measure], shown.view.bounds) for measure in best)
    spent, memory = manifest.get("milliseconds"), manifest.get("memory_bytes")
    is_base = " <span class='tag'>baseline</span>" if run.id == shown.view.baseline else ""
    return (
        f"<tr data-key='run {run.id}'><td>{tick(shown, run, True)}</td><td class='ev-run'><b "
        f"title='{escape(run.name)}'>"
        f"{escape(clip(run.name, 60))}</b>{is_base}{about(run)}</td>{cells}"
        f"<td class='num'>{'–' if spent is None else milliseconds(spent).removesuffix(' ms')}</td>"
        f"<td class='num'>{'–' if memory is None else size(memory)}</td><td class='num'>{manifest.get('k', '–')}</td>"
        f"<td class='dim'>{ago(run.artifact.created_at)}</td><td class='acts'>{menu(shown, run)}</td></tr>"
    )


def left_out(shown: Shown, run: "RunInfo") -> str:
    columns = len(shown.evaluation.measures) + 2 if shown.evaluation else 2
    return (
        f"<tr class='ev-out' data-key='run {run.id}'><td>{tick(shown, run, False)}</td><td class='ev-run'>"
        f"<b>{escape(clip(run.name, 60))}</b>{about(run)}</td><td class='dim' colspan='{columns}'>left out</td>"
        f"<td class='num'>{run.manifest.get('k', '–')}</td><td class='dim'>{ago(run.artifact.created_at)}</td>"
        f"<td class='acts'>{menu(shown, run)}</td></tr>"
    )


def tick(shown: Shown, run: "RunInfo", on: bool) -> str:
    """The box that takes a run into the comparison or out of it."""
    ids = [each.id for each in shown.chosen]
    changed = tuple(id for id in ids if id != run.id) if on else (*ids, run.id)
    last = on and len(ids) == 1
    to = shown.view.link(shown.place, runs=changed)
    return (
        f"<input type='checkbox' class='ev-tick' data-to='{escape(to)}'{' checked' if on else ''}"
        f"{' disabled' if last else ''} aria-label='Compare {escape(run.name)}'>"
    )


def cell(figures: "RunFigures", measure: str, best: float | None, bounds: bool) -> str:
    """The mean, bold where it is the best, the judged share, and on demand what labelling could make of it."""
    mean, share, limits = figures.means[measure], figures.judged[measure], figures.bounds[measure]
    if mean is None:
        return "<td class='num dim'>–</td>"
    is_best = best is not None and mean >= best - NEAR
    value = f"<b title='the best'>{mean:.4f}</b>" if is_best else f"{mean:.4f}"
    judged = (
        ""
        if share is None
        else f"<small title='share of its first documents that is judged'>{percent(share)} judged</small>"
    )
    told = ""
    if bounds:
        told = "<small>no bounds</small>"
        if limits is not None:
            low, high = limits
            told = f"<small>{low:.3f} – {high:.3f}</small>{range_bar(low, mean, high)}"
    return f"<td class='num'>{value}{judged}{told}</td>"


def percent(share: float) -> str:
    """ "34%"; never 0% or 100% where a little is or is not judged."""
    if 0 < share < 0.01:
        return "&lt;1%"
    return "&gt;99%" if 0.99 < share < 1 else f"{100 * share:.0f}%"


def about(run: "RunInfo") -> str:
    """Under the name: the pipeline, or that none is known; and what the run warned of."""
    pipeline = pipeline_of(run)
    manifest = run.manifest
    source = manifest.get("source", "a file")
    text = pipeline_text(pipeline) if pipeline else f"imported from {source}"
    warned = manifest.get("warnings", [])
    notes = "".join(f"<li>{escape(each)}</li>" for each in warned[:10])
    warning = (
        f"<details class='ev-warned'><summary class='tag warn'>{several(len(warned), 'warning')}</summary>"
        f"<ul>{notes}</ul></details>"
        if warned
        else ""
    )
    empty = manifest.get("empty", 0)
    nothing = f" · {several(empty, 'query/queries')} without a hit" if empty else ""
    return f"<div class='dim ev-about' title='{escape(text)}'>{escape(clip(text, 90))}{nothing}</div>{warning}"


def menu(shown: Shown, run: "RunInfo") -> str:
    """Baseline, rename, the run as a file, delete."""
    base = shown.view.link(shown.place, baseline=run.id)
    return (
        "<details class='menu'><summary class='btn small' aria-label='More'>⋯</summary><div class='pop'>"
        f"<a class='ev-go' href='{escape(base)}'>Compare the others with it</a>"
        f"<a href='/evaluating/{escape(shown.place.project)}/run/{run.id}.trec' download>Download as a TREC run file"
        "</a>"
        f"<div class='row' data-form><input name='name' value='{escape(run.name)}' aria-label='Name' maxlength='120'>"
        f"<button class='btn small' data-do='rename' data-default data-run='{run.id}'>Rename</button></div>"
        "<div class='row'><span class='dim'>Rankings and measures go.</span><span class='spring'></span>"
        f"<button class='btn small danger' data-do='delete' data-run='{run.id}'>Delete</button></div></div></details>"
    )
