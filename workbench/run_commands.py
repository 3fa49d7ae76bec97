"""The commands that run a pipeline over a query set, bring in runs of others, and measure and compare them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import Asking, Call, run_job

if TYPE_CHECKING:
    from workbench.workflows.evaluate import Comparison, Evaluation, RunFigures

NoWait = Annotated[bool, typer.Option("--no-wait", help="Queue the job and end")]


def run(
    context: typer.Context,
    query_set: str,
    pipeline: Annotated[str, typer.Option(help="Pipeline: a JSON file, or the name of one saved in the project")] = "",
    encoder: Annotated[str, typer.Option(help="Encoder of an embedding of the corpus")] = "",
    index: Annotated[str, typer.Option(help="exact, or the factory string of a built index")] = "exact",
    reranker: Annotated[str, typer.Option(help="Reranker, after the encoder: catalogue name, hub id or folder")] = "",
    depth: Annotated[int, typer.Option(help="Hits that the reranker scores again")] = 50,
    k: Annotated[int, typer.Option("-k", help="Documents kept for each query")] = 100,
    name: Annotated[str, typer.Option(help="Name of the run; else after the query set and the pipeline")] = "",
    out: Annotated[Path | None, typer.Option(help="TREC file to write as well")] = None,
    no_wait: NoWait = False,
) -> None:
    """Answer every query of QUERY_SET through a pipeline and keep the rankings as a run."""
    call: Call = context.obj
    spec = Asking(pipeline, encoder, index, reranker, depth).spec(call.project)
    arguments = {"query_set": query_set, "pipeline": spec.to_dict(), "k": k, "name": name}
    result = run_job(call, "run", arguments, f"Run {query_set}", wait=not no_wait)
    if result is None:
        return
    values = {key: result[key] for key in ("run", "queries", "seconds", "empty", "warnings")}
    lines = [f"{result['run']}: {result['queries']:,} queries in {result['seconds']:.1f} s."]
    lines += [f"Warning: {warning}" for warning in result["warnings"]]
    if out is not None:
        from workbench.workflows.running import export_run

        target = out.expanduser().resolve()
        values |= {"path": str(target), "lines": export_run(call.project, result["run"], target)}
        lines.append(f"{values['lines']:,} lines in {target}.")
    call.answer(values, "\n".join(lines))


def import_run(
    context: typer.Context,
    name: str,
    path: Path,
    query_set: Annotated[str, typer.Option(help="Query set that the run answers")],
    no_wait: NoWait = False,
) -> None:
    """Bring in rankings of another system from a TREC run file."""
    call: Call = context.obj
    arguments = {"name": name, "path": str(path.expanduser().resolve()), "query_set": query_set}
    result = run_job(call, "import-run", arguments, f"Import the run {name}", wait=not no_wait)
    if result is None:
        return
    keys = ("run", "queries", "seconds", "empty", "skipped", "unknown_documents", "unknown_queries", "duplicates")
    lines = [f"{result['run']}: {result['queries'] - result['empty']:,} of {result['queries']:,} queries answered."]
    lines += [f"  {row['where']}: {row['reason']}" for row in result["skipped_rows"][:10]]
    lines += [f"Warning: {warning}" for warning in result["warnings"]]
    call.answer({key: result[key] for key in (*keys, "warnings")}, "\n".join(lines))


def evaluate(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Runs of one query set; the first is the baseline")],
    measures: Annotated[str, typer.Option(help="Measures as ir-measures writes them")] = "nDCG@10 R@100 RR@10",
    label_set: Annotated[list[str] | None, typer.Option(help="Label set to judge by; none: all but proposals")] = None,
    drop_self: Annotated[bool, typer.Option(help="Drop a hit whose id is the query's own id")] = False,
    parent: Annotated[str, typer.Option(help="Metadata column naming the document that a chunk is part of")] = "",
) -> None:
    """Measure RUNS and compare each with the first: intervals, randomisation tests, wins and losses."""
    from workbench.workflows.evaluate import EvaluateOptions, compare
    from workbench.workflows.evaluate import evaluate as measure

    call: Call = context.obj
    options = EvaluateOptions(drop_self=drop_self, parent=parent)
    found = measure(call.project, runs, measures, label_set or None, options)
    compared = compare(found, found.runs[0].run.name)
    values = {
        "runs": [_figures(each) for each in found.runs],
        "comparisons": [{**asdict(each), "significant": each.significant} for each in compared],
        "query_set": found.query_set,
        "label_sets": found.label_sets,
        "options": found.options.to_dict(),
        "counts": asdict(found.counts),
        "warnings": found.warnings,
    }
    call.answer(values, "\n".join(_lines(found, compared)))


def _figures(figures: "RunFigures") -> dict[str, Any]:
    return {
        "run": figures.run.name,
        "measures": figures.means,
        "judged": figures.judged,
        "bounds": {name: None if each is None else list(each) for name, each in figures.bounds.items()},
    }


def _lines(found: "Evaluation", compared: "list[Comparison]") -> list[str]:
    width = max(len(each.run.name) for each in found.runs) + 2
    lines = [" " * width + "".join(f"{measure:>14}" for measure in found.measures)]
    for each in found.runs:
        means = (each.means[measure] for measure in found.measures)
        lines.append(f"{each.run.name:<{width}}" + "".join(f"{_number(mean):>14}" for mean in means))
        shares = (each.judged[measure] for measure in found.measures)
        cells = "".join(f"{'–' if share is None else format(1 - share, '.0%'):>14}" for share in shares)
        lines.append(f"{'  unjudged':<{width}}{cells}")
    lines += [
        f"{each.run} less {each.baseline}, {each.measure}: {each.mean:+.4f} [{each.low:+.4f}, {each.high:+.4f}], "
        f"p {each.p:.4f} (Holm {each.p_holm:.4f}), {each.wins} won, {each.ties} tied, {each.losses} lost"
        for each in compared
    ]
    return [*lines, *(f"Note: {warning}" for warning in found.warnings)]


def _number(mean: float | None) -> str:
    return "–" if mean is None else f"{mean:.4f}"
