"""The kinds of jobs: name → workflow function, and how plain JSON arguments become specs."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.registry import unknown_name
from workbench.specs import (
    EncoderLabSpec,
    EncodeSpec,
    ExportSpec,
    ImportSpec,
    IndexLabSpec,
    IndexSpec,
    LabelChoice,
    MapSpec,
    MiningSpec,
    PipelineSpec,
    RecipeSpec,
    VarySpec,
)
from workbench.types import Filter

TABLE = "workbench.jobs.kinds:KINDS"
Adapter = Callable[[Any, str], Any]
"""`adapter(value, device)` → what the workflow takes; `device` is the worker's."""


@dataclass(frozen=True)
class Kind:
    """`target` is "module:function", imported in the child only; it is called as f(project, **arguments, progress=)."""

    target: str
    adapters: Mapping[str, Adapter] = field(default_factory=dict)

    def load(self) -> Callable[..., Any]:
        """The workflow function."""
        module, name = self.target.split(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return found

    def adapt(self, arguments: Mapping[str, Any], device: str) -> dict[str, Any]:
        """The arguments as the workflow takes them. Raises `BadInput` on a wrong spec."""
        return {
            name: self.adapters[name](value, device) if name in self.adapters else value
            for name, value in arguments.items()
        }


def _path(value: str | None, device: str) -> Path | None:
    return None if value is None else Path(value)


def _import_spec(value: Mapping[str, Any], device: str) -> ImportSpec:
    return ImportSpec.from_dict(value)


def _index_spec(value: Mapping[str, Any] | str, device: str) -> IndexSpec:
    return IndexSpec(factory=value) if isinstance(value, str) else IndexSpec.from_dict(value)


def _index_lab_spec(value: Mapping[str, Any], device: str) -> IndexLabSpec:
    return IndexLabSpec.from_dict(value)


def _encoder_lab_spec(value: Mapping[str, Any], device: str) -> EncoderLabSpec:
    return EncoderLabSpec.from_dict(value)


def _map_spec(value: Mapping[str, Any], device: str) -> MapSpec:
    return MapSpec.from_dict(value)


def _mining_spec(value: Mapping[str, Any], device: str) -> MiningSpec:
    return MiningSpec.from_dict(value)


def _miners(value: Sequence[str | Mapping[str, Any]], device: str) -> list[str | PipelineSpec]:
    """Names of encoders as they are, pipelines from their plain form."""
    return [each if isinstance(each, str) else PipelineSpec.from_dict(each) for each in value]


def _encode_spec(value: Mapping[str, Any], device: str) -> EncodeSpec:
    """The spec with the device as the child sees it: a worker of one GPU shows it that one alone, as `cuda`."""
    spec = EncodeSpec.from_dict(value)
    kind, _, number = device.partition(":")
    if spec.device not in ("auto", "cpu") and spec.device.partition(":")[0] != kind:
        raise BadInput(
            f"The settings ask for {spec.device}, but this job was queued for {device}.",
            f"Queue it for {spec.device}, or set the device to auto.",
        )
    return replace(spec, device=kind) if spec.device == "auto" or (number and spec.device != "cpu") else spec


def _label_choice(value: Mapping[str, Any], device: str) -> LabelChoice:
    return LabelChoice.from_dict(value)


def _export_spec(value: Mapping[str, Any], device: str) -> ExportSpec:
    return ExportSpec.from_dict(value)


def _label_source(value: Mapping[str, str], device: str) -> Any:
    # Imported here: the queue is read by the app, which starts without the readers.
    from workbench.workflows.import_labels import Source

    return Source(Path(value["path"]), value.get("format", ""), value.get("label_set", ""))


def _pipeline(value: Mapping[str, Any], device: str) -> PipelineSpec:
    return PipelineSpec.from_dict(value)


def _recipe(value: Mapping[str, Any], device: str) -> RecipeSpec:
    return RecipeSpec.from_dict(value)


def _vary_spec(value: Mapping[str, Any], device: str) -> VarySpec:
    return VarySpec.from_dict(value)


def _filters(value: Sequence[Sequence[Any]], device: str) -> tuple[Filter, ...]:
    """Lists of field, operator and value, as JSON keeps filters."""
    return tuple(
        Filter(str(field), str(op), tuple(given) if isinstance(given, list) else given) for field, op, given in value
    )


KINDS: dict[str, Kind] = {
    "import": Kind("workbench.workflows.corpus:import_corpus", {"path": _path, "spec": _import_spec}),
    "queries": Kind("workbench.workflows.corpus:import_queries", {"path": _path, "qrels": _path}),
    "encode": Kind("workbench.workflows.encode:encode_corpus", {"spec": _encode_spec}),
    "derive": Kind("workbench.workflows.deriving:derive_corpus"),
    "encode-subset": Kind("workbench.workflows.deriving:encode_subset", {"spec": _encode_spec}),
    "index": Kind("workbench.workflows.index:build_index", {"spec": _index_spec}),
    "index-lab": Kind("workbench.workflows.index_lab:measure_indices", {"spec": _index_lab_spec}),
    "map": Kind("workbench.workflows.map:make_map", {"spec": _map_spec}),
    "place": Kind("workbench.workflows.map:place_map"),
    "map-space": Kind("workbench.workflows.map_space:make_space"),
    "bridge": Kind("workbench.workflows.bridge:fit_bridge"),
    "export-documents": Kind("workbench.workflows.exporting:export_documents", {"filters": _filters, "out": _path}),
    "candidates": Kind("workbench.workflows.mine:find_candidates", {"spec": _mining_spec, "miners": _miners}),
    "mine": Kind("workbench.workflows.mine:mine", {"spec": _mining_spec, "miners": _miners}),
    "export-labels": Kind(
        "workbench.workflows.export_labels:export_labels",
        {"out": _path, "choice": _label_choice, "spec": _export_spec},
    ),
    "import-labels": Kind("workbench.workflows.import_labels:import_labels", {"source": _label_source}),
    "guard": Kind("workbench.workflows.suspected:find_suspects"),
    "run": Kind("workbench.workflows.running:run_queries", {"pipeline": _pipeline}),
    "import-run": Kind("workbench.workflows.running:import_run", {"path": _path}),
    "encoder-lab": Kind("workbench.workflows.encoder_lab:measure_encoders", {"spec": _encoder_lab_spec}),
    "import-test-set": Kind("workbench.workflows.test_sets:import_test_set", {"path": _path}),
    "make-test-set": Kind("workbench.workflows.test_sets:make_test_set", {"recipe": _recipe}),
    "vary-queries": Kind("workbench.workflows.test_sets:vary_queries", {"spec": _vary_spec}),
    "demo": Kind("workbench.workflows.demo:build_demo"),
}


def load_kind(table: str, name: str) -> Kind:
    """The kind `name` of the table at "module:attribute". Raises `NotFound` listing the kinds there are."""
    module, attribute = table.split(":")
    kinds: Mapping[str, Kind] = getattr(importlib.import_module(module), attribute)
    if name not in kinds:
        raise unknown_name("kind of job", name, kinds)
    return kinds[name]


def as_result(value: Any) -> dict[str, Any]:
    """What a workflow returned, as the plain dict that is stored."""
    if value is None:
        return {}
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a workflow returned {type(value).__name__}: a dataclass, a mapping or None is wanted")
