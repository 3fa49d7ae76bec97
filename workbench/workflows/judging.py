"""Judging: what a person says of a query and a document, one at a time or many, undone and redone."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from workbench import corpora, judging_log, judgments, label_sets, query_sets
from workbench.errors import BadInput
from workbench.judging_log import Owner, Recorded, Undone
from workbench.judgments import GRADES, STATES, Entry, Judgment, Pair, Verdict
from workbench.label_sets import PEOPLE
from workbench.project import Project, check_name
from workbench.receipts import Receipt
from workbench.types import Query

__all__ = ["PEOPLE", "Entry", "Judge", "Judgment", "Pair", "Receipt", "Recorded", "Undone", "Verdict"]

NOTE = 2_000
"""Characters of a note at most."""
NAME = 60
"""Characters of an annotator's name at most."""


@dataclass(frozen=True)
class Judge:
    """Who judges: an annotator in a label set of a query set."""

    query_set: str
    annotator: str = "me"
    label_set: str = PEOPLE


def judge(project: Project, by: Judge, pair: Pair, verdict: Verdict | None) -> Recorded:
    """Store what `by` says of a pair; None takes it back. The same twice is one judgment.

    Raises `NotFound` on the query set, `BadInput` on a verdict that is none, an unknown query or document, or a label
    set that is not people's.
    """
    return judge_many(project, by, [Entry(pair.query_id, pair.doc_id, verdict)])


def judge_many(project: Project, by: Judge, entries: Sequence[Entry], receipt: Receipt | None = None) -> Recorded:
    """`judge` for at most 2,000 pairs as one change, taken back by one `undo`. All or nothing is stored.

    `receipt`: what was stored before under the same one is not stored again; so for `undo` and `redo`.
    """
    for entry in entries:
        if entry.verdict is not None:
            check_verdict(entry.verdict)
    return judging_log.record(project.db, owner(project, by), entries, receipt)


@dataclass(frozen=True)
class JudgePreview:
    """What judging many would do: `new` pairs have no judgment of the annotator yet, `changed` ones another."""

    selected: int
    new: int
    changed: int
    same: int

    @property
    def told(self) -> str:
        """ "Judges 12 documents: 10 new, 1 changed, 1 so already." """
        parts = [f"{self.new:,} new", f"{self.changed:,} changed", f"{self.same:,} so already"]
        return f"Judges {self.selected:,} {'document' if self.selected == 1 else 'documents'}: {', '.join(parts)}."


def preview_judge(project: Project, by: Judge, query_id: str, doc_ids: Sequence[str], verdict: Verdict) -> JudgePreview:
    """What `judge_many` would change with one verdict for these documents of a query. Raises as `judge`."""
    check_verdict(verdict)
    mine = owner(project, by)
    said = judgments.of_query(project.db, mine.info.id, query_id, by.label_set, mine.annotator)
    known = {row.doc_id: row.verdict for row in said}
    wanted = list(dict.fromkeys(doc_ids))
    new = sum(doc_id not in known for doc_id in wanted)
    same = sum(known.get(doc_id) == verdict for doc_id in wanted)
    return JudgePreview(len(wanted), new, len(wanted) - new - same, same)


def undo(project: Project, by: Judge, receipt: Receipt | None = None) -> Undone:
    """Take the annotator's last change back. Raises `NotFound` where there is none."""
    return judging_log.undo(project.db, owner(project, by), receipt)


def redo(project: Project, by: Judge, receipt: Receipt | None = None) -> Undone:
    """Make the change again that was undone last. Raises `NotFound` where there is none."""
    return judging_log.redo(project.db, owner(project, by), receipt)


def said(project: Project, by: Judge, query_id: str) -> dict[str, Verdict]:
    """Document id → what `by` said of it for a query."""
    mine = owner(project, by)
    rows = judgments.of_query(project.db, mine.info.id, query_id, by.label_set, mine.annotator)
    return {row.doc_id: row.verdict for row in rows}


def owner(project: Project, by: Judge, kind: label_sets.Kind = "person") -> Owner:
    """`by` as storage knows it. Raises `NotFound` on the query set, `BadInput` on a name that is none."""
    return Owner(query_sets.find(project.db, by.query_set), checked_set(by.label_set), checked_name(by.annotator), kind)


def checked_name(annotator: str) -> str:
    """An annotator's name, trimmed; "me" where it is empty. Raises `BadInput` on one that is too long."""
    name = " ".join(annotator.split())
    if len(name) > NAME:
        raise BadInput(f"An annotator's name has at most {NAME} characters; this one has {len(name)}.", "Shorten it.")
    return name or "me"


def checked_set(name: str) -> str:
    """A label set's name. Raises `BadInput` on one that is none."""
    return check_name("label set", name)


def check_verdict(verdict: Verdict) -> None:
    """Raises `BadInput` where a verdict contradicts itself or is outside what people can give."""
    if verdict.state not in STATES:
        raise BadInput(f"A judgment has no state “{verdict.state}”.", f"Choose one of: {', '.join(STATES)}.")
    if (verdict.relevance is not None) != (verdict.state == "judged"):
        raise BadInput("A judged pair has a grade, and one that is put off has none.", "Give one of the two.")
    if verdict.relevance is not None and verdict.relevance not in GRADES:
        raise BadInput(f"{verdict.relevance} is no grade.", f"Grades are {GRADES[0]} to {GRADES[-1]}.")
    if verdict.is_hard_negative and verdict.relevance != 0:
        raise BadInput("A hard negative is not relevant: its grade is 0.", "Choose one of the two.")
    if len(verdict.note) > NOTE:
        raise BadInput(f"The note has {len(verdict.note):,} characters.", f"Keep it below {NOTE:,}.")


def known_query(project: Project, corpus: str | int, text: str) -> tuple[str, str] | None:
    """(query set, query id) of the corpus's first query of this very text without a picture; None where none has it.

    Raises `NotFound` on the corpus.
    """
    for known in query_sets.listed(project.db, corpora.find(project.db, corpus).name):
        found = query_sets.id_of_text(project.db, known.id, text.strip())
        if found is not None:
            return known.name, found
    return None


def query_for(project: Project, corpus: str | int, query: Query) -> tuple[str, str]:
    """(query set, query id) under which a typed query is judged: of a set that has this very text, else a new query.

    Typed queries are kept in the query set “<corpus>-typed”. Raises `NotFound` on the corpus, `BadInput` on an empty
    query, or one with a picture: pictures of typed queries are not kept.
    """
    text = query.text.strip()
    if not text or query.image is not None:
        raise BadInput(
            "Only a text query can be judged here.", "Type one, or load queries with pictures as a query set."
        )
    known = known_query(project, corpus, text)
    if known is not None:
        return known
    info = corpora.find(project.db, corpus)
    name = f"{info.name}-typed"
    query_id = blake2b(text.encode(), digest_size=6).hexdigest()
    query_sets.append(project.db, query_sets.ensure(project.db, name, info.id, "typed").id, [Query(query_id, text)])
    return name, query_id
