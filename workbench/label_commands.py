"""The commands of the command line that judge and carry judgments in and out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import Call, run_job
from workbench.specs import ExportSpec, LabelChoice
from workbench.workflows.judging import PEOPLE, Judge, Pair, Verdict, judge


def label(
    context: typer.Context,
    query_id: str,
    doc_id: str,
    query_set: Annotated[str, typer.Option(help="The query's set")],
    relevance: Annotated[int, typer.Option(help="0 not relevant, 1 to 3 more and more")] = 0,
    hard_negative: Annotated[bool, typer.Option("--hard-negative", help="Not relevant, and looks so")] = False,
    annotator: Annotated[str, typer.Option(help="Who judges")] = "me",
    label_set: Annotated[str, typer.Option(help="Where to")] = PEOPLE,
    note: Annotated[str, typer.Option(help="Why")] = "",
) -> None:
    """Judge the document DOC_ID for the query QUERY_ID."""
    call: Call = context.obj
    by, verdict = Judge(query_set, annotator, label_set), Verdict(relevance, hard_negative, note=note)
    done = judge(call.project, by, Pair(query_id, doc_id), verdict)
    said = {"query_id": query_id, "doc_id": doc_id, "relevance": relevance, "is_hard_negative": hard_negative}
    what = "hard negative" if hard_negative else f"grade {relevance}"
    state = "" if done.changed else " (as before)"
    call.answer({**said, "annotator": annotator, "changed": done.changed}, f"{query_id} · {doc_id}: {what}{state}")


def export(
    context: typer.Context,
    query_set: str,
    format: Annotated[str, typer.Option(help="flagembedding, st-triplet, beir, trec …")],
    out: Annotated[Path | None, typer.Option(help="File or folder; in the project's exports/ if not given")] = None,
    label_set: Annotated[
        list[str] | None, typer.Option(help="Label set, may be given again; else all but mined")
    ] = None,
    prefer: Annotated[list[str] | None, typer.Option(help="Label set that settles contradictions")] = None,
    include_unreviewed: Annotated[bool, typer.Option(help="Also mined proposals nobody has looked at")] = False,
    images: Annotated[str, typer.Option(help="none, reference or copy")] = "none",
    negatives: Annotated[int | None, typer.Option(help="Negatives of a query at most")] = None,
    scores: Annotated[bool, typer.Option(help="flagembedding: with pos_scores and neg_scores")] = False,
    encoder: Annotated[str, typer.Option(help="Encoder whose prompts are written")] = "",
) -> None:
    """Write the judgments of a query set as a training file or as qrels, with a manifest beside it."""
    from workbench.workflows.export_labels import export_labels as run_export

    call: Call = context.obj
    choice = LabelChoice(tuple(label_set or ()), include_unreviewed, tuple(prefer or ()), encoder, images)
    target = None if out is None else out.expanduser().resolve()
    made = run_export(call.project, query_set, format, target, choice, ExportSpec(negatives=negatives, scores=scores))
    warnings = "".join(f"\nWarning: {warning}" for warning in made.warnings)
    call.answer(asdict(made), f"{made.rows} rows of {made.queries} queries in {made.path}{warnings}")


def import_labels(
    context: typer.Context,
    name: str,
    path: Path,
    corpus: Annotated[str, typer.Option(help="Corpus that has the documents; else one is made of the file")] = "",
    format: Annotated[str, typer.Option(help="As the columns show if not given")] = "",
    label_set: Annotated[str, typer.Option(help="Name of the label set")] = "imported",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Queue the job and end")] = False,
) -> None:
    """Load a training file or qrels as judgments of the query set NAME, which is made where there is none."""
    call: Call = context.obj
    source = {"path": str(path.expanduser().resolve()), "format": format, "label_set": label_set}
    arguments = {"name": name, "source": source, "corpus": corpus or None}
    result = run_job(call, "import-labels", arguments, f"Import labels {name}", wait=not no_wait)
    if result is not None:
        kept = ["query_set", "queries", "judgments", "documents", "label_set", "contradictions", "images"]
        kept += ["skipped", "warnings"]
        text = (
            f"{name}: {result['judgments']} judgments of {result['queries']} queries, {result['documents']} documents."
        )
        told = "".join(f"\nWarning: {warning}" for warning in result["warnings"])
        call.answer({key: result[key] for key in kept}, text + told)
