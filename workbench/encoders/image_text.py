"""Models with one space for images and text: CLIP, SigLIP, SigLIP2, BGE-VL (CLIP form), dual encoders, and others."""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from workbench.checkpoints import (
    Located,
    folder_revision,
    hub_snapshot,
    load_failure,
    locate,
    resolve_device,
    resolve_dtype,
)
from workbench.encoders.base import Role
from workbench.encoders.joining import RULES, JointEncoder, Report, Rows
from workbench.encoders.towers import AutoTowers, SentenceTowers, Towers
from workbench.specs import EncoderSpec, EncodeSpec, ImageTextSpec
from workbench.types import Content


class ImageTextEncoder(JointEncoder):
    """Texts and images as vectors of unit length in one space. What the model lacks of the two is shown and refused."""

    def __init__(self, spec: ImageTextSpec, towers: Towers, dtype: str, located: Located) -> None:
        self._spec = spec
        self._towers = towers
        self._dtype = dtype
        self.documents = spec.documents
        self.modalities = towers.modalities
        folder = located.folder or hub_snapshot(spec.model, spec.revision)
        self._revision = folder_revision(located.folder) if located.folder else (folder.name if folder else "unknown")
        self.warnings: list[str] = []
        for missing in sorted({"text", "image"} - self.modalities):
            reason = towers.reasons.get(missing, "")
            self.warnings.append(f"“{spec.model}” reads no {missing} here{f': {reason}' if reason else '.'}")

    @classmethod
    def open(cls, spec: EncoderSpec, run: EncodeSpec, state: Path | None = None) -> Self:
        """Load the model. Raises `NotFound` or `BadInput` with a sentence where it cannot be."""
        if not isinstance(spec, ImageTextSpec):
            raise TypeError(f"an ImageTextSpec is needed, not {type(spec).__name__}")
        located = locate(spec.model)
        device = resolve_device(run.device)
        place = (device, resolve_dtype(run.dtype, device.partition(":")[0]))
        sentences = open_sentence_model(spec, located)
        towers = SentenceTowers(spec, sentences, place) if sentences else AutoTowers(spec, located, run, place)
        return cls(spec, towers, place[1], located)

    @property
    def dim(self) -> int:
        return self._towers.dim

    @property
    def size_bytes(self) -> int:
        return sum(weight.numel() * weight.element_size() for weight in self._towers.model.parameters())

    def describe(self) -> dict[str, Any]:
        return {
            "family": "image-text",
            "model": self._spec.model,
            "revision": self._revision,
            "modalities": sorted(self.modalities),
            "documents": RULES[self.documents],
            "both": "the model's own" if self._towers.reads_pairs else "norm(T + I) of the projected features",
            "pooling": "projection",
            "max_length": self._towers.max_length,
            "dim": self.dim,
            "normalize": True,
            "dtype": self._dtype,
            "similarity": "cosine",
            "trust_remote_code": self._spec.trust_remote_code,
            "versions": {name: version(name) for name in ("sentence-transformers", "transformers", "torch", "pillow")},
        } | self._towers.facts

    def truncated(self, text: str) -> str:
        return self._towers.truncated(text) if "text" in self.modalities else ""

    def _text_rows(self, texts: list[str], role: Role, report: Report) -> Rows:
        return self._towers.text_rows(texts, role, report)

    def _image_rows(self, images: list[Path], report: Report) -> Rows:
        return self._towers.image_rows(images, report)

    def _pair_rows(self, pairs: list[Content], report: Report) -> Rows | None:
        return self._towers.pair_rows(pairs, report) if self._towers.reads_pairs else None


def open_sentence_model(spec: ImageTextSpec, located: Located) -> Any:
    """The SentenceTransformer where the model is one (it has modules.json), else None. Raises as loading does."""
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import is_sentence_transformer_model
    from transformers.utils import logging

    logging.disable_progress_bar()
    here = located.folder is not None
    try:
        if not is_sentence_transformer_model(located.source, revision=spec.revision, local_files_only=here):
            return None
        return SentenceTransformer(
            located.source,
            device="cpu",
            revision=spec.revision,
            trust_remote_code=spec.trust_remote_code,
            local_files_only=here,
            model_kwargs={"dtype": torch.float32},
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, AttributeError, SafetensorError) as error:
        raise load_failure(spec.model, error) from error
