"""Markdown that people write, as safe HTML: no raw HTML, no pictures (they would be loaded from outside)."""

from functools import cache

from markdown_it import MarkdownIt


@cache
def _renderer() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").disable(["image", "html_block"])


def markdown_html(text: str) -> str:
    """`text` as HTML: headings, lists, tables, emphasis, code and links; markup in it is shown, not followed."""
    return str(_renderer().render(text))
