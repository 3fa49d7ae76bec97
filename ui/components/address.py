"""What a search shows, as a part of the page's address and back: a link reproduces the view."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ui.session import Place
from workbench.errors import BadInput
from workbench.types import Filter, Scalar

OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "in", "contains")
MAX_K = 1000
SETTINGS = ("nprobe", "ef_search", "k_factor")
"""Fields of `RetrieverSpec` that only some indices know."""


@dataclass(frozen=True)
class View:
    """A search: `like` is the ordinal whose neighbours are shown, -1 for a query."""

    query: str = ""
    encoder: str = ""
    index: str = ""
    k: int = 10
    filters: tuple[Filter, ...] = ()
    like: int = -1
    settings: Mapping[str, float] | None = None

    def link(self, place: Place) -> str:
        """The page's address for this view; what is at its default is left out."""
        values = {"q": self.query, "encoder": self.encoder, "index": self.index}
        if self.k != 10:
            values["k"] = str(self.k)
        if self.filters:
            values["filters"] = filters_text(self.filters)
        if self.like >= 0:
            values["like"] = str(self.like)
        for name, value in (self.settings or {}).items():
            values[name] = f"{value:g}"
        return place.link("/search", **values)


@dataclass(frozen=True)
class Browse:
    """A part of a corpus: documents that hold the words of `text` and fit the filters, from `offset` on."""

    text: str = ""
    filters: tuple[Filter, ...] = ()
    offset: int = 0

    def link(self, place: Place) -> str:
        """The Corpus page's address for this part."""
        offset = str(self.offset) if self.offset else ""
        filters = filters_text(self.filters) if self.filters else ""
        return place.link("/corpus", text=self.text, filters=filters, offset=offset)


def read_browse(query: Mapping[str, str]) -> Browse:
    """The part of a corpus that an address asks for; what cannot be read is at its default."""
    offset = min(max(0, _whole(query.get("offset", ""), 0)), 10**12)
    return Browse(query.get("text", "")[:1000], read_filters(query.get("filters", "")), offset)


def read_view(query: Mapping[str, str]) -> View:
    """The view an address asks for; parts that cannot be read are at their default."""
    settings = {name: value for name in SETTINGS if (value := _number(query.get(name, ""))) is not None}
    return View(
        query=query.get("q", "")[:10_000],
        encoder=query.get("encoder", ""),
        index=query.get("index", ""),
        k=min(MAX_K, max(1, _whole(query.get("k", ""), 10))),
        filters=read_filters(query.get("filters", "")),
        like=max(-1, _whole(query.get("like", ""), -1)),
        settings=settings,
    )


def parse_link(link: str) -> dict[str, str]:
    """The parameters of an address of ours."""
    return dict(parse_qsl(link.partition("?")[2].partition("#")[0]))


def filters_text(filters: Sequence[Filter]) -> str:
    """JSON: a list of [field, operator, value]."""
    return json.dumps(
        [[each.field, each.op, each.value] for each in filters], ensure_ascii=False, separators=(",", ":")
    )


def read_filters(text: str) -> tuple[Filter, ...]:
    """The filters in `text` as `filters_text` wrote them; entries of another form are left out."""
    try:
        entries = json.loads(text) if text else []
    except ValueError:
        return ()
    if not isinstance(entries, list):
        return ()
    return tuple(
        Filter(entry[0], entry[1], tuple(entry[2]) if isinstance(entry[2], list) else entry[2])
        for entry in entries
        if isinstance(entry, list) and len(entry) == 3 and isinstance(entry[0], str) and entry[1] in OPERATORS
    )


def make_filter(field: str, op: str, text: str, kind: str) -> Filter:
    """A filter from what a person typed: numbers for number columns, several values after `in`, split at commas."""
    if op == "in":
        return Filter(field, op, tuple(_typed(part.strip(), kind) for part in text.split(",") if part.strip()))
    return Filter(field, op, _typed(text.strip(), "text" if op == "contains" else kind))


def filter_label(filter: Filter) -> str:
    """ "year >= 2000". Not escaped."""
    value = ", ".join(map(str, filter.value)) if isinstance(filter.value, tuple) else str(filter.value)
    return f"{filter.field} {filter.op} {value}"


def knobs_of(factory: str) -> tuple[str, ...]:
    """The search settings that an index of this factory string knows."""
    signs = {"nprobe": "IVF", "ef_search": "HNSW", "k_factor": "Refine", "": "RFlat"}
    return tuple(name or "k_factor" for name, sign in signs.items() if sign in factory)


def _typed(text: str, kind: str) -> Scalar:
    if kind == "boolean" and text.lower() in ("true", "false", "yes", "no", "1", "0"):
        return text.lower() in ("true", "yes", "1")
    if kind not in ("integer", "number"):
        return text
    number = _number(text)
    if number is None:
        raise BadInput(f"“{text[:60]}” is not a number, and this column holds numbers.", "Write a number.")
    return int(number) if kind == "integer" and number.is_integer() else number


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None


def _whole(text: str, default: int) -> int:
    try:
        return int(text)
    except ValueError:
        return default
