"""What a view begins with: the map of a corpus that is shown first, the pipeline of its search, what a job is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ui.components import columns as cols
from ui.components.address import Column
from ui.components.column_editor import Choices
from ui.components.map_view import MapView
from ui.session import Context, Place
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.specs import MapSpec
from workbench.workflows import search as searching
from workbench.workflows import views

if TYPE_CHECKING:
    from workbench.workflows.map import MapInfo


def fitted(view: MapView, made: "Sequence[MapInfo]") -> tuple[MapView, str]:
    """The view with maps that are there, and a sentence where one it named is not. `made` is not empty."""
    known = {each.id: each for each in made}
    told = ""
    if view.map not in known:
        told = "The map of this link is not there any more: another one is shown." if view.map else ""
        first = next((each for each in made if not each.stale), made[0])
        view = MapView(
            map=first.id, query=view.query, image=view.image, column=view.column, judge=view.judge, told=view.told
        )
    other = known.get(view.other)
    if view.other and (other is None or other.corpus != known[view.map].corpus or other.id == view.map):
        told, view = told or "The second map of this link does not fit the first.", replace(view, other="")
    if view.pick >= known[view.map].points:
        view = replace(view, pick=-1)
    return view, told


def choices(project: Project, place: Place) -> Choices:
    """The pipelines that can be asked."""
    saved = [view.name for view in views.list_pipelines(project, place.corpus.partition("@")[0])]
    return Choices(searching.systems(project, place.corpus), saved)


def first_column(project: Project, place: Place, encoder: str) -> Column | None:
    """The pipeline of a first search: the map's own encoder, else what Search begins with; none where none can ask."""
    ready = [each for each in searching.systems(project, place.corpus) if each.ready]
    own = next((each for each in ready if each.encoder == encoder), None)
    if own is not None:
        return Column(cols.plain(own.encoder, own.index))
    return next(iter(cols.first_columns(ready)), None)


def chosen_pipeline(project: Project, value: str) -> Column:
    """The column that an entry of the select stands for. Raises `BadInput`, `NotFound`."""
    if value.startswith(cols.SAVED):
        name = value.removeprefix(cols.SAVED)
        return Column(views.get_pipeline(project, name), name)
    return cols.chosen_column(value)


def first_encoder(dense: Sequence[str]) -> str:
    """The encoder of a first map, of those with dense embeddings, newest first: the one a person chose last."""
    return dense[0]


def queue_map(context: Context, project: Project, corpus: str, encoder: str, spec: Mapping[str, Any]) -> None:
    """Queue the job that makes a map. Raises `BadInput` on a setting."""
    arguments = {"corpus": corpus, "encoder": encoder, "spec": MapSpec.from_dict(spec).to_dict()}
    context.jobs.enqueue("map", project.name, arguments, title=f"Map {corpus} with {encoder}", priority=1)


def queue_placing(context: Context, project: Project, corpus: str, shown: "MapInfo") -> None:
    """Queue the job that places the newest version of a map's corpus into it."""
    arguments = {"corpus": corpus, "encoder": shown.encoder, "into": shown.id}
    title = f"Place {corpus} into its map by {shown.encoder}"
    context.jobs.enqueue("place", project.name, arguments, title=title, priority=1)


def asked_spec(form: Mapping[str, str], shown: str) -> dict[str, Any]:
    """The settings that a person wrote in the menu. Raises `BadInput` on what is no number."""
    spec: dict[str, Any] = {"method": form.get("method", "umap")}
    for name, kind in (("neighbors", int), ("min_dist", float), ("seed", int)):
        try:
            spec[name] = kind(form.get(name, ""))
        except ValueError as error:
            raise BadInput(f"“{form.get(name, '')[:20]}” is no number.", f"Write one for {name}.") from error
    if form.get("aligned") == "true" and shown and spec["method"] == "umap":
        spec["init"] = f"map:{shown}"
    return spec


def known_map(made: "Sequence[MapInfo]", id: str) -> str:
    """An id the browser sent. Raises `NotFound`."""
    if id and id not in {each.id for each in made}:
        raise NotFound("That map is not there any more.", "Reload the page.")
    return id
