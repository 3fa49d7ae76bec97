"""Parts of the Encode page: the catalogue, what an encoder will apply, the embeddings there are."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ui.components.figures import ago, duration, size
from ui.components.index_view import delete_menu
from ui.handlers import escape, ticked
from ui.session import Place

if TYPE_CHECKING:
    from workbench.workflows.corpus import CorpusInfo
    from workbench.workflows.encode import CatalogueEntry, EmbeddingInfo


def heading(corpus: "CorpusInfo") -> str:
    return (
        f"<div class='row top'><h2>Encode {escape(corpus.name)}</h2><span class='facts'><span><b>{corpus.documents:,}</b> "
        f"documents</span><span>version {corpus.version}</span></span></div>"
    )


def catalogue_table(entries: "Sequence[CatalogueEntry]", chosen: str, done: Collection[str]) -> str:
    """The encoders we know, the chosen one marked; a click chooses."""
    head = "<th>Encoder</th><th>Model</th><th class='num'>Dim</th><th class='num'>Tokens</th><th class='num'>Size</th>"
    head += "<th>Pooling</th><th>Prompts</th><th>Licence</th>"
    rows = "".join(catalogue_row(entry, entry.name == chosen, entry.name in done) for entry in entries)
    return (
        f"<section class='panel scroll'><header><h3>Encoders</h3><span class='dim'>click one</span></header>"
        f"<table class='grid'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def catalogue_row(entry: "CatalogueEntry", chosen: bool, done: bool) -> str:
    where = "<span class='tag'>bundled</span>" if entry.bundled else "<span class='tag warn'>download</span>"
    tick = " <span class='tag good'>encoded</span>" if done else ""
    weight = size(entry.size_mb * 1_000_000) if entry.size_mb else ""
    prompts = " + ".join(name for name in ("query", "document") if getattr(entry, f"{name}_prompt")) or "none"
    return (
        f"<tr data-key='{escape(entry.name)}' data-do='pick' data-name='{escape(entry.name)}' role='button' tabindex='0' "
        f"title='{escape(entry.note)}'{' class=chosen' if chosen else ''}><td><b>{escape(entry.name)}</b>{tick}</td>"
        f"<td>{escape(entry.title)} {where}</td><td class='num'>{entry.dim or '–'}</td>"
        f"<td class='num'>{entry.max_length or '–'}</td><td class='num'>{weight or '–'}</td>"
        f"<td>{escape(entry.pooling)}</td><td class='dim'>{prompts}</td><td class='dim'>{escape(entry.licence)}</td></tr>"
    )


def details(preview: Mapping[str, Any]) -> str:
    """What will be applied, as a list of facts, with what is doubtful about it in red."""
    return "".join(f"<div class='note bad'>{ticked(text)}</div>" for text in preview.get("warnings", []))


def embedding_table(found: "Sequence[EmbeddingInfo]", place: Place) -> str:
    """What was encoded, and how; an invitation where nothing was."""
    if not found:
        return (
            "<h3 class='above'>Embeddings</h3><div class='note'>Nothing encoded yet. <b>bm25</b> takes seconds and needs "
            "no model; a dense encoder finds what uses other words.</div>"
        )
    head = "<th>Embedding</th><th class='num'>Vectors</th><th class='num'>Dim</th><th>Pooling</th><th>Query prompt</th>"
    head += "<th>Document prompt</th><th>Precision</th><th class='num'>Size</th><th class='num'>Took</th><th>Made</th><th></th>"
    rows = "".join(embedding_row(each, place) for each in found)
    return (
        f"<h3 class='above'>Embeddings of {escape(place.corpus)}</h3><div class='panel scroll'><table class='grid'>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def embedding_row(each: "EmbeddingInfo", place: Place) -> str:
    notes = "".join(f"<div class='note warn'>{ticked(text)}</div>" for text in each.warnings)
    search = escape(place.link("/search", encoder=each.encoder))
    return (
        f"<tr data-key='{escape(each.id)}'><td><b>{escape(each.encoder)}</b> <span class='tag'>{escape(each.kind)}</span>"
        f"{notes}</td><td class='num'>{each.vectors:,}</td><td class='num'>{each.dim:,}</td><td>{escape(each.pooling)}</td>"
        f"<td>{prompt(each.query_prompt)}</td><td>{prompt(each.document_prompt)}</td><td>{escape(each.dtype)}</td>"
        f"<td class='num'>{size(each.bytes)}</td><td class='num'>{duration(each.manifest.get('seconds'))}</td>"
        f"<td class='dim'>{ago(each.created_at)}</td><td class='acts'><a class='btn small' href='{search}'>Search</a> "
        f"{delete_menu(each.id, each.encoder)}</td></tr>"
    )


def prompt(text: str | None) -> str:
    """A prompt as it is put before the text, its spaces visible; a dash for none."""
    return f"<code>“{escape(text)}”</code>" if text else "<span class='dim'>none</span>"
