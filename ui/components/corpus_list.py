"""The corpora of a project as a list, each with what it holds and where it came from."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ui.components.figures import ago, several
from ui.components.import_view import skipped_markup
from ui.components.text import clip, escape, listed
from ui.session import Place

if TYPE_CHECKING:
    from workbench.workflows.corpus import CorpusInfo

WITH_CORPUS = "all its versions, embeddings, indices, queries and judgments"
WITH_QUERIES = "its judgments and runs"


def corpora_markup(
    corpora: "Sequence[CorpusInfo]", place: Place, queries: Mapping[str, int], versions: Sequence[int] = ()
) -> str:
    """The list with its import buttons. Of the corpus in hand: the number of queries by set, and its versions."""
    cards = "".join(corpus_card(each, place, queries, versions) for each in corpora)
    more = '<button class="btn small" data-do="queries">Load queries</button>' if corpora else ""
    more += '<button class="btn small" data-do="test-sets">Test sets</button>' if corpora else ""
    return (
        f'<div class="row"><h2>Corpora</h2><span class="dim">{len(corpora)}</span><span class="spring"></span>'
        f'<button class="btn small primary" data-do="documents">Load a corpus</button>{more}</div>{cards}'
    )


def corpus_card(info: "CorpusInfo", place: Place, queries: Mapping[str, int], versions: Sequence[int]) -> str:
    here = info.name == place.corpus.partition("@")[0]
    kind = '<span class="tag">images</span>' if info.has_images else ""
    columns = listed([f"{name} ({kind})" for name, kind in info.columns.items()], 6)
    sets = "".join(query_set_row(name, count) for name, count in queries.items())
    detail = (
        f'<div class="dim break">{escape(clip(columns, 300)) or "no metadata columns"}</div>'
        f'<div class="dim break" title="from {escape(clip(info.source, 300))}">'
        f"{escape(clip(PurePath(info.source).name, 80))}</div>{sets}"
        f"{version_links(info.name, place, versions)}{import_notes(info.report)}"
        f'<div class="foot">{deletion(info.name, "delete", WITH_CORPUS)}</div>'
        if here
        else ""
    )
    link = escape(place.link("/corpus", corpus=info.name))
    return (
        f'<section class="card wb-corpus{" here" if here else ""}" data-key="{info.id}"><div class="row">'
        f'<a href="{link}"><b>{escape(info.name)}</b></a><span class="tag">version {info.version}</span>{kind}</div>'
        f'<div class="facts"><span><b>{several(info.documents, "document")}</b></span>'
        f"<span>{ago(info.created_at)}</span></div>{detail}</section>"
    )


def import_notes(report: Mapping[str, Any]) -> str:
    """What the import of the corpus left out, for later."""
    return skipped_markup(report.get("skipped_rows", []), report.get("skipped", 0), "at the import")


def version_links(name: str, place: Place, versions: Sequence[int]) -> str:
    """The versions of a corpus, newest first; nothing where there is only one."""
    if len(versions) < 2:
        return ""
    shown = int(place.corpus.partition("@")[2] or versions[0])
    links = " ".join(
        f"<b>{version}</b>"
        if version == shown
        else f'<a href="{escape(place.link("/corpus", corpus=address))}">{version}</a>'
        for version, address in ((each, f"{name}@{each}" if each != versions[0] else name) for each in versions)
    )
    return f"<div>versions: {links}</div>"


def query_set_row(name: str, count: int) -> str:
    return (
        f'<div class="row">queries: <b class="break">{escape(name)}</b> {count:,}<span class="spring"></span>'
        f"{deletion(name, 'delete-queries', WITH_QUERIES)}</div>"
    )


def deletion(name: str, action: str, what: str) -> str:
    """Delete, asked twice: the question stands in a menu."""
    return (
        '<details class="menu left"><summary class="btn small danger">Delete…</summary>'
        f'<div class="pop"><p>Delete “{escape(name)}” with {what}? This cannot be undone.</p><div class="row">'
        f'<button class="btn danger" data-do="{action}" data-name="{escape(name)}">'
        f"Delete {escape(clip(name, 40))}</button>"
        "</div></div></details>"
    )
