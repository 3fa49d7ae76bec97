"""Two runs query by query: sorted bars, the queries that lose and win most, and one of them in full."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from ui.components.address import Column, View
from ui.components.evaluate_charts import difference_bars
from ui.components.evaluate_compare import signed
from ui.components.evaluate_view import EvaluateView
from ui.components.text import clip, escape
from ui.session import Place
from workbench.project import Project
from workbench.workflows.evaluate import PerQuery, gold_positions
from workbench.workflows.evaluated import pipeline_of, row_of, texts_of
from workbench.workflows.report import document_text

if TYPE_CHECKING:
    from workbench.workflows.evaluate import Evaluation, Gold
    from workbench.workflows.running import RunInfo

WORST, BEST, GOLD = 12, 4, 30
DEPTHS = (10, 20, 50)
"""Hits shown by Search: as many as reach each run's first relevant document."""
QRELS = "qrels"


def queries_html(place: Place, view: EvaluateView, found: PerQuery, texts: Mapping[str, str]) -> str:
    """The bars, and beside them the queries at both ends as links."""
    chosen = found.query_ids.index(view.query) if view.query in found.query_ids else -1
    # Hundreds of addresses that differ in one parameter: the others are written once.
    others = view.link(place, query="")
    bars = difference_bars(found.difference, lambda at: f"{others}&q={quote_plus(found.query_ids[at])}", chosen)
    rows = "".join(query_row(place, view, found, at, texts) for at in ends(found))
    return (
        f"<div class='ev-two'><div>{bars}</div><div class='tall'><table class='grid ev-ends'><thead><tr><th></th>"
        "<th>query</th><th class='num'>difference</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></div>"
    )


def ends(found: PerQuery) -> list[int]:
    """Places of the queries that lose most, then of those that win most; each once."""
    count = len(found.query_ids)
    return list(dict.fromkeys([*range(min(WORST, count)), *range(max(0, count - BEST), count)]))


def query_row(place: Place, view: EvaluateView, found: PerQuery, at: int, texts: Mapping[str, str]) -> str:
    query_id = found.query_ids[at]
    here = " class='chosen'" if query_id == view.query else ""
    text = texts.get(query_id, "") or query_id
    change = found.difference[at]
    return (
        f"<tr{here} data-key='query {escape(query_id)}'><td class='num dim'>{at + 1:,}</td><td>"
        f"<a class='ev-go' dir='auto' href='{escape(view.link(place, query=query_id))}'>{escape(clip(text, 110))}"
        "</a></td>"
        f"<td class='num'>{'▼' if change < 0 else '▲' if change > 0 else '='} {signed(change)}</td></tr>"
    )


def query_html(
    project: Project, place: Place, view: EvaluateView, found: "Evaluation", pair: "Sequence[RunInfo]"
) -> str:
    """One query: its text, its values, and where each run has its judged documents. Raises `NotFound`."""
    row = row_of(found, view.query)
    at = found.query_ids.index(view.query)
    text = texts_of(project, found, [view.query]).get(view.query, "")
    gold = gold_positions(project, found, view.query)
    values = "".join(
        f"<span>{escape(clip(each.name, 40))} <b>{found.figures(each.name).values[view.measure][at]:.4f}</b></span>"
        for each in pair
    )
    number = f"query {row + 1:,} of {found.counts.queries:,}"
    return (
        f"<section class='panel ev-query' data-key='query'><header><h2>One query</h2>"
        f"<span class='dim'>{number} · id <code>{escape(clip(view.query, 60))}</code></span>"
        f"<span class='facts'><span>{escape(view.measure)}</span>{values}</span>"
        f"<a class='ev-go btn small' href='{escape(view.link(place, query=''))}' aria-label='Close'>×</a></header>"
        f"<div class='body'><p class='ev-text' dir='auto'>{escape(clip(text, 2000)) or '<i>no text</i>'}</p>"
        f"{side_by_side(place, view, found, pair, (text, row, gold))}"
        f"{gold_table(project, gold, [each.name for each in pair], found)}</div></section>"
    )


def side_by_side(
    place: Place,
    view: EvaluateView,
    found: "Evaluation",
    pair: "Sequence[RunInfo]",
    asked: "tuple[str, int, list[Gold]]",
) -> str:
    """The link to the Search page with both pipelines as columns; what of it is not possible, and why."""
    text, row, gold = asked
    pipelines = {each.name: pipeline for each in pair if (pipeline := pipeline_of(each)) is not None}
    lost = [each.name for each in pair if each.name not in pipelines]
    note = ""
    if lost:
        names = " and ".join(f"“{escape(name)}”" for name in lost)
        note = f"<p class='dim'>{names} came from a file: its pipeline is not known, so it cannot be asked again.</p>"
    if not pipelines:
        return note
    if not text.strip():
        return note + "<p class='dim'>The query has no text: choose its picture on the Search page.</p>"
    found_at = [min(ranks) for name in pipelines if (ranks := ranks_of(gold, name))]
    search = View(
        query=text,
        columns=tuple(Column(pipeline) for pipeline in pipelines.values()),
        k=next((k for k in DEPTHS if k >= max(found_at, default=0)), 10),
        query_set=found.query_set,
        at=row,
        judge=any(name != QRELS for name in found.label_sets),
    )
    corpus = found.runs[0].run.manifest["corpus"]
    own = place if corpus["name"] == place.corpus.partition("@")[0] else Place(place.project, corpus["name"])
    label = "Side by side in Search" if len(pipelines) > 1 else "Ask it again in Search"
    return (
        f"<div class='row'><a class='btn primary ev-search' href='{escape(search.link(own))}'>{label}</a>{note}</div>"
    )


def ranks_of(gold: "Sequence[Gold]", run: str) -> list[int]:
    """Where a run has the relevant documents; empty where it has none."""
    return [rank for each in gold if each.relevance > 0 and (rank := each.ranks.get(run))]


def gold_table(project: Project, gold: "Sequence[Gold]", pair: Sequence[str], found: "Evaluation") -> str:
    """The judged documents with their rank in both runs, then in the others."""
    others = [each.run.name for each in found.runs if each.run.name not in pair]
    names = [*pair, *others]
    corpus = int(found.runs[0].run.manifest["corpus"]["id"])
    heads = "".join(
        f"<th class='num{'' if name in pair else ' dim'}' title='{escape(name)}'>{escape(clip(name, 22))}</th>"
        for name in names
    )
    rows = "".join(
        f"<tr><td><span class='ev-grade' data-grade='{min(max(each.relevance, 0), 3)}'>{each.relevance}</span></td>"
        f"<td class='ev-doc' dir='auto'><code>{escape(clip(each.doc_id, 60))}</code> "
        f"{escape(clip(document_text(project, corpus, each.doc_id) or 'not in the corpus', 160))}</td>"
        + "".join(rank_cell(each.ranks.get(name), name in pair) for name in names)
        + "</tr>"
        for each in gold[:GOLD]
    )
    more = f"<p class='dim'>… and {len(gold) - GOLD:,} more judged documents.</p>" if len(gold) > GOLD else ""
    return (
        "<div class='scroll'><table class='grid'><thead><tr><th>relevance</th><th>judged document</th>"
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>{more}"
    )


def rank_cell(rank: int | None, of_pair: bool) -> str:
    shown = f"rank {rank:,}" if rank else "not found"
    return f"<td class='num{'' if of_pair and rank else ' dim'}'>{shown}</td>"
