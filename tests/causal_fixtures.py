"""Tiny random language models in transformers' layout, made from configs: for tests that must not need a download."""

import json
from functools import cache
from pathlib import Path
from typing import Any

SPECIALS = ["<pad>", "<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
SENTENCES = [
    "Yes No yes no " * 40,
    "the cat sat on the mat and the dog ran to the green house by the river " * 20,
    "Given a query A and a passage B , predict whether the passage contains an answer to the query " * 20,
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided " * 20,
]
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": 0.35,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
}


@cache
def backend() -> Any:
    """A byte-level BPE tokenizer trained on a few sentences: any text has ids, “Yes” and “no” are one token each."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIALS, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def make_tokenizer(chat: bool = False, **more: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    names = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    extra = {"additional_special_tokens": SPECIALS[4:]}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend(), **{**names, **extra, **more})
    if chat:
        tokenizer.chat_template = CHAT
    return tokenizer


def make_causal(folder: Path, kind: str = "llama", chat: bool = False, **sizes: Any) -> Path:
    """Write a causal model of the type `kind`, weights from seed 0, and the tokenizer into `folder`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = make_tokenizer(chat)
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **{**SIZES, **sizes})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_layered(folder: Path, kind: str = "llama", start: int = 2, step: int = 1, **changes: Any) -> Path:
    """A model with one head (hidden → 1) per layer, named as the released lightweight reranker's are.

    `changes` go into config.json, as does `start_layer`, `layer_sep` and `layer_wise`.
    """
    import torch
    from safetensors.torch import load_file, save_file

    sizes = {"head_dim": 8} if kind == "gemma2" else {}
    make_causal(folder, kind, tie_word_embeddings=False, **sizes)
    config = json.loads((folder / "config.json").read_text())
    weights = {
        name: weight for name, weight in load_file(folder / "model.safetensors").items() if "lm_head" not in name
    }
    generator = torch.Generator().manual_seed(1)
    count = len(range(start, config["num_hidden_layers"] + 1, step))
    for index in range(count):
        weights[f"lm_head.{index}.linear_head.weight"] = torch.randn(1, SIZES["hidden_size"], generator=generator)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config |= {"start_layer": start, "layer_sep": step, "layer_wise": True} | changes
    (folder / "config.json").write_text(json.dumps(config))
    return folder
