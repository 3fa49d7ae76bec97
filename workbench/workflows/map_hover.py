"""What stands beside a point: the words of its document, and what the map says of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.corpora import CorpusInfo
from workbench.project import Project
from workbench.types import Document, Scalar
from workbench.workflows.map_data import corpus_of, find_map, open_map
from workbench.workflows.map_labels import cluster_labels

TEXT = 240
"""Characters of a document's text beside a point."""
COLUMNS = 3
BLOCK = 500


@dataclass(frozen=True)
class MapCard:
    """A document as a card: `text` is its beginning. `facts`: (name, value), the cluster first."""

    row: int
    ordinal: int
    corpus_id: int
    title: str
    text: str
    has_image: bool
    facts: list[tuple[str, Scalar]]


def card(project: Project, map: str, row: int) -> MapCard:
    """The card of the point in a row of the wire. Raises `NotFound` on a row that the map does not have."""
    artifact = find_map(project, map)
    data, info = open_map(artifact), corpus_of(project, artifact)
    (ordinal,) = data.checked_rows([row]).tolist()
    document = corpora.document(project.db, info, ordinal)
    cluster = int(data.column("clusters")[ordinal])
    names = {each.cluster: each.name for each in cluster_labels(project, map)}
    facts: list[tuple[str, Scalar]] = [("cluster", names[cluster])] if cluster in names else []
    facts += [(name, value) for name, value in document.metadata.items() if value not in (None, "")][:COLUMNS]
    facts += [("place", "approximate")] if data.placed[ordinal] else []
    trust = float(data.column("trust")[ordinal])
    facts += [("trust", round(trust, 3))] if np.isfinite(trust) else []
    return MapCard(
        row, ordinal, info.id, heading(document), beginning(document, TEXT), document.image is not None, facts
    )


def heading(document: Document) -> str:
    return " ".join((document.title or document.doc_id).split())[:TEXT]


def beginning(document: Document, characters: int) -> str:
    """The first `characters` of a text on one line, with … where it goes on."""
    text = " ".join(document.text[: 4 * characters + 200].split())
    return text if len(text) <= characters else f"{text[: max(0, characters - 1)]}…"


def hover_texts(
    project: Project, info: CorpusInfo, ordinals: NDArray[np.int64], characters: int
) -> Iterator[tuple[str, str]]:
    """(heading, beginning of the text) of these documents, in the order asked; read in blocks."""
    for start in range(0, ordinals.size, BLOCK):
        for document in corpora.documents(project.db, info.id, ordinals[start : start + BLOCK].tolist()):
            yield heading(document), beginning(document, characters)
