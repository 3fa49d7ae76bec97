"""What can be searched in a corpus: each encoder's embedding, through each of its indices."""

from dataclasses import dataclass

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.project import Project
from workbench.types import Modality
from workbench.workflows import retrieving
from workbench.workflows.index import EXACT, INVERTED
from workbench.workflows.retrieving import MAXSIM

TEXT: frozenset[Modality] = frozenset({"text"})


@dataclass(frozen=True)
class System:
    """Something that can be searched: `encoder` and `index` as a `RetrieverSpec` takes them.

    `ready` is off where no query can be asked: ready-made vectors, or a sparse embedding without its index. `output`:
    dense, sparse or multi; `modalities`: what its queries may have.
    """

    label: str
    encoder: str
    index: str
    ready: bool
    output: str = "dense"
    modalities: frozenset[Modality] = TEXT


def systems(project: Project, corpus: str) -> list[System]:
    """What can be searched: each encoder's newest embedding exactly, then through each of its indices."""
    info = corpora.find(project.db, corpus)
    newest: dict[str, Artifact] = {}
    for embedding in project.artifacts.list("embedding", corpus_id=info.id):
        newest.setdefault(embedding.name, embedding)
    return [system for embedding in newest.values() for system in systems_of(project, embedding)]


def systems_of(project: Project, embedding: Artifact) -> list[System]:
    """The systems of one embedding, the exact one first."""
    built = retrieving.indices_of(project, embedding)
    askable = "encoder_spec" in embedding.manifest
    reads = modalities_of(embedding)
    output = str(embedding.manifest["output"])
    if output == "sparse":
        names, ready = [INVERTED], askable and INVERTED in built
    else:
        names, ready = ([MAXSIM] if output == "multi" else [EXACT, *sorted(built)]), askable
    return [
        System(retrieving.label_of(embedding.name, name), embedding.name, name, ready, output, reads) for name in names
    ]


def modalities_of(embedding: Artifact) -> frozenset[Modality]:
    """What a query to it may have, by its manifest; text where that does not say."""
    told = embedding.manifest.get("modalities", ["text"])
    known: tuple[Modality, ...] = ("text", "image")
    return frozenset(each for each in known if each in told)
