"""Where the queries of a set came from: a file, a document of the corpus by a recipe, or a set that was varied."""

from dataclasses import dataclass
from pathlib import PurePath

from workbench import judgments, query_sets
from workbench.errors import NotFound
from workbench.project import Project
from workbench.query_sets import QRELS, QuerySetInfo
from workbench.types import Query

DOCUMENTS = 3
"""Documents of a made query that are named."""
RECIPES = {"title": "title of", "caption": "caption of", "written": "written by a model for"}
TYPED = "typed in a search"


@dataclass(frozen=True)
class QueryOrigin:
    """A query, and where it came from in words; `before`: what a varied query was, "" where it stayed as it was."""

    query_id: str
    text: str
    origin: str
    before: str = ""


def set_origin(info: QuerySetInfo) -> str:
    """Where a whole query set came from, in a few words."""
    report = info.report
    if "recipe" in report:
        origin = report.get("origin", {})
        by = {"column": f"column {origin.get('column', '')}", "written": f"written by {origin.get('model', 'a model')}"}
        kind = by.get(str(report["recipe"]), f"{report['recipe']}s")
        return f"made of {report.get('made_from', info.corpus)}: {kind}"
    if "variant_of" in report:
        return f"{', '.join(report.get('kinds', []))} of {report['variant_of']}"
    source = PurePath(info.source)
    if "imported_at" not in report or not source.name:
        return TYPED
    return f"{'file' if source.suffix else 'folder'} {source.name}"


def query_origins(project: Project, query_set: str, offset: int = 0, limit: int = 20) -> list[QueryOrigin]:
    """The queries of a set from `offset` on, each with its origin. Raises `NotFound` on the set."""
    info = query_sets.find(project.db, query_set)
    found = query_sets.page(project.db, info.id, offset, limit)
    if "recipe" in info.report:
        return [QueryOrigin(each.query_id, each.text, _of_documents(project, info, each)) for each in found]
    if "variant_of" in info.report:
        return _varied(project, info, found)
    told = set_origin(info)
    return [QueryOrigin(each.query_id, each.text, told) for each in found]


def _of_documents(project: Project, info: QuerySetInfo, query: Query) -> str:
    judged = judgments.of_query(project.db, info.id, query.query_id, QRELS)
    mark = judged[0].provenance if judged else info.report.get("origin", {})
    recipe = str(mark.get("recipe", info.report["recipe"]))
    word = f"column {mark.get('column', '')} of" if recipe == "column" else RECIPES.get(recipe, f"{recipe} of")
    if recipe == "written" and mark.get("model"):
        word = f"written by {mark['model']} for"
    names = [each.doc_id for each in judged]
    more = f" and {len(names) - DOCUMENTS:,} more" if len(names) > DOCUMENTS else ""
    return f"{word} {', '.join(names[:DOCUMENTS])}{more}"


def _varied(project: Project, info: QuerySetInfo, found: list[Query]) -> list[QueryOrigin]:
    """Each query beside the one of the same id in the set it was made of, as far as it is there."""
    name, kinds = str(info.report["variant_of"]), ", ".join(info.report.get("kinds", []))
    try:
        original = query_sets.find(project.db, name)
    except NotFound:
        return [QueryOrigin(each.query_id, each.text, f"{kinds} of {name}, which is gone") for each in found]
    known = query_sets.with_ids(project.db, original.id, [each.query_id for each in found])
    told = []
    for each in found:
        before = known[each.query_id].text if each.query_id in known else ""
        origin = f"as in {name}" if before == each.text else f"{kinds} of {name}"
        told.append(QueryOrigin(each.query_id, each.text, origin, "" if before == each.text else before))
    return told
