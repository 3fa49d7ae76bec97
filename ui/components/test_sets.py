"""Test sets on the Corpus page: made of the corpus, varied from another, or loaded from a folder; each as a job."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from ui.components.import_view import suggest_name
from ui.components.live import live, show
from ui.components.test_set_view import PAGE, panel_html, queries_html
from ui.components.text import whole
from ui.handlers import fields, said
from ui.session import Context, Place
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.specs import RecipeSpec, VarySpec
from workbench.specs.test_sets import VARIATIONS, WriterSpec
from workbench.workflows import corpus as corpora
from workbench.workflows.query_origins import query_origins

JOBS = ("make-test-set", "vary-queries", "import-test-set")
ACTIONS = ("make", "vary", "folder", "queries-of")


class SetForms:
    """The panel and its actions; the caller draws the jobs."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        with gr.Column(visible=False, elem_classes="wb-loader") as self.column:
            self.region = live("test-sets")

    def draw(self, project: Project, place: Place, queries: str = "") -> Any:
        if not place.corpus:
            return show(panel_html(place, None, []))
        sets = corpora.list_query_sets(project, place.corpus)
        return show(panel_html(place, corpora.get_corpus(project, place.corpus), sets, queries))

    def act(self, project: Project, place: Place, event: gr.EventData) -> Any:
        """Queue a job (None), or open a page of queries (the redrawn panel). Raises `BadInput` on what is missing."""
        action, entered = said(event, "do"), fields(event)
        if action == "queries-of":
            return self.draw(project, place, self.queries(project, said(event, "name"), whole(event, "offset")))
        started = {"make": self.make, "vary": self.vary, "folder": self.folder}[action]
        kind, arguments, title = started(project, place, entered)
        self.context.jobs.enqueue(kind, project.name, arguments, title=title, priority=1)
        return None

    def queries(self, project: Project, name: str, offset: int) -> str:
        info = next((each for each in corpora.list_query_sets(project) if each.name == name), None)
        if info is None:
            raise NotFound(f"There is no query set “{name[:60]}” any more.")
        offset = max(0, min(offset, info.queries - 1))
        return queries_html(info, query_origins(project, name, offset, PAGE), offset)

    def make(self, project: Project, place: Place, entered: Mapping[str, str]) -> tuple[str, dict[str, Any], str]:
        recipe = entered.get("recipe", "")
        spec = RecipeSpec.from_dict(
            {
                "recipe": recipe,
                "column": entered.get("column", "") if recipe == "column" else "",
                "leave_out": recipe in ("title", "caption") and entered.get("leave_out") == "true",
                "writer": writer(entered) if recipe == "written" else None,
            }
        )
        base = place.corpus.partition("@")[0]
        name = entered.get("name", "").strip() or self.free_name(project, f"{base}-{spec.column or recipe}")
        arguments = {
            "corpus": place.corpus,
            "name": name,
            "recipe": spec.to_dict(),
            "limit": number(entered, "limit", "queries"),
            "seed": number(entered, "seed", "the seed"),
        }
        return "make-test-set", arguments, f"Make the test set {name}"

    def vary(self, project: Project, place: Place, entered: Mapping[str, str]) -> tuple[str, dict[str, Any], str]:
        kinds = [name for name in VARIATIONS if entered.get(f"kind {name}") == "true"]
        spec = VarySpec.from_dict(
            {
                "kinds": kinds,
                "rate": number(entered, "rate", "words with a typo") / 100,
                "seed": number(entered, "seed", "the seed"),
                "writer": writer(entered) if "paraphrase" in kinds else None,
            }
        )
        query_set = entered.get("set", "")
        name = entered.get("name", "").strip() or self.free_name(project, f"{query_set}-{'-'.join(kinds)}")
        arguments = {"query_set": query_set, "name": name, "spec": spec.to_dict()}
        return "vary-queries", arguments, f"Vary {query_set} into {name}"

    def folder(self, project: Project, place: Place, entered: Mapping[str, str]) -> tuple[str, dict[str, Any], str]:
        path = entered.get("folder", "").strip()
        if not path:
            raise BadInput("No folder was named.", "Write the path of a folder as BEIR, MTEB or AIR-Bench lay it out.")
        whole_path = str(Path(path).expanduser().absolute())
        name = entered.get("name", "").strip() or suggest_name(whole_path)
        arguments = {"name": name, "path": whole_path, "split": entered.get("split", "").strip() or None}
        return "import-test-set", arguments, f"Load the test set {name}"

    def free_name(self, project: Project, wanted: str) -> str:
        """`wanted`, shortened, with a number behind it where a query set has that name."""
        taken = {each.name for each in corpora.list_query_sets(project)}
        base = suggest_name(wanted)[:56]
        return next(name for n in range(1, len(taken) + 2) if (name := base if n == 1 else f"{base}-{n}") not in taken)


def writer(entered: Mapping[str, str]) -> dict[str, Any]:
    """The model that writes. Raises `BadInput` where none was named."""
    model, endpoint = entered.get("model", "").strip(), entered.get("endpoint", "").strip()
    if not model:
        raise BadInput(
            "No model was named.", "Write a local model’s folder or name, or the name it has at an endpoint."
        )
    return WriterSpec(model=model, endpoint=endpoint).to_dict()


def number(entered: Mapping[str, str], name: str, words: str) -> int:
    """A whole number that was typed. Raises `BadInput`."""
    text = entered.get(name, "").strip()
    if not text.isdecimal() or len(text) > 9:
        raise BadInput(f"“{text[:20]}” is no number for {words}.", "Give a whole number.")
    return int(text)
