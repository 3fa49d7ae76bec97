"""Judgments as files that train or evaluate a model: settled, streamed, with a manifest and images beside them."""

import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workbench import corpora, label_sets, query_sets
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.exports import EXPORTS, open_export
from workbench.exports.base import Export, Written
from workbench.label_sets import PEOPLE, LabelSetInfo
from workbench.project import Project
from workbench.query_sets import QRELS, QuerySetInfo
from workbench.registry import unknown_name
from workbench.specs import ExportSpec, LabelChoice
from workbench.types import Document, Progress, TrainingGroup, no_progress
from workbench.workflows.carried_images import carried_images
from workbench.workflows.encode import embedding_info, find_embedding
from workbench.workflows.exporting import BLOCK, MANIFEST, write_manifest
from workbench.workflows.resolving import Rules
from workbench.workflows.training_groups import Findings, Placed, Wanted, training_groups

CHOICE = LabelChoice()
SPEC = ExportSpec()


@dataclass(frozen=True)
class LabelReport:
    """What was written: `rows` of `path`, made of `queries`; `left_out`: reason → queries without a row.

    `undecided` pairs (people disagree evenly) and `unknown` documents are not in it; `stale` judgments, of an earlier
    text of their document, are, and so are `outranking` negatives, which scored higher than a positive of their query.
    `bytes`: of the files, without images.
    """

    path: str
    manifest: str
    rows: int
    queries: int
    label_sets: list[str]
    short: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    undecided: int = 0
    unknown: int = 0
    stale: int = 0
    outranking: int = 0
    images: int = 0
    bytes: int = 0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)


def list_formats() -> dict[str, tuple[str, ...]]:
    """Format → the endings of its files, the usual one first; none: it is a folder."""
    return {name: open_export(name).suffixes for name in EXPORTS.names()}


def export_labels(
    project: Project,
    query_set: str,
    format: str,
    out: Path | None = None,
    choice: LabelChoice = CHOICE,
    spec: ExportSpec = SPEC,
    progress: Progress = no_progress,
) -> LabelReport:
    """Write the judgments of a query set to `out`, or to the project's `exports/` under the set's and format's names.

    Raises `Contradicted` where a pair is positive and negative, `BadInput` on the path, a proposed label set that was
    not asked for, or where nothing is left to write, `NotFound`, `WorkbenchError` where the disk refuses. Then nothing
    is written.
    """
    started = time.monotonic()
    plan = planned(project, query_set, format, out, choice, spec)
    info, corpus, path, export = plan.info, plan.corpus, plan.path, plan.export
    found = Findings()
    with carried_images(project, path, choice.images, in_folder=not export.suffixes) as images:
        groups = _told(training_groups(project, plan.wanted(images.placed), found), info, progress)
        written = export.write(path, groups, documents_of(project, corpus, images.placed))
    report = LabelReport(
        path=str(path),
        manifest=str(path.with_name(path.name + MANIFEST)),
        rows=written.rows,
        queries=written.groups,
        label_sets=[each.name for each in plan.chosen],
        short=written.short,
        left_out=written.left_out,
        undecided=found.undecided.count,
        unknown=found.unknown.count,
        stale=found.stale.count,
        outranking=found.outranking.count,
        images=images.count,
        bytes=sum(Path(each).stat().st_size for each in written.files),
        seconds=round(time.monotonic() - started, 3),
        warnings=[*_warnings(written, found), *_of_images(plan, choice, images.count)],
    )
    told: dict[str, Any] = {"format": format, "query_set": info.name}
    told["label_sets"] = [asdict(each) for each in plan.chosen]
    told |= {"choice": choice.to_dict(), "settings": export.spec.to_dict(), "prompts": plan.prompts}
    told |= {name: value for name, value in asdict(report).items() if name not in _NOT_IN_MANIFEST}
    told |= {"files": [Path(each).relative_to(path.parent).as_posix() for each in written.files], "made_with": _tools()}
    write_manifest(path, corpus, told)
    return report


@dataclass(frozen=True)
class Plan:
    """What an export would read and write, checked. `prompts`: as an encoder applied them, with its name."""

    info: QuerySetInfo
    corpus: CorpusInfo
    chosen: list[LabelSetInfo]
    prefer: tuple[str, ...]
    prompts: dict[str, str]
    export: Export
    path: Path

    def wanted(self, placed: Placed) -> Wanted:
        """What the groups are made of; `placed` names the images."""
        rules = Rules({each.name: each.kind for each in self.chosen}, self.prefer)
        return Wanted(self.info, self.corpus, rules, self.export.needs_text, placed)


def planned(
    project: Project, query_set: str, format: str, out: Path | None, choice: LabelChoice, spec: ExportSpec
) -> Plan:
    """Raises as `export_labels` does for what can be seen before a judgment is read."""
    info = query_sets.find(project.db, query_set)
    corpus = corpora.find(project.db, info.corpus)
    chosen = _chosen(project, info, choice)
    prompts = _prompts(project, corpus, choice.encoder)
    # FlagEmbedding reads a prompt that is there, also an empty one, instead of the trainer's own.
    if format == "flagembedding" and spec.prompt is None and prompts.get("query_prompt"):
        spec = replace(spec, prompt=prompts["query_prompt"])
    export = open_export(format, spec, images=choice.images != "none")
    path = out if out is not None else project.exports / f"{info.name}-{format}{''.join(export.suffixes[:1])}"
    export.check(path)
    return Plan(info, corpus, chosen, choice.prefer, prompts, export, path)


_NOT_IN_MANIFEST = ("path", "manifest", "label_sets", "seconds")


def _tools() -> dict[str, str]:
    return {"python": platform.python_version(), "pyarrow": version("pyarrow")}


def _warnings(written: Written, found: Findings) -> list[str]:
    """One sentence for each thing that is not in the file, or is in it and should be known."""
    said = [f"Queries left out: {count:,} ({reason})." for reason, count in written.left_out.items()]
    if written.short:
        said.append(f"Queries with fewer negatives than were asked for: {written.short:,}.")
    for pairs, sentence in (
        (found.undecided, "Pairs left out because people disagree evenly"),
        (found.unknown, "Judgments left out because the corpus has no such document"),
        (found.stale, "Judgments of an earlier text of their document"),
        (found.outranking, "Negatives that scored higher than a positive of their query, and may be positives"),
    ):
        if pairs.count:
            some = ", ".join(f"{pair.query_id} / {pair.doc_id}" for pair in pairs.pairs)
            said.append(f"{sentence}: {pairs.count:,} ({some}{' …' if pairs.count > len(pairs.pairs) else ''}).")
    if found.settled:
        said.append(f"Documents that gave way to the same text in a preferred label set: {found.settled:,}.")
    return said


def _of_images(plan: "Plan", choice: LabelChoice, count: int) -> list[str]:
    """Whether the `count` images are in what was written, where there are any to write."""
    if not (plan.corpus.has_images and plan.export.needs_text):
        return []
    if choice.images == "none":
        return ["The corpus has images, and they are not in this export: it holds the texts alone."]
    if not count:
        return ["The corpus has images, but what is in this export has none."]
    where = {
        "copy": "Their copies must go with it wherever it goes.",
        "reference": "Their paths lead into this project, from where the export is now.",
    }
    return [f"Images named in this export: {count:,}. {where[choice.images]} Trainers of texts alone ignore them."]


def is_usual(info: LabelSetInfo) -> bool:
    """Whether a label set is exported where none is named."""
    return info.name in (QRELS, PEOPLE) or info.kind in ("imported", "final")


def _chosen(project: Project, info: QuerySetInfo, choice: LabelChoice) -> list[LabelSetInfo]:
    """The label sets to read. Raises `NotFound`, and `BadInput` on a proposed one without the consent."""
    known = {each.name: each for each in label_sets.listed(project.db, info.id)}
    for name in (*choice.label_sets, *choice.prefer):
        if name not in known:
            raise unknown_name("label set", name, known)
    if choice.label_sets:
        found = [known[name] for name in dict.fromkeys(choice.label_sets)]
    else:
        found = [each for each in known.values() if is_usual(each)]
    for each in found:
        if each.spec.get("unfinished"):
            raise BadInput(f"The import of “{each.name}” has not ended.", "Wait for it, or start it again.")
        if each.kind == "proposed" and not choice.include_unreviewed:
            raise BadInput(
                f"“{each.name}” holds mined proposals that nobody has to have looked at.",
                "Accept or reject them first, or ask for unreviewed ones.",
            )
    outside = [name for name in choice.prefer if name not in {each.name for each in found}]
    if outside:
        raise BadInput(f"“{outside[0]}” is preferred but not among the label sets.", "Add it to them.")
    return found


def _prompts(project: Project, corpus: CorpusInfo, encoder: str) -> dict[str, str]:
    """The prompts as an encoder applied them to this corpus. Raises `NotFound` where it has not encoded it."""
    if not encoder:
        return {}
    made = embedding_info(find_embedding(project, corpus, encoder), corpus)
    return {
        "encoder": made.encoder,
        "revision": str(made.manifest.get("revision", "")),
        "query_prompt": made.query_prompt,
        "document_prompt": made.document_prompt,
    }


def _told(groups: Iterator[TrainingGroup], info: QuerySetInfo, progress: Progress) -> Iterator[TrainingGroup]:
    done = 0
    for number, group in enumerate(groups):
        done += len(group.positives) + len(group.negatives)
        if number % 500 == 0:
            progress(done, max(done, info.judgments))
        yield group


def documents_of(project: Project, corpus: CorpusInfo, placed: Placed) -> Iterator[Document]:
    """The documents of a corpus in order, their images as `placed` names them."""
    for start in range(0, corpus.documents, BLOCK):
        for each in corpora.documents(project.db, corpus.id, range(start, min(start + BLOCK, corpus.documents))):
            yield replace(each, image=placed(each.image))
