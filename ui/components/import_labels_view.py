"""Markup of a training file's import: what its rows say and where they would go, and the report afterwards. Escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ui.components.column_editor import named_options
from ui.components.figures import several, size
from ui.components.filters import options
from ui.components.import_view import LABELS, READERS, skipped_markup
from ui.components.text import clip, escape
from ui.session import Place
from workbench.types import TrainingDocument, TrainingGroup

if TYPE_CHECKING:
    from workbench.workflows.label_files import LabelFile

FORMATS = MappingProxyType(
    {
        "flagembedding": "query, pos, neg",
        "flagembedding-reranker": "query, pos, neg, and prompts of a reranker",
        "st-triplet": "anchor, positive, negative",
        "st-ntuple": "anchor, positive, negative_1 …",
        "st-pair": "anchor, document, label",
        "st-list": "anchor, documents, labels",
        "csv": "query, doc_id, relevance: a row for each pair",
        "trec": "qrels, of TREC or BEIR: ids only",
    }
)
OWN = "a new corpus of its texts"


@dataclass(frozen=True)
class Goal:
    """Where judgments would go: the query set `name`, of `corpus` ("": of a new one), as `label_set`."""

    name: str
    corpus: str = ""
    label_set: str = "imported"


def labels_preview_markup(
    found: "LabelFile", path: str, goal: Goal, corpora: Sequence[str], sets: Mapping[str, str]
) -> str:
    """What the import would make of a training file. `sets`: the query sets there are, each with its corpus."""
    facts = f"{escape(clip(path, 200))} · {size(found.size_bytes)}"
    documents = named_options({"": OWN, **{each: each for each in corpora}}, goal.corpus)
    known = "".join(
        f'<option value="{escape(name)}">of {escape(clip(corpus, 40))}</option>' for name, corpus in sets.items()
    )
    return (
        f'<div class="wb-import" data-form><div class="dim break">{facts}</div><div class="row">'
        f'<label>Reader <select name="reader" data-change="remap">{options(READERS, LABELS)}</select></label>'
        f'<label>Format <select name="format" data-change="remap">{options(FORMATS, found.format)}</select></label>'
        f'</div><div class="row"><label>Judges the documents of <select name="documents">'
        f"{documents}</select></label>"
        f'<label>Query set <input name="name" value="{escape(goal.name)}" list="wb-query-sets" maxlength="64" '
        f'autocomplete="off"></label><datalist id="wb-query-sets">{known}</datalist>'
        f'<label>Label set <input name="label_set" value="{escape(goal.label_set)}" maxlength="64" '
        'autocomplete="off"></label><button class="btn primary" data-do="import-labels" data-default>Import</button>'
        '<span class="dim">A query set that is there gets one more label set; what people judged stays as it is.</span>'
        f"</div>{warnings_markup(found, goal)}<h3>First queries, as they would be judged</h3>"
        f"{groups_markup(found.sample)}"
        f"{skipped_markup(found.skipped, len(found.skipped), 'in the rows that were looked at')}</div>"
    )


def warnings_markup(found: "LabelFile", goal: Goal) -> str:
    said = []
    if not found.has_texts and not goal.corpus:
        said.append("The rows name documents without their texts: choose the corpus that has them.")
    if found.images:
        said.append(
            f"{several(found.images, 'image')} named in these rows would not be read: queries and documents are known "
            "by their ids and texts alone."
        )
    return "".join(f'<div class="note warn">{escape(each)}</div>' for each in said)


def groups_markup(groups: Sequence[TrainingGroup]) -> str:
    rows = "".join(
        f'<tr><td class="break" dir="auto">{escape(clip(group.query.text or group.query.query_id, 160))}</td>'
        f"<td>{side_markup(group.positives)}</td><td>{side_markup(group.negatives)}</td></tr>"
        for group in groups
    )
    head = "<th>query</th><th>relevant</th><th>not relevant</th>"
    table = f'<table class="grid"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def side_markup(documents: Sequence[TrainingDocument]) -> str:
    """The first document of a side, its grade, and how many more there are."""
    if not documents:
        return '<span class="dim">none</span>'
    first = documents[0]
    grade = f'<span class="tag good">{first.relevance}</span> ' if first.relevance > 1 else ""
    hard = '<span class="tag warn">hard</span> ' if first.is_hard_negative else ""
    id = f'<span class="dim"><bdi>{escape(clip(first.doc_id, 40))}</bdi></span> ' if first.doc_id else ""
    more = f' <span class="tag">+{len(documents) - 1:,}</span>' if len(documents) > 1 else ""
    return f'<div class="break" dir="auto">{grade}{hard}{id}{escape(clip(first.text, 160))}{more}</div>'


def labels_report_markup(result: Mapping[str, Any], place: Place) -> str:
    """What an import of labels did; pairs that were positive and negative lead to the Label page."""
    name, skipped = str(result.get("query_set", "")), result.get("skipped", 0)
    parts = [
        several(result.get("judgments", 0), "judgment"),
        several(result.get("queries", 0), "query/queries"),
        several(result.get("documents", 0), "document"),
    ]
    links = ((place.link("/label", set=name), "Label"), (place.link("/review", set=name), "Doubt its negatives"))
    opened = " · ".join(f'<a href="{escape(address)}">{title}</a>' for address, title in links)
    notes = "".join(f'<div class="note warn">{escape(each)}</div>' for each in result.get("warnings", [])[:20])
    return (
        f'<div class="note good"><b>Imported “{escape(result.get("label_set", ""))}” of the query set '
        f"“{escape(name)}”</b>, read as {escape(result.get('format', ''))}: {escape(', '.join(parts))}, "
        f"{several(skipped, 'row')} skipped. {opened}</div>{notes}"
        f"{contradicting_markup(result, place)}{skipped_markup(result.get('skipped_rows', []), skipped)}"
    )


def contradicting_markup(result: Mapping[str, Any], place: Place) -> str:
    """The pairs that the file has on both sides; they were kept as positives."""
    total, name = result.get("contradictions", 0), str(result.get("query_set", ""))
    if not total:
        return ""
    rows = "".join(
        f"<tr><td>{escape(clip(query, 80))}</td><td>{escape(clip(doc, 80))}</td><td class='acts'>"
        f'<a href="{escape(place.link("/label", set=name, q=query, also=doc))}">Judge it</a></td></tr>'
        for query, doc in result.get("contradicting", [])
    )
    return (
        f'<details class="wb-skipped" open><summary>{several(total, "pair")} positive and negative in the file, kept '
        f'as positive</summary><table class="grid"><thead><tr><th>query</th><th>document</th><th></th></tr></thead>'
        f"<tbody>{rows}</tbody></table></details>"
    )
