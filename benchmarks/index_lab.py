"""The index laboratory over 100,000 × 384 with eight settings, beside plain FAISS on the very same indices.

    python benchmarks/index_lab.py [--documents 100000] [--queries 500] [--small]

Ours is the whole job: it builds the indices, searches exactly, asks every trial query by query and all at once, and
writes what it found. The peer opens the files of those indices with `faiss.read_index`, and asks the same queries one
by one on one thread; its recall is counted here by numpy, with the laboratory's tolerance. Indices that verify
candidates from the stored vectors are ours alone, and have no peer. Target: at most ten minutes on two cores, recalls
within 0.01 of the peer's. Prints a table and one line of JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import faiss
from search import DIM, make_project, make_vectors

from workbench.artifacts import Artifact
from workbench.project import Project
from workbench.scoring import normalize_rows
from workbench.specs import IndexLabSpec
from workbench.workflows.index_lab import LabReport, TrialRow, measure_indices
from workbench.workflows.lab_measuring import matrix_of, queries_of, truth_of

K, LIMIT_SECONDS, NEAR, TOLERANCE = 10, 600.0, 0.01, 1e-3


def lines_of(lists: int) -> tuple[str, ...]:
    """Eight settings of six indices, as the form suggests them."""
    return (
        "HNSW32 ef_search=64,256",
        f"IVF{lists},SQ8 nprobe=8,64",
        f"IVF{lists},PQ96 nprobe=64",
        f"IVF{lists},RaBitQ,Refine(SQ8) nprobe=64",
        "Binary,Verify k_factor=20",
        f"IVF{lists},PQ96,Verify nprobe=64",
    )


def plain(project: Project, lab: Artifact, row: TrialRow, vectors: np.ndarray) -> dict[str, Any]:
    """Recall and median of FAISS alone on the index of `row`; nothing where FAISS has no such index.

    `vectors` (n, d) float32 of length 1, as they are stored.
    """
    if row.factory == "exact" or "Verify" in row.factory:
        return {}
    index = faiss.read_index(str(project.artifacts.get(row.index).folder / "index.faiss"))
    # A refined index hands its settings to the one that chooses the candidates.
    names = {"ef_search": "efSearch", "k_factor": "k_factor_rf"}
    for name, value in row.settings.items():
        faiss.ParameterSpace().set_index_parameter(index, names.get(name, name), value)
    queries, truth = normalize_rows(np.array(matrix_of(lab.folder))), truth_of(lab.folder)
    own = np.array([each["own"] for each in queries_of(lab.folder)])
    faiss.omp_set_num_threads(1)
    for query in queries[:5]:
        index.search(query[None], K + 1)
    spent, hits = [], 0
    for at, query in enumerate(queries):
        started = time.perf_counter()
        _, found = index.search(query[None], K + 1)
        spent.append(1000 * (time.perf_counter() - started))
        least = (vectors[truth[at]] @ query).min()
        kept = found[0][(found[0] != own[at]) & (found[0] >= 0)][:K]
        hits += int((vectors[kept] @ query >= least - TOLERANCE * abs(least)).sum())
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    return {"plain_recall": round(hits / truth.size, 4), "plain_p50": round(float(np.median(spent)), 3)}


def table(report: LabReport, peers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each trial, the peer's figures beside ours."""
    return [
        {
            "trial": row.trial,
            "recall": row.recall,
            "p50": round(row.p50, 3),
            "p99": round(row.p99, 3),
            "qps": row.qps,
            "build": row.build_seconds,
            "mb": round(row.memory_bytes / 2**20, 1),
        }
        | peer
        for row, peer in zip(report.rows, peers, strict=True)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--small", action="store_true", help="5,000 documents: whether it runs at all")
    options = parser.parse_args()
    documents = 5000 if options.small else options.documents
    lists = 64 if options.small else 1024
    with tempfile.TemporaryDirectory() as place:
        project = make_project(Path(place), documents, made := make_vectors(documents, 2))
        vectors = normalize_rows(made.astype(np.float16).astype(np.float32))
        spec = IndexLabSpec(trials=lines_of(lists), queries=options.queries, k=K)
        started = time.perf_counter()
        report = measure_indices(project, "bench", "planted", spec)
        seconds = time.perf_counter() - started
        lab = project.artifacts.get(report.lab)
        rows = table(report, [plain(project, lab, row, vectors) for row in report.rows])
        project.close()
    names = list(rows[1])
    print(f"{'trial':<42}" + "".join(f"{name:>13}" for name in names[1:]))
    for row in rows:
        print(f"{row['trial']:<42}" + "".join(f"{row.get(name, '–'):>13}" for name in names[1:]))
    gaps = [abs(row["recall"] - row["plain_recall"]) for row in rows if "plain_recall" in row]
    passed = bool(seconds <= LIMIT_SECONDS and max(gaps) <= NEAR and rows[0]["recall"] == 1.0)
    summary = {"benchmark": "index_lab", "documents": documents, "dim": DIM, "cores": os.cpu_count()}
    summary |= {"settings": len(rows) - 1, "seconds": round(seconds, 1), "limit": LIMIT_SECONDS, "passed": passed}
    print(json.dumps(summary | {"rows": rows}))
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
