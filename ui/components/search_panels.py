"""What opens beside the columns: a document in full, why a retriever found it, and the read-outs of a pipeline."""

from ui.components.address import View
from ui.components.assets import media_url
from ui.components.column_answer import MATCHED, content_of
from ui.components.column_editor import pipeline_label, retriever_label
from ui.components.depth_chart import depth_html
from ui.components.documents import document_html
from ui.components.explanation import explanation_html
from ui.components.hubs import hubness_html
from ui.components.results import Frame
from ui.components.text import clip, escape
from ui.components.windows import windows_html
from ui.session import Place
from workbench.errors import BadInput
from workbench.project import Project
from workbench.workflows import corpus as corpora
from workbench.workflows import search as searching

TITLES = "@titles"


def document_panel(project: Project, place: Place, view: View, ordinal: int, why: tuple[int, int] | None = None) -> str:
    """The document, the query's words marked in it; with `why` (column, retriever) also what made that one find it."""
    document = corpora.get_document(project, place.corpus, ordinal)
    info = corpora.get_corpus(project, place.corpus)
    text = f"{document.title} {document.text[:MATCHED]}"
    terms = searching.matched_terms(view.query, text) if view.query and view.like < 0 else []
    encoders = list(dict.fromkeys(each.encoder for each in searching.systems(project, place.corpus)))
    frame = Frame(project.name, info.id, info.has_images)
    markup = document_html(document, frame, encoders, terms)
    actions = '<section class="wb-do">'
    extra = why_html(project, place, view, ordinal, why) if view.like < 0 and view.asks else ""
    if document.image:
        use = f'<button class="btn small" data-act="use" data-ordinal="{ordinal}">Search with its picture</button>'
        markup = markup.replace(actions, actions + use, 1)
    # Before the section of actions: the first thing below the title.
    return markup.replace(actions, extra + actions, 1)


def why_html(project: Project, place: Place, view: View, ordinal: int, chosen: tuple[int, int] | None) -> str:
    """ "Why this hit": a button for each retriever of the columns, and the chosen one's explanation."""
    found: dict[object, tuple[int, int]] = {}
    for n, column in enumerate(view.columns):
        for i, retriever in enumerate(column.pipeline.retrievers):
            found.setdefault(retriever, (n, i))
    buttons = "".join(
        f'<button class="btn small" data-act="why" data-ordinal="{ordinal}" data-column="{n}" data-index="{i}" '
        f'aria-pressed="{str((n, i) == chosen).lower()}">'
        f"{escape(clip(retriever_label(view.columns[n].pipeline.retrievers[i]), 40))}</button>"
        for n, i in found.values()
    )
    body = ""
    if chosen is not None and chosen in found.values():
        from workbench.workflows.explaining import explain

        retriever = view.columns[chosen[0]].pipeline.retrievers[chosen[1]]
        content = content_of(project, place.corpus, view)
        body = explanation_html(explain(project, place.corpus, content, retriever, ordinal), view.query)
    asked = f'<div class="row"><span class="dim">Why this hit</span>{buttons}</div>'
    return f'<section class="wb-whybar">{asked}{body}</section>'


def panel_html(project: Project, place: Place, view: View, number: int, what: str) -> str:
    """A read-out of column `number`: “depths”, “prompts” or “hubs”. Raises `BadInput` where there is none."""
    makers = {"depths": depths, "prompts": prompts, "hubs": hubs}
    if what not in makers:
        raise BadInput(f"There is no panel “{what[:40]}”.")
    if not view.asks and what != "hubs":
        raise BadInput("There is no query yet.", "Write one first.")
    title, body = makers[what](project, place, view, number)
    label = escape(pipeline_label(view.columns[number].pipeline))
    return framed(title, f'<p class="dim">{label}</p>{body}')


def framed(title: str, body: str) -> str:
    """A panel with its title and ×; `body` is markup."""
    return (
        f'<div class="wb-document"><div class="wb-bar"><h2>{escape(title)}</h2>'
        '<button class="wb-x" data-act="shut" title="Close (Esc)" aria-label="Close">×</button></div>'
        f"<section>{body}</section></div>"
    )


WAITING = framed("Measuring…", '<p class="wb-note">The first time this may load a model and take a while.</p>')


def depths(project: Project, place: Place, view: View, number: int) -> tuple[str, str]:
    from workbench.workflows.depths import depth_effects

    content, pipeline = content_of(project, place.corpus, view), view.columns[number].pipeline
    return "What each reranking depth changes", depth_html(
        depth_effects(project, place.corpus, content, pipeline, view.k), view.k
    )


def prompts(project: Project, place: Place, view: View, number: int) -> tuple[str, str]:
    content, pipeline = content_of(project, place.corpus, view), view.columns[number].pipeline
    found = searching.search(project, place.corpus, content, pipeline, view.k, view.filters)
    windows = [window for stage in found.stages for window in stage.windows]
    empty = '<p class="wb-note">This reranker asks for no lists: only listwise ones have prompts to show.</p>'
    return "Prompts and answers", windows_html(windows) or empty


def hubs(project: Project, place: Place, view: View, number: int) -> tuple[str, str]:
    from workbench.workflows.hubness import hubness

    dense = {each.encoder for each in searching.systems(project, place.corpus) if each.output == "dense"}
    first = next((each for each in view.columns[number].pipeline.retrievers if each.encoder in dense), None)
    if first is None:
        raise BadInput("No retriever of this column has dense vectors.", "Hubs are a matter of dense vectors.")
    sets = [each.name for each in corpora.list_query_sets(project, place.corpus)]
    bank = first.query_bank or next(iter(sets), TITLES)
    report = hubness(project, place.corpus, first.encoder, bank, view.k, first.bank_beta)
    return f"Hubs of {clip(first.encoder, 60)}, measured with {bank}", hubness_html(report)


def picture_source(project: str, corpus_id: int, image: str) -> str:
    """What the query's picture button shows: the id of a stored picture, or the address of a document's."""
    if image.startswith("doc:"):
        number = image.removeprefix("doc:")
        return media_url(project, corpus_id, int(number)) if number.isdecimal() else ""
    return image


def share(text: str) -> float:
    """A share from 0 to 1 that the browser sent. Raises `BadInput`."""
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError as error:
        raise BadInput(f"“{text[:40]}” is no share.") from error
