"""What a search shows, as a part of the page's address and back: a link reproduces the view."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any
from urllib.parse import parse_qsl

from ui.components.filters_text import filters_text, number_in, read_filters, whole_in
from ui.session import Place
from workbench.errors import BadInput
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.specs.base import Spec
from workbench.types import Filter

MAX_K = 1000
MAX_COLUMNS = 4
SETTINGS = ("nprobe", "ef_search", "k_factor")
"""Fields of `RetrieverSpec` that only some indices know."""


@dataclass(frozen=True)
class Column:
    """One column of a comparison: its pipeline, and the name it was saved under (empty: never, or changed since)."""

    pipeline: PipelineSpec
    name: str = ""

    @property
    def encoder(self) -> str:
        """The encoder in whose space neighbours are shown: the first that is not BM25, which knows words only."""
        names = [each.encoder for each in self.pipeline.retrievers]
        return next((name for name in names if name != "bm25"), names[0])


@dataclass(frozen=True)
class View:
    """A search in one to four columns.

    `like` is the ordinal whose neighbours are shown, -1 for a query; in `space`, where given, else in that of each
    column's first encoder. `image` is the id of a stored picture or “doc:ordinal”; `alpha` its share beside a text,
    None for the model's own sum. `at` is the place in the query set that the query was taken from, -1 for none.
    `judge`: whether the hits are judged here.
    `map`: 0 while the map is closed, else the number of the column, from 1, whose hits it shows.
    `problem` says what of an address could not be read.
    """

    query: str = ""
    columns: tuple[Column, ...] = ()
    k: int = 10
    filters: tuple[Filter, ...] = ()
    like: int = -1
    space: str = ""
    image: str = ""
    alpha: float | None = None
    query_set: str = ""
    at: int = -1
    judge: bool = False
    map: int = 0
    problem: str = ""

    @property
    def asks(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.query or self.image or self.like >= 0)

    def values(self) -> dict[str, str]:
        """The parameters of its address; what is at its default is left out."""
        found = {"q": self.query, **columns_values(self.columns), "image": self.image, "set": self.query_set}
        if self.k != 10:
            found["k"] = str(self.k)
        if self.filters:
            found["filters"] = filters_text(self.filters)
        if self.like >= 0:
            found |= {"like": str(self.like), "space": self.space}
        if self.alpha is not None:
            found["alpha"] = f"{self.alpha:g}"
        if self.query_set and self.at >= 0:
            found["at"] = str(self.at + 1)
        if self.map:
            found["map"] = str(self.map)
        if self.judge:
            found["judge"] = "1"
        return {name: value for name, value in found.items() if value}

    def link(self, place: Place) -> str:
        """The page's address for this view."""
        return place.link("/search", **self.values())


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
    offset = min(max(0, whole_in(query.get("offset", ""), 0)), 10**12)
    return Browse(query.get("text", "")[:1000], read_filters(query.get("filters", "")), offset)


def read_view(query: Mapping[str, str]) -> View:
    """The view an address asks for; parts that cannot be read are at their default, wrong columns are told."""
    problem, columns = "", ()
    try:
        columns = read_columns(query)
    except BadInput as error:
        problem = f"The link's columns could not be read: {error.message} {error.hint}".strip()
    alpha = number_in(query.get("alpha", ""))
    return View(
        query=query.get("q", "")[:10_000],
        columns=columns,
        k=min(MAX_K, max(1, whole_in(query.get("k", ""), 10))),
        filters=read_filters(query.get("filters", "")),
        like=max(-1, whole_in(query.get("like", ""), -1)),
        space=query.get("space", ""),
        image=query.get("image", "")[:100],
        alpha=None if alpha is None else min(1.0, max(0.0, alpha)),
        query_set=query.get("set", ""),
        at=max(-1, whole_in(query.get("at", ""), 0) - 1),
        map=min(MAX_COLUMNS, max(0, whole_in(query.get("map", ""), 0))),
        judge=query.get("judge", "") == "1",
        problem=problem,
    )


def parse_link(link: str) -> dict[str, str]:
    """The parameters of an address of ours."""
    return dict(parse_qsl(link.partition("?")[2].partition("#")[0]))


def columns_values(columns: Sequence[Column]) -> dict[str, str]:
    """Address parameters of the columns: one plain retriever by its names, all else as JSON in `cols`."""
    if len(columns) == 1 and (plain := plain_values(columns[0])):
        return plain
    return {"cols": columns_text(columns)} if columns else {}


def plain_values(column: Column) -> dict[str, str]:
    """`encoder`, `index` and settings of a column that has nothing else; empty where it has."""
    pipeline, first = column.pipeline, differing(column.pipeline.retrievers[0])
    known = {"encoder", "index", *SETTINGS}
    if column.name or set(differing(pipeline)) != {"retrievers"} or len(pipeline.retrievers) > 1 or set(first) - known:
        return {}
    settings = {name: f"{first[name]:g}" for name in SETTINGS if name in first}
    return {"encoder": column.encoder, "index": pipeline.retrievers[0].index, **settings}


def columns_text(columns: Sequence[Column]) -> str:
    """JSON: a list of pipelines, each with its `name` where it was saved."""
    found = [({"name": each.name} if each.name else {}) | differing(each.pipeline) for each in columns]
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def read_columns(query: Mapping[str, str]) -> tuple[Column, ...]:
    """The columns an address names, at most four. Raises `BadInput` on a pipeline that is none."""
    if text := query.get("cols", ""):
        try:
            entries = json.loads(text)
        except ValueError:
            entries = None
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise BadInput("“cols” is not a list of pipelines.", "Ask for the link again.")
        return tuple(read_column(each) for each in entries[:MAX_COLUMNS])
    encoder = query.get("encoder", "")
    settings = {name: value for name in SETTINGS if (value := number_in(query.get(name, ""))) is not None}
    settings = {name: value if name == "k_factor" else int(value) for name, value in settings.items()}
    retriever = RetrieverSpec.from_dict({"encoder": encoder, "index": query.get("index") or "exact", **settings})
    return (Column(PipelineSpec((retriever,))),) if encoder else ()


def read_column(values: Mapping[str, Any]) -> Column:
    """A column of `cols`. Raises `BadInput`."""
    pipeline = {name: value for name, value in values.items() if name != "name"}
    return Column(PipelineSpec.from_dict(pipeline), str(values.get("name", ""))[:200])


def differing(spec: Spec) -> dict[str, Any]:
    """The fields of a spec that are not at their default, as plain JSON; a fusion's method and a reranker's name are
    always among them."""
    found: dict[str, Any] = {}
    for item in fields(spec):
        value = getattr(spec, item.name)
        if is_dataclass(value) and isinstance(value, Spec):
            found[item.name] = differing(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Spec):
            found[item.name] = [differing(each) for each in value]
        elif value not in (item.default, {}) or item.name in ("method", "name"):
            found[item.name] = list(value) if isinstance(value, tuple) else value
    return found


def knobs_of(factory: str) -> tuple[str, ...]:
    """The search settings that an index of this factory string knows."""
    signs = {"nprobe": ("IVF", "HI2_"), "ef_search": ("HNSW",), "k_factor": ("Refine", "RFlat", "Verify")}
    return tuple(name for name, known in signs.items() if any(sign in factory for sign in known))
