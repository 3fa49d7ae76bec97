"""One verdict for many documents of a query, such as those circled on a map: a preview, then one change."""

from collections.abc import Sequence
from dataclasses import dataclass

from workbench import corpora
from workbench.db import WRITE_BATCH
from workbench.errors import BadInput
from workbench.judgments import Entry
from workbench.project import Project
from workbench.types import Query
from workbench.workflows import judging
from workbench.workflows.judging import Judge, JudgePreview, Recorded, Verdict

AT_ONCE = WRITE_BATCH
"""Documents of one change at most."""


@dataclass(frozen=True)
class Many:
    """Documents of a corpus, by ordinal, that are judged for a query.

    `query` is (query set, query id) where it was chosen from a set; else the query is the one with this `text`.
    """

    corpus: str | int
    ordinals: Sequence[int]
    text: str = ""
    query: tuple[str, str] | None = None
    annotator: str = "me"


def preview_many(project: Project, many: Many, verdict: Verdict) -> JudgePreview:
    """What `judge_selected` would change; nothing is stored. Raises `NotFound`, `BadInput` as it does."""
    doc_ids = _checked(project, many)
    query = many.query or judging.known_query(project, many.corpus, many.text)
    if query is None:
        return JudgePreview(len(doc_ids), len(doc_ids), 0, 0)
    return judging.preview_judge(project, Judge(query[0], many.annotator), query[1], doc_ids, verdict)


def judge_selected(project: Project, many: Many, verdict: Verdict) -> tuple[Judge, Recorded]:
    """The verdict for all of the documents as one change, and who gave it: one `judging.undo` takes it back.

    A typed query is kept with it. Raises `NotFound`, and `BadInput` on no or too many documents and without a query.
    """
    doc_ids = _checked(project, many)
    query_set, query_id = many.query or judging.query_for(project, many.corpus, Query("", many.text))
    by = Judge(query_set, many.annotator)
    return by, judging.judge_many(project, by, [Entry(query_id, doc_id, verdict) for doc_id in doc_ids])


def _checked(project: Project, many: Many) -> list[str]:
    """The documents' ids. Raises `BadInput` on none, on more than `AT_ONCE`, and without a query."""
    count = len(many.ordinals)
    if count > AT_ONCE:
        raise BadInput(
            f"{count:,} documents are selected; at most {AT_ONCE:,} are judged in one step.",
            "Select fewer, or judge them part by part.",
        )
    if not count:
        raise BadInput("No document is selected.", "Circle some on the map first.")
    if many.query is None and not many.text.strip():
        raise BadInput("There is no query to judge for.", "Write one, or choose a judged query, first.")
    names = corpora.ids_of(project.db, corpora.find(project.db, many.corpus).id, many.ordinals)
    return [names[ordinal] for ordinal in many.ordinals]
