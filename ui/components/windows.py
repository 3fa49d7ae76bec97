"""What a listwise reranker asked and was told, window by window, and what of its answers had to be mended."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui.components.text import escape

if TYPE_CHECKING:
    from workbench.workflows.stages import Window

SHOWN_CHARACTERS = 20_000
"""Of one prompt: a model's context is longer than what anyone reads here."""
LONG = 600
"""Characters beyond which a text begins clipped."""
OPEN_WINDOWS = 1
"""How many windows begin unfolded."""


def windows_html(windows: Sequence["Window"]) -> str:
    """The inspector: a head that counts the repairs, then each window in the order it was asked. "" without windows."""
    if not windows:
        return ""
    items = "".join(window_html(n, each, n <= OPEN_WINDOWS) for n, each in enumerate(windows, 1))
    mended = sum(bool(each.repairs) for each in windows)
    state = "warn" if mended else "good"
    return (
        f'<div class="wb-windows"><header><h4>Windows of the listwise reranker</h4>'
        f'<span class="tag {state}">{escape(head_text(windows))}</span></header>{items}</div>'
    )


def head_text(windows: Sequence["Window"]) -> str:
    """ "3 of 9 answers repaired: 2 missing documents, 1 wrong form", or that none had to be."""
    mended = sum(bool(each.repairs) for each in windows)
    answers = f"{len(windows):,} answer" + ("" if len(windows) == 1 else "s")
    if not mended:
        return f"{answers}, none repaired"
    counts = Counter(repair for each in windows for repair in each.repairs)
    named = ", ".join(f"{count:,} {repair}" for repair, count in counts.most_common())
    return f"{mended:,} of {answers} repaired: {named}"


def window_html(n: int, window: "Window", unfolded: bool) -> str:
    repairs = "".join(f'<span class="tag warn">{escape(each)}</span>' for each in window.repairs)
    state = repairs or '<span class="tag good">as answered</span>'
    return (
        f'<details class="wb-window"{" open" if unfolded else ""}><summary><b>{n}</b> ranks '
        f"{window.start + 1:,}–{window.stop:,} {state}</summary>"
        f"{order_html(window)}{text_html('Prompt', window.prompt)}{text_html('Answer', window.answer)}</details>"
    )


def order_html(window: "Window") -> str:
    """The new order: each place with the rank that its document came from; ▲ rose, ▼ fell."""
    came = [window.start + 1 + each for each in window.order]
    steps = "".join(step_html(rank, place) for place, rank in enumerate(came, window.start + 1))
    return (
        "<h5>New order: the place, and under it the rank the document had before</h5>"
        f'<div class="wb-orders">{steps}</div>'
    )


def step_html(rank: int, place: int) -> str:
    """The document that stood at `rank` and now stands at `place`."""
    if rank == place:
        return f'<span title="stays at {rank:,}"><small>{place:,}</small><b>{rank:,}</b></span>'
    kind, sign = ("wb-rose", "▲") if place < rank else ("wb-fell", "▼")
    return (
        f'<span class="{kind}" title="from {rank:,} to {place:,}"><small>{place:,}</small>'
        f"<b>{rank:,}<i>{sign}</i></b></span>"
    )


def text_html(name: str, text: str) -> str:
    """A prompt or answer as it was, clipped where it is long."""
    if not text:
        return f'<h5>{name}</h5><p class="wb-whynote">(empty)</p>'
    shown = escape(text[:SHOWN_CHARACTERS])
    rest = len(text) - SHOWN_CHARACTERS
    if rest > 0:
        shown += f"\n… {rest:,} more characters"
    body = f'<pre dir="auto">{shown}</pre>'
    length = f"<small>{len(text):,} characters</small>"
    if len(text) > LONG or text.count("\n") > 11:
        button = (
            '<button type="button" class="btn small" data-unclip="show all" aria-expanded="false">show all</button>'
        )
        body = f'<div class="wb-clipped">{body}{button}</div>'
    return f"<h5>{name} {length}</h5>{body}"
