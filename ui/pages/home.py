"""Home: the projects of the workspace, the next step of the one in hand, and what to try in the demo."""

from typing import Any

import gradio as gr

from ui.components.cards import card, first_project, fresh, intro, steps, tasks, try_out
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import go, live, show
from ui.components.navigation import navigation
from ui.handlers import escape, fields, on, on_load, problem, said
from ui.session import Context, Place
from workbench.errors import BadInput, WorkbenchError
from workbench.workflows import corpus as corpora
from workbench.workflows import home
from workbench.workflows.demo import DEMO_PROJECT, start_demo

TITLE, PATH = "Home", "/"
EXAMPLES = 6
SAMPLE = 200


def build(context: Context) -> None:
    navigation(context, PATH)
    top = live("home-top")
    panel = job_panel(context)
    projects = live("home")

    def draw(request: gr.Request) -> list[dict[str, Any]]:
        place = context.place(request)
        return [show(intro() + hand(context, place)), show(project_cards(context, place.project))]

    def act(event: gr.EventData, request: gr.Request) -> list[dict[str, Any]]:
        opened = ACTIONS[known(said(event, "do"))](context, said(event, "id"), fields(event))
        if opened is not None:
            return [gr.skip(), go(Place(project=opened).link(PATH) if opened else "/?project="), gr.skip()]
        return [*draw(request), draw_jobs(context, context.place(request).project)]

    on_load(draw, [top, projects])
    on(panel.done, draw, None, [top, projects])
    on(projects.act, act, None, [top, projects, panel])


def project_cards(context: Context, current: str) -> str:
    """All projects, the one in hand first: its card is the one looked for."""
    names = context.workspace.projects()
    if not names:
        return first_project()
    ordered = sorted(names, key=lambda name: (name != current, name))
    cards = "".join(project_card(context, name, name == current) for name in ordered)
    return f"<h2 class='above'>Projects</h2><div class='cards'>{cards}{fresh(demo=DEMO_PROJECT not in names)}</div>"


def hand(context: Context, place: Place) -> str:
    """The steps of the project in hand, and queries to try where it has some."""
    if not place.project:
        return ""
    try:
        project = context.project(place.project)
        found = home.overview(project)
        examples = example_queries(context, place) if found.embeddings else []
    except WorkbenchError as error:
        return problem(error.message, error.hint)
    return steps(place, found) + try_out(place, examples, place.project == DEMO_PROJECT) + tasks(place, found)


def example_queries(context: Context, place: Place) -> list[str]:
    """A few queries of the corpus in hand, from all over its first query set that has some with a text."""
    project = context.project(place.project)
    for query_set in corpora.list_query_sets(project, place.corpus):
        first = corpora.list_queries(project, query_set.name, 0, SAMPLE)
        texts = [query.text for query in first if query.text]
        if texts:
            return texts[:: max(1, len(texts) // EXAMPLES)][:EXAMPLES]
    return []


def project_card(context: Context, name: str, here: bool) -> str:
    """A project's card; one that cannot be opened says why, and can still be deleted."""
    try:
        return card(name, here, home.overview(context.project(name)))
    except WorkbenchError as error:
        return f"<div class='card'><h3>{escape(name)}</h3>{problem(error.message, error.hint)}</div>"


def known(action: str) -> str:
    if action not in ACTIONS:
        raise BadInput(f"There is no action “{action[:40]}” on this page.")
    return action


def create(context: Context, id: str, entered: dict[str, str]) -> str:
    return context.workspace.create(entered.get("name", "")).name


def copy(context: Context, id: str, entered: dict[str, str]) -> None:
    context.workspace.copy(id, entered.get("name", "")).close()


def delete(context: Context, id: str, entered: dict[str, str]) -> str:
    """Delete the project whose name was typed; returns the one to show next. Raises `BadInput` on another name."""
    if entered.get("typed", "").strip() != id:
        raise BadInput(f"“{id}” was not deleted.", "To delete a project, type its name exactly as it is written.")
    busy = [job.title for job in context.jobs.list(id) if job.state == "running"]
    if busy:
        raise BadInput(f"“{id}” was not deleted: “{busy[0]}” is running.", "Cancel the job first, on the Jobs page.")
    context.forget(id)
    context.workspace.delete(id)
    return next(iter(context.workspace.projects()), "")


def make_demo(context: Context, id: str, entered: dict[str, str]) -> str:
    """Create the demo project and queue the jobs that fill it."""
    return start_demo(context.workspace, context.jobs.enqueue)


ACTIONS = {"create": create, "copy": copy, "delete": delete, "demo": make_demo}
"""What the page's buttons do. Each returns the project to open next, or None to stay."""
