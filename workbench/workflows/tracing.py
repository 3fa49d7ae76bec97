"""Where each run has the judged documents of a query."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench import corpora, judgments, label_sets, query_sets, runs
from workbench.errors import NotFound
from workbench.judged import Judged
from workbench.project import Project
from workbench.workflows.resolving import Rules, settle
from workbench.workflows.rolling import parents_of

if TYPE_CHECKING:
    from workbench.workflows.evaluate import Evaluation


@dataclass(frozen=True)
class Gold:
    """A judged document of a query, and its rank in each run by name, from 1; None where it was not found."""

    doc_id: str
    relevance: int
    ranks: dict[str, int | None]


def gold_positions(project: Project, evaluation: "Evaluation", query_id: str) -> list[Gold]:
    """The judged documents of a query, the most relevant first, as the evaluation settles them. Raises `NotFound`."""
    if query_id not in evaluation.query_ids:
        raise NotFound(f"The query “{query_id[:80]}” has no judgment in this evaluation.")
    row = int(evaluation.rows[evaluation.query_ids.index(query_id)])
    grades = _grades(project, evaluation, query_id)
    places = {each.run.name: _places(project, evaluation, each.run.name, row) for each in evaluation.runs}
    ordered = sorted(grades.items(), key=lambda item: (-item[1], item[0]))
    return [
        Gold(doc_id, grade, {name: found.get(doc_id) for name, found in places.items()}) for doc_id, grade in ordered
    ]


def _grades(project: Project, evaluation: "Evaluation", query_id: str) -> dict[str, int]:
    info = query_sets.find(project.db, evaluation.query_set)
    kinds = {each.name: each.kind for each in label_sets.listed(project.db, info.id)}
    rules = Rules({name: kinds[name] for name in evaluation.label_sets}, evaluation.options.prefer)
    said: dict[str, list[Judged]] = {}
    for each in judgments.of_query(project.db, info.id, query_id):
        if each.label_set in kinds and each.label_set in evaluation.label_sets:
            said.setdefault(each.doc_id, []).append(_as_judged(each))
    values = {doc_id: settle(pair, rules) for doc_id, pair in said.items()}
    return {
        doc_id: int(value.relevance)
        for doc_id, value in values.items()
        if value is not None and not isinstance(value, str) and value.relevance is not None
    }


def _as_judged(each: judgments.Judgment) -> Judged:
    """A judgment in the form in which pairs are settled, without texts and scores."""
    verdict = each.verdict
    own = (each.doc_id, each.label_set, verdict.relevance, verdict.is_hard_negative, verdict.state, None, None)
    return Judged(each.query_id, "", None, *own, each.content_hash, None, None, None, None)


def _places(project: Project, evaluation: "Evaluation", name: str, row: int) -> dict[str, int]:
    """Document id → its rank, as it was measured."""
    run, options = evaluation.figures(name).run, evaluation.options
    if row >= int(run.manifest["queries"]):
        return {}
    ordinals, _ = runs.ranking(run.artifact.folder, row)
    corpus = corpora.find(project.db, int(run.manifest["corpus"]["id"]))
    unknown = runs.unknown_documents(run.artifact.folder)
    if options.parent:
        parents = parents_of(project, corpus, options.parent)
        names = {number: parent for parent, number in parents.numbers.items()}
        ids = [names[int(parents.of_ordinal[each])] if each >= 0 else unknown[-2 - each] for each in ordinals]
    else:
        known = corpora.ids_of(project.db, corpus.id, np.unique(ordinals[ordinals >= 0]).tolist())
        ids = [known[int(each)] if each >= 0 else unknown[-2 - int(each)] for each in ordinals]
    own = evaluation.query_ids[int(np.searchsorted(evaluation.rows, row))] if options.drop_self else None
    kept = dict.fromkeys(each for each in ids if each != own)
    return {doc_id: rank for rank, doc_id in enumerate(kept, start=1)}
