"""A corpus without its titles or captions, as a corpus of its own: for test sets whose queries were made of them."""

import time
from pathlib import Path

from workbench import corpora, ingest
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.project import Project, check_name
from workbench.specs import fingerprint
from workbench.types import Progress
from workbench.workflows.deriving import finish, row_of, with_pictures
from workbench.workflows.recipes import documents, reduced
from workbench.workflows.sources import sources_told


def corpus_without(project: Project, info: CorpusInfo, part: str, progress: Progress) -> CorpusInfo:
    """The corpus “name-without-titles” (or captions) of `info`; ids, metadata and pictures stay; the same is a no-op.

    Documents of which nothing is left are not in it. Where the corpus changed since, it becomes the next version.
    Raises `BadInput` where the name is another corpus's, or nothing is left at all.
    """
    started = time.monotonic()
    name = check_name("corpus", f"{info.name}-without-{part}")
    made_of = fingerprint("without", part, info.fingerprint)
    found = corpora.finished(project.db, name)
    before = found[0] if found else None
    if before is not None:
        row = row_of(project, before)
        if (row.spec.get("corpus"), row.spec.get("without")) != (info.name, part):
            raise BadInput(
                f"There is a corpus “{name}” already, and it was not made of “{info.name}”.", "Delete that one first."
            )
        if row.source_fingerprint == made_of:
            return before
    row_values = {
        "name": name,
        "source": f"{info.name}, version {info.version}, without {part}",
        "source_fingerprint": made_of,
        "spec": {"without": part, "corpus": info.name, "version": info.version},
    }
    with sources_told(Path(info.name)), ingest.begin(project.db, project.media, row_values) as draft:
        batch = []
        for document in documents(project, info, progress):
            if (left := reduced(document, part)) is not None:
                batch.append(left)
            if len(batch) == ingest.BATCH:
                draft.append(with_pictures(batch, project.media, draft.media))
                batch = []
        draft.append(with_pictures(batch, project.media, draft.media))
        if not draft.documents:
            raise BadInput(f"Without {part} nothing is left of “{info.name}”.", "Switch leave_out off.")
        finish(project, draft, info, before, started)
    return corpora.find(project.db, name)
