"""The import forms of the Corpus page: a file or path → preview with a changeable mapping → job → report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from ui.components.import_labels_view import Goal, labels_preview_markup, labels_report_markup
from ui.components.import_view import LABELS, preview_markup, read_spec, report_markup, suggest_name
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import live, show
from ui.components.test_set_view import made_html
from ui.components.test_sets import JOBS as TEST_SETS
from ui.handlers import escape, explain, fields, on, problem, said
from ui.session import Context, Place
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import ImportSpec
from workbench.workflows import corpus as corpora
from workbench.workflows.label_files import preview_label_file, recognised

IMPORT_LABELS = "import-labels"
KINDS = ("import", "queries", IMPORT_LABELS, *TEST_SETS)
FORMATS = (
    "JSONL, CSV, TSV, Parquet, BEIR, a folder of texts or images, ready-made vectors; or a training file with its "
    "labels."
)
QUERY_FORMATS = (
    "Queries as JSONL, TSV, CSV or BEIR; judgments (qrels) in TREC's form, as BEIR's TSV or JSONL. A training file "
    "with its labels is read by “Load a corpus”."
)


class Loader:
    """The two forms, for documents and for queries, the jobs they start and the report of the last one."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        with gr.Column(visible=False, elem_classes="wb-loader") as self.documents:
            head = live("import-head", heading("Load a corpus", FORMATS))
            with gr.Row(elem_classes="wb-source"):
                self.file = gr.File(
                    label="Drop a file here", type="filepath", height=96, scale=2, elem_id="import-file"
                )
                self.path = path_box("import-path", "or a path on the server's machine, a file or a folder")
                self.look = gr.Button("Preview", elem_id="import-look", variant="primary", scale=0, min_width=90)
            self.preview = live("import-preview")
        with gr.Column(visible=False, elem_classes="wb-loader") as self.queries:
            query_head = live("queries-head", heading("Load queries and judgments", QUERY_FORMATS))
            with gr.Row(elem_classes="wb-source"):
                self.query_path = path_box("queries-path", "Queries: path on the server's machine")
                self.query_file = gr.UploadButton("Upload…", size="sm", scale=0, min_width=80)
                self.qrels_path = path_box("qrels-path", "Judgments (optional): path on the server's machine")
                self.qrels_file = gr.UploadButton("Upload…", size="sm", scale=0, min_width=80)
                self.query_name = gr.Textbox(label="Name of the query set", elem_id="queries-name", interactive=True)
                self.query_go = gr.Button("Import", elem_id="queries-go", variant="primary", scale=0, min_width=90)
        self.heads = (head, query_head)
        # What the preview shows: the source and its reader, so that a change of the form refers to it.
        self.source = gr.Textbox("", visible="hidden", elem_id="import-source")
        self.reader = gr.Textbox("", visible="hidden", elem_id="import-reader")
        self.report = live("import-report")
        self.panel = job_panel(self.context, KINDS, self.done, self.report)
        self.wire()

    def wire(self) -> None:
        seen = [self.preview, self.source, self.reader]
        for event in (self.path.submit, self.look.click):
            on(event, self.show_path, self.path, seen)
        on(self.file.upload, self.show_path, self.file, seen)
        outputs = [*seen, self.panel, self.report]
        on(self.preview.act, self.act, [self.source, self.reader], outputs, trigger_mode="multiple")
        on(self.query_file.upload, lambda path: path, self.query_file, self.query_path)
        on(self.qrels_file.upload, lambda path: path, self.qrels_file, self.qrels_path)
        inputs = [self.query_path, self.qrels_path, self.query_name]
        on(self.query_go.click, self.import_queries, inputs, [self.panel, self.report])

    def show_path(self, path: str | None, request: gr.Request) -> tuple[Any, str, str]:
        """The preview of a source, with everything guessed."""
        project, place = self.context.here(request)
        if not (path or "").strip():
            raise BadInput("There is nothing to preview.", "Drop a file, or write the path of a file or folder.")
        if recognised(Path(path.strip())):
            return self.draw_labels(project, place, path.strip(), {})
        return self.draw(project, path.strip(), ImportSpec(), suggest_name(path))

    def draw(self, project: Project, path: str, spec: ImportSpec, name: str) -> tuple[Any, str, str]:
        try:
            preview = corpora.preview_corpus(path, spec)
        except Exception as error:  # noqa: BLE001 — explain() logs it
            return show(problem(*explain(error))), path, spec.reader
        known = [each.name for each in corpora.list_corpora(project)]
        return show(preview_markup(preview, name, known, path)), path, preview.mapping.reader

    def act(self, path: str, reader: str, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Another mapping, or the import itself."""
        project, place = self.context.here(request)
        entered = fields(event)
        if said(event, "do") == IMPORT_LABELS:
            return self.import_labels(project, path, entered)
        if entered.get("reader") == LABELS:
            known = entered if reader == LABELS else {}
            return *self.draw_labels(project, place, path, known), gr.skip(), gr.skip()
        spec, name = read_spec(entered, reader), entered.get("name", "").strip()
        if said(event, "do") != "import":
            return *self.draw(project, path, spec, name), gr.skip(), gr.skip()
        if not name:
            raise BadInput("The corpus has no name.", "Write one beside the Import button.")
        arguments = {"name": name, "path": path, "spec": spec.to_dict()}
        self.context.jobs.enqueue("import", project.name, arguments, title=f"Import {name}", priority=1)
        return show(""), "", "", draw_jobs(self.context, project.name, KINDS), show("")

    def draw_labels(
        self, project: Project, place: Place, path: str, entered: Mapping[str, str]
    ) -> tuple[Any, str, str]:
        """The preview of a training file; `entered`: what its form said before, if there was one."""
        try:
            found = preview_label_file(project, Path(path), entered.get("format", ""), place.corpus)
        except Exception as error:  # noqa: BLE001 — explain() logs it
            return show(problem(*explain(error))), path, LABELS
        guess = place.corpus if found.fits else ""
        goal = Goal(
            entered.get("name", suggest_name(path)),
            entered.get("documents", guess),
            entered.get("label_set", Goal.label_set),
        )
        names = [each.name for each in corpora.list_corpora(project)]
        sets = {each.name: each.corpus for each in corpora.list_query_sets(project)}
        return show(labels_preview_markup(found, path, goal, names, sets)), path, LABELS

    def import_labels(self, project: Project, path: str, entered: Mapping[str, str]) -> tuple[Any, ...]:
        name = entered.get("name", "").strip()
        if not name:
            raise BadInput("The query set has no name.", "Write one beside the Import button.")
        source = {"path": path, "format": entered.get("format", ""), "label_set": entered.get("label_set", "").strip()}
        arguments = {"name": name, "source": source, "corpus": entered.get("documents") or None}
        title = f"Import labels into {name}"
        self.context.jobs.enqueue(IMPORT_LABELS, project.name, arguments, title=title, priority=1)
        return show(""), "", "", draw_jobs(self.context, project.name, KINDS), show("")

    def import_queries(self, path: str, qrels: str, name: str, request: gr.Request) -> tuple[Any, Any]:
        project, place = self.context.here(request)
        if not place.corpus or not path.strip():
            raise BadInput("There are no queries to import.", "Choose a corpus, and give the file with its queries.")
        name = name.strip() or suggest_name(path)
        arguments = {"name": name, "path": path.strip(), "corpus": place.corpus, "qrels": qrels.strip() or None}
        self.context.jobs.enqueue("queries", project.name, arguments, title=f"Import queries {name}", priority=1)
        return draw_jobs(self.context, project.name, KINDS), show("")

    def done(self, event: gr.EventData) -> Any:
        """The report of the job that has just ended; a failed one says why in the panel."""
        job = self.context.jobs.get(said(event, "id"))
        if job.state != "done":
            return show("")
        if job.kind == IMPORT_LABELS:
            result = job.result or {}
            return show(labels_report_markup(result, Place(job.project, str(result.get("corpus", "")))))
        if job.kind in TEST_SETS:
            return show(made_html(job.kind, job.result or {}, job.project))
        corpus = str(job.arguments.get("corpus" if job.kind == "queries" else "name", ""))
        link = Place(job.project, corpus).link("/search" if job.kind == "queries" else "/corpus")
        return show(report_markup(job.kind, job.result or {}, link))


def path_box(elem_id: str, label: str) -> gr.Textbox:
    return gr.Textbox(label=label, elem_id=elem_id, max_lines=1, scale=4, interactive=True)


def heading(title: str, text: str) -> str:
    return (
        f'<div class="row"><h2>{escape(title)}</h2><span class="dim">{escape(text)}</span>'
        '<span class="spring"></span>'
        '<button class="icon" data-do="browser" title="Close" aria-label="Close">×</button></div>'
    )
