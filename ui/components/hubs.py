"""Hubness: whether a few documents are among the neighbours of far too many queries, before and after correction."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui.components.figures import several
from ui.components.text import clip, escape

if TYPE_CHECKING:
    from workbench.workflows.hubness import HubnessReport

MANY, SOME = 1.4, 0.5
"""Skewness of the N_k counts beyond which a space is called strongly, and noticeably, hub-ridden (Radovanović et al.,
2010, call 1.4 and above strong)."""


def hubness_html(report: "HubnessReport") -> str:
    """N_k skewness before and after with what it means, then the top hubs of both side by side."""
    before, after = report.skewness_before, report.skewness_after
    return (
        '<div class="wb-hubs"><p>N<sub>k</sub> counts for how many of '
        f"{several(report.queries, 'query/queries')} a document is among the nearest. Its skewness says how unequal "
        "these counts are: 0 is even, high means that a few documents (hubs) answer nearly everything.</p>"
        f'<div class="wb-skew">{skew_html("before", before)}<span class="wb-to">→</span>{skew_html("after", after)}'
        f'<p class="wb-verdict">{escape(verdict(before, after))}</p></div>'
        f'<div class="wb-hublists">{hubs_html("Top hubs before", report.hubs_before, report.queries)}'
        f"{hubs_html('Top hubs after', report.hubs_after, report.queries)}</div></div>"
    )


def skew_html(name: str, skewness: float) -> str:
    return f"<div><small>{name}</small><b>{skewness:.2f}</b><small>{degree(skewness)}</small></div>"


def degree(skewness: float) -> str:
    if skewness >= MANY:
        return "strong hubs"
    return "some hubs" if skewness >= SOME else "hardly any hubs"


def verdict(before: float, after: float) -> str:
    """What the two numbers say, in a sentence."""
    if before < SOME:
        return "There was little to correct: the neighbours were spread evenly already."
    change = (before - after) / before
    if change >= 0.05:
        return f"The query bank takes away {change:.0%} of the skewness."
    if change <= -0.05:
        return f"The query bank makes it worse, by {-change:.0%}: do without it here."
    return "The query bank changes next to nothing here."


def hubs_html(name: str, hubs: Sequence[tuple[int, str, int]], queries: int) -> str:
    """The documents with the highest counts; a click opens one (as `pick` of a listing)."""
    if not hubs:
        return f'<div><h5>{name}</h5><p class="wb-whynote">None.</p></div>'
    rows = "".join(
        f'<li style="--w:{100 * count / max(1, queries):.1f}%"><button type="button" data-act="pick" '
        f'data-ordinal="{int(ordinal)}" title="Open the document"><bdi>{escape(clip(title, 120))}</bdi></button>'
        f'<b title="in the neighbours of {count:,} of {queries:,} queries">{count:,}</b></li>'
        for ordinal, title, count in hubs
    )
    return f"<div><h5>{name}</h5><ol>{rows}</ol></div>"
