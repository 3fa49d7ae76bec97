"""What stands around the hits of a search: header, timings, effective query, warnings, and the empty states."""

from collections.abc import Mapping, Sequence

from ui.components.address import View
from ui.components.documents import view_switch
from ui.components.figures import several
from ui.components.results import Frame, hits_html
from ui.components.text import clip, escape
from workbench.types import Document, Filter, Hit


def results_html(
    hits: Sequence[Hit], frame: Frame, header: str, facts: str, warnings: Sequence[str], filters: Sequence[Filter] = ()
) -> str:
    """The whole result region: header, facts, warnings, hits."""
    notes = "".join(f'<div class="note bad" role="alert">{escape(each)}</div>' for each in warnings)
    body = hits_html(hits, frame) if hits else no_hits(filters)
    return f"{header}{facts}{notes}{body}"


def waiting(view: View) -> str:
    """What a search says while it runs, where it takes long enough to be seen."""
    if not view.encoder or (not view.query and view.like < 0):
        return "Loading…"
    if view.encoder == "bm25" or view.like >= 0:
        return f"Searching with {view.encoder}…"
    return f"Searching with {view.encoder}… the first search loads the model"


def header_html(shown: int, total: int, view: View, frame: Frame) -> str:
    """ "minilm · exact   10 of 5,728 documents"."""
    switch = view_switch() if frame.has_images else ""
    fewer = ", all that match" if shown < min(view.k, total) else ""
    return (
        f'<div class="wb-bar"><h2>{escape(view.encoder)} · {escape(view.index)}</h2><span class="facts"><span>'
        f"<b>{shown:,}</b> of {several(total, 'document')}{fewer}</span></span>{switch}{keys_html()}</div>"
    )


def neighbours_header(document: Document, encoder: str, query: str, frame: Frame) -> str:
    """ "Neighbours of …" and the way back."""
    back = f"Back to “{escape(clip(query, 40))}”" if query.strip() else "Back to search"
    title = escape(clip(document.title or document.doc_id, 120))
    switch = view_switch() if frame.has_images else ""
    return (
        f'<div class="wb-bar wb-near"><button class="btn small" data-act="drop" data-what="like">← {back}</button>'
        f'<h2>Neighbours of <button class="wb-of" data-act="pick" data-ordinal="{document.ordinal}" dir="auto">{title}'
        f'</button></h2><span class="facts"><span>#{document.ordinal} in {escape(encoder)}</span></span>'
        f"{switch}{keys_html()}</div>"
    )


def facts_html(timings: Mapping[str, float], query: str, effective: str) -> str:
    """Milliseconds of each stage, the whole last; the effective query where it differs from what was typed."""
    parts = [
        f"<span>{escape(name)} <b>{milliseconds(value)}</b></span>"
        for name, value in timings.items()
        if name != "total" and value >= 0.05
    ]
    if "total" in timings:
        parts.append(f"<span>total <b>{milliseconds(timings['total'])} ms</b></span>")
    if effective and effective != query:
        parts.append(
            f'<span class="wb-effective">sent to the encoder: <b dir="auto">{escape(clip(effective, 500))}</b></span>'
        )
    return f'<div class="wb-facts" title="Milliseconds of each stage">{"".join(parts)}</div>'


def milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


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


def examples_html(corpus: str, documents: int, queries: Sequence[str]) -> str:
    """Nothing asked yet: example queries of the corpus's own query set, where it has one."""
    if not queries:
        return empty_html(
            f"Search {several(documents, 'document')} of “{corpus}”",
            "Write a query above and press Enter. Queries imported with the corpus would stand here as examples.",
        )
    buttons = "".join(
        f'<button class="btn small" data-act="ask" data-text="{escape(text)}" dir="auto">'
        f"{escape(clip(text, 90))}</button>"
        for text in queries
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
