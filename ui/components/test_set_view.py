"""Markup of the Corpus page's test sets: three ways to get one, those there are, and where their queries come from."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ui.components.figures import ago, several
from ui.components.text import clip, escape
from ui.session import Place
from workbench.specs.test_sets import VARIATIONS
from workbench.workflows.query_origins import QueryOrigin, set_origin

if TYPE_CHECKING:
    from workbench.workflows.corpus import CorpusInfo, QuerySetInfo

PAGE = 20
EXAMPLES = 5
LISTED = 10
RECIPES = {
    "title": ("title → text", "Each title is a query; its document is the answer."),
    "caption": ("caption → image", "The words that go with a picture are a query; the picture is the answer."),
    "column": ("a column → document", "Docstring → code, question → answer: each value of a column is a query."),
    "written": ("written by a model", "A language model reads a document and writes a query that it answers."),
}
KINDS = {
    "typos": "typos",
    "lowercase": "lower case",
    "uppercase": "upper case",
    "unpunctuated": "no punctuation",
    "paraphrase": "paraphrased by a model",
}
WRITER = (
    "<label class='ts-model'>model<input name='model' maxlength='300' placeholder='a folder, a model’s name'></label>"
    "<label class='ts-model'>endpoint<input name='endpoint' maxlength='300' placeholder='none: the model runs here'>"
    "</label>"
)


def panel_html(place: Place, info: "CorpusInfo | None", sets: "Sequence[QuerySetInfo]", queries: str = "") -> str:
    """The whole panel; without a corpus only what loads one. `queries`: those of the set that is opened."""
    forms = folder_form()
    if info is not None:
        forms = make_form(info) + vary_form(sets) + forms
    return (
        "<div class='row'><h2>Test sets</h2><span class='dim'>Queries whose right answers are known, to measure "
        "search with.</span><span class='spring'></span><button class='icon' data-do='browser' title='Close' "
        f"aria-label='Close'>×</button></div><div class='ts-forms'>{forms}</div>"
        f"{sets_table(place, sets) if info is not None else ''}{queries}"
    )


def make_form(info: "CorpusInfo") -> str:
    """A test set out of the corpus's own documents; what the corpus has nothing for cannot be chosen."""
    columns = [name for name, kind in info.columns.items() if kind == "text"]
    lacking = {"caption": not info.has_images, "column": not columns}
    options = "".join(
        f"<option value='{name}'{' disabled' if lacking.get(name) else ''}>{title}"
        f"{' – no pictures here' if name == 'caption' and lacking[name] else ''}"
        f"{' – no text column here' if name == 'column' and lacking[name] else ''}</option>"
        for name, (title, _) in RECIPES.items()
    )
    told = "".join(f"<p class='dim ts-told' data-for='{name}'>{text}</p>" for name, (_, text) in RECIPES.items())
    choices = "".join(f"<option value='{escape(name)}'>{escape(clip(name, 40))}</option>" for name in columns)
    return (
        f"<section class='ts-form ts-make' data-form data-key='make'><h3>Make one of “{escape(clip(info.name, 40))}”"
        f"</h3><label>queries are<select name='recipe'>{options}</select></label>{told}"
        f"<label class='ts-column'>column<select name='column'>{choices}</select></label>{WRITER}"
        "<div class='row'><label>at most<input type='number' name='limit' value='100' min='0' title='0: all of them'>"
        "</label><label>seed<input type='number' name='seed' value='0' min='0' title='Same seed, same queries'></label>"
        "</div><label class='ev-check ts-part'><input type='checkbox' name='leave_out'><span>leave it out of the "
        "documents<small class='dim'>fairer: a copy of the corpus without these words is asked, and must be encoded"
        "</small></span></label>"
        f"{name_and_button('make', 'Make')}</section>"
    )


def vary_form(sets: "Sequence[QuerySetInfo]") -> str:
    """The same queries with typos and the like, under the same judgments."""
    if not sets:
        return (
            "<section class='ts-form' data-key='vary'><h3>Vary a query set</h3><p class='dim'>Typos and other ways to "
            "write the same queries show how robust search is. There are no queries yet.</p></section>"
        )
    options = "".join(
        f"<option value='{escape(each.name)}'>{escape(clip(each.name, 50))} · {each.queries:,}</option>"
        for each in sets
    )
    boxes = "".join(
        f"<label class='ev-check'><input type='checkbox' name='kind {name}'{' checked' if name == 'typos' else ''}>"
        f"{KINDS[name]}</label>"
        for name in VARIATIONS
    )
    return (
        f"<section class='ts-form ts-vary' data-form data-key='vary'><h3>Vary a query set</h3><label>queries of<select "
        f"name='set'>{options}</select></label><p class='dim'>The same queries written otherwise, with the same "
        f"judgments: Evaluate shows what it costs.</p><div class='ts-kinds'>{boxes}</div>{WRITER}"
        "<div class='row'><label>words with a typo, %<input type='number' name='rate' value='30' min='1' max='100'>"
        "</label><label>seed<input type='number' name='seed' value='0' min='0'></label></div>"
        f"{name_and_button('vary', 'Vary')}</section>"
    )


def folder_form() -> str:
    """A folder as BEIR, MTEB and AIR-Bench lay theirs out: corpus, queries and judgments in one step."""
    return (
        "<section class='ts-form' data-form data-key='folder'><h3>Load a folder</h3><label>path<input name='folder' "
        "maxlength='1000' placeholder='/path/to/folder, on the server’s machine'></label><p class='dim'>As BEIR, MTEB "
        "or AIR-Bench lay it out: corpus, queries and judgments become a corpus and its query set.</p>"
        "<label>split<input name='split' maxlength='60' placeholder='test, else the only one'></label>"
        f"{name_and_button('folder', 'Load')}</section>"
    )


def name_and_button(action: str, word: str) -> str:
    return (
        "<div class='row ts-go'><input name='name' maxlength='64' placeholder='name (else one is given)' "
        f"aria-label='Name'><button class='btn primary' data-do='{action}' data-default>{word}</button></div>"
    )


def sets_table(place: Place, sets: "Sequence[QuerySetInfo]") -> str:
    """The query sets of the corpus, each with its origin."""
    if not sets:
        return ""
    rows = "".join(set_row(place, each) for each in sets)
    return (
        "<table class='grid ts-sets'><thead><tr><th>query set</th><th class='num'>queries</th><th class='num'>judgments"
        f"</th><th>from</th><th></th><th></th></tr></thead><tbody>{rows}</tbody></table>"
    )


def set_row(place: Place, info: "QuerySetInfo") -> str:
    evaluate = escape(place.link("/evaluate", set=info.name))
    return (
        f"<tr data-key='set {info.id}'><td class='break'><b>{escape(info.name)}</b></td><td class='num'>"
        f"{info.queries:,}</td><td class='num'>{info.judgments:,}</td>"
        f"<td class='break' title='{escape(clip(info.source, 300))}'>"
        f"{escape(clip(set_origin(info), 160))}</td><td class='dim'>{ago(info.created_at)}</td><td class='acts'>"
        f"<button class='btn small' data-do='queries-of' data-name='{escape(info.name)}' data-offset='0'>Queries"
        f"</button> <a class='btn small' href='{evaluate}'>Evaluate</a></td></tr>"
    )


def queries_html(info: "QuerySetInfo", found: Sequence[QueryOrigin], offset: int) -> str:
    """A page of queries, each with where it came from."""
    rows = "".join(
        f"<tr><td class='mono'>{escape(clip(each.query_id, 40))}</td><td class='break' dir='auto'>"
        f"{escape(clip(each.text, 300)) or '<i>a picture</i>'}{before(each)}</td>"
        f"<td class='break'>{escape(clip(each.origin, 160))}</td></tr>"
        for each in found
    )
    last = offset + len(found)
    turn = "".join(
        f"<button class='btn small' data-do='queries-of' data-name='{escape(info.name)}' data-offset='{at}'>{word}"
        "</button>"
        for word, at, able in (("‹", max(0, offset - PAGE), offset > 0), ("›", last, last < info.queries))
        if able
    )
    return (
        f"<section class='ts-queries' data-key='queries'><div class='row'><h3>Queries of “{escape(info.name)}”</h3>"
        f"<span class='dim'>{offset + 1:,}–{last:,} of {info.queries:,}</span>{turn}</div><table class='grid'><thead>"
        f"<tr><th>id</th><th>query</th><th>where it comes from</th></tr></thead><tbody>{rows}</tbody></table></section>"
    )


def before(each: QueryOrigin) -> str:
    return f"<div class='dim'>was: {escape(clip(each.before, 300))}</div>" if each.before else ""


def further(kind: str, result: Mapping[str, Any], place: Place, name: str) -> str:
    """Where to go on; a corpus that is new must be encoded before it can be searched."""
    fresh = kind == "import-test-set" or place.corpus != str(result.get("made_from", place.corpus)).partition("@")[0]
    opened = f"<a href='{escape(place.link('/corpus'))}'>Open the corpus</a>"
    evaluate = f"<a href='{escape(place.link('/evaluate', set=name))}'>Evaluate</a>"
    if kind == "vary-queries" or not fresh:
        return evaluate
    encode = f"<a href='{escape(place.link('/encode'))}'>Encode it</a>"
    return f"Its corpus is “{escape(place.corpus)}”, which is new. {opened} · {encode}, then {evaluate}"


def made_html(kind: str, result: Mapping[str, Any], project: str) -> str:
    """What a job of test sets did, with what to know of it and where to go on."""
    name, corpus = str(result.get("query_set", "")), str(result.get("corpus", ""))
    place = Place(project, corpus)
    counts = [several(result.get("queries", 0), "query/queries"), several(result.get("judgments", 0), "judgment")]
    if kind == "import-test-set":
        split = f", split {result.get('split')}" if len(result.get("splits", [])) > 1 else ""
        title = f"Loaded “{corpus}” ({result.get('shape', '')}{split}) with the query set “{name}”"
        counts.insert(0, several(result.get("documents", 0), "document"))
    elif kind == "vary-queries":
        title = f"Made “{name}” of “{result.get('variant_of', '')}”"
        counts.append(f"{result.get('changed', 0):,} changed")
    else:
        title = f"Made the test set “{name}” of “{result.get('made_from', '')}”"
    dropped = {**result.get("dropped", {}), **result.get("kept", {})}
    told = [f"{count:,} {why}" for why, count in dropped.items()]
    notes = [*result.get("warnings", []), *([f"Left out or as they were: {', '.join(told)}."] if told else [])]
    lines = "".join(f"<li>{escape(each)}</li>" for each in notes[:LISTED])
    examples = "".join(
        f"<li>{escape(clip(old, 160))} → <b>{escape(clip(new, 160))}</b></li>"
        for old, new in result.get("examples", [])[:EXAMPLES]
    )
    return (
        f"<div class='note good ts-made'><b>{escape(title)}</b>: {escape(', '.join(counts))}. "
        f"{further(kind, result, place, name)}"
        f"{f'<ul>{examples}</ul>' if examples else ''}</div>"
        + (f"<div class='note warn'><ul>{lines}</ul></div>" if lines else "")
    )
