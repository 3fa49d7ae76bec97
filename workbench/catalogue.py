"""The catalogue of models, read from assets/models.toml, and how a name becomes a spec; loads no model."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from workbench.checkpoints import HUB_ID
from workbench.errors import BadInput
from workbench.registry import unknown_name
from workbench.specs import (
    RERANKER_SPECS,
    CrossEncoderSpec,
    DenseSpec,
    EncoderSpec,
    LateInteractionSpec,
    LLMRerankerSpec,
    RerankerSpec,
    encoder_spec,
    reranker_spec,
)

CATALOGUE_FILE = Path(__file__).resolve().parents[1] / "assets" / "models.toml"


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
    spec = {"kind": "dense", **fields.pop("spec", {})}
    own = fields.pop("prompts", "set") == "own"
    if spec["kind"] == "dense":
        spec.setdefault("model", fields.get("hub", ""))
        if not own:
            # Written out even where empty, so that the vectors do not hang on what a copy's files say.
            spec |= {each: fields.get(each, "") for each in ("query_prompt", "document_prompt")}
    try:
        return CatalogueEntry(**fields, spec=encoder_spec({"name": name, **spec}))
    except TypeError as error:
        raise BadInput(f"The catalogue's entry “{name}” is wrong: {error}.") from error


def resolve_encoder(name: str) -> EncoderSpec:
    """The spec for a catalogue name, a model folder, or a hub id, in this order.

    A hub id that is in the catalogue gets its entry's prompts, under the id as its name. Raises `NotFound` listing
    the names.
    """
    encoders = {entry.name: entry for entry in catalogue() if entry.role == "encoder"}
    if name in encoders:
        return encoders[name].spec
    folder = Path(name).expanduser()
    if name.strip() and folder.is_dir():
        return DenseSpec(name=folder.resolve().name, model=str(folder.resolve()))
    if HUB_ID.fullmatch(name):
        for entry in encoders.values():
            if isinstance(entry.spec, DenseSpec) and entry.spec.model.lower() == name.lower():
                return replace(entry.spec, name=name)
        return DenseSpec(name=name, model=name)
    if name.startswith(("package:", "converted:")):
        return DenseSpec(name=name, model=name)
    raise unknown_name("encoder", name, encoders)


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
