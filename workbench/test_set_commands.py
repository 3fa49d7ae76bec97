"""The commands that load test sets, make them of a corpus's own documents, and make variants of queries."""

from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli import Call, run_job
from workbench.specs import RecipeSpec, VarySpec, WriterSpec
from workbench.specs.test_sets import RECIPES, VARIATIONS

NoWait = Annotated[bool, typer.Option("--no-wait", help="Queue the job and end")]
Model = Annotated[str, typer.Option(help="Model that writes: hub id or folder, or its name at the endpoint")]
Gguf = Annotated[str, typer.Option(help="Name of a GGUF file inside the model's folder")]
EndpointOption = Annotated[str, typer.Option(help="OpenAI-compatible service that writes; else the model runs here")]
KeyVariable = Annotated[str, typer.Option(help="Environment variable with the endpoint's key")]
Prompt = Annotated[str, typer.Option(help="What is asked, with {document} or {query} in it; else the usual prompt")]


def import_test_set(
    context: typer.Context,
    name: str,
    path: Path,
    split: Annotated[str, typer.Option(help="Split of the queries; test if not given")] = "",
    no_wait: NoWait = False,
) -> None:
    """Load a BEIR, MTEB or AIR-Bench folder: corpus, queries and qrels. Makes the project where there is none yet."""
    call: Call = context.obj
    if call.folder is not None and not (call.folder / "project.db").exists():
        call.workspace.create(call.folder.name)
    arguments = {"name": name, "path": str(path.expanduser().resolve()), "split": split or None}
    result = run_job(call, "import-test-set", arguments, f"Load the test set {name}", wait=not no_wait)
    if result is not None:
        keys = ("corpus", "query_set", "documents", "queries", "judgments", "shape", "split", "splits", "skipped")
        more = ("unknown_documents", "unknown_queries", "warnings")
        text = (
            f"{result['corpus']}: {result['documents']} documents. {result['query_set']}: {result['queries']} queries, "
            f"{result['judgments']} judgments ({result['shape']})."
        )
        call.answer({key: result[key] for key in (*keys, *more)}, told(text, result))


def make_test_set(
    context: typer.Context,
    corpus: str,
    name: str,
    recipe: Annotated[str, typer.Option(help=f"What becomes the query: {', '.join(RECIPES)}")] = "title",
    column: Annotated[str, typer.Option(help="Recipe column: the metadata column with the queries")] = "",
    leave_out: Annotated[bool, typer.Option(help="Ask a new corpus without these titles or captions")] = False,
    limit: Annotated[int, typer.Option(help="Queries at most; 0: all")] = 100,
    seed: Annotated[int, typer.Option(help="Same seed, same queries")] = 0,
    model: Model = "",
    gguf: Gguf = "",
    endpoint: EndpointOption = "",
    key_variable: KeyVariable = "",
    prompt: Prompt = "",
    no_wait: NoWait = False,
) -> None:
    """Make the query set NAME of CORPUS's own documents: of titles, captions, a column, or written by a model."""
    call: Call = context.obj
    writer = writer_of(model, gguf, endpoint, key_variable, prompt)
    spec = RecipeSpec(recipe, column, leave_out, writer).to_dict()
    arguments = {"corpus": corpus, "name": name, "recipe": spec, "limit": limit, "seed": seed}
    result = run_job(call, "make-test-set", arguments, f"Make the test set {name} of {corpus}", wait=not no_wait)
    if result is not None:
        dropped = "".join(f", {count} {why}" for why, count in result["dropped"].items())
        text = f"{name}: {result['queries']} queries to {result['corpus']}, {result['judgments']} judgments{dropped}."
        call.answer(result, told(text, result))


def vary_queries(
    context: typer.Context,
    query_set: str,
    name: str,
    kind: Annotated[list[str] | None, typer.Option(help=f"May be given again: {', '.join(VARIATIONS)}")] = None,
    rate: Annotated[float, typer.Option(help="typos: share of the words of 4 letters and more that get one")] = 0.3,
    seed: Annotated[int, typer.Option(help="Same seed, same typos")] = 0,
    model: Model = "",
    gguf: Gguf = "",
    endpoint: EndpointOption = "",
    key_variable: KeyVariable = "",
    prompt: Prompt = "",
    no_wait: NoWait = False,
) -> None:
    """Make the query set NAME of the queries of QUERY_SET, mistyped or rephrased, with the same ids and qrels."""
    call: Call = context.obj
    writer = writer_of(model, gguf, endpoint, key_variable, prompt)
    spec = VarySpec(tuple(kind or ("typos",)), rate, seed, writer).to_dict()
    arguments = {"query_set": query_set, "name": name, "spec": spec}
    result = run_job(call, "vary-queries", arguments, f"Vary the queries {query_set}", wait=not no_wait)
    if result is not None:
        text = f"{name}: {result['changed']} of {result['queries']} queries changed, {result['judgments']} judgments."
        examples = [f"  {before}  →  {after}" for before, after in result["examples"]]
        call.answer(result, "\n".join([told(text, result), *examples]))


def writer_of(model: str, gguf: str, endpoint: str, key_variable: str, prompt: str) -> WriterSpec | None:
    """The model that writes; None where none was named."""
    if not (model or endpoint):
        return None
    return WriterSpec(model=model, endpoint=endpoint, key_variable=key_variable, prompt=prompt, gguf_file=gguf or None)


def told(text: str, result: dict[str, Any]) -> str:
    return "\n".join([text, *(f"Note: {warning}" for warning in result["warnings"])])
