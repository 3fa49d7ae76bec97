"""Above the table: which query set, judgments and measures; new runs; exports."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from ui.components.blind_setup import pipeline_text
from ui.components.empty import empty
from ui.components.evaluate_view import EvaluateView
from ui.components.figures import several
from ui.components.text import clip, escape
from ui.session import Place

if TYPE_CHECKING:
    from workbench.workflows.blind import Contestant
    from workbench.workflows.corpus import CorpusInfo, QuerySetInfo
    from workbench.workflows.evaluated import LabelSetInfo

PURPOSE = (
    "A run keeps what a pipeline finds for every query of a query set. Runs of one set are measured under the same "
    "judgments and compared, with intervals and tests; the queries that fail are one click away."
)
HINT = "for example nDCG@10, R@100, RR@10, AP, P@5, Success@3, Judged@10, R_cap@100, nDCG(dcg='exp-log2')@10"


def no_query_set(place: Place) -> str:
    text = f"{PURPOSE} “{place.corpus}” has no query set yet: load queries, with judgments where you have them."
    return empty("Which pipeline is better?", text, place.link("/corpus"), "Load queries")


def bar_html(
    place: Place,
    view: EvaluateView,
    sets: "Sequence[QuerySetInfo]",
    labels: "Sequence[LabelSetInfo]",
    corpus: "CorpusInfo",
) -> str:
    """Query set, label sets, measures and options; what is changed asks again at once."""
    options = "".join(
        f"<option value='{escape(EvaluateView(each.name, measures=view.measures).link(place))}'"
        f"{' selected' if each.name == view.query_set else ''}>{escape(clip(each.name, 60))} · "
        f"{several(each.queries, 'query/queries')}</option>"
        for each in sets
    )
    return (
        "<div class='row top ev-bar'><h2>Evaluate</h2>"
        f"<label class='pick'>queries<select class='ev-to' id='ev-set'>{options}</select></label>"
        f"{labels_menu(view, labels)}"
        "<span class='row ev-measures' data-form><label class='pick'>measures "
        f"<input name='measures' id='ev-measures' value='{escape(view.measures)}' spellcheck='false' maxlength='300' "
        f"title='Names as ir-measures writes them: {escape(HINT)}'></label>"
        "<button class='btn' data-do='measures' data-default>Measure</button></span>"
        f"{options_menu(view, corpus)}<span class='spring'></span>{export_menu(place, view)}</div>"
    )


def labels_menu(view: EvaluateView, labels: "Sequence[LabelSetInfo]") -> str:
    """Which label sets judge; proposals only where they are asked for."""
    used = view.labels or tuple(each.name for each in labels if each.kind != "proposed")
    boxes = "".join(
        f"<label class='ev-check'><input type='checkbox' name='label {escape(each.name)}'"
        f"{' checked' if each.name in used else ''}>{escape(clip(each.name, 50))} <span class='dim'>{each.kind}"
        "</span></label>"
        for each in labels
    )
    if not boxes:
        return "<span class='tag warn'>no judgments</span>"
    said = "all label sets" if not view.labels else several(len(view.labels), "label set")
    return (
        f"<details class='menu left'><summary class='btn'>{said} ▾</summary><div class='pop' data-form>{boxes}"
        "<button class='btn small' data-do='labels'>Judge by these</button></div></details>"
    )


def options_menu(view: EvaluateView, corpus: "CorpusInfo") -> str:
    """Self-retrieval, roll-up to parents, and which label set settles a contradiction."""
    columns = "".join(
        f"<option value='{escape(name)}'{' selected' if name == view.options.parent else ''}>"
        f"{escape(clip(name, 40))}</option>"
        for name in corpus.columns
    )
    active = sum((view.options.drop_self, bool(view.options.parent), bool(view.options.prefer)))
    number = f" ({active})" if active else ""
    return (
        f"<details class='menu left'><summary class='btn'>Options{number} ▾</summary><div class='pop ev-options' "
        "data-form>"
        f"<label class='ev-check'><input type='checkbox' name='self'{' checked' if view.options.drop_self else ''}>"
        "drop a hit with the query’s own id</label>"
        "<label>documents are parts of the one named in<select name='parent'><option value=''>– they are whole"
        "</option>"
        f"{columns}</select></label>"
        "<label>label sets that settle contradictions, the strongest first"
        f"<input name='prefer' value='{escape(', '.join(view.options.prefer))}' placeholder='final, labels' "
        "maxlength='300'>"
        "</label><button class='btn small' data-do='options' data-default>Measure so</button></div></details>"
    )


def export_menu(place: Place, view: EvaluateView) -> str:
    """Tables, everything as JSON, and the report with its title and question."""
    base = f"/evaluating/{quote(place.project, safe='')}"
    asked = urlencode({"corpus": place.corpus, **view.values()})
    hidden = "".join(
        f"<input type='hidden' name='{escape(name)}' value='{escape(value)}'>"
        for name, value in {"corpus": place.corpus, **view.values()}.items()
    )
    return (
        "<details class='menu'><summary class='btn'>Export ▾</summary><div class='pop ev-export'>"
        f"<form method='get' action='{escape(base)}/report.html'>{hidden}"
        "<b>Report for others</b><span class='dim'>One HTML file that opens without a network.</span>"
        "<label>title<input name='title' maxlength='200' placeholder='Which search should we ship?'></label>"
        "<label>question that it answers<textarea name='question' rows='3' maxlength='2000'></textarea></label>"
        "<button class='btn small primary' id='ev-report'>Download the report</button></form>"
        f"<a href='{escape(base)}/means.csv?{escape(asked)}' download>Means as CSV</a>"
        f"<a href='{escape(base)}/queries.csv?{escape(asked)}' download>Every query as CSV</a>"
        f"<a href='{escape(base)}/evaluation.json?{escape(asked)}' download>Everything as JSON</a></div></details>"
    )


def new_run_html(
    place: Place, known: "Sequence[Contestant]", ticked: Collection[str], open_: bool, query_set: str
) -> str:
    """The form of new runs: one job for each ticked pipeline; and of a TREC file from elsewhere."""
    rows = "".join(pipeline_row(each, each.key in ticked) for each in known)
    if not rows:
        link = escape(place.link("/encode"))
        name = f"<a href='{link}'>encode “{escape(place.corpus)}”</a>"
        rows = f"<p class='dim'>Nothing can be searched yet: {name} first.</p>"
    return (
        # Another key where it opens by itself: it closes when the first run is there, as an element of its own.
        f"<details class='panel ev-new' data-key='new {open_}'{' open' if open_ else ''}><summary><b>New run</b> "
        "<span class='dim'>a pipeline over every query, or a TREC file from elsewhere</span></summary>"
        "<div class='body ev-forms'>"
        f"<div data-form><h3>Pipelines over “{escape(query_set)}”</h3><div class='ev-pipes'>{rows}</div>"
        "<div class='row'><label>documents a query <input type='number' name='k' value='100' min='1' max='1000'>"
        "</label>"
        "<input name='name' placeholder='Name (for one pipeline)' maxlength='120' aria-label='Name'>"
        f"<button class='btn primary' data-do='run' data-default{'' if known else ' disabled'}>Run</button></div></div>"
        "<div data-form><h3>Run of another system</h3><p class='dim'>A TREC run file: query, Q0, document, rank, "
        "score, "
        "tag on each line. Names of queries and documents as in this project.</p>"
        "<div class='row'><input name='file' placeholder='/path/to/run.trec' aria-label='Path of the file'></div>"
        "<div class='row'><input name='name' placeholder='Name of the run' maxlength='120' aria-label='Name of the "
        "run'>"
        "<button class='btn' data-do='import' data-default>Import</button></div></div></div></details>"
    )


def pipeline_row(each: "Contestant", ticked: bool) -> str:
    text = pipeline_text(each.pipeline)
    told = f"<span class='dim mono'>{escape(clip(text, 110))}</span>" if text != each.name else ""
    return (
        f"<label class='ev-check' data-key='pipe {escape(each.key)}'><input type='checkbox' name='pipeline "
        f"{escape(each.key)}'"
        f"{' checked' if ticked else ''}><span>{escape(clip(each.name, 80))}</span>{told}</label>"
    )


def no_runs(query_set: str) -> str:
    return empty("No run yet", f"{PURPOSE} Tick pipelines above and run them over “{query_set}”.")


def judgment_notes(warnings: Sequence[str]) -> str:
    """What the evaluation has to say of its judgments."""
    return "".join(f"<div class='note warn'>{escape(each)}</div>" for each in warnings)
