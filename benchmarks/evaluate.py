"""What evaluating costs: ten measures over 10,000 queries × depth 1,000 against pytrec_eval, significance, the table.

    python benchmarks/evaluate.py [--queries 10000] [--depth 1000] [--runs 20] [--small]

pytrec_eval gets dictionaries that are ready (making them is not counted) and the same ten measures; ours gets arrays.
Values are compared. Then: 10,000 bootstrap resamples of one difference; the randomisation test; a table of many runs
opened again, as the page opens it, from what is kept beside the runs. Prints a table and one line of JSON.
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

import pytrec_eval

from workbench import corpora, judgments, label_sets, query_sets, runs
from workbench.evaluation import Qrels, judge, measured, parse_measures
from workbench.judgments import Entry, Verdict
from workbench.project import Project
from workbench.significance import bootstrap_intervals, randomisation_tests
from workbench.types import Query
from workbench.workflows.corpus import import_corpus
from workbench.workflows.evaluate import compare, evaluate

MEASURES = {
    "nDCG@10": "ndcg_cut_10", "nDCG@100": "ndcg_cut_100", "R@10": "recall_10", "R@100": "recall_100",
    "R@1000": "recall_1000", "RR": "recip_rank", "AP": "map", "P@10": "P_10", "P@100": "P_100",
    "Success@10": "success_10",
}  # fmt: skip
LIMITS = {"ratio": 1.5, "bootstrap_seconds": 2.0, "open_seconds": 1.0}
DOCUMENTS, JUDGED = 20_000, 30


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def made(queries: int, depth: int) -> tuple[np.ndarray, Qrels]:
    """(rankings (q, depth), qrels): a third of what is judged stands near the top."""
    random = np.random.default_rng(0)
    rankings = np.empty((queries, depth), np.int32)
    asked = np.repeat(np.arange(queries), JUDGED)
    found = np.empty(queries * JUDGED, np.int64)
    for query in range(queries):
        rankings[query] = random.permutation(DOCUMENTS)[:depth]
        near = rankings[query, random.permutation(min(depth, 100))[: JUDGED // 3]]
        others = random.integers(0, DOCUMENTS, JUDGED - near.size)
        found[query * JUDGED : (query + 1) * JUDGED] = np.concatenate([near, others])
    return rankings, Qrels.of(asked, found, random.integers(0, 4, len(found)), queries)


def measures(rankings: np.ndarray, qrels: Qrels) -> dict[str, float]:
    """Seconds of both sides, their ratio, and the largest difference of any value."""
    parsed = parse_measures(" ".join(MEASURES))

    def ours() -> list[np.ndarray]:
        values = [np.empty(len(rankings)) for _ in parsed]
        for start in range(0, len(rankings), 256):
            rows = np.arange(start, min(start + 256, len(rankings)))
            judged = judge(rankings[rows], qrels, rows)
            for value, measure in zip(values, parsed, strict=True):
                value[rows] = measured(measure, judged)
        return values

    names = [f"d{n}" for n in range(DOCUMENTS)]
    spans = list(zip(qrels.starts[:-1].tolist(), qrels.starts[1:].tolist(), strict=True))
    theirs_qrels = {
        str(query): {names[doc]: grade for doc, grade in zip(*(each[a:b].tolist() for each in parts), strict=True)}
        for query, (a, b) in enumerate(spans)
        for parts in [(qrels.documents, qrels.relevance)]
    }
    ours_seconds, values = seconds(ours)
    theirs = worst = 0.0
    # In parts: a dictionary of ten million entries would take more memory than the machine has.
    for start in range(0, len(rankings), 1000):
        rows = range(start, min(start + 1000, len(rankings)))
        run = {
            str(query): {names[doc]: float(len(rankings[query]) - n) for n, doc in enumerate(rankings[query].tolist())}
            for query in rows
        }
        evaluator = pytrec_eval.RelevanceEvaluator({str(q): theirs_qrels[str(q)] for q in rows}, set(MEASURES.values()))
        took, told = seconds(lambda evaluator=evaluator, run=run: evaluator.evaluate(run))
        theirs += took
        for value, name in zip(values, MEASURES.values(), strict=True):
            wanted = np.array([told[str(query)][name] for query in rows])
            worst = max(worst, float(np.abs(value[list(rows)] - wanted).max()))
    ratio = ours_seconds / theirs
    return {"ours_seconds": ours_seconds, "pytrec_eval_seconds": theirs, "ratio": ratio, "largest_difference": worst}


def table(rankings: np.ndarray, qrels: Qrels, count: int) -> dict[str, float]:
    """Seconds of the first table of `count` runs, of the same again, and of its comparisons."""
    queries, depth = len(rankings), min(100, rankings.shape[1])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = (json.dumps({"_id": f"d{n}", "text": f"text {n}"}) + "\n" for n in range(DOCUMENTS))
        (folder / "docs.jsonl").write_text("".join(rows))
        project = Project.create(folder / "bench")
        import_corpus(project, "bench", folder / "docs.jsonl")
        corpus = corpora.find(project.db, "bench")
        info = query_sets.ensure(project.db, "asked", corpus.id, "bench")
        for start in range(0, queries, 900):
            batch = [Query(f"q{n}", f"query {n}") for n in range(start, min(start + 900, queries))]
            query_sets.append(project.db, info.id, batch)
        info = query_sets.find(project.db, "asked")
        label_sets.make(project.db, info.id, "given", "imported", {})
        owners = np.repeat(np.arange(queries), np.diff(qrels.starts)).tolist()
        pairs = zip(owners, qrels.documents.tolist(), qrels.relevance.tolist(), strict=True)
        judgments.store(project.db, info, "given", "x", (Entry(f"q{q}", f"d{d}", Verdict(g)) for q, d, g in pairs))
        names = [kept_run(project, corpus, info.id, np.roll(rankings, n, axis=1)[:, :depth]) for n in range(count)]
        first, _ = seconds(lambda: evaluate(project, names))
        again, found = seconds(lambda: evaluate(project, names))
        compared, _ = seconds(lambda: compare(found, names[0]))
        project.close()
    return {"first_seconds": first, "open_seconds": again, "compare_seconds": compared}


def kept_run(project: Project, corpus: Any, query_set_id: int, rankings: np.ndarray) -> str:
    """A run of these rankings; its name."""
    draft = project.artifacts.begin("run", "run", {"first": rankings[:, 0].tolist()}, [], corpus.id)
    scores = np.broadcast_to(-np.arange(rankings.shape[1], dtype=np.float32), rankings.shape)
    runs.write_block(draft.folder, 0, runs.Block(0, rankings, np.array(scores)), np.zeros(1))
    draft.commit({"queries": len(rankings), "corpus": {"id": corpus.id}})
    found = runs.add(project.db, "run", query_set_id, draft.id)
    return runs.find(project.db, project.artifacts, found).name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--depth", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="1,000 queries × depth 100, 5 runs")
    options = parser.parse_args()
    if options.small:
        options.queries, options.depth, options.runs = 1000, 100, 5
    rankings, qrels = made(options.queries, options.depth)
    result = measures(rankings, qrels)
    difference = np.random.default_rng(1).normal(0.01, 0.3, (1, options.queries))
    result["bootstrap_seconds"], _ = seconds(lambda: bootstrap_intervals(difference))
    result["randomisation_seconds"], _ = seconds(lambda: randomisation_tests(difference))
    result |= table(rankings, qrels, options.runs)
    print(f"{'evaluate':<24}{'value':>12}{'limit':>9}")
    for name, value in result.items():
        print(f"{name:<24}{value:>12.4g}{LIMITS.get(name, ''):>9}")
    passed = all(result[name] <= limit for name, limit in LIMITS.items()) and result["largest_difference"] < 1e-9
    summary = {"benchmark": "evaluate", "queries": options.queries, "depth": options.depth, "runs": options.runs}
    print(json.dumps(summary | {"cores": os.cpu_count(), "limits": LIMITS, "passed": passed, "results": result}))
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
