"""The catalogue of models, read from assets/models.toml, and how a name becomes a spec; loads no model."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from workbench.checkpoints import HUB_ID
from workbench.errors import BadInput
from workbench.registry import unknown_name
from workbench.specs import (
    CrossEncoderSpec,
    DenseSpec,
    EncoderSpec,
    LateInteractionSpec,
    M3Spec,
    RerankerSpec,
    encoder_spec,
    reranker_spec,
)

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
CATALOGUE_FILE = Path(__file__).resolve().parents[1] / "assets" / "models.toml"

IMAGE_TEXT_MODELS = ("clip", "siglip", "chinese_clip", "vision-text-dual-encoder")
"""How transformers names the models with one space for images and text, their halves included."""


@dataclass(frozen=True)
class CatalogueEntry:
    """A model we know: how to open it and what to expect. Prompts are those it expects; "" = none.

    `size_mb` is its weights' size; `hub` the hub id its weights come from; `package` what carries a bundled one.
    """

    name: str
    title: str
    role: Literal["encoder", "reranker"]
    spec: EncoderSpec | RerankerSpec
    dim: int | None = None
    licence: str = ""
    size_mb: float | None = None
    pooling: str = ""
    note: str = ""
    bundled: bool = False
    hub: str = ""
    package: str = ""
    max_length: int | None = None
    query_prompt: str = ""
    document_prompt: str = ""


def catalogue() -> list[CatalogueEntry]:
    """All entries, in the file's order. Raises `BadInput` where the file is wrong."""
    return list(read_catalogue(CATALOGUE_FILE))


@cache
def read_catalogue(path: Path) -> tuple[CatalogueEntry, ...]:
    """The entries of a catalogue file. Raises `BadInput` where it is wrong."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"The catalogue {path.name} cannot be read: {error}.") from error
    entries = tuple(read_entry(each) for each in values.get("model", []))
    names = [entry.name for entry in entries]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise BadInput(f"The catalogue names {', '.join(doubles)} twice.")
    return entries


def read_entry(values: Mapping[str, Any]) -> CatalogueEntry:
    """One `[[model]]` table. `prompts = "own"`: the model's files bring its prompts; else the spec sets them.

    Raises `BadInput` on unknown or missing fields.
    """
    fields = dict(values)
    name = fields.get("name", "?")
    reranks = fields.get("role") == "reranker"
    spec = {"kind": "cross-encoder" if reranks else "dense", **fields.pop("spec", {})}
    own = fields.pop("prompts", "set") == "own"
    if reranks and spec["kind"] != "late-interaction":
        spec.setdefault("model", fields.get("hub", ""))
    if spec["kind"] in ("dense", "sparse", "multi-vector", "bge-m3"):
        spec.setdefault("model", fields.get("hub", ""))
    if spec["kind"] == "dense" and not own:
        # Written out even where empty, so that the vectors do not hang on what a copy's files say.
        spec |= {each: fields.get(each, "") for each in ("query_prompt", "document_prompt")}
    try:
        made = reranker_spec({"name": name, **spec}) if reranks else encoder_spec({"name": name, **spec})
        return CatalogueEntry(**fields, spec=made)
    except TypeError as error:
        raise BadInput(f"The catalogue's entry “{name}” is wrong: {error}.") from error


def resolve_encoder(name: str) -> EncoderSpec:
    """The spec for a catalogue name, a model folder, or a hub id, in this order.

    A folder's own files say its family. A hub id that is in the catalogue gets its entry's spec, under the id as its
    name. Where a model has several outputs (BGE-M3), “:sparse” or “:multi” after any of these names that output; the
    plain name is the dense one. Raises `NotFound` listing the names.
    """
    base, _, output = name.rpartition(":")
    if base and output in ("sparse", "multi"):
        spec = resolve_encoder(base)
        if isinstance(spec, M3Spec):
            return replace(spec, name=f"{spec.name}:{output}", output=output)
    encoders = {entry.name: entry for entry in catalogue() if entry.role == "encoder"}
    if name in encoders:
        return cast(EncoderSpec, encoders[name].spec)
    folder = Path(name).expanduser()
    if name.strip() and folder.is_dir():
        return encoder_spec({"name": folder.resolve().name, **encoder_family(folder.resolve())})
    if HUB_ID.fullmatch(name):
        for entry in encoders.values():
            if str(getattr(entry.spec, "model", "")).lower() == name.lower():
                return replace(cast(EncoderSpec, entry.spec), name=name)
        return DenseSpec(name=name, model=name)
    if name.startswith(("package:", "converted:")):
        return DenseSpec(name=name, model=name)
    raise unknown_name("encoder", name, encoders)


def image_family(folder: Path) -> str:
    """image-text or image where a folder's own files say that it reads images, else empty."""
    config = read_json(folder / "config.json")
    modules = {str(module.get("type", "")).rpartition(".")[2] for module in read_json(folder / "modules.json") or []}
    if "CLIPModel" in modules or ("vision_config" in config and "text_config" in config):
        return "image-text"
    if str(config.get("model_type", "")).startswith(IMAGE_TEXT_MODELS):
        return "image-text"
    # What transformers' vision models share, and no text model has.
    return "image" if "num_channels" in config and "vocab_size" not in config else ""


def encoder_family(folder: Path) -> Mapping[str, Any]:
    """Kind and model of a folder as an encoder, by what its own files say; dense where they say nothing else."""
    found = {"model": str(folder)}
    if (folder / "bridge.json").is_file():
        return {"kind": "bridge", **found}
    kind = image_family(folder)
    if kind:
        return {"kind": kind, **found}
    if any((folder / f"sparse_linear{suffix}").is_file() for suffix in (".pt", ".safetensors")):
        return {"kind": "bge-m3", **found}
    saved = read_json(folder / "config_sentence_transformers.json").get("model_type")
    modules = {str(module.get("type", "")).rpartition(".")[2] for module in read_json(folder / "modules.json") or []}
    if saved == "SparseEncoder" or modules & {"SpladePooling", "SparseStaticEmbedding", "SparseAutoEncoder"}:
        return {"kind": "sparse", **found}
    late = "HF_ColBERT" in (read_json(folder / "config.json").get("architectures") or [])
    if late or saved in ("MultiVectorEncoder", "ColBERT") or "MultiVectorMask" in modules:
        return {"kind": "multi-vector", **found}
    return {"kind": "dense", **found}


def resolve_reranker(name: str, options: Mapping[str, Any] = NO_OPTIONS) -> RerankerSpec:
    """The spec for a catalogue name, a model folder, or a hub id, in this order; `options` override its fields.

    A multi-vector encoder's name means late interaction over it. A folder's own files say its family; a hub id that is
    not in the catalogue is taken for a cross-encoder, unless the option `kind` says otherwise (as it may for any name).
    With `kind` and what it runs (`model`, `encoder` or `endpoint`) among the options, the name is only a name.
    Raises `NotFound` listing the names, `BadInput` on an option that the family does not have.
    """
    kind = options.get("kind")
    whole = kind is not None and any(options.get(each) for each in ("model", "encoder", "endpoint"))
    found = {"name": name, "kind": kind, "model": name} if whole else dict(_found_reranker(name))
    if kind is not None and (whole or kind != found["kind"]):
        model = found.get("model") or found.get("encoder") or name
        found = {"name": name, "kind": kind, "encoder" if kind == "late-interaction" else "model": model}
    return reranker_spec({**found, **options})


def _found_reranker(name: str) -> Mapping[str, Any]:
    """Fields of the spec that a name alone gives."""
    rerankers = {entry.name: entry for entry in catalogue() if entry.role == "reranker"}
    if name in rerankers:
        return rerankers[name].spec.to_dict()
    encoders = {entry.name: entry for entry in catalogue() if entry.spec.kind in ("multi-vector", "bge-m3")}
    if name in encoders:
        return LateInteractionSpec(name=name, encoder=name).to_dict()
    folder = Path(name).expanduser()
    if name.strip() and folder.is_dir():
        return {"name": folder.resolve().name, **reranker_family(folder.resolve())}
    if HUB_ID.fullmatch(name):
        for entry in rerankers.values():
            if getattr(entry.spec, "model", "").lower() == name.lower():
                return {**entry.spec.to_dict(), "name": name}
        return CrossEncoderSpec(name=name, model=name).to_dict()
    if name.startswith(("package:", "converted:")):
        return CrossEncoderSpec(name=name, model=name).to_dict()
    raise unknown_name("reranker", name, rerankers)


def reranker_family(folder: Path) -> Mapping[str, Any]:
    """What a model folder's own files say of it as a reranker: kind, model and form. Reads JSON only."""
    config = read_json(folder / "config.json")
    settings = read_json(folder / "config_sentence_transformers.json")
    architectures = [str(each) for each in config.get("architectures") or []]
    if settings.get("model_type") in ("MultiVectorEncoder", "ColBERT") or "HF_ColBERT" in architectures:
        return {"kind": "late-interaction", "encoder": str(folder)}
    if settings.get("model_type") == "CrossEncoder":
        return {"kind": "cross-encoder", "model": str(folder)}
    gguf = sorted(folder.glob("*.gguf"))
    if gguf or any(each.endswith("ForCausalLM") for each in architectures):
        form = "qwen3" if config.get("model_type") == "qwen3" else "bge"
        file = {"gguf_file": gguf[0].name} if gguf else {}
        return {"kind": "llm", "model": str(folder), "form": form, **file}
    return {"kind": "cross-encoder", "model": str(folder)}


def known_model(names: Iterable[str]) -> CatalogueEntry | None:
    """The entry whose hub id, spec or name one of `names` gives: exactly, or as the end of a path (org_model)."""
    ends = [name.replace("/", "_").lower() for name in names]
    for entry in catalogue():
        known = entry.hub.replace("/", "_").lower()
        model = entry.spec.model.replace("/", "_").lower() if isinstance(entry.spec, DenseSpec) else ""
        if any(end in (known, model) or (known and end.endswith(f"_{known}")) for end in ends):
            return entry
    return None


def folder_facts(folder: Path) -> dict[str, Any]:
    """What a model folder's own files say: dim, max_length, pooling and prompts; what they leave open is left out.

    Reads JSON only. A folder without modules.json gets mean pooling from sentence-transformers.
    """
    config = read_json(folder / "config.json")
    modules = read_json(folder / "modules.json") or []
    paths = {str(module.get("type", "")).rpartition(".")[2]: folder / module.get("path", "") for module in modules}
    pooling = read_json(paths.get("Pooling", folder / "1_Pooling") / "config.json")
    modes = [
        name.removeprefix("pooling_mode_") for name, on in pooling.items() if on is True and "pooling_mode_" in name
    ]
    prompts = read_json(folder / "config_sentence_transformers.json").get("prompts") or {}
    facts = {
        "dim": read_json(paths["Dense"] / "config.json").get("out_features") if "Dense" in paths else None,
        "max_length": read_json(folder / "sentence_bert_config.json").get("max_seq_length"),
        "pooling": pooling.get("pooling_mode") or "+".join(modes) or (None if modules else "mean"),
        "query_prompt": prompts.get("query"),
        "document_prompt": next(
            (prompts[name] for name in ("document", "passage", "corpus") if prompts.get(name)), None
        ),
    }
    facts["dim"] = facts["dim"] or config.get("hidden_size")
    facts["max_length"] = facts["max_length"] or config.get("max_position_embeddings")
    return {name: value for name, value in facts.items() if value is not None}


def read_json(path: Path) -> Any:
    """The content of a JSON file; an empty dict where there is none. Raises `BadInput` where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadInput(f"The model file {path} cannot be read: {error}.", "Download the model again.") from error
