"""Judgments for evaluation: TREC qrels, and the BEIR folder with queries and corpus."""

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.exports.base import Export, Written
from workbench.exports.staged import Staged
from workbench.exports.tables import JsonlWriter
from workbench.specs import ExportSpec
from workbench.types import Document, TrainingGroup

_BLOCK = 500  # documents written at once
BEIR_HEADER = "query-id\tcorpus-id\tscore\n"
_SPLIT = re.compile(r"\w[\w.-]{0,63}")


class TrecExport(Export):
    """`query 0 document relevance` a line, separated by spaces. Raises `BadInput` on an id with a space in it."""

    name = "trec"
    suffixes = (".qrels", ".trec", ".txt", ".qrel")
    needs_text = False

    def _write(
        self, path: Path, groups: Iterable[TrainingGroup], documents: Iterable[Document], to: tuple[Staged, Written]
    ) -> None:
        files, written = to
        with files.aside(path).open("w", encoding="utf-8", newline="\n") as file:
            for group in groups:
                rows = list(_judged(group))
                for text in (group.query.query_id, *(doc_id for doc_id, _ in rows)):
                    if " " in text or text.split() != [text]:
                        raise BadInput(
                            f"The id “{text[:80]}” has a space in it; in a TREC file spaces separate the columns.",
                            "Write a BEIR folder or a CSV file.",
                        )
                file.write("".join(f"{group.query.query_id} 0 {doc_id} {grade}\n" for doc_id, grade in rows))
                written.rows += len(rows)
                written.groups += 1


class BeirExport(Export):
    """corpus.jsonl (the whole corpus), queries.jsonl (those with judgments) and qrels/<split>.tsv with its header.

    Other files in the folder are left as they are. Raises `BadInput` on a split that cannot be a file's name.
    """

    name = "beir"
    needs_text = False
    needs_corpus = True

    def __init__(self, spec: ExportSpec, *, images: bool = False) -> None:
        super().__init__(spec, images=images)
        if not _SPLIT.fullmatch(spec.split):
            raise BadInput(f"“{spec.split[:80]}” cannot be the name of a split.", "Use train, dev or test.")

    def _write(
        self, path: Path, groups: Iterable[TrainingGroup], documents: Iterable[Document], to: tuple[Staged, Written]
    ) -> None:
        files, written = to
        image = {"image": "text"} if self.images else {}
        with ExitStack() as stack:
            file = files.aside(path / "qrels" / f"{self.spec.split}.tsv").open("w", encoding="utf-8", newline="\n")
            stack.callback(file.close)
            queries = JsonlWriter(files.aside(path / "queries.jsonl"), {"_id": "text", "text": "text", **image})
            stack.callback(queries.close)
            file.write(BEIR_HEADER)
            for group in groups:
                query, rows = group.query, list(_judged(group))
                file.write("".join(f"{query.query_id}\t{doc_id}\t{grade}\n" for doc_id, grade in rows))
                queries.write([[query.query_id, query.text, *([query.image] if self.images else [])]])
                written.rows += len(rows)
                written.groups += 1
        self._write_corpus(files.aside(path / "corpus.jsonl"), documents)

    def _write_corpus(self, path: Path, documents: Iterable[Document]) -> None:
        columns = ["_id", "title", "text", "metadata", *(["image"] if self.images else [])]
        writer = JsonlWriter(path, dict.fromkeys(columns, "text"))
        try:
            block: list[list[Any]] = []
            for each in documents:
                row: list[Any] = [each.doc_id, each.title, each.text, dict(each.metadata)]
                block.append([*row, each.image] if self.images else row)
                if len(block) == _BLOCK:
                    writer.write(block)
                    block.clear()
            writer.write(block)
        finally:
            writer.close()


def _judged(group: TrainingGroup) -> Iterator[tuple[str, int]]:
    """(document, relevance) of a group, the positives first."""
    for each in (*group.positives, *group.negatives):
        yield each.doc_id, each.relevance
