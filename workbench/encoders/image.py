"""Image encoders without a text side: the packaged EfficientNet-Lite0, or any vision model of transformers."""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from workbench.checkpoints import (
    Located,
    file_hash,
    folder_revision,
    hub_snapshot,
    load_failure,
    locate,
    package_folder,
    resolve_device,
    resolve_dtype,
)
from workbench.encoders.base import Role
from workbench.encoders.efficientnet import EfficientNetLite0, load_efficientnet
from workbench.encoders.joining import JointEncoder, Report
from workbench.encoders.pixels import Features, ImageRunner, Precision, preparation
from workbench.errors import BadInput
from workbench.specs import EncoderSpec, EncodeSpec, ImageSpec
from workbench.types import Modality

CLASSES_FILE = Path(__file__).resolve().parents[2] / "assets" / "models" / "imagenet-classes.txt"
SIDE = 224
"""Pixels a side for EfficientNet-Lite0."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FEATURE_LENGTH = 26.0
"""Length of EfficientNet-Lite0's features, about the same for every image (25.96 ± 2.8 over 826 pictures): it turns a
normalised feature back into one that the classifier knows."""


class ImageEncoder(JointEncoder):
    """One vector of unit length per image, so that a picture finds pictures. Text of a document is left out."""

    modalities: frozenset[Modality] = frozenset({"image"})

    def __init__(self, spec: ImageSpec, vision: "Vision", run: EncodeSpec) -> None:
        self._spec = spec
        self._vision = vision
        device = resolve_device(run.device)
        self._dtype = resolve_dtype(run.dtype, device.partition(":")[0])
        if self._dtype == "bfloat16" and run.dtype == "auto" and not vision.bears_bfloat16:
            self._dtype = "float32"
        precision = Precision(vision.model, device, self._dtype)
        self._runner = ImageRunner(precision, vision.prepare, vision.forward, (run.batch_tokens, vision.tokens))
        blank = precision.call(vision.forward, vision.prepare([Image.new("RGB", (8, 8), "white")]))
        if blank.ndim != 2 or len(blank) != 1:
            raise BadInput(f"“{spec.model}” gives no single vector per image.", "Choose a vision model that pools.")
        self._dim = int(blank.shape[1])
        self.warnings: list[str] = []

    @classmethod
    def open(cls, spec: EncoderSpec, run: EncodeSpec, state: Path | None = None) -> Self:
        """Load the model. Raises `NotFound` or `BadInput` with a sentence where it cannot be."""
        if not isinstance(spec, ImageSpec):
            raise TypeError(f"an ImageSpec is needed, not {type(spec).__name__}")
        packaged = packaged_weights(spec.model)
        return cls(spec, LiteVision(packaged) if packaged else AutoVision(spec, locate(spec.model)), run)

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def size_bytes(self) -> int:
        return sum(weight.numel() * weight.element_size() for weight in self._vision.model.parameters())

    @property
    def class_names(self) -> list[str]:
        """What it can name on an image; empty for a model without such a head."""
        return self._vision.class_names()

    def class_probabilities(self, rows: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n, classes) from normalised vectors (n, dim), as they are stored. Only where it has `class_names`."""
        return self._vision.class_probabilities(np.asarray(rows, np.float32))

    def describe(self) -> dict[str, Any]:
        return {
            "family": "image",
            "model": self._spec.model,
            "revision": self._vision.revision,
            "modalities": ["image"],
            "dim": self._dim,
            "normalize": True,
            "dtype": self._dtype,
            "similarity": "cosine",
            "trust_remote_code": self._spec.trust_remote_code,
            "versions": {name: version(name) for name in ("transformers", "torch", "pillow")},
        } | self._vision.facts

    def _text_rows(self, texts: list[str], role: Role, report: Report) -> NDArray[np.float32]:
        raise TypeError("an image encoder reads no text")

    def _image_rows(self, images: list[Path], report: Report) -> NDArray[np.float32]:
        return self._runner.run(images, report)


class Vision:
    """A loaded vision model: `prepare` (PIL images → tensors) and `forward` (tensors → (n, dim)).

    `tokens`: what an image counts in a batch. `bears_bfloat16`: cosine ≥ 0.9995 against float32 on a CPU.
    """

    model: torch.nn.Module
    revision: str
    tokens: int
    facts: dict[str, Any]
    bears_bfloat16 = True

    def prepare(self, images: list[Image.Image]) -> Features:
        raise NotImplementedError

    def forward(self, features: Features) -> torch.Tensor:
        raise NotImplementedError

    def class_names(self) -> list[str]:
        return []

    def class_probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        raise TypeError("this image model names no classes")


class LiteVision(Vision):
    """EfficientNet-Lite0 from its package: squares on white of 224 pixels, 1280 features, ImageNet's classes."""

    tokens = (SIDE // 32) ** 2
    bears_bfloat16 = False

    def __init__(self, file: Path) -> None:
        # Channels last: 1.3 × as fast on a CPU.
        self.model: EfficientNetLite0 = load_efficientnet(file).to(memory_format=torch.channels_last)
        self.revision = f"sha256:{file_hash(file)[:40]}"
        self.facts = {
            "architecture": "EfficientNetLite0",
            "pooling": "mean of the last layer",
            "preparation": {"square": "white margins", "size": SIDE, "mean": list(MEAN), "std": list(DEVIATION)},
        }

    def prepare(self, images: list[Image.Image]) -> Features:
        pixels = np.stack([np.asarray(squared(each, SIDE), np.float32) for each in images]) / 255
        pixels = (pixels - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
        return {"pixels": torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))}

    def forward(self, features: Features) -> torch.Tensor:
        made: torch.Tensor = self.model(features["pixels"].contiguous(memory_format=torch.channels_last))
        return made

    def class_names(self) -> list[str]:
        return CLASSES_FILE.read_text(encoding="utf-8").splitlines()

    def class_probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        layer = self.model.classifier
        with torch.inference_mode():
            features = FEATURE_LENGTH * torch.from_numpy(rows).to(layer.weight.device)
            logits = torch.nn.functional.linear(features, layer.weight.float(), layer.bias.float())
            found: NDArray[np.float32] = torch.softmax(logits, 1).cpu().numpy()
        return found


class AutoVision(Vision):
    """A vision model by transformers' Auto classes: what its pooler gives, else the class token, else the mean."""

    def __init__(self, spec: ImageSpec, located: Located) -> None:
        self.model, self._processor, missing = load_vision(spec, located)
        folder = located.folder or hub_snapshot(spec.model, spec.revision)
        self.revision = folder_revision(located.folder) if located.folder else (folder.name if folder else "unknown")
        # A pooler without weights of its own is random.
        self._pools = not any("pooler" in name for name in missing)
        config = self.model.config
        side, patch = getattr(config, "image_size", 224), getattr(config, "patch_size", 32)
        self.tokens = max(1, (side // patch) ** 2) if isinstance(side, int) and isinstance(patch, int) else 196
        self.facts = {
            "architecture": type(self.model).__name__,
            "pooling": "the model's pooler" if self._pools else "class token",
            "preparation": preparation(self._processor),
        }

    def prepare(self, images: list[Image.Image]) -> Features:
        return dict(self._processor(images=images, return_tensors="pt"))

    def forward(self, features: Features) -> torch.Tensor:
        out = self.model(**features)
        pooled = getattr(out, "pooler_output", None) if self._pools else None
        return out.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1)


def load_vision(spec: ImageSpec, located: Located) -> tuple[Any, Any, list[str]]:
    """(model, image processor, names of weights that the files lack). Raises what `load_failure` makes of an error."""
    from safetensors import SafetensorError
    from transformers import AutoImageProcessor, AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    options: dict[str, Any] = {
        "revision": spec.revision,
        "trust_remote_code": spec.trust_remote_code,
        "local_files_only": located.folder is not None,
    }
    try:
        processor = AutoImageProcessor.from_pretrained(located.source, backend="pil", **options)
        model, notes = AutoModel.from_pretrained(
            located.source, output_loading_info=True, dtype=torch.float32, **options
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, AttributeError, SafetensorError) as error:
        raise load_failure(spec.model, error) from error
    if hasattr(model, "get_image_features") or getattr(model, "main_input_name", "") != "pixel_values":
        raise BadInput(
            f"“{spec.model}” is not a model for images alone.", "Take the family image-text for CLIP and its relatives."
        )
    return model, processor, sorted(notes["missing_keys"])


def packaged_weights(model: str) -> Path | None:
    """The one `.pth` in a package's folder without config.json: EfficientNet-Lite0's form. Raises `NotFound`."""
    kind, _, rest = model.partition(":")
    if kind != "package":
        return None
    folder = package_folder(*rest.split("/"))
    return (
        None if (folder / "config.json").is_file() else next(iter(sorted(folder.glob("efficientnet-lite0*.pth"))), None)
    )


def squared(image: Image.Image, side: int) -> Image.Image:
    """The whole picture in the middle of a white square, resized to `side` pixels, bicubic."""
    edge = max(image.size)
    if image.width != image.height:
        square = Image.new("RGB", (edge, edge), "white")
        square.paste(image, ((edge - image.width) // 2, (edge - image.height) // 2))
        image = square
    return image.resize((side, side), Image.Resampling.BICUBIC)
