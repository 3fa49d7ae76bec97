"""Folders of test sets: BEIR, MTEB v2 and AIR-Bench shapes load in one step; what they lack is told."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from workbench.db import judgments
from workbench.errors import BadInput, Cancelled
from workbench.project import Project
from workbench.readers import open_reader
from workbench.readers.layouts import find_layout
from workbench.readers.queries import read_qrels, read_queries
from workbench.types import Qrel, Query, SkippedRow
from workbench.workflows.corpus import get_document, list_corpora, list_queries, list_query_sets
from workbench.workflows.queries import import_queries, judged_query
from workbench.workflows.test_sets import import_test_set

DOCUMENTS = [("d1", "Bees", "Bees dance."), ("d2", "Ants", "Ants march."), ("d3", "", "Wasps build.")]
QUERIES = [("q1", "who dances?"), ("q2", "who builds?")]
QRELS = [("q1", "d1", 2), ("q2", "d3", 1), ("q2", "d2", 0)]


def jsonl(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def parquet(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def documents(key: str = "_id") -> list[dict]:
    return [{key: doc_id, "title": title, "text": text} for doc_id, title, text in DOCUMENTS]


def queries(key: str = "_id", prefix: str = "") -> list[dict]:
    return [{key: prefix + query_id, "text": text} for query_id, text in QUERIES]


def graded(prefix: str = "") -> list[dict]:
    return [{"query-id": prefix + query, "corpus-id": doc, "score": grade} for query, doc, grade in QRELS]


def make_beir(folder: Path) -> None:
    jsonl(folder / "corpus.jsonl", documents())
    jsonl(folder / "queries.jsonl", queries())
    (folder / "qrels").mkdir()
    lines = "".join(f"{query}\t{doc}\t{grade}\n" for query, doc, grade in QRELS)
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{lines}")


def make_mteb_parquet(folder: Path) -> None:
    """As datasets on the hub are laid out: the corpus in two shards, scores as floats, the default config's name."""
    rows = documents("id")
    parquet(folder / "corpus/test-00000-of-00002.parquet", rows[:2])
    parquet(folder / "corpus/test-00001-of-00002.parquet", rows[2:])
    parquet(folder / "queries/test-00000-of-00001.parquet", queries("id"))
    parquet(folder / "default/test-00000-of-00001.parquet", [{**row, "score": float(row["score"])} for row in graded()])
    parquet(folder / "top_ranked/test-00000-of-00001.parquet", [{"query-id": "q1", "corpus-ids": ["d1", "d2"]}])


def make_mteb_jsonl(folder: Path) -> None:
    jsonl(folder / "corpus.jsonl", documents())
    jsonl(folder / "queries/queries.jsonl", [{**row, "instruction": "Find insects"} for row in queries()])
    jsonl(folder / "qrels/test.jsonl", graded())


def make_air(folder: Path) -> None:
    jsonl(folder / "corpus.jsonl", documents("id"))
    jsonl(folder / "dev_queries.jsonl", queries("id"))
    rows = [{"qid": row["query-id"], "docid": row["corpus-id"], "relevance": row["score"]} for row in graded()]
    jsonl(folder / "dev_qrels.jsonl", rows)


SHAPES = {
    "beir": (make_beir, "BEIR", "test"),
    "parquet": (make_mteb_parquet, "MTEB", "test"),
    "jsonl": (make_mteb_jsonl, "MTEB", "test"),
    "air": (make_air, "AIR-Bench", "dev"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_test_set(project, tmp_path, name):
    make, shape, split = SHAPES[name]
    make(tmp_path / "set")
    made = import_test_set(project, "insects", tmp_path / "set")
    assert (made.corpus, made.query_set, made.shape, made.split) == ("insects", "insects", shape, split)
    assert (made.documents, made.queries, made.judgments, made.skipped) == (3, 2, 3, 0)
    assert (made.unknown_documents, made.unknown_queries, made.splits) == (0, 0, [split])
    found = [get_document(project, "insects", n) for n in range(3)]
    assert [(each.doc_id, each.title, each.text) for each in found] == DOCUMENTS
    assert list_queries(project, "insects") == [Query(*each) for each in QUERIES]
    assert [judged_query(project, "insects", at).judgments for at in range(2)] == [{"d1": 2}, {"d3": 1, "d2": 0}]
    again = import_test_set(project, "insects", tmp_path / "set")
    assert (again.documents, again.queries, again.judgments, again.version) == (3, 2, 3, 1)
    assert len(list_query_sets(project)) == 1 and list_corpora(project)[0].version == 1


def test_what_is_in_the_folder_and_not_used_is_told(project, tmp_path):
    make_mteb_parquet(tmp_path / "a")
    assert "top_ranked lists" in import_test_set(project, "a", tmp_path / "a").warnings[0]
    make_mteb_jsonl(tmp_path / "b")
    told = "The queries' own instructions are left out: encoders use their query prompts."
    assert import_test_set(project, "b", tmp_path / "b").warnings == [told]


def test_splits(project, tmp_path):
    make_air(tmp_path)
    jsonl(tmp_path / "test_queries.jsonl", queries("id", "t"))
    jsonl(tmp_path / "test_qrels.jsonl", [{"qid": "tq1", "docid": "d1", "relevance": 1}])
    made = import_test_set(project, "s", tmp_path)
    assert (made.query_set, made.split, made.splits) == ("s-test", "test", ["dev", "test"])
    assert made.warnings == ["The split “test” was loaded; the folder also has dev."]
    other = import_test_set(project, "s", tmp_path, "dev")
    assert (other.query_set, other.version, other.judgments) == ("s-dev", 1, 3)
    with pytest.raises(BadInput, match="has no split “train”") as caught:
        import_test_set(project, "s", tmp_path, "train")
    assert caught.value.hint == "Splits: dev, test."
    assert [each.name for each in list_query_sets(project)] == ["s-dev", "s-test"]


def test_beir_splits_share_their_queries(tmp_path):
    make_beir(tmp_path)
    (tmp_path / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    layout = find_layout(tmp_path, "train")
    assert (layout.splits, layout.split, layout.qrels[0].name) == (("test", "train"), "train", "train.tsv")
    assert layout.queries == (tmp_path / "queries.jsonl",)


def test_mteb_splits_have_their_own_queries(tmp_path):
    make_mteb_parquet(tmp_path)
    parquet(tmp_path / "queries/dev-00000-of-00001.parquet", queries("id", "v"))
    parquet(tmp_path / "default/dev-00000-of-00001.parquet", graded("v"))
    layout = find_layout(tmp_path, "dev")
    assert [file.name for file in (*layout.queries, *layout.qrels)] == ["dev-00000-of-00001.parquet"] * 2
    assert len(layout.corpus) == 2
    (tmp_path / "queries/dev-00000-of-00001.parquet").rename(tmp_path / "queries/train-00000-of-00001.parquet")
    with pytest.raises(BadInput, match="have no split “dev”") as caught:
        find_layout(tmp_path, "dev")
    assert caught.value.hint == "They have: test, train."


def test_what_a_folder_lacks(project, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    with pytest.raises(BadInput, match="has no corpus"):
        import_test_set(project, "x", folder)
    jsonl(folder / "corpus.jsonl", documents())
    with pytest.raises(BadInput, match="The folder “set” has no queries"):
        import_test_set(project, "x", folder)
    with pytest.raises(BadInput, match="is a file"):
        import_test_set(project, "x", folder / "corpus.jsonl")
    with pytest.raises(BadInput, match="There is no folder"):
        import_test_set(project, "x", tmp_path / "nowhere")
    jsonl(folder / "queries.jsonl", queries())
    with pytest.raises(BadInput, match="has no split “dev”") as caught:
        import_test_set(project, "x", folder, "dev")
    assert caught.value.hint == "It has only one, unnamed: name no split."
    made = import_test_set(project, "x", folder)
    assert (made.judgments, made.warnings) == (0, ["The folder has no judgments (qrels) of these queries."])
    jsonl(tmp_path / "two/corpus/en.jsonl", documents())
    jsonl(tmp_path / "two/corpus/de.jsonl", documents())
    with pytest.raises(BadInput, match=r"several corpora \(de, en\)"):
        find_layout(tmp_path / "two")


def test_unknown_documents_and_queries_are_counted_and_listed(project, tmp_path):
    make_beir(tmp_path)
    more = "".join(f"q1\tgone{n}\t1\n" for n in range(5)) + "nobody\td1\t1\nnobody\td2\t1\n"
    with (tmp_path / "qrels" / "test.tsv").open("a") as file:
        file.write(more)
    made = import_test_set(project, "x", tmp_path)
    assert (made.judgments, made.unknown_documents, made.unknown_queries) == (8, 5, 2)
    assert made.unknown_document_ids == [f"gone{n}" for n in range(5)] and made.unknown_query_ids == ["nobody"]
    assert made.warnings == [
        "5 judgments name documents that the corpus does not have (gone0, gone1, gone2 …).",
        "2 judgments name queries that the file does not have (nobody); left out.",
    ]


def test_all_or_nothing(project, tmp_path):
    make_beir(tmp_path)
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1"}\n')
    with pytest.raises(BadInput, match=r"No query of “queries.jsonl” can be used"):
        import_test_set(project, "x", tmp_path)
    assert list_corpora(project) == [] and list_query_sets(project) == []
    jsonl(tmp_path / "queries.jsonl", queries())

    def stop(done: int, total: int) -> None:
        if list_corpora(project):
            raise Cancelled

    with pytest.raises(Cancelled):
        import_test_set(project, "x", tmp_path, progress=stop)
    assert list_corpora(project) == [] and list_query_sets(project) == []


def test_a_name_that_another_corpus_has(project, tmp_path):
    make_beir(tmp_path / "a")
    import_test_set(project, "a", tmp_path / "a")
    jsonl(tmp_path / "c/corpus.jsonl", documents())
    jsonl(tmp_path / "c/queries.jsonl", queries())
    import_queries(project, "c", tmp_path / "c/queries.jsonl", "a")
    with pytest.raises(BadInput, match="query set called “c”, of the corpus “a”"):
        import_test_set(project, "c", tmp_path / "c")
    assert [each.name for each in list_corpora(project)] == ["a"]


def test_several_files_know_each_others_ids(tmp_path):
    parquet(tmp_path / "a.parquet", queries("id"))
    parquet(tmp_path / "b.parquet", [{"id": "q2", "text": "again"}, {"id": "q3", "text": "new"}])
    found = list(read_queries(tmp_path / "a.parquet", tmp_path / "b.parquet"))
    assert found[2] == SkippedRow("row 1", "the id “q2” was used before, in another file")
    assert found[3] == Query("q3", "new")
    parquet(tmp_path / "qrels.parquet", [*graded(), {"query-id": "q9", "corpus-id": "d1", "score": 0}])
    jsonl(tmp_path / "more.jsonl", [{"query-id": "q1", "corpus-id": "d1", "score": 2}])
    judged = list(read_qrels(tmp_path / "qrels.parquet", tmp_path / "more.jsonl"))
    assert judged[:2] == [Qrel("q1", "d1", 2), Qrel("q2", "d3", 1)] and len(judged) == 5
    assert judged[4] == SkippedRow("line 1", "this pair was judged before in the file")
    parquet(tmp_path / "wrong.parquet", [{"a": 1, "score": 2}])
    with pytest.raises(BadInput, match="no column for the query of a judgment; it has a, score"):
        list(read_qrels(tmp_path / "wrong.parquet"))


def test_rows_of_shards_are_named_with_their_file(project, tmp_path):
    make_mteb_parquet(tmp_path)
    parquet(
        tmp_path / "corpus/test-00001-of-00002.parquet",
        [{"id": "d3", "title": "", "text": ""}, {"id": "d1", "title": "", "text": "x"}],
    )
    rows = [row for row in open_reader(tmp_path).read() if isinstance(row, SkippedRow)]
    assert rows == [
        SkippedRow("test-00001-of-00002.parquet row 1", "the text is empty"),
        SkippedRow(
            "test-00001-of-00002.parquet row 2",
            "the id “d1” was used before, in test-00000-of-00002.parquet row 1",
        ),
    ]


def test_the_judgments_are_the_label_set_qrels(project: Project, tmp_path):
    make_air(tmp_path)
    import_test_set(project, "x", tmp_path)
    with project.db.read() as connection:
        rows = connection.execute(sa.select(judgments.c.label_set, judgments.c.annotator, judgments.c.source)).all()
    assert set(map(tuple, rows)) == {("qrels", "qrels", "dev_qrels.jsonl")}
