"""A page with one or two maps and nothing else, over synthetic points, served on the loopback by a thread."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import numpy as np
from browser_support import ROOT
from numpy.typing import NDArray

GL_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
"""WebGL2 in software: what a machine without a graphics device draws with."""
KINDS = {"mjs": "text/javascript", "css": "text/css", "bin": "application/octet-stream", "json": "application/json"}
THEME = """
body { margin: 0; font-family: system-ui, sans-serif; --block-background-fill: #fff; --body-text-color: #1e293b;
  --border-color-primary: #e2e8f0; --body-text-color-subdued: #64748b; --background-fill-secondary: #f1f5f9 }
body.dark { --block-background-fill: #0f172a; --body-text-color: #e2e8f0; --border-color-primary: #334155;
  --body-text-color-subdued: #94a3b8; --background-fill-secondary: #1e293b }
#maps { display: flex; gap: 8px; height: 100vh } #maps > div { flex: 1; min-width: 0 }
"""
PAGE = f"""<!doctype html><meta charset="utf-8"><title>Map</title><link rel="stylesheet" href="/assets/map.css">
<style>{THEME}</style><body><div id="maps"><div id="map"></div></div>
<script type="module">
import {{ mount, fetchPoints }} from "/assets/map.mjs";
const asked = new URLSearchParams(location.search);
if (asked.has("dark")) document.body.classList.add("dark");
window.told = [];
const handlers = Object.fromEntries(["pick", "hover", "lasso", "clear", "look"]
  .map(name => [name, data => {{ told.push([name, data]); window.onTold?.(name, data); }}]));
const start = performance.now();
const points = await fetchPoints("/points.bin");
window.fetched = performance.now() - start;
window.points = points;
window.view = mount(document.getElementById("map"), points, handlers);
if (asked.has("two")) {{
  const other = document.createElement("div");
  other.id = "other";
  document.getElementById("maps").append(other);
  window.other = mount(other, await fetchPoints("/other.bin"), {{}});
  view.link("birds"); window.other.link("birds");
}}
document.body.dataset.ready = "1";
</script>"""


def clustered(n: int, clusters: int = 24, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(xy (n, 2) in −1 … 1, cluster (n,)), largest cluster first, in a random order: strands and blobs, like UMAP's."""
    random = np.random.default_rng(seed)
    share = random.dirichlet(np.full(clusters, 2.0))
    cluster = random.choice(clusters, n, p=np.sort(share)[::-1])
    turn = np.arange(clusters) * 2.399963  # the golden angle: even, without rows
    far = 0.95 * np.sqrt((np.arange(clusters) + 0.5) / clusters)
    centres = np.stack([far * np.cos(turn), far * np.sin(turn)], 1)
    xy = np.empty((n, 2))
    for each in range(clusters):
        members = np.flatnonzero(cluster == each)
        bend, length, lean = random.uniform(0.5, 2.5), random.uniform(0.05, 0.16), random.uniform(0, 2 * np.pi)
        t = random.beta(1.3, 1.3, members.size) * 2 - 1
        strand = np.stack([length * t, length * 0.5 * bend * (t**2 - 0.4)], 1)
        lumps = random.normal(scale=0.05, size=(7, 2))[random.integers(0, 7, members.size)]
        noise = random.normal(scale=0.016, size=(members.size, 2)) * (1 + random.exponential(0.5, (members.size, 1)))
        rotated = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
        xy[members] = centres[each] + (strand + lumps + noise) @ rotated
    xy -= (xy.max(0) + xy.min(0)) / 2
    return (xy / np.abs(xy).max()).astype(np.float32), cluster.astype(np.uint8)


def wire(xy: NDArray[np.float32], category: NDArray[np.uint8]) -> bytes:
    return xy[:, 0].tobytes() + xy[:, 1].tobytes() + category.tobytes()


@contextmanager
def serving(files: dict[str, bytes], answer: Callable[[str, bytes], bytes] | None = None) -> Iterator[str]:
    """The address of a server of `files` by path, of assets/ and of the page. `answer`: a POST's path, body → bytes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            asset = ROOT / "assets" / path.removeprefix("/assets/")
            if path.startswith("/assets/") and asset.parent == ROOT / "assets" and asset.is_file():
                return self.send(asset.read_bytes(), KINDS[asset.suffix[1:]])
            if path == "/":
                return self.send(PAGE.encode(), "text/html")
            if path == "/favicon.ico":
                return self.send(b"", "image/x-icon")
            if path not in files:
                return self.send(b"no such file", "text/plain", 404)
            return self.send(files[path], KINDS.get(path.rpartition(".")[2], KINDS["bin"]))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send(answer(self.path, body) if answer else b"", KINDS["json"])

        def send(self, body: bytes, kind: str, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def centres(xy: NDArray[np.float32], cluster: NDArray[np.uint8], names: list[str]) -> list[dict[str, object]]:
    """Labels of the clusters at their medians."""
    found = []
    for each in np.unique(cluster):
        own = xy[cluster == each]
        x, y = np.median(own, axis=0)
        found.append({"text": names[each % len(names)], "x": float(x), "y": float(y), "size": len(own)})
    return found


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()
