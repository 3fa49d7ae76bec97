"""The commands that look judgments over: likely false negatives, and how much annotators agree."""

import math
from dataclasses import asdict
from typing import Annotated, Any

import typer

from workbench.cli import Call, run_job


def guard(
    context: typer.Context,
    query_set: str,
    label_set: Annotated[
        list[str] | None, typer.Option(help="Label set to doubt; several: name each; none: all")
    ] = None,
    reranker: Annotated[str, typer.Option(help="Scores negatives and positives too: name, hub id or folder")] = "",
    limit: Annotated[int, typer.Option(help="Suspects to keep, the most suspicious first", min=1, max=10_000)] = 200,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Queue the job and end")] = False,
) -> None:
    """List the likeliest false negatives of QUERY_SET, with reasons."""
    from workbench.workflows.suspected import read_suspects

    call: Call = context.obj
    arguments = {"query_set": query_set, "label_sets": label_set or [], "reranker": reranker, "limit": limit}
    report = run_job(call, "guard", arguments, f"Doubt the negatives of {query_set}", wait=not no_wait)
    if report is None:
        return
    found = read_suspects(call.project.artifacts.get(report["id"]))
    lines = [
        f"{each.score:.2f}  {each.query_id}  {each.doc_id}  {'; '.join(reason.told for reason in each.reasons)}"
        for each in found
    ]
    lines += [f"Warning: {warning}" for warning in report["warnings"]]
    lines.append(
        f"{report['found']:,} of {report['checked']:,} negatives have a reason to be doubted; {len(found):,} listed, "
        f"{report['settled']:,} were decided before."
    )
    call.answer({**report, "suspects": [asdict(each) for each in found]}, "\n".join(lines))


def agreement(
    context: typer.Context,
    query_set: str,
    label_set: Annotated[str, typer.Option(help="Label set whose annotators are compared")] = "labels",
    scale: Annotated[str, typer.Option(help="grades, or relevant (above 0 or not)")] = "grades",
) -> None:
    """Tell how much the annotators of QUERY_SET agree: percent, kappas and Krippendorff's alpha."""
    from workbench.workflows.annotators import agreement as compare
    from workbench.workflows.annotators import checked_scale

    call: Call = context.obj
    found = compare(call.project, query_set, label_set, checked_scale(scale))
    lines = [
        f"{pair.a} and {pair.b}: {pair.both} judged by both, {_text(pair.percent, '.0%')} the same, kappa "
        f"{_text(pair.kappa)}, weighted {_text(pair.weighted)}; by one only: {pair.only_a} and {pair.only_b}"
        for pair in found.pairs
    ]
    alphas = ", ".join(f"{level} {_text(value)}" for level, value in found.alphas.items())
    lines.append(
        f"{found.units} documents judged twice or more, {found.single} once, {found.unjudged} not: "
        f"{_text(found.percent, '.0%')} the same, Fleiss's kappa {_text(found.fleiss)} over {found.fleiss_units}, "
        f"Krippendorff's alpha {alphas}."
    )
    call.answer(_plain(asdict(found)), "\n".join(lines))


def _text(value: float, form: str = ".3f") -> str:
    return "–" if math.isnan(value) else format(value, form)


def _plain(value: Any) -> Any:
    """NaN, which JSON does not know, as null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
