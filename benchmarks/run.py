"""Throughput of running a query set in batch against raw FAISS and the encoder in the same process.

    python benchmarks/run.py [--documents 100000] [--queries 4000] [--small]

The encoder stands in for a model: it takes a fixed time for each batch (as a small model on two cores does) and gives
vectors that were planted, so that both sides encode at the same cost. Raw: encode all in batches, one FAISS search over
all queries. Ours: the job, with its blocks on disk. The two take turns. Target: at least 0.8 of raw, exact and HNSW;
memory must not grow with the queries. Prints a table and one line of JSON.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import faiss
from search import DIM, make_project, make_vectors

from workbench import corpora, query_sets
from workbench.project import Project
from workbench.scoring import normalize_rows
from workbench.specs import IndexSpec, PipelineSpec, RetrieverSpec
from workbench.types import Content, Query
from workbench.workflows import retrieving
from workbench.workflows.index import build_index
from workbench.workflows.running import BATCH, delete_run, run_queries

K, LEAST, SECONDS_PER_QUERY = 100, 0.8, 0.0008


class Planted:
    """In place of an encoder: query “17” is row 17 of planted vectors, after the time that encoding would take."""

    warnings = ()
    modalities = frozenset({"text"})
    size_bytes = 0

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors = vectors

    def encode_many(self, queries: list[Content]) -> np.ndarray:
        time.sleep(SECONDS_PER_QUERY * len(queries))
        return self._vectors[[int(each.text) for each in queries]]


def raw(index: Any, planted: Planted, count: int) -> float:
    """Seconds of encoding and searching `count` queries."""
    started = time.perf_counter()
    rows = [
        planted.encode_many([Content(str(n)) for n in range(start, min(start + BATCH, count))])
        for start in range(0, count, BATCH)
    ]
    index.search(np.concatenate(rows), K)
    return time.perf_counter() - started


def ours(project: Project, index: str, query_set: str) -> float:
    """Seconds of the whole job; its run is removed again, so that the next one does the work too."""
    started = time.perf_counter()
    report = run_queries(project, query_set, PipelineSpec((RetrieverSpec("planted", index=index),)), K)
    taken = time.perf_counter() - started
    delete_run(project, report.id)
    return taken


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=4000)
    parser.add_argument("--small", action="store_true", help="10,000 documents, 1,000 queries")
    options = parser.parse_args()
    if options.small:
        options.documents, options.queries = 10_000, 1000
    with tempfile.TemporaryDirectory() as place:
        project = make_project(Path(place), options.documents)
        build_index(project, "bench", "planted", IndexSpec(factory="HNSW32", ef_construction=40))
        corpus = corpora.find(project.db, "bench")
        planted = Planted(normalize_rows(make_vectors(4 * options.queries, 3)))
        retrieving.query_encoder = lambda embedding: planted
        for name, count in (("some", options.queries), ("more", 4 * options.queries)):
            info = query_sets.ensure(project.db, name, corpus.id, "bench")
            for start in range(0, count, 900):
                batch = [Query(f"q{n}", str(n)) for n in range(start, min(start + 900, count))]
                query_sets.append(project.db, info.id, batch)
        rows = normalize_rows(make_vectors(options.documents, 2).astype(np.float16))
        flat = faiss.IndexFlatIP(DIM)
        flat.add(rows)
        (artifact,) = project.artifacts.list("index")
        graph = faiss.read_index(str(artifact.folder / "index.faiss"))
        graph.hnsw.efSearch = max(K, 64)
        results = {}
        for name, index in (("exact", flat), ("HNSW32", graph)):
            times = [(raw(index, planted, options.queries), ours(project, name, "some")) for _ in range(3)]
            theirs, mine = (float(np.median(each)) for each in zip(*times, strict=True))
            results[name] = {"raw_qps": options.queries / theirs, "ours_qps": options.queries / mine}
            results[name]["ratio"] = theirs / mine
        before = megabytes()
        ours(project, "exact", "more")
        grown = megabytes() - before
        project.close()
    print(f"{'run':<10}" + "".join(f"{name:>12}" for name in ("raw_qps", "ours_qps", "ratio")))
    for name, row in results.items():
        print(f"{name:<10}" + "".join(f"{value:>12.4g}" for value in row.values()))
    print(f"four times the queries: {grown:.0f} MB more")
    passed = all(row["ratio"] >= LEAST for row in results.values())
    summary = {"benchmark": "run", "documents": options.documents, "queries": options.queries, "k": K}
    summary |= {"cores": os.cpu_count(), "least": LEAST, "memory_grown_mb": round(grown, 1)}
    print(json.dumps(summary | {"passed": passed, "results": results}))
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
