"""The names of a map's clusters: the machine's from their words, and in their place what people wrote."""

import json
from dataclasses import dataclass

import numpy as np

from workbench.errors import NotFound
from workbench.project import Project
from workbench.workflows.map_colours import NAMED, OTHER
from workbench.workflows.map_data import find_map, open_map
from workbench.workflows.views import checked_name, delete_view, list_views, save_view

CLUSTERS = "clusters.json"
"""In a map's folder: {"clusters": [{"name", "size", "centre": [x, y] of the layout}]}, by cluster number."""
PAGE = "map-labels"
"""The page under which names that people wrote are kept as saved views, one for each map."""


@dataclass(frozen=True)
class ClusterLabel:
    """A cluster: its name, where the name stands (−1 … 1), its documents, its colour. `given`: a person wrote it."""

    cluster: int
    name: str
    x: float
    y: float
    size: int
    color: int
    given: bool
    machine_name: str


def cluster_labels(project: Project, map: str) -> list[ClusterLabel]:
    """The clusters of a map, the largest first: the order in which labels get their room. Raises `NotFound`."""
    artifact = find_map(project, map)
    written = written_names(project, map)
    kept = json.loads((artifact.folder / CLUSTERS).read_text(encoding="utf-8"))["clusters"]
    centres = np.array([each["centre"] for each in kept], np.float64).reshape(-1, 2)
    found = [
        ClusterLabel(
            cluster=number,
            name=written.get(number, each["name"]),
            x=float(x),
            y=float(y),
            size=each["size"],
            color=number if number < NAMED else OTHER,
            given=number in written,
            machine_name=each["name"],
        )
        for number, (each, (x, y)) in enumerate(zip(kept, open_map(artifact).frame.to_unit(centres), strict=True))
    ]
    return sorted(found, key=lambda label: (-label.size, label.cluster))


def rename_cluster(project: Project, map: str, cluster: int, name: str) -> ClusterLabel:
    """Give a cluster a name; an empty one gives it back the machine's. Raises `NotFound`, or `BadInput` on the name."""
    known = {label.cluster: label for label in cluster_labels(project, map)}
    if isinstance(cluster, bool) or cluster not in known:
        raise NotFound(f"This map has no cluster number {str(cluster)[:20]}.", f"It has {len(known)}.")
    name = checked_name(name)
    names = written_names(project, map)
    names.pop(cluster, None)
    if name and name != known[cluster].machine_name:
        names[cluster] = name
    saved = save_view(project, PAGE, map, {"map": map, "names": {str(each): names[each] for each in sorted(names)}})
    for view in list_views(project, PAGE):
        if view.name == map and view.id != saved.id:
            delete_view(project, view.id)
    return next(label for label in cluster_labels(project, map) if label.cluster == cluster)


def carry_names(project: Project, old: str, new: str) -> None:
    """Give a map the names that people wrote for the clusters of another with the same numbers."""
    names = written_names(project, old)
    if names:
        save_view(project, PAGE, new, {"map": new, "names": {str(each): names[each] for each in sorted(names)}})


def forget_labels(project: Project, map: str) -> None:
    """Remove the names that people wrote for a map."""
    for view in list_views(project, PAGE):
        if view.name == map:
            delete_view(project, view.id)


def written_names(project: Project, map: str) -> dict[int, str]:
    """Cluster → the name that a person wrote for it."""
    for view in list_views(project, PAGE):
        if view.name == map:
            return {int(cluster): str(name) for cluster, name in view.state["names"].items()}
    return {}
