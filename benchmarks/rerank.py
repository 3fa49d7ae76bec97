"""Reranking throughput against CrossEncoder.predict on the same model and pairs.

    python benchmarks/rerank.py [--model FOLDER_OR_HUB_ID] [--queries 4] [--depth 50] [--repeats 3] [--json FILE]

Queries and passages are the sample factbook's: for each query the passages with most of its rarer words (idf sum), one
list of `depth` as a retriever would hand it over, lengths as they fall. The two sides alternate, one query at a time;
the ratio is that of their median times, “CPU” the same of CPU seconds, which other processes disturb less. On a CPU the
baseline runs in float32, as it does by default; on CUDA both run in float16 and in float32. Scores are compared with
the baseline's in float32: the largest difference, how many of the queries keep their whole order and their first ten,
and Kendall's tau over all pairs of passages.
"""

import argparse
import json
import math
import platform
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau
from sentence_transformers import CrossEncoder

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from workbench.checkpoints import cpu_has_bfloat16, locate  # noqa: E402
from workbench.rerankers.cross_encoder import CrossEncoderReranker  # noqa: E402
from workbench.specs import CrossEncoderSpec, EncodeSpec  # noqa: E402

FACTBOOK = ROOT / "assets" / "samples" / "factbook"
TARGETS = {"float32": (1.2, 1e-4), "bfloat16": (2.0, 0.25), "float16": (1.0, 0.05)}
"""Least ratio, and the largest difference of a score that is accepted."""
Scores = NDArray[np.float32]
Task = tuple[str, list[str]]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def make_tasks(queries: int, depth: int) -> list[Task]:
    """(query, its candidates): passages by the idf sum of the query's words that they hold; the same on every run."""
    rows = [json.loads(line) for line in (FACTBOOK / "factbook.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [f"{row.get('title', '')} {row['text']}".strip() for row in rows]
    bags = [words(text) for text in texts]
    frequency = Counter(word for bag in bags for word in bag)
    asked = [json.loads(line)["text"] for line in (FACTBOOK / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    tasks = []
    for query in asked[:: max(1, len(asked) // queries)][:queries]:
        idf = {word: math.log(len(texts) / frequency[word]) for word in words(query) if frequency[word]}
        sums = [sum(idf.get(word, 0.0) for word in bag) for bag in bags]
        best = sorted(range(len(texts)), key=lambda n: (-sums[n], n))[:depth]
        tasks.append((query, [texts[n] for n in best]))
    return tasks


def baseline(source: str, device: str, dtype: str) -> CrossEncoder:
    local = Path(source).is_dir()
    settings = {"dtype": getattr(torch, dtype)}
    return CrossEncoder(source, device=device, local_files_only=local, model_kwargs=settings)


def timed(work: Callable[[], Scores]) -> tuple[NDArray[np.float64], Scores]:
    """((seconds, CPU seconds of this process), scores)."""
    start = np.array([time.perf_counter(), time.process_time()])
    scores = work()
    return np.array([time.perf_counter(), time.process_time()]) - start, scores


def compare(model: CrossEncoder, reranker: CrossEncoderReranker, tasks: list[Task], repeats: int) -> dict[str, object]:
    """Median seconds of both sides for all queries, over alternating repeats, after a warm-up of each on one query."""

    def theirs(task: Task) -> Scores:
        return model.predict([(task[0], text) for text in task[1]], show_progress_bar=False)

    def mine(task: Task) -> Scores:
        return reranker.rerank(task[0], task[1]).scores

    theirs(tasks[0])
    mine(tasks[0])
    totals = np.zeros((2, repeats, 2))
    for repeat in range(repeats):
        scores: list[Scores] = []
        for task in tasks:
            for side, work in enumerate((theirs, mine)):
                spent, values = timed(lambda work=work, task=task: work(task))
                totals[side, repeat] += spent
            scores.append(values)
    (slow, slow_cpu), (fast, fast_cpu) = np.median(totals, axis=1).tolist()
    return {
        "baseline_s": slow,
        "workbench_s": fast,
        "ratio": slow / fast,
        "cpu_ratio": slow_cpu / fast_cpu,
        "repeats": totals[:, :, 0].tolist(),
        "scores": scores,
    }


def agreement(scores: list[Scores], exact: list[Scores]) -> dict[str, float]:
    """Largest difference to `exact`, the share of queries with the same order, and the mean of Kendall's tau."""
    same = [np.array_equal(np.argsort(-ours), np.argsort(-theirs)) for ours, theirs in zip(scores, exact, strict=True)]
    return {
        "difference": max(float(np.abs(ours - theirs).max()) for ours, theirs in zip(scores, exact, strict=True)),
        "same_order": sum(same) / len(same),
        "same_top10": sum(
            np.array_equal(np.argsort(-ours)[:10], np.argsort(-theirs)[:10])
            for ours, theirs in zip(scores, exact, strict=True)
        )
        / len(same),
        "kendall": float(np.mean([kendalltau(a, b).statistic for a, b in zip(scores, exact, strict=True)])),
    }


def rows_for(device: str) -> list[tuple[str, str]]:
    """(precision of the workbench, of the baseline) of each row."""
    if device == "cuda":
        return [("float16", "float16"), ("float32", "float32")]
    return [("float32", "float32"), *([("bfloat16", "float32")] if cpu_has_bfloat16() else [])]


def measure(options: argparse.Namespace, device: str) -> dict[str, object]:
    tasks = make_tasks(options.queries, options.depth)
    source = locate(options.model).source
    reference = baseline(source, device, "float32")
    exact = [reference.predict([(query, text) for text in texts], show_progress_bar=False) for query, texts in tasks]
    lengths = [
        len(reference.tokenizer(query, text, truncation=True)["input_ids"]) for query, texts in tasks for text in texts
    ]
    rows = []
    for dtype, theirs in rows_for(device):
        model = reference if theirs == "float32" else baseline(source, device, theirs)
        run = EncodeSpec(device=device, dtype=dtype, batch_tokens=options.batch_tokens)
        reranker = CrossEncoderReranker.open(CrossEncoderSpec(model=options.model), run)
        result = compare(model, reranker, tasks, options.repeats)
        rows.append({"dtype": dtype, "baseline_dtype": theirs, **agreement(result.pop("scores"), exact), **result})
    return {
        "benchmark": "rerank",
        "model": options.model,
        "queries": len(tasks),
        "pairs": len(lengths),
        "tokens": {"median": statistics.median(lengths), "max": max(lengths), "sum": sum(lengths)},
        "device": torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "rows": rows,
    }


def print_table(result: dict[str, object]) -> None:
    tokens = result["tokens"]
    print(
        f"{result['model']} · {result['queries']} queries × {result['pairs'] // result['queries']} passages, "
        f"{tokens['median']:.0f} tokens a pair (longest {tokens['max']}) · {result['device']}"
    )
    print(
        f"{'workbench':<10} {'baseline':<10} {'base s':>8} {'ours s':>8} {'pairs/s':>8} {'ratio':>6} {'CPU':>6} "
        f"{'max diff':>9} {'same order':>10} {'same top 10':>11} {'tau':>7}"
    )
    for row in result["rows"]:
        speed, most = TARGETS[row["dtype"]]
        met = "ok" if row["ratio"] >= speed and row["difference"] <= most else f"below {speed} × within {most}"
        print(
            f"{row['dtype']:<10} {row['baseline_dtype']:<10} {row['baseline_s']:8.2f} {row['workbench_s']:8.2f} "
            f"{result['pairs'] / row['workbench_s']:8.0f} {row['ratio']:6.2f} {row['cpu_ratio']:6.2f} "
            f"{row['difference']:9.6f} {row['same_order']:10.0%} {row['same_top10']:11.0%} {row['kendall']:7.4f}  {met}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model", default="converted:ms-marco-minilm-l12", help="folder, hub id, package:… or converted:…"
    )
    parser.add_argument("--queries", type=int, default=4)
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, help="default: what suits the device")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    result = measure(options, "cuda" if torch.cuda.is_available() else "cpu")
    print_table(result)
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
