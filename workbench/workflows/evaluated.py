"""What stands beside an evaluation: its label sets, the texts of its queries, pipelines, comparisons kept in memory."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import sqlalchemy as sa

from workbench import label_sets, query_sets
from workbench.db import queries as queries_table
from workbench.errors import NotFound
from workbench.label_sets import LabelSetInfo
from workbench.project import Project
from workbench.runs import RunInfo
from workbench.specs import PipelineSpec
from workbench.workflows.evaluate import Comparison, Evaluation, compare

_LOOKUP = 900
KEPT = 64


def label_sets_of(project: Project, query_set: str) -> list[LabelSetInfo]:
    """The label sets of a query set, the oldest first. Raises `NotFound`."""
    return label_sets.listed(project.db, query_sets.find(project.db, query_set).id)


def texts_of(project: Project, evaluation: Evaluation, query_ids: Sequence[str]) -> dict[str, str]:
    """Query id → its text, for queries of the set."""
    info = query_sets.find(project.db, evaluation.query_set)
    row = queries_table.c
    query = sa.select(row.query_id, row.text).where(row.query_set_id == info.id)
    found: dict[str, str] = {}
    with project.db.read() as connection:
        for start in range(0, len(query_ids), _LOOKUP):
            some = row.query_id.in_(query_ids[start : start + _LOOKUP])
            found |= {each.query_id: each.text for each in connection.execute(query.where(some))}
    return found


def row_of(evaluation: Evaluation, query_id: str) -> int:
    """The place of a judged query in its set, from 0. Raises `NotFound`."""
    if query_id not in evaluation.query_ids:
        raise NotFound(f"The query “{query_id[:80]}” has no judgment in this evaluation.", "Choose one of the list.")
    return int(evaluation.rows[evaluation.query_ids.index(query_id)])


def pipeline_of(run: RunInfo) -> PipelineSpec | None:
    """The pipeline that made a run; None where it came from a file."""
    return None if run.is_imported else PipelineSpec.from_dict(run.artifact.spec["pipeline"])


class Comparisons:
    """Comparisons by the values that were compared: the same table again tests nothing again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[Comparison]] = OrderedDict()
        self._lock = Lock()

    def of(self, evaluation: Evaluation, baseline: str) -> list[Comparison]:
        """`compare` with its defaults. Raises `NotFound` where the baseline is not one of the runs."""
        key = _key(evaluation, baseline)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = compare(evaluation, baseline)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found


def _key(evaluation: Evaluation, baseline: str) -> str:
    digest = hashlib.sha256(repr((baseline, evaluation.measures)).encode())
    for each in evaluation.runs:
        digest.update(each.run.name.encode() + b"\0")
        for measure in evaluation.measures:
            digest.update(each.values[measure].tobytes())
    return digest.hexdigest()
