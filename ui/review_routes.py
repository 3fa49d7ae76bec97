"""The addresses of the Review page: the cards or tables of one part, and writes that carry more than a judgment."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ui.components.figures import ago, several
from ui.components.results import Frame
from ui.components.review_cards import cards_html
from ui.components.review_empty import all_decided, no_disagreements, no_proposals, no_search
from ui.components.review_tables import LISTED, agreement_html
from ui.components.review_view import SHOWN, ReviewView, read_review_view
from ui.headers import NOT_KEPT
from ui.point_routes import answered
from ui.session import Context
from workbench.errors import NotFound
from workbench.project import Project
from workbench.workflows import adjudicating, review, suspected
from workbench.workflows.judging import Entry, Judge, Pair, Receipt


def add_reviewing(router: APIRouter, context: Context) -> None:
    """A refusal is JSON {"message", "hint"}: 404 for what is not there, 400 for what cannot be used."""

    @router.get("/reviewing/{project}/part")
    def part(project: str, request: Request) -> Response:
        values = {name: str(value) for name, value in request.query_params.items()}

        def make(opened: Project) -> Response:
            view = read_review_view(values)
            return JSONResponse(MAKERS[view.part](opened, view), headers=NOT_KEPT)

        return answered(context, project, make)


def suspects(project: Project, view: ReviewView) -> dict[str, Any]:
    """{"markup", "shown", "found", "done", "total", "note"}."""
    if not suspected.reports(project, view.by.query_set):
        return facts(no_search(), 0, 0, 0, 0, "")
    found, cards = review.suspect_cards(project, view.by, view.start, SHOWN)
    report = found.report
    judges = [*report.encoders, *([report.reranker] if report.reranker else [])]
    parts = [
        "judgments changed since: search again" * found.outdated,
        f"{report.found:,} of {report.checked:,} negatives have a reason",
        ago(report.created_at),
        ", ".join(judges),
        f"{several(report.settled, 'negative')} decided before" * bool(report.settled),
        f"{several(report.without_positives, 'query/queries')} without a positive" * bool(report.without_positives),
    ]
    note = " · ".join(filter(None, parts))
    markup = cards_html(told(cards, view), view.part, frame_of(project, view)) if cards else all_decided(found.total)
    return facts(markup, len(cards), len(found.suspects), found.decided, found.total, note)


def proposals(project: Project, view: ReviewView) -> dict[str, Any]:
    known = review.sets_of(project, view.by.query_set).proposed
    if not known:
        return facts(no_proposals(), 0, 0, 0, 0, "")
    name = view.proposed or known[0]
    found, cards = review.proposal_cards(project, view.by, name, view.state, view.start, SHOWN)
    counts = found.counts
    note = f"{counts.accepted:,} accepted, {counts.rejected:,} rejected, {counts.relabelled:,} relabelled"
    note += f"; {counts.by_anyone:,} reviewed by anyone." if counts.by_anyone != counts.by_me else "."
    empty = all_decided(counts.total) if view.state == "open" else f"<p class='rv-wait'>Nothing is {view.state}.</p>"
    markup = cards_html(told(cards, view), view.part, frame_of(project, view)) if cards else empty
    return facts(markup, len(cards), found.found, counts.by_me, counts.total, note)


def disagreements(project: Project, view: ReviewView) -> dict[str, Any]:
    only = view.state != "all"
    found, cards = review.disagreement_cards(project, view.by.query_set, view.by.label_set, view.start, SHOWN, only)
    counts = review.final_counts(project, view.by.query_set, view.by.label_set)
    name = adjudicating.final_set(view.by.label_set)
    note = f"Final labels in “{name}”: {counts.relevant:,} relevant, {counts.not_relevant:,} not relevant, "
    note += f"{several(counts.hard_negatives, 'hard negative')}."
    empty = all_decided(found.total) if found.total else no_disagreements()
    markup = cards_html(cards, view.part, frame_of(project, view)) if cards else empty
    left = found.total - found.decided if only else found.total
    return facts(markup, len(cards), left, found.decided, found.total, note)


def agreement(project: Project, view: ReviewView) -> dict[str, Any]:
    by = view.by
    if by.label_set not in review.sets_of(project, by.query_set).people:
        return facts(no_disagreements(), 0, 0, 0, 0, "")
    try:
        found = review.agreement(project, by.query_set, by.label_set, review.checked_scale(view.scale))
    except NotFound:
        return facts(no_disagreements(), 0, 0, 0, 0, "")
    texts = review.texts_of(project, by.query_set, [each.query_id for each in found.queries[:LISTED]])
    return facts(agreement_html(found, texts), 0, 0, 0, 0, "")


MAKERS = MappingProxyType(
    {"suspects": suspects, "proposals": proposals, "disagreements": disagreements, "agreement": agreement}
)


def told(cards: Sequence[review.Card], view: ReviewView) -> list[review.Card]:
    """The cards, for a blind review without what others said and the warnings that come of it."""
    if view.others:
        return list(cards)
    return [
        replace(card, opinions=(), reasons=[each for each in card.reasons if each.name != "judged"]) for card in cards
    ]


def facts(markup: str, shown: int, found: int, done: int, total: int, note: str) -> dict[str, Any]:
    return {"markup": markup, "shown": shown, "found": found, "done": done, "total": total, "note": note}


def frame_of(project: Project, view: ReviewView) -> Frame:
    info = review.corpus_of(project, view.by.query_set)
    return Frame(project.name, info.id, info.has_images)


def reviewed(project: Project, by: Judge, entry: Entry, receipt: Receipt, one: Mapping[str, Any]) -> bool:
    """Store a write of the Review page that names the proposed set it decides on, or the label set it adjudicates.

    False where it is a judgment like any other.
    """
    pair = Pair(entry.query_id, entry.doc_id)
    if one.get("proposed"):
        review.decide(project, by, pair, entry.verdict, str(one["proposed"])[:200], receipt)
    elif one.get("of"):
        decider = Judge(by.query_set, str(one.get("by", "me"))[:200], str(one["of"])[:200])
        adjudicating.adjudicate(project, decider, pair, entry.verdict, receipt)
    else:
        return False
    return True
