"""A map from the command to the finished artifact: 20,000 documents × 384 through the queue, a worker and its child.

    python benchmarks/map_job.py [--documents 20000]

What `python -m workbench map CORPUS ENCODER` takes as a person sees it: start of the program, worker and child, reading
vectors, neighbours, layout, honesty, clusters, reading every text for their names, writing. Target: at most 40 s. There
is no peer: the libraries have no job; benchmarks/map.py compares the layout itself. Prints a table and a line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

LIMIT_S = 40.0


def main() -> int:
    from map import make_vectors
    from search import make_project

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        project = make_project(Path(place), options.documents, make_vectors(options.documents))
        folder = project.folder
        project.close()
        command = [sys.executable, "-m", "workbench", "--project", str(folder), "--json", "map", "bench", "planted"]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(done.stderr)
        report = json.loads(done.stdout)
        manifest = json.loads((folder / "artifacts" / "map" / report["map"] / "manifest.json").read_text())
    for name, took in manifest["seconds"].items():
        print(f"{name:<16}{took:>8.2f} s")
    print(f"{'command':<16}{seconds:>8.2f} s  (limit {LIMIT_S:.0f})")
    figures = {"benchmark": "map_job", "documents": report["points"], "cores": os.cpu_count()}
    figures |= {"seconds": round(seconds, 1), "limit_s": LIMIT_S, "passed": seconds <= LIMIT_S}
    print(json.dumps(figures | {"trustworthiness": round(report["trustworthiness"], 4)}))
    return 0 if figures["passed"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
