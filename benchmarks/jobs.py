"""Promise: a judgment is stored within 20 ms (p99) while a worker writes shards and progress and an import runs.

A label write is a SELECT and an INSERT in one immediate transaction on the project's database. Beside it run a real
worker, whose child writes 3 MB shards, their rows and progress, and then also whole imports at full speed in another
process. The peer, in the same run and under the same kind of load: SQLite as it comes (rollback journal, FULL).

    python benchmarks/jobs.py [--writes 1000]
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import sqlalchemy as sa  # noqa: E402

from workbench.db import Database, corpora, judgments, query_sets, settings  # noqa: E402
from workbench.jobs import JobService  # noqa: E402
from workbench.jobs.kinds import Kind  # noqa: E402
from workbench.project import Project, Workspace  # noqa: E402
from workbench.types import Progress  # noqa: E402

PROMISE_MS = 20.0
BATCH = 2000
CORPUS = 40_000
KINDS = {"load": Kind("jobs:write_shards")}
PEER = "peer.db"


def write_shards(project: Project, peer: bool, progress: Progress) -> None:
    """The worker's side, until cancelled: shards fsynced and renamed, each noted in the database, with progress."""
    block, shard = os.urandom(3 * 2**20), 0
    plain = sqlite3.connect(project.folder / PEER, timeout=30)
    while True:
        path = project.exports / f"{shard % 8}.shard"
        with path.with_suffix(".partial").open("wb") as file:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
        path.with_suffix(".partial").replace(path)
        if peer:
            with plain:
                plain.execute("INSERT OR REPLACE INTO settings VALUES ('shard', ?)", (str(shard),))
        else:
            with project.db.write() as connection:
                note = sa.insert(settings).values(name="shard", value=shard)
                connection.execute(note.prefix_with("OR REPLACE"))
        shard += 1
        for _ in range(20):
            progress(shard, 0)
            time.sleep(0.005)


def import_for_ever(folder: Path, peer: bool) -> None:
    """The importer's side, in a process of its own: one import of the same source after the other."""
    from workbench.workflows.corpus import import_corpus

    source = folder.parent / "source.jsonl"
    words = np.random.default_rng(0).integers(0, 20_000, (CORPUS, 40))
    with source.open("w") as file:
        for ordinal, row in enumerate(words):
            file.write(json.dumps({"_id": f"d{ordinal}", "text": " ".join(f"w{word}" for word in row)}) + "\n")
    project, number = Project.open(folder), 1
    while True:
        number += 1
        if peer:
            import_plainly(source, folder / PEER, number)
        else:
            import_corpus(project, f"c{number}", source)


def import_plainly(source: Path, peer: Path, corpus: int) -> None:
    """Rows of a JSONL file into SQLite as it comes, `BATCH` a transaction."""
    plain = sqlite3.connect(peer, timeout=30)
    names = "corpus_id, ordinal, doc_id, title, text, image, metadata, content_hash"
    lines = source.read_text().splitlines()
    for start in range(0, len(lines), BATCH):
        found = [json.loads(line) for line in lines[start : start + BATCH]]
        rows = [(corpus, start + i, row["_id"], "", row["text"], None, "{}", "0") for i, row in enumerate(found)]
        with plain:
            plain.executemany(f"INSERT INTO documents ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    plain.close()


def label_ours(db: Database, number: int) -> None:
    """One judgment through `workbench.db`, as the label page stores it."""
    values = judgment(number)
    with db.write() as connection:
        chosen = (judgments.c.query_id == values["query_id"]) & (judgments.c.doc_id == values["doc_id"])
        found = connection.execute(sa.select(judgments.c.id).where(judgments.c.query_set_id == 1, chosen)).first()
        if found is None:
            connection.execute(sa.insert(judgments), values)


def label_plainly(connection: sqlite3.Connection, number: int) -> None:
    """The same judgment in SQLite as it comes."""
    values = judgment(number)
    connection.execute("BEGIN IMMEDIATE")
    query = "SELECT id FROM judgments WHERE query_set_id = 1 AND query_id = ? AND doc_id = ?"
    if connection.execute(query, (values["query_id"], values["doc_id"])).fetchone() is None:
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO judgments ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
    connection.execute("COMMIT")


def judgment(number: int) -> dict[str, Any]:
    return {
        "query_set_id": 1,
        "query_id": f"q{number % 50}",
        "doc_id": f"d{number}",
        "label_set": "default",
        "annotator": "me",
        "relevance": number % 4,
        "is_hard_negative": False,
        "note": "",
        "source": "label",
        "content_hash": "0" * 16,
        "updated_at": float(number),
    }


def make_project(folder: Path) -> tuple[Project, sqlite3.Connection]:
    """A project with a query set, and in its folder an SQLite file with default settings and the same tables."""
    project = Workspace(folder).create("p")
    row = {"id": 1, "name": "c", "version": 1, "fingerprint": "", "source": "", "source_fingerprint": "", "spec": {}}
    row |= {"columns": {}, "documents": 0, "has_images": False, "created_at": 0.0, "report": {}}
    with project.db.write() as connection:
        connection.execute(sa.insert(corpora).values(row))
        queries = {"id": 1, "name": "q", "corpus_id": 1, "source": "", "created_at": 0.0, "report": {}}
        connection.execute(sa.insert(query_sets).values(queries))
    plain = sqlite3.connect(project.folder / PEER, timeout=30, isolation_level=None)
    for table in ("corpora", "query_sets", "documents", "judgments", "settings"):
        with project.db.read() as connection:
            sql = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).scalar_one()
        plain.execute(sql)
    return project, plain


@contextmanager
def worker_load(service: JobService, peer: bool) -> Iterator[None]:
    """A running job that writes shards and progress."""
    id = service.enqueue("load", "p", {"peer": peer})
    while service.get(id).done < 3:
        time.sleep(0.1)
    yield
    service.cancel(id)
    ended = service.wait(id)
    if ended.state != "cancelled":
        raise SystemExit(f"the load failed: {ended.error} {service.log(id)}")


@contextmanager
def import_load(project: Project, peer: bool) -> Iterator[None]:
    """A process that imports."""
    command = [sys.executable, __file__, "--import-into", str(project.folder), str(int(peer))]
    importer = subprocess.Popen(command)
    time.sleep(3)
    yield
    if importer.poll() is not None:
        raise SystemExit("the importer ended too early")
    importer.kill()
    importer.wait()


def times_ms(writes: int, write: Callable[[int], None], first: int) -> dict[str, float]:
    """p50, p99 and greatest wall time of single writes, 15 ms apart, as no hand is."""
    taken = np.empty(writes)
    for number in range(writes):
        start = time.perf_counter()
        write(first + number)
        taken[number] = 1000 * (time.perf_counter() - start)
        time.sleep(0.015)
    p50, p99 = np.percentile(taken, (50, 99))
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2), "max_ms": round(float(taken.max()), 2)}


def measure(folder: Path, writes: int) -> dict[str, Any]:
    """Both sides, each quiet, beside the worker, and beside worker and import."""
    project, plain = make_project(folder)
    service = JobService(folder, kinds="jobs:KINDS")
    worker = service.start_worker("cpu")
    sides: dict[str, Callable[[int], None]] = {
        "workbench": lambda number: label_ours(project.db, number),
        "sqlite defaults": lambda number: label_plainly(plain, number),
    }
    result: dict[str, Any] = {}
    try:
        for name, write in sides.items():
            peer = name != "workbench"
            result[f"{name}, quiet"] = times_ms(writes, write, 0)
            with worker_load(service, peer):
                result[f"{name}, worker"] = times_ms(writes, write, writes)
                with import_load(project, peer):
                    result[f"{name}, worker and import"] = times_ms(writes, write, 2 * writes)
    finally:
        worker.terminate()
        worker.wait()
    plain.close()
    project.close()
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writes", type=int, default=1000)
    parser.add_argument("--import-into", nargs=2, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.import_into:
        import_for_ever(Path(options.import_into[0]), options.import_into[1] == "1")
    # The worker's child finds the job kind of this file by the name `jobs`.
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), options.writes)
    print(f"{'label write':<38}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    for name, values in result.items():
        print(f"{name:<38}" + "".join(f"{value:>9.2f}" for value in values.values()))
    kept = result["workbench, worker and import"]["p99_ms"] <= PROMISE_MS
    print(json.dumps({"benchmark": "jobs", "promise_p99_ms": PROMISE_MS, "kept": kept, "results": result}))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
