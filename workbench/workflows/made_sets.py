"""Query sets that are made here, not imported: stored with their judgments, each with where it came from."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench import judgments, label_sets, query_sets
from workbench.db import WRITE_BATCH
from workbench.errors import BadInput
from workbench.judgments import Entry
from workbench.project import Project
from workbench.query_sets import QuerySetDraft, QuerySetInfo
from workbench.types import Query


def made_before(project: Project, name: str, made_of: str) -> QuerySetInfo | None:
    """The query set `name` where it was made of the very same; None where there is none.

    Raises `BadInput` where the name is another's.
    """
    for info in query_sets.listed(project.db):
        if info.name == name:
            if info.report.get("source_fingerprint") == made_of:
                return info
            raise BadInput(f"There is already a query set called “{name}”.", "Choose another name, or delete it first.")
    return None


class Making:
    """A query set on its way: queries, then judgments under their label sets. Made inside of `query_sets.begin`."""

    def __init__(self, project: Project, draft: QuerySetDraft, name: str, corpus: tuple[str, int]) -> None:
        self.project = project
        self.draft = draft
        self.judgments = 0
        self._info = QuerySetInfo(draft.id, name, *corpus, 0, 0, "", 0.0, {})

    def add_queries(self, queries: Sequence[Query]) -> None:
        for start in range(0, len(queries), WRITE_BATCH):
            self.draft.append_queries(queries[start : start + WRITE_BATCH])

    def add_judgments(
        self, label_set: tuple[str, label_sets.Kind], annotator: str, entries: Iterable[Entry], source: str
    ) -> None:
        """Judgments of one annotator; the label set (name, kind) is started where it is not there."""
        name, kind = label_set
        if name not in {each.name for each in label_sets.listed(self.project.db, self._info.id)}:
            label_sets.make(self.project.db, self._info.id, name, kind, {"source": source})
        self.judgments += judgments.store(self.project.db, self._info, name, annotator, entries).judgments

    def finish(self, report: Mapping[str, Any], made_of: str) -> None:
        self.draft.finish({**report, "source_fingerprint": made_of, "imported_at": time.time()})


def report_values(info: QuerySetInfo, fields: Iterable[str]) -> dict[str, Any]:
    """The entries of a query set's report that are `fields` of a report class."""
    return {name: info.report[name] for name in fields if name in info.report}
