"""Images of queries: kept by content, refused with a sentence, and served by id alone."""

import io
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from ui.app import build_app
from workbench.errors import BadInput, NotFound
from workbench.images import read_image
from workbench.project import Project, Workspace
from workbench.workflows.corpus import image_path, import_corpus
from workbench.workflows.images import document_image, query_image, store_query_image


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (300, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_picture_is_kept_once_under_the_hash_of_its_content(project: Project, picture: Path, tmp_path: Path) -> None:
    id = store_query_image(project, picture)
    Image.open(picture).save(tmp_path / "same.bmp")
    assert store_query_image(project, tmp_path / "same.bmp") == id
    path = query_image(project, id)
    assert path.parent == project.media / "queries" and [each.name for each in path.parent.iterdir()] == [f"{id}.webp"]
    with Image.open(path) as image:
        assert (image.format, image.size) == ("WEBP", (512, 219))


def test_a_picture_of_the_corpus_is_the_same_file_as_a_query(project: Project, picture: Path) -> None:
    import_corpus(project, "pictures", picture.parent)
    stored = document_image(project, "pictures", 0)
    assert query_image(project, store_query_image(project, picture)).read_bytes() == stored.read_bytes()
    assert stored == image_path(project, "pictures", 0)
    texts = picture.parent / "t.jsonl"
    texts.write_text('{"id": "a", "text": "no picture"}')
    import_corpus(project, "texts", texts)
    with pytest.raises(NotFound, match="has no image"):
        document_image(project, "texts", 0)


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"
BAD = {
    "nothing": (b"", "the image file is empty"),
    "text": (b"hello, I am no picture", "cannot be read"),
    "svg": (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "it is an SVG drawing"),
    "heic": (HEIC, "it is a HEIC photo"),
    "pdf": (b"%PDF-1.7\n", "it is a PDF file"),
    "video": (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00", "it is a video"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_picture_is_refused_with_a_sentence_and_nothing_is_kept(
    project: Project, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "x.png").write_bytes(BAD[kind][0])
    with pytest.raises(BadInput, match=BAD[kind][1]) as caught:
        store_query_image(project, tmp_path / "x.png")
    assert "PNG, JPEG" in caught.value.hint
    assert not (project.media / "queries").exists()


def test_cut_huge_and_missing_pictures_are_refused(project: Project, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(picture.read_bytes()[:9000])
    Image.new("1", (9000, 9000)).save(tmp_path / "huge.png")
    for name, words in (("cut.png", "cannot be read"), ("huge.png", "9000 × 9000"), ("gone.png", "is not there")):
        with pytest.raises(BadInput, match=words):
            store_query_image(project, tmp_path / name)


def test_of_an_animation_the_first_frame_is_kept(project: Project, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    with Image.open(query_image(project, store_query_image(project, tmp_path / "x.gif"))) as image:
        red, _, blue = image.convert("RGB").getpixel((10, 10))
    assert red > 200 and blue < 60


def test_read_image_is_upright_rgb_on_white(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "x.jpg", exif=exif)
    assert read_image(tmp_path / "x.jpg").size == (20, 40)
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png").getpixel((4, 4)) == (255, 255, 255)
    with pytest.raises(BadInput, match=r"“gone\.png” cannot be used: the image file is not there"):
        read_image(tmp_path / "gone.png")


@pytest.mark.parametrize("id", ["", "x", "../project", "a" * 31, "A" * 32, "a" * 33, "0" * 32])
def test_only_an_id_finds_a_picture(project: Project, id: str) -> None:
    with pytest.raises(NotFound, match="not here"):
        query_image(project, id)


def test_the_route_serves_it_re_encoded(tmp_path: Path, picture: Path) -> None:
    project = Workspace(tmp_path / "w").create("demo")
    id = store_query_image(project, picture)
    client = TestClient(build_app(tmp_path / "w"), base_url="http://127.0.0.1")
    for size, edge in (("thumb", 320), ("view", 512), ("full", 512)):
        answer = client.get(f"/media-query/demo/{id}?size={size}")
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/webp"
        assert answer.headers["x-content-type-options"] == "nosniff"
        with Image.open(io.BytesIO(answer.content)) as image:
            assert max(image.size) == edge
    for address in (f"demo/{'0' * 32}", "demo/x", f"nowhere/{id}", "demo/..%2fproject.db", f"..%2f/{id}"):
        assert client.get(f"/media-query/{address}").status_code in (404, 422)
    assert client.get(f"/media-query/demo/{id}?size=9").status_code == 422
    query_image(project, id).write_bytes(b"damaged")
    fresh = TestClient(build_app(tmp_path / "w"), base_url="http://127.0.0.1")
    assert "svg" in fresh.get(f"/media-query/demo/{id}").headers["content-type"]
    project.close()
