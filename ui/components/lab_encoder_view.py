"""The address of the Laboratory's encoder tab, read: which query set, which quality, where the thresholds stand."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ui.session import Place

PATH, TAB = "/laboratory", "encoders"
QUALITIES = ("ndcg", "recall")
LONGEST = 4000


@dataclass(frozen=True)
class EncoderLabView:
    """`query_set`: None where the address names none, "" for documents that ask. `at`: encoder → chosen threshold."""

    query_set: str | None = None
    quality: str = "ndcg"
    at: Mapping[str, float] = field(default_factory=dict)

    def link(self, place: Place) -> str:
        """The tab's address; what is at its default is left out."""
        # A parameter without a value would be left out, and mean the default set.
        chosen = "" if self.query_set is None else self.query_set or "-"
        values = {"tab": TAB, "set": chosen, "y": "" if self.quality == QUALITIES[0] else self.quality}
        return place.link(PATH, **values, at=json.dumps(dict(self.at), ensure_ascii=False) if self.at else "")


def read_encoder_lab_view(values: Mapping[str, str]) -> EncoderLabView:
    """The view an address asks for; what cannot be read is at its default."""
    chosen, quality = values.get("set", ""), values.get("y", "")
    return EncoderLabView(
        None if not chosen else "" if chosen == "-" else chosen[:200],
        quality if quality in QUALITIES else QUALITIES[0],
        _thresholds(values.get("at", "")[:LONGEST]),
    )


def _thresholds(text: str) -> dict[str, float]:
    try:
        found: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    numbers = {str(name): value for name, value in found.items() if isinstance(value, int | float)}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}
