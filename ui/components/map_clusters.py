"""Names of clusters in the legend: a pencil that opens a field, and the way back to the words of the cluster."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import gradio as gr

from ui.components.text import clip, escape
from ui.handlers import fields, said, tell
from workbench.errors import BadInput
from workbench.project import Project
from workbench.workflows import map as maps

if TYPE_CHECKING:
    from workbench.workflows.map import ClusterLabel

ACTIONS = ("rename", "name", "unname", "keepname")
NONE = -1
Clusters = Mapping[int, "Sequence[ClusterLabel]"]


def by_color(project: Project, map: str) -> Clusters:
    """Colour of the legend → its clusters: one, but for “Other”, which holds those without a colour of their own."""
    found: dict[int, list[ClusterLabel]] = {}
    for each in maps.cluster_labels(project, map):
        found.setdefault(each.color, []).append(each)
    return found


def tools_html(color: int, clusters: "Sequence[ClusterLabel]") -> str:
    """The pencil beside a class, and the arrow back where a person named it."""
    back = "".join(
        f'<button class="wb-edit" data-do="unname" data-cluster="{each.cluster}" aria-label="Back to the words" '
        f'title="Back to “{escape(each.machine_name)}”">↺</button>'
        for each in clusters
        if each.given and len(clusters) == 1
    )
    return (
        f'{back}<button class="wb-edit wb-pencil" data-do="rename" data-color="{color}" title="Rename" '
        'aria-label="Rename">✎</button>'
    )


def form_html(color: int, clusters: "Sequence[ClusterLabel]") -> str:
    """In place of a class: its name in a field. Of several clusters one is chosen first."""
    first = clusters[0]
    if len(clusters) == 1:
        which = f'<input type="hidden" name="cluster" value="{first.cluster}">'
    else:
        options = "".join(f'<option value="{each.cluster}">{escape(clip(each.name, 60))}</option>' for each in clusters)
        which = f'<select name="cluster" aria-label="Cluster">{options}</select>'
    own = first.name if len(clusters) == 1 else ""
    return (
        f'<div class="wb-rename" data-form data-key="rename {color}">{which}<input name="name" value="{escape(own)}" '
        f'placeholder="{escape(clip(first.machine_name, 80))}" maxlength="64" aria-label="Name of the cluster" '
        'autocomplete="off" title="Enter keeps it; an empty name gives the words back; Esc leaves it">'
        '<button class="btn small" data-do="name" data-default>Keep</button>'
        '<button class="wb-edit" data-do="keepname" title="Leave it (Esc)" aria-label="Leave it">×</button></div>'
    )


def act(project: Project, map: str, event: gr.EventData) -> int:
    """Do what was clicked; the colour whose name is being edited from now on, `NONE` for none.

    Raises `BadInput` on what is no number, `NotFound` on a cluster that is not there.
    """
    do = said(event, "do")
    if do == "rename":
        return number(said(event, "color"))
    if do in ("name", "unname"):
        given = fields(event)
        cluster = number(given.get("cluster", "") if do == "name" else said(event, "cluster"))
        before = {each.cluster: each.name for each in maps.cluster_labels(project, map)}
        after = maps.rename_cluster(project, map, cluster, given.get("name", "") if do == "name" else "")
        if after.name != before[cluster]:
            tell(f"“{clip(before[cluster], 60)}” is called “{clip(after.name, 60)}” now, on the map and its cards.")
    return NONE


def number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise BadInput(f"“{text[:20]}” names no cluster.", "Reload the page.")
    return int(text)
