"""Dense text encoders that sentence-transformers loads: the model's own modules, pooling and prompts."""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workbench.catalogue import CatalogueEntry, known_model
from workbench.checkpoints import (
    Located,
    found_revision,
    hub_snapshot,
    known_model_ids,
    load_pretrained,
    locate,
    resolve_dtype,
)
from workbench.encoders.base import Output, Role, TextEncoder, truncation
from workbench.encoders.inference import Runner
from workbench.encoders.pretrained import PROMPT_NAMES, chosen_prompt
from workbench.errors import BadInput
from workbench.scoring import normalize_rows
from workbench.specs import DenseSpec, EncoderSpec, EncodeSpec
from workbench.torch_models import checked_length, position_limit
from workbench.types import Progress


class DenseEncoder(TextEncoder):
    """One vector per text. What the spec leaves open is as the model's own files say, and recorded by `describe`."""

    output: Output = "dense"

    def __init__(self, spec: DenseSpec, model: Any, run: EncodeSpec, located: Located) -> None:
        """`model` is a SentenceTransformer as loaded. Raises `BadInput` where the spec asks for more than it has."""
        self._spec = spec
        self._model = model
        self._folder = located.folder or hub_snapshot(spec.model, spec.revision)
        self._prompts = {role: chosen_prompt(role, spec, model) for role in PROMPT_NAMES}
        self._max_length = applied_max_length(spec, model)
        self._dim = applied_dim(spec, model)
        self._dtype = resolve_dtype(run.dtype, model.device.type, str(model.dtype).removeprefix("torch."))
        self._revision = found_revision(located, self._folder, spec.revision)
        self._runner = Runner(model, str(model.device), self._dtype, run.batch_tokens)
        self.warnings = self._find_warnings()

    @classmethod
    def open(cls, spec: EncoderSpec, run: EncodeSpec, state: Path | None = None) -> Self:
        """Load the model. Raises `NotFound` or `BadInput` with a sentence where it cannot be."""
        if not isinstance(spec, DenseSpec):
            raise TypeError(f"a DenseSpec is needed, not {type(spec).__name__}")
        located = locate(spec.model)
        return cls(spec, load_pretrained("SentenceTransformer", spec, located, run), run, located)

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def size_bytes(self) -> int:
        return sum(weight.numel() * weight.element_size() for weight in self._model.parameters())

    def describe(self) -> dict[str, Any]:
        pooling = pooling_module(self._model)
        return {
            "family": "dense",
            "model": self._spec.model,
            "revision": self._revision,
            "modules": [type(module).__name__ for module in self._model],
            "pooling": pooling_name(self._model),
            "prompt_in_pooling": bool(getattr(pooling, "include_prompt", True)),
            "query_prompt": self._prompts["query"],
            "document_prompt": self._prompts["document"],
            "max_length": self._max_length,
            "dim": self._dim,
            "normalize": self._spec.normalize,
            "dtype": self._dtype,
            "similarity": self._model.similarity_fn_name,
            "trust_remote_code": self._spec.trust_remote_code,
            "versions": {name: version(name) for name in ("sentence-transformers", "transformers", "torch")},
        }

    def effective_query(self, text: str) -> str:
        return self._prompts["query"] + text

    def truncated(self, text: str) -> str:
        whole = self.effective_query(text)
        # A token holds a character at least, and no model adds more than a few of its own.
        if self._max_length is None or len(whole) + 8 <= self._max_length:
            return ""
        ids = self._model.tokenizer(whole, truncation=False, verbose=False)["input_ids"]
        return truncation(len(ids), self._max_length)

    def _encode_texts(self, texts: list[str], role: Role, progress: Progress) -> NDArray[np.float32]:
        rows = self._runner.run(texts, self._prompts[role], role, progress)[:, : self._dim]
        return normalize_rows(rows) if self._spec.normalize else np.ascontiguousarray(rows)

    def _find_warnings(self) -> list[str]:
        found: list[str] = []
        known = known_model([self._spec.model, *(known_model_ids(self._folder) if self._folder else [])])
        if known is not None:
            found += missing_prompts(known, self._prompts)
        if self._revision == "unknown":
            found.append(
                f"The revision of “{self._spec.model}” could not be found out: a newer one counts as the same."
            )
        if self._folder is not None and not (self._folder / "modules.json").is_file():
            found.append(
                f"“{self._spec.model}” does not say how its tokens are pooled (it has no modules.json): "
                f"{pooling_name(self._model)} pooling is used."
            )
        if self._spec.normalize and self._model.similarity_fn_name == "dot":
            found.append("This model compares by dot product, but its vectors are scaled to length 1 here.")
        return found


def applied_max_length(spec: DenseSpec, model: Any) -> int | None:
    """Tokens that are read of a text; None where the model has no limit. Raises `BadInput` above what it can read."""
    if spec.max_length is not None:
        limit = position_limit(getattr(model[0], "config", None))
        model.max_seq_length = checked_length(spec.model, spec.max_length, limit)
    length = model.max_seq_length
    return int(length) if length is not None and length < 1 << 30 else None


def applied_dim(spec: DenseSpec, model: Any) -> int:
    """Dimensions kept: the spec's, else the model's. Raises `BadInput` where it has fewer."""
    own = model.get_embedding_dimension()
    if own is None:
        raise BadInput(f"“{spec.model}” does not say how many dimensions its vectors have.", "Choose another model.")
    if spec.dim is not None and spec.dim > own:
        raise BadInput(f"dim is {spec.dim}, but the vectors of “{spec.model}” have {own} dimensions.")
    return int(spec.dim or own)


def pooling_module(model: Any) -> Any:
    """The model's pooling module, or None."""
    return next((module for module in model if type(module).__name__ == "Pooling"), None)


def pooling_name(model: Any) -> str:
    """How token vectors become one, in the model's own word; the class of its first module where it does not pool."""
    pooling = pooling_module(model)
    if pooling is None:
        return type(model[0]).__name__
    mode = pooling.pooling_mode
    return mode if isinstance(mode, str) else "+".join(mode)


def missing_prompts(known: CatalogueEntry, applied: dict[Role, str]) -> list[str]:
    """A sentence for each prompt that the model is known to expect and that is not set."""
    expected: dict[Role, str] = {"query": known.query_prompt, "document": known.document_prompt}
    return [
        f"{known.hub} expects the {role} prompt “{prompt}” and none is set: results will be worse."
        for role, prompt in expected.items()
        if prompt and not applied[role]
    ]
