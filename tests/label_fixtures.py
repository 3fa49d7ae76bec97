"""A small corpus with queries, and judgments of several kinds, for the tests of exports and imports."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench import judgments, label_sets, query_sets
from workbench.judgments import Entry, Verdict
from workbench.label_sets import Kind
from workbench.project import Project
from workbench.workflows.corpus import import_corpus
from workbench.workflows.judging import Judge, judge_many
from workbench.workflows.queries import import_queries

DOCUMENTS = {
    "d1": ("Ducks", "Ducks live on ponds."),
    "d2": ("", "Ducks rest on lakes."),
    "d3": ("Sand", "Sand is dry."),
    "d4": ("", "Dust blows about."),
    "d5": ("", "Cars drive on roads."),
    "d6": ("", "Ducks rest on lakes."),
}
QUERIES = {"q1": "where do ducks live?", "q2": "what is dry?", "q3": "what drives?"}
TEXTS = {key: f"{title} {text}".strip() for key, (title, text) in DOCUMENTS.items()}
Said = Mapping[tuple[str, str], int | None]
"""(query, document) → grade; None: a hard negative."""


def make_ponds(project: Project, folder: Path, qrels: str = "q1 0 d1 2\nq2 0 d3 1\n") -> Project:
    """The corpus “ponds” and its query set “asked”, with `qrels` unless they are ""."""
    rows = [{"_id": key, "title": title, "text": text} for key, (title, text) in DOCUMENTS.items()]
    write_rows(folder / "ponds.jsonl", rows)
    write_rows(folder / "asked.jsonl", [{"_id": key, "text": text} for key, text in QUERIES.items()])
    import_corpus(project, "ponds", folder / "ponds.jsonl")
    (folder / "asked.qrels").write_text(qrels)
    import_queries(project, "asked", folder / "asked.jsonl", "ponds", folder / "asked.qrels" if qrels else None)
    return project


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def entries(said: Said, provenance: Mapping[str, Any] | None = None) -> list[Entry]:
    return [
        Entry(query, document, Verdict(grade or 0, grade is None), provenance or {})
        for (query, document), grade in said.items()
    ]


def say(project: Project, annotator: str, said: Said) -> None:
    """What a person judges."""
    judge_many(project, Judge("asked", annotator), entries(said))


def note(project: Project, name: str, kind: Kind, said: Said, provenance: Mapping[str, Any] | None = None) -> None:
    """What mining, an import or adjudication stores."""
    info = query_sets.find(project.db, "asked")
    # Final sets are written by people's path only; for a test the rows are what counts.
    label_sets.make(project.db, info.id, name, "imported" if kind == "final" else kind, {})
    judgments.store(project.db, info, name, "x", entries(said, provenance))
    if kind == "final":
        with project.db.write() as connection:
            connection.exec_driver_sql("UPDATE label_sets SET kind = 'final' WHERE name = ?", (name,))


def rows_of_file(path: Path | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
