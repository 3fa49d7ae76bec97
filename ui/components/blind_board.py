"""A pair of a blind round: the query, two lists without names and scores, and the buttons with their keys."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from ui.components.results import Frame, thumbnail
from ui.components.text import clip, escape, highlight, pills, snippet, term_pattern
from workbench.types import Hit
from workbench.workflows.blind import Asked, Pair, Side
from workbench.workflows.matching import matched_terms

MATCHED = 100_000
"""Characters of a hit in which the query's words are looked for."""
LETTERS = {"left": "A", "right": "B"}
SAID = {"left": "A", "right": "B", "tie": "tie", "bad": "both bad"}
BUTTONS = (
    ("left", "A is better", ("a", "←")),
    ("tie", "Tie", ("t",)),
    ("bad", "Both bad", ("x",)),
    ("right", "B is better", ("b", "→")),
)


def board_html(pairs: Sequence[Pair], frame: Frame, voted: Sequence[int], answer: str, reveal_link: str) -> str:
    """The pair to vote on, and hidden behind it the next ones, so that they appear at once.

    `voted`: the numbers that are stored, in the order of the votes; `answer`: what this markup answers to (see
    assets/blind.mjs).
    """
    total = pairs[0].total if pairs else len(voted)
    sections = "".join(pair_html(pair, frame, len(voted) + n, reveal_link) for n, pair in enumerate(pairs))
    sections = sections or done_html(total, reveal_link)
    saved = f"{len(voted)} of {total} saved" if voted else ""
    wait = "<p class='bl-wait' hidden>One moment…</p>"
    return (
        f"<div class='wb-listing bl-board' data-voted='{','.join(map(str, voted))}' data-answer='{escape(answer)}' "
        f"data-saved='{saved}'>{sections}{wait}</div>"
    )


def pair_html(pair: Pair, frame: Frame, done: int, reveal_link: str) -> str:
    share = 100 * done / pair.total
    standing = {
        "left": {hit.document.ordinal: hit.rank for hit in pair.left.hits},
        "right": {hit.document.ordinal: hit.rank for hit in pair.right.hits},
    }
    same = bool(pair.left.hits) and list(standing["left"]) == list(standing["right"])
    note = "<div class='note'>Both lists are the same.</div>" if same else ""
    buttons = "".join(button_html(choice, label, keys) for choice, label, keys in BUTTONS)
    undo = f"<button class='btn bl-undo' data-vote='undo'{'' if done else ' disabled'}>Undo <kbd>u</kbd></button>"
    return (
        f"<section class='bl-pair' data-key='pair-{pair.number}' data-number='{pair.number}'>"
        "<header class='bl-head'><div class='bl-where'>"
        f"<b>{pair.number} / {pair.total}</b><span class='meter'><i style='width:{share:.0f}%'></i></span>"
        "<span class='bl-saved dim' role='status'></span><span class='spring'></span>"
        "<label class='pick'>voting as<input class='bl-annotator' maxlength='60' placeholder='me'></label>"
        f"<a class='btn small' href='{escape(reveal_link)}'>Stop and reveal</a></div>"
        f"{query_html(pair.query, frame)}<div class='bl-acts'>{buttons}{undo}</div></header>{note}"
        f"<div class='bl-sides'>{side_html('left', pair.left, pair.query, standing['right'], frame)}"
        f"{side_html('right', pair.right, pair.query, standing['left'], frame)}</div></section>"
    )


def done_html(total: int, reveal_link: str) -> str:
    """All voted on: a last chance to take a vote back before the names are known."""
    return (
        f"<section class='empty bl-done' data-key='done'><h2>All {total} pairs are voted on</h2>"
        "<p>Next come the names and the ranking. Until then a vote can be taken back.</p><div class='row'>"
        f"<a class='btn primary' data-reveal href='{escape(reveal_link)}'>Reveal <kbd>Enter</kbd></a>"
        "<button class='btn bl-undo' data-vote='undo'>Undo <kbd>u</kbd></button></div></section>"
    )


def button_html(choice: str, label: str, keys: Sequence[str]) -> str:
    shown = "".join(f"<kbd>{key}</kbd>" for key in keys)
    return f"<button class='btn bl-vote' data-vote='{choice}'>{label} <span>{shown}</span></button>"


def query_html(query: Asked, frame: Frame) -> str:
    source = escape(f"/media-query/{quote(frame.project, safe='')}/{quote(query.image, safe='')}")
    picture = f"<img class='wb-thumb' src='{source}' alt='the query’s picture'>" if query.image else ""
    text = f"<h2 class='bl-query' dir='auto'>{escape(clip(query.text, 600))}</h2>" if query.text else ""
    return f"<div class='bl-asked'>{picture}{text}</div>"


def side_html(side: str, found: Side, query: Asked, other: Mapping[int, int], frame: Frame) -> str:
    """One column. Why a system failed is not told: it could name it."""
    letter, opposite = LETTERS[side], LETTERS["right" if side == "left" else "left"]
    if found.problem:
        body = "<div class='wb-note'>This system could not answer this query.</div>"
    elif not found.hits:
        body = "<div class='wb-note'>This system found nothing.</div>"
    else:
        body = "".join(row_html(hit, query, other, opposite, frame) for hit in found.hits)
        body = f"<ol class='bl-list{' bl-pictures' if frame.has_images else ''}'>{body}</ol>"
    return f"<section class='panel bl-side'><header><h3>{letter}</h3></header>{body}</section>"


def row_html(hit: Hit, query: Asked, other: Mapping[int, int], opposite: str, frame: Frame) -> str:
    """A hit without its score; where the same document stands in the other column, or that it stands only here."""
    document = hit.document
    content = f"{document.title} {document.text[:MATCHED]}"
    pattern = term_pattern(matched_terms(query.text, content) if query.text else ())
    title = highlight(clip(document.title or document.doc_id, 300), pattern)
    text = highlight(snippet(document.text, pattern), pattern)
    rank = other.get(document.ordinal)
    mark = f"{opposite} {rank}" if rank else "only here"
    told = f"Rank {rank} in {opposite}" if rank else f"Not among the first of {opposite}"
    return (
        f"<li class='bl-row' data-ordinal='{document.ordinal}'><span class='wb-rank'>{hit.rank}</span>"
        f"{thumbnail(document, frame)}<div class='wb-body'><div class='wb-head'>"
        f"<b class='wb-title' dir='auto'>{title}</b>"
        f"<span class='wb-id'><bdi>{escape(clip(document.doc_id, 48))}</bdi></span>{pills(document.metadata)}</div>"
        f"<div class='wb-text' dir='auto'>{text}</div></div>"
        f"<span class='bl-other{'' if rank else ' bl-only'}' title='{told}'>{mark}</span></li>"
    )
