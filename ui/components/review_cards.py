"""The cards of the Review page: a document of a query beside a positive, reasons, and buttons that show their keys."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from ui.components.label_cards import figure, other_html
from ui.components.results import Frame, thumbnail
from ui.components.text import clip, escape, highlight, pills, snippet, term_pattern
from workbench.workflows.judging import Verdict
from workbench.workflows.review import Card, Reason, Seen

POSITIVE = ("p", "Positive", "It is relevant: grade 1", Verdict(1))
GRADES = (
    ("0", "Not relevant", "Grade 0", Verdict(0)),
    ("1", "Slightly", "Grade 1: slightly relevant", Verdict(1)),
    ("2", "Relevant", "Grade 2: relevant", Verdict(2)),
    ("3", "Highly", "Grade 3: highly relevant", Verdict(3)),
)
HARD = Verdict(0, is_hard_negative=True)
REJECT = Verdict(state="skipped", note="Rejected as a hard negative.")
SKIP = ("s", "Skip", "Go on; nothing is stored", None)
KEYS: Mapping[str, tuple[tuple[str, str, str, Verdict | None], ...]] = MappingProxyType(
    {
        "suspects": (
            POSITIVE,
            ("k", "Keep as a negative", "It is not relevant: it stays a negative, and the reasons count as seen", None),
            SKIP,
        ),
        "proposals": (
            ("a", "Accept", "A hard negative", HARD),
            ("x", "Reject", "Not to be used as a negative; says nothing of its relevance", REJECT),
            *GRADES,
            POSITIVE,
            SKIP,
        ),
        "disagreements": (*GRADES, ("h", "Hard negative", "Grade 0, marked as a hard negative", HARD), SKIP),
    }
)
"""Of each part: key, name, what it means, and the verdict; None is told by the card (keep) or stores nothing (skip)."""
REASONS = MappingProxyType(
    {
        "duplicate": "same text",
        "judged": "judged relevant",
        "near-duplicate": "nearly the same text",
        "similar": "close to a positive",
        "reranker": "reranker prefers it",
        "retrieval": "outscores a positive",
        "agreement": "encoders agree",
    }
)


def cards_html(cards: Sequence[Card], part: str, frame: Frame) -> str:
    return f"<ol class='rv-cards'>{''.join(card_html(each, part, frame) for each in cards)}</ol>"


def card_html(card: Card, part: str, frame: Frame) -> str:
    document = card.own.document
    names = f"data-query='{escape(card.query.query_id)}' data-doc='{escape(document.doc_id)}'"
    names += f" data-keep='{as_json(card.keep)}' data-said='{as_json(card.said)}'"
    score = f"<b class='rv-score' title='suspicion'>{card.score:.2f}</b>" if card.score is not None else ""
    query = escape(clip(card.query.text or card.query.query_id, 400))
    sides = seen_html("Proposed negative" if part == "proposals" else "Negative", card.own, frame, "negative")
    if part == "disagreements":
        sides = seen_html("Document", card.own, frame, "document")
    elif card.positive is not None:
        about = any(reason.positive == card.positive.document.doc_id for reason in card.reasons)
        nearest = "Its nearest positive" if part == "suspects" or about else "The query’s best positive"
        sides += seen_html(nearest, card.positive, frame, "positive")
    else:
        sides += "<section class='rv-side rv-none'><h4>No positive</h4><p class='dim'>Nobody judged a document of this "
        sides += "query relevant yet.</p></section>"
    return (
        f"<li class='rv-card' {names}>"
        f"<header>{score}<h3 class='rv-query' dir='auto'>{query}</h3><span class='rv-said'></span></header>"
        f"<div class='rv-sides{'' if part != 'disagreements' else ' rv-one'}'>{sides}</div>"
        f"{reasons_html(card.reasons)}{facts_html(card, part)}"
        f"<div class='rv-keys'>{keys_html(part)}</div></li>"
    )


def seen_html(name: str, seen: Seen, frame: Frame, kind: str) -> str:
    """One document with the words of the query marked, and its picture."""
    document, pattern = seen.document, term_pattern(seen.terms)
    title = highlight(clip(document.title or document.doc_id, 300), pattern)
    text = highlight(snippet(document.text, pattern), pattern)
    return (
        f"<section class='rv-side rv-{kind}'><h4>{name}</h4><div class='rv-doc'>"
        f"{thumbnail(document, frame) if document.image else ''}<div class='wb-body'>"
        f"<div class='wb-head'><b class='wb-title' dir='auto'>{title}</b>"
        f"<span class='wb-id' title='document id'><bdi>{escape(clip(document.doc_id, 60))}</bdi></span>"
        f"{pills(document.metadata, 3)}</div><div class='wb-text' dir='auto'>{text}</div></div></div></section>"
    )


def reasons_html(reasons: Sequence[Reason]) -> str:
    """Why it may be a false negative, the most severe first, each with a bar for how much it counts."""
    rows = "".join(
        f"<li><span class='meter' title='severity {reason.severity:.2f}'><i style='width:{100 * reason.severity:.0f}%'>"
        f"</i></span><b>{REASONS.get(reason.name, escape(reason.name))}</b> "
        f"<span>{escape(clip(reason.told, 300))}</span></li>"
        for reason in reasons
    )
    return f"<ul class='rv-reasons'>{rows}</ul>" if rows else ""


def facts_html(card: Card, part: str) -> str:
    """Who said what, and what the miner noted."""
    said = "".join(other_html(row) for row in card.opinions)
    mined = mined_html(card.provenance) if part == "proposals" else ""
    who = f"<span class='rv-who'>{said}</span>" if said else ""
    return f"<div class='rv-facts'>{mined}{who}</div>" if mined or who else ""


def mined_html(values: Mapping[str, Any]) -> str:
    """ "minilm, rank 12, score 0.61, positive 0.70"."""
    names = {"miner": "", "rank": "rank ", "score": "score ", "positive_score": "positive "}
    facts = [f"{said}{figure(values[name])}" for name, said in names.items() if values.get(name) is not None]
    rules = values.get("rules")
    told = ", ".join(map(str, rules)) if isinstance(rules, list) else ""
    title = f" title='{escape(clip(told, 300))}'" if told else ""
    return f"<span class='rv-mined'{title}>mined: {escape(clip(', '.join(facts), 120))}</span>" if facts else ""


def keys_html(part: str) -> str:
    """The buttons of a card, each with its key and the verdict it stands for."""
    return "".join(
        f"<button class='btn small' data-key='{key}' data-verdict='{as_json(verdict)}'"
        f" title='{escape(what)}' tabindex='-1'><kbd>{key}</kbd>{escape(name)}</button>"
        for key, name, what, verdict in KEYS[part]
    )


def as_json(verdict: Verdict | None) -> str:
    """A verdict for an attribute; "" for none."""
    return escape(json.dumps(asdict(verdict))) if verdict else ""
