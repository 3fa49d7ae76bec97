"""One trial of an index laboratory: memory, disk, the ranges of its codes, and the neighbours it changed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ui.components.figures import several, size
from ui.components.lab_index_table import Shown, share, view_query
from ui.components.lab_index_view import SHOWN, search_link
from ui.components.text import clip, escape

if TYPE_CHECKING:
    from workbench.workflows.index_lab import LabReport, TrialRow
    from workbench.workflows.lab_changes import Change, Changes, Neighbour

TEXT = 260
LISTS = (("cluster", "clusters only", 0), ("term", "terms only", 1), ("both", "both", 2))
"""Kinds of HI²'s lists: name, label, colour."""


def detail_html(shown: Shown, found: "Changes", ranges: Any) -> str:
    """The chosen trial; `ranges`: (2, d) of its 8-bit codes, or None."""
    row = shown.report.rows[shown.view.trial]
    return f"<div class='lab-detail'>{costs_html(shown.report, row, ranges)}{changes_html(shown, row, found)}</div>"


def hint_html() -> str:
    return (
        "<div class='lab-detail' style='display:block'><div class='note'>Click a trial to see which neighbours it "
        "loses and which it puts in their place.</div></div>"
    )


def costs_html(report: "LabReport", row: "TrialRow", ranges: Any) -> str:
    """Memory and disk against those of the vectors, the share of documents looked at, lists, ranges."""
    whole = 4 * report.documents * report.dim
    disk = row.disk_bytes + row.vector_bytes
    stored = report.rows[0].disk_bytes
    told = f"{size(row.vector_bytes)} of it are the vectors, read for candidates only" if row.vector_bytes else ""
    parts = [
        meter("ram", "In memory", row.memory_bytes, whole, f"of {size(whole)} as float32"),
        meter("disk", "On disk", disk, max(disk, stored), told or f"the stored vectors: {size(stored)}"),
    ]
    if row.scored is not None:
        count = round(row.scored * report.documents)
        parts.append(
            f"<div class='lab-meter'><span>Compared with a query <b>{share(row.scored)}</b></span>"
            f"<span class='meter'><i style='width:{100 * row.scored:.2f}%'></i></span>"
            f"<small class='dim'>{several(count, 'document')} of {report.documents:,} on average{again(row)}</small>"
            "</div>"
        )
    if row.fetched:
        parts.append(fetched_html(row.fetched))
    if row.calibration and ranges is not None:
        parts.append(ranges_html(row.calibration, ranges))
    settings = ", ".join(f"{escape(name)} {value:g}" for name, value in row.settings.items())
    return (
        f"<section class='panel'><header><h3><code>{escape(row.factory)}</code></h3>"
        f"<span class='facts'><span>{settings or 'no settings'}</span></span></header>"
        f"<div class='lab-cost'>{''.join(parts)}</div></section>"
    )


def again(row: "TrialRow") -> str:
    factor = row.settings.get("k_factor")
    return f"; {factor:g} × k of them scored again" if factor else ""


def meter(kind: str, name: str, amount: int, whole: int, told: str) -> str:
    part = min(100.0, 100 * amount / whole) if whole else 0.0
    return (
        f"<div class='lab-meter {kind}'><span>{name} <b>{size(amount)}</b></span><span class='meter' role='meter' "
        f"aria-label='{name}' aria-valuenow='{part:.0f}'><i style='width:{part:.1f}%'></i></span>"
        f"<small class='dim'>{escape(told)}</small></div>"
    )


def fetched_html(fetched: Any) -> str:
    """Which of HI²'s lists held the hits."""
    total = sum(fetched.values()) or 1
    bars = "".join(
        f"<i style='width:{100 * fetched[name] / total:.2f}%;background:var(--wb-c{colour})' title='{label}'></i>"
        for name, label, colour in LISTS
    )
    names = "".join(
        f"<span><i style='background:var(--wb-c{colour})'></i>{label} {fetched[name] / total:.0%}</span>"
        for name, label, colour in LISTS
    )
    return (
        "<div class='lab-meter'><span>Lists that fetched the hits</span>"
        f"<span class='lab-lists'>{bars}</span><div class='lab-legend' style='padding:2px 0'>{names}</div></div>"
    )


def ranges_html(told: Any, ranges: Any) -> str:
    """The calibration of 8-bit codes: one bar a dimension from its lowest to its highest value."""
    low, width = ranges[0].tolist(), ranges[1].tolist()
    bottom, top = told["lowest"], told["highest"]
    height = (top - bottom) or 1.0
    bars = "".join(
        f"<rect x='{n}' width='.9' y='{100 * (top - a - w) / height:.2f}' height='{max(0.4, 100 * w / height):.2f}'/>"
        for n, (a, w) in enumerate(zip(low, width, strict=True))
    )
    return (
        f"<div class='lab-meter'><span>Calibration of the 8-bit codes</span><svg class='lab-ranges' "
        f"viewBox='0 0 {len(low)} 100' preserveAspectRatio='none' role='img' aria-label='Ranges by dimension'>{bars}"
        f"</svg><small class='dim'>ranges of {told['of']} in {told['dimensions']:,} dimensions, saved with the index: "
        f"{bottom:.3g} to {top:.3g}, one step {told['median_step']:.2g} (median)</small></div>"
    )


def changes_html(shown: Shown, row: "TrialRow", found: "Changes") -> str:
    """The changed queries side by side: what the exact search has and this trial lacks, and the other way round."""
    if not found.total:
        text = f"All {several(found.queries, 'query/queries')} have exactly the neighbours of the exact search."
        return (
            f"<section class='panel'><header><h3>Changed neighbours</h3></header><p class='body'>{text}</p></section>"
        )
    start, end = shown.view.start, shown.view.start + len(found.rows)
    cards = "".join(change_html(shown, row, each) for each in found.rows)
    return (
        f"<section class='panel'><header><h3>Changed neighbours</h3><span class='facts'><span><b>{found.total:,}</b> "
        f"of {found.queries:,} queries</span><span>{start + 1:,}–{end:,} shown, the most changed first</span></span>"
        f"</header><div class='lab-changes'>{cards}</div>{pages_html(shown, start, end, found.total)}</section>"
    )


def pages_html(shown: Shown, start: int, end: int, total: int) -> str:
    buttons = ""
    if start:
        view = escape(view_query(shown.view, start=max(0, start - SHOWN)))
        buttons += f"<button class='btn small' data-do='show' data-view='{view}'>← Before</button>"
    if end < total:
        view = escape(view_query(shown.view, start=end))
        buttons += (
            f"<button class='btn small' data-do='show' data-view='{view}'>Next {min(SHOWN, total - end)} →</button>"
        )
    return f"<div class='lab-more'>{buttons}</div>" if buttons else ""


def change_html(shown: Shown, row: "TrialRow", change: "Change") -> str:
    text = " ".join(change.text.split()) or change.query_id
    query = "" if change.own >= 0 else change.text
    link = escape(search_link(shown.place, shown.report.encoder, row, query, change.own))
    kind = "document" if change.own >= 0 else "query"
    return (
        f"<div class='lab-change' data-key='change {escape(change.query_id)}'><div class='lab-q'><b dir='auto'>"
        f"{escape(clip(text, 200))}</b><span class='tag'>{kind}</span><span class='spring'></span>"
        f"<a class='btn small' href='{link}' title='The exact search and this trial side by side'>Compare</a></div>"
        f"<div class='lost'><h5>Lost: {several(len(change.lost), 'document')}, rank in the exact result</h5>"
        f"{neighbours(change.lost)}</div>"
        f"<div class='gained'><h5>In their place: {several(len(change.gained), 'document')}, rank here</h5>"
        f"{neighbours(change.gained)}</div></div>"
    )


def neighbours(found: "Sequence[Neighbour]") -> str:
    rows = "".join(
        f"<li><span>{each.rank}</span><span class='lab-text' dir='auto'>{document(each)}</span>"
        f"<span class='num' title='exact score'>{each.score:.4f}</span></li>"
        for each in found
    )
    return f"<ul>{rows}</ul>" if rows else "<span class='dim'>none: the index found fewer</span>"


def document(each: "Neighbour") -> str:
    title = f"<b>{escape(clip(each.document.title, 120))}</b> " if each.document.title else ""
    text = clip(" ".join(each.document.text[: 4 * TEXT].split()), TEXT)
    held = f" <span class='tag'>{each.held}</span>" if each.held != "none" else ""
    return f"{title}{escape(text) if text else escape(each.document.doc_id)}{held}"
