"""The address of the Laboratory's index tab, read: which laboratory, which trial, how the table is sorted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ui.components.address import Column, View, whole_in
from ui.session import Place
from workbench.specs import PipelineSpec, RetrieverSpec

if TYPE_CHECKING:
    from workbench.workflows.index_lab import TrialRow

PATH, TAB = "/laboratory", "index"
SORTS = (
    "number", "recall", "p50", "p95", "p99", "qps", "build_seconds", "memory_bytes", "disk_bytes", "scored", "changed",
)  # fmt: skip
SHOWN = 5
"""Changed queries shown at once."""


@dataclass(frozen=True)
class LabView:
    """`lab`: its id, empty for the newest. `trial`: its number, −1 for none. `start`: the first changed query shown."""

    lab: str = ""
    trial: int = -1
    sort: str = "number"
    down: bool = False
    start: int = 0

    def values(self) -> dict[str, str]:
        """The parameters of its address; what is at its default is left out."""
        found = {"tab": TAB, "lab": self.lab, "sort": self.sort if self.sort != "number" else ""}
        found |= {"down": "1"} if self.down else {}
        found |= {"trial": str(self.trial)} if self.trial >= 0 else {}
        found |= {"from": str(self.start)} if self.start else {}
        return {name: value for name, value in found.items() if value}

    def link(self, place: Place) -> str:
        return place.link(PATH, **self.values())


def read_lab_view(values: Mapping[str, str]) -> LabView:
    """The view an address asks for; what cannot be read is at its default."""
    sort = values.get("sort", "")
    return LabView(
        values.get("lab", "")[:40],
        max(-1, whole_in(values.get("trial", ""), -1)),
        sort if sort in SORTS else "number",
        values.get("down", "") == "1",
        max(0, whole_in(values.get("from", ""), 0)),
    )


def retriever_of(encoder: str, row: "TrialRow") -> RetrieverSpec:
    """How a trial's index is searched as a part of a pipeline."""
    return RetrieverSpec(encoder=encoder, index=row.factory, **row.settings)


def search_link(place: Place, encoder: str, row: "TrialRow", query: str = "", like: int = -1) -> str:
    """The Search page with this trial; for a query (or a document's neighbours) beside the exact search."""
    columns = [Column(PipelineSpec((retriever_of(encoder, row),)))]
    if query or like >= 0:
        columns.insert(0, Column(PipelineSpec((RetrieverSpec(encoder=encoder),))))
    return View(query=query if like < 0 else "", columns=tuple(columns), like=like).link(place)
