"""What a comparison costs: one query through four columns over the demo's World Factbook, models and indices loaded.

    python benchmarks/compare.py [--queries 40] [--project DIR] [--rerank]

The columns are BM25, MiniLM, bge-small, and RRF of BM25 and MiniLM over 100 documents each; every query is new, so no
kept ranking helps but those of the same query. Then the fused column again with other weights, as a slider does. The
peer in the same run is the same work by hand: bm25s, SentenceTransformer.encode and a NumPy product, no documents read.
`--project` keeps the project there for the next run; without it, encoding takes some minutes. `--rerank` adds the
cross-encoder over 50 documents behind the fused column, which the promise does not cover.
Targets, at the median: first column ≤ 300 ms, all four ≤ 1 s, re-fusing ≤ 100 ms. Prints a table and one line of JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from workbench import corpora
from workbench.project import Project
from workbench.specs import EncodeSpec, FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.workflows.corpus import list_corpora, list_queries, list_query_sets
from workbench.workflows.demo import FACTBOOK, add_sample
from workbench.workflows.encode import encode_corpus, find_embedding, open_encoder
from workbench.workflows.retrieving import vectors_of
from workbench.workflows.search import search

K = 10
LIMITS = {"first column": 300.0, "all columns": 1000.0, "re-fuse": 100.0}
ENCODERS = ("bm25", "minilm", "bge-small")
FUSED = PipelineSpec((RetrieverSpec("bm25"), RetrieverSpec("minilm")), FusionSpec("rrf"))
COLUMNS = {name: PipelineSpec((RetrieverSpec(name),)) for name in ENCODERS} | {"rrf": FUSED}


def make_project(folder: Path) -> Project:
    """The factbook with three embeddings; what is there already is left alone."""
    project = Project.open(folder) if (folder / "project.db").is_file() else Project.create(folder)
    if FACTBOOK.name not in {corpus.name for corpus in list_corpora(project)}:
        add_sample(project, FACTBOOK, lambda done, total: None)
    for name in ENCODERS:
        encode_corpus(project, FACTBOOK.name, name, EncodeSpec(device="cpu"))
    return project


def queries_of(project: Project, count: int) -> list[str]:
    """`count` different queries of the sample, those of the warm-up after them."""
    (found,) = list_query_sets(project, FACTBOOK.name)
    texts = list(dict.fromkeys(query.text for query in list_queries(project, found.name, 0, 4 * count)))
    if len(texts) < count + 3:
        raise SystemExit(f"The query set has {len(texts)} queries; ask for fewer.")
    return texts[: count + 3]


def by_hand(project: Project, queries: Sequence[str]) -> Callable[[str], Any]:
    """The same four columns without the workbench: encode, multiply, sort; the ranks of two joined."""
    import bm25s
    from sentence_transformers import SentenceTransformer

    info = corpora.find(project.db, FACTBOOK.name)
    texts = corpora.texts(project.db, info.id, 0, info.documents)
    words = bm25s.BM25()
    words.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)
    models = []
    for name in ENCODERS[1:]:
        artifact = find_embedding(project, info, name)
        folder = open_encoder(artifact)._folder
        vectors = vectors_of(artifact)
        models.append((SentenceTransformer(str(folder), device="cpu"), vectors.take(np.arange(len(vectors)))))

    def ask(query: str) -> Any:
        counted, _ = words.retrieve(bm25s.tokenize([query], show_progress=False), k=100, show_progress=False)
        found = []
        for model, matrix in models:
            scores = matrix @ model.encode(query, show_progress_bar=False, normalize_embeddings=True)
            found.append(np.argsort(-scores)[:100])
        joined: dict[int, float] = {}
        for each in (counted[0], found[0]):
            for rank, ordinal in enumerate(each, start=1):
                joined[int(ordinal)] = joined.get(int(ordinal), 0.0) + 1 / (60 + rank)
        return sorted(joined, key=lambda ordinal: -joined[ordinal])

    for query in queries[-3:]:
        ask(query)
    return ask


def timed(run: Callable[[], Any]) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


def measure(project: Project, queries: Sequence[str], rerank: bool) -> dict[str, list[float]]:
    """Milliseconds by what was measured, one for each query."""
    name = FACTBOOK.name
    peer = by_hand(project, queries)
    taken: dict[str, list[float]] = {each: [] for each in (*COLUMNS, "all columns", "re-fuse", "by hand")}
    taken |= {"rerank 50": [], "another rerank depth": []} if rerank else {}
    warm = queries[-3:]
    for number, query in enumerate([*warm, *queries[:-3]]):
        found = {
            label: timed(lambda spec=spec, query=query: search(project, name, query, spec, K))
            for label, spec in COLUMNS.items()
        }
        found["all columns"] = sum(found.values())
        other = replace(FUSED, fusion=FusionSpec("minmax", weights=(0.1 + 0.02 * number, 0.5)))
        found["re-fuse"] = timed(lambda other=other, query=query: search(project, name, query, other, K))
        found["by hand"] = timed(lambda query=query: peer(query))
        if rerank:
            spec = replace(FUSED, reranker=RerankSpec("ms-marco-minilm-l12", 50))
            found["rerank 50"] = timed(lambda spec=spec, query=query: search(project, name, query, spec, K))
            less = replace(spec, reranker=RerankSpec("ms-marco-minilm-l12", 30))
            found["another rerank depth"] = timed(lambda less=less, query=query: search(project, name, query, less, K))
        if number >= len(warm):
            for label, value in found.items():
                taken[label].append(value)
    taken["first column"] = taken[ENCODERS[0]]
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--rerank", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        project = make_project(options.project or Path(place) / "bench")
        taken = measure(project, queries_of(project, options.queries), options.rerank)
        documents = corpora.find(project.db, FACTBOOK.name).documents
        project.close()
    results = {
        label: {"p50_ms": round(float(np.median(each)), 2), "p95_ms": round(float(np.percentile(each, 95)), 2)}
        for label, each in taken.items()
    }
    print(f"{'compare':<24}{'p50 ms':>10}{'p95 ms':>10}{'target':>10}")
    for label, row in results.items():
        target = f"{LIMITS[label]:.0f}" if label in LIMITS else ""
        print(f"{label:<24}{row['p50_ms']:>10}{row['p95_ms']:>10}{target:>10}")
    passed = all(results[label]["p50_ms"] <= limit for label, limit in LIMITS.items())
    summary = {"benchmark": "compare", "documents": documents, "queries": options.queries, "cores": os.cpu_count()}
    print(json.dumps(summary | {"limits_ms": LIMITS, "passed": passed, "results": results}))
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
