"""The Evaluate page put together: the table that opens at once, and under it what takes tests and drawings."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ui.components.evaluate_compare import compare_table, sentence
from ui.components.evaluate_forms import judgment_notes, no_runs
from ui.components.evaluate_parts import costs_html, labelling_html, slice_choices, slices_html
from ui.components.evaluate_queries import ends, queries_html, query_html
from ui.components.evaluate_table import Shown, table_html
from ui.components.evaluate_view import EvaluateView, read_evaluate_view
from ui.components.figures import several
from ui.components.text import clip, escape
from ui.handlers import explain, problem
from ui.session import Place
from workbench.errors import NotFound
from workbench.project import Project
from workbench.workflows import corpus as corpora
from workbench.workflows.evaluate import Comparison, Evaluation, evaluate, per_query, slices
from workbench.workflows.evaluated import texts_of
from workbench.workflows.report import points_of
from workbench.workflows.running import list_runs
from workbench.workflows.subsets import list_subsets

if TYPE_CHECKING:
    from workbench.workflows.corpus import QuerySetInfo

USUAL_RUNS = 20


def sets_of(project: Project, place: Place) -> "list[QuerySetInfo]":
    """The corpus's query sets that have queries."""
    return [each for each in corpora.list_query_sets(project, place.corpus) if each.queries]


def chosen_view(place: Place, sets: "Sequence[QuerySetInfo]") -> EvaluateView:
    """The address's view with a query set that exists: the named one, else the first that was loaded, not typed."""
    view = read_evaluate_view(place.query)
    names = [each.name for each in sets]
    if view.query_set in names or not names:
        return view
    typed = f"{place.corpus.partition('@')[0]}-typed"
    return replace(view, query_set=next((name for name in names if name != typed), typed), query="", runs=())


def evaluated(project: Project, place: Place, view: EvaluateView) -> Shown:
    """The evaluation of the view's runs, and the view with what it left open. Raises what `evaluate` does."""
    runs = list_runs(project, view.query_set)
    known = {each.id for each in runs}
    ids = [id for id in view.runs if id in known] or sorted(each.id for each in runs[:USUAL_RUNS])
    if not ids:
        return Shown(place, view, runs)
    found = evaluate(project, ids, view.measures, view.labels or None, view.options)
    return Shown(place, completed(found, view), runs, found)


def completed(found: Evaluation, view: EvaluateView) -> EvaluateView:
    """The view with what it left open: the first measure, the oldest run as the baseline, the best of the others."""
    measure = view.measure if view.measure in found.measures else found.measures[0]
    known = {each.run.id: each for each in found.runs}
    baseline = view.baseline if view.baseline in known else next(iter(known))
    others = {id: each for id, each in known.items() if id != baseline}
    best = max(others, key=lambda id: others[id].means[measure] or 0.0, default=baseline)
    other = view.other if view.other in others else best
    query = view.query if view.query in found.query_ids else ""
    return replace(view, measure=measure, baseline=baseline, other=other, query=query)


def shown_of(project: Project, place: Place) -> Shown:
    """For the routes: the evaluation that an address asks for. Raises `NotFound` where there is none."""
    sets = sets_of(project, place)
    view = chosen_view(place, sets)
    if not view.query_set:
        raise NotFound(f"“{place.corpus}” has no query set.", "Load queries on the Corpus page.")
    shown = evaluated(project, place, view)
    if shown.evaluation is None:
        raise NotFound(f"There is no run of “{view.query_set}” yet.", "Make one on the Evaluate page.")
    return shown


def named(shown: Shown, id: int) -> str:
    return next(each.name for each in shown.chosen if each.id == id)


def runs_html(shown: Shown) -> str:
    """Under the forms: what the judgments cover, warnings, the table."""
    found = shown.evaluation
    if found is None:
        return no_runs(shown.view.query_set)
    counts = found.counts
    facts = (
        f"<span><b>{counts.queries:,}</b> queries</span><span><b>{counts.judged_queries:,}</b> judged</span>"
        f"<span><b>{counts.judgments:,}</b> judgments</span>"
        f"<span>by {escape(clip(', '.join(found.label_sets) or 'nothing', 120))}</span>"
    )
    to = shown.view.link(shown.place, bounds=not shown.view.bounds)
    word = "Hide" if shown.view.bounds else "Show"
    unknown = ""
    if counts.unknown_listed:
        rows = "".join(
            f"<tr><td class='break'>{escape(clip(query, 80))}</td><td class='break'>{escape(clip(doc, 80))}</td></tr>"
            for query, doc in counts.unknown_listed
        )
        unknown = (
            "<details class='ev-unknown'><summary>Judged documents that the corpus does not have</summary><div "
            "class='tall'>"
            f"<table class='grid'><tr><th>query</th><th>document</th></tr>{rows}</table></div></details>"
        )
    return (
        f"{judgment_notes(found.warnings)}{unknown}<section class='panel ev-table'><header><h2>Runs</h2>"
        f"<a class='ev-go' href='{escape(to)}'>{word} what labelling could change</a>"
        f"<span class='facts'>{facts}</span></header>{table_html(shown)}</section>"
    )


def details_html(project: Project, shown: Shown, comparisons: Sequence[Comparison]) -> str:
    """Everything under the table; each part that fails says why, and the others stay."""
    found, view, place = shown.evaluation, shown.view, shown.place
    if found is None:
        return ""
    parts = []
    if found.query_ids:
        if len(found.runs) > 1:
            parts += [lambda: compared_part(shown, comparisons), lambda: queries_part(project, shown)]
        if view.query:
            pair = [each for each in shown.chosen if each.id in (view.baseline, view.other)]
            parts.append(lambda: query_html(project, place, view, found, pair))
        parts += [
            lambda: slices_part(project, shown),
            lambda: panel("What would labelling change?", labelling_html(place, view, found)),
        ]
        parts.append(
            lambda: panel("Quality against time and memory", costs_html(points_of(found, view.measure), view.measure))
        )
    markup = []
    for part in parts:
        try:
            markup.append(part())
        except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
            markup.append(problem(*explain(error)))
    return "".join(markup)


def panel(title: str, body: str, tools: str = "") -> str:
    return (
        f"<section class='panel' data-key='{escape(title)}'><header><h2>{escape(title)}</h2>{tools}</header>"
        f"<div class='body'>{body}</div></section>"
    )


def compared_part(shown: Shown, comparisons: Sequence[Comparison]) -> str:
    view = shown.view
    own = [each for each in comparisons if each.measure == view.measure]
    family = len(comparisons)
    other = named(shown, view.other)
    said = next((sentence(each, family) for each in own if each.run == other), "")
    note = (
        "<p class='dim'>Each run less the baseline, query by query: mean difference, 95% interval (paired "
        "bootstrap, 10,000 "
        "resamples, seed 0), Fisher’s randomisation test, two-sided; corrected by Holm for "
        f"{several(family, 'comparison')} "
        "(all runs and measures of the table).</p>"
    )
    tools = chooser(shown, "baseline", "baseline") + measure_chooser(shown)
    return panel(
        "Compared with the baseline", f"{compare_table(own)}<p class='ev-said'>{escape(said)}</p>{note}", tools
    )


def queries_part(project: Project, shown: Shown) -> str:
    found, view = shown.evaluation, shown.view
    if found is None:
        return ""
    paired = per_query(found, named(shown, view.other), named(shown, view.baseline), view.measure)
    texts = texts_of(project, found, [paired.query_ids[at] for at in ends(paired)])
    base = escape(clip(named(shown, view.baseline), 40))
    tools = f"{chooser(shown, 'other', 'run')}<span class='dim'>less</span> <b>{base}</b>"
    body = queries_html(shown.place, view, paired, texts)
    return panel(
        "Query by query",
        f"<p class='dim'>Difference in {escape(view.measure)}; a click opens the query.</p>{body}",
        tools,
    )


def slices_part(project: Project, shown: Shown) -> str:
    found, view, place = shown.evaluation, shown.view, shown.place
    if found is None:
        return ""
    corpus = corpora.get_corpus(project, place.corpus)
    known = slice_choices(list(corpus.columns), [each.name for each in list_subsets(project, corpus.id)])
    choices = {"": "choose …", **known}
    options = "".join(
        f"<option value='{escape(view.link(place, by=value))}'{' selected' if value == view.by else ''}>"
        f"{escape(clip(text, 60))}</option>"
        for value, text in choices.items()
    )
    tools = f"<label class='pick'>by<select class='ev-to' id='ev-by'>{options}</select></label>"
    if not view.by:
        return panel(
            "Slices", "<p class='dim'>Means over parts of the queries: where a run is good, and where not.</p>", tools
        )
    pair = [named(shown, view.baseline), named(shown, view.other)]
    try:
        body = slices_html(slices(project, found, view.by), view, pair)
    except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
        body = problem(*explain(error))
    return panel("Slices", body, tools)


def chooser(shown: Shown, field: str, word: str) -> str:
    """A choice of one of the compared runs: the page's address with another."""
    now = getattr(shown.view, field)
    options = "".join(
        f"<option value='{escape(shown.view.link(shown.place, **{field: each.id}))}'"
        f"{' selected' if each.id == now else ''}>{escape(clip(each.name, 60))}</option>"
        for each in shown.chosen
        if field == "baseline" or each.id != shown.view.baseline
    )
    return f"<label class='pick'>{word}<select class='ev-to' id='ev-{field}'>{options}</select></label>"


def measure_chooser(shown: Shown) -> str:
    options = "".join(
        f"<option value='{escape(shown.view.link(shown.place, measure=each))}'"
        f"{' selected' if each == shown.view.measure else ''}>{escape(each)}</option>"
        for each in (shown.evaluation.measures if shown.evaluation else [])
    )
    return f"<label class='pick'>measure<select class='ev-to' id='ev-measure'>{options}</select></label>"
