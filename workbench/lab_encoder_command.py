"""The command of the command line that measures encoders."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from workbench.cli import Call, run_job
from workbench.specs import EncoderLabSpec


def lab_encoder(
    context: typer.Context,
    corpus: str,
    encoders: Annotated[list[str], typer.Argument(help="Encoders of embeddings of the corpus")],
    query_set: Annotated[str, typer.Option(help="Queries with judgments; empty: documents ask")] = "",
    queries: Annotated[int, typer.Option(help="Most queries, a seeded sample")] = 500,
    pairs: Annotated[int, typer.Option(help="Random pairs")] = 5000,
    timed: Annotated[int, typer.Option(help="Documents encoded again for their speed; 0: none")] = 128,
    seed: Annotated[int, typer.Option(help="Another seed measures again")] = 0,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Queue the job and end")] = False,
) -> None:
    """Measure ENCODERS over CORPUS: quality at smaller sizes, score distributions, speed, hubness, prompts."""
    call: Call = context.obj
    spec = EncoderLabSpec(query_set=query_set, queries=queries, pairs=pairs, timed=timed, seed=seed)
    arguments = {"corpus": corpus, "encoders": encoders, "spec": spec.to_dict()}
    result = run_job(call, "encoder-lab", arguments, f"Measure encoders of {corpus}", wait=not no_wait)
    if result is not None:
        call.answer(result, encoder_lab_text(result))


def encoder_lab_text(result: Mapping[str, Any]) -> str:
    """A laboratory as a table for people."""
    lines = [f"{'encoder':<28}{'dim':>6}{'nDCG@10':>9}{'AUC':>8}{'threshold':>11}{'docs/s':>9}{'skewness':>10}"]
    for cell in result["cells"]:
        told = cell["figures"]
        whole, best, speed = told["curve"][0], told["scores"]["best"], told["speed"] or {}
        lines.append(
            f"{cell['encoder']:<28}{told['size']['dim']:>6}{_number(whole['ndcg'], 4):>9}"
            f"{_number(told['scores']['auc'], 4):>8}{_number(best and best['score'], 3):>11}"
            f"{_number(speed.get('documents_per_second'), 1):>9}{_number(told['hubness']['skewness'], 2):>10}"
        )
    return "\n".join([*lines, *(f"Warning: {warning}" for warning in result["warnings"])])


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
