"""What the browser tests share beside fixtures: the address of a running app, a small corpus, starting the app."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIRDS = [
    ("The robin", "A small bird with a red breast that sings in winter gardens.", "garden", 18),
    ("The barn owl", "A pale owl that hunts mice over meadows at night without a sound.", "field", 310),
    ("The kingfisher", "A blue bird that dives into rivers and catches small fish.", "river", 40),
    ("The grey heron", "A tall bird that stands still in shallow water and waits for fish.", "river", 1500),
    ("The swift", "It sleeps in the air and screams around towers on summer evenings.", "town", 42),
    ("The nightjar", "At dusk it catches moths over heaths; its churring lasts for minutes.", "heath", 80),
    ("<b>The wren</b>", "<script>window.broken = 1</script> A tiny brown bird with a loud song.", "garden", 9),
    ("The white stork", "It nests on chimneys and flies to Africa in autumn.", "town", 3500),
]


@dataclass(frozen=True)
class Site:
    """A running app. `url` without a slash at the end; the project is “birds”, its corpus “aviary”."""

    url: str
    workspace: Path
    project: str = "birds"
    corpus: str = "aviary"

    def page(self, path: str, **values: str) -> str:
        query = "&".join(f"{name}={value}" for name, value in {**self.__dict__, **values}.items() if name in KEPT)
        extra = "".join(f"&{name}={value}" for name, value in values.items() if name not in KEPT)
        return f"{self.url}{path}?{query}{extra}"


KEPT = ("project", "corpus")


def birds_file(folder: Path) -> Path:
    """A JSONL corpus of eight documents; the seventh tries to inject markup."""
    path = folder / "birds.jsonl"
    rows = [
        {"id": f"b{n}", "title": title, "text": text, "place": place, "grams": grams}
        for n, (title, text, place, grams) in enumerate(BIRDS, 1)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path, seconds: float = 60) -> None:
    """Until `url` answers 200. Fails with the log where the process ends or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 — our own server
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the app did not start:\n{log.read_text(errors='replace')[-4000:]}")
