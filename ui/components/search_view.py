"""What stands around the hits of a search: header, timings, effective query, notes, and the empty states."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui.components.address import View
from ui.components.documents import view_switch
from ui.components.figures import several
from ui.components.results import Frame, hits_html
from ui.components.stages import latency_html
from ui.components.text import clip, escape
from workbench.types import Document, Filter, Hit

if TYPE_CHECKING:
    from workbench.workflows.search import SearchResult

UNJUDGED = '<span class="wb-unjudged"></span>'
"""The place of “7 of 10 unjudged”; assets/judging.mjs fills it."""


def results_html(
    hits: Sequence[Hit], frame: Frame, header: str, facts: str, warnings: Sequence[str], filters: Sequence[Filter] = ()
) -> str:
    """The whole result region: header, facts, warnings, hits."""
    notes = "".join(f'<div class="note warn" role="alert">{escape(each)}</div>' for each in warnings)
    body = hits_html(hits, frame) if hits else no_hits(filters)
    return f"{header}{facts}{notes}{body}"


def header_html(hits: Sequence[Hit], total: int, view: View, frame: Frame) -> str:
    """ "10 of 5,728 documents", how many of the relevant ones, and what the browser adds about the other columns."""
    switch = view_switch() if frame.has_images else ""
    fewer = ", all that match" if len(hits) < min(view.k, total) else ""
    of_total = f"of {total:,}" if frame.compact else f"of {several(total, 'document')}"
    return (
        f'<div class="wb-bar"><span class="facts"><span><b>{len(hits):,}</b> {of_total}{fewer}</span>'
        f"{relevant_html(hits, frame)}{UNJUDGED}</span>"
        f"{switch}{agreement_html() if frame.compact else keys_html()}</div>"
    )


def relevant_html(hits: Sequence[Hit], frame: Frame) -> str:
    """ "3 of 5 relevant", for a query with judgments."""
    grades = frame.grades or {}
    judged = sum(grade > 0 for grade in grades.values())
    found = sum(grades.get(hit.document.doc_id, 0) > 0 for hit in hits)
    told = "Documents shown, of those judged relevant for this query"
    return f'<span title="{told}"><b>{found}</b> of {judged} relevant</span>' if judged else ""


def agreement_html() -> str:
    """Empty places: assets/compare.mjs writes into them once the columns are there."""
    return '<span class="wb-agree facts"><span data-say="overlap"></span><span data-say="shared"></span></span>'


def neighbours_header(document: Document, encoder: str, query: str, frame: Frame) -> str:
    """ "Neighbours of …" and the way back."""
    back = f"Back to “{escape(clip(query, 40))}”" if query.strip() else "Back to search"
    title = escape(clip(document.title or document.doc_id, 120))
    switch = view_switch() if frame.has_images else ""
    return (
        f'<div class="wb-bar wb-near"><button class="btn small" data-act="drop" data-what="like">← {back}</button>'
        f'<h2>Neighbours of <button class="wb-of" data-act="pick" data-ordinal="{document.ordinal}" dir="auto">{title}'
        f'</button></h2><span class="facts"><span>#{document.ordinal} in {escape(encoder)}</span>{UNJUDGED}</span>'
        f"{switch}{agreement_html() if frame.compact else keys_html()}</div>"
    )


def facts_html(found: "SearchResult", query: str) -> str:
    """Milliseconds of each stage, the effective query where it differs from what was typed, and notes of the stages."""
    sent = {
        each.label: each.effective
        for each in found.stages
        if each.kind != "fusion" and each.effective and each.effective != query
    }
    effective = "".join(
        f'<span class="wb-effective" title="{escape(clip(text, 2000))}">sent to {escape(label)}: '
        f'<b dir="auto">{escape(clip(text, 500))}</b></span>'
        for label, text in sent.items()
    )
    notes = "".join(
        f'<div class="note">{escape(each.label)}: {escape(each.note)}</div>' for each in found.stages if each.note
    )
    return f'<div class="wb-facts">{latency_html(found.timings, found.stages)}{effective}</div>{notes}'


def keys_html() -> str:
    return (
        '<span class="wb-push wb-hint"><kbd>j</kbd><kbd>k</kbd>move <kbd>Enter</kbd>open <kbd>m</kbd>more like this '
        "<kbd>?</kbd>keys</span>"
    )


def no_hits(filters: Sequence[Filter]) -> str:
    why = (
        "No document fits the filters." if filters else "Nothing was found: no term of the query occurs in the corpus."
    )
    return f'<div class="wb-note">{why}</div>'


def empty_html(title: str, text: str, action: str = "") -> str:
    """An empty state: what this is for and the one thing to do. `action` is markup."""
    return f'<div class="empty"><h3>{escape(title)}</h3><p>{escape(text)}</p>{action}</div>'


def examples_html(corpus: str, documents: int, queries: Sequence[str], query_set: str = "") -> str:
    """Nothing asked yet: example queries of the corpus's own query set, where it has one."""
    if not queries:
        return empty_html(
            f"Search {several(documents, 'document')} of “{corpus}”",
            "Write a query above and press Enter. Queries imported with the corpus would stand here as examples.",
        )
    buttons = "".join(
        f'<button class="btn small" data-act="ask" data-text="{escape(text)}" data-set="{escape(query_set)}" '
        f'data-at="{n}" dir="auto">{escape(clip(text, 90))}</button>'
        for n, text in enumerate(queries)
        if text
    )
    return empty_html(
        f"Search {several(documents, 'document')} of “{corpus}”",
        "Write a query above and press Enter, or begin with one of the corpus's own:",
        f'<div class="wb-examples">{buttons}</div>',
    )


def unsearchable_html(corpus: str, encode_link: str) -> str:
    """No embedding yet: the one button that makes the corpus searchable."""
    return empty_html(
        f"“{corpus}” cannot be searched yet",
        "It has no embedding. BM25 needs no model and takes seconds; dense models understand meaning and take longer.",
        '<button class="btn primary" data-act="make">Make it searchable with BM25</button>'
        f'<a href="{escape(encode_link)}">or choose a model on the Encode page</a>',
    )
