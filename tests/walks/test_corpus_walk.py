"""Corpora from a file to the database and back: versions, no-ops, cancel, crash, full disk, images, vectors."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench import ingest
from workbench.errors import BadInput, Cancelled, NotFound, WorkbenchError
from workbench.project import Project
from workbench.specs import NO_COLUMN, ImportSpec
from workbench.types import Filter
from workbench.vectors import DenseVectors
from workbench.workflows import sources
from workbench.workflows.corpus import (
    browse,
    column_values,
    delete_corpus,
    get_corpus,
    get_document,
    image_path,
    import_corpus,
    import_queries,
    list_corpora,
    list_queries,
    list_query_sets,
    list_versions,
    preview_corpus,
)

ROOT = Path(__file__).parents[2]


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows(count: int, start: int = 0) -> list[dict]:
    return [
        {"_id": f"d{n}", "title": f"Title {n}", "text": f"body number {n} of {n % 7}", "year": 1900 + n % 9}
        for n in range(start, start + count)
    ]


def counts(project: Project) -> dict[str, int]:
    """Rows of every table an import can write, files it can leave; the full-text index is checked against the rows."""
    with project.db.write() as connection:
        connection.exec_driver_sql("INSERT INTO documents_fts (documents_fts, rank) VALUES ('integrity-check', 1)")
        names = ("corpora", "documents", "documents_fts_docsize", "artifacts", "query_sets", "queries", "judgments")
        found = {name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in names}
    files = [p for folder in (project.media, project.folder / "artifacts") for p in folder.rglob("*") if p.is_file()]
    found["files"] = len([p for p in files if not p.name.endswith(".lock")])
    return found


EMPTY = dict.fromkeys(
    ("corpora", "documents", "documents_fts_docsize", "artifacts", "query_sets", "queries", "judgments", "files"), 0
)


def test_from_a_file_to_the_page(project, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [*rows(2500), {"_id": "d1", "text": "again"}, {"_id": "x", "text": ""}])
    told: list[tuple[int, int]] = []
    report = import_corpus(project, "a", path, progress=lambda done, total: told.append((done, total)))
    assert (report.corpus, report.version, report.documents, report.skipped) == ("a", 1, 2500, 2)
    assert [(row.where, row.reason) for row in report.skipped_rows] == [
        ("line 2501", "the id “d1” was used before, in line 2"),
        ("line 2502", "the text is empty"),
    ]
    assert (report.added, report.removed, report.changed, report.unchanged) == (2500, 0, 0, False)
    assert {total for _, total in told} == {path.stat().st_size}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    info = get_corpus(project, "a")
    assert (info.columns, info.has_images, info.documents) == ({"year": "integer"}, False, 2500)
    assert info.report["skipped"] == 2
    assert [corpus.name for corpus in list_corpora(project)] == ["a"]
    document = get_document(project, "a", "d1234")
    assert (document.ordinal, document.title, document.text) == (1234, "Title 1234", "body number 1234 of 2")
    assert get_document(project, "a", 1234) == document
    page = browse(project, "a", "body 1234")
    assert ([d.doc_id for d in page.documents], page.total) == (["d1234"], 1)
    page = browse(project, "a", filters=[Filter("year", "=", 1904)], offset=3, limit=2)
    assert [d.ordinal for d in page.documents] == [n for n in range(2500) if n % 9 == 4][3:5]
    assert page.total == len([n for n in range(2500) if n % 9 == 4])
    assert sum(count for _, count in column_values(project, "a", "year")) == 2500
    assert image_path(project, "a", 0) is None
    with pytest.raises(NotFound, match="Choices: a"):
        get_corpus(project, "b")


def test_the_same_file_again_does_nothing(project, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", rows(50))
    first = import_corpus(project, "a", path)
    again = import_corpus(project, "a", path)
    assert (again.unchanged, again.version, again.documents, again.added) == (True, 1, 50, 0)
    assert len(list_versions(project, "a")) == 1
    # Other bytes, the same documents: no new version either, and the next look is quick again.
    path.write_text(path.read_text().replace('", "', '",  "'))
    assert import_corpus(project, "a", path).unchanged
    assert get_corpus(project, "a").fingerprint == list_versions(project, "a")[0].fingerprint
    assert first.unchanged is False


def test_a_changed_file_makes_a_version_and_says_what_changed(project, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", rows(100))
    import_corpus(project, "a", path)
    changed = rows(100)[10:] + rows(5, start=100)
    changed[0]["text"] = "another text"
    changed[1]["year"] = 2024
    report = import_corpus(project, "a", write_jsonl(path, changed))
    assert (report.version, report.documents) == (2, 95)
    assert (report.added, report.removed, report.changed) == (5, 10, 1)
    assert report.warnings == ["1 documents differ from the version before only in their metadata."]
    assert get_document(project, "a", "d10").text == "another text"
    assert get_document(project, "a@1", "d10").text == "body number 10 of 3"
    assert [info.label for info in list_versions(project, "a")] == ["a@2", "a@1"]
    assert [info.label for info in list_corpora(project)] == ["a@2"]
    assert browse(project, "a", "another text").total == 1
    assert browse(project, "a@1", "another text").total == 0


def test_another_mapping_is_another_version(project, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", rows(10))
    import_corpus(project, "a", path)
    report = import_corpus(project, "a", path, ImportSpec(text_field="title", title_field="text"))
    assert (report.version, report.changed) == (2, 10)


@pytest.mark.parametrize("after", [1, 3])
def test_a_cancelled_import_leaves_nothing(project, tmp_path, after):
    path = write_jsonl(tmp_path / "a.jsonl", rows(6000))
    calls = []

    def progress(done: int, total: int) -> None:
        calls.append(done)
        if done and len([each for each in calls if each]) > after:
            raise Cancelled

    with pytest.raises(Cancelled):
        import_corpus(project, "a", path, progress=progress)
    assert counts(project) == EMPTY
    assert list_corpora(project) == []
    assert import_corpus(project, "a", path).version == 1


def test_a_killed_import_is_removed_when_the_project_opens(tmp_path):
    project = Project.create(tmp_path / "projects" / "p")
    path = write_jsonl(tmp_path / "a.jsonl", rows(5000))
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from workbench.project import Project\n"
        "from workbench.workflows.corpus import import_corpus\n"
        "seen = []\n"
        "def progress(done, total):\n"
        "    seen.append(done)\n"
        "    if len(set(seen)) > 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "import_corpus(Project.open(Path(sys.argv[1])), 'a', Path(sys.argv[2]), progress=progress)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, str(project.folder), str(path)]
    assert subprocess.run(command, env=environment, timeout=120).returncode == -signal.SIGKILL
    assert counts(project)["documents"] > 0
    assert list_corpora(project) == []
    opened = Project.open(project.folder)
    assert counts(opened) == EMPTY
    assert import_corpus(opened, "a", path).documents == 5000


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), ZeroDivisionError()])
def test_an_import_that_fails_half_way_leaves_nothing(project, tmp_path, monkeypatch, error):
    path = write_jsonl(tmp_path / "a.jsonl", rows(3000))
    append = ingest.CorpusDraft.append

    def failing(self, batch):
        if self.documents >= 2000:
            raise error
        append(self, batch)

    monkeypatch.setattr(ingest.CorpusDraft, "append", failing)
    if isinstance(error, OSError):
        with pytest.raises(WorkbenchError, match=r"The disk is full\. Nothing of this import was kept"):
            import_corpus(project, "a", path)
    else:
        with pytest.raises(ZeroDivisionError):
            import_corpus(project, "a", path)
    assert counts(project) == EMPTY


def test_a_database_without_room_is_a_sentence(project, tmp_path):
    """The page limit makes SQLite itself say that the disk is full."""
    path = write_jsonl(tmp_path / "a.jsonl", rows(20_000))
    run = ingest.Writer._raw

    def limited(self, words):
        run(self, words)
        run(self, "PRAGMA max_page_count = 300")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest.Writer, "_raw", limited)
        with pytest.raises(WorkbenchError, match="The disk is full"):
            import_corpus(project, "a", path)
    assert list_corpora(project) == []
    project.close()
    opened = Project.open(project.folder)
    assert counts(opened) == EMPTY


def test_a_full_disk_while_storing_images(project, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.new("RGB", (9, 9), (number, 0, 0)).save(tmp_path / "in" / f"{number}.png")

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(WorkbenchError, match="The disk is full"):
            import_corpus(project, "a", tmp_path / "in")
    assert counts(project) == EMPTY


def test_a_source_without_one_sound_row_is_refused(project, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"_id": "a", "text": ""}\nnonsense\n')
    with pytest.raises(BadInput) as caught:
        import_corpus(project, "a", path)
    assert str(caught.value) == (
        "No document of “a.jsonl” can be used: all 2 rows were skipped. "
        "line 1: the text is empty; line 2: the line is not valid JSON: Expecting value (column 1)."
    )
    (tmp_path / "b.csv").write_text("id,text\n")
    with pytest.raises(BadInput, match=r"“b\.csv” holds no document"):
        import_corpus(project, "a", tmp_path / "b.csv")
    assert counts(project) == EMPTY


def test_more_than_a_thousand_skipped_rows_are_only_counted(project, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("nonsense\n" * 1500 + '{"_id": "a", "text": "sound"}\n')
    report = import_corpus(project, "a", path)
    assert (report.documents, report.skipped, len(report.skipped_rows)) == (1, 1500, 1000)


@pytest.mark.parametrize("name", ["", "../x", "a@2", "a/b", "x" * 65])
def test_names_that_cannot_be(project, tmp_path, name):
    with pytest.raises(BadInput, match="cannot be the name"):
        import_corpus(project, name, write_jsonl(tmp_path / "a.jsonl", rows(1)))


def test_a_missing_file_and_one_that_may_not_be_read(project, tmp_path):
    with pytest.raises(BadInput, match="There is no file or folder"):
        import_corpus(project, "a", tmp_path / "gone.jsonl")
    with pytest.raises(BadInput, match="There is no file or folder"):
        preview_corpus(tmp_path / "gone.jsonl")

    def refused(*_args):
        raise PermissionError(errno.EACCES, "Permission denied")

    path = write_jsonl(tmp_path / "a.jsonl", rows(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.readers.jsonl.read_lines", refused)
        with pytest.raises(BadInput, match=r"“a\.jsonl” cannot be read: Permission denied"):
            import_corpus(project, "a", path)


def test_a_preview_shows_what_an_import_would_do(project, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [*rows(30), {"_id": "x"}])
    preview = preview_corpus(path)
    assert preview.reader == "jsonl"
    assert preview.mapping == ImportSpec("jsonl", "_id", "text", "title", image_field=NO_COLUMN)
    assert [(column.name, column.kind) for column in preview.columns] == [
        ("_id", "text"), ("title", "text"), ("text", "text"), ("year", "integer"),
    ]  # fmt: skip
    assert [d.doc_id for d in preview.sample] == [f"d{n}" for n in range(20)]
    assert [(row.where, row.reason) for row in preview.skipped] == [("line 31", "the text is empty")]
    assert preview.size_bytes == path.stat().st_size
    import_corpus(project, "a", path, preview.mapping)
    assert import_corpus(project, "a", path).unchanged


def test_mixed_metadata_is_text_in_the_corpus(project, tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"id": 1, "text": "x", "m": 1}, {"id": 2, "text": "y", "m": "one"}])
    import_corpus(project, "a", tmp_path / "a.jsonl")
    assert get_corpus(project, "a").columns == {"m": "text"}
    assert browse(project, "a", filters=[Filter("m", "=", 1)]).documents[0].metadata == {"m": "1"}


def images(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    Image.new("RGB", (1000, 500), "red").save(folder / "red.png")
    Image.new("RGBA", (30, 30), (0, 255, 0, 100)).save(folder / "sub" / "green.png")
    (folder / "broken.jpg").write_bytes(b"<svg onload='alert(1)'/>")
    (folder / "captions.csv").write_text("file,caption,licence\nred.png,all red,CC0\nbroken.jpg,broken,CC0\n")
    return folder


def test_images_are_stored_in_the_project(project, tmp_path):
    report = import_corpus(project, "pictures", images(tmp_path / "in"))
    assert (report.documents, report.skipped) == (2, 1)
    assert report.skipped_rows[0].where == "captions.csv line 3"
    assert report.skipped_rows[0].reason.startswith("the image cannot be read")
    shutil.rmtree(tmp_path / "in")
    info = get_corpus(project, "pictures")
    assert info.has_images
    assert info.columns == {"path": "text", "licence": "text"}
    first = get_document(project, "pictures", 0)
    assert (first.doc_id, first.text, dict(first.metadata)) == (
        "red.png", "all red", {"path": "red.png", "licence": "CC0"},
    )  # fmt: skip
    path = image_path(project, "pictures", 0)
    assert path is not None
    assert path.is_relative_to(project.media)
    with Image.open(path) as image:
        assert (image.format, image.size) == ("WEBP", (512, 256))
    assert image_path(project, info.id, 1) != path
    delete_corpus(project, "pictures")
    assert counts(project) == EMPTY


def test_a_mended_image_makes_a_new_version_though_the_table_is_the_same(project, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    path = write_jsonl(folder / "a.jsonl", [{"id": n, "text": "x", "file": f"{n}.png"} for n in range(2)])
    Image.new("RGB", (9, 9), "red").save(folder / "0.png")
    (folder / "1.png").write_bytes(b"")
    assert import_corpus(project, "a", path).skipped == 1
    assert import_corpus(project, "a", path).unchanged
    Image.new("RGB", (9, 9), "blue").save(folder / "1.png")
    assert import_corpus(project, "a", path).added == 1
    Image.new("RGB", (9, 9), "green").save(folder / "0.png")
    assert import_corpus(project, "a", path).changed == 1
    # What the two imports that changed nothing had stored is gone again.
    assert counts(project)["files"] == 1 + 2 + 2


def test_ready_made_vectors_become_an_embedding(project, tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((6, 8)).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    write_jsonl(tmp_path / "v.jsonl", [{"id": f"d{n % 5}", "text": f"text {n}"} for n in range(6)])
    report = import_corpus(project, "v", tmp_path / "v.npy")
    assert (report.documents, report.skipped) == (5, 1)
    assert report.embedding is not None
    artifact = project.artifacts.get(report.embedding)
    assert (artifact.kind, artifact.name, artifact.corpus_id) == ("embedding", "given", get_corpus(project, "v").id)
    stored = DenseVectors(artifact.folder)
    np.testing.assert_array_equal(stored.take(np.arange(5)), vectors[:5])
    assert (artifact.manifest["vectors"], artifact.manifest["dim"]) == (5, 8)
    assert import_corpus(project, "v", tmp_path / "v.npy").unchanged
    # The same documents with other vectors are another version.
    np.save(tmp_path / "v.npy", -vectors)
    second = import_corpus(project, "v", tmp_path / "v.npy")
    assert (second.version, second.changed) == (2, 0)
    np.testing.assert_array_equal(DenseVectors(project.artifacts.get(second.embedding).folder).take([4]), -vectors[4:5])
    delete_corpus(project, "v")
    assert counts(project) == EMPTY


@pytest.mark.parametrize("bad", [np.full((3, 2), np.nan), np.ones((2, 2))])
def test_vectors_that_do_not_fit_store_nothing(project, tmp_path, bad):
    np.save(tmp_path / "v.npy", bad)
    (tmp_path / "v.ids.txt").write_text("a\nb\nc\n")
    with pytest.raises(BadInput):
        import_corpus(project, "v", tmp_path / "v.npy")
    assert counts(project) == EMPTY


def test_query_sets_follow_the_newest_version(project, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", rows(20))
    import_corpus(project, "a", path)
    (tmp_path / "q.tsv").write_text("q1\tbody\n")
    (tmp_path / "qrels.txt").write_text("q1 0 d3 2\n")
    import_queries(project, "set", tmp_path / "q.tsv", "a", tmp_path / "qrels.txt")
    import_corpus(project, "a", write_jsonl(path, rows(19)))
    assert [(each.name, each.corpus, each.judgments) for each in list_query_sets(project, "a")] == [("set", "a", 1)]
    assert delete_corpus(project, "a@2") == 1
    assert [each.name for each in list_query_sets(project, "a@1")] == ["set"]
    assert [query.query_id for query in list_queries(project, "set")] == ["q1"]
    delete_corpus(project, "a")
    assert counts(project) == EMPTY


def test_deleting_one_corpus_leaves_the_other_whole(project, tmp_path):
    import_corpus(project, "a", write_jsonl(tmp_path / "a.jsonl", rows(1500)))
    import_corpus(project, "b", write_jsonl(tmp_path / "b.jsonl", rows(1200)))
    told = []
    assert delete_corpus(project, "a", lambda done, total: told.append((done, total))) == 1
    assert told[-1] == (1500, 1500)
    assert counts(project)["documents"] == counts(project)["documents_fts_docsize"] == 1200
    assert browse(project, "b", "body 1199").total == 1
    with pytest.raises(NotFound):
        delete_corpus(project, "a")


def test_a_beir_folder_brings_corpus_queries_and_qrels(project, tmp_path):
    write_jsonl(tmp_path / "corpus.jsonl", [{**row, "metadata": {}} for row in rows(5)])
    write_jsonl(tmp_path / "queries.jsonl", [{"_id": "q1", "text": "one"}, {"_id": "q2", "text": "two"}])
    (tmp_path / "qrels").mkdir()
    for split, doc in (("train", "d0"), ("test", "d1")):
        (tmp_path / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\nq1\t{doc}\t1\n")
    assert import_corpus(project, "beir", tmp_path).documents == 5
    report = import_queries(project, "beir", tmp_path, "beir")
    assert (report.queries, report.judgments) == (2, 1)
    assert report.warnings == ["The judgments were taken from test.tsv."]


def test_the_hash_of_a_source_covers_names_and_bytes(tmp_path):
    def hashed() -> str:
        return sources.hash_files(sorted(tmp_path.iterdir()), tmp_path, lambda done, total: None)

    (tmp_path / "a").write_bytes(b"xy")
    (tmp_path / "b").write_bytes(b"z")
    first = hashed()
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").write_bytes(b"yz")
    second = hashed()
    (tmp_path / "b").rename(tmp_path / "c")
    assert len({first, second, hashed()}) == 3
