"""The index a person settled on for an encoder: what Search begins with in place of the exact scan."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from workbench import corpora
from workbench.db import settings
from workbench.project import Project
from workbench.specs import RetrieverSpec
from workbench.workflows import retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.index import EXACT


def adopt(project: Project, corpus: str, retriever: RetrieverSpec) -> None:
    """Search with this index and these settings wherever nothing else is asked for; the index “exact” ends that.

    Raises `NotFound` where the encoder has no such index.
    """
    info = corpora.find(project.db, corpus)
    retrieving.find_target(project, find_embedding(project, info, retriever.encoder), retriever)
    key = _key(info.name)
    with project.db.write() as connection:
        known = connection.execute(sa.select(settings.c.value).where(settings.c.name == key)).scalar_one_or_none() or {}
        kept = {name: value for name, value in known.items() if name != retriever.encoder}
        if retriever.index != EXACT:
            kept[retriever.encoder] = retriever.to_dict()
        connection.execute(sa.delete(settings).where(settings.c.name == key))
        connection.execute(sa.insert(settings).values(name=key, value=kept))


def adopted(project: Project, corpus: str) -> dict[str, RetrieverSpec]:
    """Encoder → how it is searched, of those whose index (still) is there for the newest embedding."""
    info = corpora.find(project.db, corpus)
    with project.db.read() as connection:
        query = sa.select(settings.c.value).where(settings.c.name == _key(info.name))
        known: Mapping[str, Any] = connection.execute(query).scalar_one_or_none() or {}
    found = {name: RetrieverSpec.from_dict(value) for name, value in known.items()}
    newest: dict[str, set[str]] = {}
    for embedding in project.artifacts.list("embedding", corpus_id=info.id):
        if embedding.name in found and embedding.name not in newest:
            newest[embedding.name] = set(retrieving.indices_of(project, embedding))
    return {name: each for name, each in found.items() if each.index in newest.get(name, set())}


def _key(corpus: str) -> str:
    return f"adopted/{corpus}"
