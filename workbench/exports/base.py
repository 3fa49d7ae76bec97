"""What every export shares: streaming, all or nothing, and the count of what was left out and why."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

from workbench.errors import BadInput
from workbench.exports.staged import Staged, staged
from workbench.exports.tables import FORMATS, JsonlWriter, Row, TableWriter
from workbench.specs import ExportSpec
from workbench.types import Document, TrainingDocument, TrainingGroup

BLOCK = 5000  # texts of rows that are written at once
IDS = ".ids.jsonl"


@dataclass
class Written:
    """What a file holds: `rows`, made of `groups`. `left_out`: reason → queries that are not in it.

    `short`: queries with fewer negatives than were asked for. `files`: every file that was written.
    """

    rows: int = 0
    groups: int = 0
    short: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    def leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


class Export(ABC):
    """One format of file. `suffixes` are the names it may end with, the usual one first; none: it is a folder.

    `needs_text` off: only ids are written. `needs_corpus`: it holds the documents of the corpus as well.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    needs_text: ClassVar[bool] = True
    needs_corpus: ClassVar[bool] = False

    def __init__(self, spec: ExportSpec, *, images: bool = False) -> None:
        self.spec = spec
        self.images = images

    def check(self, path: Path) -> None:
        """Raise `BadInput` where `path` cannot be of this format."""
        if self.suffixes and path.suffix.lower() not in self.suffixes:
            endings = " or ".join(f"“{suffix}”" for suffix in self.suffixes)
            raise BadInput(f"“{path.name}” cannot be a {self.name} file.", f"Its name must end in {endings}.")
        if self.suffixes and path.is_dir():
            raise BadInput(f"“{path.name}” is a folder.", "Name a file in it.")
        if not self.suffixes and path.is_file():
            raise BadInput(f"“{path.name}” is a file; {self.name} is a folder of files.", "Name a folder.")

    def write(self, path: Path, groups: Iterable[TrainingGroup], documents: Iterable[Document] = ()) -> Written:
        """Write `groups` (and, where it `needs_corpus`, `documents`) to `path`, in order, in flat memory.

        The file is replaced when all of it is there; where anything raises, nothing changes. Raises `BadInput` on the
        path or where not one row comes out, `WorkbenchError` where the disk refuses.
        """
        self.check(path)
        written = Written()
        with staged(path.name) as files:
            self._write(path, groups, documents, (files, written))
            if not written.rows:
                reasons = "; ".join(f"{count:,} queries: {reason}" for reason, count in written.left_out.items())
                raise BadInput(
                    f"There is nothing to write as {self.name}{f' ({reasons})' if reasons else ''}.",
                    "Judge some documents first, or choose other label sets or another format.",
                )
            written.files = [str(each) for each in files.targets]
        return written

    @abstractmethod
    def _write(
        self, path: Path, groups: Iterable[TrainingGroup], documents: Iterable[Document], to: tuple[Staged, Written]
    ) -> None:
        """Write to the paths that `to[0].aside` gives, counting in `to[1]`."""


class Line(NamedTuple):
    """A row of the file, and which documents are in it, in order, where the file itself has no place for ids.

    `size`: how many texts are in the row.
    """

    row: Row
    documents: tuple[TrainingDocument, ...] = ()
    size: int = 1


class TableExport(Export):
    """A format that is one table. It writes `columns` and `lines`; `needs`: what a query must have to be in it."""

    needs: ClassVar[tuple[str, ...]] = ("positive", "negative")
    has_ids: ClassVar[bool] = True

    @abstractmethod
    def columns(self) -> Mapping[str, str]:
        """Column → kind, as `workbench.exports.tables.table_writer` takes them; their order is the file's."""

    @abstractmethod
    def lines(self, group: TrainingGroup, written: Written) -> Iterator[Line]:
        """The rows of a group that has what the format `needs`; none, and counted, where it lacks something else."""

    def _write(
        self, path: Path, groups: Iterable[TrainingGroup], documents: Iterable[Document], to: tuple[Staged, Written]
    ) -> None:
        files, written = to
        table = FORMATS[path.suffix.lower().removeprefix(".")](files.aside(path), self.columns())
        ids: TableWriter | None = None
        try:
            if not self.has_ids:
                ids = JsonlWriter(files.aside(path.with_name(path.name + IDS)), self._id_columns())
            rows: list[Row] = []
            beside: list[Row] = []
            size = 0
            for group in groups:
                lines = self._of(group, written)
                rows += [line.row for line in lines]
                size += sum([line.size for line in lines])
                if ids is not None:
                    beside += self._ids(written.rows, group, lines)
                written.rows += len(lines)
                if size >= BLOCK:
                    table.write(rows)
                    if ids is not None:
                        ids.write(beside)
                    rows, beside, size = [], [], 0
            if rows:
                table.write(rows)
            if ids is not None:
                ids.write(beside)
        finally:
            table.close()
            if ids is not None:
                ids.close()

    def _of(self, group: TrainingGroup, written: Written) -> list[Line]:
        for what in self.needs:
            if not (group.positives if what == "positive" else group.negatives):
                written.leave_out(f"no {what}")
                return []
        lines = list(self.lines(group, written))
        written.groups += bool(lines)
        return lines

    def chosen(self, group: TrainingGroup, count: int | None, written: Written) -> tuple[TrainingDocument, ...]:
        """The first `count` negatives of a group, or all; a query with fewer is counted as short."""
        if count is not None and len(group.negatives) < count:
            written.short += 1
        return group.negatives[:count]

    def _id_columns(self) -> dict[str, str]:
        images = {"query_image": "text", "images": "tags"} if self.images else {}
        return {"row": "integer", "query_id": "text", "doc_ids": "tags", **images}

    def _ids(self, first: int, group: TrainingGroup, lines: list[Line]) -> list[Row]:
        """The rows beside the table's: `first` is the number of the first line."""
        query = group.query
        if not self.images:
            key = query.query_id
            return [(n, key, [each.doc_id for each in line.documents]) for n, line in enumerate(lines, first)]
        found: list[Row] = []
        for number, line in enumerate(lines, first):
            images = [each.image or "" for each in line.documents]
            doc_ids = [each.doc_id for each in line.documents]
            found.append((number, query.query_id, doc_ids, query.image or "", images))
        return found
