"""Text of a corpus as safe HTML: escaping, highlighted terms; windows, clamps and pills."""

import re
from collections.abc import Iterable, Mapping, Sequence

import gradio as gr

from ui.handlers import escape, said
from workbench.errors import NotFound
from workbench.types import Scalar

SNIPPET_CHARACTERS = 900
SEARCHED_CHARACTERS = 200_000
"""How far into a text its matches are looked for: a 10 MB document must not be searched to its end."""


def clip(value: object, limit: int) -> str:
    """At most `limit` characters, an ellipsis in place of the rest. Not escaped."""
    text = str(value)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def term_pattern(terms: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern for whole words among `terms`, ignoring case, the longest first; None without terms."""
    words = sorted({term for term in terms if term.strip()}, key=lambda term: (-len(term), term))
    if not words:
        return None
    parts = (f"{_edge(word[0], '(?<!')}{re.escape(word)}{_edge(word[-1], '(?!')}" for word in words)
    return re.compile("|".join(parts), re.IGNORECASE)


def highlight(text: str, pattern: re.Pattern[str] | None) -> str:
    """`text` escaped, its matches of `pattern` inside `<mark>`."""
    if pattern is None:
        return escape(text)
    parts, end = [], 0
    for match in pattern.finditer(text):
        parts += [escape(text[end : match.start()]), f"<mark>{escape(match.group())}</mark>"]
        end = match.end()
    return "".join([*parts, escape(text[end:])])


def snippet(text: str, pattern: re.Pattern[str] | None, limit: int = SNIPPET_CHARACTERS) -> str:
    """A window of `text` of at most `limit` characters with its first match in sight, as one line, not escaped."""
    start = 0
    found = pattern.search(text, 0, SEARCHED_CHARACTERS) if pattern else None
    if found and found.start() > 160:
        cut = text.find(" ", found.start() - 80, found.start())
        start = found.start() - 40 if cut < 0 else cut + 1
    window = " ".join(text[start : start + limit].split())
    return ("… " if start else "") + window + (" …" if start + limit < len(text) else "")


def pills(metadata: Mapping[str, Scalar], limit: int = 4) -> str:
    """The first `limit` filled metadata fields as pills, the number of the others after them."""
    filled = [(name, value) for name, value in metadata.items() if value is not None and value != ""]
    shown = "".join(
        f'<span class="wb-pill" title="{escape(clip(f"{name}: {value}", 300))}">'
        f"<i>{escape(clip(name, 24))}</i> <bdi>{escape(clip(plain(value), 32))}</bdi></span>"
        for name, value in filled[:limit]
    )
    rest = len(filled) - limit
    return shown + (f'<span class="wb-pill wb-rest">+{rest}</span>' if rest > 0 else "")


def tag_pills(tags: Sequence[str], limit: int = 6) -> str:
    """The tags that people gave a document, the number of those beyond `limit` after them."""
    shown = "".join(
        f'<span class="wb-pill wb-tagged" title="Tag {escape(tag)}"><bdi>{escape(clip(tag, 32))}</bdi></span>'
        for tag in tags[:limit]
    )
    return shown + (f'<span class="wb-pill wb-rest">+{len(tags) - limit}</span>' if len(tags) > limit else "")


def plain(value: Scalar) -> str:
    """A metadata value as a person writes it: true/false, no trailing zeros."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


def listed(values: Sequence[str], limit: int = 5) -> str:
    """The first `limit` values with commas, and how many more there are. Not escaped."""
    rest = f" and {len(values) - limit:,} more" if len(values) > limit else ""
    return ", ".join(values[:limit]) + rest


def whole(event: gr.EventData, name: str) -> int:
    """A number the browser sent. Raises `NotFound` on anything else."""
    text = said(event, name)
    if not text.isdecimal() or len(text) > 15:
        raise NotFound(f"There is no document number “{text[:20]}”.", "Reload the page.")
    return int(text)


def _edge(character: str, look: str) -> str:
    # Scripts written without spaces have no word boundaries to ask for.
    return rf"{look}\w)" if character.isalnum() and ord(character) < 0x2E80 else ""
