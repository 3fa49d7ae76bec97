"""Rerankers with one head per layer: run the first layers only (layerwise), merge passage tokens (lightweight).

Recognised: a config.json with `start_layer` (and `layer_sep`, 1 unless told) whose safetensors hold
`lm_head.<i>.linear_head.weight` or `lm_head.<i>.weight`, i-th for layer start_layer + i × layer_sep, of one row (the
score) or of the vocabulary (the row of “Yes”). The trunk is opened as a plain transformers model, without the code that
such a repository brings: it is written for transformers that are years old. These are names and settings of
bge-reranker-v2-minicpm-layerwise and bge-reranker-v2.5-gemma2-lightweight as their config.json and FlagEmbedding's
source give them. **The released weights could not be tried here**; what is tested are tiny models of the same form.
FlagEmbedding's Gemma file takes head i for the i-th cut-off that is listed, so for a single one the first head; here it
is the head of that layer, as the method is described.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.checkpoints import Located, load_failure
from workbench.errors import BadInput
from workbench.rerankers.causal import (
    AnswerHead,
    Causal,
    answer_id,
    finished,
    in_memory,
    load_model,
    load_words,
    padded,
)
from workbench.rerankers.merging import check_runs, run_layers
from workbench.rerankers.prompts import Prompt
from workbench.specs import EncodeSpec, LLMRerankerSpec
from workbench.torch_models import precision

HEAD = re.compile(r"lm_head\.(\d+)\.(?:linear_head\.)?weight")
OWN_FIELDS = ("auto_map", "architectures", "_name_or_path", "model_type", "transformers_version", "start_layer",
              "layer_sep", "layer_wise", "head_multi", "head_type")  # fmt: skip


def raw_config(spec: LLMRerankerSpec, located: Located) -> dict[str, Any]:
    """config.json as it is, whatever its model type. Raises `OSError` or `ValueError` where it cannot be had."""
    from transformers import PreTrainedConfig

    revision = None if located.folder is not None else spec.revision
    values: dict[str, Any] = PreTrainedConfig.get_config_dict(located.source, revision=revision)[0]
    return values


def has_heads_per_layer(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of a model with several heads."""
    return "start_layer" in config and bool(
        config.get("layer_wise") or config.get("head_multi", "layer_wise" not in config)
    )


def head_layers(config: Mapping[str, Any]) -> list[int]:
    """The layers that have a head, counted from 1."""
    return list(range(config["start_layer"], config["num_hidden_layers"] + 1, config.get("layer_sep", 1)))


def chosen_layer(spec: LLMRerankerSpec, config: Mapping[str, Any]) -> int:
    """The layer to stop after: the spec's, else the last. Raises `BadInput` where it has no head."""
    layers = head_layers(config)
    layer = layers[-1] if spec.cutoff_layer is None else spec.cutoff_layer
    if layer not in layers:
        step = f" in steps of {layers[1] - layers[0]}" if len(layers) > 1 and layers[1] - layers[0] > 1 else ""
        raise BadInput(
            f"cutoff_layer is {layer}, and the model has no head there.",
            f"“{spec.model}” has heads at layers {layers[0]} to {layers[-1]}{step}.",
        )
    wrong = [each for each in spec.compress_layers if not 1 <= each < config["num_hidden_layers"]]
    if wrong:
        raise BadInput(
            f"compress_layers names {', '.join(map(str, wrong))}.",
            f"Tokens can be merged before layers 1 to {config['num_hidden_layers'] - 1}; before layer 0 there is "
            "nothing that knows its context.",
        )
    return layer


def trunk_config(config: Mapping[str, Any], layers: int) -> Any:
    """The transformers config of the first `layers` layers. Raises `BadInput` for a type that it does not know.

    MiniCPM is Llama with scaled embeddings and residuals, which transformers has under the name of Granite.
    """
    from transformers import CONFIG_MAPPING

    kind = str(config["model_type"])
    values = {name: value for name, value in config.items() if name not in OWN_FIELDS}
    if kind == "cost_wise_gemma":
        kind = "gemma2"
    elif kind == "minicpm":
        kind = "granite"
        values |= {
            "embedding_multiplier": config["scale_emb"],
            "residual_multiplier": config["scale_depth"] / math.sqrt(config["num_hidden_layers"]),
            "attention_multiplier": (config["hidden_size"] / config["num_attention_heads"]) ** -0.5,
            "logits_scaling": 1.0,
        }
    if kind not in CONFIG_MAPPING:
        raise BadInput(f"transformers has no model of the type “{kind}”.", "This layerwise reranker cannot be opened.")
    values["num_hidden_layers"] = layers
    if values.get("layer_types"):
        values["layer_types"] = values["layer_types"][:layers]
    return CONFIG_MAPPING[kind].from_dict(values)


def read_head(folder: Path, index: int) -> torch.Tensor:
    """(rows, hidden) float32: head `index` of the model in `folder`. Raises `BadInput` where there is none."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 — not a dict
                match = HEAD.fullmatch(name)
                if match is not None and int(match[1]) == index:
                    weight: torch.Tensor = file.get_tensor(name).float()
                    return weight
    raise BadInput(
        f"The safetensors in {folder} hold no weights of head {index} (lm_head.{index}.linear_head.weight).",
        "This is no layerwise reranker, or its download is not complete.",
    )


class LayeredScorer:
    """Score = head_l(norm(h_l[last])) under the config's soft-cap, of the first l layers; the others are not loaded."""

    def __init__(self, spec: LLMRerankerSpec, run: EncodeSpec, located: Located, config: Mapping[str, Any]) -> None:
        """`config` is the model's config.json. Raises `BadInput` where the spec asks for more than the model has."""
        self._config = config
        self.layer = chosen_layer(spec, config)
        self._merges = tuple(each for each in spec.compress_layers if each < self.layer)
        self._ratio = spec.compress_ratio
        self._cap = config.get("final_logit_softcapping")
        located = fetched(spec, located)
        words = load_words(spec, located)
        trunk = load_trunk(spec, run, located, trunk_config(config, self.layer))
        self.causal: Causal = finished(spec, run, located, words, trunk)
        self._head = self._open_head(spec, Path(located.source)).to(self.causal.device)
        if self._merges and self._ratio > 1:
            with precision(self.causal.device, self.causal.dtype):
                check_runs(trunk, spec.model)

    def score(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """(m,) scores. Raises `DoesNotFit` where the device's memory ran out."""
        device = self.causal.device
        tokens, mask = padded([each.ids for each in prompts], self.causal.words.pad, device)
        spans = torch.tensor([[each.start, each.stop] for each in prompts], device=device)

        def work() -> torch.Tensor:
            trunk, lengths = self.causal.model, mask.sum(1)
            if self._merges and self._ratio > 1:
                hidden, lengths = run_layers(trunk, tokens, lengths, spans, self._merges, self._ratio)
            else:
                hidden = trunk(input_ids=tokens, attention_mask=mask, use_cache=False).last_hidden_state
            scores: torch.Tensor = self._head(hidden[torch.arange(len(prompts), device=device), lengths - 1])[:, 0]
            return scores if not self._cap else self._cap * torch.tanh(scores / self._cap)

        return in_memory(work, self.causal)

    def describe(self) -> dict[str, Any]:
        """What is applied beside the prompt."""
        return {
            "cutoff_layer": self.layer,
            "layers": self._config["num_hidden_layers"],
            "compress_layers": list(self._merges) if self._ratio > 1 else [],
            "compress_ratio": self._ratio if self._merges else 1,
            "softcap": self._cap,
        }

    def _open_head(self, spec: LLMRerankerSpec, folder: Path) -> AnswerHead:
        """The layer's head: its one row, or the row of “Yes” over MiniCPM's scale of logits."""
        weight = read_head(folder, head_layers(self._config).index(self.layer))
        if weight.shape[0] > 1:
            weight = weight[[answer_id(self.causal.words, "Yes", spec.model)]]
            weight = weight / (self._config["hidden_size"] / self._config.get("dim_model_base", weight.shape[1]))
        return AnswerHead(weight, None)


def load_trunk(spec: LLMRerankerSpec, run: EncodeSpec, located: Located, config: Any) -> Any:
    """The decoder without a head. Attention is computed plainly where it has a soft-cap, which sdpa leaves out."""
    from transformers import AutoModel
    from transformers.utils import logging

    plain = {"attn_implementation": "eager"} if getattr(config, "attn_logit_softcapping", None) else {}
    native = replace(spec, trust_remote_code=False)
    told = logging.get_verbosity()
    # Heads and later layers are left out on purpose; a list of them is no news.
    logging.set_verbosity_error()
    try:
        return load_model(AutoModel, native, run, located, config=config, **plain)
    finally:
        logging.set_verbosity(told)


def fetched(spec: LLMRerankerSpec, located: Located) -> Located:
    """`located`, on this machine: heads are read from the files themselves."""
    if located.folder is not None:
        return located
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.model", "*.txt"]
    try:
        folder = snapshot_download(spec.model, revision=spec.revision, allow_patterns=patterns)
    except (OSError, ValueError) as error:
        raise load_failure(spec.model, error) from error
    return Located(folder, Path(folder))
