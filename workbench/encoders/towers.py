"""A loaded image-text model: its text side and its image side, whichever of the two it really has."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from workbench.batching import TokenBudget, windows
from workbench.checkpoints import Located, load_failure
from workbench.encoders.base import Role, truncation
from workbench.encoders.pixels import Features, ImageRunner, Precision, preparation
from workbench.errors import BadInput
from workbench.images import read_image
from workbench.specs import EncodeSpec, ImageTextSpec
from workbench.torch_models import position_limit, suitable_budget, untrained
from workbench.types import Content, Modality

Report = Callable[[int], None]
Rows = NDArray[np.float32]
TEXT_WINDOW = 4096
"""Texts tokenised and sorted by length together."""
SINGLE = {"CLIPVisionModelWithProjection", "CLIPTextModelWithProjection", "SiglipVisionModel", "SiglipTextModel"}
"""Halves of an image-text model, saved alone; the Auto classes would leave out their projection."""


class Towers(ABC):
    """Both return (n, dim) float32 as the model projects them, not normalised, row i for input i."""

    modalities: frozenset[Modality]
    dim: int
    max_length: int | None
    facts: dict[str, Any]
    reads_pairs = False
    """Whether the model itself reads text and image at once, as one input."""
    reasons: Mapping[str, str] = MappingProxyType({})
    """Why a modality is missing, where that is known."""

    @property
    @abstractmethod
    def model(self) -> torch.nn.Module: ...

    @abstractmethod
    def text_rows(self, texts: list[str], role: Role, report: Report) -> Rows: ...

    @abstractmethod
    def image_rows(self, images: list[Path], report: Report) -> Rows: ...

    @abstractmethod
    def truncated(self, text: str) -> str:
        """The sentence for a text longer than the model reads; "" where it fits."""

    def pair_rows(self, pairs: list[Content], report: Report) -> Rows:
        raise TypeError("this model does not read text and image as one input")


class AutoTowers(Towers):
    """CLIP, SigLIP, SigLIP2 and their relatives by transformers' Auto classes; no torchvision is needed."""

    def __init__(self, spec: ImageTextSpec, located: Located, run: EncodeSpec, place: tuple[str, str]) -> None:
        """`place` = (device, dtype). Raises `BadInput` where the model gives no vectors for texts or images."""
        self._spec = spec
        self._model, tokenizer, processor = load_parts(spec, located)
        self._tokenizer, self._processor = tokenizer.value, processor.value
        device, dtype = place
        self._precision = Precision(self._model, device, dtype)
        # SigLIP was trained on texts padded to full length, without a mask; its pooling takes the last position.
        self._padded = getattr(self._model.config, "model_type", "").startswith("siglip")
        self.max_length = self._text_limit() if self._tokenizer is not None else None
        self._budget = TokenBudget(run.batch_tokens or suitable_budget(self._precision.device))
        self._runner = ImageRunner(
            self._precision, self._prepare, self._image_side, (run.batch_tokens, self._patches())
        )
        self.modalities, self.dim = self._probe()
        missing = {"text": tokenizer.reason, "image": processor.reason}
        self.reasons = {name: reason for name, reason in missing.items() if name not in self.modalities}
        self.facts = {
            "architecture": type(self._model).__name__,
            "modules": ["projection"],
            "preparation": preparation(self._processor) if "image" in self.modalities else {},
            "padding": "full length, no mask" if self._padded else "longest of a batch",
        }

    @property
    def model(self) -> torch.nn.Module:
        module: torch.nn.Module = self._model
        return module

    def text_rows(self, texts: list[str], role: Role, report: Report) -> Rows:
        rows = np.empty((len(texts), self.dim), np.float32)
        done = 0
        for span in windows(len(texts), TEXT_WINDOW):
            ids = self._tokens(texts[span.start : span.stop])
            lengths = np.fromiter(map(len, ids), np.int64, len(ids))
            for positions, made in self._budget.run(lengths, lambda at, ids=ids: self._batch([ids[n] for n in at])):  # type: ignore[misc]
                rows[span.start + positions] = made.numpy()
                done += positions.size
                report(done)
        return rows

    def image_rows(self, images: list[Path], report: Report) -> Rows:
        return self._runner.run(images, report)

    def truncated(self, text: str) -> str:
        if self._tokenizer is None:
            return ""
        return truncation(len(self._tokenizer(text, truncation=False, verbose=False)["input_ids"]), self.max_length)

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        options = {"padding": "max_length" if self._padded else False, "max_length": self.max_length}
        ids: list[list[int]] = self._tokenizer(texts, truncation=True, **options)["input_ids"]
        return ids

    def _batch(self, ids: list[list[int]]) -> torch.Tensor:
        padded = self._tokenizer.pad({"input_ids": ids}, return_tensors="pt")
        names = ["input_ids"] if self._padded else ["input_ids", "attention_mask"]
        return self._precision.call(self._text_side, {name: padded[name] for name in names})

    def _text_side(self, features: Features) -> torch.Tensor:
        ask = getattr(self._model, "get_text_features", None)
        return vector_of(ask(**features) if ask else self._model(**features), "text_embeds")

    def _image_side(self, features: Features) -> torch.Tensor:
        ask = getattr(self._model, "get_image_features", None)
        return vector_of(ask(**features) if ask else self._model(**features), "image_embeds")

    def _prepare(self, images: list[Image.Image]) -> Features:
        return dict(self._processor(images=images, return_tensors="pt"))

    def _text_limit(self) -> int | None:
        config = getattr(self._model.config, "text_config", self._model.config)
        limits = [position_limit(config), int(self._tokenizer.model_max_length)]
        known = [limit for limit in limits if limit is not None and limit < 1 << 30]
        return min(known) if known else None

    def _patches(self) -> int:
        config = getattr(self._model.config, "vision_config", self._model.config)
        side, patch = getattr(config, "image_size", 224), getattr(config, "patch_size", 32)
        return max(1, (side // patch) ** 2) if isinstance(side, int) and isinstance(patch, int) else 256

    def _probe(self) -> tuple[frozenset[Modality], int]:
        """What the model can read, found by asking it: (modalities, dim)."""
        made: dict[Modality, torch.Tensor] = {}
        kind = type(self._model).__name__
        if self._tokenizer is not None and (hasattr(self._model, "get_text_features") or "Text" in kind):
            made["text"] = self._batch(self._tokens(["a"]))
        if self._processor is not None and (hasattr(self._model, "get_image_features") or "Vision" in kind):
            blank = self._prepare([Image.new("RGB", (32, 32), "white")])
            made["image"] = self._precision.call(self._image_side, blank)
        sizes = {tuple(each.shape) for each in made.values()}
        if len(sizes) != 1 or any(each.ndim != 2 or len(each) != 1 for each in made.values()):
            raise BadInput(
                f"“{self._spec.model}” is no image-text embedding model ({kind}).",
                "Take a CLIP, SigLIP or dual-encoder model, or another family.",
            )
        return frozenset(made), int(next(iter(made.values())).shape[1])


class SentenceTowers(Towers):
    """A multimodal sentence-transformers folder (modules.json): its own modules, processors and prompts."""

    def __init__(self, spec: ImageTextSpec, model: Any, place: tuple[str, str], batch: int = 16) -> None:
        self._model = model
        self._batch = batch
        self._precision = Precision(model, *place)
        own: list[Modality] = ["text", "image"]
        self.modalities = frozenset(each for each in own if model.supports(each))
        self.reads_pairs = bool(model.supports(("image", "text")))
        length = model.max_seq_length
        self.max_length = int(length) if length is not None and 0 < length < 1 << 30 else None
        if not self.modalities:
            raise BadInput(f"“{spec.model}” reads neither text nor images.", "Choose another model.")
        self.dim = int(model.get_embedding_dimension() or self._rows(["a"], "query", lambda done: None).shape[1])
        self.facts = {
            "architecture": type(model[0]).__name__,
            "modules": [type(module).__name__ for module in model],
            "query_prompt": str(model.prompts.get("query") or ""),
            "document_prompt": str(model.prompts.get("document") or ""),
        }

    @property
    def model(self) -> torch.nn.Module:
        module: torch.nn.Module = self._model
        return module

    def text_rows(self, texts: list[str], role: Role, report: Report) -> Rows:
        return self._rows(texts, role, report)

    def image_rows(self, images: list[Path], report: Report) -> Rows:
        return self._rows(images, "document", report)

    def pair_rows(self, pairs: list[Content], report: Report) -> Rows:
        return self._rows(pairs, "query", report)

    def truncated(self, text: str) -> str:
        tokenizer = getattr(self._model, "tokenizer", None)
        if tokenizer is None or self.max_length is None:
            return ""
        return truncation(len(tokenizer(text, truncation=False, verbose=False)["input_ids"]), self.max_length)

    def _rows(self, inputs: Any, role: Role, report: Report) -> Rows:
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        parts: list[Rows] = []
        for span in windows(len(inputs), self._batch):
            given = [readable(each) for each in inputs[span.start : span.stop]]

            def forward(_: Features, given: list[Any] = given) -> torch.Tensor:
                made: torch.Tensor = encode(
                    given, batch_size=self._batch, show_progress_bar=False, convert_to_tensor=True
                )
                return made

            parts.append(self._precision.call(forward, {}).numpy())
            report(span.stop)
        return np.concatenate(parts)


def readable(value: str | Path | Content) -> Any:
    """A text, an opened image, or both, as sentence-transformers takes them. Raises `BadInput` on a bad image."""
    if isinstance(value, Content):
        return {"text": value.text, "image": read_image(value.image) if value.image else None}
    return read_image(value) if isinstance(value, Path) else value


def vector_of(out: Any, name: str) -> torch.Tensor:
    """The projected vectors of an output: a tensor itself (transformers 4), its `pooler_output` (5), or `name`."""
    own = getattr(out, name, None)
    vector: torch.Tensor = own if own is not None else getattr(out, "pooler_output", out)
    return vector


@dataclass(frozen=True)
class Part:
    """A part that a model may lack: its `value`, or None and the `reason`."""

    value: Any = None
    reason: str = ""


def load_parts(spec: ImageTextSpec, located: Located) -> tuple[Any, Part, Part]:
    """(model, tokenizer, image processor). Raises what `load_failure` makes of an error."""
    import transformers
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoImageProcessor, AutoModel

    transformers.utils.logging.disable_progress_bar()
    options: dict[str, Any] = {
        "revision": spec.revision,
        "trust_remote_code": spec.trust_remote_code,
        "local_files_only": located.folder is not None,
    }
    try:
        config = AutoConfig.from_pretrained(located.source, **options)
        (name, *_) = config.architectures or [""]
        family = getattr(transformers, name) if name in SINGLE else AutoModel
        model = family.from_pretrained(located.source, dtype=torch.float32, **options)
        processor = _optional(lambda: AutoImageProcessor.from_pretrained(located.source, backend="pil", **options))
        tokenizer = _optional(lambda: load_tokenizer(located.source, options))
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, AttributeError, SafetensorError) as error:
        raise load_failure(spec.model, error) from error
    lacking = untrained(model)
    if lacking:
        raise BadInput(
            f"The files of “{spec.model}” lack {len(lacking)} of its weights (for example {lacking[0]}).",
            "They would be random numbers: choose a model saved as a whole.",
        )
    return model, tokenizer, processor


def load_tokenizer(source: str, options: dict[str, Any]) -> Any:
    """The tokenizer as the model's processor holds it (SigLIP2's makes texts lower case), else on its own."""
    from transformers import AutoProcessor, AutoTokenizer

    whole = _optional(lambda: AutoProcessor.from_pretrained(source, backend="pil", **options)).value
    own = getattr(whole, "tokenizer", None)
    return own if own is not None else AutoTokenizer.from_pretrained(source, **options)


def _optional(load: Callable[[], Any]) -> Part:
    """What `load` gives; a model may be saved without this part."""
    try:
        return Part(load())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        return Part(None, " ".join(str(error).split())[:200])
