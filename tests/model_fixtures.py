"""Tiny random models in folders as the libraries save them, made from configs: no test needs a download."""

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

TRUNK = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.4,
}


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

    sizes = {**TRUNK, "vocab_size": words}
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


def make_tiny_sparse(folder: Path, modules: bool = True) -> Path:
    """A tiny BERT with its masked-word head; with `modules` as SparseEncoder saves it, SPLADE's max pooling."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    make_tiny_model(folder, Tiny(modules=False))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = BertConfig(**TRUNK, vocab_size=len((folder / "vocab.txt").read_text().splitlines()))
        BertForMaskedLM(config).save_pretrained(folder)
    if modules:
        from sentence_transformers import SparseEncoder

        model = SparseEncoder(str(folder), device="cpu", local_files_only=True)
        model.encode(["a"])
        model.save(str(folder), create_model_card=False)
    return folder


def make_tiny_multi(folder: Path, expansion: dict[str, Any] | None = None, markers: bool = True) -> Path:
    """A tiny late-interaction model as MultiVectorEncoder saves it: 8 dimensions, no punctuation in documents."""
    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    make_tiny_model(folder, Tiny(modules=False))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        projection = Dense(32, 8, False, torch.nn.Identity(), module_input_name="token_embeddings")
    trunk = Transformer(str(folder), document_length=40, query_length=24, query_expansion=expansion)
    mask, unit = MultiVectorMask(skiplist_words=[".", ","]), Normalize(module_input_name="token_embeddings")
    prompts = {"query": "query : ", "document": "passage : "} if markers else {}
    model = MultiVectorEncoder(modules=[trunk, projection, mask, unit], device="cpu", prompts=prompts)
    model.save(str(folder), create_model_card=False)
    return folder


def make_tiny_m3(folder: Path) -> Path:
    """A tiny XLM-R with the two heads of BGE-M3, and a tokenizer of SentencePiece's kind."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    folder.mkdir(parents=True)
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [f"\u2581{word}" for word in WORDS[5:]] + LETTERS + [f"\u2581{letter}" for letter in LETTERS] + list(".,?")
    scores = [*((each, 0.0) for each in specials), *((each, -1.0 - len(each) / 100) for each in dict.fromkeys(pieces))]
    backend = Tokenizer(models.Unigram(scores, unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    named = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>", model_max_length=64, **named
    )
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        sizes = {**TRUNK, "max_position_embeddings": 66, "vocab_size": len(scores)}
        XLMRobertaModel(XLMRobertaConfig(**sizes, pad_token_id=1)).save_pretrained(folder)
        for name, rows in (("sparse_linear", 1), ("colbert_linear", 32)):
            torch.save(torch.nn.Linear(32, rows).state_dict(), folder / f"{name}.pt")
    return folder
