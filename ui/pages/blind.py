"""Blind: two unnamed systems side by side, A or B by key, and at the end a ranking that says how sure it is."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from ui.components.address import Column, read_columns
from ui.components.assets import asset_url
from ui.components.blind_board import board_html
from ui.components.blind_results import results_html
from ui.components.blind_setup import rounds_html, setup_html, too_few
from ui.components.column_editor import pipeline_label, settings_label
from ui.components.empty import no_corpus, no_project
from ui.components.figures import several
from ui.components.live import SCRIPT, go, live, show
from ui.components.navigation import navigation
from ui.components.results import Frame
from ui.components.text import escape, whole
from ui.handlers import explain, fields, on, on_load, problem, said, warn
from ui.session import Context, Place
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.workflows import blind, revealing
from workbench.workflows import corpus as corpora
from workbench.workflows.views import pipeline_key

TITLE, PATH = "Blind", "/blind"
AHEAD = 3
"""Pairs sent to the browser: the one to vote on, and the next ones, searched while a person reads."""


def build(context: Context) -> None:
    navigation(context, PATH)
    region = live("blind", elem_classes="flat")
    region.js_on_load = SCRIPT + (
        f"import('{asset_url('blind.mjs')}').then(m => m.mount(element, {{watch, act: data => trigger('act', data)}}));"
    )

    def load(request: gr.Request) -> dict[str, Any]:
        try:
            return show(page(context, context.place(request)))
        except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
            return show(problem(*explain(error)) + back(context.place(request)))

    def act(event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        project, place = context.here(request)
        action = said(event, "do")
        if action == "start":
            return start(project, place, fields(event))
        if action not in ("vote", "undo", "look"):
            raise BadInput(f"There is no action “{action[:40]}” on this page.")
        session = place.query.get("session", "")
        answer = said(event, "answer")[:40]
        try:
            if action == "undo":
                blind.undo(project, session, whole(event, "number") if said(event, "number") else None)
            elif action == "vote":
                choice: Any = said(event, "choice")
                blind.vote(project, session, whole(event, "number"), choice, said(event, "annotator")[:60])
        except Exception as error:  # noqa: BLE001 — explain() logs it; the pair is drawn again, as it was not stored
            warn(*explain(error))
        return show(play(project, place, session, answer))

    on_load(load, region)
    # Two keys in a row are two votes: none may be dropped while the first is being stored.
    on(region.act, act, None, region, trigger_mode="multiple")


def page(context: Context, place: Place) -> str:
    """What the address asks for: a round, the ranking of all votes, or the form of a new round."""
    if not place.corpus:
        return no_corpus(place.link("/corpus")) if place.project else no_project()
    project = context.project(place.project)
    session = place.query.get("session", "")
    if session and place.query.get("reveal"):
        return outcome(project, place, session)
    if session:
        return play(project, place, session)
    return everything(project, place) if place.query.get("all") else setup(project, place)


def back(place: Place) -> str:
    return f"<p class='row top'><a class='btn' href='{escape(place.link(PATH))}'>To the Blind page</a></p>"


def setup(project: Project, place: Place, wrong: tuple[str, str] | None = None) -> str:
    known, linked = contestants(project, place)
    rounds = rounds_html(place, blind.list_rounds(project, place.corpus))
    if len(known) < 2:
        return too_few(place, known) + rounds
    sets = [(each.name, each.queries) for each in corpora.list_query_sets(project, place.corpus) if each.queries]
    chosen = linked if len(linked) > 1 else {each.key for each in blind.suggested(known)}
    form = setup_html(place, known, chosen, sets, wrong)
    return f"<div class='bl-setup'>{form}{rounds}</div>"


def contestants(project: Project, place: Place) -> tuple[list[blind.Contestant], set[str]]:
    """What can be compared, the columns of a Search link first, and the keys of those columns."""
    try:
        columns = read_columns(place.query)
    except BadInput as error:
        warn(error.message, error.hint)
        columns = ()
    linked = {pipeline_key(each.pipeline): each for each in columns}
    known = {each.key: each for each in blind.candidates(project, place.corpus)}
    first = [known.get(key) or blind.Contestant(name_of(each), each.pipeline, key) for key, each in linked.items()]
    return [*first, *(each for key, each in known.items() if key not in linked)], set(linked)


def name_of(column: Column) -> str:
    """A column's name, its settings with it where nobody named it: two may differ in their weights only."""
    settings = settings_label(column.pipeline)
    return column.name or pipeline_label(column.pipeline) + (f" ({settings})" if settings else "")


def start(project: Project, place: Place, entered: Mapping[str, str]) -> dict[str, Any]:
    """Deal a round and go to it; where that fails the form stays, with the reason."""
    try:
        chosen = {name.removeprefix("system-") for name, value in entered.items() if value == "true"}
        known = [each for each in contestants(project, place)[0] if each.key in chosen]
        queries: str | Sequence[str] = entered.get("source") or entered.get("own", "").splitlines()
        session = blind.start_round(
            project,
            place.corpus,
            {each.name: each.pipeline for each in known},
            queries,
            count_of(entered.get("count", "")),
            secrets.randbelow(2**31),
        )
    except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
        # The number makes the same mistake made again a change, which ends the waiting.
        return show(setup(project, place, explain(error)) + f"<i hidden data-try='{secrets.token_hex(4)}'></i>")
    return go(place.link(PATH, session=session))


def count_of(text: str) -> int:
    if not text.strip().isdecimal() or len(text) > 6:
        raise BadInput(f"“{text[:20]}” is no number of queries.", f"Give a number from 1 to {blind.LONGEST}.")
    return int(text)


def play(project: Project, place: Place, session: str, answer: str = "") -> str:
    """The next pairs of a round, or the way to its outcome where all are voted on. Raises `NotFound`."""
    played = blind.open_round(project, session)
    voted = blind.voted_numbers(project, session)
    left = [n for n in range(1, len(played) + 1) if n not in set(voted)][:AHEAD]
    pairs = [blind.pair_of(project, played, number) for number in left]
    info = corpora.get_corpus(project, played.corpus)
    frame = Frame(project.name, info.id, info.has_images)
    return board_html(pairs, frame, voted, answer, place.link(PATH, session=session, reveal="1"))


def outcome(project: Project, place: Place, session: str) -> str:
    played, found = blind.open_round(project, session), revealing.reveal(project, session)
    over = len(found.log) == len(played)
    facts = [
        f"{len(found.log)} of {several(len(played), 'query/queries')} voted on",
        played.corpus,
        played.source or "own queries",
        f"seed {played.seed}",
    ]
    return results_html(place, "Revealed", facts, found, "" if over else place.link(PATH, session=session))


def everything(project: Project, place: Place) -> str:
    try:
        found = revealing.all_votes(project, place.corpus)
    except NotFound as error:
        return problem(error.message, error.hint) + back(place)
    facts = [several(len(found.log), "vote"), several(found.rounds, "round"), place.corpus]
    return results_html(place, "All votes", facts, found)
