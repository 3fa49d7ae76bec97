"""What the Label page shows, as a part of its address: whose judgments, of which queries, from which pipelines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from workbench.workflows.label import DEPTH, Contestant, Judge, Pooling
from workbench.workflows.label_queue import ENOUGH, SAMPLE, Order, Sort, State

LONGEST = 4000
"""Characters of a value in the address at most."""


@dataclass(frozen=True)
class LabelView:
    """The page's address, read. `systems`: keys of pipelines, none = one of each encoder. `others`: whether what others
    said is shown. `also`: ids of documents to judge whoever finds them. `within`: a subset of the corpus."""

    by: Judge
    query: str = ""
    order: Order = field(default_factory=Order)
    systems: tuple[str, ...] = ()
    depth: int = DEPTH
    proposed: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    shuffled: bool = False
    others: bool = True
    within: str = ""

    def chosen(self, choices: Sequence[Contestant], usual: Sequence[Contestant]) -> tuple[Contestant, ...]:
        """The pipelines that are asked; keys that are none any more are left out."""
        if not self.systems:
            return tuple(usual)
        return tuple(each for each in choices if each.key in self.systems)

    def pooling(self, chosen: tuple[Contestant, ...]) -> Pooling:
        """Raises `BadInput` on a depth that is none."""
        return Pooling(chosen, self.depth, self.proposed, self.also, self.shuffled, self.order.seed, self.within)


def read_label_view(values: Mapping[str, str]) -> LabelView:
    """What the address asks for; what cannot be read falls back to the default. Raises `BadInput` on its ranges."""
    given = {name: str(value)[:LONGEST] for name, value in values.items()}
    sort, state = given.get("sort", "file"), given.get("state", "all")
    return LabelView(
        Judge(given.get("set", ""), given.get("annotator", "me"), given.get("labels") or "labels"),
        given.get("q", ""),
        Order(
            sort if sort in get_args(Sort) else "file",  # type: ignore[arg-type]
            state if state in get_args(State) else "all",  # type: ignore[arg-type]
            number(given.get("seed", ""), 0),
            number(given.get("enough", ""), ENOUGH),
            number(given.get("sample", ""), SAMPLE),
        ),
        listed(given.get("systems", "")),
        number(given.get("depth", ""), DEPTH),
        listed(given.get("proposed", "")),
        tuple(filter(None, [given.get("also", "")])),
        given.get("order") == "shuffled",
        given.get("others") != "0",
        given.get("within", ""),
    )


def number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else default


def listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)
