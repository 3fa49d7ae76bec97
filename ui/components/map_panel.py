"""Beside the map: a document with its true neighbours, the hits of a query, the first of a selection, a preview."""

from collections.abc import Sequence

from ui.components.documents import document_html
from ui.components.figures import several
from ui.components.results import JUDGE, SAID, Frame, bar_widths, row_attributes, score_text, thumbnail
from ui.components.text import clip, escape
from workbench.types import Document, Hit

LISTED = 100
PREVIEW = 220


def document_side(
    document: Document, frame: Frame, encoders: Sequence[str], near: Sequence[tuple[Document, float]], told: str
) -> str:
    """The document in full, and under its title its true neighbours, nearest first with their distances.

    `told` names the space and how the distances are measured.
    """
    markup = document_html(document, frame, encoders)
    rows = "".join(neighbour_row(n, each, far, frame) for n, (each, far) in enumerate(near, 1))
    listed = (
        f'<section class="wb-neighbours"><h4>True neighbours <span class="dim">{escape(told)}</span></h4>'
        f'<ol class="wb-list wb-near-list">{rows}</ol></section>'
    )
    actions = '<section class="wb-do">'
    return markup.replace(actions, listed + actions, 1) if actions in markup else f"{markup}{listed}"


def neighbour_row(number: int, document: Document, far: float, frame: Frame) -> str:
    title = escape(clip(document.title or document.text or document.doc_id, 160))
    return (
        f'<li class="wb-row" {row_attributes(document)}><span class="wb-rank">{number}</span>'
        f'{small_picture(document, frame)}<button class="wb-title" data-act="pick" dir="auto">{title}</button>'
        f'<span class="num" title="distance in the encoder&#x27;s own space">{SAID}{distance_text(far)}'
        f"</span>{JUDGE}</li>"
    )


def small_picture(document: Document, frame: Frame) -> str:
    return thumbnail(document, frame) if frame.has_images else ""


def distance_text(far: float) -> str:
    """Four decimals below one, where cosine distances lie, fewer above."""
    return f"{far:.4f}" if abs(far) < 1 else f"{far:,.2f}"


def hits_side(hits: Sequence[Hit], frame: Frame, query: str, told: str, placed: str) -> str:
    """A short list of a query's hits, each with the rank that stands beside it on the map.

    `told` is the pipeline's name; `placed` says where the query itself is, or why it is not on the map.
    """
    bars = bar_widths([hit.score for hit in hits])
    rows = "".join(hit_row(hit, bar, frame) for hit, bar in zip(hits, bars, strict=True))
    body = (
        f'<ol class="wb-list wb-near-list wb-maphits">{rows}</ol>' if hits else '<p class="wb-note">Nothing found.</p>'
    )
    head = f"{several(len(hits), 'hit')} for “{escape(clip(query, 80))}”" if query else several(len(hits), "hit")
    return framed(head, f'<p class="wb-note">{escape(told)} · {escape(placed)}</p>{body}')


def hit_row(hit: Hit, bar: float, frame: Frame) -> str:
    document = hit.document
    title = escape(clip(document.title or document.text or document.doc_id, 160))
    return (
        f'<li class="wb-row" {row_attributes(document)}><span class="wb-rank">{hit.rank}</span>'
        f'{small_picture(document, frame)}<button class="wb-title" data-act="pick" dir="auto">{title}</button>'
        f'<div class="wb-score">{SAID}<b>{score_text(hit.score)}</b><i style="width:{bar:.0f}%"></i></div>{JUDGE}</li>'
    )


def members_side(title: str, documents: Sequence[Document], total: int, frame: Frame, told: str = "") -> str:
    """The first documents of a set, in the order given. `told`: by which rule they are in it."""
    rows = "".join(
        f'<li class="wb-row" {row_attributes(each)}><span class="wb-rank">{n}</span>'
        f'{small_picture(each, frame)}<button class="wb-title" data-act="pick" dir="auto">'
        f"{escape(clip(each.title or each.text or each.doc_id, 160))}</button>"
        f'<span class="wb-id"><bdi>{escape(clip(each.doc_id, 32))}</bdi>{SAID}</span>{JUDGE}</li>'
        for n, each in enumerate(documents, 1)
    )
    rest = f'<p class="wb-note">… and {total - len(documents):,} more.</p>' if total > len(documents) else ""
    note = f'<p class="wb-note">{escape(told)}</p>' if told else ""
    return framed(f"{title}: {several(total, 'document')}", f'{note}<ol class="wb-list wb-near-list">{rows}</ol>{rest}')


def framed(title: str, body: str) -> str:
    """A panel with its title, escaped already, and ×."""
    return (
        f'<div class="wb-document"><div class="wb-bar"><h2>{title}</h2>'
        f'<button class="wb-x" data-act="shut" title="Close (Esc)" aria-label="Close">×</button></div>{body}</div>'
    )
