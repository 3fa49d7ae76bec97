"""Columns of a table: what they are called, what they hold, and which one is the id, the text, the image."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from workbench.types import Scalar

Kind = Literal["integer", "number", "boolean", "text"]
MAX_COLUMNS = 256
"""Metadata columns of one corpus at most; a file with free keys must not grow without end."""

ID_NAMES = (
    "_id",
    "id",
    "doc_id",
    "docid",
    "document_id",
    "doc-id",
    "passage_id",
    "pid",
    "corpus-id",
    "corpus_id",
    "uid",
    "uuid",
    "key",
)
TEXT_NAMES = ("text", "contents", "content", "body", "passage", "document", "document_text", "abstract", "caption",
    "description", "summary", "segment")  # fmt: skip
TITLE_NAMES = ("title", "headline", "heading", "name", "subject")
IMAGE_NAMES = ("image", "image_path", "image_file", "file_name", "filename", "file", "img", "img_path", "picture",
    "photo", "document_image", "path")  # fmt: skip
KNOWN_NAMES = frozenset((*ID_NAMES, *TEXT_NAMES, *TITLE_NAMES, *IMAGE_NAMES))
_IMAGE_VALUE = re.compile(r"\.(png|jpe?g|webp|gif|bmp|tiff?)$", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "false": False}
_UNFIT = re.compile(r"[\x00-\x1f\x7f\"\\\ud800-\udfff]")
KIND_ORDER: tuple[Kind, ...] = ("integer", "number", "boolean", "text")
"""Narrowest first."""
_KINDS: dict[type, Kind] = {int: "integer", float: "number", bool: "boolean", str: "text"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the source: its name, the kind of its values, and the first value as text."""

    name: str
    kind: str
    example: str


def clean_name(name: object) -> str:
    """A column's name without what an SQLite JSON path cannot quote; at most 100 characters, never empty."""
    return _UNFIT.sub("_", str(name).strip())[:100] or "unnamed"


def as_scalar(value: Any) -> Scalar:
    """A metadata value as one scalar: NaN and infinity become None, lists and objects JSON text, dates ISO text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        # SQLite's integers have 64 bits; a longer one would come back rounded.
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return as_scalar(float(value))
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def kind_of(types: Iterable[type]) -> Kind:
    """The kind that holds values of all these Python types; mixed ones are text, integers with floats numbers."""
    kinds = {_KINDS.get(each, "text") for each in types if each is not type(None)}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "text"


def text_kinds(value: str) -> frozenset[Kind]:
    """The kinds a cell of a text table can be read as. “007” and “1e999” are text only."""
    if _INTEGER.fullmatch(value):
        return frozenset(("integer", "number", "text"))
    if value.lower() in _BOOLEANS:
        return frozenset(("boolean", "text"))
    if value and value[-1] in "0123456789" and _NUMBER.fullmatch(value) and math.isfinite(float(value)):
        return frozenset(("number", "text"))
    return frozenset(("text",))


def parse_cell(value: str, kind: Kind) -> Scalar:
    """A cell as its column's kind; an empty one is None. A cell that does not fit its kind stays text."""
    if kind == "text":
        return value or None
    bare = value.strip()
    if not bare:
        return None
    if kind not in text_kinds(bare):
        return value
    if kind == "integer":
        return int(bare)
    return float(bare) if kind == "number" else _BOOLEANS[bare.lower()]


@dataclass(frozen=True, slots=True)
class Fields:
    """Which columns are what. None: there is no such column."""

    id: str | None
    text: str | None
    title: str | None
    image: str | None


def guess_fields(names: list[str], sample: list[Mapping[str, Any]]) -> Fields:
    """The roles of columns from their names and a sample of rows; the text falls back on the longest text column."""
    image = next((name for name in _known(names, IMAGE_NAMES) if _holds_images(name, sample)), None)
    free = [name for name in names if name != image]
    title = next(iter(_known(free, TITLE_NAMES)), None)
    key = next((name for name in _known(free, ID_NAMES) if _holds_ids(name, sample)), None)
    text = next(iter(_known(free, TEXT_NAMES)), None)
    if text is None:
        # Paths, addresses and keys are long too, but hold no spaces.
        worded = [name for name in free if any(" " in str(row.get(name) or "") for row in sample)]
        lengths = {name: _mean_length(name, sample) for name in worded or free if name != key}
        longest = max(lengths, key=lambda name: lengths[name], default=None)
        if longest is not None and lengths[longest] > 0 and (longest != title or image is None):
            text = longest
    return Fields(key, text, title if title != text else None, image)


def _known(names: list[str], candidates: Iterable[str]) -> list[str]:
    lowered = {name.lower(): name for name in reversed(names)}
    return [lowered[candidate] for candidate in candidates if candidate in lowered]


def _holds_images(name: str, sample: list[Mapping[str, Any]]) -> bool:
    values = [row.get(name) for row in sample if row.get(name)]
    return bool(values) and all(isinstance(value, str) and _IMAGE_VALUE.search(value) for value in values)


def _holds_ids(name: str, sample: list[Mapping[str, Any]]) -> bool:
    return any(isinstance(row.get(name), str | int) for row in sample)


def _mean_length(name: str, sample: list[Mapping[str, Any]]) -> float:
    values = [row.get(name) for row in sample]
    texts = [value for value in values if isinstance(value, str)]
    return sum(map(len, texts)) / max(len(values), 1)
