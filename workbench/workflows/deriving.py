"""A subset of a corpus as a corpus of its own, so that encoders, indices, maps and queries take it like any other.

Document ids, order, metadata and pictures stay what they are in the corpus it comes from; ordinals are its own. Its
`source` says of which subset and version it was made. Subsets, tags, query sets and judgments stay with that corpus.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from workbench import corpora, ingest, subsets
from workbench.corpora import CorpusInfo
from workbench.db import corpora as corpora_table
from workbench.errors import BadInput
from workbench.project import Project, check_name
from workbench.specs import EncodeSpec, fingerprint
from workbench.subsets import Mask, NamedSet
from workbench.types import Document, Progress, no_progress
from workbench.workflows.bridge import STEPS, share
from workbench.workflows.corpus import ImportReport
from workbench.workflows.encode import EncodeReport, encode_corpus
from workbench.workflows.queries import list_query_sets
from workbench.workflows.sources import sources_told

DERIVED = 200
"""Of `STEPS`: what making the corpus counts for before an encoding."""
RUN = EncodeSpec()


@dataclass(frozen=True)
class DeriveReport:
    """The corpus of a subset. `unchanged`: it was there already, of the same documents."""

    corpus: str
    version: int
    documents: int
    source: str
    unchanged: bool
    seconds: float
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SubsetEncodeReport(EncodeReport):
    """What encoding a subset did; `corpus` is the corpus that holds its documents."""

    corpus: str = ""


def derived_name(corpus: str, subset: str) -> str:
    """ "aviary-river": what the corpus of a subset is called."""
    return f"{corpus.partition('@')[0]}-{subset}"


def derive_corpus(
    project: Project, corpus: str | int, subset: str, name: str = "", progress: Progress = no_progress
) -> DeriveReport:
    """Make the documents of a subset a corpus called `name` (none given: “corpus-subset”); the same again is a no-op.

    Where the subset or its corpus changed since, it becomes the next version. All or nothing. Raises `NotFound` on the
    corpus or subset, `BadInput` on a name that cannot be one or is that of another corpus, `WorkbenchError` on a full
    disk, what `progress` raises.
    """
    started = time.monotonic()
    info = corpora.find(project.db, corpus)
    chosen = subsets.find(project.db, "subset", info.id, subset)
    mask = subsets.members(project.db, "subset", info.id, subset, info.documents)
    name = check_name("corpus", name or derived_name(info.name, subset))
    made_of = fingerprint("subset", info.fingerprint, chosen.content_hash)
    before = earlier(project, name, info, subset)
    if before is not None and made_of == row_of(project, before).source_fingerprint:
        return DeriveReport(name, before.version, before.documents, before.source, True, since(started))
    source = source_text(info, chosen)
    row = {
        "name": name,
        "source": source,
        "source_fingerprint": made_of,
        "spec": {"subset": chosen.name, "corpus": info.name, "version": info.version},
    }
    with sources_told(Path(info.name)):
        ingest.discard_unfinished(project.db, project.media)
        with ingest.begin(project.db, project.media, row) as draft:
            for batch in blocks(project, info, mask):
                progress(draft.documents, chosen.count)
                draft.append(with_pictures(batch, project.media, draft.media))
            report = finish(project, draft, info, before, started)
    progress(chosen.count, chosen.count)
    return DeriveReport(name, draft.version, draft.documents, source, False, since(started), report.warnings)


def encode_subset(
    project: Project,
    corpus: str,
    subset: str,
    encoder: str | Mapping[str, Any],
    spec: EncodeSpec = RUN,
    progress: Progress = no_progress,
) -> SubsetEncodeReport:
    """Make the subset's corpus where it is not there yet, and encode it. Raises as `derive_corpus`, `encode_corpus`."""
    made = derive_corpus(project, corpus, subset, progress=share(progress, 0, DERIVED))
    done = encode_corpus(project, made.corpus, encoder, spec, share(progress, DERIVED, STEPS))
    return SubsetEncodeReport(
        **{**asdict(done), "warnings": [*made.warnings, *done.warnings], "corpus": made.corpus},
    )


def finish(
    project: Project, draft: ingest.CorpusDraft, info: CorpusInfo, before: CorpusInfo | None, started: float
) -> ImportReport:
    """Make the new corpus visible, with a report like an import's; what people made in its last version comes along."""
    changes = draft.compare(before) if before is not None else ingest.Changes(added=draft.documents)
    carried = draft.carry(before) if before is not None else []
    report = ImportReport(
        corpus=draft.name,
        version=draft.version,
        documents=draft.documents,
        warnings=[*(each.told for each in carried if each.lost), *left_behind(project, info)],
        added=changes.added,
        removed=changes.removed,
        changed=changes.changed,
        seconds=since(started),
    )
    if draft.has_images:
        os.sync()
    draft.finish(info.columns, asdict(report))
    return report


def left_behind(project: Project, info: CorpusInfo) -> list[str]:
    """A sentence about the query sets of the corpus, which do not come along."""
    names = [each.name for each in list_query_sets(project, info.name)]
    if not names:
        return []
    listed = ", ".join(f"“{name}”" for name in names[:5]) + (" …" if len(names) > 5 else "")
    return [
        f"Query sets stay with “{info.name}” ({listed}): import queries and qrels for the new corpus to evaluate on "
        "it; document ids are the same."
    ]


def earlier(project: Project, name: str, info: CorpusInfo, subset: str) -> CorpusInfo | None:
    """The newest version of the corpus `name`, made of this subset before; None where there is none.

    Raises `BadInput` where that name is another corpus's.
    """
    found = corpora.finished(project.db, name)
    if not found:
        return None
    spec = row_of(project, found[0]).spec
    if (spec.get("corpus"), spec.get("subset")) != (info.name, subset):
        raise BadInput(
            f"There is a corpus “{name}” already, and it was not made of the subset “{subset}” of “{info.name}”.",
            "Rename the subset, or delete that corpus first.",
        )
    return found[0]


def origin(project: Project, corpus: str | int) -> str:
    """Which subset a corpus was made of, as `source_text` says it; "" where it was imported. Raises `NotFound`."""
    info = corpora.find(project.db, corpus)
    return info.source if "subset" in row_of(project, info).spec else ""


def row_of(project: Project, info: CorpusInfo) -> Any:
    """`source_fingerprint` and `spec` of a corpus."""
    wanted = sa.select(corpora_table.c.source_fingerprint, corpora_table.c.spec)
    with project.db.read() as connection:
        return connection.execute(wanted.where(corpora_table.c.id == info.id)).one()


def source_text(info: CorpusInfo, chosen: NamedSet) -> str:
    """ "subset river of aviary, version 2 (47 of 412 documents)"."""
    share_of = f"{chosen.count:,} of {info.documents:,} documents"
    return f"subset {chosen.name} of {info.name}, version {info.version} ({share_of})"


def blocks(project: Project, info: CorpusInfo, mask: Mask) -> Iterator[list[Document]]:
    """The documents of a subset in order, as many at once as one transaction takes."""
    ordinals = np.flatnonzero(mask)
    for start in range(0, ordinals.size, ingest.BATCH):
        yield corpora.documents(project.db, info.id, ordinals[start : start + ingest.BATCH].tolist())


def with_pictures(batch: Sequence[Document], media: Path, folder: Path) -> list[Document]:
    """The documents with their pictures under the new corpus's `folder`.

    A picture is linked, not copied: it takes no room, and stays where the other corpus is deleted.
    """
    if not any(each.image for each in batch):
        return list(batch)
    folder.mkdir(parents=True, exist_ok=True)
    moved = []
    for each in batch:
        if each.image:
            target = folder / Path(each.image).name
            link_or_copy(media / each.image, target)
            each = replace(each, image=f"{folder.name}/{target.name}")
        moved.append(each)
    return moved


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file; a copy where the file system has no such thing."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def since(started: float) -> float:
    return round(time.monotonic() - started, 3)
