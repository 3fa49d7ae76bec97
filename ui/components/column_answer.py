"""The answer of one column: its pipeline's search for the view's query, drawn as hits."""

from collections.abc import Mapping
from dataclasses import replace

from ui.components import search_view as draw
from ui.components.address import View, parse_link, read_view
from ui.components.results import Frame
from ui.session import Place
from workbench.errors import BadInput
from workbench.project import Project
from workbench.types import Content
from workbench.workflows import corpus as corpora
from workbench.workflows import queries as asking
from workbench.workflows import search as searching
from workbench.workflows.tags import tags_of

MATCHED = 100_000
"""Characters of a hit in which the query's words are looked for."""


def asked_for(ticket: str) -> tuple[View, int]:
    """The view and the column that a ticket asks for. Raises `BadInput` where there is no such column."""
    number = ticket.rpartition("#")[2].partition(".")[0]
    view = read_view(parse_link(ticket))
    if not number.isdecimal() or int(number) >= len(view.columns):
        raise BadInput("That column is not there any more.", "Reload the page.")
    return view, int(number)


def answer(project: Project, place: Place, view: View, number: int) -> str:
    """The results of column `number` as HTML; "" where nothing is asked."""
    if not view.asks:
        return ""
    info = corpora.get_corpus(project, place.corpus)
    compact = len(view.columns) > 1
    frame = Frame(project.name, info.id, info.has_images, compact=compact, compared=compact and number > 0)
    if view.like >= 0:
        return neighbours(project, place, view, number, frame)
    column = view.columns[number]
    content = content_of(project, place.corpus, view)
    found = searching.search(project, place.corpus, content, column.pipeline, view.k, view.filters)
    texts = ((hit.document.ordinal, f"{hit.document.title} {hit.document.text[:MATCHED]}") for hit in found.hits)
    frame = replace(
        frame,
        terms={n: searching.matched_terms(view.query, text) for n, text in texts} if view.query else None,
        stages=[stage.label for stage in found.stages],
        grades=grades(project, view),
        tags=tags_of(project, info.id, [hit.document.ordinal for hit in found.hits]),
    )
    header = draw.header_html(found.hits, info.documents, view, frame)
    facts = draw.facts_html(found, view.query)
    return draw.results_html(found.hits, frame, header, facts, found.warnings, view.filters)


def neighbours(project: Project, place: Place, view: View, number: int, frame: Frame) -> str:
    """The neighbours of a document in the column's space; the left-most column's is the view's, where it has one."""
    encoder = view.space if view.space and number == 0 else view.columns[number].encoder
    found = searching.neighbours(project, place.corpus, encoder, view.like, view.k, view.filters)
    document = corpora.get_document(project, place.corpus, view.like)
    frame = replace(frame, tags=tags_of(project, place.corpus, [hit.document.ordinal for hit in found.hits]))
    header = draw.neighbours_header(document, encoder, view.query, frame)
    return draw.results_html(found.hits, frame, header, draw.facts_html(found, ""), found.warnings, view.filters)


def content_of(project: Project, corpus: str, view: View) -> Content:
    """The query as the pipelines take it. Raises `NotFound` where its picture is gone."""
    if not view.image:
        return Content(view.query)
    from workbench.workflows import images

    if view.image.startswith("doc:"):
        number = view.image.removeprefix("doc:")
        if not number.isdecimal():
            raise BadInput(f"“{view.image[:40]}” names no document's picture.", "Take the picture away with its ×.")
        picture = images.document_image(project, corpus, int(number))
    else:
        picture = images.query_image(project, view.image)
    return Content(view.query, picture, view.alpha if view.query else None)


def grades(project: Project, view: View) -> Mapping[str, int]:
    """The judgments of the query set's query that is shown; empty where the query is a person's own."""
    if not view.query_set or view.at < 0:
        return {}
    found = asking.judged_query(project, view.query_set, view.at)
    return found.judgments if found.at == view.at and found.query.text == view.query else {}
