"""A map against umap-learn's defaults: clustered 384-dimensional vectors, the same run, the same vectors.

    python benchmarks/map.py [--documents 20000] [--ours-only]

Ours is what a map job does without reading texts: the neighbour graph through FAISS, the layout, trustworthiness and
continuity, clusters. The peer is `umap.UMAP().fit_transform`. Each runs in a process of its own, as a map job does, so
that imports and compilation count for both; processor seconds are given too, since cores may be shared. Trustworthiness
of both is measured in a third process by one function, exact ranks for 2,000 documents drawn by a seed, k = 15.
Target: at most 0.5 of the peer's wall time (import, neighbours, layout), trustworthiness within 0.01.
Prints a table and one line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

DIM, THEMES, TOPICS, LATENT, K, JUDGED = 384, 20, 300, 12, 15, 2000
RATIO, WITHIN = 0.5, 0.01


def make_vectors(count: int) -> np.ndarray:
    """(count, 384) float32 of length 1: 300 topics of uneven size under 20 themes, documents between two topics.

    A topic varies along 12 directions of its own, with some noise along all. As with texts, most topics touch others:
    wholly separate ones would make the peer's spectral start ten times slower, and the comparison too easy.
    """
    random = np.random.default_rng(0)
    themes = random.standard_normal((THEMES, DIM)).astype(np.float32)
    theme_of = random.integers(0, THEMES, TOPICS)
    topics = themes[theme_of] + 0.8 * random.standard_normal((TOPICS, DIM)).astype(np.float32)
    owners = random.choice(TOPICS, count, p=random.dirichlet(np.full(TOPICS, 2.0)))
    near = [np.flatnonzero(theme_of == theme) for theme in theme_of]
    others = np.array([random.choice(near[owner]) for owner in owners])
    others = np.where(random.random(count) < 0.05, random.integers(0, TOPICS, count), others)
    share = random.beta(1, 3, count).astype(np.float32)[:, None]
    rows = (1 - share) * topics[owners] + share * topics[others]
    axes = 0.25 * random.standard_normal((TOPICS, LATENT, DIM)).astype(np.float32)
    along = random.standard_normal((count, LATENT)).astype(np.float32)
    for number in range(TOPICS):
        chosen = owners == number
        rows[chosen] += along[chosen] @ axes[number]
    rows += 0.15 * random.standard_normal((count, DIM), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def trustworthiness_of(rows: np.ndarray, xy: np.ndarray) -> float:
    """scikit-learn's formula with exact ranks, over 2,000 documents drawn by a seed."""
    from scipy.spatial import cKDTree

    count = len(rows)
    judged = np.random.default_rng(1).choice(count, min(JUDGED, count), replace=False)
    lost = 0
    for at in range(0, len(judged), 200):
        some = judged[at : at + 200]
        scores = rows[some] @ rows.T
        near = cKDTree(xy).query(xy[some], k=K + 1)[1]
        for row, found, own in zip(scores, near, some, strict=True):
            row[own] = -np.inf
            for other in found[found != own][:K]:
                lost += max(0, 1 + np.count_nonzero(row > row[other]) - K)
    return 1 - 2 * lost / (len(judged) * K * (2 * count - 3 * K - 1))


@contextmanager
def timed(steps: dict[str, dict[str, float]], name: str) -> Iterator[None]:
    wall, processor = time.perf_counter(), time.process_time()
    yield
    taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - processor}
    steps[name] = {kind: round(value, 2) for kind, value in taken.items()}


def ours(folder: Path) -> dict[str, object]:
    """Make the map as the job does; returns the seconds of each step and what the map says of itself."""
    steps: dict[str, dict[str, float]] = {}
    with timed(steps, "import"):
        from workbench.clusters import find_clusters
        from workbench.neighbourhoods import neighbour_graph
        from workbench.projections import measure_honesty, project
        from workbench.specs import MapSpec
        from workbench.vectors import DenseVectors
    vectors, spec = DenseVectors(folder / "vectors"), MapSpec()
    with timed(steps, "neighbours"):
        graph = neighbour_graph(vectors, spec.neighbors)
    with timed(steps, "layout"):
        xy = project(vectors, graph, spec)
    np.save(folder / "ours.npy", xy)
    with timed(steps, "honesty"):
        honesty = measure_honesty(vectors, graph, xy)
    with timed(steps, "clusters"):
        labels = find_clusters(vectors, xy, graph.metric, spec)
    return {
        "steps": steps,
        "graph": graph.method,
        "recall": round(graph.recall, 4),
        "said_trustworthiness": round(honesty.trustworthiness, 4),
        "said_continuity": round(honesty.mean_continuity, 4),
        "clusters": int(labels.max()) + 1,
        "in_none": round(float((labels < 0).mean()), 4),
    }


def peer(folder: Path) -> dict[str, object]:
    steps: dict[str, dict[str, float]] = {}
    with timed(steps, "import"):
        import umap
    rows = np.load(folder / "rows.npy")
    with timed(steps, "fit_transform"):
        xy = umap.UMAP().fit_transform(rows)
    np.save(folder / "peer.npy", xy)
    return {"steps": steps, "umap": umap.__version__}


def judge(folder: Path) -> dict[str, object]:
    rows = np.load(folder / "rows.npy")
    found = {name: folder / f"{name}.npy" for name in ("ours", "peer")}
    return {name: round(trustworthiness_of(rows, np.load(file)), 4) for name, file in found.items() if file.exists()}


def store(folder: Path, count: int) -> None:
    from workbench.vectors import ShardFolder

    rows = make_vectors(count)
    np.save(folder / "rows.npy", rows)
    (folder / "vectors").mkdir()
    for number, start in enumerate(range(0, count, 4096)):
        part = rows[start : start + 4096]
        ShardFolder(folder / "vectors").write(number, {"values": part}, len(part))


def in_a_process(role: str, folder: Path) -> dict:
    command = [sys.executable, __file__, "--role", role, "--folder", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--ours-only", action="store_true", help="without the peer")
    parser.add_argument("--role", choices=("ours", "peer", "judge"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        roles: dict[str, Callable[[Path], dict[str, object]]] = {"ours": ours, "peer": peer, "judge": judge}
        print(json.dumps(roles[options.role](options.folder)))
        return 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        store(folder, options.documents)
        found = {"ours": in_a_process("ours", folder)}
        if not options.ours_only:
            found["peer"] = in_a_process("peer", folder)
        trust = in_a_process("judge", folder)
    print(f"{'':<7}{'step':<16}{'wall s':>9}{'cpu s':>9}")
    for name, report in found.items():
        for step, taken in report["steps"].items():
            print(f"{name:<7}{step:<16}{taken['wall']:>9}{taken['cpu']:>9}")
    said = found["ours"]
    print(
        f"trustworthiness: {trust}; the map says {said['said_trustworthiness']}, continuity {said['said_continuity']}"
    )
    summary = {"benchmark": "map", "documents": options.documents, "dim": DIM, "cores": os.cpu_count()}
    summary |= {"trustworthiness": trust, **found}
    passed = True
    if "peer" in found:
        for kind in ("wall", "cpu"):
            mine = sum(said["steps"][step][kind] for step in ("import", "neighbours", "layout"))
            theirs = sum(taken[kind] for taken in found["peer"]["steps"].values())
            summary[f"{kind}_ratio"] = round(mine / theirs, 3)
        passed = summary["wall_ratio"] <= RATIO and trust["ours"] >= trust["peer"] - WITHIN
        print(f"time against the peer: wall {summary['wall_ratio']}, cpu {summary['cpu_ratio']} (target {RATIO})")
    summary |= {"limit_ratio": RATIO, "limit_trustworthiness": WITHIN, "passed": passed}
    print(json.dumps(summary))
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
