"""Ranked hits of one system: one HTML component with event delegation; every text in it is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.components.assets import asset_url, media_url
from ui.components.stages import trace_html
from ui.components.text import clip, escape, highlight, pills, snippet, tag_pills, term_pattern
from workbench.types import Document, Hit, Stage

EVENTS = ("pick", "nearest", "turn", "shut", "drop", "retitle", "ask", "make", "use", "why")
"""What a listing tells Python; the names of none of them is an attribute of a Gradio component."""
SAID, JUDGE = '<span class="wb-said"></span>', '<div class="wb-judge"></div>'
"""The places of a row's verdict and of its buttons; assets/judging.mjs fills them."""
LONGEST_ID = 1000
"""Characters of an id that a row carries; one that is longer is not judged here."""


def listing(elem_id: str, value: str = "", **options: Any) -> gr.HTML:
    """A region of rows drawn in Python, with `data-act` buttons and a cursor that keys move (see assets/results.mjs).

    Updates: `value` is the markup, escaped already; `busy` dims the rows and says what is going on; `url`, when it
    changes, becomes the page's address; `open` is the ordinal of the row that is open beside the list. Its events are
    `EVENTS`. An instance, not a subclass: for each subclass Gradio writes a stub file beside the module.
    """
    events = ", ".join(f"{name}: data => trigger('{name}', data)" for name in EVENTS)
    script = (
        f"import('{asset_url('results.mjs')}').then(m => m.mount(element, {{props, watch, events: {{{events}}}}}));"
    )
    return gr.HTML(
        value,
        # Only `${value}` is safe for a corpus's text: what `{{…}}` puts in is evaluated as a JavaScript template.
        html_template="${value}",
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
        busy="",
        url="",
        open=-1,
        **options,
    )


@dataclass(frozen=True)
class Frame:
    """What the rows of one listing share: where their images are, which words they mark, what can be done to them.

    `stages`: labels of the pipeline's stages, in order. `grades`: judged relevance by document id. `compact`: small
    rows, for a column among others; `compared`: with a place for the rank against the left-most column. `tags`: what
    people tagged, by ordinal.
    """

    project: str
    corpus_id: int
    has_images: bool = False
    terms: Mapping[int, Sequence[str]] | None = None
    likeable: bool = True
    stages: Sequence[str] = ()
    grades: Mapping[str, int] | None = None
    compact: bool = False
    compared: bool = False
    tags: Mapping[int, Sequence[str]] | None = None


def hits_html(hits: Sequence[Hit], frame: Frame) -> str:
    """The ranked list, best first. Bars are relative to the best score."""
    bars = bar_widths([hit.score for hit in hits])
    rows = "".join(hit_html(hit, bar, frame) for hit, bar in zip(hits, bars, strict=True))
    kinds = "wb-list wb-hits" + " wb-pictures" * frame.has_images + " wb-compact" * frame.compact
    return f'<ol class="{kinds}">{rows}</ol>'


def hit_html(hit: Hit, bar: float, frame: Frame) -> str:
    document = hit.document
    pattern = term_pattern((frame.terms or {}).get(document.ordinal, ()))
    title = highlight(clip(document.title or document.doc_id, 300), pattern)
    text = highlight(snippet(document.text, pattern), pattern)
    body = f'<div class="wb-text" dir="auto">{text}</div>' if text else ""
    more = '<button class="wb-quiet wb-more" data-act="expand" hidden title="More of the text (e)">more</button>'
    delta = '<span class="wb-delta"></span>' if frame.compared else ""
    return (
        f'<li class="wb-row" {row_attributes(document)}>'
        f'<span class="wb-rank">{hit.rank}{delta}</span>{thumbnail(document, frame)}'
        f'<div class="wb-body"><div class="wb-head">{grade_html(document, frame)}{SAID}'
        f'<button class="wb-title" data-act="pick" dir="auto">{title}</button>'
        f'<span class="wb-id" title="document id"><bdi>{escape(clip(document.doc_id, 48))}</bdi></span>'
        f"{pills_html(document, frame)}</div>{body}{trace_html(hit.stages, frame.stages)}</div>"
        f'<div class="wb-score" title="{escape(stages_text(hit.stages))}"><b>{score_text(hit.score)}</b>'
        f'<i style="width:{bar:.0f}%"></i>{actions_html(document, frame)}{more if text else ""}</div>{JUDGE}</li>'
    )


def row_attributes(document: Document) -> str:
    """What a row says of its document: its ordinal, and the id it is judged by, up to `LONGEST_ID`."""
    judged = f' data-doc="{escape(document.doc_id)}"' if len(document.doc_id) <= LONGEST_ID else ""
    return f'data-ordinal="{document.ordinal}"{judged}'


def actions_html(document: Document, frame: Frame) -> str:
    """What a row offers under its score: neighbours, and its picture as the query."""
    told = "Its neighbours in this space (m)"
    alike = f'<button class="wb-quiet" data-act="nearest" title="{told}">more like this</button>'
    use = '<button class="wb-quiet" data-act="use" title="Search with this picture">use picture</button>'
    return alike * frame.likeable + use * bool(frame.has_images and document.image and frame.likeable)


def grade_html(document: Document, frame: Frame) -> str:
    """The judged relevance as a digit in its colour; nothing for what nobody judged."""
    grade = (frame.grades or {}).get(document.doc_id)
    if grade is None:
        return ""
    shade = max(0, min(3, grade))
    return f'<span class="wb-grade" data-grade="{shade}" title="Judged {grade} for this query">{grade}</span>'


def tags_html(document: Document, frame: Frame) -> str:
    """The document's tags as pills."""
    return tag_pills((frame.tags or {}).get(document.ordinal, ()))


def pills_html(document: Document, frame: Frame) -> str:
    """Tags, then metadata."""
    return tags_html(document, frame) + pills(document.metadata)


def thumbnail(document: Document, frame: Frame) -> str:
    """The picture of a document; an empty cell where others have one, so that the rows stay aligned."""
    if not frame.has_images:
        return ""
    if not document.image:
        return '<span class="wb-thumb wb-none" data-act="pick">no image</span>'
    source = escape(media_url(frame.project, frame.corpus_id, document.ordinal))
    name = escape(clip(document.title or document.doc_id, 120))
    return f'<img class="wb-thumb" data-act="pick" loading="lazy" decoding="async" src="{source}" alt="{name}">'


def bar_widths(scores: Sequence[float]) -> list[float]:
    """Widths in percent: the score over the best one; where scores are negative, its place between worst and best."""
    if not scores:
        return []
    best, worst = max(scores), min(scores)
    low = 0.0 if worst >= 0 else worst
    return [100.0 * (score - low) / (best - low) if best > low else 100.0 for score in scores]


def score_text(score: float) -> str:
    """Three decimals below 10, two above: enough to tell neighbours apart in both cosine and BM25."""
    return f"{score:.3f}" if abs(score) < 10 else f"{score:,.2f}"


def stages_text(stages: Mapping[str, Stage]) -> str:
    """ "minilm: rank 2, 0.712": where the document stood after each stage."""
    return "\n".join(f"{name}: rank {stage.rank}, {score_text(stage.score)}" for name, stage in stages.items())
