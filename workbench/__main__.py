"""The command line: `python -m workbench --project DIR COMMAND`.

With `--json` a command prints exactly one JSON object on standard output. Errors are one line on standard error; the
exit status is 1 for what the user can mend and 2 for wrong usage.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import Asking, Call, guarded, run_job, search_answer, with_json_first
from workbench.lab_commands import lab_index
from workbench.lab_encoder_command import lab_encoder
from workbench.label_commands import export, import_labels, label
from workbench.mining_command import mine
from workbench.review_commands import agreement, guard
from workbench.run_commands import evaluate, import_run, run
from workbench.specs import EncodeSpec, ImportSpec, IndexSpec, MapSpec
from workbench.test_set_commands import import_test_set, make_test_set, vary_queries
from workbench.types import Content, Filter

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def main(
    context: typer.Context,
    project: Annotated[Path | None, typer.Option(help="Folder of the project")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Load corpora, encode, index, search and judge from the command line."""
    context.obj = Call(project.expanduser().resolve() if project is not None else None, json)


NoWait = Annotated[bool, typer.Option("--no-wait", help="Queue the job and end")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]


@app.command()
def import_corpus(
    context: typer.Context,
    name: str,
    path: Path,
    reader: Annotated[str, typer.Option(help="File format; guessed if not given")] = "",
    id_field: str = "",
    text_field: str = "",
    title_field: str = "",
    image_field: str = "",
    no_wait: NoWait = False,
) -> None:
    """Load documents from a file or folder. Makes the project where there is none yet."""
    call: Call = context.obj
    if call.folder is not None and not (call.folder / "project.db").exists():
        call.workspace.create(call.folder.name)
    spec = ImportSpec(reader, id_field, text_field, title_field, image_field)
    arguments = {"name": name, "path": str(path.expanduser().resolve()), "spec": spec.to_dict()}
    result = run_job(call, "import", arguments, f"Import {name}", wait=not no_wait)
    if result is not None:
        values = {key: result[key] for key in ("corpus", "version", "documents", "skipped", "warnings", "unchanged")}
        same = " It is the same as before: nothing was changed." if result["unchanged"] else ""
        skipped = [f"  {row['where']}: {row['reason']}" for row in result["skipped_rows"][:10]]
        text = f"{name}: {result['documents']} documents, {result['skipped']} rows skipped.{same}"
        call.answer(values, "\n".join([text, *skipped, *(f"  {warning}" for warning in result["warnings"])]))


@app.command()
def import_queries(
    context: typer.Context,
    name: str,
    path: Path,
    corpus: Annotated[str, typer.Option(help="Corpus the queries are for")],
    qrels: Annotated[Path | None, typer.Option(help="TREC or BEIR qrels")] = None,
    no_wait: NoWait = False,
) -> None:
    """Load queries, and qrels with them."""
    call: Call = context.obj
    arguments = {
        "name": name,
        "path": str(path.expanduser().resolve()),
        "corpus": corpus,
        "qrels": None if qrels is None else str(qrels.expanduser().resolve()),
    }
    result = run_job(call, "queries", arguments, f"Import queries {name}", wait=not no_wait)
    if result is not None:
        text = (
            f"{name}: {result['queries']} queries, {result['judgments']} judgments, {result['skipped']} rows skipped."
        )
        call.answer({key: result[key] for key in ("query_set", "queries", "judgments", "skipped", "warnings")}, text)


@app.command()
def encode(
    context: typer.Context,
    corpus: str,
    encoder: str,
    device: Device = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16")] = "auto",
    batch_tokens: Annotated[int | None, typer.Option(help="Tokens in one batch; none: what suits the device")] = None,
    subset: Annotated[str, typer.Option(help="Only this subset: as a corpus of its own, CORPUS-SUBSET")] = "",
    no_wait: NoWait = False,
) -> None:
    """Turn a corpus into vectors with ENCODER: a catalogue name, hub id or folder."""
    call: Call = context.obj
    spec = EncodeSpec(device=device, dtype=dtype, batch_tokens=batch_tokens).to_dict()
    arguments = {"corpus": corpus, "encoder": encoder, "spec": spec}
    title = f"Encode {corpus} with {encoder}"
    kind = "encode"
    if subset:
        kind, title = "encode-subset", f"Encode the subset {subset} of {corpus} with {encoder}"
        arguments["subset"] = subset
    result = run_job(call, kind, arguments, title, device=device, wait=not no_wait)
    if result is not None:
        text = f"{result['vectors']} vectors of {result['dim']} dimensions in {result['seconds']:.1f} s."
        text += f" The corpus is {result['corpus']}." if subset else ""
        call.answer(result, "\n".join([text, *(f"Warning: {warning}" for warning in result["warnings"])]))


@app.command()
def index(context: typer.Context, corpus: str, encoder: str, factory: str, no_wait: NoWait = False) -> None:
    """Build a FAISS index from its factory string, for example HNSW32 or IVF256,SQ8."""
    call: Call = context.obj
    arguments = {"corpus": corpus, "encoder": encoder, "spec": IndexSpec(factory=factory).to_dict()}
    result = run_job(call, "index", arguments, f"Index {corpus} · {encoder} · {factory}", wait=not no_wait)
    if result is not None:
        call.answer(result, f"{factory}: {result['bytes']:,} bytes in {result['seconds']:.1f} s.")


@app.command()
def search(
    context: typer.Context,
    text: str,
    corpus: Annotated[str, typer.Option(help="Corpus to search")],
    image: Annotated[Path | None, typer.Option(help="Image to search with; TEXT may then be empty")] = None,
    pipeline: Annotated[str, typer.Option(help="Pipeline: a JSON file, or the name of one saved in the project")] = "",
    encoder: Annotated[str, typer.Option(help="Encoder of an embedding of the corpus")] = "",
    index: Annotated[str, typer.Option(help="exact, or the factory string of a built index")] = "exact",
    reranker: Annotated[str, typer.Option(help="Reranker, after the encoder: catalogue name, hub id or folder")] = "",
    depth: Annotated[int, typer.Option(help="Hits that the reranker scores again")] = 50,
    k: Annotated[int, typer.Option("-k", help="Number of hits")] = 10,
) -> None:
    """Search a corpus with a text, an image or both, and print the hits, best first."""
    from workbench.workflows.memory import apply_settings
    from workbench.workflows.search import search as run_search

    call: Call = context.obj
    project = call.project
    apply_settings(call.workspace.folder)
    spec = Asking(pipeline, encoder, index, reranker, depth).spec(project)
    query = Content(text)
    if image is not None:
        from workbench.workflows.images import query_image, store_query_image

        query = Content(text, query_image(project, store_query_image(project, image.expanduser())))
    call.answer(*search_answer(run_search(project, corpus, query, spec, k)))


@app.command(name="map")
def make_map(
    context: typer.Context,
    corpus: str,
    encoder: str,
    method: Annotated[str, typer.Option(help="umap or pca")] = "umap",
    neighbors: Annotated[int, typer.Option(help="True neighbours each document is drawn to")] = 15,
    min_dist: Annotated[float, typer.Option(help="umap: how close points may lie, 0 to 0.99")] = 0.1,
    seed: Annotated[int, typer.Option(help="Same seed, same map")] = 0,
    aligned_with: Annotated[str, typer.Option(help="Id of a map of the same corpus to start from")] = "",
    place_into: Annotated[str, typer.Option(help="Id of a map to place CORPUS into; its settings are taken")] = "",
    no_wait: NoWait = False,
) -> None:
    """Lay out the vectors of CORPUS by ENCODER in two dimensions, and measure how far to trust it."""
    call: Call = context.obj
    init = f"map:{aligned_with}" if aligned_with else "pca"
    spec = MapSpec(method=method, neighbors=neighbors, min_dist=min_dist, seed=seed, init=init).to_dict()
    kind, own = ("place", {"into": place_into}) if place_into else ("map", {"spec": spec})
    arguments = {"corpus": corpus, "encoder": encoder, **own}
    result = run_job(call, kind, arguments, f"Map {corpus} · {encoder}", wait=not no_wait)
    if result is not None:
        placed = f", {result['placed']:,} of them placed approximately," if result["placed"] else ""
        text = (
            f"{result['points']:,} documents{placed} in {result['seconds']:.1f} s; trustworthiness "
            f"{result['trustworthiness']:.3f}, continuity {result['continuity']:.3f} at k = {result['k']}."
        )
        call.answer(result, "\n".join([text, *(f"Warning: {warning}" for warning in result["warnings"])]))


@app.command()
def bridge(
    context: typer.Context,
    corpus: str,
    name: str,
    image_encoder: Annotated[str, typer.Option(help="Encoder of the pictures")] = "efficientnet-lite0",
    text_encoder: Annotated[str, typer.Option(help="Encoder of the captions")] = "minilm",
    no_wait: NoWait = False,
) -> None:
    """Fit a map between two encoders on a corpus of captioned pictures: a model NAME for text and images."""
    call: Call = context.obj
    arguments = {"name": name, "corpus": corpus, "image_encoder": image_encoder, "text_encoder": text_encoder}
    result = run_job(call, "bridge", arguments, f"Fit {name} on {corpus}", wait=not no_wait)
    if result is not None:
        text = (
            f"{name}: fitted on {result['pictures']} pictures; of {result['held_out']} held out, their own text finds "
            f"{result['recall_at_1']:.0%} first, {result['recall_at_10']:.0%} in the first ten."
        )
        call.answer(result, text)


@app.command()
def export_documents(
    context: typer.Context,
    corpus: str,
    format: Annotated[str, typer.Option(help="csv, jsonl or parquet")],
    subset: Annotated[str, typer.Option(help="Only the documents of this subset")] = "",
    out: Annotated[Path | None, typer.Option(help="File to write; in the project's exports/ if not given")] = None,
) -> None:
    """Write a corpus or one of its subsets to a file, with a manifest beside it."""
    from workbench.workflows.exporting import export_documents as run_export

    call: Call = context.obj
    filters = (Filter("@subset", "in", subset),) if subset else ()
    target = None if out is None else out.expanduser().resolve()
    made = run_export(call.project, corpus, format, filters, out=target)
    values = {"path": made.path, "rows": made.documents, "bytes": made.bytes, "manifest": made.manifest}
    call.answer(values, f"{made.documents} documents in {made.path}")


@app.command()
def jobs(context: typer.Context) -> None:
    """List the jobs, newest first."""
    from workbench.jobs import JobService

    call: Call = context.obj
    listed = JobService(call.workspace.folder).list(project=call.folder.name if call.folder else None)
    rows = [
        {name: getattr(job, name) for name in ("id", "kind", "project", "title", "state", "done", "total", "error")}
        | {"problem": job.problem}
        for job in listed
    ]
    text = [
        f"{job.id}  {job.state:<9}  {job.done}/{job.total}  {job.title}  {job.error or job.problem}" for job in listed
    ]
    call.answer({"jobs": rows}, "\n".join(text) or "No jobs yet.")


@app.command()
def cancel(context: typer.Context, job: str) -> None:
    """Stop a job. What it has finished stays."""
    from workbench.jobs import JobService

    call: Call = context.obj
    state = JobService(call.workspace.folder).cancel(job).state
    text = f"Job {job} stops within a second." if state == "running" else f"Job {job} is {state}."
    call.answer({"job": job, "state": state}, text)


@app.command()
def retry(context: typer.Context, job: str) -> None:
    """Run a failed or cancelled job again, from where it stopped."""
    from workbench.jobs import JobService

    call: Call = context.obj
    state = JobService(call.workspace.folder).retry(job).state
    call.answer({"job": job, "state": state}, f"Job {job} is {state} again.")


@app.command()
def worker(context: typer.Context, device: Device = "auto") -> None:
    """Run jobs for the projects beside DIR until Ctrl-C."""
    from workbench.jobs.worker import run_worker

    call: Call = context.obj
    raise typer.Exit(run_worker(call.workspace.folder, device))


@app.command()
def models(context: typer.Context) -> None:
    """List the encoders and rerankers of the catalogue."""
    from workbench.catalogue import catalogue

    call: Call = context.obj
    rows = [
        {
            "name": entry.name,
            "role": entry.role,
            "title": entry.title,
            "dim": entry.dim,
            "licence": entry.licence,
            "size_mb": entry.size_mb,
            "bundled": entry.bundled,
        }
        for entry in catalogue()
    ]
    text = [
        f"{row['name']:<28} {row['role']:<9} {row['dim'] or '':>5}  {row['licence']:<12} "
        f"{row['size_mb'] or 0:>6} MB  {row['title']}"
        for row in rows
    ]
    call.answer({"models": rows}, "\n".join(text))


app.command()(run)
app.command()(import_run)
app.command()(evaluate)
app.command()(mine)
app.command()(lab_index)
app.command()(lab_encoder)
app.command()(label)
app.command()(export)
app.command()(import_labels)
app.command()(guard)
app.command()(agreement)
app.command()(import_test_set)
app.command()(make_test_set)
app.command()(vary_queries)

if __name__ == "__main__":
    sys.exit(guarded(lambda: app(with_json_first(sys.argv[1:]), standalone_mode=False)))
