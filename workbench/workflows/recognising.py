"""What a training file names, found among what the project has: documents and queries, by id or by their exact text."""

from collections.abc import Sequence

from workbench import corpora, query_sets
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.judgments import known_queries
from workbench.project import Project
from workbench.query_sets import QuerySetInfo
from workbench.types import Progress, Query, no_progress
from workbench.workflows.gathering import LISTED, Gathered, digest

_SCAN = 2000


def known_documents(
    project: Project, corpus: CorpusInfo, gathered: Gathered, progress: Progress = no_progress
) -> list[str]:
    """The corpus's id of each document, found by id, else by text. Raises `BadInput` listing those not found."""
    known = corpora.ordinals_of(project.db, corpus.id, (each for each in gathered.doc_ids if each))
    texts = {own for doc_id, own in zip(gathered.doc_ids, gathered.digests, strict=True) if own and doc_id not in known}
    by_text = _by_text(project, corpus, texts, progress) if texts else {}
    found = [
        doc_id if doc_id in known else by_text.get(own, "")
        for doc_id, own in zip(gathered.doc_ids, gathered.digests, strict=True)
    ]
    lost = [
        doc_id or f"text {own.hex()[:8]}"
        for doc_id, own, match in zip(gathered.doc_ids, gathered.digests, found, strict=True)
        if not match
    ]
    if lost:
        raise BadInput(
            f"{len(lost):,} of {len(found):,} documents are not in “{corpus.label}”, by id or by text: "
            f"{some(lost)}. Nothing was imported.",
            "Choose the corpus the file was made of, or none: then one is made of its texts.",
        )
    return found


def _by_text(project: Project, corpus: CorpusInfo, wanted: set[bytes], progress: Progress) -> dict[bytes, str]:
    """Digest → id of the first document whose text, or title and text, is one of `wanted`."""
    found: dict[bytes, str] = {}
    for start in range(0, corpus.documents, _SCAN):
        progress(start, corpus.documents)
        stop = min(start + _SCAN, corpus.documents)
        for each in corpora.documents(project.db, corpus.id, range(start, stop)):
            for text in (each.content, each.text):
                own = digest(text)
                if own in wanted:
                    found.setdefault(own, each.doc_id)
    return found


def find_queries(project: Project, info: QuerySetInfo, gathered: Gathered) -> None:
    """Find the queries in the set, by id, else by text. Raises `BadInput` listing those not found."""
    db, ids = project.db, [query.query_id for query in gathered.queries]
    known: set[str] = set()
    for start in range(0, len(ids), _SCAN):
        known |= known_queries(db, info.id, set(ids[start : start + _SCAN]))
    lost = [place for place, query in enumerate(gathered.queries) if query.query_id not in known]
    if not lost:
        return
    by_text: dict[str, Query] = {}
    wanted = {gathered.queries[place].text for place in lost} - {""}
    for start in range(0, info.queries, _SCAN):
        for each in query_sets.page(db, info.id, start, _SCAN):
            if each.text in wanted:
                by_text.setdefault(each.text, each)
    for place in lost:
        gathered.queries[place] = by_text.get(gathered.queries[place].text, gathered.queries[place])
    names = [
        query.text[:60] or query.query_id for place in lost if (query := gathered.queries[place]).text not in by_text
    ]
    if names:
        raise BadInput(
            f"{len(names):,} queries are not in “{info.name}”, by id or by text: {some(names)}. Nothing was imported.",
            "Choose another name: then the file's queries become a query set of their own.",
        )


def some(names: Sequence[str]) -> str:
    """The first `LISTED` of names, quoted, and how many more there are."""
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(f"“{name}”" for name in names[:LISTED]) + more
