"""Ready-made vectors of an import as an embedding artifact, searchable by neighbours."""

import numpy as np

from workbench.ingest import CorpusDraft
from workbench.project import Project
from workbench.readers.base import Reader
from workbench.types import Progress
from workbench.vectors import ShardFolder

GIVEN = "given"
"""Name and family of the embedding: no encoder made it, so no query can be encoded for it."""
_SHARD = 65536


def store_vectors(project: Project, draft: CorpusDraft, reader: Reader, progress: Progress) -> str | None:
    """Store the reader's vectors for the documents of `draft`; the artifact's id, or None where there are none."""
    if not reader.brings_vectors:
        return None
    spec = {"name": GIVEN, "kind": GIVEN, "source": draft.source_fingerprint}
    artifact = project.artifacts.begin("embedding", GIVEN, spec, [draft.fingerprint()], draft.id)
    if artifact.existing is not None:
        return artifact.existing.id
    try:
        shards = ShardFolder(artifact.folder)
        rows = dim = zeros = 0
        for number, block in enumerate(reader.vectors(_SHARD)):
            progress(rows, draft.documents)
            shards.write(number, {"values": block}, len(block))
            rows, dim = rows + len(block), block.shape[1]
            zeros += int((~np.any(block, axis=1)).sum())
        warnings = [f"{zeros:,} vectors are zero: they are similar to nothing."] if zeros else []
        manifest = {
            "encoder": GIVEN,
            "output": "dense",
            "vectors": rows,
            "dim": dim,
            "shards": len(shards.finished()),
            "dtype": "float32",
            "storage": "float32",
            "similarity": "cosine",
            "normalize": False,
            "pooling": "",
            "query_prompt": "",
            "document_prompt": "",
            "warnings": warnings,
        }
        return artifact.commit(manifest).id
    except BaseException:
        artifact.discard()
        raise
