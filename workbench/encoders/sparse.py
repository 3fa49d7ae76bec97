"""Learned sparse text encoders that sentence-transformers loads: SPLADE and its relatives, static ones, routers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from scipy import sparse

from workbench.checkpoints import Located, load_pretrained, locate
from workbench.encoders.base import Output, Role
from workbench.encoders.forms import Form, SparseForm
from workbench.encoders.pretrained import PretrainedTextEncoder, architectures, saved_as
from workbench.encoders.words import readable
from workbench.errors import BadInput
from workbench.specs import EncoderSpec, EncodeSpec, SparseSpec
from workbench.torch_models import checked_length, position_limit
from workbench.types import Progress, no_progress


class SparseTextEncoder(PretrainedTextEncoder):
    """Weights for the terms of the model's vocabulary: SPLADE's are log(1 + relu(logit)), the largest of all positions.

    Formal et al. 2021 (arXiv 2109.10086). Equal to SparseEncoder.encode; compared by the inner product.
    """

    output: Output = "sparse"

    def __init__(self, spec: SparseSpec, model: Any, run: EncodeSpec, located: Located) -> None:
        """Raises `BadInput` where it is no sparse model, or the spec asks for more tokens than it reads."""
        self._max_terms = spec.max_terms or model.max_active_dims
        if spec.max_length is not None:
            limit = position_limit(getattr(model[0], "config", None))
            model.max_seq_length = checked_length(spec.model, spec.max_length, limit)
        super().__init__(spec, model, run, located)
        self._check_trained()
        # Asked of the model itself: before its first text SPLADE's modules do not know it.
        self._dim = int(self._runner.run(["a"], "", "document", no_progress).shape[1])
        if model.similarity_fn_name != "dot":
            self.warnings.append(f"This model compares by {model.similarity_fn_name}; here sparse vectors are by dot.")

    @classmethod
    def open(cls, spec: EncoderSpec, run: EncodeSpec, state: Path | None = None) -> Self:
        """Load the model. Raises `NotFound` or `BadInput` where it cannot be, or is no sparse one."""
        if not isinstance(spec, SparseSpec):
            raise TypeError(f"a SparseSpec is needed, not {type(spec).__name__}")
        located = locate(spec.model)
        return cls(spec, load_pretrained("SparseEncoder", spec, located, run), run, located)

    @property
    def dim(self) -> int:
        """Terms of the vocabulary."""
        return self._dim

    def describe(self) -> dict[str, Any]:
        poolings = [module for module in self._model.modules() if type(module).__name__ == "SpladePooling"]
        return self._described() | {
            "pooling": "+".join(dict.fromkeys(f"splade {each.pooling_strategy}" for each in poolings))
            or "term weights",
            "activation": "+".join(dict.fromkeys(each.activation_function for each in poolings)),
            "max_terms": self._max_terms,
        }

    def terms(self, columns: Sequence[int]) -> list[str]:
        """The words or pieces of these columns; ## begins a piece that continues a word."""
        if any(type(module).__name__ == "SparseAutoEncoder" for module in self._model.modules()):
            return [f"feature {int(column)}" for column in columns]
        return readable(self._model.tokenizer, columns)

    def _form(self) -> Form:
        return SparseForm(self._max_terms)

    def _encode_texts(self, texts: list[str], role: Role, progress: Progress) -> sparse.csr_matrix:
        rows: sparse.csr_matrix = self._runner.run(texts, self._prompts[role], role, progress)
        return rows

    def _check_trained(self) -> None:
        """Refuse a model that sentence-transformers had to give an untrained sparse head: its terms are random."""
        masked = any(name.endswith("ForMaskedLM") for name in architectures(self._folder))
        if saved_as(self._folder) in ("", "SentenceTransformer") and not masked and self._has_autoencoder():
            raise BadInput(
                f"“{self._spec.model}” is not a sparse encoder: it has no layer that was trained to weigh terms.",
                "Choose a SPLADE model, or encode with it as a dense encoder.",
            )

    def _has_autoencoder(self) -> bool:
        return any(type(module).__name__ == "SparseAutoEncoder" for module in self._model.modules())
