"""What a search costs over raw FAISS: 100,000 × 384 clustered vectors, top 10 with their documents from SQLite.

    python benchmarks/search.py [--documents 100000] [--queries 200]

Ours is the whole search workflow (names, index, ranking, documents) given a query vector; raw is FAISS's `search` on
the same vectors, for HNSW on the very same index and settings. The two take turns, query by query, in one process.
Target: at most 5 ms more than raw FAISS at the median, exact and HNSW. Prints a table and one line of JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import faiss

from workbench import corpora
from workbench.project import Project
from workbench.scoring import normalize_rows
from workbench.specs import IndexSpec, PipelineSpec, RetrieverSpec
from workbench.types import Content, Filter
from workbench.vectors import ShardFolder
from workbench.workflows import retrieving
from workbench.workflows.corpus import import_corpus
from workbench.workflows.index import build_index
from workbench.workflows.retrieving import EncodedQuery
from workbench.workflows.search import search

DIM, K, LIMIT_MS = 384, 10, 5.0
WORDS = ("water", "music", "bread", "river", "city", "green", "light", "model", "vector", "index", "search", "house")


def make_vectors(count: int, seed: int) -> np.ndarray:
    """(count, 384) float32 around 300 centres that do not depend on `seed`."""
    centres = np.random.default_rng(0).standard_normal((300, DIM)).astype(np.float32)
    random = np.random.default_rng(seed)
    return centres[random.integers(0, 300, count)] + 0.7 * random.standard_normal((count, DIM), dtype=np.float32)


def make_project(folder: Path, count: int, vectors: np.ndarray | None = None) -> Project:
    """A project with `count` documents of about 100 words and their vectors, drawn unless given, in float16."""
    random = np.random.default_rng(1)
    with (folder / "docs.jsonl").open("w") as handle:
        for number in range(count):
            text = " ".join(random.choice(WORDS, 100))
            row = {"_id": f"doc{number}", "title": f"Title {number}", "text": text, "year": 1900 + number % 120}
            handle.write(json.dumps(row) + "\n")
    project = Project.create(folder / "bench")
    import_corpus(project, "bench", folder / "docs.jsonl")
    info = corpora.find(project.db, "bench")
    draft = project.artifacts.begin("embedding", "planted", {"name": "planted"}, [info.fingerprint], info.id)
    vectors = (make_vectors(count, 2) if vectors is None else vectors).astype(np.float16)
    for number, start in enumerate(range(0, count, 4096)):
        part = vectors[start : start + 4096]
        ShardFolder(draft.folder).write(number, {"values": part}, len(part))
    manifest = {"encoder": "planted", "output": "dense", "vectors": count, "dim": DIM, "warnings": []}
    draft.commit(manifest | {"similarity": "cosine", "normalize": True, "encoder_spec": {"kind": "dense"}})
    return project


class Given:
    """In place of an encoder: the next query vector."""

    warnings = ()

    def __init__(self) -> None:
        self.vector = np.zeros((1, DIM), np.float32)

    def encode(self, query: Content) -> EncodedQuery:
        return EncodedQuery(self.vector, query.text)


def milliseconds(ask: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = ask()
    return 1000 * (time.perf_counter() - started), found


def compare(ours: Callable[[np.ndarray], Any], raw: Callable[[np.ndarray], Any], queries: np.ndarray) -> dict[str, Any]:
    """Times of both in turns, and the share of raw FAISS's hits that ours found too."""
    times: dict[str, list[float]] = {"raw": [], "ours": []}
    stages: dict[str, list[float]] = {}
    shared = 0
    for query in queries[:5]:
        ours(query[None]), raw(query[None])
    for query in queries:
        taken, (_, ordinals) = milliseconds(lambda query=query: raw(query[None]))
        times["raw"].append(taken)
        taken, found = milliseconds(lambda query=query: ours(query[None]))
        times["ours"].append(taken)
        for stage, value in found.timings.items():
            stages.setdefault(stage, []).append(value)
        shared += len({hit.document.ordinal for hit in found.hits} & set(ordinals[0].tolist()))
    raw_ms, ours_ms = (float(np.median(times[name])) for name in ("raw", "ours"))
    return {
        "raw_p50_ms": round(raw_ms, 3),
        "ours_p50_ms": round(ours_ms, 3),
        "ours_p95_ms": round(float(np.percentile(times["ours"], 95)), 3),
        "over_ms": round(ours_ms - raw_ms, 3),
        "agreement": round(shared / (K * len(queries)), 4),
        "stages_p50_ms": {name: round(float(np.median(values)), 3) for name, values in stages.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        project = make_project(Path(place), options.documents)
        report = build_index(project, "bench", "planted", IndexSpec(factory="HNSW32", ef_construction=64))
        given = Given()
        retrieving.query_encoder = lambda embedding: given
        rows = normalize_rows(make_vectors(options.documents, 2).astype(np.float16))
        flat = faiss.IndexFlatIP(DIM)
        flat.add(rows)
        file = project.artifacts.get(report.index).folder / "index.faiss"
        graph = faiss.read_index(str(file))
        queries = normalize_rows(make_vectors(options.queries, 3))
        few = (Filter("year", "<", 1903),)

        def ours(index: str, filters: tuple[Filter, ...] = ()) -> Callable[[np.ndarray], Any]:
            pipeline = PipelineSpec((RetrieverSpec(encoder="planted", index=index, ef_search=None),))

            def ask(query: np.ndarray) -> Any:
                given.vector = query
                # The same text again would get the ranking that was kept, of another vector.
                return search(project, "bench", query.tobytes().hex()[:64], pipeline, K, filters)

            return ask

        wide = faiss.SearchParametersHNSW(efSearch=64)
        kept = np.flatnonzero(np.arange(options.documents) % 120 < 3)
        chosen = faiss.SearchParameters(sel=faiss.IDSelectorArray(kept))
        results = {
            "exact": compare(ours("exact"), lambda query: flat.search(query, K), queries),
            "HNSW32": compare(ours("HNSW32"), lambda query: graph.search(query, K, params=wide), queries),
            "exact, same filter": compare(ours("exact", few), lambda q: flat.search(q, K, params=chosen), queries),
            "HNSW32, same filter": compare(ours("HNSW32", few), lambda q: flat.search(q, K, params=chosen), queries),
        }
        project.close()
    names = ("raw_p50_ms", "ours_p50_ms", "ours_p95_ms", "over_ms", "agreement")
    print(f"{'search':<22}" + "".join(f"{name:>14}" for name in names))
    for name, row in results.items():
        print(f"{name:<22}" + "".join(f"{row[each]:>14}" for each in names))
    passed = all(results[name]["over_ms"] <= LIMIT_MS for name in ("exact", "HNSW32"))
    summary = {"benchmark": "search", "documents": options.documents, "dim": DIM, "cores": os.cpu_count()}
    summary |= {"index_seconds": round(report.seconds, 1), "limit_ms": LIMIT_MS, "passed": passed, "results": results}
    print(json.dumps(summary))
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
