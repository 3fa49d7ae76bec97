"""Queries and qrels: the formats, what is skipped and where, what an import keeps."""

import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image

from workbench import query_sets
from workbench.db import judgments
from workbench.errors import BadInput, Cancelled, NotFound
from workbench.ingest import content_hash
from workbench.readers.queries import read_qrels, read_queries
from workbench.types import Document, Qrel, Query, SkippedRow
from workbench.workflows.corpus import get_document, import_corpus
from workbench.workflows.queries import (
    JudgedQuery,
    delete_query_set,
    import_queries,
    judged_query,
    list_queries,
    list_query_sets,
)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.jsonl", '{"_id": "1", "text": "one?", "metadata": {}}\n{"_id": "b", "text": "two"}\n'),
        ("q.jsonl", '{"query_id": 1, "query": "one?"}\n{"query_id": "b", "query": "two"}\n'),
        ("q.tsv", "1\tone?\nb\ttwo\n"),
        ("q.tsv", "qid\tquery\n1\tone?\nb\ttwo\n"),
        ("q.txt", "1\tone?\r\nb\ttwo\r\n"),
        ("q.csv", 'id,text\n1,one?\nb,"two"\n'),
    ],
)
def test_every_format_gives_the_same_queries(tmp_path, name, text):
    assert list(read_queries(write(tmp_path / name, text))) == [Query("1", "one?"), Query("b", "two")]


def test_bad_queries_are_skipped_with_their_line(tmp_path):
    path = write(
        tmp_path / "q.jsonl",
        b'{"_id": "a", "text": "o\\u0000ne"}\nnonsense\n{"_id": "a", "text": "again"}\n{"_id": "b", "text": " "}\n'
        b'{"text": "no id"}\n{"_id": "c\\n", "text": "ok"}\n{"_id": "d\\u0001", "text": "x"}\n'
        b'{"_id": "e", "text": "caf\xe9"}\n{"_id": "f", "text": "' + b"x" * 100_001 + b'"}\n',
    )
    found = list(read_queries(path))
    assert [row for row in found if isinstance(row, Query)] == [Query("a", "one"), Query("c", "ok")]
    assert [row.where for row in found if isinstance(row, SkippedRow)] == [f"line {n}" for n in (2, 3, 4, 5, 7, 8, 9)]
    assert found[2] == SkippedRow("line 3", "the id “a” was used before, in line 1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("qrels.txt", "1 0 d1 2\n1 0 d/2 0\nb Q0 d1 -1\n"),
        ("qrels.trec", "1\t0\td1\t2\n1\t0\td/2\t0\nb\t0\td1\t-1\n"),
        ("test.tsv", "query-id\tcorpus-id\tscore\n1\td1\t2\n1\td/2\t0\nb\td1\t-1\n"),
        ("any.tsv", "score\tqid\tdocid\n2\t1\td1\n0\t1\td/2\n-1\tb\td1\n"),
        ("x.tsv", "1\td1\t2.0\n1\td/2\t0\nb\td1\t-1\n"),
        (
            "q.jsonl",
            '{"qid": 1, "docid": "d1", "relevance": 2}\n{"qid": "1", "docid": "d/2", "relevance": 0}\n'
            '{"qid": "b", "docid": "d1", "relevance": -1}\n',
        ),
    ],
)
def test_every_format_gives_the_same_judgments(tmp_path, name, text):
    expected = [Qrel("1", "d1", 2), Qrel("1", "d/2", 0), Qrel("b", "d1", -1)]
    assert list(read_qrels(write(tmp_path / name, text))) == expected


def test_bad_judgments_are_skipped_with_their_line(tmp_path):
    text = b"1 0 d1 1\n1 0 d2 high\n1 0 d3\n\n1 0 d1 2\n1 0 d4 0.5\n1 0 caf\xe9 1\n1 0 d5 1e400\n1 0 d6 1\n"
    found = list(read_qrels(write(tmp_path / "x.txt", text)))
    assert [row for row in found if isinstance(row, Qrel)] == [Qrel("1", "d1", 1), Qrel("1", "d6", 1)]
    assert [row for row in found if isinstance(row, SkippedRow)] == [
        SkippedRow("line 2", "the relevance “high” is not a whole number"),
        SkippedRow("line 3", "the line has 3 columns; it needs 4"),
        SkippedRow("line 5", "this pair was judged before in the file"),
        SkippedRow("line 6", "the relevance “0.5” is not a whole number"),
        SkippedRow("line 7", "the line is not valid UTF-8"),
        SkippedRow("line 8", "the relevance “1e400” is not a whole number"),
    ]


def test_files_that_cannot_be_read_at_all(tmp_path):
    for path in (tmp_path / "gone.tsv", tmp_path, write(tmp_path / "e.tsv", ""), write(tmp_path / "x.pdf", "x")):
        with pytest.raises(BadInput):
            list(read_queries(path))
    for path in (tmp_path / "gone.tsv", tmp_path / "e.tsv", write(tmp_path / "one", "word\n")):
        with pytest.raises(BadInput):
            list(read_qrels(path))


@pytest.fixture
def corpus(project, tmp_path):
    rows = "".join(json.dumps({"_id": f"d{n}", "title": "t", "text": f"text {n}"}) + "\n" for n in range(4))
    import_corpus(project, "c", write(tmp_path / "c.jsonl", rows))
    return "c"


def test_an_import_keeps_queries_and_judgments(project, corpus, tmp_path):
    queries = write(tmp_path / "q.tsv", "b\ttwo\na\tone\n\nc\tthree\nc\tagain\n")
    qrels = write(tmp_path / "r.txt", "a 0 d1 2\na 0 gone 1\nb 0 d2 0\nz 0 d1 1\nb 0 d2 1\n")
    report = import_queries(project, "set", queries, corpus, qrels)
    assert (report.query_set, report.queries, report.judgments) == ("set", 3, 3)
    assert (report.skipped, report.unknown_documents, report.unknown_queries) == (2, 1, 1)
    assert [row.where for row in report.skipped_rows] == ["q.tsv line 5", "r.txt line 5"]
    assert len(report.warnings) == 2
    assert list_queries(project, "set") == [Query("b", "two"), Query("a", "one"), Query("c", "three")]
    assert list_queries(project, "set", offset=1, limit=1) == [Query("a", "one")]
    with project.db.read() as connection:
        rows = connection.execute(sa.select(judgments).order_by(judgments.c.id)).all()
    assert [(row.query_id, row.doc_id, row.relevance, row.source) for row in rows] == [
        ("a", "d1", 2, "r.txt"), ("a", "gone", 1, "r.txt"), ("b", "d2", 0, "r.txt"),
    ]  # fmt: skip
    document = get_document(project, corpus, "d1")
    assert rows[0].content_hash == content_hash(Document("d1", document.text, document.title))
    assert rows[1].content_hash == ""
    assert {(row.label_set, row.annotator, row.is_hard_negative) for row in rows} == {("qrels", "qrels", False)}
    [info] = list_query_sets(project, corpus)
    assert (info.name, info.corpus, info.queries, info.judgments) == ("set", "c", 3, 3)
    assert list_query_sets(project) == [info]


def test_a_query_comes_with_its_own_imported_judgments(project, corpus, tmp_path):
    queries = write(tmp_path / "q.tsv", "b\ttwo\na\tone\nc\tthree\n")
    import_queries(project, "set", queries, corpus, write(tmp_path / "r.txt", "a 0 d1 2\na 0 gone 1\nb 0 d2 0\n"))
    import_queries(project, "other", queries, corpus, write(tmp_path / "r.txt", "a 0 d3 1\n"))
    # What a person judged is no part of the imported judgments.
    with project.db.write() as connection:
        own = dict(connection.execute(sa.select(judgments).limit(1)).one()._mapping) | {"id": 99, "doc_id": "d0"}
        connection.execute(sa.insert(judgments).values(own | {"label_set": "mine", "annotator": "me"}))
    assert judged_query(project, "set", 1) == JudgedQuery(Query("a", "one"), 1, 3, {"d1": 2, "gone": 1})
    assert judged_query(project, "set", 0).judgments == {"d2": 0}
    assert judged_query(project, "set", 77) == JudgedQuery(Query("c", "three"), 2, 3, {})
    assert judged_query(project, "set", -5).at == 0
    with pytest.raises(NotFound, match="query set"):
        judged_query(project, "nothing", 0)


def test_the_same_again_is_a_no_op_and_another_file_needs_another_name(project, corpus, tmp_path):
    queries = write(tmp_path / "q.tsv", "a\tone\n")
    report = import_queries(project, "set", queries, corpus)
    assert import_queries(project, "set", queries, corpus) == report
    assert len(list_query_sets(project)) == 1
    with pytest.raises(BadInput, match="already a query set called “set”"):
        import_queries(project, "set", write(queries, "a\tother\n"), corpus)
    assert list_queries(project, "set") == [Query("a", "one")]
    delete_query_set(project, "set")
    assert import_queries(project, "set", queries, corpus).queries == 1


def test_nothing_is_left_of_a_failed_import(project, corpus, tmp_path):
    queries = write(tmp_path / "q.tsv", "".join(f"q{n}\tquery {n}\n" for n in range(5000)))
    qrels = write(tmp_path / "r.txt", "".join(f"q{n} 0 d1 1\n" for n in range(5000)))

    def cancel(done: int, total: int) -> None:
        if done > 6000:
            raise Cancelled

    with pytest.raises(Cancelled):
        import_queries(project, "set", queries, corpus, qrels, cancel)
    with pytest.raises(BadInput, match=re.compile("all 2 rows were skipped.*line 1")):
        import_queries(project, "set", write(tmp_path / "bad.tsv", "a\t\nb\t\n"), corpus)
    with project.db.read() as connection:
        for name in ("query_sets", "queries", "judgments"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() == 0
    assert list_query_sets(project) == []
    assert import_queries(project, "set", queries, corpus, qrels).judgments == 5000


def test_a_dead_import_is_removed_and_a_running_one_is_not(project, corpus):
    source = query_sets.find
    with query_sets.begin(project.db, project.media, "set", 1, "x") as draft:
        draft.append_queries([Query("a", "b")])
        query_sets.discard_unfinished(project.db, project.media)
        assert query_sets.page(project.db, draft.id, 0, 9) == [Query("a", "b")]
        with pytest.raises(NotFound):
            source(project.db, "set")
    query_sets._insert(project.db, "set", 1, "left by a killed process")
    query_sets.discard_unfinished(project.db, project.media)
    assert query_sets._unfinished(project.db) == []


def test_query_images_are_stored(project, corpus, tmp_path):
    Image.new("RGB", (9, 9), "red").save(tmp_path / "a.png")
    text = '{"_id": "a", "image": "a.png"}\n{"_id": "b", "image": "../../x.png"}\n{"_id": "c", "image": "c.jsonl"}\n'
    report = import_queries(project, "set", write(tmp_path / "q.jsonl", text), corpus)
    assert (report.queries, report.skipped) == (1, 2)
    [query] = list_queries(project, "set")
    assert query.image is not None
    with Image.open(project.media / query.image) as image:
        assert image.format == "WEBP"
    delete_query_set(project, "set")
    assert not (project.media / query.image).exists()


def test_names_that_are_not_there(project, corpus, tmp_path):
    queries = write(tmp_path / "q.tsv", "a\tone\n")
    with pytest.raises(NotFound, match="no corpus called “x”"):
        import_queries(project, "set", queries, "x")
    with pytest.raises(NotFound, match="no query set called “x”"):
        list_queries(project, "x")
    with pytest.raises(BadInput, match="There is no file"):
        import_queries(project, "set", queries, corpus, tmp_path / "gone.txt")
