"""A project whose dense vectors are planted: an imported corpus, an embedding written by hand, no model needed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.project import Project
from workbench.vectors import ShardFolder
from workbench.workflows.corpus import import_corpus

TOPICS = ("music", "water", "bread")


def write_corpus(path: Path, count: int) -> Path:
    """JSONL: document i is of topic i % 3, with a year and a word of its own."""
    rows = [
        {
            "_id": f"d{i}",
            "title": f"{TOPICS[i % 3].title()} {i}",
            "text": f"about {TOPICS[i % 3]} word{i}",
            "year": 1900 + i,
        }
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def planted(count: int, dim: int = 16) -> np.ndarray:
    """Three topics in three directions with a little noise, as float16 stores it."""
    rows = 0.2 * np.random.default_rng(0).standard_normal((count, dim))
    rows[np.arange(count), np.arange(count) % 3] += 1
    return rows.astype(np.float16)


def add_embedding(
    project: Project, corpus: str, matrix: np.ndarray, name: str = "planted", extra: Mapping[str, Any] | None = None
) -> Artifact:
    """`matrix` as a finished embedding of the corpus, in shards of 64, with the manifest of ready-made vectors."""
    info = corpora.find(project.db, corpus)
    draft = project.artifacts.begin("embedding", name, {"name": name}, [info.fingerprint], info.id)
    for number, start in enumerate(range(0, len(matrix), 64)):
        part = matrix[start : start + 64]
        ShardFolder(draft.folder).write(number, {"values": part}, len(part))
    manifest = {
        "encoder": name,
        "output": "dense",
        "vectors": len(matrix),
        "dim": matrix.shape[1],
        "similarity": "cosine",
        "normalize": False,
        "storage": "float16",
        "warnings": [],
    }
    return draft.commit(manifest | dict(extra or {}))


def planted_project(folder: Path, count: int = 300) -> Project:
    """A project with the corpus “topics” and its embedding “planted”."""
    project = Project.create(folder / "p")
    import_corpus(project, "topics", write_corpus(folder / "topics.jsonl", count))
    add_embedding(project, "topics", planted(count))
    return project
