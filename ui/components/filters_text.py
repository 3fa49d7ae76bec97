"""Filters as a part of an address and back, and from what a person typed."""

import json
from collections.abc import Sequence

from workbench.errors import BadInput
from workbench.types import Filter, Scalar

OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "in", "contains")


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
    """ "year >= 2000", "subset river", "not tag odd". Not escaped."""
    value = ", ".join(map(str, filter.value)) if isinstance(filter.value, tuple) else str(filter.value)
    if filter.field in ("@subset", "@tag"):
        return f"{'not ' if filter.op == '!=' else ''}{filter.field[1:]} {value}"
    return f"{filter.field} {filter.op} {value}"


def number_in(text: str) -> float | None:
    """The number `text` is, None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None


def whole_in(text: str, default: int) -> int:
    """The whole number `text` is, else `default`."""
    try:
        return int(text)
    except ValueError:
        return default


def _typed(text: str, kind: str) -> Scalar:
    if kind == "boolean" and text.lower() in ("true", "false", "yes", "no", "1", "0"):
        return text.lower() in ("true", "yes", "1")
    if kind not in ("integer", "number"):
        return text
    number = number_in(text)
    if number is None:
        raise BadInput(f"“{text[:60]}” is not a number, and this column holds numbers.", "Write a number.")
    return int(number) if kind == "integer" and number.is_integer() else number
