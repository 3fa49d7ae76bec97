"""What the Map page shows, as a part of its address and back: a link reproduces the picture."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ui.components.address import Column, columns_values, read_columns
from ui.components.filters_text import filters_text, read_filters, whole_in
from ui.session import Place
from workbench.errors import BadInput
from workbench.types import Filter

CLUSTER = "cluster"
NO_SET = "-"
"""In the place of a query set: no judged marks, though the query is one of a set."""
HITS = 10
MAX_HITS = 100
MAX_SHAPES = 100
UNITS = 1_000_000
"""Corners are kept in millionths of the map's half width: finer than a pixel at the closest look."""
STEPS = MappingProxyType({"a": "add", "r": "remove"})
SHAPE = re.compile(r"([arAR])((?:_-?\d{1,8}){6,200})")

Shape = Mapping[str, Any]
"""{"polygon": [[x, y], …], "step": “add” or “remove”, "second": drawn on the second map}. A box has four corners."""


@dataclass(frozen=True)
class MapView:
    """The map and everything chosen on it.

    `other` is the second map; `hidden` the colours of the legend that are switched off; `pick` the ordinal of the open
    document, −1 for none; `shapes` what was drawn, in order; `problem` the list of problems that is selected instead;
    `listed` whether the first of the selection are listed; `space` whether the left map is shown in three dimensions.
    `query_set` and `query_id`: the query whose judged documents are marked; none: that whose text was typed; `NO_SET`:
    none at all.
    `judge`: whether the rows beside the map are judged. `told` says what of an address could not be read.
    """

    map: str = ""
    other: str = ""
    color: str = CLUSTER
    hidden: tuple[int, ...] = ()
    text: str = ""
    filters: tuple[Filter, ...] = ()
    query: str = ""
    image: str = ""
    column: Column | None = None
    k: int = HITS
    pick: int = -1
    shapes: tuple[Shape, ...] = field(default=())
    problem: str = ""
    listed: bool = False
    query_set: str = ""
    query_id: str = ""
    judge: bool = False
    space: bool = False
    told: str = ""

    @property
    def asks(self) -> bool:
        return bool(self.query or self.image)

    @property
    def narrowed(self) -> bool:
        """Whether some documents are dimmed by words or filters."""
        return bool(self.text or self.filters)

    def values(self) -> dict[str, str]:
        """The parameters of its address; what is at its default is left out."""
        found = {
            "map": self.map,
            "with": self.other,
            "color": "" if self.color == CLUSTER else self.color,
            "hide": ".".join(map(str, self.hidden)),
            "text": self.text,
            "filters": filters_text(self.filters) if self.filters else "",
            "q": self.query,
            "image": self.image,
            **(columns_values([self.column]) if self.column else {}),
            "k": str(self.k) if self.k != HITS else "",
            "doc": str(self.pick) if self.pick >= 0 else "",
            "sel": shapes_text(self.shapes),
            "problem": self.problem,
            "list": "1" if self.listed else "",
            "qset": self.query_set,
            "qid": self.query_id,
            "judge": "1" if self.judge else "",
            "space": "1" if self.space else "",
        }
        return {name: value for name, value in found.items() if value}

    def link(self, place: Place) -> str:
        """The page's address for this view."""
        return place.link("/map", **self.values())


def asked_anew(view: MapView) -> MapView:
    """The view before another query: the judged one that was chosen is meant no longer."""
    return replace(view, query_set="", query_id="")


def read_map_view(query: Mapping[str, str]) -> MapView:
    """The view an address asks for; parts that cannot be read are at their default, and `told` says which."""
    told, column = "", None
    try:
        column = next(iter(read_columns(query)), None)
    except BadInput as error:
        told = f"The link's pipeline could not be read: {error.message}"
    shapes = read_shapes(query.get("sel", ""))
    if query.get("sel") and not shapes:
        told = "The link's selection could not be read: draw it again."
    hidden = {whole_in(part, -1) for part in query.get("hide", "").split(".")[:256]}
    return MapView(
        map=query.get("map", "")[:100],
        other=query.get("with", "")[:100],
        color=query.get("color", "")[:200] or CLUSTER,
        hidden=tuple(sorted(each for each in hidden if 0 <= each <= 255)),
        text=query.get("text", "")[:1000],
        filters=read_filters(query.get("filters", "")),
        query=query.get("q", "")[:10_000],
        image=query.get("image", "")[:100],
        column=column,
        k=min(MAX_HITS, max(1, whole_in(query.get("k", ""), HITS))),
        pick=max(-1, whole_in(query.get("doc", ""), -1)),
        shapes=shapes,
        problem=query.get("problem", "")[:200],
        listed=query.get("list", "") == "1",
        query_set=query.get("qset", "")[:200],
        query_id=query.get("qid", "")[:500],
        judge=query.get("judge", "") == "1",
        space=query.get("space", "") == "1",
        told=told,
    )


def shapes_text(shapes: Sequence[Shape]) -> str:
    """ "a_1200_-300_…~r_…": step and corners of each shape; only characters that an address keeps as they are."""
    parts = []
    for shape in shapes:
        letter = next(letter for letter, name in STEPS.items() if name == shape.get("step", "add"))
        letter = letter.upper() if shape.get("second") else letter
        parts.append(letter + "".join(f"_{round(each * UNITS)}" for corner in shape["polygon"] for each in corner))
    return "~".join(parts)


def read_shapes(text: str) -> tuple[Shape, ...]:
    """The shapes in `text` as `shapes_text` wrote them; empty where any of them cannot be read."""
    found = []
    for part in text.split("~") if text else []:
        match = SHAPE.fullmatch(part)
        numbers = [int(each) / UNITS for each in match[2].split("_")[1:]] if match else []
        if match is None or len(numbers) % 2:
            return ()
        polygon = [[x, y] for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
        found.append({"polygon": polygon, "step": STEPS[match[1].lower()], "second": match[1].isupper()})
    return tuple(found) if len(found) <= MAX_SHAPES else ()


def with_shape(shapes: Sequence[Shape], step: str, polygon: object, second: bool = False) -> tuple[Shape, ...]:
    """The shapes after another was drawn, as they will stand in the address; “replace” begins anew.

    Two corners are those of a box. Raises `BadInput` on anything but a shape.
    """
    corners = polygon if isinstance(polygon, list) else []
    good = [
        [round(float(x) * UNITS) / UNITS for x in pair]
        for pair in corners
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(x, int | float) and abs(x) < 90 for x in pair)
    ]
    if len(good) == len(corners) == 2:
        (x0, y0), (x1, y1) = good
        corners = good = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
    if step not in ("replace", *STEPS.values()) or len(good) != len(corners) or not 3 <= len(good) <= 100:
        raise BadInput("The selection cannot be read.", "Draw it again.")
    if len(shapes) >= MAX_SHAPES and step != "replace":
        raise BadInput(f"The selection has {MAX_SHAPES} shapes.", "Clear it, and draw fewer.")
    shape = {"polygon": good, "step": "add" if step == "replace" else step, "second": second}
    return (shape,) if step == "replace" else (*shapes, shape)
