"""The command line: `python -m workbench --project DIR COMMAND`.

With `--json` a command prints exactly one JSON object on standard output. Errors are one line on standard error; the
exit status is 1 for what the user can mend and 2 for wrong usage.
"""

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.project import Project, Workspace
from workbench.specs import EncodeSpec, ImportSpec, IndexSpec, PipelineSpec, RetrieverSpec

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass
class Call:
    """What every command knows: the project's folder and how to print."""

    folder: Path | None
    json: bool

    @property
    def project(self) -> Project:
        if self.folder is None:
            raise BadInput("No project was named.", "Put --project DIR before the command.")
        return Project.open(self.folder)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder.parent if self.folder is not None else Path("projects"))

    def answer(self, values: Mapping[str, Any], text: str) -> None:
        """Print the one result: JSON for programs, a sentence or table for people."""
        typer.echo(json.dumps(values, ensure_ascii=False) if self.json else text)


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


def run_job(
    call: Call, kind: str, arguments: dict[str, Any], title: str, *, device: str = "cpu", wait: bool = True
) -> dict[str, Any] | None:
    """Queue a job and wait for its result, with a worker of our own where none runs; None with `--no-wait`."""
    from workbench.jobs.waiting import run_to_end

    workspace, name = call.workspace, call.project.name
    if not wait:
        from workbench.jobs import JobService

        job = JobService(workspace.folder).enqueue(kind, name, arguments, title=title, device=device)
        call.answer({"job": job}, f"Queued as job {job}. It runs when a worker is there: python -m workbench worker")
        return None
    return run_to_end(workspace.folder, kind, name, arguments, title=title, device=device)


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
    no_wait: NoWait = False,
) -> None:
    """Turn a corpus into vectors with ENCODER: a catalogue name, hub id or folder."""
    call: Call = context.obj
    spec = EncodeSpec(device=device, dtype=dtype, batch_tokens=batch_tokens).to_dict()
    arguments = {"corpus": corpus, "encoder": encoder, "spec": spec}
    title = f"Encode {corpus} with {encoder}"
    result = run_job(call, "encode", arguments, title, device=device, wait=not no_wait)
    if result is not None:
        text = f"{result['vectors']} vectors of {result['dim']} dimensions in {result['seconds']:.1f} s."
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
    pipeline: Annotated[Path | None, typer.Option(help="Pipeline as a JSON file")] = None,
    encoder: Annotated[str, typer.Option(help="Encoder of an embedding of the corpus")] = "",
    index: Annotated[str, typer.Option(help="exact, or the factory string of a built index")] = "exact",
    k: Annotated[int, typer.Option("-k", help="Number of hits")] = 10,
) -> None:
    """Search a corpus and print the hits, best first."""
    from workbench.workflows.search import search as run_search

    call: Call = context.obj
    result = run_search(call.project, corpus, text, read_pipeline(pipeline, encoder, index), k)
    hits = [
        {
            "rank": hit.rank,
            "doc_id": hit.document.doc_id,
            "score": hit.score,
            "title": hit.document.title,
            "stages": {name: {"rank": stage.rank, "score": stage.score} for name, stage in hit.stages.items()},
        }
        for hit in result.hits
    ]
    lines = [
        f"{hit.rank:>3}  {hit.score:8.4f}  {hit.document.doc_id}  {(hit.document.title or hit.document.text)[:90]!s}"
        for hit in result.hits
    ]
    lines.append(f"{len(hits)} hits in {result.timings['total']:.1f} ms")
    call.answer({"hits": hits, "timings": dict(result.timings), "warnings": list(result.warnings)}, "\n".join(lines))


def read_pipeline(path: Path | None, encoder: str, index: str) -> PipelineSpec:
    """The pipeline from a JSON file, or one retriever. Raises `BadInput` where the file cannot be read."""
    if path is None:
        if not encoder:
            raise BadInput("Neither a pipeline nor an encoder was named.", "Give --encoder NAME or --pipeline FILE.")
        return PipelineSpec((RetrieverSpec(encoder=encoder, index=index),))
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFound(f"The pipeline file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadInput(f"The pipeline file {path} is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise BadInput(f"The pipeline file {path} holds no JSON object.", 'Begin with {"retrievers": [...]}.')
    return PipelineSpec.from_dict(values)


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
    """List the encoders of the catalogue."""
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
        f"{row['name']:<28} {row['dim'] or '':>5}  {row['licence']:<12} {row['size_mb'] or 0:>6} MB  {row['title']}"
        for row in rows
    ]
    call.answer({"models": rows}, "\n".join(text))


def guarded(run: Callable[[], Any]) -> int:
    """The one error boundary of the command line: exceptions become one line and an exit status."""
    try:
        status = run()
        return status if isinstance(status, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except TyperException as error:
        typer.echo(f"Usage: {error.format_message()} See python -m workbench --help.", err=True)
        return 2
    except WorkbenchError as error:
        typer.echo(" ".join(str(error).split()), err=True)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("Interrupted.", err=True)
        return 1
    except Exception as error:  # noqa: BLE001 — the last boundary: a person gets a sentence, never a traceback
        log = Path.cwd() / "workbench-error.log"
        log.write_text(traceback.format_exc())
        typer.echo(f"Unexpected {type(error).__name__}: {' '.join(str(error).split())} (details in {log})", err=True)
        return 1


def with_json_first(words: list[str]) -> list[str]:
    """`--json` is welcome anywhere before a `--`: moved to the front, where it belongs."""
    options = words[: words.index("--")] if "--" in words else words
    return (
        ["--json", *(word for word in options if word != "--json"), *words[len(options) :]]
        if "--json" in options
        else words
    )


if __name__ == "__main__":
    sys.exit(guarded(lambda: app(with_json_first(sys.argv[1:]), standalone_mode=False)))
