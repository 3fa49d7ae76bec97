"""Mining hard negatives: 10,000 queries × 100,000 documents × 384 at depth 200, against sentence-transformers.

    python benchmarks/mine.py [--queries 10000] [--documents 100000] [--depth 200]

Ours is the whole workflow: exact search over the stored vectors, candidates kept on disk, rules, negatives written to
the project's database with their provenance. Theirs is mine_hard_negatives on the same vectors with the same rules (the
stand-ins for a model and for the package `datasets` are those of tests/mining_fixtures.py); it returns a table in
memory. Each runs in a process of its own, whose peak memory is measured. The negatives must be the same; float32 inner
products differ in their last bits between libraries, so where two lists differ, every document that only one of them
has must lie within rounding of what decides: the margin or max_score, or a score of the other list.
Target: at least 1.5× faster, or at most half the memory, counted above what the process had before it began. Prints a
table and one line of JSON.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.scoring import normalize_rows
from workbench.specs import MiningSpec

DIM, FASTER, SMALLER, ROUNDING = 384, 1.5, 0.5, 1e-6
RULES: dict[str, Any] = {"range_min": 10, "relative_margin": 0.05, "max_score": 0.9}
PER_QUERY = 5


def make_vectors(queries: int, documents: int) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """(queries (q, 384), documents (n, 384), positives): 300 topics; a query lies near its one to three positives."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((300, DIM)).astype(np.float32)
    topics = random.integers(0, 300, documents)
    rows = normalize_rows(centres[topics] + 0.9 * random.standard_normal((documents, DIM), dtype=np.float32))
    owners = random.integers(0, documents, queries)
    asked = normalize_rows(rows[owners] + 0.03 * random.standard_normal((queries, DIM), dtype=np.float32))
    of_topic = {topic: np.flatnonzero(topics == topic) for topic in range(300)}
    positives = []
    for number, owner in enumerate(owners.tolist()):
        others = random.choice(of_topic[topics[owner]], number % 3).tolist()
        positives.append(list(dict.fromkeys([owner, *others])))
    return asked, rows, positives


def prepare(folder: Path, queries: int, documents: int) -> None:
    """A project with the vectors as an embedding in float32, and the same as arrays."""
    from workbench import corpora
    from workbench.project import Project
    from workbench.vectors import ShardFolder
    from workbench.workflows.corpus import import_corpus, import_queries

    asked, rows, positives = make_vectors(queries, documents)
    np.save(folder / "queries.npy", asked)
    np.save(folder / "documents.npy", rows)
    (folder / "positives.json").write_text(json.dumps(positives))
    lines = (json.dumps({"_id": f"d{n}", "text": f"document {n}"}) for n in range(documents))
    (folder / "docs.jsonl").write_text("\n".join(lines))
    (folder / "asks.tsv").write_text("id\ttext\n" + "".join(f"q{n}\tquery {n}\n" for n in range(queries)))
    judged = "".join(f"q{n}\td{each}\t1\n" for n, own in enumerate(positives) for each in own)
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    project = Project.create(folder / "bench")
    import_corpus(project, "bench", folder / "docs.jsonl")
    import_queries(project, "asks", folder / "asks.tsv", "bench", folder / "qrels.tsv")
    info = corpora.find(project.db, "bench")
    draft = project.artifacts.begin("embedding", "given", {"name": "given"}, [info.fingerprint], info.id)
    for number, start in enumerate(range(0, documents, 8192)):
        part = rows[start : start + 8192]
        ShardFolder(draft.folder).write(number, {"values": part}, len(part))
    manifest = {"encoder": "given", "output": "dense", "vectors": documents, "dim": DIM, "warnings": []}
    draft.commit(manifest | {"similarity": "cosine", "normalize": True, "encoder_spec": {"kind": "dense"}})
    project.close()


def ours(folder: Path, depth: int) -> dict[str, Any]:
    """Our workflow, and the negatives as they stand in the database."""
    from workbench import judgments, query_sets
    from workbench.project import Project
    from workbench.workflows import retrieving
    from workbench.workflows.mine import mine, preview

    class Given:
        warnings, size_bytes, modalities = (), 0, frozenset({"text"})
        matrix = np.load(folder / "queries.npy", mmap_mode="r")

        def encode_many(self, queries: Any) -> np.ndarray:
            return self.matrix[[int(each.text.split()[1]) for each in queries]]

    given = Given()
    retrieving.query_encoder = lambda embedding: given
    project = Project.open(folder / "bench")
    spec = MiningSpec(**RULES, range_max=depth, per_query=PER_QUERY, depth=depth)
    before, started = peak(), time.perf_counter()
    report = mine(project, "asks", spec, ["given"], "bench")
    taken = {"seconds": time.perf_counter() - started, "peak_mb": peak(), "start_mb": before}
    started = time.perf_counter()
    preview(project, [each.artifact for each in report.miners], spec)
    taken["preview_seconds"] = time.perf_counter() - started
    found: dict[str, list[int]] = {}
    for each in judgments.stream(project.db, query_sets.find(project.db, "asks").id, ["bench"]):
        found.setdefault(each.query_id[1:], []).append(int(each.doc_id[1:]))
    project.close()
    return taken | {"negatives": found, "dropped": report.dropped}


def theirs(folder: Path, depth: int) -> dict[str, Any]:
    """mine_hard_negatives, everything it needs imported before the clock starts."""
    from mining_fixtures import mined_by_sentence_transformers

    queries, documents = np.load(folder / "queries.npy"), np.load(folder / "documents.npy")
    positives = json.loads((folder / "positives.json").read_text())
    few = {"range_max": 8, "num_negatives": 1}
    mined_by_sentence_transformers(queries[:4], documents[:64], [[n] for n in range(4)], few)
    before, started = peak(), time.perf_counter()
    options = {**RULES, "range_max": depth, "num_negatives": PER_QUERY}
    found = mined_by_sentence_transformers(queries, documents, positives, options)
    return {"seconds": time.perf_counter() - started, "peak_mb": peak(), "start_mb": before, "negatives": found}


def peak() -> float:
    """The most memory that this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compared(folder: Path, mine: dict[str, Any], other: dict[str, Any]) -> Counter[str]:
    """Queries whose negatives are the same, differ by float32 rounding only, or differ."""
    queries, documents = np.load(folder / "queries.npy"), np.load(folder / "documents.npy", mmap_mode="r")
    positives = json.loads((folder / "positives.json").read_text())
    counts: Counter[str] = Counter()
    for number, query in enumerate(queries.astype(np.float64)):
        first, second = (set(each["negatives"].get(str(number), [])) for each in (mine, other))
        if first == second:
            counts["same"] += 1
            continue
        # An order within rounding, or a rule whose limit lies within rounding of a score.
        lowest = min(float(query @ documents[each].astype(np.float64)) for each in positives[number])
        limits = [lowest - abs(lowest) * RULES["relative_margin"], RULES["max_score"]]
        scores = documents.astype(np.float64) @ query
        near = np.sort(scores)[::-1]
        gaps = np.abs(np.diff(near))
        close = set(np.flatnonzero(np.abs(np.array(scores)[:, None] - limits).min(axis=1) <= ROUNDING).tolist())
        tied = {float(near[n]) for n in np.flatnonzero(gaps <= ROUNDING)} | {
            float(near[n + 1]) for n in np.flatnonzero(gaps <= ROUNDING)
        }
        explained = bool(close) or all(float(scores[each]) in tied for each in first ^ second)
        counts["rounding" if explained else "different"] += 1
    return counts


def child(folder: Path, what: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one side in a process of its own."""
    arguments = [f"--{name}={getattr(options, name)}" for name in ("queries", "documents", "depth")]
    command = [sys.executable, __file__, *arguments, f"--child={what}", f"--folder={folder}"]
    subprocess.run(command, check=True)
    path = folder / f"{what}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def run_child(options: argparse.Namespace) -> int:
    folder = Path(options.folder)
    if options.child == "prepare":
        prepare(folder, options.queries, options.documents)
        return 0
    found = {"ours": ours, "theirs": theirs}[options.child](folder, options.depth)
    (folder / f"{options.child}.json").write_text(json.dumps(found))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--depth", type=int, default=200)
    parser.add_argument("--child", choices=("prepare", "ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return run_child(options)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        child(folder, "prepare", options)
        mine, other = child(folder, "ours", options), child(folder, "theirs", options)
        counts = compared(folder, mine, other)
    print(f"{'mine':<24}{'seconds':>10}{'peak MB':>10}{'above start':>13}{'negatives':>11}")
    for name, each in (("workbench", mine), ("mine_hard_negatives", other)):
        negatives = sum(map(len, each["negatives"].values()))
        above = each["peak_mb"] - each["start_mb"]
        print(f"{name:<24}{each['seconds']:>10.2f}{each['peak_mb']:>10.0f}{above:>13.0f}{negatives:>11,}")
    faster = other["seconds"] / mine["seconds"]
    smaller = (mine["peak_mb"] - mine["start_mb"]) / (other["peak_mb"] - other["start_mb"])
    print(
        f"{faster:.2f}× faster, {smaller:.2f}× the memory; negatives of {counts['same']:,} queries the same, "
        f"{counts['rounding']} differ by float32 rounding, {counts['different']} otherwise; "
        f"the rules again over kept candidates: {mine['preview_seconds']:.2f} s"
    )
    passed = not counts["different"] and (faster >= FASTER or smaller <= SMALLER)
    summary = {"benchmark": "mine", "queries": options.queries, "documents": options.documents, "dim": DIM}
    summary |= {"depth": options.depth, "cores": os.cpu_count(), "faster": round(faster, 3), "passed": passed}
    summary |= {"memory_ratio": round(smaller, 3), "same_queries": dict(counts)}
    for name, each in (("ours", mine), ("theirs", other)):
        summary[name] = {key: round(value, 3) for key, value in each.items() if isinstance(value, float)}
    print(json.dumps(summary))
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
