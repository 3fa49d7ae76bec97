"""Deleting what was made: an embedding takes the indices and maps of it along, a map the names of its clusters."""

from workbench.artifacts import KINDS, Artifact
from workbench.project import Project
from workbench.workflows.map_data import KIND
from workbench.workflows.map_labels import forget_labels


def delete_artifact(project: Project, id: str) -> list[str]:
    """Delete an artifact and everything made from it; returns their names. Raises `NotFound`."""
    wanted = project.artifacts.get(id)
    doomed = [wanted, *made_from(project, {wanted.id})]
    # What was made from it goes first: killed in between, nothing is left that lacks its source.
    for artifact in reversed(doomed):
        if artifact.kind == KIND:
            forget_labels(project, artifact.id)
        project.artifacts.delete(artifact.id)
    return [artifact.name for artifact in doomed]


def made_from(project: Project, ids: set[str]) -> list[Artifact]:
    """Artifacts with one of `ids` among their inputs, and what was made from those."""
    found = [each for kind in KINDS for each in project.artifacts.list(kind) if ids & set(each.inputs)]
    return found + made_from(project, {each.id for each in found}) if found else []
