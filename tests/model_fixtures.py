"""A tiny random BERT in a sentence-transformers folder, made from a config: for tests that must not need a download."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] the a of and to in is for query passage : cat dog sat mat ran fast slow big small "
    "red blue green house river mountain city search index vector model text word music bread water light"
)
WORDS = VOCABULARY.split()
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)] + [str(digit) for digit in range(10)]


@dataclass(frozen=True)
class Tiny:
    """What a tiny model folder is made of. `dense_dim` adds a Dense module; `modules` off leaves out modules.json."""

    pooling: str = "mean"
    normalize: bool = False
    dense_dim: int | None = None
    include_prompt: bool = True
    prompts: tuple[tuple[str, str], ...] = ()
    default_prompt_name: str | None = None
    max_length: int = 48
    modules: bool = True
    known_as: str = ""
    rotary: bool = False


def make_tiny_model(folder: Path, tiny: Tiny = Tiny()) -> Path:
    """Write the model of `tiny` into `folder`: 2 layers × 32, 64 positions, weights from seed 0."""
    import torch
    from transformers import BertTokenizer

    folder.mkdir(parents=True)
    vocabulary = [*WORDS, *LETTERS, *(f"##{each}" for each in LETTERS), *".,;!?()-_'\"=/"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)))
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make_trunk(tiny.rotary, len(tokenizer)).save_pretrained(folder)
        if tiny.dense_dim:
            write_dense(folder / "3_Dense", tiny.dense_dim)
    if tiny.known_as:
        change_json(folder / "config.json", {"_name_or_path": tiny.known_as})
    if tiny.modules:
        write_modules(folder, tiny)
    return folder


def make_trunk(rotary: bool, words: int) -> Any:
    """BERT, whose positions are absolute, or ModernBERT, whose positions are relative (so padding may go left)."""
    from transformers import BertConfig, BertModel, ModernBertConfig, ModernBertModel

    sizes = {
        "vocab_size": words,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "initializer_range": 0.4,
    }
    if not rotary:
        return BertModel(BertConfig(**sizes))
    return ModernBertModel(ModernBertConfig(**sizes, pad_token_id=0, cls_token_id=2, sep_token_id=3))


def write_modules(folder: Path, tiny: Tiny) -> None:
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling")]
    kinds += [("Dense", "3_Dense")] if tiny.dense_dim else []
    kinds += [("Normalize", "2_Normalize")] if tiny.normalize else []
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, path) in enumerate(kinds)
    ]
    write(folder / "modules.json", modules)
    write(folder / "sentence_bert_config.json", {"max_seq_length": tiny.max_length, "do_lower_case": False})
    prompts = {"prompts": dict(tiny.prompts), "default_prompt_name": tiny.default_prompt_name}
    write(folder / "config_sentence_transformers.json", prompts)
    pooling = {"embedding_dimension": 32, "pooling_mode": tiny.pooling, "include_prompt": tiny.include_prompt}
    write(folder / "1_Pooling" / "config.json", pooling)
    if tiny.normalize:
        (folder / "2_Normalize").mkdir()


def write_dense(folder: Path, dim: int) -> None:
    from sentence_transformers.base.modules import Dense
    from torch import nn

    folder.mkdir()
    Dense(32, dim, activation_function=nn.Tanh()).save(str(folder))


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


def change_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
