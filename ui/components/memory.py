"""The models and indices that searching keeps loaded: what, how large, and how much they may take together."""

from collections.abc import Sequence

from ui.components.figures import several, size
from ui.components.text import clip, escape

MIN_MB, MAX_MB = 64, 1 << 20


def memory_html(entries: Sequence[tuple[str, int]], limit_mb: int) -> str:
    """A panel for a `live` region. `entries`: (name, bytes), last used first. Its actions: `limit` with the
    field `megabytes`, and `unload`.
    """
    used, limit = sum(amount for _, amount in entries), limit_mb << 20
    share = min(100.0, 100.0 * used / max(1, limit))
    full = " wb-nearly" if used > 0.9 * limit else ""
    return (
        '<h2 class="above">In memory for searching</h2><section class="panel wb-memory" data-key="memory"><header>'
        f'<span class="wb-usage"><b>{size(used)}</b> of {size(limit)}</span>'
        f'<span class="meter{full}" role="img" aria-label="{share:.0f} % of the limit is used">'
        f'<i style="width:{share:.1f}%"></i></span>'
        '<span class="row" data-form><label>limit <input type="number" name="megabytes" inputmode="numeric" '
        f'min="{MIN_MB}" max="{MAX_MB}" step="64" value="{limit_mb}"> MB</label>'
        '<button class="btn small" data-do="limit" data-default>Set</button></span>'
        f'<button class="btn small" data-do="unload" data-id="all"{"" if entries else " disabled"} '
        'title="Forget all of them; the next search loads what it needs again">Give back</button></header>'
        f"{entries_html(entries)}</section>"
    )


def entries_html(entries: Sequence[tuple[str, int]]) -> str:
    """A row each, the last used on top, and which of them leaves first."""
    if not entries:
        return (
            '<div class="body dim">Nothing is loaded. The first search with a model loads it, and keeps it here.</div>'
        )
    largest = max(amount for _, amount in entries) or 1
    first = ' <span class="tag">leaves first</span>'
    rows = "".join(
        f'<tr data-key="loaded {escape(clip(name, 300))}"><td class="break">{escape(clip(name, 300))}'
        f"{first if n == len(entries) > 1 else ''}</td>"
        f'<td class="wb-amount"><i style="width:{100 * amount / largest:.0f}%"></i></td>'
        f'<td class="num">{size(amount)}</td></tr>'
        for n, (name, amount) in enumerate(entries, 1)
    )
    count = several(len(entries), "entry/entries")
    return (
        '<table class="grid"><thead><tr><th>Model or index</th><th class="wb-amount"></th>'
        f'<th class="num">Size</th></tr></thead><tbody>{rows}</tbody></table><p class="body dim">{count}, the last '
        "used on top. Beyond the limit the least recently used leaves first; the newest always stays.</p>"
    )
