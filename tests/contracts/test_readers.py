"""What every reader promises, over every entry of the registry: a new reader needs one `make_` function here."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from workbench.errors import BadInput
from workbench.readers import READERS, guess_reader, open_reader
from workbench.specs import ImportSpec
from workbench.types import Document, SkippedRow

ROWS = [
    {"id": "b2", "title": "Bees", "text": "Bees dance to tell where flowers are.", "year": 1973, "weight": 0.5},
    {"id": "ü/../x", "title": "Größe", "text": "Ein Text mit Umlauten: äöü.", "year": 2001, "weight": 2.25},
    {"id": "a1", "title": "Empty space", "text": "Space is mostly\nempty.", "year": 1999, "weight": -1.0},
]


def write_jsonl(path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def make_jsonl(folder: Path) -> Path:
    return write_jsonl(folder / "data.jsonl")


def make_beir(folder: Path) -> Path:
    rows = [{"_id" if key == "id" else key: value for key, value in row.items()} for row in ROWS]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def make_csv(folder: Path) -> Path:
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)
    return folder / "data.csv"


def make_tsv(folder: Path) -> Path:
    lines = ["\t".join(ROWS[0])] + ["\t".join(str(v).replace("\n", " ") for v in row.values()) for row in ROWS]
    (folder / "data.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "data.tsv"


def make_parquet(folder: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "data.parquet")
    return folder / "data.parquet"


def make_texts(folder: Path) -> Path:
    (folder / "sub").mkdir()
    (folder / "b.md").write_text("# Bees\n\nBees dance.", encoding="utf-8")
    (folder / "sub" / "größe.txt").write_text("Ein Text: äöü.", encoding="utf-8")
    (folder / "z.txt").write_text("Space is empty.", encoding="utf-8")
    return folder


def make_images(folder: Path) -> Path:
    for name, colour in (("a.png", "red"), ("b.jpg", "green"), ("c.webp", "blue")):
        Image.new("RGB", (40, 30), colour).save(folder / name)
    (folder / "captions.csv").write_text("file,caption,year\nb.jpg,a green field,1999\n")
    return folder


def make_vectors(folder: Path) -> Path:
    np.save(folder / "v.npy", np.eye(3, 4, dtype=np.float32))
    write_jsonl(folder / "v.jsonl")
    return folder / "v.npy"


MAKE: dict[str, Callable[[Path], Path]] = {
    "jsonl": make_jsonl,
    "beir": make_beir,
    "csv": make_csv,
    "tsv": make_tsv,
    "parquet": make_parquet,
    "texts": make_texts,
    "images": make_images,
    "vectors": make_vectors,
}
TABULAR = ("jsonl", "beir", "csv", "tsv", "parquet", "vectors")


def test_every_reader_is_covered():
    assert sorted(MAKE) == READERS.names()


@pytest.fixture(params=sorted(MAKE))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(name: str, tmp_path: Path) -> Path:
    return MAKE[name](tmp_path)


def test_the_reader_is_guessed(name, source):
    assert guess_reader(source) == name
    assert open_reader(source).name == name


def test_three_documents_come_out_and_nothing_is_skipped(source):
    rows = list(open_reader(source).read())
    assert [type(row) for row in rows] == [Document] * 3, rows
    assert len({row.doc_id for row in rows}) == 3


@pytest.mark.parametrize("name", TABULAR)
def test_tables_keep_ids_texts_and_typed_metadata(name, tmp_path):
    reader = open_reader(MAKE[name](tmp_path))
    rows = list(reader.read())
    assert [row.doc_id for row in rows] == [row["id"] for row in ROWS]
    assert [row.title for row in rows] == [row["title"] for row in ROWS]
    newline = " " if name == "tsv" else "\n"
    assert [row.text for row in rows] == [row["text"].replace("\n", newline) for row in ROWS]
    assert [dict(row.metadata) for row in rows] == [{"year": row["year"], "weight": row["weight"]} for row in ROWS]
    assert reader.kinds() == {"year": "integer", "weight": "number"}
    assert {column.name: column.kind for column in reader.columns()}["year"] == "integer"


def test_reading_twice_gives_the_same(source):
    reader = open_reader(source)
    first = list(reader.read())
    assert list(reader.read()) == first == list(open_reader(source).read())


def test_the_mapping_is_complete_and_reads_the_same(source):
    reader = open_reader(source)
    spec = reader.mapping()
    assert spec.reader == reader.name
    assert list(open_reader(source, spec).read()) == list(reader.read())
    assert open_reader(source, spec).mapping() == spec


def test_progress_ends_at_the_total(source):
    reader = open_reader(source)
    seen = []
    for _ in reader.read():
        assert reader.at > 0
        seen.append(reader.done)
    assert seen == sorted(seen)
    assert reader.done == reader.total > 0


def test_sources_are_files_and_cover_the_documents(source):
    files = open_reader(source).sources()
    assert files
    assert all(file.is_file() for file in files)


def test_a_sample_is_the_beginning(source):
    documents, skipped = open_reader(source).sample(2)
    assert documents == list(open_reader(source).read())[:2]
    assert skipped == []


def test_chosen_metadata_only(name, source):
    chosen = "year" if name in TABULAR else "path"
    rows = list(open_reader(source, ImportSpec(reader=name, metadata_fields=(chosen,))).read())
    assert {key for row in rows for key in row.metadata} == {chosen}


def test_a_missing_path_is_told(name, tmp_path):
    with pytest.raises(BadInput, match="no file or folder"):
        open_reader(tmp_path / "nothing", ImportSpec(reader=name))


def test_the_wrong_kind_of_path_is_told(name, tmp_path):
    wrong = tmp_path / "empty"
    if name in ("texts", "images", "beir"):
        wrong.write_text("x")
    else:
        wrong.mkdir()
    with pytest.raises(BadInput):
        open_reader(wrong, ImportSpec(reader=name))


@pytest.mark.parametrize("name", ["jsonl", "csv", "tsv", "parquet", "vectors"])
def test_an_empty_file_is_told(name, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(BadInput, match="is empty"):
        open_reader(tmp_path / "empty", ImportSpec(reader=name))


@pytest.mark.parametrize("name", TABULAR)
def test_an_unknown_column_is_told_with_the_choices(name, tmp_path):
    with pytest.raises(BadInput, match=r"no column “nope”.*title"):
        list(open_reader(MAKE[name](tmp_path), ImportSpec(reader=name, text_field="nope")).read())


@pytest.mark.parametrize("name", ["jsonl", "csv", "tsv", "parquet", "beir"])
def test_common_checks_hold_for_every_table(name, tmp_path, monkeypatch):
    rows = [
        {"id": "1", "title": "", "text": "first"},
        {"id": "1", "title": "", "text": "again"},
        {"id": "2", "title": "", "text": " "},
        {"id": "3", "title": "", "text": "last"},
    ]
    monkeypatch.setitem(globals(), "ROWS", rows)
    found = list(open_reader(MAKE[name](tmp_path)).read())
    assert [row.doc_id for row in found if isinstance(row, Document)] == ["1", "3"]
    first = 1 if name in ("jsonl", "beir", "parquet") else 2
    unit = "row" if name == "parquet" else "line"
    assert [row for row in found if isinstance(row, SkippedRow)] == [
        SkippedRow(f"{unit} {first + 1}", f"the id “1” was used before, in {unit} {first}"),
        SkippedRow(f"{unit} {first + 2}", "the text is empty"),
    ]
