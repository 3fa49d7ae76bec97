"""What the Evaluate page shows, as its address and back: a link reproduces the table, the comparison and the query."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ui.components.filters_text import whole_in
from ui.session import Place
from workbench.workflows.evaluate import EvaluateOptions

PATH = "/evaluate"
MEASURES = "nDCG@10 R@100 RR@10"
LONGEST = 2000
MOST_RUNS = 40


@dataclass(frozen=True)
class EvaluateView:
    """`runs`: numbers of runs, none = the newest; `labels`: label sets, none = all but proposals.

    `baseline` and `other` are numbers of runs, 0 = chosen by the page; `measure` the one that is compared; `by` the
    slices; `query` the open query; `sort` a column of the table, with “-” before it the other way round. `bounds`:
    whether the table shows what labelling could change.
    """

    query_set: str = ""
    runs: tuple[int, ...] = ()
    measures: str = MEASURES
    labels: tuple[str, ...] = ()
    options: EvaluateOptions = field(default_factory=EvaluateOptions)
    baseline: int = 0
    other: int = 0
    measure: str = ""
    by: str = ""
    query: str = ""
    sort: str = ""
    bounds: bool = False

    def link(self, place: Place, **changes: Any) -> str:
        """The page's address for this view with `changes` to it."""
        return place.link(PATH, **replace(self, **changes).values())

    def values(self) -> dict[str, str]:
        """The parameters of its address; what is at its default is left out."""
        found = {
            "set": self.query_set,
            "runs": ",".join(map(str, self.runs)),
            "measures": "" if self.measures == MEASURES else self.measures,
            "labels": ",".join(self.labels),
            "own": "1" if self.options.drop_self else "",
            "parent": self.options.parent,
            "prefer": ",".join(self.options.prefer),
            "base": str(self.baseline or ""),
            "other": str(self.other or ""),
            "measure": self.measure,
            "by": self.by,
            "q": self.query,
            "sort": self.sort,
            "bounds": "1" if self.bounds else "",
        }
        return {name: value for name, value in found.items() if value}


def read_evaluate_view(query: Mapping[str, str]) -> EvaluateView:
    """The view an address asks for; what cannot be read is at its default."""
    given = {name: str(value)[:LONGEST] for name, value in query.items()}
    options = EvaluateOptions(
        drop_self=given.get("own") == "1",
        parent=given.get("parent", ""),
        prefer=listed(given.get("prefer", "")),
    )
    numbers = [int(part) for part in listed(given.get("runs", "")) if part.isdecimal() and len(part) < 12]
    return EvaluateView(
        query_set=given.get("set", ""),
        runs=tuple(dict.fromkeys(numbers))[:MOST_RUNS],
        measures=given.get("measures", "").strip() or MEASURES,
        labels=listed(given.get("labels", "")),
        options=options,
        baseline=max(0, whole_in(given.get("base", ""), 0)),
        other=max(0, whole_in(given.get("other", ""), 0)),
        measure=given.get("measure", ""),
        by=given.get("by", ""),
        query=given.get("q", ""),
        sort=given.get("sort", ""),
        bounds=given.get("bounds") == "1",
    )


def listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)
