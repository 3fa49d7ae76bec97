"""The address of the Review page, read: which part, of which sets, by whom, from where."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from workbench.errors import BadInput
from workbench.workflows.judging import PEOPLE, Judge
from workbench.workflows.reviewing import STATES

PARTS = MappingProxyType(
    {
        "suspects": "Likely false negatives",
        "proposals": "Proposed negatives",
        "disagreements": "Disagreements",
        "agreement": "Agreement",
    }
)
SHOWN = 30
"""Cards shown at once."""


@dataclass(frozen=True)
class ReviewView:
    """`by`: the annotator with the query set and the label set of people. `start`: the first card's place.

    `others`: show what other annotators say; off, so that a review is blind to them.
    """

    part: str
    by: Judge
    proposed: str = ""
    state: str = "open"
    scale: str = "grades"
    start: int = 0
    others: bool = True


def read_review_view(values: Mapping[str, str]) -> ReviewView:
    """The view of an address or of a request. Raises `BadInput` on a part or state that is none."""
    part, state = values.get("part") or "suspects", values.get("state") or "open"
    if part not in PARTS:
        raise BadInput(f"The Review page has no part “{part[:40]}”.", f"Choose one of: {', '.join(PARTS)}.")
    if state not in STATES:
        raise BadInput(f"A review has no state “{state[:40]}”.", f"Choose one of: {', '.join(STATES)}.")
    start = values.get("start", "")
    return ReviewView(
        part,
        Judge(values.get("set", ""), values.get("annotator", "") or "me", values.get("labels") or PEOPLE),
        values.get("proposed", ""),
        state,
        values.get("scale") or "grades",
        int(start) if start.isdecimal() and len(start) < 10 else 0,
        values.get("others") != "0",
    )
