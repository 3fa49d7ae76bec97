"""The Blind page before a round: systems, queries, the start, and the rounds there are."""

from collections.abc import Collection, Sequence

from ui.components.empty import empty
from ui.components.figures import ago, several
from ui.components.text import clip, escape
from ui.handlers import problem
from ui.session import Place
from workbench.specs import PipelineSpec
from workbench.workflows.blind import Contestant, RoundInfo

PURPOSE = (
    "Which system finds the better documents? For each query two of them stand side by side without their names, and "
    "you say which list is better. At the end the names are shown, with a ranking that says how sure it is."
)
OWN = ""
"""Value of the query list's entry for own queries."""


def pipeline_text(pipeline: PipelineSpec) -> str:
    """ "bm25 · exact + minilm · Flat → rrf → ms-marco-minilm-l12 (50)". Not escaped."""
    parts = [" + ".join(f"{each.encoder} · {each.index}" for each in pipeline.retrievers)]
    if len(pipeline.retrievers) > 1:
        parts.append(pipeline.fusion.method if pipeline.fusion else "rrf")
    if pipeline.reranker:
        parts.append(f"{pipeline.reranker.name} ({pipeline.reranker.depth})")
    return " → ".join(parts)


def too_few(place: Place, known: Sequence[Contestant]) -> str:
    """Nothing to compare yet: the one thing to do."""
    there = f"“{place.corpus}” has one: {known[0].name}." if known else f"“{place.corpus}” has none yet."
    text = f"{PURPOSE} That takes two systems, and {there} Encode it with another model, or save a pipeline on Search."
    return empty("Compare systems without knowing which is which", text, place.link("/encode"), "Encode with a model")


def setup_html(
    place: Place,
    known: Sequence[Contestant],
    chosen: Collection[str],
    query_sets: Sequence[tuple[str, int]],
    wrong: tuple[str, str] | None = None,
) -> str:
    """The form. `chosen`: keys of the systems ticked at first; `wrong`: message and hint of a start that failed."""
    note = problem(*wrong) if wrong else ""
    options = "".join(
        f"<option value='{escape(name)}'>{escape(clip(name, 60))} · {several(number, 'query/queries')}</option>"
        for name, number in query_sets
    )
    rows = "".join(system_row(each, each.key in chosen) for each in known)
    return (
        f"<p class='intro bl-intro'>{PURPOSE}</p>{note}"
        "<section class='panel bl-form' data-form><header><h2>A new round</h2>"
        f"<span class='facts'>on {escape(place.corpus)}</span></header><div class='body'>"
        "<h3>Systems <span class='dim'>two to four, named only at the end</span></h3>"
        f"<div class='bl-systems'>{rows}</div>"
        "<h3>Queries</h3><div class='row'>"
        f"<select name='source' id='bl-source' aria-label='Queries'>{options}"
        f"<option value='{OWN}'>own queries, one a line</option></select>"
        "<label class='bl-count'>how many <input type='number' name='count' id='bl-count' value='10' min='1' "
        "max='500'></label></div>"
        "<textarea name='own' id='bl-own' rows='6' maxlength='10000' placeholder='One query a line'></textarea>"
        "<div class='row bl-go'><button class='btn primary' data-do='start' data-default>Start the round</button>"
        "<span class='dim bl-starting'>Every system answers the first query; models are loaded now…</span></div>"
        "</div></section>"
    )


def system_row(contestant: Contestant, ticked: bool) -> str:
    text = pipeline_text(contestant.pipeline)
    told = f"<span class='dim mono'>{escape(clip(text, 120))}</span>" if text != contestant.name else ""
    return (
        f"<label data-key='{escape(contestant.key)}'><input type='checkbox' name='system-{escape(contestant.key)}'"
        f"{' checked' if ticked else ''}><b>{escape(clip(contestant.name, 80))}</b>{told}</label>"
    )


def rounds_html(place: Place, rounds: Sequence[RoundInfo]) -> str:
    """The rounds on this corpus, the newest first, and the way to the ranking of all votes."""
    if not rounds:
        return ""
    rows = "".join(round_row(place, each) for each in rounds)
    everything = (
        f"<a class='btn small' href='{escape(place.link('/blind', all='1'))}'>Ranking from all votes</a>"
        if any(each.done for each in rounds)
        else ""
    )
    return (
        f"<section class='panel bl-rounds'><header><h2>Rounds</h2><span class='spring'></span>{everything}</header>"
        f"<div class='scroll tall'><table class='grid'><tr><th>systems</th><th>voted</th><th>started</th><th></th></tr>"
        f"{rows}</table></div></section>"
    )


def round_row(place: Place, info: RoundInfo) -> str:
    over = info.done >= info.total
    link = escape(place.link("/blind", session=info.id, reveal="1" if over else ""))
    return (
        f"<tr data-key='{escape(info.id)}'><td class='break'>{escape(info.name)}</td>"
        f"<td><span class='num'>{info.done} / {info.total}</span><span class='meter'>"
        f"<i style='width:{100 * info.done / max(1, info.total):.0f}%'></i></span></td>"
        f"<td class='dim'>{ago(info.started_at)}</td>"
        f"<td class='acts'><a class='btn small' href='{link}'>{'Results' if over else 'Go on'}</a></td></tr>"
    )
