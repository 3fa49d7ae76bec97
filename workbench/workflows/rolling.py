"""Chunks and the documents they are part of: a metadata column names each chunk's parent."""

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench.corpora import CorpusInfo
from workbench.db import documents as table
from workbench.errors import BadInput
from workbench.filters import field_value
from workbench.project import Project


@dataclass(frozen=True)
class Parents:
    """`of_ordinal` (documents,): the number of each document's parent; `numbers`: the number of each parent's id."""

    of_ordinal: NDArray[np.int64]
    numbers: dict[str, int]


def parents_of(project: Project, corpus: CorpusInfo, column: str) -> Parents:
    """The parents that a metadata column names; a document without one is its own. Raises `BadInput` on the column."""
    if column not in corpus.columns:
        names = ", ".join(corpus.columns) or "none"
        raise BadInput(f"“{corpus.name}” has no metadata column “{column}”.", f"Columns: {names}.")
    query = (
        sa.select(table.c.doc_id, field_value(corpus.columns, column))
        .where(table.c.corpus_id == corpus.id)
        .order_by(table.c.ordinal)
    )
    numbers: dict[str, int] = {}
    found = np.empty(corpus.documents, np.int64)
    with project.db.read() as connection:
        for ordinal, (doc_id, parent) in enumerate(connection.execute(query)):
            name = str(parent) if parent not in (None, "") else str(doc_id)
            found[ordinal] = numbers.setdefault(name, len(numbers))
    return Parents(found, numbers)
