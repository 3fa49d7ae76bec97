"""The editor of one column's pipeline: its controls as HTML, and the pipeline after each of them was used.

Everything is a path and a text (“fusion.k”, “70”): a change sends both, `changed` reads the text by the field's type.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from ui.components.address import knobs_of
from ui.components.filters import options
from ui.components.text import clip, escape
from ui.forms import entered
from workbench.errors import BadInput
from workbench.specs import FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec

if TYPE_CHECKING:
    from workbench.workflows.reranking import CatalogueEntry
    from workbench.workflows.search import System

MAX_RETRIEVERS = 8
SETTING_NAMES = {"nprobe": "nprobe", "ef_search": "efSearch", "k_factor": "k_factor"}
METHODS = {
    "rrf": "by rank",
    "minmax": "scores, each 0…1",
    "dbsf": "scores, by their spread",
    "combsum": "sum of 0…1 scores",
    "combmnz": "sum × how many found it",
    "m3": "BGE-M3's own sum",
}
RAW_HINT = (
    "Raw scores are not averaged: BM25 and cosine have different scales, so the one with the larger numbers would "
    "decide alone. minmax and dbsf bring them to one scale first; rrf looks at ranks only."
)
FIXED = ("name", "model", "encoder", "kind", "form", "revision", "gguf_file", "trust_remote_code", "key_variable")
"""Fields of a reranker's spec that say which model it is: not options of a column, where the catalogue names one."""


@dataclass(frozen=True)
class Choices:
    """What the pipelines of a corpus can be made of; `saved` are names of saved pipelines, `banks` query sets.

    `adopted`: by encoder, the index and settings that a person settled on.
    """

    systems: "Sequence[System]" = ()
    saved: Sequence[str] = ()
    rerankers: "Sequence[CatalogueEntry]" = ()
    banks: Sequence[str] = ()
    adopted: Mapping[str, RetrieverSpec] = field(default_factory=dict)

    def entry(self, reranker: str) -> "CatalogueEntry | None":
        return next((each for each in self.rerankers if each.name == reranker), None)

    def options(self, reranker: str) -> list[Field[Any]]:
        """The fields of its spec that a column may set; where the catalogue names no model, the model too."""
        entry = self.entry(reranker)
        if entry is None:
            return []
        named = getattr(entry.spec, "model", "") or getattr(entry.spec, "encoder", "")
        fixed = FIXED if named else ("name", "kind", "revision", "trust_remote_code")
        return [item for item in fields(entry.spec) if item.name not in fixed]

    def late_interaction(self) -> list[str]:
        """The multi-vector encoders of the corpus: each can rerank too."""
        return list(dict.fromkeys(each.encoder for each in self.systems if each.output == "multi" and each.ready))

    def output(self, retriever: RetrieverSpec) -> str:
        """ "dense", "sparse", "multi"; empty where the encoder has no embedding here."""
        return next((each.output for each in self.systems if each.encoder == retriever.encoder), "")


def editor_html(number: int, pipeline: PipelineSpec, choices: Choices) -> str:
    """All controls of the pipeline of column `number`."""
    several = len(pipeline.retrievers) > 1
    rows = "".join(retriever_html(number, at, pipeline, choices) for at in range(len(pipeline.retrievers)))
    systems = {"": "+ retriever", **{system_value(s.encoder, s.index): s.label for s in choices.systems if s.ready}}
    add = (
        f'<select data-change="add" data-column="{number}" data-key="add{len(pipeline.retrievers)}" '
        f'aria-label="Add a retriever">{named_options(systems)}</select>'
    )
    pool = several or pipeline.reranker is not None
    depth = number_field(number, "depth", "pool", pipeline.depth, "Documents taken from each retriever", 1, 1000)
    depth = f'<div class="wb-knobs">{depth}</div>' if pool else ""
    return (
        f'<div class="wb-editor"><div class="wb-retrievers">{rows}{add if len(pipeline.retrievers) < 8 else ""}</div>'
        f"{fusion_html(number, pipeline) if several else ''}{rerank_html(number, pipeline, choices)}"
        f"{depth}</div>"
    )


def retriever_html(number: int, at: int, pipeline: PipelineSpec, choices: Choices) -> str:
    """One retriever: its name with ×, its weight among several, its settings behind a cog."""
    retriever = pipeline.retrievers[at]
    label = retriever_label(retriever)
    many = len(pipeline.retrievers) > 1
    drop = (
        f'<button data-do="drop" data-column="{number}" data-index="{at}" title="Remove this retriever" '
        'aria-label="Remove">×</button>'
        if many
        else ""
    )
    slider = weight_html(number, at, pipeline) if many else ""
    settings = settings_html(number, at, retriever, choices)
    return (
        f'<div class="wb-retriever" data-key="r{at} {escape(label)}"><span class="wb-chip" title="{escape(label)}">'
        f"<span>{escape(clip(label, 44))}</span>{drop}</span>{slider}{settings}</div>"
    )


def weight_html(number: int, at: int, pipeline: PipelineSpec) -> str:
    fusion = pipeline.fusion or FusionSpec()
    weight = fusion.weights[at] if fusion.weights else 1.0
    return slider_html(number, f"weights.{at}", weight, max(1.0, weight), "Weight of this retriever in the fusion")


def settings_html(number: int, at: int, retriever: RetrieverSpec, choices: Choices) -> str:
    """What the index knows to set, and query bank normalisation for dense vectors."""
    path = f"retrievers.{at}"
    parts = [
        number_field(number, f"{path}.{name}", SETTING_NAMES[name], getattr(retriever, name), "", 1, 100_000)
        for name in knobs_of(retriever.index)
    ]
    if choices.output(retriever) == "dense":
        banks = {"": "off", "@titles": "documents' titles", **{name: name for name in choices.banks}}
        parts.append(
            f'<label title="QB-Norm: lowers documents that are near to every query (hubs), measured with a bank of '
            f'queries">hub correction <select data-change="set" data-field="{path}.query_bank" data-column="{number}">'
            f"{named_options(banks, retriever.query_bank)}</select></label>"
        )
        if retriever.query_bank:
            hint = "Inverse temperature of QB-Norm"
            parts.append(number_field(number, f"{path}.bank_beta", "beta", retriever.bank_beta, hint, 0.1, 1000))
    if not parts:
        return ""
    return (
        '<details class="wb-cog"><summary title="Settings of this retriever">⚙</summary>'
        f'<div class="wb-knobs">{"".join(parts)}</div></details>'
    )


def fusion_html(number: int, pipeline: PipelineSpec) -> str:
    fusion = pipeline.fusion or FusionSpec()
    methods = [name for name in METHODS if name != "m3" or one_m3(pipeline) or fusion.method == "m3"]
    chosen = options({name: METHODS[name] for name in methods}, fusion.method)
    parts = [
        f'<label class="wb-first" title="{escape(RAW_HINT)}">fusion <select data-change="set" '
        f'data-field="fusion.method" data-column="{number}">{chosen}</select></label>'
    ]
    if fusion.method == "rrf":
        hint = "1 / (k + rank): the larger, the less the first ranks count more than the next"
        parts.append(number_field(number, "fusion.k", "k", fusion.k, hint, 0, 10_000))
        parts.append(
            '<label title="The number of the first rank: most count from 1, Qdrant and Chroma from 0">first rank '
            f'<select data-change="set" data-field="fusion.origin" data-column="{number}">'
            f"{options(('1', '0'), str(fusion.origin))}</select></label>"
        )
    parts.append(f'<span class="wb-why" tabindex="0" title="{escape(RAW_HINT)}">why no average?</span>')
    return f'<div class="wb-knobs">{"".join(parts)}</div>'


def rerank_html(number: int, pipeline: PipelineSpec, choices: Choices) -> str:
    """Reranker, depth and options; bundled rerankers first, hub ones marked."""
    reranker = pipeline.reranker
    name = reranker.name if reranker else ""
    known = sorted(choices.rerankers, key=lambda entry: not entry.bundled)
    named = {"": "none", **{each.name: reranker_label(each) for each in known}}
    named |= {each: f"{each} · late interaction" for each in choices.late_interaction()}
    if name not in named:
        named[name] = name
    parts = [
        f'<label class="wb-first">rerank <select data-change="set" data-field="reranker.name" data-column="{number}">'
        f"{named_options(named, name)}</select></label>"
    ]
    more = text_field(number, "reranker.name", "hub id or folder", "" if choices.entry(name) else name)
    if reranker:
        depth = slider_html(
            number, "reranker.depth", reranker.depth, max(100, reranker.depth), "Documents scored again"
        )
        parts.append(f'<span class="wb-depth">depth {depth}</span>')
        more = rerank_options(number, reranker, choices) + more
    unset = (
        reranker is not None and any(item.name == "model" for item in choices.options(name)) and not reranker.options
    )
    cog = f'<details class="wb-cog"{" open" if unset else ""}><summary title="More of the reranker">⚙</summary>'
    return f'<div class="wb-knobs">{"".join(parts)}{cog}<div class="wb-knobs">{more}</div></details></div>'


def reranker_label(entry: "CatalogueEntry") -> str:
    """Its name and where it comes from, unless it is here already."""
    origin = "optional package" if entry.package else "from the hub" if entry.hub else "a local model or an endpoint"
    return entry.name if entry.bundled else f"{entry.name} · {origin}"


def rerank_options(number: int, reranker: RerankSpec, choices: Choices) -> str:
    """A field for each option of the reranker's family."""
    entry = choices.entry(reranker.name)
    drawn = ""
    for item in choices.options(reranker.name):
        value = reranker.options.get(item.name)
        own = getattr(entry.spec, item.name)
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else str(value)
        usual = ", ".join(map(str, own)) if isinstance(own, tuple) else "model's own" if own is None else str(own)
        hint = str(item.metadata.get("help", ""))
        drawn += text_field(number, f"reranker.options.{item.name}", item.name.replace("_", " "), shown, usual, hint)
    return drawn


# ── what a control does ──────────────────────────────────────────────────────────────────────────────────────────────


def with_retriever(pipeline: PipelineSpec, value: str) -> PipelineSpec:
    """One more retriever, of full weight; `value` as `system_value` writes it."""
    encoder, index = read_system(value)
    if len(pipeline.retrievers) >= MAX_RETRIEVERS:
        raise BadInput(f"A column has at most {MAX_RETRIEVERS} retrievers.", "Remove one first.")
    fusion = pipeline.fusion or FusionSpec()
    fusion = replace(fusion, weights=(*fusion.weights, 1.0) if fusion.weights else None)
    return replace(pipeline, retrievers=(*pipeline.retrievers, RetrieverSpec(encoder, index)), fusion=fusion)


def without_retriever(pipeline: PipelineSpec, at: int) -> PipelineSpec:
    """One retriever less; the last one stays."""
    kept = tuple(each for n, each in enumerate(pipeline.retrievers) if n != at)
    if not kept:
        return pipeline
    fusion = pipeline.fusion
    if len(kept) == 1 or fusion is None:
        return replace(pipeline, retrievers=kept, fusion=None)
    weights = tuple(each for n, each in enumerate(fusion.weights or ()) if n != at)
    return replace(pipeline, retrievers=kept, fusion=replace(fusion, weights=weights if any(weights) else None))


def changed(pipeline: PipelineSpec, path: str, text: str, choices: Choices) -> PipelineSpec:
    """The pipeline with the field at `path` as typed. Raises `BadInput` where the text does not fit the field."""
    part, _, rest = path.partition(".")
    if part == "weights":
        fusion = pipeline.fusion or FusionSpec()
        weights = list(fusion.weights or (1.0,) * len(pipeline.retrievers))
        weights[place(rest, weights)] = float(entered(FusionSpec, "k", text))
        return replace(pipeline, fusion=replace(fusion, weights=tuple(weights)))
    if part == "fusion" and rest in ("method", "k", "origin"):
        fusion = replace(pipeline.fusion or FusionSpec(), **{rest: entered(FusionSpec, rest, text)})
        return replace(pipeline, fusion=fusion)
    if part == "retrievers":
        number, _, name = rest.partition(".")
        at = place(number, pipeline.retrievers)
        made = replace(pipeline.retrievers[at], **{name: entered(RetrieverSpec, name, text)})
        return replace(pipeline, retrievers=(*pipeline.retrievers[:at], made, *pipeline.retrievers[at + 1 :]))
    if part == "reranker":
        return replace(pipeline, reranker=changed_reranker(pipeline.reranker, rest, text, choices))
    if path == "depth":
        return replace(pipeline, depth=entered(PipelineSpec, "depth", text))
    raise BadInput(f"A pipeline has no “{path[:60]}”.")


def changed_reranker(reranker: RerankSpec | None, path: str, text: str, choices: Choices) -> RerankSpec | None:
    if path == "name":
        return RerankSpec(text.strip(), reranker.depth if reranker else 50) if text.strip() else None
    if reranker is None:
        return None
    if path == "depth":
        return replace(reranker, depth=entered(RerankSpec, "depth", text))
    name = path.removeprefix("options.")
    entry = choices.entry(reranker.name)
    if entry is None or name not in {item.name for item in choices.options(reranker.name)}:
        raise BadInput(f"This reranker has no option “{name[:60]}”.")
    given = {key: value for key, value in reranker.options.items() if key != name}
    if text.strip():
        value: Any = entered(type(entry.spec), name, text)
        # Refused here, with the field's own limits, rather than when the model is opened.
        replace(entry.spec, **{name: value})
        given[name] = list(value) if isinstance(value, tuple) else value
    return replace(reranker, options=given)


# ── small parts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def retriever_label(retriever: RetrieverSpec) -> str:
    """ "minilm", or "minilm · HNSW32" where an index other than the exact one is meant."""
    plain = retriever.index in ("", "exact", "inverted")
    return retriever.encoder if plain else f"{retriever.encoder} · {retriever.index}"


def pipeline_label(pipeline: PipelineSpec) -> str:
    """ "bm25 + minilm → rrf → ms-marco-minilm-l12"."""
    parts = [" + ".join(retriever_label(each) for each in pipeline.retrievers)]
    if len(pipeline.retrievers) > 1:
        parts.append((pipeline.fusion or FusionSpec()).method)
    if pipeline.reranker:
        parts.append(f"{pipeline.reranker.name} {pipeline.reranker.depth}")
    return " → ".join(parts)


def settings_label(pipeline: PipelineSpec) -> str:
    """ "rrf k 60 · weights 1, 0.5 · rerank 50": the settings behind the name."""
    parts = []
    if len(pipeline.retrievers) > 1:
        fusion = pipeline.fusion or FusionSpec()
        parts.append(f"{fusion.method} k {fusion.k:g}" if fusion.method == "rrf" else fusion.method)
        if fusion.weights and len(set(fusion.weights)) > 1:
            parts.append("weights " + ", ".join(f"{weight:g}" for weight in fusion.weights))
    for each in pipeline.retrievers:
        known = {SETTING_NAMES[name]: getattr(each, name) for name in SETTING_NAMES}
        parts += [f"{name} {value:g}" for name, value in known.items() if value is not None]
        parts += [f"hub correction with {each.query_bank}"] if each.query_bank else []
    if pipeline.reranker:
        parts.append(f"rerank {pipeline.reranker.depth}")
    return clip(" · ".join(parts), 120)


def one_m3(pipeline: PipelineSpec) -> bool:
    """Whether the retrievers are different outputs of one BGE-M3: “name”, “name:sparse”, “name:multi”."""
    names = [each.encoder for each in pipeline.retrievers]
    stems = {name.removesuffix(":sparse").removesuffix(":multi") for name in names}
    return len(stems) == 1 and len(set(names)) == len(names) > 1


def number_field(number: int, path: str, label: str, value: float | None, hint: str, low: float, high: float) -> str:
    shown = "" if value is None else f"{value:g}"
    return (
        f'<label title="{escape(hint)}" data-key="{path} {shown}">{escape(label)} <input type="number" step="any" '
        f'min="{low:g}" max="{high:g}" value="{shown}" placeholder="default" data-change="set" data-field="{path}" '
        f'data-column="{number}"></label>'
    )


def text_field(number: int, path: str, label: str, value: str, usual: str = "", hint: str = "") -> str:
    return (
        f'<label title="{escape(hint)}" data-key="{escape(path)} {escape(value)}">{escape(label)} <input type="text" '
        f'value="{escape(value)}" placeholder="{escape(clip(usual, 40))}" data-change="set" '
        f'data-field="{escape(path)}" data-column="{number}"></label>'
    )


def slider_html(number: int, path: str, value: float, high: float, hint: str) -> str:
    """A slider that re-fuses while it moves. Its key holds the value, so that a redraw with another one replaces it."""
    step, low = ("1", "1") if isinstance(value, int) else ("0.05", "0")
    shown = str(value) if isinstance(value, int) else f"{value:.2f}"
    return (
        f'<span class="wb-slide" title="{escape(hint)}" data-key="{path} {shown}"><input type="range" min="{low}" '
        f'max="{high:g}" step="{step}" value="{value:g}" data-tune="{path}" data-column="{number}" '
        f'aria-label="{escape(hint)}"><output>{shown}</output></span>'
    )


def named_options(names: dict[str, str], chosen: str = "") -> str:
    """The `<option>`s of a select, value → what is shown."""
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(clip(shown, 60))}</option>'
        for value, shown in names.items()
    )


def system_value(encoder: str, index: str) -> str:
    return json.dumps([encoder, index], ensure_ascii=False)


def read_system(value: str) -> tuple[str, str]:
    """Raises `BadInput` on anything that `system_value` did not write."""
    try:
        encoder, index = json.loads(value)
    except (ValueError, TypeError) as error:
        raise BadInput(f"“{value[:60]}” is no system.", "Reload the page.") from error
    return str(encoder), str(index)


def place(text: str, among: Sequence[Any]) -> int:
    """A position the browser sent. Raises `BadInput` outside `among`."""
    if not text.isdecimal() or int(text) >= len(among):
        raise BadInput(f"There is no retriever number “{text[:20]}”.", "Reload the page.")
    return int(text)
