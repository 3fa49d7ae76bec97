"""The command of the command line that mines hard negatives."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from workbench.cli import Call, run_job
from workbench.errors import BadInput
from workbench.specs import MiningSpec


def mine(
    context: typer.Context,
    query_set: str,
    encoder: Annotated[list[str], typer.Option(help="Encoder that finds candidates; several: name each")],
    range: Annotated[str, typer.Option(help="Ranks among what the other rules leave, FROM:TO")] = "0:100",
    relative_margin: Annotated[
        float | None, typer.Option(help="Share of the positive's score to stay below it")
    ] = None,
    absolute_margin: Annotated[float | None, typer.Option(help="Score to stay below the positive's")] = None,
    min_score: Annotated[float | None, typer.Option(help="Lowest score of a negative")] = None,
    max_score: Annotated[float | None, typer.Option(help="Highest score of a negative")] = None,
    near_duplicate: Annotated[float | None, typer.Option(help="Cosine to a positive that is too much")] = None,
    per_query: Annotated[int, typer.Option(help="Negatives of each query")] = 5,
    sampling: Annotated[str, typer.Option(help="top or random")] = "top",
    seed: Annotated[int, typer.Option(help="Same seed, same negatives")] = 0,
    reranker: Annotated[str, typer.Option(help="Scores the candidates again: catalogue name, hub id or folder")] = "",
    name: Annotated[str, typer.Option(help="Name of the label set; empty: from what made it")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Queue the job and end")] = False,
) -> None:
    """Propose hard negatives for the queries of QUERY_SET that have a positive, as a label set."""
    call: Call = context.obj
    first, last = window(range)
    spec = MiningSpec(
        range_min=first, range_max=last, relative_margin=relative_margin, absolute_margin=absolute_margin,
        min_score=min_score, max_score=max_score, near_duplicate=near_duplicate, per_query=per_query,
        sampling=sampling, seed=seed, reranker=reranker,
    )  # fmt: skip
    arguments = {"query_set": query_set, "spec": spec.to_dict(), "miners": encoder, "name": name}
    result = run_job(call, "mine", arguments, f"Mine {query_set} · {', '.join(encoder)}", wait=not no_wait)
    if result is not None:
        shown = ("label_set", "negatives", "dropped", "short", "missing", "queries", "queries_without_positives")
        call.answer({key: result[key] for key in (*shown, "missing_positives", "warnings")}, mined_text(result))


def window(text: str) -> tuple[int, int]:
    """The two numbers of “FROM:TO”. Raises `BadInput`."""
    first, colon, last = text.partition(":")
    if not (colon and first.strip().isdecimal() and last.strip().isdecimal()):
        raise BadInput(f"The range is “{text}”.", "Write it as FROM:TO, for example 10:100.")
    return int(first), int(last)


def mined_text(result: Mapping[str, Any]) -> str:
    """What a mining did, for people."""
    dropped = ", ".join(f"{rule} {count:,}" for rule, count in result["dropped"].items() if count)
    lines = [f"{result['label_set']}: {result['negatives']:,} negatives for {result['queries']:,} queries."]
    lines += [f"Dropped: {dropped}."] if dropped else []
    if result["short"]:
        lines.append(f"{result['short']:,} queries got fewer than asked for; {result['missing']:,} negatives lack.")
    return "\n".join([*lines, *(f"Warning: {warning}" for warning in result["warnings"])])
