"""A fitted bridge as an encoder: its text encoder for texts, its image encoder and the map for images."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from workbench.checkpoints import resolve_device, resolve_dtype
from workbench.encoders import ENCODERS
from workbench.encoders.base import Encoder, Role
from workbench.encoders.bridging import FILE, load_bridge, read_notes
from workbench.encoders.joining import RULES, JointEncoder, Report, Rows
from workbench.errors import BadInput, NotFound
from workbench.specs import BridgeSpec, EncoderSpec, EncodeSpec, encoder_spec
from workbench.types import Content, Modality

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "models"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class BridgeEncoder(JointEncoder):
    """Texts and images in the text encoder's space, shifted by the captions' mean. Either model loads on first use."""

    modalities: frozenset[Modality] = frozenset({"text", "image"})
    keeps_state: ClassVar[bool] = True

    def __init__(self, spec: BridgeSpec, folder: Path, run: EncodeSpec) -> None:
        self._spec = spec
        self._folder = folder
        self._run = run
        self._notes = read_notes(folder)
        self._bridge = load_bridge(folder)
        self._opened: dict[str, Encoder] = {}
        self._dtype = resolve_dtype(run.dtype, resolve_device(run.device).partition(":")[0])
        self.documents = spec.documents
        self.warnings: list[str] = []

    @classmethod
    def open(cls, spec: EncoderSpec, run: EncodeSpec, state: Path | None = None) -> Self:
        """Read the map; its models are loaded when something is encoded. Raises `NotFound`, `BadInput`."""
        if not isinstance(spec, BridgeSpec):
            raise TypeError(f"a BridgeSpec is needed, not {type(spec).__name__}")
        return cls(spec, state if state is not None else bridge_folder(spec.model), run)

    @property
    def dim(self) -> int:
        return int(self._bridge.caption_mean.size)

    @property
    def size_bytes(self) -> int:
        """The map, and both models as they were when it was fitted, loaded or not."""
        own = sum(each.nbytes for each in vars(self._bridge).values() if isinstance(each, np.ndarray))
        return own + int(self._notes["image_bytes"]) + int(self._notes["text_bytes"])

    def describe(self) -> dict[str, Any]:
        return {
            "family": "bridge",
            "model": self._spec.model,
            "revision": f"sha256:{hashlib.sha256((self._folder / FILE).read_bytes()).hexdigest()[:40]}",
            "modalities": ["image", "text"],
            "documents": RULES[self.documents],
            "both": "norm(T + I) of unit vectors",
            "pooling": "bridge",
            "image_encoder": self._notes["image_encoder"],
            "image_revision": self._notes["image_revision"],
            "text_encoder": self._notes["text_encoder"],
            "text_revision": self._notes["text_revision"],
            "dim": self.dim,
            "normalize": True,
            "dtype": self._dtype,
            "similarity": "cosine",
            "fitted": {name: self._notes.get(name) for name in ("corpus", "measured", "ridge")},
            "versions": {"numpy": np.__version__},
        }

    def effective_query(self, text: str) -> str:
        return self._part("text").effective_query(text)

    def truncated(self, text: str) -> str:
        return self._part("text").truncated(text)

    def save_state(self, folder: Path) -> None:
        """A copy of the map, so that what it encoded stays searchable without it; bridge.json last."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*(f"{each}.npy" for each in self._notes["hashes"]), FILE):
            shutil.copyfile(self._folder / name, folder / name)

    def _text_rows(self, texts: list[str], role: Role, report: Report) -> Rows:
        encoder = self._part("text")
        if role == "query":
            vectors = encoder.encode_queries(texts)
            report(len(texts))
        else:
            vectors = encoder.encode_documents(texts, lambda done, total: report(done))
        return self._bridge.texts(np.asarray(vectors), role)

    def _image_rows(self, images: list[Path], report: Report) -> Rows:
        encoder = self._part("image")
        contents = [Content("", path) for path in images]
        features = np.asarray(encoder.encode_documents(contents, lambda done, total: report(done)))
        return self._bridge.images(features, probabilities_of(encoder, features) if self._has_labels else None)

    @property
    def _has_labels(self) -> bool:
        return self._bridge.labels is not None

    def _part(self, side: str) -> Encoder:
        if side not in self._opened:
            spec = encoder_spec(self._notes[f"{side}_encoder"])
            family: Any = ENCODERS.load(spec.kind)
            opened: Encoder = family.open(spec, self._run, None)
            if opened.describe().get("revision") != self._notes[f"{side}_revision"]:
                self.warnings.append(
                    f"The {side} encoder “{spec.name}” has changed since this bridge was fitted: fit it again."
                )
            self._opened[side] = opened
        return self._opened[side]


def probabilities_of(encoder: Encoder, features: Rows) -> Rows | None:
    """(n, classes) of an image encoder that names classes, from its own unit vectors; None of any other."""
    ask = getattr(encoder, "class_probabilities", None)
    return ask(features) if ask is not None and class_names(encoder) else None


def class_names(encoder: Encoder) -> list[str]:
    """The classes an image encoder names; none for most."""
    names: list[str] = getattr(encoder, "class_names", [])
    return names


def bridge_folder(model: str) -> Path:
    """The folder of `asset:name` (shipped with the workbench), or a folder. Raises `NotFound` or `BadInput`."""
    kind, _, name = model.partition(":")
    if kind == "asset":
        if not _NAME.fullmatch(name):
            raise BadInput(f"“{model}” names no bridge.", "Its name has small letters, digits and dashes.")
        folder = ASSETS / name
    elif kind == "artifact":
        raise NotFound(f"The bridge “{model}” belongs to a project that is not at hand.", "Fit it again.")
    else:
        folder = Path(model).expanduser()
    if not model.strip() or not (folder / FILE).is_file():
        raise NotFound(f"There is no bridge “{model}”.", "Fit one on the Encode page, or give the folder of one.")
    return folder
