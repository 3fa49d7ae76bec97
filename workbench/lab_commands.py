"""The command of the command line that measures indices."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from workbench.cli import Call, run_job
from workbench.specs import IndexLabSpec


def lab_index(
    context: typer.Context,
    corpus: str,
    encoder: str,
    factory: Annotated[
        list[str], typer.Option(help="Index to try, with settings: “IVF256,SQ8 nprobe=4,16”; several: name each")
    ],
    query_set: Annotated[str, typer.Option(help="Queries to ask; empty: documents' own vectors")] = "",
    queries: Annotated[int, typer.Option(help="Most queries, a seeded sample")] = 500,
    k: Annotated[int, typer.Option("-k", help="Neighbours of each query")] = 10,
    seed: Annotated[int, typer.Option(help="Another seed measures again")] = 0,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Queue the job and end")] = False,
) -> None:
    """Measure indices over CORPUS by ENCODER: recall against the exact search, latency, throughput, bytes."""
    call: Call = context.obj
    spec = IndexLabSpec(trials=tuple(factory), query_set=query_set, queries=queries, k=k, seed=seed)
    arguments = {"corpus": corpus, "encoder": encoder, "spec": spec.to_dict()}
    result = run_job(call, "index-lab", arguments, f"Measure indices of {corpus} · {encoder}", wait=not no_wait)
    if result is not None:
        call.answer(result, lab_text(result))


def lab_text(result: Mapping[str, Any]) -> str:
    """A laboratory as a table for people; * stands at the Pareto front."""
    k = result["k"]
    lines = [f"{'':<2}{'trial':<40}{f'recall@{k}':>10}{'p50 ms':>9}{'p99 ms':>9}{'queries/s':>11}{'memory':>15}"]
    for row in result["rows"]:
        lines.append(
            f"{'* ' if row['front'] else '  '}{row['trial']:<40}{row['recall']:>10.4f}{row['p50']:>9.3f}"
            f"{row['p99']:>9.3f}{row['qps']:>11,.0f}{row['memory_bytes']:>15,}"
        )
    lines += [f"Not tried: {each['trial']}: {each['message']} {each['hint']}" for each in result["refused"]]
    lines += [f"Warning: {warning}" for warning in result["warnings"]]
    return "\n".join([*lines, f"{result['queries']:,} queries in {result['seconds']:.1f} s."])
