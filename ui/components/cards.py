"""Parts of the Home page: steps, project cards, things to try."""

from collections.abc import Sequence

from ui.components.figures import ago, several, size
from ui.handlers import escape
from ui.session import Place
from workbench.workflows.home import Overview


def intro() -> str:
    return (
        "<p class='intro'>Load a corpus of texts or pictures, encode it with several encoders, search it by meaning or "
        "by words, and see what each one finds. Judge, mine negatives, and measure what changed. Long work runs in "
        "the background; everything stays in a folder per project on this machine.</p>"
    )


def steps(place: Place, found: Overview) -> str:
    """The row of four steps, done ones ticked, the next one marked."""
    loaded, encoded, indexed = bool(found.corpora), bool(found.embeddings), bool(found.indices)
    rows = (
        ("/corpus", "Load a corpus", loaded, loaded_text(found)),
        ("/encode", "Encode it", encoded, several(found.embeddings, "embedding")),
        ("/index", "Index it", indexed, several(found.indices, "index/indices")),
        ("/search", "Search", False, "by meaning or by words"),
    )
    waiting = ("from a file or a folder", "with BM25 or a model", "optional: exact search works without", rows[3][3])
    # The index is no precondition: with an embedding the next step is to search.
    upcoming = 0 if not loaded else 1 if not encoded else 3
    parts = []
    for number, (path, title, done, detail) in enumerate(rows):
        state = "done" if done else "next" if number == upcoming else "later"
        parts.append(
            f"<a class='{state}' href='{escape(place.link(path))}'><span class='mark'>{'✓' if done else number + 1}"
            f"</span><b>{title}</b><small>{escape(detail if done else waiting[number])}</small></a>"
        )
    return f"<h2 class='above'>{escape(place.project)}</h2><div class='steps'>{''.join(parts)}</div>"


def tasks(place: Place, found: Overview) -> str:
    """What can be done with vectors: one link a page, with what there is of it already."""
    if not found.embeddings:
        return ""
    rows = (
        ("/map", "See the space", "clusters, true neighbours, two encoders side by side", several(found.maps, "map")),
        ("/blind", "Compare blind", "two unnamed lists, a vote, who won", ""),
        ("/label", "Judge", "candidates of several systems, by keys", several(found.judged, "judgment")),
        ("/mine", "Mine hard negatives", "rules with counts, margins to drag", ""),
        ("/review", "Review", "likely false negatives, proposals, disagreements", ""),
        ("/evaluate", "Evaluate", "measures, intervals, failing queries, a report", several(found.runs, "run")),
        ("/laboratory", "Measure", "indices: recall, latency, memory; encoders: curves", ""),
    )
    links = "".join(
        f"<a href='{escape(place.link(path))}'><b>{title}</b><small>{what}</small>"
        f"<span class='dim'>{has if not has.startswith('0 ') else ''}</span></a>"
        for path, title, what, has in rows
    )
    return f"<div class='tasks'>{links}</div>"


def loaded_text(found: Overview) -> str:
    return f"{several(found.documents, 'document')} in {several(len(found.corpora), 'corpus/corpora')}"


def try_out(place: Place, queries: Sequence[str], demo: bool) -> str:
    """Links that search the corpus in hand for its own example queries."""
    if not queries:
        return ""
    links = "".join(
        f"<a class='btn small' href='{escape(place.link('/search', q=text))}'>{escape(text[:90])}</a>"
        for text in queries
    )
    what = "Try the demo" if demo else "Try"
    return f"<div class='try'><b>{what}</b><span class='dim'>in {escape(place.corpus)}:</span>{links}</div>"


def card(name: str, here: bool, found: Overview) -> str:
    """One project: figures, open, copy, delete."""
    corpora = ", ".join(found.corpora[:4]) + (f" and {len(found.corpora) - 4} more" if len(found.corpora) > 4 else "")
    link = escape(Place(project=name).link("/corpus" if found.corpora else "/"))
    tag = "<span class='tag good'>open</span>" if here else ""
    opens = f"<a class='btn primary' href='{escape(Place(project=name).link('/'))}'>Open</a>" if not here else ""
    return (
        f"<div class='card{' here' if here else ''}' data-key='project {escape(name)}'>"
        f"<div class='row'><h3 class='break'><a href='{link}'>{escape(name)}</a></h3>{tag}<span class='spring'></span>"
        f"<span class='dim'>{ago(found.changed_at)}</span></div>"
        f"<div class='dim break'>{escape(corpora) or 'no corpus yet'}</div>{figures(found)}"
        f"<div class='foot'>{opens}<span class='spring'></span>{copy_menu(name)}{delete_menu(name)}</div></div>"
    )


def figures(found: Overview) -> str:
    pairs = (
        (f"{found.documents:,}", "documents"),
        (f"{found.embeddings}", "embeddings"),
        (f"{found.indices}", "indices"),
        (size(found.bytes), ""),
    )
    return f"<div class='facts'>{''.join(f'<span><b>{value}</b> {noun}</span>' for value, noun in pairs)}</div>"


def copy_menu(name: str) -> str:
    quoted = escape(name)
    return (
        "<details class='menu'><summary class='btn small'>Copy</summary><div class='pop' data-form>"
        f"<b>Copy “{quoted}” with all it holds</b><div class='row'>"
        f"<input name='name' aria-label='Name of the copy' value='{quoted} copy'>"
        f"<button class='btn primary' data-do='copy' data-id='{quoted}' data-default>Copy</button>"
        "</div></div></details>"
    )


def delete_menu(name: str) -> str:
    quoted = escape(name)
    return (
        "<details class='menu'><summary class='btn small danger'>Delete</summary><div class='pop' data-form>"
        f"<b>Delete “{quoted}” for good?</b><span class='dim'>Its corpora, embeddings, indices and judgments go with "
        f"it. Type the name to confirm.</span><div class='row'><input name='typed' aria-label='Name of the project to "
        f"delete' placeholder='{quoted}' autocomplete='off'>"
        f"<button class='btn danger' data-do='delete' data-id='{quoted}' data-default>Delete</button>"
        "</div></div></details>"
    )


NAME_FORM = (
    "<input name='name' id='new-project' aria-label='Name of the new project' placeholder='Name' maxlength='64' "
    "autocomplete='off'><button class='btn primary' data-do='create' data-default>Create</button>"
)
DEMO_BUTTON = "<button class='btn' data-do='demo'>Create the demo project</button>"


def fresh(demo: bool) -> str:
    """The card that makes a project; `demo`: offer the demo too."""
    offer = f"<div class='foot'><span class='dim'>Just looking?</span>{DEMO_BUTTON}</div>" if demo else ""
    return (
        "<div class='card' data-key='new project' data-form><h3>New project</h3><div class='dim'>A folder of its own: "
        f"corpora, embeddings, indices and judgments.</div><div class='row'>{NAME_FORM}</div>{offer}</div>"
    )


def first_project() -> str:
    """The empty state of a workspace: make a project, or the demo."""
    return (
        "<div class='empty' data-key='first project' data-form><h2>No project yet</h2><p>A project is a folder that "
        "holds corpora, their embeddings, indices and judgments. Name one to begin, or look around in the demo: three "
        f"small corpora, searchable within seconds.</p><div class='row'>{NAME_FORM}<span class='dim'>or</span>"
        f"{DEMO_BUTTON}</div></div>"
    )
