"""Seconds to open the Evaluate page with many runs over many queries, and what comes after the table.

    python benchmarks/evaluate_page.py [--runs 20] [--queries 10000] [--depth 100] [--small]

A project is generated; its runs are random rankings in which one document a query is judged relevant. Measures are
kept beside each run when it is first measured, so three openings are timed: the first ever, one of a new process's
first page (nothing in memory), and the details under the table, cold (tests are run) and warm. Promise: the page opens
in at most 1 s.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

MEASURES = "nDCG@10 R@100 RR@10 AP P@5"


def build(folder: Path, runs: int, queries: int, depth: int) -> None:
    """The project “bench” with its corpus, judged queries and runs."""
    from workbench import runs as storage
    from workbench.project import Workspace
    from workbench.workflows.corpus import get_corpus, import_corpus, import_queries, list_query_sets

    project = Workspace(folder).create("bench")
    (folder / "c.jsonl").write_text(
        "".join(json.dumps({"id": f"d{n}", "text": f"text {n}"}) + "\n" for n in range(queries))
    )
    (folder / "q.jsonl").write_text(
        "".join(json.dumps({"id": f"q{n}", "text": f"asked {n}"}) + "\n" for n in range(queries))
    )
    (folder / "q.qrels").write_text("".join(f"q{n} 0 d{n} 1\n" for n in range(queries)))
    import_corpus(project, "corpus", folder / "c.jsonl")
    import_queries(project, "asked", folder / "q.jsonl", "corpus", folder / "q.qrels")
    corpus, (info,) = get_corpus(project, "corpus"), list_query_sets(project, "corpus")
    random = np.random.default_rng(0)
    for number in range(runs):
        spec = {"pipeline": {"retrievers": [{"encoder": f"e{number}"}]}, "k": depth, "queries": "generated"}
        draft = project.artifacts.begin("run", f"run-{number}", spec, [corpus.fingerprint], corpus.id)
        # A tenth of a percent apart: some comparisons are significant, some are not.
        ordinals = random.integers(0, queries, (queries, depth), dtype=np.int32)
        places = np.minimum(random.geometric(0.3 + 0.005 * number, queries) - 1, depth - 1)
        ordinals[np.arange(queries), places] = np.arange(queries)
        scores = np.tile(np.arange(depth, 0, -1, dtype=np.float32), (queries, 1))
        for block, start in enumerate(range(0, queries, 2048)):
            part = slice(start, start + 2048)
            storage.write_block(draft.folder, block, storage.Block(start, ordinals[part], scores[part]), np.zeros(1))
        manifest = {
            "corpus": {"name": "corpus", "version": 1, "id": corpus.id},
            "query_set": "asked",
            "queries": queries,
        }
        costs = {"k": depth, "seconds": 1.0, "milliseconds": 0.5 + number, "memory_bytes": (number + 1) << 20}
        draft.commit(manifest | costs | {"empty": 0, "warnings": [], "timings": {}, "lineage": {}})
        storage.add(project.db, f"run-{number}", info.id, draft.id)
    project.close()


def opened(folder: Path, repeats: int) -> dict[str, float]:
    """Seconds in this process: the upper part (first and median of later ones), the details cold and warm."""
    from types import SimpleNamespace

    from ui.pages.evaluate import EvaluatePage
    from ui.session import Context, Place
    from workbench.project import Workspace

    context = Context(Workspace(folder), SimpleNamespace())  # type: ignore[arg-type]
    # As in the app, where the bar has opened the project and read its schema.
    context.project("bench")
    page = EvaluatePage(context)
    place = Place("bench", "corpus", {"set": "asked", "measures": MEASURES})

    def timed(make: "object") -> float:
        start = time.perf_counter()
        markup = make()  # type: ignore[operator]
        if "run-0" not in markup or "Something went wrong" in markup:
            raise SystemExit(f"the page is wrong: {markup[:500]}")
        return time.perf_counter() - start

    first = timed(lambda: page.page(place))
    later = statistics.median(timed(lambda: page.page(place)) for _ in range(repeats))
    cold = timed(lambda: page.detailed(place, "x"))
    warm = statistics.median(timed(lambda: page.detailed(place, "x")) for _ in range(repeats))
    return {"open, first": first, "open, later": later, "details, tests run": cold, "details, later": warm}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="4 runs × 500 queries")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        print(json.dumps(opened(Path(given.inside), given.repeats)))
        return
    runs, queries = (4, 500) if given.small else (given.runs, given.queries)
    with tempfile.TemporaryDirectory(prefix="wb-bench-") as folder:
        build(Path(folder), runs, queries, given.depth)
        command = [sys.executable, __file__, "--inside", folder, "--repeats", str(given.repeats)]
        # Two processes: the first measures every run, the second finds the measures kept on disk.
        measured, kept = (json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(2))
    figures = {
        "open, never measured before": measured["open, first"],
        **{f"{name}": value for name, value in kept.items()},
    }
    for name, value in figures.items():
        print(f"{name:32} {value:7.2f} s")
    promise = {"promise": "open, first ≤ 1 s", "kept": figures["open, first"] <= 1}
    size = {"runs": runs, "queries": queries, "depth": given.depth, "measures": MEASURES}
    print(json.dumps({**size, "machine": platform.machine(), **figures, **promise}, ensure_ascii=False))


if __name__ == "__main__":
    main()
