"""The export of labels on a page: the form with its preview, the job it starts, and the report of the last one."""

from pathlib import PurePath
from typing import Any

import gradio as gr

from ui.components.export_labels_form import Asked, asked_before, read_asked
from ui.components.export_labels_report import contested_html, exported_html, failed_html, stopped_html
from ui.components.export_labels_view import OPEN, Setup, panel_html, preview_html, prompts_html
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import live, show
from ui.components.subset_menu import exports_at
from ui.handlers import explain, fields, on, problem, said
from ui.session import Context, Place
from workbench.errors import BadInput
from workbench.project import Project
from workbench.workflows import corpus as corpora
from workbench.workflows import export_labels as exporting
from workbench.workflows import export_preview as previewing
from workbench.workflows.encode import list_embeddings
from workbench.workflows.export_preview import Exportable
from workbench.workflows.exporting import list_exports, read_manifest

__all__ = ["OPEN", "ExportLabels"]

KIND = "export-labels"


class ExportLabels:
    """`form`, `jobs` and `report`, drawn where `build` is called; a page opens the form with `opened`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        # What came out stands above the form: there it is seen without scrolling.
        self.report = live("export-report", elem_classes="flat")
        self.jobs = job_panel(self.context, (KIND,), self.done, self.report, "export-label-jobs")
        self.form = live("export-labels", elem_classes="flat")
        outputs = [self.form, self.jobs, self.report]
        on(self.form.act, self.act, None, outputs, trigger_mode="multiple")
        on(self.report.act, self.again, None, outputs)

    def opened(self, event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        """The update of `form` that shows it, for the query set of the button."""
        project, place = self.context.here(request)
        return self.draw(project, place, Asked(said(event, "set")))

    def act(self, event: gr.EventData, request: gr.Request) -> tuple[Any, Any, Any]:
        """A change of the form, another format, the export itself, or away with it."""
        project, place = self.context.here(request)
        do = said(event, "do")
        if do == "close":
            return show(""), gr.skip(), show("")
        asked = read_asked(fields(event), said(event, "format") if do == "format" else "")
        if do in ("change", "format"):
            return self.draw(project, place, asked), gr.skip(), gr.skip()
        if do != "export":
            raise BadInput(f"There is no action “{do[:40]}” here.")
        known = previewing.exportable(project, asked.query_set)
        self.start(project, asked.arguments(known, str(project.exports)))
        return gr.skip(), draw_jobs(self.context, project.name, (KIND,)), show("")

    def again(self, event: gr.EventData, request: gr.Request) -> tuple[Any, Any, Any]:
        """An export that contradictions stopped once more, with a label set that decides them; or away with it."""
        project, place = self.context.here(request)
        if said(event, "do") == "close":
            return gr.skip(), gr.skip(), show("")
        job = self.context.jobs.get(said(event, "job"))
        if said(event, "do") != "prefer" or job.kind != KIND or job.project != project.name:
            raise BadInput("There is no such export to repeat.", "Reload the page.")
        choice = {**job.arguments["choice"], "prefer": [said(event, "name")]}
        arguments = {**job.arguments, "choice": choice}
        self.start(project, arguments)
        drawn = self.draw(project, place, asked_before(arguments))
        return drawn, draw_jobs(self.context, project.name, (KIND,)), show("")

    def start(self, project: Project, arguments: dict[str, Any]) -> None:
        title = f"Export {arguments['query_set']} as {arguments['format']}"
        self.context.jobs.enqueue(KIND, project.name, arguments, title=title, priority=1)

    def done(self, event: gr.EventData, request: gr.Request) -> Any:
        """The report of the job that has just ended."""
        job = self.context.jobs.get(said(event, "id"))
        project, place = self.context.project(job.project), self.context.place(request)
        result = job.result or {}
        if job.state == "done":
            manifest = read_manifest(project, PurePath(str(result["path"])).name)
            return show(exported_html(result, manifest, exports_at(job.project)))
        if job.state == "failed" and result.get("pairs"):
            query_set, names = job.arguments["query_set"], job.arguments["choice"]["label_sets"]
            found = previewing.contested(project, query_set, result["pairs"], names)
            listed = contested_html(found, result["contradictions"], place, query_set)
            return show(stopped_html(listed, result["contradictions"], names, job.id))
        return show(failed_html(job.title, job.error, job.hint) if job.state == "failed" else "")

    def draw(self, project: Project, place: Place, asked: Asked) -> dict[str, Any]:
        known = previewing.exportable(project, asked.query_set)
        setup = Setup(
            [each.name for each in corpora.list_query_sets(project, place.corpus)],
            known,
            list_embeddings(project, place.corpus),
            exporting.list_formats(),
            corpora.get_corpus(project, place.corpus).has_images,
            list_exports(project, 5),
            exports_at(project.name),
        )
        return show(panel_html(asked, setup, preview(project, place, asked, known)))


def preview(project: Project, place: Place, asked: Asked, known: list[Exportable]) -> str:
    """The first rows, or what would stop the export."""
    try:
        arguments = asked.arguments(known, "")
        name = PurePath(arguments["out"] or "").name
        choice = asked.choice(known)
        found = previewing.preview_labels(project, asked.query_set, asked.format, name, choice, asked.spec())
    except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
        pairs = getattr(error, "details", {}).get("pairs")
        if not pairs:
            return problem(*explain(error))
        listed = previewing.contested(project, asked.query_set, pairs, asked.chosen(known))
        told = "The export would stop: this pair is positive and negative at once, and maybe others are."
        hint = "Judge it again, or choose beside “Label sets that contradict” which one decides."
        return problem(told, hint) + contested_html(listed, len(pairs), place, asked.query_set)
    return prompts_html(found.prompts) + preview_html(found)
