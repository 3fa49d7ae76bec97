"""What the commands of the command line share: the project, jobs, pipelines, answers, and the one error boundary."""

import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.exceptions import TyperException

from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.project import Project, Workspace
from workbench.specs import PipelineSpec, RerankSpec, RetrieverSpec

if TYPE_CHECKING:
    from workbench.workflows.search import SearchResult


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


@dataclass(frozen=True)
class Asking:
    """How a command names its pipeline: a file or a saved pipeline's name, or an encoder with what goes with it."""

    pipeline: str = ""
    encoder: str = ""
    index: str = "exact"
    reranker: str = ""
    depth: int = 50

    def spec(self, project: Project) -> PipelineSpec:
        """Raises `BadInput` or `NotFound` where it names none, two, or one that cannot be read."""
        if not self.pipeline:
            if not self.encoder:
                raise BadInput(
                    "Neither a pipeline nor an encoder was named.", "Give --encoder NAME or --pipeline FILE."
                )
            reranker = RerankSpec(self.reranker, self.depth) if self.reranker else None
            return PipelineSpec((RetrieverSpec(encoder=self.encoder, index=self.index),), reranker=reranker)
        if self.encoder or self.reranker:
            raise BadInput(
                "Both a pipeline and an encoder or reranker were named.",
                "Give --pipeline, or --encoder and --reranker.",
            )
        if Path(self.pipeline).suffix == ".json" or Path(self.pipeline).is_file():
            return read_pipeline(Path(self.pipeline))
        from workbench.workflows.views import get_pipeline

        return get_pipeline(project, self.pipeline)


def read_pipeline(path: Path) -> PipelineSpec:
    """The pipeline in a JSON file. Raises `NotFound` or `BadInput` where it cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFound(f"The pipeline file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadInput(f"The pipeline file {path} is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise BadInput(f"The pipeline file {path} holds no JSON object.", 'Begin with {"retrievers": [...]}.')
    return PipelineSpec.from_dict(values)


def search_answer(result: "SearchResult") -> tuple[dict[str, Any], str]:
    """(hits with their standing after each stage, for programs; the same as lines, for people)."""
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
    labels = [stage.label for stage in result.stages]
    lines = []
    for hit in result.hits:
        trace = " → ".join(str(hit.stages[label].rank) if label in hit.stages else "–" for label in labels)
        said = hit.document.title or hit.document.text
        lines.append(f"{hit.rank:>3}  {hit.score:8.4f}  {hit.document.doc_id}  {said[:90]!s}  [{trace}]")
    lines += [f"Note: {warning}" for warning in result.warnings]
    lines.append(f"{len(hits)} hits in {result.timings['total']:.1f} ms through {' → '.join(labels)}")
    values = {"hits": hits, "timings": dict(result.timings), "stages": labels, "warnings": list(result.warnings)}
    return values, "\n".join(lines)


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
