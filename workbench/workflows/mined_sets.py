"""The label sets that were mined of a query set: their settings, how far their review is, and deleting them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench import label_sets, query_sets
from workbench.errors import BadInput
from workbench.mining import active_rules
from workbench.project import Project
from workbench.specs import MiningSpec
from workbench.workflows import reviewing
from workbench.workflows.judging import Judge


@dataclass(frozen=True)
class MinedSet:
    """A proposed label set: `reviewed` of its `negatives` were decided by anyone.

    `spec` and `rules` (each with its limit) as it was mined, None and empty where that is not known.
    """

    name: str
    negatives: int
    reviewed: int
    miners: list[str]
    spec: MiningSpec | None
    rules: list[str]
    created_at: float


def mined_sets(project: Project, query_set: str) -> list[MinedSet]:
    """The proposed label sets of a query set, newest first. Raises `NotFound`."""
    found = []
    for each in reviewing.proposed_sets(project, query_set):
        counts = reviewing.reviewed(project, Judge(query_set, "me"), each.name)
        spec = _spec(each.spec)
        miners = [str(miner) for miner in each.spec.get("miners", [])]
        rules = active_rules(spec) if spec else []
        found.append(MinedSet(each.name, counts.total, counts.by_anyone, miners, spec, rules, each.created_at))
    return found


def delete_mined(project: Project, query_set: str, name: str) -> int:
    """Delete a proposed label set; how many negatives it had. What people decided of them stays.

    Raises `NotFound` on names, `BadInput` on a label set that was not proposed.
    """
    info = query_sets.find(project.db, query_set)
    if label_sets.find(project.db, info.id, name).kind != "proposed":
        raise BadInput(f"“{name}” was not proposed by mining.", "Only proposed label sets are deleted here.")
    return label_sets.delete(project.db, info.id, name)


def _spec(values: Mapping[str, Any]) -> MiningSpec | None:
    try:
        return MiningSpec.from_dict(values["spec"])
    except (KeyError, TypeError, BadInput):
        # Made by another version, or by hand.
        return None
