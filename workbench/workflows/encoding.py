"""One attempt at encoding a corpus: fits what needs fitting, writes the shards that are missing, in order."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.batching import prefetched, windows
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.specs import EncoderSpec, EncodeSpec
from workbench.types import Content, Progress
from workbench.vectors import Shard, ShardFolder, csr_arrays

if TYPE_CHECKING:
    from workbench.encoders.base import Encoder, Matrix

STATE = "state"
"""Folder, inside the embedding's, of what an encoder learned from the corpus."""


class Encoding:
    """One attempt at encoding a corpus into the folder of a draft, which may hold what an earlier one finished."""

    def __init__(
        self, project: Project, info: CorpusInfo, given: EncoderSpec, model: "Encoder", spec: EncodeSpec, folder: Path
    ) -> None:
        self._db = project.db
        self._media = project.media
        self._info = info
        self._given = given
        self._model = model
        self._spec = spec
        self._store = ShardFolder(folder)
        self._spans = windows(info.documents, spec.shard_documents)

    def run(self, progress: Progress) -> int:
        """Write the shards that are missing; returns how many were there. Raises what `progress` raises."""
        total = self._info.documents
        if self._model.needs_fit:
            # A family that is fitted reads the corpus twice.
            self._fit(lambda done: progress(done, 2 * total))
        before = total if self._model.needs_fit else 0

        def report(done: int) -> None:
            progress(before + done, before + total)

        finished = self._finished_shards()
        left = self._spans[len(finished) :]
        report(sum(shard.rows for shard in finished))
        with closing(prefetched(map(self._contents, left))) as blocks:
            for span, contents in zip(left, blocks, strict=True):

                def within(done: int, _total: int, start: int = span.start) -> None:
                    report(start + done)

                matrix = self._model.encode_documents(contents, within)
                self._store.write(span.start // self._spec.shard_documents, self._arrays(matrix), len(span))
        return len(finished)

    def manifest(self, seconds: float, notes: Sequence[str]) -> dict[str, Any]:
        """What was applied, for the artifact's manifest: the encoder's description and what became of it here."""
        return self._model.describe() | {
            "encoder": self._given.name,
            "encoder_spec": self._given.to_dict(),
            "corpus": self._info.label,
            "output": self._model.output,
            "vectors": self._info.documents,
            "dim": self._model.dim,
            "storage": "float32" if self._model.output == "sparse" else self._spec.storage,
            "shards": len(self._spans),
            "run": self._spec.to_dict(),
            "seconds": round(seconds, 3),
            "warnings": [*self._model.warnings, *notes],
        }

    def _contents(self, span: range) -> list[Content]:
        return corpora.contents(self._db, self._media, self._info.id, span.start, span.stop)

    def _fit(self, report: Callable[[int], None]) -> None:
        """Fit the encoder, or take what an earlier attempt fitted."""
        state = self._store.folder / STATE
        try:
            self._model = type(self._model).open(self._given, self._spec, state)
        except NotFound:
            self._model.fit(self._counted(report))
            self._model.save_state(state)

    def _counted(self, report: Callable[[int], None]) -> Iterator[list[str]]:
        for span in self._spans:
            yield corpora.texts(self._db, self._info.id, span.start, span.stop)
            report(span.stop)

    def _finished_shards(self) -> list[Shard]:
        """The leading shards that are whole, read back and compared with their hashes; the rest is removed."""
        good: list[Shard] = []
        for shard, span in zip(self._store.finished(), self._spans, strict=False):
            if shard.rows != len(span) or not is_whole(self._store, shard):
                break
            good.append(shard)
        for note in self._store.folder.glob("shard-*.json"):
            if int(note.stem.removeprefix("shard-")) >= len(good):
                note.unlink()
        return good

    def _arrays(self, matrix: "Matrix") -> dict[str, NDArray[Any]]:
        if self._model.output == "sparse":
            return csr_arrays(matrix)
        limit = np.finfo(self._spec.storage).max
        values = np.asarray(matrix, np.float32)
        if values.size and float(np.abs(values).max()) > limit:
            raise BadInput(
                f"The vectors have values above {limit:.0f}, more than {self._spec.storage} can hold.",
                "Encode with storage float32, or scale the vectors to length 1 (normalize).",
            )
        return {"values": values.astype(self._spec.storage)}


def is_whole(store: ShardFolder, shard: Shard) -> bool:
    """Whether a shard's files are what its note says."""
    try:
        arrays = {name: store.load(shard, name) for name in shard.hashes}
    except (OSError, ValueError):
        return False
    return all(hashlib.sha256(array.data).hexdigest() == shard.hashes[name] for name, array in arrays.items())
