"""The tabs of the Laboratory: which one the address opens, and the links to them."""

from collections.abc import Sequence

from ui.handlers import escape
from ui.session import Place

PATH, FIRST = "/laboratory", "index"


def is_open(place: Place, name: str) -> bool:
    """Whether the address opens the tab `name`; without one it opens the first."""
    return (place.query.get("tab") or FIRST) == name


def tabs_html(place: Place, tabs: Sequence[tuple[str, str]]) -> str:
    """Heading and links; `tabs`: (name, title) of each. An address that names no tab says so."""
    links = "".join(
        f"<a href='{escape(place.link(PATH, tab=name))}'"
        f"{' class=active aria-current=page' if is_open(place, name) else ''}>{escape(title)}</a>"
        for name, title in tabs
    )
    return f"<nav class='lab-tabs' aria-label='Laboratory'><h2>Laboratory · {escape(place.corpus)}</h2>{links}</nav>"
