"""How fast a JSONL corpus is imported, and in how much memory, beside two simpler programs in the same run.

Peers: `json.loads` a line into one SQLite table by executemany (no checks, no hashes; without and with the
same full-text index), and pandas/pyarrow reading the file into memory. Each runs in a process
of its own, so that each one's memory is its own.

    python benchmarks/import_corpus.py --documents 1000000
"""

import argparse
import json
import multiprocessing
import random
import resource
import sqlite3
import string
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

WORDS = 60
VOCABULARY = 30_000


def write_corpus(path: Path, documents: int) -> None:
    """A file of `documents` rows: a title, 60 words drawn by Zipf's law, three metadata columns."""
    rng = random.Random(0)
    words = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 10))) for _ in range(VOCABULARY)]
    weights = [1 / rank for rank in range(1, VOCABULARY + 1)]
    pool = rng.choices(words, weights, k=2_000_000)
    with path.open("w") as handle:
        for number in range(documents):
            at = rng.randrange(len(pool) - WORDS)
            chosen = pool[at : at + WORDS]
            row = {"_id": f"doc-{number}", "title": " ".join(chosen[:6]), "text": " ".join(chosen)}
            handle.write(json.dumps({**row, "year": 1990 + number % 30, "source": words[number % 50], "n": number / 7}))
            handle.write("\n")


def memory() -> float:
    """Resident megabytes now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def run_workbench(path: Path, folder: Path) -> int:
    from workbench.project import Project
    from workbench.workflows.corpus import import_corpus

    return import_corpus(Project.create(folder / "project"), "corpus", path).documents


def run_json_sqlite(path: Path, folder: Path) -> int:
    return json_sqlite(path, folder / "peer.db", with_search=False)


def run_json_sqlite_fts(path: Path, folder: Path) -> int:
    return json_sqlite(path, folder / "peer-fts.db", with_search=True)


def json_sqlite(path: Path, target: Path, *, with_search: bool) -> int:
    database = sqlite3.connect(target, isolation_level=None)
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
    database.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, doc_id TEXT UNIQUE, title, text, metadata)")
    search = "CREATE VIRTUAL TABLE f USING fts5(title, text, content='documents', content_rowid='id')"
    if with_search:
        database.execute(search)
    batch: list[tuple[Any, ...]] = []
    count = 0

    def flush() -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO documents VALUES (?, ?, ?, ?, ?)", batch)
        if with_search:
            database.executemany(
                "INSERT INTO f (rowid, title, text) VALUES (?, ?, ?)", [(r[0], r[2], r[3]) for r in batch]
            )
        database.execute("COMMIT")
        batch.clear()

    with path.open() as handle:
        for line in handle:
            row = json.loads(line)
            rest = {key: value for key, value in row.items() if key not in ("_id", "title", "text")}
            batch.append((count, row["_id"], row["title"], row["text"], json.dumps(rest)))
            count += 1
            if len(batch) == 1000:
                flush()
    flush()
    database.close()
    return count


def run_pandas(path: Path, folder: Path) -> int:
    import pandas

    return len(pandas.read_json(path, lines=True, engine="pyarrow"))


RUNS: dict[str, Callable[[Path, Path], int]] = {
    "workbench import": run_workbench,
    "json + sqlite3": run_json_sqlite,
    "json + sqlite3 + fts5": run_json_sqlite_fts,
    "pandas/pyarrow read": run_pandas,
}


def measure(name: str, path: Path, folder: Path, answer: Any) -> None:
    """Run one program in this process; send its figures."""
    before = memory()
    started, used = time.perf_counter(), time.process_time()
    documents = RUNS[name](path, folder)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    answer.send(
        {
            "name": name,
            "documents": documents,
            "seconds": round(seconds, 2),
            "documents_per_second": round(documents / seconds),
            "cpu_seconds": round(cpu, 2),
            "memory_above_start_mb": round(peak - before),
        }
    )


def in_process(name: str, path: Path, folder: Path) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=measure, args=(name, path, folder, there))
    process.start()
    there.close()
    found: dict[str, Any] = here.recv()
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    documents = parser.parse_args().documents
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "corpus.jsonl"
        write_corpus(path, documents)
        size = path.stat().st_size / 1e6
        results = [in_process(each, path, folder) for each in RUNS]
    print(f"{documents:,} documents, {size:.0f} MB of JSONL\n")
    print(f"{'':24}{'documents/s':>14}{'seconds':>10}{'cpu':>8}{'MB above start':>17}")
    for each in results:
        print(
            f"{each['name']:24}{each['documents_per_second']:>14,}{each['seconds']:>10}{each['cpu_seconds']:>8}"
            f"{each['memory_above_start_mb']:>17,}"
        )
    ours, peer = results[0], results[2]
    summary = {
        "benchmark": "import_corpus",
        "documents": documents,
        "megabytes": round(size),
        "documents_per_second": ours["documents_per_second"],
        "memory_above_start_mb": ours["memory_above_start_mb"],
        "speed_to_json_sqlite_fts": round(ours["documents_per_second"] / peer["documents_per_second"], 2),
        "runs": results,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
