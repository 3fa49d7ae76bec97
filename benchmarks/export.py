"""How fast judgments are exported, and in how much memory: rows a second and the peak above the start, per format.

The project is written once (documents of 60 words, queries with 50 judgments each, every tenth a
positive); each format then runs in a process of its own, so that each one's memory is its own.
A quarter of the queries is exported from as well: flat memory means that both peaks are close.

    python benchmarks/export.py --judgments 1000000
"""

import argparse
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

PER_QUERY = 50
FORMATS = ("flagembedding", "st-pair", "trec")
SUFFIX = {"flagembedding": ".jsonl", "st-pair": ".parquet", "trec": ".qrels"}


def write_project(folder: Path, judged: int, documents: int) -> None:
    """A corpus of `documents` and the query sets “all” (`judged` judgments) and “quarter”."""
    from workbench import query_sets
    from workbench.judgments import Entry, Verdict, store
    from workbench.label_sets import make
    from workbench.project import Project
    from workbench.workflows.corpus import import_corpus
    from workbench.workflows.queries import import_queries

    rng = random.Random(0)
    words = [f"w{rng.randrange(10**6)}" for _ in range(20_000)]
    project = Project.create(folder / "project")
    with (folder / "corpus.jsonl").open("w") as handle:
        for n in range(documents):
            handle.write(json.dumps({"_id": f"d{n}", "text": f"{n} " + " ".join(rng.choices(words, k=60))}) + "\n")
    import_corpus(project, "corpus", folder / "corpus.jsonl")
    for name, count in (("all", judged // PER_QUERY), ("quarter", judged // PER_QUERY // 4)):
        with (folder / f"{name}.jsonl").open("w") as handle:
            for n in range(count):
                handle.write(json.dumps({"_id": f"q{n}", "text": " ".join(rng.choices(words, k=8))}) + "\n")
        import_queries(project, name, folder / f"{name}.jsonl", "corpus")
        info = query_sets.find(project.db, name)
        make(project.db, info.id, "given", "imported", {})
        entries = (
            Entry(f"q{n}", f"d{doc}", Verdict(1) if place % 10 == 0 else Verdict(0, True), {"score": 0.5})
            for n in range(count)
            for place, doc in enumerate(rng.sample(range(documents), PER_QUERY))
        )
        store(project.db, info, "given", "file", entries)
    project.close()


def memory() -> float:
    """Resident megabytes now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure(folder: Path, name: str, format: str, answer: Any) -> None:
    """Export once in this process; send its figures."""
    from workbench.project import Project
    from workbench.workflows.export_labels import export_labels

    project = Project.open(folder / "project")
    judged = project_judgments(project, name)
    before = memory()
    started, used = time.perf_counter(), time.process_time()
    report = export_labels(project, name, format, folder / f"{name}-{format}{SUFFIX[format]}")
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    answer.send(
        {
            "query_set": name,
            "format": format,
            "judgments": judged,
            "file_rows": report.rows,
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "judgments_per_second": round(judged / seconds),
            "memory_above_start_mb": round(peak - before),
        }
    )


def project_judgments(project: Any, name: str) -> int:
    from workbench import query_sets

    return query_sets.find(project.db, name).judgments


def in_process(folder: Path, name: str, format: str) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=measure, args=(folder, name, format, there))
    process.start()
    there.close()
    found: dict[str, Any] = here.recv()
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judgments", type=int, default=1_000_000)
    parser.add_argument("--documents", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, options.judgments, options.documents)
        results = [in_process(folder, each, format) for format in FORMATS for each in ("quarter", "all")]
    print(f"{options.judgments:,} judgments, {options.documents:,} documents\n")
    print(f"{'':16}{'judgments':>12}{'rows':>12}{'seconds':>10}{'cpu':>8}{'judgments/s':>14}{'MB above start':>17}")
    for each in results:
        print(
            f"{each['format']:16}{each['judgments']:>12,}{each['file_rows']:>12,}{each['seconds']:>10}"
            f"{each['cpu_seconds']:>8}"
            f"{each['judgments_per_second']:>14,}{each['memory_above_start_mb']:>17,}"
        )
    print(json.dumps({"benchmark": "export", "judgments": options.judgments, "runs": results}))


if __name__ == "__main__":
    main()
