"""Parts of the Encode page: the catalogue, what an encoder will apply, the embeddings there are."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ui.components.bridge_view import short, told, vars_of
from ui.components.figures import ago, duration, size
from ui.components.index_view import delete_menu
from ui.handlers import escape, ticked
from ui.session import Place

if TYPE_CHECKING:
    from workbench.specs import EncoderSpec
    from workbench.workflows.bridge import BridgeReport
    from workbench.workflows.corpus import CorpusInfo
    from workbench.workflows.encode import CatalogueEntry, EmbeddingInfo
    from workbench.workflows.subsets import NamedSet

MAKES = {
    "dense": "dense",
    "bm25": "sparse",
    "sparse": "sparse",
    "multi-vector": "multi",
    "bge-m3": "dense + sparse + multi",
    "image-text": "dense",
    "image": "dense",
    "bridge": "dense",
}
READS = dict.fromkeys(MAKES, ("text",)) | {
    "image-text": ("text", "image"),
    "bridge": ("text", "image"),
    "image": ("image",),
}
ALL = ""
"""Stands for every document among the names of subsets."""
PROMPTED = ("dense", "multi-vector")
"""Families whose prompts are settings."""


def heading(corpus: "CorpusInfo", origin: str = "") -> str:
    """`origin` says of which subset the corpus was made, if it was."""
    made_of = f"<span>{escape(origin)}</span>" if origin else ""
    return (
        f"<div class='row top'><h2>Encode {escape(corpus.name)}</h2><span class='facts'>"
        f"<span><b>{corpus.documents:,}</b> documents</span><span>version {corpus.version}</span>{made_of}</span></div>"
    )


def documents_choices(corpus: "CorpusInfo", sets: "Sequence[NamedSet]") -> list[tuple[str, str]]:
    """(what is shown, name of a subset, `ALL` for every document) of the choice which documents are encoded."""
    every = (f"all documents ({corpus.documents:,})", ALL)
    return [every, *((f"subset {each.name} ({each.count:,})", each.name) for each in sets)]


def pretty_subset(corpus: str, subset: str) -> str:
    return f"the subset {subset} of {corpus}"


def encoded_elsewhere(result: Mapping[str, Any], place: Place) -> str:
    """Where the vectors of a subset are: in a corpus of their own, which every page takes. `result` is the job's."""
    corpus = str(result["corpus"])
    links = " · ".join(
        f"<a href='{escape(place.link(path, corpus=corpus))}'>{name}</a>"
        for name, path in (("Search it", "/search"), ("Map", "/map"), ("Encode it otherwise", "/encode"))
    )
    return (
        f"<div class='note good'>{result['vectors']:,} vectors by <b>{escape(result['encoder'])}</b> are in the corpus "
        f"<b>{escape(corpus)}</b>, which holds the subset's documents alone. {links}</div>"
    )


def catalogue_table(
    entries: "Sequence[CatalogueEntry]",
    bridges: "Sequence[BridgeReport]",
    chosen: str,
    corpus: tuple[Collection[str], bool],
) -> str:
    """The encoders we know and the project's own bridges, the chosen one marked; a click chooses.

    `corpus` = (encoders it is encoded with, whether it has images).
    """
    head = "<th>Encoder</th><th>Makes</th><th>Reads</th><th class='num'>Dim</th><th class='num'>Tokens</th>"
    head += "<th>Pooling</th><th>Prompts</th><th class='num'>Size</th><th>Licence</th>"
    rows = "".join(bridge_entry(each, each.name == chosen, each.name in corpus[0]) for each in bridges)
    rows += "".join(catalogue_row(entry, entry.name == chosen, corpus) for entry in entries)
    here = sum(entry.bundled for entry in entries)
    return (
        f"<section class='panel'><header><h3>Encoders</h3><span class='facts'><span>{here} installed</span><span>"
        f"{len(entries) - here} to download</span></span></header><div class='scroll tall'>"
        f"<table class='grid catalogue'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def catalogue_row(entry: "CatalogueEntry", chosen: bool, corpus: tuple[Collection[str], bool]) -> str:
    done, images = corpus
    lacks = entry.spec.kind == "image" and not images
    tags = " <span class='tag'>installed</span>" if entry.bundled else ""
    tags += " <span class='tag good'>✓ encoded</span>" if entry.name in done else ""
    tags += " <span class='tag warn'>no images here</span>" if lacks else ""
    weight = size(entry.size_mb * 1_000_000) if entry.size_mb else "–"
    short_roles = {"query": "query", "document": "doc"}
    prompts = " + ".join(short_roles[role] for role in short_roles if getattr(entry, f"{role}_prompt")) or "none"
    cells = (
        ("", f"<b>{escape(entry.name)}</b>{tags}"),
        ("", MAKES[entry.spec.kind]),
        ("", reads(READS[entry.spec.kind])),
        ("num", entry.dim or "–"),
        ("num", entry.max_length or "–"),
        ("", escape(entry.pooling)),
        ("dim", prompts),
        ("num", weight),
        ("dim", escape(entry.licence)),
    )
    return choice_row(entry.name, f"{entry.title}. {entry.note}", cells, chosen)


def bridge_entry(each: "BridgeReport", chosen: bool, done: bool) -> str:
    """A bridge of the project, among the encoders."""
    tags = " <span class='tag'>fitted here</span>" + (" <span class='tag good'>✓ encoded</span>" if done else "")
    sides = f"{each.image_encoder} → {each.text_encoder}"
    cells = (
        ("", f"<b>{escape(each.name)}</b>{tags}"),
        ("", MAKES["bridge"]),
        ("", reads(READS["bridge"])),
        ("num", "–"),
        ("num", "–"),
        ("", "bridge"),
        ("dim", "none"),
        ("num", "–"),
        ("dim", escape(sides)),
    )
    return choice_row(each.name, f"A bridge of this project: {sides}.", cells, chosen)


def choice_row(name: str, title: str, cells: Sequence[tuple[str, Any]], chosen: bool) -> str:
    key = escape(name)
    return (
        f"<tr data-key='{key}' data-do='pick' data-name='{key}' role='button' tabindex='0' "
        f"title='{escape(title)}'{' class=chosen' if chosen else ''}>"
        f"{''.join(f'<td class={kind!r}>{value}</td>' for kind, value in cells)}</tr>"
    )


def reads(modalities: Iterable[str]) -> str:
    """What an encoder reads; images are marked."""
    return " + ".join(f"<span class='tag'>{each}</span>" if each == "image" else each for each in modalities)


def details(
    spec: "EncoderSpec",
    preview: Mapping[str, Any],
    listed: "tuple[Sequence[CatalogueEntry], Sequence[BridgeReport]]",
    images: bool,
) -> str:
    """What will be applied, as a list of facts; what is doubtful about it comes first, in red.

    `listed` = (catalogue, bridges of the project); `images`: whether the corpus has any.
    """
    entries, bridges = listed
    entry = entry_of(preview["model"], entries)
    facts = {name: getattr(entry, name, None) if value is None else value for name, value in preview.items()}
    notes = "".join(f"<div class='note bad'><b>{escape(text)}</b></div>" for text in doubts(spec, facts, entry, images))
    rows = [
        ("Listed as", f"<b>{escape(spec.name)}</b>"),
        ("Makes", MAKES[spec.kind]),
        ("Reads", reads(READS[spec.kind])),
    ]
    rows += [("Model", f"<code>{escape(facts['model'])}</code>")] if spec.kind != "bm25" else []
    if spec.kind in PROMPTED:
        rows += [("Query prompt", effective(facts["query_prompt"]))]
        rows += [("Document prompt", effective(facts["document_prompt"]))]
    if spec.kind not in ("bm25", "bridge"):
        rows += [("Pooling", known(facts["pooling"])), ("Dimensions", known(facts["dim"]))]
    if spec.kind not in ("bm25", "bridge", "image"):
        rows += [("Longest input", f"{known(facts['max_length'])} tokens" if facts["max_length"] else known(None))]
    rows += [("Licence", escape(facts["licence"]))] if facts["licence"] else []
    own = next((each for each in bridges if f"artifact:{each.model}" == facts["model"]), None)
    note = f"<p class='dim'>{told(vars_of(own))}</p>" if own else ""
    note += f"<p class='dim'>{escape(facts['note'])}</p>" if facts["note"] else ""
    listing = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f"{notes}<dl class='facts-list'>{listing}</dl>{note}"


def entry_of(model: str | None, entries: "Sequence[CatalogueEntry]") -> "CatalogueEntry | None":
    """The catalogue's entry with these weights: by where they are, or else by the hub id they come from."""
    name = str(model or "").lower()
    for own in (lambda each: getattr(each.spec, "model", ""), lambda each: each.hub):
        for entry in entries:
            if name and own(entry).lower() == name:
                return entry
    return None


def doubts(spec: "EncoderSpec", facts: Mapping[str, Any], entry: "CatalogueEntry | None", images: bool) -> list[str]:
    """Sentences about pictures that are not there, prompts a model expects and would not get, and code it brings."""
    found = []
    if spec.kind == "image" and not images:
        found.append("This encoder reads images alone, and the documents of this corpus have none.")
    for role in ("query", "document"):
        expected = getattr(entry, f"{role}_prompt", "")
        if expected and facts.get(f"{role}_prompt") == "":
            found.append(f"This model expects the {role} prompt “{expected}”, and none is set.")
    if getattr(spec, "trust_remote_code", False):
        found.append("Code that comes with the model will run on this machine. Only for sources you trust.")
    return found


def effective(text: str | None) -> str:
    """A prompt as it will be applied; None = the model's files will tell."""
    return known(None) if text is None else prompt(text)


def known(value: Any) -> str:
    return "<span class='dim'>as the model’s files say, once downloaded</span>" if value is None else escape(value)


def embedding_table(found: "Sequence[EmbeddingInfo]", place: Place) -> str:
    """What was encoded, and how; an invitation where nothing was."""
    if not found:
        return (
            "<h3 class='above'>Embeddings</h3><div class='note'>Nothing encoded yet. <b>bm25</b> takes seconds and "
            "needs no model; a dense encoder also finds what is said in other words.</div>"
        )
    names = (
        "Embedding",
        "Reads",
        "Vectors",
        "Dim",
        "Pooling",
        "Query prompt",
        "Document prompt",
        "Precision",
        "Size",
        "Took",
    )
    numbers = ("Vectors", "Dim", "Size", "Took")
    head = "".join(f"<th class='{'num' if name in numbers else ''}'>{name}</th>" for name in (*names, "Made", ""))
    rows = "".join(embedding_row(each, place) for each in found)
    return (
        f"<h3 class='above'>Embeddings of {escape(place.corpus)}</h3><div class='panel'><table class='grid'>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def embedding_row(each: "EmbeddingInfo", place: Place) -> str:
    notes = "".join(f"<div class='note warn'>{ticked(text)}</div>" for text in each.warnings)
    search = escape(place.link("/search", encoder=each.encoder))
    tokens = each.manifest.get("tokens") if each.kind == "multi" else None
    measured = (each.manifest.get("fitted") or {}).get("measured")
    notes += f"<div class='dim'>{short(measured)}</div>" if measured else ""
    cells = (
        ("", f"<b>{escape(each.encoder)}</b> <span class='tag'>{escape(each.kind)}</span>{notes}"),
        ("", reads(sorted(each.manifest.get("modalities", ["text"]), reverse=True))),
        ("num", f"{each.vectors:,}" + (f"<div class='dim'>{tokens:,} tokens</div>" if tokens else "")),
        ("num", f"{each.dim:,}"),
        ("", escape(each.pooling)),
        ("", prompt(each.query_prompt)),
        ("", prompt(each.document_prompt)),
        ("", precision(each.manifest.get("dtype"), each.dtype)),
        ("num", size(each.bytes)),
        ("num", duration(each.manifest.get("seconds"))),
        ("dim", ago(each.created_at)),
        ("acts", f"<a class='btn small' href='{search}'>Search</a> {delete_menu(each.id, each.encoder)}"),
    )
    return f"<tr data-key='{escape(each.id)}'>{''.join(f'<td class={kind!r}>{text}</td>' for kind, text in cells)}</tr>"


def precision(computed: str | None, stored: str) -> str:
    """The model's precision, and that on disk where it differs."""
    if not computed or computed == stored:
        return escape(stored)
    return f"{escape(computed)} <span class='dim'>→ {escape(stored)}</span>"


def prompt(text: str | None) -> str:
    """A prompt as it is put before the text, its spaces visible; a dash for none."""
    return f"<code>“{escape(text)}”</code>" if text else "<span class='dim'>none</span>"
