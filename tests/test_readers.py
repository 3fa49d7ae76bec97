"""Readers on hostile and crooked sources, format by format."""

import json
import os
import pickle
import random
import string
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from workbench import images
from workbench.errors import BadInput
from workbench.readers import base, guess_reader, lines, open_reader
from workbench.readers.base import SeenIds
from workbench.readers.columns import as_scalar, kind_of, parse_cell, text_kinds
from workbench.readers.files import split_heading
from workbench.readers.images import shrink_image
from workbench.specs import NO_COLUMN, ImportSpec
from workbench.types import Document, SkippedRow


def read(path: Path, **fields) -> tuple[list[Document], list[SkippedRow]]:
    rows = list(open_reader(path, ImportSpec(**fields)).read())
    return [r for r in rows if isinstance(r, Document)], [r for r in rows if isinstance(r, SkippedRow)]


def jsonl(tmp_path: Path, *rows: object, name: str = "x.jsonl") -> Path:
    path = tmp_path / name
    parts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(parts) + b"\n")
    return path


# --- JSON Lines ---


def test_jsonl_skips_what_is_no_object_and_says_where(tmp_path):
    path = jsonl(
        tmp_path,
        {"id": "a", "text": "one"},
        b'{"id": "b", "text": ',
        b"",
        [1, 2],
        b'{"id": "c", "text": "caf\xe9"}',
        {"id": True, "text": "no id"},
        {"text": "no id"},
        {"id": "d", "text": "four"},
    )
    documents, skipped = read(path)
    assert [d.doc_id for d in documents] == ["a", "d"]
    assert [(s.where, s.reason.split(":")[0].split(" (")[0]) for s in skipped] == [
        ("line 2", "the line is not valid JSON"),
        ("line 4", "the line is not a JSON object but [1, 2]"),
        ("line 5", "the line is not valid UTF-8"),
        ("line 6", "the field “id” holds no id"),
        ("line 7", "the field “id” holds no id"),
    ]


def test_jsonl_byte_order_mark_crlf_and_no_last_newline(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 7, "text": "one"}\r\n{"id": 8.0, "text": "two"}')
    documents, skipped = read(path)
    assert [(d.doc_id, d.text) for d in documents] == [("7", "one"), ("8", "two")]
    assert skipped == []


def test_without_an_id_column_the_line_number_is_the_id(tmp_path):
    documents, _ = read(jsonl(tmp_path, {"text": "one"}, b"", {"text": "three"}))
    assert [d.doc_id for d in documents] == ["1", "3"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'[{"id": 1}]', "one JSON array"),
        ('{"id": 1}'.encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b"PK\x03\x04rest", "zip"),
    ],
)
def test_jsonl_of_another_format_is_told(tmp_path, data, words):
    (tmp_path / "x.jsonl").write_bytes(data)
    with pytest.raises(BadInput, match=words):
        read(tmp_path / "x.jsonl")


def test_hostile_json_is_skipped_not_fatal(tmp_path):
    deep = b'{"id": "a", "text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    path = jsonl(tmp_path, deep, b'{"id": "b", "text": "x", "n": ' + b"9" * 5000 + b"}", {"id": "c", "text": "sound"})
    documents, skipped = read(path)
    assert [d.doc_id for d in documents] == ["c"]
    assert [s.where for s in skipped] == ["line 1", "line 2"]


def test_lone_surrogates_are_skipped(tmp_path):
    path = jsonl(
        tmp_path, b'{"id": "a", "text": "\\ud800"}', b'{"id": "b", "text": "x", "m": "\\udfff"}', {"text": "x"}
    )
    _, skipped = read(path, id_field="id")
    assert [s.reason for s in skipped[:2]] == ["the text is not valid UTF-8", "the field “m” is not valid UTF-8"]


def test_nul_characters_are_removed_and_counted(tmp_path):
    path = jsonl(tmp_path, {"id": "a", "text": "o\0ne", "m": "x\0y"}, {"id": "b", "title": "\0t", "text": "two"})
    reader = open_reader(path)
    documents = list(reader.read())
    assert [(d.title, d.text, dict(d.metadata)) for d in documents] == [("", "one", {"m": "xy"}), ("t", "two", {})]
    assert reader.warnings == ["NUL characters were removed from 3 texts or fields."]


@pytest.mark.parametrize("key", ["a\nb", "a\0b", "a\x85b", "a" * 513, "", "\ud800"])
def test_unfit_ids_are_skipped(tmp_path, key):
    documents, skipped = read(jsonl(tmp_path, {"id": key, "text": "x"}, {"id": "ok", "text": "x"}))
    assert [d.doc_id for d in documents] == ["ok"]
    assert [s.where for s in skipped] == ["line 1"]


@pytest.mark.parametrize("key", ["../../etc/passwd", "<script>", "a b", "日本", "🙂", "a\u00a0b", "x" * 512])
def test_odd_ids_are_data(tmp_path, key):
    documents, _ = read(jsonl(tmp_path, {"id": key, "text": "x"}))
    assert documents[0].doc_id == key


def test_ten_megabytes_are_read_and_more_is_skipped(tmp_path):
    path = jsonl(tmp_path, {"id": "a", "text": "x" * base.TEXT_LIMIT}, {"id": "b", "text": "x" * (base.TEXT_LIMIT + 1)})
    documents, skipped = read(path)
    assert [(d.doc_id, len(d.text)) for d in documents] == [("a", 10 * 1024 * 1024)]
    assert skipped == [SkippedRow("line 2", "the text has 10,485,761 characters; the limit is 10,485,760")]


def test_overlong_lines_are_skipped_without_being_held(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LINE_LIMIT", 100)
    path = jsonl(tmp_path, {"id": "a", "text": "x" * 350}, {"id": "b", "text": "short"})
    documents, skipped = read(path, id_field="id", text_field="text")
    assert [d.doc_id for d in documents] == ["b"]
    assert [s.where for s in skipped] == ["line 1"]
    reader = open_reader(path)
    list(reader.read())
    assert reader.done == path.stat().st_size


def test_metadata_is_kept_as_scalars(tmp_path):
    row = {"id": "a", "text": "x", "tags": ["p", "q"], "n": 2**70, "nan": float("nan"), "b": True, 'q"\\': 1}
    documents, _ = read(jsonl(tmp_path, row))
    assert dict(documents[0].metadata) == {"tags": '["p", "q"]', "n": str(2**70), "nan": None, "b": True, "q__": 1}


def test_beir_metadata_is_unfolded(tmp_path):
    documents, _ = read(jsonl(tmp_path, {"_id": "a", "text": "x", "metadata": {"url": "u", "text": "not this"}}))
    assert (documents[0].text, dict(documents[0].metadata)) == ("x", {"url": "u"})


def test_columns_beyond_the_limit_are_left_out(tmp_path):
    rows = [{"id": str(i), "text": "x", **{f"k{i}-{j}": 1 for j in range(100)}} for i in range(4)]
    reader = open_reader(jsonl(tmp_path, *rows))
    list(reader.read())
    assert len(reader.kinds()) == 256
    assert reader.warnings == ["144 values of columns beyond the first 256 were left out."]


def test_mixed_columns_are_text(tmp_path):
    rows = [{"id": 1, "text": "x", "m": 1, "n": 1}, {"id": 2, "text": "x", "m": "a", "n": 0.5}, {"id": 3, "text": "x"}]
    reader = open_reader(jsonl(tmp_path, *rows))
    list(reader.read())
    assert (reader.kinds(), reader.mixed()) == ({"m": "text", "n": "number"}, ["m"])


def test_the_text_falls_back_on_the_longest_column(tmp_path):
    reader = open_reader(jsonl(tmp_path, {"key": "k", "lang": "en", "prose": "a longer text"}))
    assert reader.mapping().text_field == "prose"


def test_no_text_column_is_told(tmp_path):
    with pytest.raises(BadInput, match="no column that could be the text"):
        read(jsonl(tmp_path, {"id": 1, "n": 2}))


# --- duplicates ---


def test_seen_ids_equal_a_dictionary():
    rng = random.Random(0)
    seen, oracle = SeenIds(), {}
    for row in range(1, 30_000):
        key = "".join(rng.choices(string.ascii_lowercase, k=3))
        assert seen.first(key, row) == oracle.get(key, 0)
        oracle.setdefault(key, row)


# --- CSV and TSV ---


def test_csv_types_come_from_the_whole_column(tmp_path):
    head = "id,text,n,f,b,zip,mixed,empty\n"
    body = "".join(f"{i},t{i},{i},{i}.5,{'True' if i % 2 else 'false'},0{i},{i},\n" for i in range(1500))
    (tmp_path / "x.csv").write_text(head + body + "last,t,5,7,true,12,word,\n")
    reader = open_reader(tmp_path / "x.csv")
    rows = list(reader.read())
    assert reader.kinds() == {
        "n": "integer", "f": "number", "b": "boolean", "zip": "text", "mixed": "text", "empty": "text",
    }  # fmt: skip
    assert dict(rows[3].metadata) == {"n": 3, "f": 3.5, "b": True, "zip": "03", "mixed": "3", "empty": None}
    assert rows[-1].metadata["f"] == 7.0


def test_csv_quotes_line_numbers_and_ragged_rows(tmp_path):
    (tmp_path / "x.csv").write_bytes(
        b'id,text\n1,"two\nlines, and a ""quote"""\n2,a,b\n3\n\n4,caf\xe9\n5,sound\n4,"x"\n5,y\n'
    )
    documents, skipped = read(tmp_path / "x.csv")
    assert [(d.doc_id, d.text) for d in documents] == [
        ("1", 'two\nlines, and a "quote"'), ("5", "sound"), ("4", "x"),
    ]  # fmt: skip
    assert skipped == [
        SkippedRow("line 4", "the row has 3 cells where the header has 2"),
        SkippedRow("line 5", "the row has 1 cell where the header has 2"),
        SkippedRow("line 7", "the text is not valid UTF-8"),
        SkippedRow("line 10", "the id “5” was used before, in line 8"),
    ]


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_csv_with_another_delimiter(tmp_path, mark):
    (tmp_path / "x.csv").write_text(f"id{mark}text\na{mark}one, two\n")
    assert read(tmp_path / "x.csv")[0][0].text == "one, two"


def test_csv_cells_may_be_large_and_headers_repeat(tmp_path):
    (tmp_path / "x.csv").write_text("id,text,a,a,\n1," + "x" * 200_000 + ",p,q,r\n")
    documents, _ = read(tmp_path / "x.csv")
    assert len(documents[0].text) == 200_000
    assert dict(documents[0].metadata) == {"a": "p", "a (4)": "q", "column 5": "r"}


def test_tsv_without_a_header_is_ms_marco(tmp_path):
    (tmp_path / "x.tsv").write_text('0\tThe "presence of\n1\tsecond "one"\n', encoding="utf-8")
    reader = open_reader(tmp_path / "x.tsv")
    mapping = reader.mapping()
    assert (mapping.id_field, mapping.text_field) == (NO_COLUMN, "column 2")
    assert [d.text for d in reader.read()] == ['The "presence of', 'second "one"']


def test_tsv_unquotes_whole_cells(tmp_path):
    (tmp_path / "x.tsv").write_text('id\ttext\na\t"say ""hi"""\n')
    assert read(tmp_path / "x.tsv")[0][0].text == 'say "hi"'


@pytest.mark.parametrize(
    ("cell", "kind"),
    [("12", "integer"), ("-3", "integer"), ("007", "text"), ("1e5", "number"), (".5", "number"), ("1e999", "text"),
     ("5.", "text"), ("nan", "text"), ("TRUE", "boolean"), ("9" * 19, "number"), ("", "text"), ("1 2", "text")],
)  # fmt: skip
def test_kinds_of_cells(cell, kind):
    order = ("integer", "number", "boolean", "text")
    assert next(k for k in order if k in text_kinds(cell)) == kind


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_cell_parses_as_each_of_its_kinds(cell):
    for kind in text_kinds(cell.strip()):
        value = parse_cell(cell, kind)
        assert value is None or kind_of([type(value)]) == kind
    assert as_scalar(cell) == cell


# --- Parquet ---


def test_parquet_streams_dates_bytes_and_lists(tmp_path):
    import datetime

    table = pa.table(
        {
            "id": [1, 2, 3],
            "text": ["a", "b", None],
            "day": [datetime.date(2020, 1, 2), None, None],
            "tags": [["x"], [], None],
            "blob": [b"1", b"2", b"3"],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=1)
    reader = open_reader(tmp_path / "x.parquet")
    rows = list(reader.read())
    assert [dict(row.metadata) for row in rows[:2]] == [
        {"day": "2020-01-02", "tags": '["x"]'},
        {"day": None, "tags": "[]"},
    ]
    assert rows[2] == SkippedRow("row 3", "the text is empty")
    assert reader.warnings == ["The column “blob” holds bytes (binary) and was left out."]


def test_parquet_rows_that_are_not_utf8_are_skipped(tmp_path):
    data = pa.array([b"good", b"caf\xe9", b"fine"], pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 3, data.buffers())
    pq.write_table(pa.table({"text": broken}), tmp_path / "x.parquet")
    documents, skipped = read(tmp_path / "x.parquet")
    assert [d.text for d in documents] == ["good", "fine"]
    assert skipped == [SkippedRow("row 2", "the text is not valid UTF-8")]


@pytest.mark.parametrize("cut", [4, 200, -10])
def test_damaged_parquet_is_told(tmp_path, cut):
    pq.write_table(pa.table({"text": ["some words"] * 50}), tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(data[:cut])
    with pytest.raises(BadInput, match="Parquet"):
        read(tmp_path / "x.parquet")


# --- texts ---


def test_texts_take_titles_from_headings_or_names(tmp_path):
    (tmp_path / "a.md").write_text("\n## On bees ##\nThey fly.")
    (tmp_path / "b.md").write_text("No heading\nhere.")
    (tmp_path / "c.rst").write_text("Wasps\n=====\n\nThey too.")
    (tmp_path / "d.txt").write_bytes("é".encode("utf-16"))
    (tmp_path / "e.txt").write_bytes(b"caf\xe9")
    (tmp_path / "f.txt").write_bytes(b"")
    (tmp_path / ".hidden.txt").write_text("no")
    documents, skipped = read(tmp_path)
    assert [(d.doc_id, d.title, d.text) for d in documents] == [
        ("a.md", "On bees", "They fly."),
        ("b.md", "b", "No heading\nhere."),
        ("c.rst", "Wasps", "They too."),
        ("d.txt", "d", "é"),
    ]
    assert documents[0].metadata == {"path": "a.md", "size": 24}
    assert skipped == [
        SkippedRow("e.txt", "the text is not valid UTF-8 (byte 4)"), SkippedRow("f.txt", "the text is empty"),
    ]  # fmt: skip


def test_texts_do_not_follow_links_out(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("mine")
    (tmp_path / "in" / "b.txt").symlink_to(tmp_path / "secret.txt")
    documents, skipped = read(tmp_path / "in")
    assert [d.doc_id for d in documents] == ["a.txt"]
    assert skipped == [SkippedRow("b.txt", "the link leads out of the folder")]


def test_a_heading_alone_is_a_title():
    assert split_heading("# Only\r\n") == ("Only", "")
    assert split_heading("#no heading\nx") == ("", "#no heading\nx")


# --- images ---


def bomb(path: Path, width: int = 60_000, height: int = 60_000) -> None:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_images_with_captions_come_first_and_the_rest_by_path(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("z.png", "a.png", "sub/m.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "captions.jsonl").write_text(
        '{"file": "z.png", "caption": "a zebra", "licence": "CC0"}\n'
        '{"file": "../../etc/passwd.png", "caption": "x"}\n'
        '{"file": "gone.png", "caption": "x"}\n'
        '{"caption": "no file"}\n'
    )
    documents, skipped = read(tmp_path)
    assert [(d.doc_id, d.text) for d in documents] == [("z.png", "a zebra"), ("a.png", ""), ("sub/m.jpg", "")]
    assert dict(documents[0].metadata) == {"path": "z.png", "licence": "CC0"}
    assert documents[0].image == str((tmp_path / "z.png").resolve())
    assert [s.where for s in skipped] == [f"captions.jsonl line {n}" for n in (2, 3, 4)]
    assert "outside of the folder" in skipped[0].reason
    assert "there is no image" in skipped[1].reason


def test_an_image_column_of_a_table(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    rows = [{"id": "a", "image": "a.png"}, {"id": "b", "image": "/etc/hosts.png"}, {"id": "c", "image": "x\0.png"}]
    documents, skipped = read(jsonl(tmp_path, *rows))
    assert [(d.doc_id, d.image) for d in documents] == [("a", str((tmp_path / "a.png").resolve()))]
    assert len(skipped) == 2


def test_shrunk_images_are_webp_of_at_most_512_pixels(tmp_path):
    Image.new("RGB", (2000, 1000), (200, 30, 30)).save(tmp_path / "a.jpg")
    data, reason = shrink_image(tmp_path / "a.jpg")
    assert reason == ""
    (tmp_path / "out").write_bytes(data)
    with Image.open(tmp_path / "out") as image:
        assert (image.format, image.size) == ("WEBP", (512, 256))
        red, green, blue = image.convert("RGB").getpixel((100, 100))
    assert abs(red - 200) < 8 and abs(green - 30) < 8 and abs(blue - 30) < 8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F", "I"])
def test_every_pixel_mode_is_stored(tmp_path, mode):
    Image.new(mode, (20, 10)).save(tmp_path / "x.tiff")
    data, reason = shrink_image(tmp_path / "x.tiff")
    assert (reason, data[8:12]) == ("", b"WEBP")


def test_16_bit_grey_keeps_its_range(tmp_path):
    ramp = np.linspace(0, 4000, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(ramp).save(tmp_path / "x.png")
    data, _ = shrink_image(tmp_path / "x.png")
    (tmp_path / "out").write_bytes(data)
    with Image.open(tmp_path / "out") as image:
        values = np.asarray(image.convert("L"), dtype=float)
    assert values[0].mean() < 10 and values[-1].mean() > 245


def test_orientation_is_applied_and_nothing_else_is_kept(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "secret place"
    Image.new("RGB", (40, 20)).save(tmp_path / "x.jpg", exif=exif)
    data, _ = shrink_image(tmp_path / "x.jpg")
    (tmp_path / "out").write_bytes(data)
    with Image.open(tmp_path / "out") as image:
        assert image.size == (20, 40)
        assert not image.getexif()
    assert b"secret" not in data


def test_bad_images_are_refused_with_the_reason(tmp_path):
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "html.png").write_bytes(b"<html><script>alert(1)</script>")
    (tmp_path / "svg.png").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    Image.effect_noise((300, 300), 90).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:4000])
    bomb(tmp_path / "bomb.png")
    bomb(tmp_path / "wide.png", 9000, 9000)
    reasons = {path.name: shrink_image(path) for path in sorted(tmp_path.iterdir())}
    assert all(data == b"" and reason for data, reason in reasons.values()), reasons
    assert reasons["zero.png"][1] == "the image file is empty"
    assert "too many pixels" in reasons["bomb.png"][1]
    assert "9000 × 9000" in reasons["wide.png"][1]
    assert shrink_image(tmp_path / "gone.png")[1] == "the image file is not there"


def test_the_pixel_limit_is_ours(tmp_path, monkeypatch):
    Image.new("RGB", (100, 100)).save(tmp_path / "x.png")
    monkeypatch.setattr(images, "PIXEL_LIMIT", 9_999)
    assert "100 × 100" in shrink_image(tmp_path / "x.png")[1]


# --- vectors ---


def vectors(tmp_path: Path, array: np.ndarray, ids: str = "a\nb\nc\n") -> Path:
    np.save(tmp_path / "v.npy", array)
    (tmp_path / "v.ids.txt").write_text(ids)
    return tmp_path / "v.npy"


def test_vectors_follow_the_documents_that_are_kept(tmp_path):
    array = np.arange(20, dtype=np.float64).reshape(5, 4)
    reader = open_reader(vectors(tmp_path, array, "a\nb\na\n\ne\n"))
    reader.check()
    rows = list(reader.read())
    assert [r.doc_id for r in rows if isinstance(r, Document)] == ["a", "b", "e"]
    assert [r.where for r in rows if isinstance(r, SkippedRow)] == ["row 3", "row 4"]
    blocks = list(reader.vectors(2))
    assert [block.shape for block in blocks] == [(2, 4), (1, 4)]
    assert blocks[0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(blocks), array[[0, 1, 4]])


def test_vectors_in_several_files(tmp_path):
    np.save(tmp_path / "0.npy", np.ones((2, 3), np.float16))
    np.save(tmp_path / "1.npy", np.zeros((1, 3), np.float16))
    (tmp_path / "ids.json").write_text('["a", 2, "c"]')
    reader = open_reader(tmp_path)
    assert [d.doc_id for d in reader.read()] == ["a", "2", "c"]
    np.testing.assert_array_equal(np.concatenate(list(reader.vectors(10))), [[1] * 3, [1] * 3, [0] * 3])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    array = np.ones((3, 4), np.float64)
    array[1, 2] = value
    with pytest.raises(BadInput, match="NaN or infinite values, first in row 2"):
        open_reader(vectors(tmp_path, array)).check()


@pytest.mark.parametrize(("ids", "count"), [("a\nb\n", "2"), ("a\nb\nc\nd\n", "4")])
def test_another_count_of_ids_is_refused(tmp_path, ids, count):
    reader = open_reader(vectors(tmp_path, np.ones((3, 4)), ids))
    with pytest.raises(BadInput, match=f"names {count} documents, but there are 3 vectors"):
        reader.check()
    with pytest.raises(BadInput):
        list(reader.read())


@pytest.mark.parametrize(
    "array", [np.ones(3), np.ones((3, 4, 1)), np.ones((3, 4), bool), np.ones((3, 4), complex), np.ones((0, 4))]
)
def test_other_shapes_and_types_are_refused(tmp_path, array):
    with pytest.raises(BadInput, match="documents × dimensions"):
        open_reader(vectors(tmp_path, array))


def test_pickled_arrays_are_refused_and_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    np.save(tmp_path / "v.npy", np.array([[Evil()]], dtype=object), allow_pickle=True)
    (tmp_path / "v.ids.txt").write_text("a\n")
    with pytest.raises(BadInput, match="Python objects"):
        open_reader(tmp_path / "v.npy")
    (tmp_path / "v.npy").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BadInput):
        open_reader(tmp_path / "v.npy")
    assert not (tmp_path / "ran").exists()


def test_mixed_dimensions_truncation_and_missing_ids_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    with pytest.raises(BadInput, match="no file with the documents' ids"):
        open_reader(tmp_path / "a.npy")
    (tmp_path / "ids.txt").write_text("a\nb\n")
    np.save(tmp_path / "b.npy", np.ones((2, 4)))
    with pytest.raises(BadInput, match="must have the same dimension"):
        open_reader(tmp_path)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-8])
    with pytest.raises(BadInput, match="not a sound"):
        open_reader(tmp_path / "a.npy")


# --- guessing ---


def test_guesses_from_the_first_bytes(tmp_path):
    for data, name in ((b'{"a": 1}', "jsonl"), (b"a\tb\n", "tsv"), (b"a,b\n", "csv")):
        (tmp_path / "x").write_bytes(data)
        assert guess_reader(tmp_path / "x") == name


@pytest.mark.parametrize("name", ["x.md", "x.png", "x.bin"])
def test_single_files_that_no_reader_takes(tmp_path, name):
    (tmp_path / name).write_bytes(b"\0\0")
    with pytest.raises(BadInput):
        guess_reader(tmp_path / name)


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(BadInput, match="nothing that a reader knows"):
        guess_reader(tmp_path)


def test_fields_make_no_sense_for_a_folder_of_texts(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(BadInput, match="no columns to choose from"):
        open_reader(tmp_path, ImportSpec(id_field="x"))


def test_a_column_that_is_said_to_be_none_is_not_guessed_again(tmp_path):
    row = {"id": "a", "title": "A title", "text": "some words", "note": "x"}
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    reader = open_reader(tmp_path / "x.jsonl", ImportSpec(id_field=NO_COLUMN, title_field=NO_COLUMN))
    document = next(iter(reader.read()))
    assert (document.doc_id, document.title, document.text) == ("1", "", "some words")
    assert document.metadata == {"id": "a", "title": "A title", "note": "x"}
    again = open_reader(tmp_path / "x.jsonl", reader.mapping())
    assert next(iter(again.read())) == document


def test_a_column_of_paths_is_not_taken_for_the_text(tmp_path):
    row = {"words": "a big cat", "path": "animals/mammals/felines/big/panthera/leo/portrait-of-a-lion.svg"}
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    assert open_reader(tmp_path / "x.jsonl").mapping().text_field == "words"
