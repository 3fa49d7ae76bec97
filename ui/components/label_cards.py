"""What is judged: the query with its place in the queue, and one card for each candidate. All text is escaped."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from ui.components.results import Frame, score_text, thumbnail
from ui.components.text import clip, escape, highlight, pills, snippet, term_pattern
from workbench.types import Query
from workbench.workflows.label import Candidate, Found, Judgment, Pool, Verdict

KEYS = (
    ("0", "0", "Not relevant", "grade 0"),
    ("1", "1", "Slightly", "grade 1: slightly relevant"),
    ("2", "2", "Relevant", "grade 2: relevant"),
    ("3", "3", "Highly", "grade 3: highly relevant"),
    ("h", "h", "Hard negative", "looks relevant and is not: grade 0, marked as a hard negative"),
    ("r", "r", "Positive = 1", "relevant, without a finer grade: grade 1, the least that counts as a positive"),
    ("skip", "space", "Skip", "no verdict; it counts as seen"),
    ("unrateable", "u", "Unrateable", "it cannot be judged: broken, unreadable, the query makes no sense"),
    ("later", "l", "Later", "put off: the query is found again under “put off”"),
    ("note", "n", "Note", "write a note; without a verdict the document is put off"),
)
"""What a verdict is called in the browser (assets/label.mjs), its key, its name, and what it means."""
ON_CARD = ("0", "1", "2", "3", "h", "skip", "unrateable", "later", "note")
SIGNS = MappingProxyType({"space": "␣"})
STATES = MappingProxyType({"skipped": "skipped", "unrateable": "unrateable", "later": "put off"})


def pool_html(found: Pool, frame: Frame, others: bool) -> str:
    """The cards, and what went wrong above them. `others`: show what others said."""
    wrong = "".join(f"<div class='note warn'>{escape(each)}</div>" for each in found.problems)
    if not found.candidates:
        return wrong + (
            "<div class='empty'><h2>No candidates for this query</h2><p>None of the chosen pipelines found a document. "
            "Choose others or a greater depth under “Candidates”, or encode the corpus with another model.</p></div>"
        )
    cards = "".join(
        card_html(place, each, frame, found.others.get(each.document.doc_id, ()) if others else ())
        for place, each in enumerate(found.candidates, 1)
    )
    return f"{wrong}<ol class='lb-cards{' lb-pictures' if frame.has_images else ''}'>{cards}</ol>"


def query_html(query: Query, picture: str, frame: Frame) -> str:
    """The query on top. `picture`: the id of its image, empty where it has none."""
    source = escape(f"/media-query/{quote(frame.project, safe='')}/{quote(picture, safe='')}")
    image = f"<img class='wb-thumb' src='{source}' alt='the query’s picture'>" if picture else ""
    text = f"<h2 class='lb-query' dir='auto'>{escape(clip(query.text, 1000))}</h2>" if query.text else ""
    return f"{image}{text}<span class='wb-id' title='query id'><bdi>{escape(clip(query.query_id, 60))}</bdi></span>"


def card_html(place: int, each: Candidate, frame: Frame, others: Sequence[Judgment]) -> str:
    document, pattern = each.document, term_pattern(each.terms)
    title = highlight(clip(document.title or document.doc_id, 300), pattern)
    text = highlight(snippet(document.text, pattern), pattern)
    said = "".join(other_html(row) for row in others)
    proposed = "".join(proposed_html(name, values) for name, values in each.proposed.items())
    return (
        f"<li class='lb-card' data-doc='{escape(document.doc_id)}' data-ordinal='{document.ordinal}'>"
        f"<span class='lb-place'>{place}</span>{thumbnail(document, frame)}"
        "<div class='wb-body'><div class='wb-head'><span class='lb-said'></span>"
        f"<b class='wb-title' dir='auto'>{title}</b>"
        f"<span class='wb-id' title='document id'><bdi>{escape(clip(document.doc_id, 60))}</bdi></span>"
        f"{pills(document.metadata, 3)}</div>"
        + (f"<div class='wb-text' dir='auto'>{text}</div>" if text else "")
        + f"<div class='lb-facts'>{found_html(each.found)}{proposed}<span class='lb-others'>{said}</span></div>"
        f"<div class='lb-reasons'></div><div class='lb-note' dir='auto'></div></div>{keys_html(document.ordinal)}</li>"
    )


def found_html(found: Sequence[Found]) -> str:
    """Who found it: pipeline, rank, score."""
    chips = "".join(
        f"<span class='lb-by' title='{escape(each.name)}: rank {each.rank}, score {score_text(each.score)}'>"
        f"{escape(clip(each.name, 36))} <b>#{each.rank}</b> {score_text(each.score)}</span>"
        for each in found
    )
    return chips or "<span class='lb-by lb-nobody'>none of these pipelines found it</span>"


def proposed_html(name: str, values: Mapping[str, Any]) -> str:
    """What mining says of it: “mined: minilm, rank 12, score 0.61”."""
    facts = [
        str(values[fact]) if fact == "miner" else f"{fact} {figure(values[fact])}"
        for fact in ("miner", "rank", "score")
        if values.get(fact) is not None
    ]
    told = escape(clip(", ".join(facts), 80))
    return (
        f"<span class='lb-by lb-mined' title='Proposed as a hard negative in “{escape(name)}”'>✨ mined {told}</span>"
    )


def figure(value: Any) -> str:
    return score_text(value) if isinstance(value, float) else str(value)


def other_html(row: Judgment) -> str:
    """ "ben: 2", “qrels: 1”; a label set that is not the usual one is named."""
    who = row.annotator if row.label_set in ("labels", row.annotator) else f"{row.annotator} · {row.label_set}"
    verdict = row.verdict
    note = f": {verdict.note}" if verdict.note else ""
    return (
        f"<span class='lb-other' title='{escape(clip(verdict_text(verdict) + note, 300))}'>{escape(clip(who, 40))} "
        f"{badge_html(verdict)}</span>"
    )


def badge_html(verdict: Verdict) -> str:
    """A verdict as a small sign: a digit in its colour, H for a hard negative, a word for the rest."""
    if verdict.relevance is None:
        return f"<span class='lb-word'>{STATES[verdict.state]}</span>"
    if verdict.is_hard_negative:
        return "<span class='wb-grade' data-hard>H</span>"
    shade = max(0, min(3, verdict.relevance))
    return f"<span class='wb-grade' data-grade='{shade}'>{verdict.relevance}</span>"


def verdict_text(verdict: Verdict) -> str:
    """ "grade 2", “hard negative”, “put off”."""
    if verdict.relevance is None:
        return STATES[verdict.state]
    return "hard negative" if verdict.is_hard_negative else f"grade {verdict.relevance}"


def keys_html(ordinal: int) -> str:
    """The small buttons of a card, each shows its key; and a query made of the document."""
    buttons = "".join(
        f"<button data-say='{say}' title='{escape(name)} ({key}): {escape(what)}' aria-label='{escape(name)}' "
        f"tabindex='-1'>{SIGNS.get(key, key)}</button>"
        for say, key, name, what in KEYS
        if say in ON_CARD
    )
    ask = (
        f"<button class='wb-quiet lb-ask' data-query-of='{ordinal}' tabindex='-1' title='Make a query of this document "
        "and label what is found for it'>query from this</button>"
    )
    return f"<div class='lb-keys'>{buttons}{ask}</div>"


def acts_html() -> str:
    """The buttons for the card in hand, with their keys and names."""
    return "".join(
        f"<button class='btn lb-act' data-say='{say}' title='{escape(what)}'><kbd>{key}</kbd>{escape(name)}</button>"
        for say, key, name, what in KEYS
    )
