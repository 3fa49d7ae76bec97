"""BGE-M3's model: an XLM-R trunk with its two heads, loaded once for all three outputs.

Chen et al. 2024 (arXiv 2402.03216); the arithmetic is that of FlagEmbedding's `EncoderOnlyEmbedderM3Runner`.
"""

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn.functional import normalize

from workbench.checkpoints import (
    Located,
    file_hash,
    folder_revision,
    found_revision,
    hub_snapshot,
    load_failure,
    load_pretrained,
    locate,
    resolve_dtype,
)
from workbench.encoders.base import Matrix, Output
from workbench.encoders.forms import DENSE, MULTI, Features, counting, csr
from workbench.encoders.inference import Runner
from workbench.errors import BadInput, NotFound
from workbench.specs import EncodeSpec, M3Spec
from workbench.torch_models import checked_length, position_limit

OUTPUTS: tuple[Output, ...] = ("dense", "sparse", "multi")
HEADS = ("sparse_linear", "colbert_linear")


class Heads(torch.nn.Module):  # type: ignore[misc]
    """Over the trunk's states h (m, l, d): dense |h_0|; a weight relu(w·h_t + b) per token; |W h_t| for all t ≥ 1."""

    forward_kwargs: ClassVar[set[str]] = {"outputs"}

    def __init__(self, sparse_linear: torch.nn.Linear, colbert_linear: torch.nn.Linear, specials: list[int]) -> None:
        """`specials`: the ids of CLS, EOS, PAD and UNK, which are no terms."""
        super().__init__()
        self.sparse_linear = sparse_linear
        self.colbert_linear = colbert_linear
        self.register_buffer("specials", torch.tensor(specials, dtype=torch.long), persistent=False)

    def forward(self, features: Features, outputs: tuple[Output, ...] = OUTPUTS) -> Features:
        states, mask = features["token_embeddings"], features["attention_mask"].bool()
        if "dense" in outputs:
            features["sentence_embedding"] = normalize(states[:, 0].float(), dim=-1)
        if "sparse" in outputs:
            weights = torch.relu(self.sparse_linear(states)).squeeze(-1).float()
            terms = mask & ~torch.isin(features["input_ids"], self.specials)
            features["term_weights"] = weights * terms
        if "multi" in outputs:
            features["token_vectors"] = normalize(self.colbert_linear(states[:, 1:]).float(), dim=-1)
            features["token_mask"] = mask[:, 1:]
        return features


@dataclass(frozen=True)
class M3Form:
    """A dict of the `outputs` asked for; sparse rows have a column for each of the vocabulary's `terms`."""

    outputs: tuple[Output, ...]
    terms: int

    def options(self) -> dict[str, Any]:
        return {"outputs": self.outputs}

    def keep(self, output: Features) -> dict[Output, Any]:
        kept: dict[Output, Any] = {}
        if "dense" in self.outputs:
            kept["dense"] = DENSE.keep(output)
        if "sparse" in self.outputs:
            weights = output["term_weights"]
            places = weights.nonzero()
            kept["sparse"] = places[:, 0], output["input_ids"][weights > 0], weights[weights > 0], len(weights)
        if "multi" in self.outputs:
            kept["multi"] = counting(output["token_vectors"], output["token_mask"])
        return kept

    def fetch(self, kept: dict[Output, Any]) -> dict[Output, Matrix]:
        found: dict[Output, Matrix] = {}
        if "dense" in kept:
            found["dense"] = DENSE.fetch(kept["dense"])
        if "sparse" in kept:
            *parts, texts = kept["sparse"]
            rows, ids, weights = (each.cpu().numpy() for each in parts)
            found["sparse"] = strongest(rows, ids, weights, (texts, self.terms))
        if "multi" in kept:
            found["multi"] = MULTI.fetch(kept["multi"])
        return found


def strongest(rows: Any, ids: Any, weights: Any, shape: tuple[int, int]) -> Any:
    """CSR of the largest weight among the occurrences of each term in each text (never their sum)."""
    order = np.lexsort((ids, rows))
    rows, ids, weights = rows[order], ids[order], weights[order]
    first = np.flatnonzero(np.diff(rows, prepend=-1) | np.diff(ids, prepend=-1))
    largest = np.maximum.reduceat(weights, first) if first.size else weights
    return csr(rows[first], ids[first], largest, shape)


@dataclass(frozen=True)
class Trunk:
    """The model in memory, its runner, and a lock, as a tokenizer serves one caller at a time."""

    model: Any
    runner: Runner
    lock: threading.Lock
    revision: str
    dtype: str

    @property
    def size_bytes(self) -> int:
        return sum(weight.numel() * weight.element_size() for weight in self.model.parameters())

    @property
    def heads_bytes(self) -> int:
        return sum(weight.numel() * weight.element_size() for weight in self.model[1].parameters())

    def dim(self, output: Output) -> int:
        if output == "sparse":
            return int(self.model[0].config.vocab_size)
        return int(self.model[0].config.hidden_size if output == "dense" else self.model[1].colbert_linear.out_features)


def open_trunk(spec: M3Spec, run: EncodeSpec) -> Trunk:
    """Load trunk and heads. Raises `NotFound` or `BadInput` with a sentence where they cannot be."""
    from sentence_transformers import SentenceTransformer

    located = locate(spec.model)
    loaded = load_pretrained("SentenceTransformer", spec, located, run)
    first, device = loaded[0], str(loaded.device)
    if spec.max_length is not None:
        first.max_seq_length = checked_length(spec.model, spec.max_length, position_limit(first.config))
    files = [head_file(spec, located, name) for name in HEADS]
    tokenizer = first.tokenizer
    named = (tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id)
    sparse_linear, colbert_linear = (linear(spec, file, loaded.dtype) for file in files)
    heads = Heads(sparse_linear, colbert_linear, [each for each in named if each is not None])
    model = SentenceTransformer(modules=[first, heads], device=device)
    dtype = resolve_dtype(run.dtype, loaded.device.type, str(loaded.dtype).removeprefix("torch."))
    runner = Runner(model, device, dtype, run.batch_tokens)
    return Trunk(model, runner, threading.Lock(), revision_of(spec, located, files), dtype)


def head_file(spec: M3Spec, located: Located, name: str) -> Path:
    """The file of one head, in the model's folder or fetched from the hub. Raises `BadInput` where there is none."""
    if located.folder is not None:
        for suffix in (".safetensors", ".pt"):
            if (located.folder / f"{name}{suffix}").is_file():
                return located.folder / f"{name}{suffix}"
        raise BadInput(
            f"“{spec.model}” has no {name}.pt, so it is no BGE-M3 model.", "Encode with it as a dense encoder instead."
        )
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(spec.model, f"{name}.pt", revision=spec.revision))
    except (OSError, ValueError) as error:
        raise load_failure(spec.model, error) from error


def linear(spec: M3Spec, file: Path, dtype: torch.dtype) -> torch.nn.Linear:
    """The layer stored in `file`: `weight` (out, in) and `bias` (out,). Nothing else is read from a pickle."""
    try:
        state = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
        weight, bias = state["weight"], state["bias"]
    except Exception as error:
        if isinstance(error, OSError):
            raise NotFound(f"{file.name} of “{spec.model}” cannot be read.", "Download the model again.") from error
        raise BadInput(f"{file.name} of “{spec.model}” is damaged.", "Download the model again.") from error
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight.float(), "bias": bias.float()})
    return layer.to(dtype)


def revision_of(spec: M3Spec, located: Located, files: list[Path]) -> str:
    """The hub's commit, else a hash over the local files, those of the heads among them."""
    if located.folder is None:
        return found_revision(located, hub_snapshot(spec.model, spec.revision), spec.revision)
    whole = "\n".join([folder_revision(located.folder), *(file_hash(file) for file in files)])
    return f"sha256:{hashlib.sha256(whole.encode()).hexdigest()[:40]}"
