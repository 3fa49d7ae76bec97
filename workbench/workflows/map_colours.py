"""Colours as bytes: categories and ramps, one byte a point, and colours that stay a value's own in a project.

0 … 99 are categories, `OTHER` the rest of them together, `MISSING` no value (grey). A ramp runs from 0 to `TOP`; the
renderer (`assets/map_colors.mjs`) reads bytes the same way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench import corpora
from workbench.corpora import CorpusInfo
from workbench.db import documents as table
from workbench.db import settings
from workbench.filters import field_value
from workbench.project import Project
from workbench.types import Scalar

NAMED = 100
"""Categories with a colour of their own."""
TOP = 253
OTHER = 254
MISSING = 255
BLOCK = 10_000
TAIL = 0.01
"""Share of the values at either end that a ramp with long tails does not spread over."""
_LABEL = 80

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class LegendEntry:
    """One class: its name, how many documents are of it, its colour (the byte). `value`: what a filter compares."""

    label: str
    count: int
    color: int
    value: Scalar = None


@dataclass(frozen=True)
class Legend:
    """What the bytes of a colouring mean. `kind`: “category” (entries) or “ramp” (0 is `low`, `TOP` is `high`).

    `clipped`: documents outside `low` … `high`, drawn in the colour of the end. `missing`: documents without a value.
    """

    kind: str
    title: str
    entries: list[LegendEntry] = field(default_factory=list)
    low: float = 0.0
    high: float = 0.0
    clipped: int = 0
    missing: int = 0


def legend_values(legend: Legend) -> dict[str, Any]:
    """A legend as plain JSON. `other`, `missing`, `top` are bytes, for the renderer; `unknown` counts the grey."""
    return {**asdict(legend), "other": OTHER, "missing": MISSING, "top": TOP, "unknown": legend.missing}


def category_bytes(numbers: NDArray[np.integer]) -> Bytes:
    """Class numbers, most important first, as colours: 0 … 99 their own, later ones `OTHER`, below 0 `MISSING`."""
    colours = np.minimum(numbers, OTHER).astype(np.int64)
    colours[numbers >= NAMED] = OTHER
    colours[numbers < 0] = MISSING
    kinds: Bytes = colours.astype(np.uint8)
    return kinds


def ramp(values: NDArray[np.floating], title: str, limits: tuple[float, float] | None = None) -> tuple[Bytes, Legend]:
    """Numbers as bytes 0 … `TOP`, linear; NaN and infinity are `MISSING`.

    `limits`: the ends; none: least and greatest, or, where a hundredth at either end would take more than half of the
    ramp, the quantiles that leave them out.
    """
    known = np.isfinite(values)
    low, high = limits or spread(values[known])
    width = high - low
    scaled = (np.where(known, values, low).astype(np.float64) - low) / (width if width > 0 else 1.0)
    colours = np.rint(np.clip(scaled, 0, 1) * TOP).astype(np.uint8)
    colours[~known] = MISSING
    outside = int(np.count_nonzero(known & ((values < low) | (values > high))))
    return colours, Legend("ramp", title, [], float(low), float(high), outside, int(np.count_nonzero(~known)))


def spread(values: NDArray[np.floating]) -> tuple[float, float]:
    """(low, high) of a ramp over finite values."""
    if not values.size:
        return 0.0, 0.0
    low, high = float(values.min()), float(values.max())
    inner = np.quantile(values, [TAIL, 1 - TAIL])
    if inner[1] > inner[0] and inner[1] - inner[0] < (high - low) / 2:
        return float(inner[0]), float(inner[1])
    return low, high


def classes(numbers: NDArray[np.integer], names: Sequence[str], title: str, nothing: str) -> tuple[Bytes, Legend]:
    """Class numbers (below 0: none) as bytes with their legend, in the order of `names`; those without members too."""
    colours = category_bytes(numbers)
    counts = np.bincount(numbers[numbers >= 0], minlength=len(names))
    entries = [LegendEntry(name[:_LABEL], int(counts[n]), n) for n, name in enumerate(names[:NAMED])]
    return colours, with_rest(colours, entries, title, nothing)


def with_rest(colours: Bytes, entries: list[LegendEntry], title: str, nothing: str) -> Legend:
    """A legend of categories with “Other” and the missing ones after them, where there are any."""
    other, missing = (int(np.count_nonzero(colours == each)) for each in (OTHER, MISSING))
    rest = [LegendEntry("Other", other, OTHER)] if other else []
    rest += [LegendEntry(nothing, missing, MISSING)] if missing else []
    return Legend("category", title, [*entries, *rest], missing=missing)


def column_blocks(project: Project, info: CorpusInfo, column: str) -> Iterator[tuple[NDArray[np.int64], list[Scalar]]]:
    """(ordinals, values of a metadata column), block by block, in the corpus's order. Raises `BadInput` on its name."""
    value = field_value(info.columns, column)
    query = sa.select(table.c.ordinal, value).where(table.c.corpus_id == info.id).order_by(table.c.ordinal)
    with project.db.read() as connection:
        for rows in connection.execute(query).partitions(BLOCK):
            yield np.fromiter((row[0] for row in rows), np.int64, len(rows)), [row[1] for row in rows]


def column_numbers(project: Project, info: CorpusInfo, column: str) -> NDArray[np.float64]:
    """(n,) a number column, NaN where a document has no value."""
    found = np.full(info.documents, np.nan)
    for ordinals, values in column_blocks(project, info, column):
        found[ordinals] = [np.nan if value is None else float(value) for value in values]
    return found


def column_keys(project: Project, info: CorpusInfo, column: str) -> NDArray[np.int32]:
    """(n,) int32: equal for documents of equal value in a column, −1 for those without one.

    The values themselves are not kept, only 64 bits of each: a million different ones take 8 MB.
    """
    hashes = np.full(info.documents, -1, np.int64)
    for ordinals, values in column_blocks(project, info, column):
        # Python never hashes to −1, so it can stand for "none".
        hashes[ordinals] = [-1 if value is None else hash(value) for value in values]
    known = hashes != -1
    keys = np.full(info.documents, -1, np.int32)
    keys[known] = np.unique(hashes[known], return_inverse=True)[1]
    return keys


def column_classes(project: Project, info: CorpusInfo, column: str) -> tuple[Bytes, Legend]:
    """A column as categories. The most frequent values have colours of their own, the same ones throughout the project.

    With more than 100 values only those that occur twice or more are named, at most 100; the others are “Other”.
    """
    found = [(value, n) for value, n in corpora.values(project.db, info, column, NAMED + 2) if value is not None]
    if len(found) > NAMED:
        found = [(value, n) for value, n in found[:NAMED] if n > 1]
    colour_of = own_colours(project, f"{info.name}/{column}", [str(value) for value, _ in found])
    bytes_of = {value: colour_of[str(value)] for value, _ in found} | {None: MISSING}
    colours = np.full(info.documents, MISSING, np.uint8)
    for ordinals, values in column_blocks(project, info, column):
        colours[ordinals] = [bytes_of.get(value, OTHER) for value in values]
    entries = [LegendEntry(named(value), n, bytes_of[value], value) for value, n in found]
    return colours, with_rest(colours, entries, column, f"no {column}")


def named(value: Scalar) -> str:
    """A value as the legend writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())[:_LABEL] or "(empty)"


def own_colours(project: Project, name: str, labels: Sequence[str]) -> dict[str, int]:
    """Label → its colour 0 … 99. What a label got once it keeps, in every map and every version of the corpus.

    New labels take the lowest colours that are free. At most 100 labels at a time; where another version used all
    colours up, a label that this one has goes before one that it has not.
    """
    key = f"colours/{name}"
    with project.db.read() as connection:
        known = connection.execute(sa.select(settings.c.value).where(settings.c.name == key)).scalar_one_or_none() or {}
    chosen, fresh = dealt(known, labels)
    if not fresh:
        return chosen
    with project.db.write() as connection:
        # Read again under the lock: a second tab may have been quicker.
        known = connection.execute(sa.select(settings.c.value).where(settings.c.name == key)).scalar_one_or_none() or {}
        chosen, fresh = dealt(known, labels)
        connection.execute(sa.delete(settings).where(settings.c.name == key))
        connection.execute(sa.insert(settings).values(name=key, value={**known, **fresh}))
    return chosen


def dealt(known: Mapping[str, int], labels: Iterable[str]) -> tuple[dict[str, int], dict[str, int]]:
    """(label → colour, those of them that are new). No two of `labels` share one."""
    wanted = list(labels)
    chosen: dict[str, int] = {}
    taken: set[int] = set()
    for label in wanted:
        if label in known and known[label] not in taken:
            chosen[label] = known[label]
            taken.add(known[label])
    everywhere = set(known.values())
    free = [n for n in range(NAMED) if n not in everywhere] + [n for n in range(NAMED) if n in everywhere - taken]
    new = [label for label in wanted if label not in chosen]
    chosen |= dict(zip(new, free, strict=False))
    return chosen, {label: colour for label, colour in chosen.items() if label not in known}
