"""The index tab of the Laboratory: a form of trials, the job at work, and what was measured."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ui.components.address import number_in, parse_link, whole_in
from ui.components.empty import empty
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.lab_index_detail import detail_html, hint_html
from ui.components.lab_index_form import MEMORY, Offer, checked_html, form_html, lab_spec
from ui.components.lab_index_table import Shown, result_html
from ui.components.lab_index_view import SHOWN, LabView, read_lab_view, retriever_of
from ui.components.lab_tabs import is_open
from ui.components.live import SCRIPT, live, show
from ui.handlers import explain, fields, on, on_load, problem, said, tell
from ui.session import Context, Place
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.workflows import adopting, encode, index, index_lab, lab_changes
from workbench.workflows import corpus as corpora
from workbench.workflows.artifacts import delete_artifact

NAME, TITLE = "index", "Indices"
KINDS = ("index-lab",)
# The address follows what is shown, so that a reload and a colleague see the same; a trial that was clicked comes into
# view where it would be drawn below the window.
FOLLOW = """
element.addEventListener('click', event => {
  const at = event.target.closest('[data-do], a');
  if (at?.matches('tr, .lab-dot, .lab-more button')) element.dataset.seek = '1'; });
watch('markup', () => { const told = element.querySelector('[data-address]');
  if (!told) return;
  const theme = new URLSearchParams(location.search).get('__theme');
  const kept = theme ? `&__theme=${encodeURIComponent(theme)}` : '';
  history.replaceState(history.state, '', told.dataset.address + kept);
  const detail = element.querySelector('.lab-detail'), top = detail?.getBoundingClientRect().top;
  if (element.dataset.seek && (top < 0 || top > innerHeight - 160)) detail.scrollIntoView({behavior: 'smooth'});
  delete element.dataset.seek; });
"""


def draw(context: Context) -> None:
    """Draw the tab where it is called."""
    IndexTab(context).draw()


class IndexTab:
    """The components of the tab, and what they do."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def draw(self) -> None:
        self.form = live("lab-form")
        self.check = live("lab-check")
        self.panel = job_panel(self.context, KINDS, elem_id="lab-jobs")
        self.result = live("lab-result")
        self.result.js_on_load = SCRIPT + FOLLOW
        on_load(self.load, [self.form, self.result])
        # Typing and then pressing the button is two events: the second must not be dropped while the first is at work.
        on(self.form.act, self.edit, None, [self.form, self.check, self.panel], trigger_mode="multiple")
        on(self.result.act, self.act, None, self.result)
        on(self.panel.done, self.finished, None, self.result)

    def load(self, request: gr.Request) -> dict[Any, Any]:
        """Fill the tab from its address; nothing where another tab is open."""
        place = self.context.place(request)
        if not place.corpus or not is_open(place, NAME):
            return {self.form: show("")}
        try:
            project = self.context.project(place.project)
            encoders = dense_encoders(project, place.corpus)
            if not encoders:
                return {self.form: show(no_embedding(place))}
            wanted = place.query.get("encoder", "")
            offered = offer(project, place.corpus, wanted if wanted in encoders else encoders[0], {})
            return {self.form: show(form_html(offered)), self.result: show(self.drawn(project, place))}
        except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
            return {self.form: show(problem(*explain(error)))}

    def edit(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """The form: another embedding or budget, a look at what was written, or the start."""
        project, place = self.context.here(request)
        action, entered = said(event, "do"), fields(event)
        encoder = entered.get("encoder", "")
        if action in ("encoder", "redraw"):
            return [show(form_html(offer(project, place.corpus, encoder, entered))), show(""), gr.skip()]
        spec = lab_spec(entered)
        planned = index_lab.plan(project, place.corpus, encoder, spec)
        checked = show(checked_html(planned))
        if action == "check":
            return [gr.skip(), checked, gr.skip()]
        if action != "start":
            raise BadInput(f"There is no action “{action[:40]}” on this page.")
        if len(planned.trials) < 2:
            return [gr.skip(), checked, gr.skip()]
        arguments = {"corpus": place.corpus, "encoder": encoder, "spec": spec.to_dict()}
        title = f"Measure {len(planned.trials) - 1} trials over {place.corpus} · {encoder}"
        self.context.jobs.enqueue("index-lab", place.project, arguments, title=title)
        return [gr.skip(), checked, draw_jobs(self.context, place.project, KINDS)]

    def act(self, event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        """The result: another laboratory, trial or order; adopt; delete."""
        project, place = self.context.here(request)
        action = said(event, "do")
        if action == "lab":
            return show(self.drawn(project, place, LabView(said(event, "value"))))
        if action == "show":
            return show(self.drawn(project, place, read_lab_view(parse_link(said(event, "view")))))
        if action == "delete":
            delete_artifact(project, index_lab.lab_artifact(project, said(event, "lab")).id)
            tell("The measurements are deleted.")
            return show(self.drawn(project, place, LabView()))
        if action != "adopt":
            raise BadInput(f"There is no action “{action[:40]}” on this page.")
        report, n = index_lab.get_lab(project, said(event, "lab")), whole_in(said(event, "trial"), -1)
        if not 0 <= n < len(report.rows):
            raise NotFound(f"There is no trial number {n}.", "Reload the page.")
        adopting.adopt(project, place.corpus, retriever_of(report.encoder, report.rows[n]))
        tell(f"Search begins with {report.rows[n].trial} for {report.encoder}.")
        return show(self.drawn(project, place, LabView(report.lab, n)))

    def finished(self, event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        """A job ended: what it measured is shown."""
        project, place = self.context.here(request)
        job = self.context.jobs.get(said(event, "id"))
        return show(self.drawn(project, place, LabView(str((job.result or {}).get("lab", "")))))

    def drawn(self, project: Project, place: Place, view: LabView | None = None) -> str:
        """The laboratory that is asked for, else the newest; what is missing where there is none."""
        labs = index_lab.list_labs(project, place.corpus)
        view = read_lab_view(place.query) if view is None else view
        if not labs:
            return nothing_measured()
        report = next((each for each in labs if each.lab == view.lab), labs[0])
        trial = view.trial if view.lab in ("", report.lab) and view.trial < len(report.rows) else -1
        view = LabView(report.lab, trial, view.sort, view.down, view.start if trial >= 0 else 0)
        shown = Shown(place, view, report, adopting.adopted(project, place.corpus))
        if trial < 0:
            return result_html(shown, labs, hint_html())
        found = lab_changes.changes(project, report.lab, trial, view.start, SHOWN)
        ranges = lab_changes.calibration_of(project, report.lab, trial)
        return result_html(shown, labs, detail_html(shown, found, ranges))


def offer(project: Project, corpus: str, encoder: str, entered: Mapping[str, str]) -> Offer:
    """What the form offers for an embedding, within the memory that was entered."""
    memory = number_in(entered.get("memory", "")) or MEMORY
    if memory < 1:
        raise BadInput("The memory must be at least 1 MB.")
    found = index.suggest(project, corpus, encoder, memory)
    known = encode.list_embeddings(project, corpus)
    askable = any(each.encoder == encoder and "encoder_spec" in each.manifest for each in known)
    sets = {each.name: each.queries for each in corpora.list_query_sets(project, corpus) if each.queries and askable}
    chosen = entered.get("query_set", max(sets, key=lambda name: sets[name], default=""))
    return Offer(
        dense_encoders(project, corpus),
        encoder,
        sets,
        chosen,
        [(each, index_lab.curve_text(each.factory)) for each in found],
        memory,
        any(each.encoder == index.TERMS for each in known),
    )


def dense_encoders(project: Project, corpus: str) -> list[str]:
    """Encoders with an embedding that can be indexed, the newest first."""
    kinds = [each.encoder for each in encode.list_embeddings(project, corpus) if each.kind == "dense"]
    return list(dict.fromkeys(kinds))


def no_embedding(place: Place) -> str:
    text = (
        "An index is built over the vectors of a dense encoder. Encode the corpus with one, and measure here what each "
        "index would find and cost."
    )
    return empty(f"“{place.corpus}” has no dense embedding yet", text, place.link("/encode"), "Encode the corpus")


def nothing_measured() -> str:
    return (
        "<h3 class='above'>Measured</h3><div class='note'>Nothing measured yet. Build and measure the ticked indices: "
        "the result shows recall against the exact search, latency, memory, and every neighbour that changed.</div>"
    )
