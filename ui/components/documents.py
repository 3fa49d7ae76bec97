"""Documents of a corpus: the browser's table or grid with its pager, and one document in full. All text is escaped."""

from collections.abc import Sequence
from dataclasses import dataclass

from ui.components.assets import media_url
from ui.components.figures import several
from ui.components.results import Frame, pills_html, tags_html, thumbnail
from ui.components.text import clip, escape, highlight, plain, term_pattern
from workbench.types import Document

SHOWN_CHARACTERS = 100_000
"""How much of one text the document view shows: more makes the browser slow and nobody reads it there."""


@dataclass(frozen=True)
class Page:
    """A part of a listing: documents `offset`… of `total`."""

    offset: int
    size: int
    total: int

    @property
    def last(self) -> int:
        """Offset of the last page."""
        return max(0, (self.total - 1) // self.size * self.size)


def pager_html(page: Page) -> str:
    """ "1–50 of 5,728" with buttons for the first, previous, next and last page."""
    end = min(page.offset + page.size, page.total)
    where = f"{page.offset + 1:,}–{end:,} of {page.total:,}" if page.total else "0 of 0"
    before, after = page.offset > 0, end < page.total
    return (
        '<span class="wb-pager">'
        + _turn("«", "First page", 0, before)
        + _turn("‹", "Previous page (p)", max(0, page.offset - page.size), before, "p")
        + f"<span>{where}</span>"
        + _turn("›", "Next page (n)", page.offset + page.size, after, "n")
        + _turn("»", "Last page", page.last, after)
        + "</span>"
    )


def view_switch() -> str:
    """Grid or list, for listings with pictures; the browser remembers the choice."""
    return (
        '<span class="wb-switch"><button data-act="view" data-to="grid" title="Pictures">grid</button>'
        '<button data-act="view" data-to="list" title="With text">list</button></span>'
    )


def browser_html(documents: Sequence[Document], frame: Frame, columns: Sequence[str], terms: Sequence[str] = ()) -> str:
    """The documents of one page: cards where the corpus has images, else a table with up to five metadata columns."""
    if frame.has_images:
        cards = "".join(card_html(document, frame, terms) for document in documents)
        return f'<ol class="wb-list wb-pictures">{cards}</ol>'
    named = list(columns)[:5]
    titled = any(document.title for document in documents)
    heads = ["#", "id", *(["title"] if titled else []), "text", *named]
    kinds = ["wb-n", "wb-i", *(["wb-t"] if titled else []), "", *[f"wb-m wb-m{n}" for n in range(1, len(named) + 1)]]
    header = "".join(
        f'<th class="{kind}" title="{escape(head)}">{escape(clip(head, 40))}</th>'
        for kind, head in zip(kinds, heads, strict=True)
    )
    rows = "".join(row_html(document, kinds, named, terms, tags_html(document, frame)) for document in documents)
    return (
        f'<div class="wb-scroll"><table class="wb-table"><thead><tr>{header}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def row_html(
    document: Document, kinds: Sequence[str], named: Sequence[str], terms: Sequence[str], tags: str = ""
) -> str:
    """One row of the table; `tags` is markup and stands before the text."""
    pattern = term_pattern(terms)
    cells = [str(document.ordinal), escape(clip(document.doc_id, 80))]
    if "wb-t" in kinds:
        cells.append(highlight(clip(document.title, 200), pattern))
    # The row shows two lines: more of the text would only weigh.
    cells.append(tags + highlight(clip(" ".join(document.text[:500].split()), 400), pattern))
    for name in named:
        value = document.metadata.get(name)
        cells.append("" if value is None else escape(clip(plain(value), 80)))
    drawn = "".join(
        f'<td class="{kind}"><div dir="auto">{cell}</div></td>' for kind, cell in zip(kinds, cells, strict=True)
    )
    return f'<tr class="wb-row" data-ordinal="{document.ordinal}">{drawn}</tr>'


def card_html(document: Document, frame: Frame, terms: Sequence[str]) -> str:
    pattern = term_pattern(terms)
    title = highlight(clip(document.title or document.doc_id, 200), pattern)
    text = highlight(clip(" ".join(document.text[:500].split()), 300), pattern)
    return (
        f'<li class="wb-row" data-ordinal="{document.ordinal}"><span class="wb-rank">{document.ordinal}</span>'
        f'{thumbnail(document, frame)}<div class="wb-body"><div class="wb-head">'
        f'<button class="wb-title" data-act="pick" dir="auto">{title}</button>'
        f'<span class="wb-id"><bdi>{escape(clip(document.doc_id, 48))}</bdi></span>{pills_html(document, frame)}</div>'
        f'<div class="wb-text" dir="auto">{text}</div></div></li>'
    )


def document_html(
    document: Document, frame: Frame, encoders: Sequence[str], terms: Sequence[str] = (), content_hash: str = ""
) -> str:
    """One document in full: actions, image, text and all metadata. `encoders`: the spaces it has neighbours in."""
    pattern = term_pattern(terms)
    title = highlight(document.title or document.doc_id, pattern)
    parts = [
        f'<div class="wb-bar"><h2 dir="auto">{title}</h2>'
        '<button class="wb-x" data-act="shut" title="Close (Esc)" aria-label="Close">×</button></div>',
        actions_html(document, encoders),
    ]
    if tags := tags_html(document, frame):
        parts.append(f'<section class="wb-tags">{tags}</section>')
    if document.image:
        source = escape(media_url(frame.project, frame.corpus_id, document.ordinal, "view"))
        parts.append(
            f'<section><img src="{source}" alt="{escape(clip(document.title or document.doc_id, 200))}"></section>'
        )
    if document.text:
        parts.append(f'<section><div class="wb-full" dir="auto">{full_text(document, frame, terms)}</div></section>')
    parts.append(facts_html(document, content_hash))
    return f'<div class="wb-document" data-ordinal="{document.ordinal}">{"".join(parts)}</div>'


def actions_html(document: Document, encoders: Sequence[str]) -> str:
    alike = "".join(
        f'<button class="btn small" data-act="nearest" data-ordinal="{document.ordinal}" data-encoder="{escape(name)}" '
        f'title="The documents nearest to it in the space of {escape(name)}">More like this · {escape(clip(name, 40))}'
        "</button>"
        for name in encoders
    )
    words = document.title or document.text
    ask = f"Search with its {'title' if document.title else 'first words'}"
    retitle = (
        f'<button class="btn small" data-act="retitle" data-ordinal="{document.ordinal}">{ask}</button>'
        if words.strip()
        else ""
    )
    return f'<section class="wb-do">{alike}{retitle}</section>' if alike or retitle else ""


def full_text(document: Document, frame: Frame, terms: Sequence[str]) -> str:
    shown = highlight(document.text[:SHOWN_CHARACTERS], term_pattern(terms))
    if len(document.text) <= SHOWN_CHARACTERS:
        return shown
    length = several(len(document.text), "character")
    return f'{shown}<p class="wb-note">… the first {SHOWN_CHARACTERS:,} of {length} are shown.</p>'


def facts_html(document: Document, content_hash: str) -> str:
    """Id, place and all metadata, empty fields too: a missing value is a fact of the document."""
    rows = [("id", document.doc_id), ("ordinal", str(document.ordinal)), ("content hash", content_hash)]
    if document.image:
        rows.append(("image", document.image))
    mono = "".join(
        f'<dt>{name}</dt><dd class="wb-mono"><bdi>{escape(clip(value, 1000))}</bdi></dd>'
        for name, value in rows
        if value
    )
    fields = "".join(
        f'<dt><bdi>{escape(clip(name, 100))}</bdi></dt><dd dir="auto">'
        f"{'—' if value is None or value == '' else escape(clip(plain(value), 5000))}</dd>"
        for name, value in document.metadata.items()
    )
    size = f"<dt>length</dt><dd>{several(len(document.text), 'character')}</dd>" if document.text else ""
    return f'<section><dl class="wb-meta">{fields}{mono}{size}</dl></section>'


def search_words(document: Document) -> str:
    """The query that “search with its title” asks: the title, else the first words of the text."""
    return clip(document.title, 300) if document.title else " ".join(document.text[:300].split()[:12])


def _turn(sign: str, title: str, offset: int, enabled: bool, key: str = "") -> str:
    off = "" if enabled else " disabled"
    shortcut = f' data-key="{key}"' if key else ""
    where = f'data-act="turn" data-offset="{offset}"'
    return f'<button class="btn small" {where} title="{title}"{shortcut}{off}>{sign}</button>'
