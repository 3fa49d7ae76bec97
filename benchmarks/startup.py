"""Seconds from the start of the app to its first page, and its memory, against a bare Gradio page in the same run.

    python benchmarks/startup.py [--repeats 5]

Both start with a warm disk; the workbench serves a project that is there already. Promise: at most 4 s and 350 MB,
without torch.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BARE = """
import os, sys
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
import gradio as gr
with gr.Blocks(analytics_enabled=False) as page:
    gr.Textbox(label="Query")
page.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
            return page.status == 200
    except OSError:
        return False


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def timed(command: list[str], port: int) -> tuple[float, float]:
    """(seconds to the first page, resident MB after it) of one start."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            while not answers(port):
                if process.poll() is not None:
                    raise SystemExit(f"{command} ended with {process.returncode}")
                time.sleep(0.02)
            return time.perf_counter() - start, resident_mb(process.pid)
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    runs: dict[str, list[tuple[float, float]]] = {"workbench": [], "bare Gradio page": []}
    with tempfile.TemporaryDirectory() as folder:
        make = f"from workbench.project import Workspace; Workspace(__import__('pathlib').Path({folder!r})).create('p')"
        subprocess.run([sys.executable, "-c", make], cwd=ROOT, check=True)
        for _ in range(options.repeats + 1):
            port = free_port()
            ours = [sys.executable, "-m", "ui.app", "--workspace", folder, "--port", str(port)]
            runs["workbench"].append(timed(ours, port))
            port = free_port()
            runs["bare Gradio page"].append(timed([sys.executable, "-c", BARE, str(port)], port))
    rows = {}
    print(f"{'':<18} {'first page s':>12} {'slowest s':>10} {'memory MB':>10}")
    for name, measured in runs.items():
        seconds, memory = zip(*measured[1:], strict=True)  # the first start of each warms the disk
        rows[name] = {"seconds": statistics.median(seconds), "slowest": max(seconds), "mb": max(memory)}
        print(f"{name:<18} {rows[name]['seconds']:12.2f} {rows[name]['slowest']:10.2f} {rows[name]['mb']:10.0f}")
    print(json.dumps({"benchmark": "startup", "machine": platform.processor() or platform.machine(), "rows": rows}))


if __name__ == "__main__":
    main()
