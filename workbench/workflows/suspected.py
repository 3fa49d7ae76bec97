"""The job that looks for false negatives, what it found, and what a person decides of it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa

from workbench import corpora, judgments, query_sets
from workbench.artifacts import Artifact
from workbench.db import judgments as table
from workbench.judgments import Judgment, Pair, Verdict
from workbench.project import Project
from workbench.query_sets import QuerySetInfo
from workbench.types import Progress, no_progress
from workbench.vectors import write_durably
from workbench.workflows import judging
from workbench.workflows.guarding import Reason, spaces_of
from workbench.workflows.judging import Judge, Recorded
from workbench.workflows.suspects import KEPT, LIMIT, Suspect, doubt_all

KIND = "suspects"
FILE = "suspects.json"


@dataclass(frozen=True)
class GuardReport:
    """What a search for false negatives found; the suspects are in the artifact `id`. Figures as in `Doubted`."""

    id: str
    query_set: str
    label_sets: list[str]
    reranker: str
    suspects: int
    queries: int
    checked: int
    found: int
    settled: int
    unknown: int
    without_positives: int
    by_reason: dict[str, int]
    encoders: list[str]
    warnings: list[str]
    seconds: float
    created_at: float = 0.0


@dataclass(frozen=True)
class Queue:
    """The suspects of a report that an annotator has not decided on, the most suspicious first; `decided` of `total`.

    `outdated`: judgments changed since it was made.
    """

    report: GuardReport
    suspects: list[Suspect]
    decided: int
    total: int
    outdated: bool


def find_suspects(
    project: Project,
    query_set: str,
    label_sets: Sequence[str] = (),
    limit: int = LIMIT,
    reranker: str = "",
    progress: Progress = no_progress,
) -> GuardReport:
    """Doubt every negative and keep the likeliest false ones; the same again, with nothing changed, finds them kept.

    Raises `NotFound` on names, `BadInput` where there are no negatives.
    """
    started = time.monotonic()
    info = query_sets.find(project.db, query_set)
    corpus = corpora.find(project.db, info.corpus)
    spec = {
        "query_set": info.id,
        "label_sets": sorted(set(label_sets)),
        "limit": limit,
        "reranker": reranker,
        "judgments": judgments_state(project, info),
    }
    inputs = [corpus.fingerprint, *(embedding.id for embedding, _ in spaces_of(project, corpus))]
    draft = project.artifacts.begin(KIND, info.name, spec, inputs, corpus.id)
    if draft.existing is not None:
        return report_of(draft.existing)
    try:
        found = doubt_all(project, query_set, label_sets, limit, reranker, progress)
        values = asdict(found)
        listed = values.pop("suspects")
        write_durably(draft.folder / FILE, json.dumps(listed, ensure_ascii=False).encode())
        values |= {"query_set": info.name, "label_sets": list(label_sets), "reranker": reranker}
        seconds = round(time.monotonic() - started, 3)
        return report_of(draft.commit(values | {"suspects": len(listed), "seconds": seconds}))
    except BaseException:
        draft.discard()
        raise


def reports(project: Project, query_set: str) -> list[GuardReport]:
    """The searches made of a query set, newest first. Raises `NotFound`."""
    info = query_sets.find(project.db, query_set)
    return [report_of(each) for each in _artifacts(project, info)]


def queue(project: Project, by: Judge, report: str = "") -> Queue | None:
    """The open suspects of a report (the newest), for an annotator; None where no search was made yet.

    Decided is what `by` judged relevant, skipped, or kept as a negative. Raises `NotFound` on names.
    """
    info = query_sets.find(project.db, by.query_set)
    artifact = next((each for each in _artifacts(project, info) if report in ("", each.id)), None)
    if artifact is None:
        return None
    every = read_suspects(artifact)
    said = _said(project, by, {each.query_id for each in every})
    left = [each for each in every if not _decided(said.get((each.query_id, each.doc_id)))]
    outdated = artifact.spec["judgments"] != judgments_state(project, info)
    return Queue(report_of(artifact), left, len(every) - len(left), len(every), outdated)


def keep(project: Project, by: Judge, suspect: Suspect) -> Recorded:
    """Record that a suspect stays a negative, as what it was judged; its note says that the reasons were seen."""
    before = judging.said(project, by, suspect.query_id).get(suspect.doc_id)
    return judging.judge(project, by, _pair(suspect), kept_verdict(before, suspect))


def kept_verdict(before: Verdict | None, suspect: Suspect) -> Verdict:
    """The verdict that keeps a suspect a negative, from what the annotator said `before`."""
    verdict = before if before is not None and before.is_negative else Verdict(0, suspect.is_hard_negative)
    note = verdict.note if KEPT in verdict.note else f"{KEPT} {verdict.note}".strip()
    return replace(verdict, note=note[: judging.NOTE])


def make_positive(project: Project, by: Judge, suspect: Suspect, grade: int = 1) -> Recorded:
    """Record that a suspect is relevant."""
    return judging.judge(project, by, _pair(suspect), Verdict(grade))


def read_suspects(artifact: Artifact) -> list[Suspect]:
    """The suspects of a report, the most suspicious first."""
    rows: list[dict[str, Any]] = json.loads((artifact.folder / FILE).read_text(encoding="utf-8"))
    return [
        Suspect(
            **{**row, "reasons": [Reason(**each) for each in row["reasons"]], "label_sets": tuple(row["label_sets"])}
        )
        for row in rows
    ]


def report_of(artifact: Artifact) -> GuardReport:
    values = {name: artifact.manifest[name] for name in GuardReport.__dataclass_fields__ if name in artifact.manifest}
    return GuardReport(**{**values, "id": artifact.id, "created_at": artifact.created_at})


def judgments_state(project: Project, info: QuerySetInfo) -> list[Any]:
    """Changes when a judgment of the query set is made, changed or taken back: their number and times."""
    figures = (sa.func.count(), sa.func.max(table.c.updated_at), sa.func.sum(table.c.updated_at))
    with project.db.read() as connection:
        return list(connection.execute(sa.select(*figures).where(table.c.query_set_id == info.id)).one())


def _artifacts(project: Project, info: QuerySetInfo) -> list[Artifact]:
    return [each for each in project.artifacts.list(KIND, name=info.name) if each.spec.get("query_set") == info.id]


def _said(project: Project, by: Judge, query_ids: set[str]) -> Mapping[tuple[str, str], Judgment]:
    owner = judging.owner(project, by)
    return {
        (row.query_id, row.doc_id): row
        for query_id in sorted(query_ids)
        for row in judgments.of_query(project.db, owner.info.id, query_id, owner.label_set, owner.annotator)
    }


def _decided(row: Judgment | None) -> bool:
    if row is None or row.verdict.state == "later":
        return False
    return not row.verdict.is_negative or KEPT in row.verdict.note


def _pair(suspect: Suspect) -> Pair:
    return Pair(suspect.query_id, suspect.doc_id)
