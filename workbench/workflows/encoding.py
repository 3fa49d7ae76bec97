"""One attempt at encoding a corpus: fits what needs fitting, writes the shards that are missing, in order.

A model with several outputs makes them in one pass: their embeddings grow in step, shard by shard.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.batching import prefetched, windows
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.project import Project
from workbench.ragged import Ragged
from workbench.specs import EncoderSpec, EncodeSpec
from workbench.types import Content, Progress
from workbench.vectors import MultiVectors, Shard, ShardFolder, csr_arrays, ragged_arrays

if TYPE_CHECKING:
    from workbench.encoders.base import Encoder, Matrix

STATE = "state"
"""Folder, inside the embedding's, of what an encoder learned from the corpus."""
MULTI_SHARD = 256
"""Most documents in a shard of token vectors: about 100 vectors each, held as float32 until they are written."""
SAMPLE = 32
"""Documents whose tokens are counted for an estimate."""
WORTH_SAYING = 100 * 2**20


@dataclass
class Part:
    """One embedding in the making: the encoder and its spec, and the folder of its draft."""

    given: EncoderSpec
    model: "Encoder"
    folder: Path

    @property
    def store(self) -> ShardFolder:
        return ShardFolder(self.folder)


class Encoding:
    """One attempt at encoding a corpus into the folders of drafts, which may hold what an earlier one finished."""

    def __init__(self, project: Project, info: CorpusInfo, spec: EncodeSpec, parts: Sequence[Part]) -> None:
        """`parts` are outputs of one model; most have one."""
        self._db = project.db
        self._media = project.media
        self.info = info
        self._spec = spec
        self._parts = parts
        several = any(part.model.output == "multi" for part in parts)
        self._spans = windows(info.documents, min(spec.shard_documents, MULTI_SHARD if several else 1 << 30))

    def run(self, progress: Progress) -> int:
        """Write the shards that are missing; returns how many were there. Raises what `progress` raises."""
        total = self.info.documents
        fitted = any(part.model.needs_fit for part in self._parts)
        if fitted:
            # A family that is fitted reads the corpus twice.
            self._fit(self._parts[0], lambda done: progress(done, 2 * total))
        before = total if fitted else 0

        def report(done: int) -> None:
            progress(before + done, before + total)

        finished = [len(self._finished_shards(part.store)) for part in self._parts]
        first = min(finished)
        left = self._spans[first:]
        report(sum(map(len, self._spans[:first])))
        with closing(prefetched(map(self._contents, left))) as blocks:
            for number, (span, contents) in enumerate(zip(left, blocks, strict=True), start=first):

                def within(done: int, _total: int, start: int = span.start) -> None:
                    report(start + done)

                missing = [part for part, count in zip(self._parts, finished, strict=True) if count <= number]
                models = [part.model for part in missing]
                for part, matrix in zip(missing, models[0].encode_siblings(models, contents, within), strict=True):
                    part.store.write(number, self._arrays(matrix, part.model.output), len(span))
        return first

    def manifest(self, part: Part, seconds: float, notes: Sequence[str]) -> dict[str, Any]:
        """What was applied, for the artifact's manifest: the encoder's description and what became of it here."""
        model = part.model
        tokens = {"tokens": MultiVectors(part.folder).tokens} if model.output == "multi" else {}
        return model.describe() | {
            "encoder": part.given.name,
            "encoder_spec": part.given.to_dict(),
            "corpus": self.info.label,
            "output": model.output,
            "modalities": sorted(model.modalities),
            "vectors": self.info.documents,
            **tokens,
            "dim": model.dim,
            "storage": "float32" if model.output == "sparse" else self._spec.storage,
            "shards": len(self._spans),
            "run": self._spec.to_dict(),
            "seconds": round(seconds, 3),
            "warnings": [*model.warnings, *notes],
        }

    def size_note(self, part: Part) -> list[str]:
        """What token vectors will take on the disk, where it is much; [] for other outputs.

        Raises `WorkbenchError` where the disk has less room than that.
        """
        if part.model.output != "multi":
            return []
        step = max(1, self.info.documents // SAMPLE)
        sample = [
            text
            for start in range(0, self.info.documents, step)
            for text in corpora.texts(self._db, self.info.id, start, start + 1)
        ]
        tokens = sum(len(part.model.tokens(text, "document")) for text in sample) / max(1, len(sample))
        width = np.dtype(self._spec.storage).itemsize
        needed = int(self.info.documents * tokens * part.model.dim * width)
        free = shutil.disk_usage(part.folder).free
        sentence = (
            f"Token vectors take about {needed / 2**20:,.0f} MB: {self.info.documents:,} documents × {tokens:.0f} "
            f"tokens × {part.model.dim} dimensions × {width} bytes"
        )
        if needed > free:
            raise WorkbenchError(
                f"{sentence}; the disk has {free / 2**20:,.0f} MB left.",
                "Free some space, or merge tokens (pool_factor), or shorten what is read (max_length).",
            )
        return [f"{sentence}."] if needed >= WORTH_SAYING else []

    def _contents(self, span: range) -> list[Content]:
        return corpora.contents(self._db, self._media, self.info.id, span.start, span.stop)

    def _fit(self, part: Part, report: Callable[[int], None]) -> None:
        """Fit the encoder, or take what an earlier attempt fitted."""
        state = part.folder / STATE
        try:
            part.model = type(part.model).open(part.given, self._spec, state)
        except NotFound:
            part.model.fit(self._counted(report))
            part.model.save_state(state)

    def _counted(self, report: Callable[[int], None]) -> Iterator[list[str]]:
        for span in self._spans:
            yield corpora.texts(self._db, self.info.id, span.start, span.stop)
            report(span.stop)

    def _finished_shards(self, store: ShardFolder) -> list[Shard]:
        """The leading shards that are whole, read back and compared with their hashes; the rest is removed."""
        good: list[Shard] = []
        for shard, span in zip(store.finished(), self._spans, strict=False):
            if shard.rows != len(span) or not is_whole(store, shard):
                break
            good.append(shard)
        for note in store.folder.glob("shard-*.json"):
            if int(note.stem.removeprefix("shard-")) >= len(good):
                note.unlink()
        return good

    def _arrays(self, matrix: "Matrix", output: str) -> dict[str, NDArray[Any]]:
        if output == "sparse":
            return csr_arrays(matrix)
        limit = np.finfo(self._spec.storage).max
        values = matrix.values if isinstance(matrix, Ragged) else np.asarray(matrix, np.float32)
        if values.size and float(np.abs(values).max()) > limit:
            raise BadInput(
                f"The vectors have values above {limit:.0f}, more than {self._spec.storage} can hold.",
                "Encode with storage float32, or scale the vectors to length 1 (normalize).",
            )
        if isinstance(matrix, Ragged):
            return ragged_arrays(matrix, self._spec.storage)
        return {"values": values.astype(self._spec.storage)}


def is_whole(store: ShardFolder, shard: Shard) -> bool:
    """Whether a shard's files are what its note says."""
    try:
        arrays = {name: store.load(shard, name) for name in shard.hashes}
    except (OSError, ValueError):
        return False
    return all(hashlib.sha256(array.data).hexdigest() == shard.hashes[name] for name, array in arrays.items())
