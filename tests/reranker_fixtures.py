"""One tiny reranker for each family, made from a config: for tests that must not need a download.

A new family adds its builder to `BUILDERS`; the contract suite then runs over it.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from causal_fixtures import make_causal
from model_fixtures import LETTERS, WORDS, change_json

from workbench.ragged import Ragged
from workbench.rerankers import RERANKERS
from workbench.rerankers.base import Reranker
from workbench.rerankers.late_interaction import LateInteractionReranker
from workbench.scoring import normalize_rows
from workbench.specs import (
    CrossEncoderSpec,
    EncodeSpec,
    LateInteractionSpec,
    ListwiseSpec,
    LLMRerankerSpec,
    RerankerSpec,
)
from workbench.types import Content


@dataclass(frozen=True)
class Family:
    """`spec` opens with `open(spec, run)`; `changed` differs from it in one setting that changes scores."""

    spec: RerankerSpec
    changed: RerankerSpec
    open: Callable[[RerankerSpec, EncodeSpec], Reranker]


@dataclass(frozen=True)
class TinyCrossEncoder:
    """What a tiny cross-encoder folder is made of. `head` off: the trunk alone, as a dense encoder's folder has it."""

    kind: str = "bert"
    labels: int = 1
    head: bool = True
    activation: str = "torch.nn.modules.linear.Identity"
    max_length: int = 48


def make_tiny_cross_encoder(folder: Path, tiny: TinyCrossEncoder = TinyCrossEncoder()) -> Path:
    """Write the model of `tiny`: 2 layers × 32, weights from seed 0. Larger than usual ones, so that scores differ."""
    import torch
    from transformers import BertTokenizer

    folder.mkdir(parents=True)
    vocabulary = [*WORDS, *LETTERS, *(f"##{each}" for each in LETTERS), *".,;!?()-_'\"=/"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)))
    settings: dict[str, Any] = {} if tiny.kind == "bert" else {"model_input_names": ["input_ids", "attention_mask"]}
    side = "left" if tiny.kind == "llama" else "right"
    tokenizer = BertTokenizer(
        str(folder / "vocab.txt"), model_max_length=tiny.max_length, padding_side=side, **settings
    )
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = classifier(tiny, len(tokenizer))
        (model if tiny.head else model.base_model).save_pretrained(folder)
    change_json(folder / "config.json", {"sentence_transformers": {"activation_fn": tiny.activation}})
    return folder


def classifier(tiny: TinyCrossEncoder, words: int) -> Any:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.for_model(
        tiny.kind,
        vocab_size=words,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=64,
        max_position_embeddings=66 if tiny.kind == "roberta" else 64,
        initializer_range=0.4,
        num_labels=tiny.labels,
        pad_token_id=0,
    )
    return AutoModelForSequenceClassification.from_config(config)


class WordVectors:
    """A multi-vector encoder without a model: a word's vector follows from its letters, the same in every text."""

    modalities = frozenset({"text"})
    warnings: list[str] = []
    output = "multi"
    size_bytes = 1

    def __init__(self, dim: int = 8) -> None:
        self.dim = dim

    def describe(self) -> dict[str, Any]:
        return {"family": "word-vectors", "dim": self.dim, "versions": {"none": "0"}}

    def encode_queries(self, contents: Sequence[str | Content]) -> Ragged:
        return Ragged.of([self._rows(each) for each in contents], self.dim)

    encode_documents = encode_queries

    def _rows(self, content: str | Content) -> np.ndarray:
        text = content if isinstance(content, str) else content.text
        seeds = [int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") for word in ["^", *text.split()]]
        return normalize_rows(np.stack([np.random.default_rng(seed).normal(size=self.dim) for seed in seeds]))


def cross_encoder(folder: Path) -> Family:
    spec = CrossEncoderSpec(name="tiny", model=str(make_tiny_cross_encoder(folder / "cross-encoder")))
    changed = CrossEncoderSpec(name="tiny", model=spec.model, max_length=12)
    return Family(spec, changed, RERANKERS.load("cross-encoder").open)


def late_interaction(folder: Path) -> Family:
    def open_over(spec: RerankerSpec, run: EncodeSpec) -> Reranker:
        return LateInteractionReranker(WordVectors(int(spec.encoder)), spec)

    return Family(LateInteractionSpec(encoder="8"), LateInteractionSpec(encoder="16"), open_over)


def llm(folder: Path) -> Family:
    spec = LLMRerankerSpec(name="tiny", model=str(make_causal(folder / "llm", chat=True)))
    return Family(spec, LLMRerankerSpec(name="tiny", model=spec.model, form="qwen3"), RERANKERS.load("llm").open)


def listwise(folder: Path) -> Family:
    model = str(make_causal(folder / "listwise", chat=True))
    # By first tokens: what a random model writes would have to be repaired, which is said as a warning.
    spec = ListwiseSpec(name="tiny", model=model, first_token=True, window=8, stride=4)
    changed = ListwiseSpec(name="tiny", model=model, first_token=True, window=6, stride=3)
    return Family(spec, changed, RERANKERS.load("listwise").open)


BUILDERS: dict[str, Callable[[Path], Family]] = {
    "cross-encoder": cross_encoder,
    "late-interaction": late_interaction,
    "llm": llm,
    "listwise": listwise,
}
