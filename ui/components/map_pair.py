"""Two maps of the same documents: how far their neighbours agree, and where a document's neighbours went."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ui.components.text import clip, escape

if TYPE_CHECKING:
    from workbench.workflows.map import Displaced, Moved


def most_moved(rows: "Sequence[Displaced]", k: int) -> "list[Displaced]":
    """The neighbours of one document in two spaces, most displaced first.

    One that is missing on a side counts as standing just behind that side's last. Equal ones: by the better rank.
    """

    def key(each: "Displaced") -> tuple[int, int, int]:
        before, after = each.rank_a or k + 1, each.rank_b or k + 1
        return -abs(after - before), min(before, after), each.ordinal

    return sorted(rows, key=key)


def agreement_html(names: tuple[str, str], mean: float, k: int, colored: bool, moves: "Sequence[Moved]") -> str:
    """The line over the table, and the documents that went furthest. `mean`: the shared part of k neighbours."""
    left, right = (escape(clip(name, 40)) for name in names)
    button = (
        ""
        if colored
        else '<button class="btn small" data-do="agree" title="Colour both maps by the share of true neighbours that a '
        'document keeps">colour by agreement</button>'
    )
    rows = "".join(document_row(each, k) for each in moves)
    return (
        f'<section class="wb-pair"><div class="wb-pairhead"><b>{left}</b> and <b>{right}</b> share '
        f'<b class="mono">{100 * mean:.1f}%</b> of the {k} true neighbours of a document on average {button}'
        '<span class="dim">Click a point or a row to follow its neighbours.</span></div>'
        '<div class="scroll"><table class="grid wb-moved"><thead><tr><th>The documents that went furthest</th>'
        '<th class="num" title="Distance between its two places, after one map was turned and scaled onto the other; '
        'the maps are 2 wide">displacement</th><th class="num">neighbours kept</th><th class="num">lost</th>'
        f'<th class="num">gained</th></tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def document_row(each: "Moved", k: int) -> str:
    return (
        f'<tr data-do="open" data-ordinal="{each.ordinal}" data-key="moved {each.ordinal}"><td dir="auto">'
        f'{escape(clip(each.title, 120))}</td><td class="num">{each.displacement:.3f}</td>'
        f'<td class="num">{round(each.overlap * k)} / {k}</td><td class="num">{len(each.lost)}</td>'
        f'<td class="num">{len(each.gained)}</td></tr>'
    )


def went_html(
    title: str, rows: "Sequence[Displaced]", titles: Mapping[int, str], names: tuple[str, str], k: int
) -> str:
    """ "Where did the neighbours of … go?": their ranks in both spaces, most displaced first."""
    left, right = (escape(clip(name, 30)) for name in names)
    kept = sum(each.rank_a is not None and each.rank_b is not None for each in rows)
    body = "".join(went_row(each, titles.get(each.ordinal, ""), k) for each in rows)
    return (
        f'<section class="wb-pair"><div class="wb-pairhead">Where did the neighbours of <b>“{escape(clip(title, 80))}”'
        f'</b> go? <span class="dim">{kept} of {k} are neighbours in both spaces</span></div>'
        f'<div class="scroll"><table class="grid wb-moved"><thead><tr><th>neighbour</th><th class="num">rank in {left}'
        f'</th><th class="num">rank in {right}</th><th class="num">moved</th></tr></thead><tbody>{body}</tbody></table>'
        "</div></section>"
    )


def went_row(each: "Displaced", title: str, k: int) -> str:
    return (
        f'<tr data-do="open" data-ordinal="{each.ordinal}" data-key="went {each.ordinal}"><td dir="auto">'
        f'{escape(clip(title, 120))}</td><td class="num">{rank_text(each.rank_a, k)}</td>'
        f'<td class="num">{rank_text(each.rank_b, k)}</td>'
        f'<td class="num">{step_text(each.rank_a, each.rank_b)}</td></tr>'
    )


def rank_text(rank: int | None, k: int) -> str:
    return f"&gt; {k}" if rank is None else f"{rank:,}"


def step_text(before: int | None, after: int | None) -> str:
    """ "▲ 3" came nearer, "▼ 12" went away, "=" stayed; “new” and “lost” where only one side has it."""
    if before is None or after is None:
        return "new" if before is None else "lost"
    if before == after:
        return "="
    return f"{'▲' if after < before else '▼'} {abs(after - before):,}"
