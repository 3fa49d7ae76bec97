"""Every setting a person can choose, as frozen dataclasses: range, choices and help live in the field metadata.

`ui/forms.py` draws a form from a spec and the command line its options; the canonical JSON of a spec is part of the
fingerprint of what it made.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any, Self

from workbench.errors import BadInput


def knob(default: Any, help: str, **limits: Any) -> Any:
    """A dataclass field with its help line and limits: `low`, `high`, `choices`, `advanced`."""
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class Spec:
    """Base of all specs: checks limits when made, converts to and from plain JSON."""

    def __post_init__(self) -> None:
        for item in fields(self):
            check_limits(type(self).__name__, item, getattr(self, item.name))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raises `BadInput` on an unknown or a missing field, naming the closest."""
        known = {item.name: item for item in fields(cls)}
        for name in values:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean “{close[0]}”?" if close else f"Fields: {', '.join(known)}."
                raise BadInput(f"{cls.__name__} has no field “{name}”.", hint)
        for name, item in known.items():
            if name not in values and item.default is MISSING and item.default_factory is MISSING:
                raise BadInput(f"{cls.__name__} needs the field “{name}”.")
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def family_spec(noun: str, families: Mapping[str, type[Any]], values: Mapping[str, Any]) -> Any:
    """The spec of the family that `kind` names; of the first one where it is left out. Raises `BadInput`."""
    kind = str(values.get("kind", next(iter(families))))
    if kind not in families:
        raise BadInput(f"There is no {noun} family “{kind}”.", f"Families: {', '.join(families)}.")
    return families[kind].from_dict(values)


def check_limits(owner: str, item: Field[Any], value: Any) -> None:
    """Raise `BadInput` where a value lies outside its field's `choices`, `low` or `high`."""
    limits = item.metadata
    if value is None:
        return
    if "choices" in limits and value not in limits["choices"]:
        choices = ", ".join(map(str, limits["choices"]))
        raise BadInput(f"{owner}.{item.name} is “{value}”.", f"Choose one of: {choices}.")
    if "low" in limits or "high" in limits:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise BadInput(f"{owner}.{item.name} is “{value}”, which is not a number.")
        low, high = limits.get("low", float("-inf")), limits.get("high", float("inf"))
        if not low <= value <= high:
            raise BadInput(f"{owner}.{item.name} is {value}.", f"It must lie between {low} and {high}.")


def canonical_json(value: Any) -> str:
    """One text for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(*parts: Any) -> str:
    """24 hex digits of the sha256 of the canonical JSON of `parts`."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:24]
