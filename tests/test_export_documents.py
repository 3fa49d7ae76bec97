"""Documents as files: rows against the corpus, formulas that stay text, manifests, names, and nothing half-written."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from set_fixtures import import_numbers, rows_of
from starlette.testclient import TestClient
from typer.testing import CliRunner

from ui.exports import add_exports
from workbench import __version__
from workbench.__main__ import app
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.exports import tables
from workbench.jobs.kinds import KINDS
from workbench.types import Filter
from workbench.workflows import exporting
from workbench.workflows.corpus import browse, get_corpus, import_corpus
from workbench.workflows.exporting import export_documents, find_export, list_exports
from workbench.workflows.subsets import create_subset
from workbench.workflows.tags import tag_documents


@pytest.fixture
def bugs(project, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "BLOCK", 7)
    import_numbers(project, tmp_path, range(30))
    return project


def plain(number: int) -> dict[str, object]:
    """A document as a flat row with its id under the name that exports use."""
    (row,) = rows_of([number])
    return {"doc_id": row.pop("id"), **{name: row[name] for name in ("title", "text")}, **row}


def test_jsonl_holds_every_field_and_comes_back(bugs):
    report = export_documents(bugs, "bugs", "jsonl")
    path = Path(report.path)
    assert path == bugs.exports / "bugs-v1.jsonl" and report.documents == 30
    assert [json.loads(line) for line in path.read_text().splitlines()] == [plain(n) for n in range(30)]
    assert report.bytes == path.stat().st_size
    again = import_corpus(bugs, "again", path)
    assert again.documents == 30
    first, second = (browse(bugs, name, limit=50).documents for name in ("bugs", "again"))
    assert [(d.doc_id, d.title, d.text, dict(d.metadata)) for d in first] == [
        (d.doc_id, d.title, d.text, dict(d.metadata)) for d in second
    ]
    assert get_corpus(bugs, "bugs").columns == get_corpus(bugs, "again").columns


def test_csv_reads_back_as_written(bugs):
    tag_documents(bugs, "bugs", [3], "odd")
    tag_documents(bugs, "bugs", [3], "even")
    report = export_documents(bugs, "bugs", "csv", [Filter("year", "<", 1905)], "number")
    with Path(report.path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["doc_id"] for row in rows] == ["d0", "d1", "d2", "d3", "d4"]
    assert rows[3] == {
        "doc_id": "d3", "title": "Title 3", "text": "bee number 3", "tags": "even; odd",
        "year": "1903", "weight": "0.75", "wild": "true",
    }  # fmt: skip
    assert rows[4]["tags"] == "" and rows[4]["wild"] == "false"


def test_parquet_keeps_kinds(bugs):
    tag_documents(bugs, "bugs", [1], "odd")
    create_subset(bugs, "bugs", "some", [1, 2, 20])
    report = export_documents(bugs, "bugs", "parquet", [Filter("@subset", "in", ("some",))])
    assert Path(report.path).name == "bugs-v1-subset-some.parquet"
    table = pq.read_table(report.path)
    kinds = {name: str(table.schema.field(name).type) for name in ("year", "weight", "wild", "text")}
    assert kinds == {"year": "int64", "weight": "double", "wild": "bool", "text": "string"}
    assert table.schema.field("tags").type == pa.list_(pa.string())
    tags = {1: ["odd"], 2: [], 20: []}
    assert table.to_pylist() == [{**plain(n), "tags": tags[n]} for n in (1, 2, 20)]


FORMULAS = {
    "=1+1": "'=1+1",
    "+49 30": "'+49 30",
    "-cmd|' /C calc'!A0": "'-cmd|' /C calc'!A0",
    "@SUM(A1)": "'@SUM(A1)",
    "  =HYPERLINK(1)": "'  =HYPERLINK(1)",
    "\t=1": "'\t=1",
    "\r=1": "'\r=1",
    "＝1": "'＝1",
    "a=1": "a=1",
    "": "",
    "'quoted'": "'quoted'",
    "a, \"b\"\nc": "a, \"b\"\nc",
}  # fmt: skip


@pytest.mark.parametrize(("text", "cell"), FORMULAS.items())
def test_no_text_is_a_formula(text, cell, tmp_path):
    assert tables.harmless(text) == cell
    columns = {"=name": "text", "n": "integer", "x": "number"}
    with tables.table_writer(tmp_path / "t.csv", "csv", columns) as writer:
        writer.write([[text, -5, -0.5]])
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["'=name", "n", "x"], [cell, "-5", "-0.5"]]


def test_columns_called_like_fields_stay_apart(project, tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_text(json.dumps({"id": "a", "text": "own", "tags": "theirs", "image": 5, "metadata.tags": "x"}))
    import_corpus(project, "odd", path)
    report = export_documents(project, "odd", "jsonl")
    row = json.loads(Path(report.path).read_text())
    assert row["text"] == "own" and row["metadata.image"] == 5
    assert sorted(row) == ["doc_id", "metadata.image", "metadata.tags", "metadata.tags (2)", "text", "title"]
    assert {row["metadata.tags"], row["metadata.tags (2)"]} == {"theirs", "x"}


def test_the_manifest_says_what_the_file_holds(bugs):
    made = create_subset(bugs, "bugs", "some", [1, 2])
    filters = [Filter("@subset", "in", ("some",)), Filter("year", ">", 1900)]
    report = export_documents(bugs, "bugs", "csv", filters)
    manifest = json.loads(Path(report.manifest).read_text())
    info = get_corpus(bugs, "bugs")
    assert manifest["corpus"] == "bugs" and manifest["version"] == 1
    assert manifest["corpus_fingerprint"] == info.fingerprint and manifest["corpus_documents"] == 30
    assert manifest["documents"] == 2 and manifest["format"] == "csv" and manifest["workbench"] == __version__
    assert manifest["filters"] == [["@subset", "in", ["some"]], ["year", ">", 1900]]
    assert manifest["sets"] == [
        {"kind": "subset", "name": "some", "documents": 2, "content_hash": made.content_hash}
    ]  # fmt: skip
    assert "single quote" in manifest["csv_safety"] and manifest["file"] == Path(report.path).name
    assert list(manifest["columns"]) == ["doc_id", "title", "text", "year", "weight", "wild"]


def test_different_choices_have_different_names(bugs):
    names = {
        Path(export_documents(bugs, "bugs", "jsonl", filters, text).path).name
        for filters, text in (
            ((), ""),
            ([Filter("year", "<", 1910)], ""),
            ([Filter("year", "<", 1911)], ""),
            ((), "bee"),
        )
    }
    assert len(names) == 4 and {name for name, _, _ in list_exports(bugs)} == names


def test_what_cannot_be_written_is_told_and_leaves_nothing(bugs, tmp_path, monkeypatch):
    for call, error, words in (
        (lambda: export_documents(bugs, "bugs", "xlsx"), BadInput, "cannot be written as “xlsx”"),
        (lambda: export_documents(bugs, "bugs", "csv", text="nothing like it"), BadInput, "nothing to write"),
        (lambda: export_documents(bugs, "bugs", "csv", out=tmp_path), BadInput, "is a folder"),
        (lambda: export_documents(bugs, "bugs", "csv", [Filter("@subset", "in", "x")]), NotFound, "no subset"),
        (lambda: export_documents(bugs, "bees", "csv"), NotFound, "no corpus"),
    ):
        with pytest.raises(error, match=words):
            call()

    def stop(done: int, total: int) -> None:
        assert total == 30
        if done >= 14:
            raise ZeroDivisionError

    export_documents(bugs, "bugs", "csv")
    before = (bugs.exports / "bugs-v1.csv").read_bytes()
    for format in tables.FORMATS:
        with pytest.raises(ZeroDivisionError):
            export_documents(bugs, "bugs", format, progress=stop)
    assert {path.name for path in bugs.exports.iterdir()} == {"bugs-v1.csv", "bugs-v1.csv.manifest.json"}
    assert (bugs.exports / "bugs-v1.csv").read_bytes() == before

    def full(*values: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.JsonlWriter, "write", full)
    with pytest.raises(WorkbenchError, match="No space left on device"):
        export_documents(bugs, "bugs", "jsonl")
    assert not list(bugs.exports.glob(".*"))


def test_the_job_takes_plain_json(bugs):
    kind = KINDS["export-documents"]
    arguments = {
        "corpus": "bugs",
        "format": "jsonl",
        "filters": [["year", "in", [1901, 1902]]],
        "text": "",
        "out": None,
    }
    report = kind.load()(bugs, **kind.adapt(json.loads(json.dumps(arguments)), "cpu"))
    assert report.documents == 2


def test_the_command_writes_a_file_and_one_json_object(bugs, tmp_path):
    create_subset(bugs, "bugs", "some", [1, 2])
    out = tmp_path / "deep" / "some.csv"
    words = ["--project", str(bugs.folder), "--json", "export-documents", "bugs", "--format", "csv"]
    done = CliRunner().invoke(app, [*words, "--subset", "some", "--out", str(out)])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.output)
    assert (answer["path"], answer["rows"]) == (str(out), 2)
    assert len(out.read_text().splitlines()) == 3
    assert CliRunner().invoke(app, words[:-2]).exit_code == 2
    wrong = CliRunner().invoke(app, [*words, "--subset", "none"])
    assert isinstance(wrong.exception, NotFound)


def test_only_files_of_the_folder_can_be_fetched(bugs, tmp_path):
    from fastapi import APIRouter

    class OneProject:
        def project(self, name: str) -> object:
            if name != "test":
                raise NotFound("no such project")
            return bugs

    name = Path(export_documents(bugs, "bugs", "csv").path).name
    (bugs.exports / "link.csv").symlink_to(bugs.folder / "project.db")
    (bugs.exports / ".hidden").write_text("x")
    router = APIRouter()
    add_exports(router, OneProject())
    server = FastAPI()
    server.include_router(router)
    client = TestClient(server)
    answer = client.get(f"/exports/test/{name}")
    assert answer.status_code == 200 and answer.content == (bugs.exports / name).read_bytes()
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for path in (
        "test/..%2Fproject.db",
        "test/link.csv",
        "test/.hidden",
        "test/none.csv",
        f"other/{name}",
        "test/%2Fetc",
    ):
        assert client.get(f"/exports/{path}").status_code == 404, path
    with pytest.raises(NotFound, match="no export called"):
        find_export(bugs, "../project.db")
