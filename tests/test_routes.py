"""The app's own addresses: images only by number from the corpus's own table, assets only by name, own host only."""

import io
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from ui.app import build_app
from ui.components.assets import ASSETS, asset_url, media_url
from ui.components.thumbnails import EDGE, BadImage, Thumbnails, thumbnail
from workbench.project import Workspace
from workbench.workflows import corpus as corpora


def picture(folder: Path, name: str, size: tuple[int, int] = (400, 200), **options: object) -> Path:
    path = folder / name
    # Each of another colour: the same image is stored once.
    Image.new("RGB", size, (40, 80, ord(name[0]))).save(path, **options)
    return path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Project “demo” with the image corpus “pictures”; the second of its three stored files is damaged afterwards."""
    source, folder = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("workspace")
    for name in ("a.png", "b.png", "c.png"):
        picture(source, name)
    project = Workspace(folder).create("demo")
    corpora.import_corpus(project, "pictures", source)
    stored = corpora.image_path(project, "pictures", 1)
    assert stored is not None
    stored.write_bytes(b"\x89PNG\r\n\x1a\nthe rest is missing")
    (folder / "secret.txt").write_text("secret")
    project.close()
    return folder


@pytest.fixture(scope="module")
def client(workspace: Path) -> TestClient:
    app = build_app(workspace)
    return TestClient(app, base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
def corpus_id(workspace: Path) -> int:
    project = Workspace(workspace).open("demo")
    found = corpora.get_corpus(project, "pictures").id
    project.close()
    return found


@pytest.mark.parametrize("size", ["thumb", "view"])
def test_an_image_is_re_encoded(client: TestClient, corpus_id: int, size: str) -> None:
    answer = client.get(media_url("demo", corpus_id, 0, size))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert "private" in answer.headers["cache-control"] and "immutable" in answer.headers["cache-control"]
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == "WEBP"
        assert max(image.size) == {"thumb": 320, "view": 400}[size]
        assert image.size[0] == 2 * image.size[1]


def test_a_damaged_image_is_a_placeholder_that_is_not_kept(client: TestClient, corpus_id: int) -> None:
    answer = client.get(media_url("demo", corpus_id, 1))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.headers["cache-control"] == "no-store"
    assert "unreadable image" in answer.text


@pytest.mark.parametrize(
    "address",
    [
        "/media/demo/{id}/3",
        "/media/demo/{id}/999999999999",
        "/media/demo/{id}/99999999999999999999999999",
        "/media/demo/{id}/-1",
        "/media/demo/9999/0",
        "/media/nobody/{id}/0",
        "/media/../{id}/0",
        "/media/%2e%2e/{id}/0",
        "/media/..%2fdemo/{id}/0",
        "/media/demo%00/{id}/0",
        "/media/demo/{id}/..%2f..%2fsecret.txt",
        "/media/demo/{id}/0%2f..%2f..%2f..%2fsecret.txt",
        "/media/demo/%2e%2e/secret.txt",
        "/media/demo/{id}/0?size=../../secret.txt",
        "/media/demo/{id}/0x1",
    ],
)
def test_other_addresses_hand_out_nothing(client: TestClient, corpus_id: int, address: str) -> None:
    answer = client.get(address.format(id=corpus_id))
    assert answer.status_code in (404, 422)
    assert "secret" not in answer.text or answer.headers["content-type"] == "application/json"
    assert not answer.headers["content-type"].startswith("image/")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_a_foreign_host_is_refused(client: TestClient, corpus_id: int, host: str) -> None:
    for address in (media_url("demo", corpus_id, 0), asset_url("results.mjs"), "/"):
        assert client.get(address, headers={"host": host}).status_code == 400


@pytest.mark.parametrize("name", ASSETS)
def test_assets_are_served_by_name(client: TestClient, name: str) -> None:
    answer = client.get(asset_url(name))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(ASSETS[name])
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(f"/wb-assets/{name}").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["models.toml", "..%2fpyproject.toml", "%2e%2e/pyproject.toml", "", "samples"])
def test_no_other_file_of_the_assets(client: TestClient, name: str) -> None:
    answer = client.get(f"/wb-assets/{name}")
    assert answer.status_code in (400, 403, 404)
    assert "[project]" not in answer.text


def test_a_photo_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    made = thumbnail(picture(tmp_path, "turned.jpg", (200, 100), exif=exif), 320)
    with Image.open(io.BytesIO(made)) as image:
        assert image.size == (100, 200)


def test_transparency_is_kept(tmp_path: Path) -> None:
    Image.new("RGBA", (10, 10), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    with Image.open(io.BytesIO(thumbnail(tmp_path / "clear.png", 320))) as image:
        assert image.convert("RGBA").getpixel((5, 5))[3] == 0


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="pixels"):
        thumbnail(picture(tmp_path, "bomb.png", (9_000, 9_000)), 320)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"<svg onload='alert(1)'/>", b"GIF89a", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.png").write_bytes(content)
    with pytest.raises(BadImage):
        thumbnail(tmp_path / "file.png", 320)


def test_the_cache_keeps_to_its_limit(tmp_path: Path) -> None:
    path = picture(tmp_path, "a.png")
    one = len(thumbnail(path, EDGE["thumb"]))
    cache = Thumbnails(limit=2 * one)
    for key in "abc":
        cache.get(key, path, "thumb")
    path.unlink()
    assert cache.get("c", path, "thumb") == cache.get("b", path, "thumb")
    with pytest.raises(BadImage):
        cache.get("a", path, "thumb")
