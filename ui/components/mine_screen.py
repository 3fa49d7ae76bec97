"""What the Mine page shows of a view: the kept candidates, what its rules make of them, what was mined before."""

from collections.abc import Sequence
from dataclasses import dataclass

from ui.components.mine_charts import histograms_html, margins_of, sweep_html
from ui.components.mine_examples import examples_html
from ui.components.mine_rules import rules_html, yield_html
from ui.components.mine_sets import again_html, before_html, found_html, mined_html, no_dense, no_positives
from ui.components.mine_view import START, MineView, Shown, address, first_miners, read_mine_view
from ui.handlers import escape, problem
from ui.session import Place
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.workflows import mine
from workbench.workflows.mined_sets import mined_sets
from workbench.workflows.mining_examples import examples
from workbench.workflows.mining_kept import Kept, MinerChoice, kept_candidates, miner_choices


@dataclass(frozen=True)
class Screen:
    """The regions of the page as HTML; None stays as it is."""

    note: str
    shown: Shown | None = None
    charts: str | None = None
    examples: str | None = None
    found: str | None = None
    mined: str | None = None


def whole_screen(project: Project, place: Place, view: MineView) -> Screen:
    """Everything: looks for the candidates that the miners of `view` have."""
    choices, note = miner_choices(project, place.corpus), note_html(place, view)
    mined, nothing = mined_part(project, place, view, choices), Shown((), view.kind, view.start)
    try:
        chosen, kept = kept_of(project, place, view, choices)
    except WorkbenchError as error:
        return Screen(note + problem(error.message, error.hint), nothing, "", "", "", mined)
    if kept.needs:
        return Screen(note, nothing, no_positives(kept.needs, place, view.query_set), "", "", mined)
    dense = any(each.output in ("dense", "") for each in chosen)
    found = found_html(kept, chosen, view.spec.depth) + ("" if dense else no_dense(place))
    if not kept.complete:
        return Screen(note, nothing, before_html(kept, chosen), "", found, mined)
    drawn = rules_screen(project, place, view, tuple(kept.found))
    return Screen(drawn.note, drawn.shown, drawn.charts, drawn.examples, found, mined)


def rules_screen(project: Project, place: Place, view: MineView, artifacts: tuple[str, ...]) -> Screen:
    """What depends on the rules only, over the kept candidates `artifacts`."""
    note = note_html(place, view)
    if not artifacts:
        return Screen(note, Shown((), view.kind, view.start))
    try:
        charts = charts_html(project, place, view, artifacts)
        found = examples(project, artifacts, view.spec, view.start)
    except BadInput as error:
        # Other candidates may be kept that answer these rules.
        _, kept = kept_of(project, place, view, miner_choices(project, place.corpus))
        if kept.complete and tuple(kept.found) != artifacts:
            return rules_screen(project, place, view, tuple(kept.found))
        return Screen(note + again_html(error.message, error.hint), Shown(artifacts, view.kind, view.start))
    shown = Shown(artifacts, view.kind, view.start)
    return Screen(note, shown, charts, examples_html(found, view.spec, place, view.query_set))


def charts_html(project: Project, place: Place, view: MineView, artifacts: tuple[str, ...]) -> str:
    found = mine.preview(project, artifacts, view.spec)
    sweeps = mine.sweep_margins(project, artifacts, view.spec, margins_of(found, view.kind), view.kind)
    asked = found.queries * view.spec.per_query
    return (
        f"{yield_html(found, view.spec, place, view.query_set)}{histograms_html(found, view.spec, view.kind)}"
        f"<div class='mi-two'>{rules_html(found, view.spec)}{sweep_html(sweeps, asked, view.spec, view.kind)}</div>"
    )


def mined_part(project: Project, place: Place, view: MineView, choices: Sequence[MinerChoice]) -> str:
    return mined_html(mined_sets(project, view.query_set), place, view, choices)


def kept_of(
    project: Project, place: Place, view: MineView, choices: Sequence[MinerChoice]
) -> tuple[list[MinerChoice], Kept]:
    """(the miners of the view, their candidates). Raises `BadInput` where none is chosen, and as `kept_candidates`."""
    chosen = view.chosen(choices)
    return chosen, kept_candidates(project, view.query_set, view.spec, [each.miner for each in chosen])


def note_html(place: Place, view: MineView) -> str:
    """The address that the browser keeps; notes follow it."""
    return f"<i hidden data-address='{escape(address(place, view))}'></i>"


def first_view(place: Place, sets: Sequence[str], choices: Sequence[MinerChoice]) -> tuple[MineView, str]:
    """The view of the address, with names that are there, and what could not be read of it as HTML."""
    typed = f"{place.corpus.partition('@')[0]}-typed"
    usual = next((name for name in sets if name != typed), typed)
    fallback = MineView(usual, first_miners(choices), START)
    wrong = ""
    try:
        view = read_mine_view(place.query, fallback)
    except BadInput as error:
        view, wrong = fallback, problem(error.message, error.hint)
    if view.query_set not in sets:
        wrong += problem(f"This corpus has no query set “{view.query_set[:80]}”.", f"Showing “{usual}” instead.")
        view = MineView(usual, view.miners, view.spec, view.kind)
    known = tuple(each.key for each in choices if each.key in view.miners)
    return MineView(view.query_set, known or fallback.miners, view.spec, view.kind, view.start), wrong
