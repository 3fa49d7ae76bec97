"""A training file before it is imported: whether it is one, its format, and what its first rows say."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from workbench import corpora
from workbench.errors import BadInput
from workbench.project import Project
from workbench.readers.queries import qrels_file
from workbench.readers.training import FORMATS, TrainingReader
from workbench.types import SkippedRow, TrainingGroup
from workbench.workflows.sources import sources_told

__all__ = ["FORMATS"]

SHOWN = 8
LOOKED_AT = 1000


@dataclass(frozen=True)
class LabelFile:
    """What an import would make of the first `rows` rows: `queries`, of which `sample` holds the first `SHOWN`.

    `images`: how many these rows name; they would not be read. `fits`: every document that the sample names by its id
    is in the corpus that was asked about. `has_texts` off: it names ids only, so the corpus must be there.
    """

    format: str
    rows: int
    sample: list[TrainingGroup]
    skipped: list[SkippedRow]
    images: int
    size_bytes: int
    fits: bool
    has_texts: bool


def recognised(path: Path) -> bool:
    """Whether a file shows by itself that it is a training file, not a corpus."""
    path = path.expanduser()
    try:
        return path.is_file() and TrainingReader(path).certain
    except (BadInput, OSError):
        return False


def preview_label_file(project: Project, path: Path, format: str = "", corpus: str = "") -> LabelFile:
    """Look at the first 1,000 rows; `corpus`: the one whose documents it may name. Raises `BadInput`, `NotFound`."""
    path = path.expanduser()
    with sources_told(path):
        if not path.exists():
            raise BadInput(f"There is no file or folder “{path}”.", "Check the path.")
        file = qrels_file(path) or path
        reader = TrainingReader(file, format)
        rows = list(islice(reader.read(), LOOKED_AT))
        groups = [row for row in rows if not isinstance(row, SkippedRow)]
        sample = groups[:SHOWN]
        documents = [each for group in sample for each in (*group.positives, *group.negatives)]
        return LabelFile(
            format=reader.format,
            rows=len(rows),
            sample=sample,
            skipped=[row for row in rows if isinstance(row, SkippedRow)],
            images=reader.images,
            size_bytes=file.stat().st_size,
            fits=_fits(project, corpus, [each.doc_id for each in documents]),
            has_texts=any(each.text for each in documents),
        )


def _fits(project: Project, corpus: str, doc_ids: list[str]) -> bool:
    if not corpus or not doc_ids or not all(doc_ids):
        return False
    known = corpora.ordinals_of(project.db, corpora.find(project.db, corpus).id, doc_ids)
    return set(doc_ids) <= set(known)
