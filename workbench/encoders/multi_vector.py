"""Late-interaction text encoders that sentence-transformers loads: ColBERT and its relatives, one vector per token."""

from pathlib import Path
from typing import Any, Self

import numpy as np

from workbench.checkpoints import Located, hub_snapshot, load_pretrained, locate
from workbench.encoders.base import Output, Role
from workbench.encoders.forms import MULTI, Form
from workbench.encoders.pretrained import PretrainedTextEncoder, architectures, saved_as
from workbench.encoders.words import readable
from workbench.errors import BadInput
from workbench.ragged import Ragged
from workbench.specs import EncoderSpec, EncodeSpec, MultiVectorSpec
from workbench.torch_models import checked_length, position_limit
from workbench.types import Progress


class MultiVectorTextEncoder(PretrainedTextEncoder):
    """The vectors of the tokens that count: markers, query expansion, skip list and projection as the model has them.

    Equal to MultiVectorEncoder.encode_query and encode_document; compared by MaxSim. Padding is in no row.
    """

    output: Output = "multi"

    def __init__(self, spec: MultiVectorSpec, model: Any, run: EncodeSpec, located: Located) -> None:
        """Raises `BadInput` where the spec asks for more tokens than the model reads."""
        set_lengths(spec, model[0])
        super().__init__(spec, model, run, located)
        self._pooled = any("TokenPooling" in type(module).__name__ for module in model)
        dim = model.get_embedding_dimension()
        if dim is None:
            raise BadInput(f"“{spec.model}” does not say how many dimensions its vectors have.", "Choose another.")
        self._dim = int(dim)

    @classmethod
    def open(cls, spec: EncoderSpec, run: EncodeSpec, state: Path | None = None) -> Self:
        """Load the model. Raises `NotFound` or `BadInput` with a sentence where it cannot be.

        A model without a projection trained for late interaction gives its own token states, and it is said.
        """
        if not isinstance(spec, MultiVectorSpec):
            raise TypeError(f"a MultiVectorSpec is needed, not {type(spec).__name__}")
        located = locate(spec.model)
        folder = located.folder or hub_snapshot(spec.model, spec.revision)
        if folder is None or for_late_interaction(folder):
            return cls(spec, load_pretrained("MultiVectorEncoder", spec, located, run), run, located)
        # sentence-transformers would add a projection with random weights.
        model = without_projection(load_pretrained("SentenceTransformer", spec, located, run))
        encoder = cls(spec, model, run, located)
        encoder.warnings.append(
            f"“{spec.model}” was not trained for late interaction: the states of its own tokens are compared."
        )
        return encoder

    @property
    def dim(self) -> int:
        return self._dim

    def describe(self) -> dict[str, Any]:
        first = self._model[0]
        masks = [module for module in self._model if type(module).__name__ == "MultiVectorMask"]
        return self._described() | {
            "pooling": "token",
            "query_length": self._longest("query"),
            "query_expansion": getattr(first, "query_expansion", None),
            "skipped": sorted({word for mask in masks for word in mask.skiplist_words}),
            "skipped_in": sorted({task for mask in masks for task in mask.skiplist_tasks}),
            "pool_factor": self._spec.pool_factor if isinstance(self._spec, MultiVectorSpec) else 1,
        }

    def tokens(self, text: str, role: Role) -> list[str]:
        """One label for each vector of `text`: its token; of merged vectors the tokens that are nearest to each."""
        features = self._runner.features(text, self._prompts[role], role)
        ids = features["input_ids"][0]
        for module in self._model:
            if type(module).__name__ == "MultiVectorMask":
                features = module(features, task=role)
        labels = readable(self._model.tokenizer, ids[features["attention_mask"][0].bool()].tolist())
        if not self._merges(role):
            return labels
        merged = self._encode_texts([text], role, lambda done, total: None)[0]
        single = self._runner.run([text], self._prompts[role], role, lambda done, total: None)[0]
        if self._pooled or len(single) != len(labels):
            return [f"merged {number + 1}" for number in range(len(merged))]
        owners = (single @ merged.T).argmax(axis=1)
        return [" ".join(np.asarray(labels)[owners == number]) or "…" for number in range(len(merged))]

    def _form(self) -> Form:
        return MULTI

    def _longest(self, role: Role) -> int | None:
        first = self._model[0]
        own = super()._longest(role)
        if role == "document":
            return first.document_length or own
        expansion = first.query_expansion
        if expansion is not None and expansion["strategy"] == "fixed":
            return int(expansion["length"])
        return first.query_length or own

    def _merges(self, role: Role) -> bool:
        factor = self._spec.pool_factor if isinstance(self._spec, MultiVectorSpec) else 1
        return role == "document" and (factor > 1 or self._pooled)

    def _encode_texts(self, texts: list[str], role: Role, progress: Progress) -> Ragged:
        rows: Ragged = self._runner.run(texts, self._prompts[role], role, progress)
        factor = self._spec.pool_factor if isinstance(self._spec, MultiVectorSpec) else 1
        return merged_tokens(rows, factor) if role == "document" and factor > 1 else rows


def merged_tokens(rows: Ragged, factor: int) -> Ragged:
    """Each row's vectors merged about `factor` to one, its first kept apart: Ward clusters, their means at length 1.

    Clavié et al. 2024 (arXiv 2409.14683), by sentence-transformers' HierarchicalTokenPooling.
    """
    import torch
    from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

    pooling = HierarchicalTokenPooling(pool_factor=factor)
    return Ragged.of([pooling.pool_one(torch.from_numpy(np.array(row))).numpy() for row in rows], rows.dim)


def set_lengths(spec: MultiVectorSpec, module: Any) -> None:
    """Bring the spec's lengths to a model's first module. Raises `BadInput` above what it can read."""
    limit = position_limit(getattr(module, "config", None))
    if spec.max_length is not None:
        module.document_length = checked_length(spec.model, spec.max_length, limit)
    if spec.query_length is not None:
        length = checked_length(spec.model, spec.query_length, limit)
        module.query_length = length
        if module.query_expansion is not None:
            module.query_expansion = {**module.query_expansion, "length": length}


def for_late_interaction(folder: Path) -> bool:
    """Whether a model's files hold what late interaction needs, and not only a trunk."""
    if saved_as(folder) in ("MultiVectorEncoder", "ColBERT"):
        return True
    named = architectures(folder)
    return "HF_ColBERT" in named or any(name.endswith("ForRetrieval") for name in named)


def without_projection(model: Any) -> Any:
    """A MultiVectorEncoder over the trunk of a SentenceTransformer: its token states, scaled to length 1."""
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    modules = [model[0], MultiVectorMask(), Normalize(module_input_name="token_embeddings")]
    prompts = {name: model.prompts[name] or "" for name in model.prompts}
    return MultiVectorEncoder(modules=modules, device=str(model.device), prompts=prompts)
