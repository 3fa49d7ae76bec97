"""The picture of a query: taken from our own pages only, of limited size, and only where it is a picture."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from ui import uploads
from ui.app import build_app
from workbench.errors import BadInput
from workbench.project import Workspace

PLAIN = {"content-type": uploads.PLAIN}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The route alone; a body that begins with PNG is taken, any other refused."""

    def store(context: object, project: str, body: bytes) -> str:
        if not body.startswith(b"PNG"):
            raise BadInput("The file is no picture.", "Choose a PNG.")
        return f"{project}-{len(body)}"

    monkeypatch.setattr(uploads, "store", store)
    monkeypatch.setattr(uploads, "MAX_BYTES", 1000)
    router, app = APIRouter(), FastAPI()
    uploads.add_query_images(router, SimpleNamespace())  # type: ignore[arg-type]
    app.include_router(router)
    return TestClient(app, base_url="http://127.0.0.1:7860")


def test_a_picture_is_taken_and_its_id_told(client: TestClient) -> None:
    answer = client.post("/query-image/demo", content=b"PNG" + b"x" * 7, headers=PLAIN)
    assert (answer.status_code, answer.json()) == (200, {"id": "demo-10"})


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "empty file"), (b"text", "no picture"), (b"PNG" + b"x" * 2000, "larger than 1000 B")],
)
def test_a_bad_picture_is_refused_with_a_sentence(client: TestClient, body: bytes, words: str) -> None:
    answer = client.post("/query-image/demo", content=body, headers=PLAIN)
    assert answer.status_code == 400 and words in answer.json()["message"] and answer.json()["hint"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"content-type": "multipart/form-data"},
        {"content-type": "text/plain"},
    ],
)
def test_other_sites_cannot_send_pictures(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/query-image/demo", content=b"PNG1", headers={**PLAIN, **headers})
    assert answer.status_code == 403


def test_our_own_pages_can(client: TestClient) -> None:
    own = {**PLAIN, "origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}
    assert client.post("/query-image/demo", content=b"PNG1", headers=own).status_code == 200


def test_an_unexpected_failure_keeps_its_details_to_the_log(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> str:
        raise OSError(f"disk {Path('/secret')}")

    monkeypatch.setattr(uploads, "store", broken)
    answer = client.post("/query-image/demo", content=b"PNG1", headers=PLAIN)
    assert answer.status_code == 500 and "secret" not in answer.text and "secret" in caplog.text


def test_a_real_picture_is_kept_and_shown_again(tmp_path: Path) -> None:
    Workspace(tmp_path).create("demo").close()
    client = TestClient(build_app(tmp_path), base_url="http://127.0.0.1")
    picture = io.BytesIO()
    Image.new("RGB", (60, 30), (200, 80, 40)).save(picture, "PNG")
    first = client.post("/query-image/demo", content=picture.getvalue(), headers=PLAIN)
    again = client.post("/query-image/demo", content=picture.getvalue(), headers=PLAIN)
    assert first.status_code == 200 and first.json() == again.json()
    shown = client.get(f"/media-query/demo/{first.json()['id']}")
    with Image.open(io.BytesIO(shown.content)) as image:
        assert image.format == "WEBP" and image.size == (60, 30)
    kept = [path for path in tmp_path.rglob("*") if path.suffix in (".png", ".webp")]
    assert len(kept) == 1
    refused = client.post("/query-image/demo", content=b"GIF89a but not really", headers=PLAIN)
    assert refused.status_code == 400 and "cannot be used" in refused.json()["message"]
    missing = client.post("/query-image/nowhere", content=picture.getvalue(), headers=PLAIN)
    assert missing.status_code == 400 and "nowhere" in missing.json()["message"]
