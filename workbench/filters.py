"""Conditions on documents as SQL: metadata, subsets, tags and full-text search, every value a bound parameter.

The field `@subset` holds the names of the subsets a document is in, `@tag` those of its tags; both know = != in.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from workbench.db import documents, subsets, tags
from workbench.errors import BadInput
from workbench.registry import unknown_name
from workbench.subsets import FIELDS, names_of
from workbench.types import Filter, Scalar

BUILT_IN = ("doc_id", "title")
"""Fields of every document that filters know beside the corpus's own columns."""
_COMPARE = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
OPERATORS = ("=", "!=", *_COMPARE, "in", "contains")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# SQLite cannot turn a byte of a blob into a number; its place in the blob of all bytes is the number plus one.
_BYTES = bytes(range(256))
# Scripts written without spaces: FTS5's tokenizer takes a whole run of them as one word.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


def conditions(
    corpus_id: int, columns: Mapping[str, str], filters: Iterable[Filter] = (), text: str = ""
) -> list[sa.ColumnElement[bool]]:
    """The conditions a document must meet: it is of the corpus, passes each filter, and contains every word of `text`.

    Raises `BadInput` on an unknown field or operator, or a value that does not fit the column's kind.
    """
    mine = documents.c.corpus_id == corpus_id
    return [mine, *(_condition(corpus_id, columns, each) for each in filters), *_full_text(text)]


def field_value(columns: Mapping[str, str], name: str) -> sa.ColumnElement[Any]:
    """The SQL value of a field. Raises `BadInput` listing the fields."""
    if name in columns:
        # A bound JSON path: the name is quoted in it, and names hold no quotes (`columns.clean_name`).
        return sa.func.json_extract(documents.c.metadata, f'$."{name}"')
    if name in BUILT_IN:
        return documents.c[name]
    error = unknown_name("field", name, [*columns, *BUILT_IN])
    raise BadInput(error.message, error.hint)


def _in_sets(corpus_id: int, item: Filter) -> sa.ColumnElement[bool]:
    """Whether the document's bit is set in any of the sets that are named; in none of them for “!=”."""
    if item.op not in ("=", "!=", "in"):
        raise BadInput(f"There is no condition “{item.op}” on {item.field}.", "Choose one of: = != in.")
    table = subsets if FIELDS[item.field] == "subset" else tags
    place, bit = documents.c.ordinal // 8 + 1, documents.c.ordinal % 8
    found: list[sa.ColumnElement[bool]] = []
    for name in names_of(item):
        # Uncorrelated: SQLite reads the blob once, not once a document.
        packed = sa.select(table.c.members).where(table.c.corpus_id == corpus_id, table.c.name == name)
        byte = sa.func.instr(sa.literal(_BYTES, sa.LargeBinary), sa.func.substr(packed.scalar_subquery(), place, 1)) - 1
        found.append(sa.func.coalesce(byte.bitwise_rshift(bit).bitwise_and(1), 0) == 1)
    among = sa.or_(sa.false(), *found)
    return sa.not_(among) if item.op == "!=" else among


def _condition(corpus_id: int, columns: Mapping[str, str], item: Filter) -> sa.ColumnElement[bool]:
    if item.field in FIELDS:
        return _in_sets(corpus_id, item)
    value = field_value(columns, item.field)
    kind = columns.get(item.field, "text")
    if item.op not in OPERATORS:
        raise BadInput(f"There is no condition “{item.op}”.", f"Choose one of: {' '.join(OPERATORS)}.")
    if item.op == "in":
        given = item.value if isinstance(item.value, tuple | list) else (item.value,)
        wanted = [_fit(item.field, kind, each) for each in given]
        # One parameter however many values there are.
        return value.in_(sa.select(sa.func.json_each(json.dumps(wanted)).table_valued("value").c.value))
    if isinstance(item.value, tuple | list):
        raise BadInput(f"The condition “{item.op}” on “{item.field}” takes one value.", "Use “in” for several.")
    if item.op == "contains":
        if kind != "text":
            raise BadInput(f"“{item.field}” holds {kind} values.", "“contains” works on text; use = < or >.")
        return sa.func.instr(sa.func.lower(value), sa.func.lower(str(item.value))) > 0
    wanted_value = None if item.value is None else _fit(item.field, kind, item.value)
    if item.op == "=":
        return value.is_(None) if wanted_value is None else value == wanted_value
    if item.op == "!=":
        # A document without the field is not equal either.
        return value.is_not(None) if wanted_value is None else value.is_distinct_from(wanted_value)
    if wanted_value is None:
        raise BadInput(f"The condition “{item.op}” on “{item.field}” needs a value.")
    found: sa.ColumnElement[bool] = _COMPARE[item.op](value, sa.literal(wanted_value))
    return found


def _fit(field: str, kind: str, value: Scalar) -> Scalar:
    """`value` as the column's kind (a form gives text). Raises `BadInput` where it does not fit."""
    if value is None or kind == "text":
        return None if value is None else str(value)
    if kind == "boolean":
        known = _WORDS.get(str(value).strip().lower())
        if known is None:
            raise BadInput(f"“{value}” is neither true nor false.", f"“{field}” holds true and false.")
        return known
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if number != number or isinstance(value, bool):
        raise BadInput(f"“{value}” is not a number.", f"“{field}” holds {kind} values.")
    if number.is_integer() and abs(number) < 2**63:
        return int(value) if isinstance(value, int) or str(value).strip().lstrip("+-").isdigit() else int(number)
    return number


def _full_text(text: str) -> list[sa.ColumnElement[bool]]:
    """One condition for the words FTS5 can look up, one for each it cannot (unspaced scripts, punctuation)."""
    words = text.replace("\0", " ").split()
    plain = [word for word in words if any(map(str.isalnum, word)) and not _UNSPACED.search(word)]
    found: list[sa.ColumnElement[bool]] = []
    if plain:
        # Quoted, a word is text to FTS5, never an operator or a column name.
        quoted = " ".join('"' + word.replace('"', '""') + '"' for word in plain)
        match = sa.text("SELECT rowid FROM documents_fts WHERE documents_fts MATCH :words").bindparams(words=quoted)
        found.append(documents.c.id.in_(match))
    for word in words:
        if word not in plain:
            place = sa.func.instr(documents.c.text, word) + sa.func.instr(documents.c.title, word)
            found.append(place > 0)
    return found
