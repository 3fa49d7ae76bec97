"""Training files become judgments: what each format says, what is refused with its line, and nothing half-imported."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from label_fixtures import TEXTS, make_ponds, rows_of_file, say, write_rows
from typer.testing import CliRunner

from workbench import corpora, judgments, label_sets, query_sets
from workbench.__main__ import app
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.readers.training import TrainingReader
from workbench.specs import ExportSpec, LabelChoice
from workbench.types import SkippedRow
from workbench.workflows import import_labels as importing
from workbench.workflows.corpus import browse, list_corpora
from workbench.workflows.export_labels import export_labels
from workbench.workflows.import_labels import LabelImport, Source, import_labels
from workbench.workflows.queries import list_queries, list_query_sets

ROWS = [
    {"query": "where do ducks live?", "pos": ["On ponds."], "neg": ["On Mars.", "Nowhere."]},
    {"query": "what is dry?", "pos": ["Sand is."], "neg": ["On ponds."]},
]


def said(
    project: Project, query_set: str, label_set: str = "imported"
) -> dict[tuple[str, str], tuple[int | None, bool]]:
    """(query, document) → (grade, hard) of a label set."""
    info = query_sets.find(project.db, query_set)
    rows = judgments.stream(project.db, info.id, [label_set])
    return {(each.query_id, each.doc_id): (each.verdict.relevance, each.verdict.is_hard_negative) for each in rows}


def by_text(project: Project, name: str) -> dict[tuple[str, str], tuple[int | None, bool]]:
    """The same with texts for ids."""
    queries = {each.query_id: each.text for each in list_queries(project, name)}
    texts = {each.doc_id: each.text for each in browse(project, name, limit=50).documents}
    return {(queries[query], texts[document]): value for (query, document), value in said(project, name).items()}


def load(project: Project, path: Path, corpus: str | None = None, name: str = "set", **source: Any) -> LabelImport:
    return import_labels(project, name, Source(path, **source), corpus)


DUCKS = {
    ("where do ducks live?", "On ponds."): (1, False),
    ("where do ducks live?", "On Mars."): (0, True),
    ("where do ducks live?", "Nowhere."): (0, True),
    ("what is dry?", "Sand is."): (1, False),
    ("what is dry?", "On ponds."): (0, True),
}


def test_a_flagembedding_file_becomes_corpus_query_set_and_labels(project, tmp_path):
    report = load(project, write_rows(tmp_path / "t.jsonl", ROWS))
    assert (report.query_set, report.corpus, report.label_set) == ("set", "set", "imported")
    assert (report.queries, report.judgments, report.documents) == (2, 5, 4)
    assert (report.format, report.warnings, report.contradictions) == ("flagembedding", [], 0)
    assert by_text(project, "set") == DUCKS
    assert [each.text for each in list_queries(project, "set")] == [row["query"] for row in ROWS]
    info = query_sets.find(project.db, "set")
    assert label_sets.find(project.db, info.id, "imported").kind == "imported"
    again = load(project, tmp_path / "t.jsonl")
    assert again == report and len(list_corpora(project)) == 1


TABLES: dict[str, list[dict[str, Any]]] = {
    "st-triplet": [
        {"anchor": row["query"], "positive": row["pos"][0], "negative": text} for row in ROWS for text in row["neg"]
    ],
    "st-ntuple": [
        {"question": "where do ducks live?", "answer": "On ponds.", "n1": "On Mars.", "n2": "Nowhere."},
        {"question": "what is dry?", "answer": "Sand is.", "n1": "On ponds.", "n2": "On ponds."},
    ],
}


@pytest.mark.parametrize("format", TABLES)
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_tables_of_texts_are_read_by_the_order_of_their_columns(project, tmp_path, format, suffix):
    path = tmp_path / f"t{suffix}"
    rows = TABLES[format]
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    else:
        write_rows(path, rows)
    report = load(project, path)
    assert report.format == format and report.judgments == 5
    assert by_text(project, "set") == DUCKS


def test_labelled_pairs_and_lists(project, tmp_path):
    pairs = [
        {"a": "q?", "b": "yes", "label": 1.0},
        {"a": "q?", "b": "no", "label": 0},
        {"a": "q?", "b": "3", "label": 3},
    ]
    assert load(project, write_rows(tmp_path / "p.jsonl", pairs), name="pairs").format == "st-pair"
    wanted = {("q?", "yes"): (1, False), ("q?", "no"): (0, False), ("q?", "3"): (3, False)}
    assert by_text(project, "pairs") == wanted
    lists = [{"a": "q?", "b": ["yes", "no", "3"], "labels": [1, 0, 3]}]
    assert load(project, write_rows(tmp_path / "l.jsonl", lists), name="lists").format == "st-list"
    assert by_text(project, "lists") == wanted


def test_ids_stay_where_they_are(project, tmp_path):
    row = {**ROWS[0], "query_id": "q7", "pos_id": ["a"], "neg_id": ["b", "c"], "neg_scores": [0.5, 0.25]}
    load(project, write_rows(tmp_path / "t.jsonl", [row]))
    assert said(project, "set") == {("q7", "a"): (1, False), ("q7", "b"): (0, True), ("q7", "c"): (0, True)}
    info = query_sets.find(project.db, "set")
    noted = {each.doc_id: dict(each.provenance) for each in judgments.of_query(project.db, info.id, "q7")}
    assert noted == {"a": {}, "b": {"score": 0.5}, "c": {"score": 0.25}}


BAD = {
    "a bare string": ({"query": "q", "pos": "On ponds.", "neg": []}, "“pos” is a text, not a list"),
    "a bare negative": ({"query": "q", "pos": ["x"], "neg": "y"}, "“neg” is a text, not a list"),
    "no query": ({"pos": ["x"], "neg": ["y"]}, "no query"),
    "neither": ({"query": "q"}, "neither “pos” nor “neg”"),
    "a number": ({"query": "q", "pos": [3]}, "“pos” holds int"),
    "an empty text": ({"query": "q", "pos": [" "]}, "empty text"),
    "too few ids": ({"query": "q", "pos": ["x", "y"], "pos_id": ["1"]}, "“pos_id” does not have one entry"),
    "a wrong score": ({"query": "q", "pos": ["x"], "pos_scores": ["high"]}, "score “high” is not a number"),
    "a wrong id": ({"query": "q", "pos": ["x"], "pos_id": [[1]]}, "an id is list"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_row_that_is_not_sound_is_skipped_with_its_line(project, tmp_path, case):
    row, reason = BAD[case]
    report = load(project, write_rows(tmp_path / "t.jsonl", [ROWS[0], row, ROWS[1]]))
    assert report.skipped == 1 and report.judgments == 5
    (skipped,) = report.skipped_rows
    assert skipped.where == "line 2" and reason in skipped.reason
    assert "line 2" in report.warnings[0]
    assert by_text(project, "set") == DUCKS, "no letter became a document"


def test_labels_that_are_no_grades_are_skipped(tmp_path):
    rows = [{"a": "q", "b": "x", "label": 0.73}, {"a": "q", "b": ["x"], "label": 1}]
    read = list(TrainingReader(write_rows(tmp_path / "t.jsonl", rows)).read())
    assert [row.reason[:30] for row in read if isinstance(row, SkippedRow)] == [
        "the label “0.73” is not a whol", "“b” and “label” must both be l",
    ]  # fmt: skip


def test_a_file_of_no_row_and_of_no_known_columns_leave_nothing(project, tmp_path):
    with pytest.raises(BadInput, match="all 2 rows were skipped"):
        load(project, write_rows(tmp_path / "t.jsonl", [{"query": "q", "pos": "x"}, {"query": "q", "pos": "y"}]))
    with pytest.raises(BadInput, match="its columns are: text"):
        load(project, write_rows(tmp_path / "u.jsonl", [{"text": "x"}]))
    with pytest.raises(BadInput, match="no training format"):
        load(project, tmp_path / "t.jsonl", format="st-quad")
    with pytest.raises(BadInput, match="no file or folder"):
        load(project, tmp_path / "missing.jsonl")
    assert list_corpora(project) == [] and list_query_sets(project) == []


def test_a_negative_equal_to_a_positive_is_counted_and_kept_positive(project, tmp_path):
    rows = [{"query": "q", "pos": ["x", "y"], "neg": ["z", "x"]}, {"query": "q", "neg": ["y", "w"]}]
    report = load(project, write_rows(tmp_path / "t.jsonl", rows))
    assert report.contradictions == 2 and report.judgments == 4
    assert "2 pairs are positive and negative" in report.warnings[0]
    assert by_text(project, "set") == {
        ("q", "x"): (1, False), ("q", "y"): (1, False), ("q", "z"): (0, True), ("q", "w"): (0, True),
    }  # fmt: skip


def test_an_id_of_two_texts_is_told_and_the_second_left_out(project, tmp_path):
    rows = [{"query": "q", "pos": ["x"], "pos_id": ["1"], "neg": ["y"], "neg_id": ["1"]}]
    report = load(project, write_rows(tmp_path / "t.jsonl", rows))
    assert "stands for another text" in report.warnings[0] and "“1”" in report.warnings[0]
    assert by_text(project, "set") == {("q", "x"): (1, False)}


def test_documents_of_a_named_corpus_are_found_by_id_or_text(project, tmp_path):
    make_ponds(project, tmp_path)
    negatives = {"neg": [TEXTS["d3"], "of another text"], "neg_id": ["", "d4"]}
    rows = [{"query": "new?", "pos": ["Ducks live on ponds."], **negatives}]
    report = load(project, write_rows(tmp_path / "t.jsonl", rows), "ponds")
    # d1 by its text without the title, d3 by title and text, d4 by its id.
    assert {doc: value for (_, doc), value in said(project, "set").items()} == {
        "d1": (1, False), "d3": (0, True), "d4": (0, True),
    }  # fmt: skip
    assert (report.corpus, report.documents) == ("ponds", 3)
    assert [each.name for each in list_corpora(project)] == ["ponds"]


def test_unknown_documents_are_listed_and_nothing_is_imported(project, tmp_path):
    make_ponds(project, tmp_path)
    rows = [{"query": "new?", "pos": ["On ponds."], "pos_id": ["d1"], "neg": ["w", "x"], "neg_id": ["d99", "d98"]}]
    with pytest.raises(BadInput, match=r"2 of 3 documents are not in “ponds@1”.*“d99”, “d98”"):
        load(project, write_rows(tmp_path / "t.jsonl", rows), "ponds")
    assert [each.name for each in list_query_sets(project)] == ["asked"]
    with pytest.raises(NotFound, match="ponds"):
        load(project, tmp_path / "t.jsonl", "pond")


def test_trec_judgments_go_into_a_query_set_beside_the_others(project, tmp_path):
    make_ponds(project, tmp_path)
    say(project, "me", {("q1", "d1"): 3, ("q1", "d2"): 0})
    (tmp_path / "more.qrels").write_text("q1 0 d1 0\nq3 0 d5 2\n")
    report = import_labels(project, "asked", Source(tmp_path / "more.qrels", label_set="more"))
    assert (report.judgments, report.format) == (2, "trec")
    assert said(project, "asked", "more") == {("q1", "d1"): (0, False), ("q3", "d5"): (2, False)}
    assert said(project, "asked", "labels") == {("q1", "d1"): (3, False), ("q1", "d2"): (0, False)}
    assert import_labels(project, "asked", Source(tmp_path / "more.qrels", label_set="more")) == report
    (tmp_path / "more.qrels").write_text("q1 0 d1 1\n")
    with pytest.raises(BadInput, match="has a label set called “more”"):
        import_labels(project, "asked", Source(tmp_path / "more.qrels", label_set="more"))
    with pytest.raises(BadInput, match="has a label set called “labels”"):
        import_labels(project, "asked", Source(tmp_path / "more.qrels", label_set="labels"))
    assert said(project, "asked", "labels")[("q1", "d1")] == (3, False)


def test_queries_are_found_by_text_and_unknown_ones_listed(project, tmp_path):
    make_ponds(project, tmp_path)
    rows = [{"query": "what drives?", "pos": ["Cars drive on roads."], "neg": ["Dust blows about."]}]
    load(project, write_rows(tmp_path / "t.jsonl", rows), name="asked")
    assert said(project, "asked") == {("q3", "d5"): (1, False), ("q3", "d4"): (0, True)}
    (tmp_path / "lost.qrels").write_text("q9 0 d1 1\nq8 0 d1 1\nq1 0 d1 1\n")
    with pytest.raises(BadInput, match=r"2 queries are not in “asked”.*“q9”, “q8”"):
        load(project, tmp_path / "lost.qrels", name="asked", label_set="lost")
    assert [each.name for each in label_sets.listed(project.db, query_sets.find(project.db, "asked").id)] == [
        "qrels", "imported",
    ]  # fmt: skip
    with pytest.raises(BadInput, match="no query set “new”"):
        load(project, tmp_path / "lost.qrels", "ponds", name="new")
    with pytest.raises(BadInput, match="without its text"):
        load(project, tmp_path / "lost.qrels", name="new")


def test_two_texts_that_are_one_document_are_one_judgment(project, tmp_path):
    """Found by its text and by title and text, on both sides."""
    make_ponds(project, tmp_path)
    rows = [{"query": "q", "pos": ["Ducks live on ponds."], "neg": [TEXTS["d1"], TEXTS["d4"]]}]
    report = load(project, write_rows(tmp_path / "t.jsonl", rows), "ponds")
    assert report.contradictions == 1 and report.judgments == 2 and report.documents == 2


@pytest.mark.parametrize("stage", ["store", "describe"])
def test_a_failure_half_way_leaves_nothing(project, tmp_path, monkeypatch, stage):
    make_ponds(project, tmp_path)
    path = write_rows(tmp_path / "t.jsonl", ROWS)

    def broken(*given: object) -> None:
        raise BadInput("broken")

    monkeypatch.setattr(importing.judgments if stage == "store" else importing.label_sets, stage, broken)
    with pytest.raises(BadInput, match="broken"):
        load(project, path)
    ponds = write_rows(tmp_path / "u.jsonl", [{"query": "what drives?", "pos": [TEXTS["d5"]], "neg": [TEXTS["d4"]]}])
    with pytest.raises(BadInput, match="broken"):
        load(project, ponds, name="asked")
    monkeypatch.undo()
    assert [each.name for each in list_corpora(project)] == ["ponds"]
    assert [each.name for each in list_query_sets(project)] == ["asked"]
    assert [each.name for each in label_sets.listed(project.db, query_sets.find(project.db, "asked").id)] == ["qrels"]
    assert load(project, path).judgments == 5 and load(project, ponds, name="asked").judgments == 2


def test_an_import_killed_after_its_corpus_goes_on(project, tmp_path):
    path = write_rows(tmp_path / "t.jsonl", ROWS)
    report = load(project, path)
    info = query_sets.find(project.db, "set")
    query_sets.delete(project.db, project.media, info.id)
    assert load(project, path) == report
    query_sets.delete(project.db, project.media, query_sets.find(project.db, "set").id)
    with pytest.raises(BadInput, match="corpus called “set” already"):
        load(project, write_rows(tmp_path / "t.jsonl", ROWS[:1]))


FORMATS = ("flagembedding", "flagembedding-reranker", "st-triplet", "st-pair", "st-list", "csv", "trec")


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_exported_comes_back(project, tmp_path, format):
    make_ponds(project, tmp_path)
    say(project, "me", {("q1", "d3"): None, ("q1", "d4"): None, ("q2", "d1"): None})
    graded = ExportSpec(labels="grades")
    made = export_labels(project, "asked", format, choice=LabelChoice(), spec=graded)
    report = import_labels(project, "asked", Source(Path(made.path), label_set="back"))
    # Without prompts the two of FlagEmbedding are one format.
    assert report.format == format.removesuffix("-reranker") and not report.warnings
    exact = format in ("csv", "trec", "st-pair", "st-list")
    grade = 2 if exact else 1
    hard = format not in ("trec", "st-pair", "st-list")
    assert said(project, "asked", "back") == {
        ("q1", "d1"): (grade, False), ("q1", "d3"): (0, hard), ("q1", "d4"): (0, hard),
        ("q2", "d3"): (1, False), ("q2", "d1"): (0, hard),
    }  # fmt: skip


def test_large_files_are_written_in_batches(project, tmp_path):
    rows = [{"query": f"query {n}", "pos": [f"text {n}"], "neg": [f"text {n + 1}"]} for n in range(1200)]
    report = load(project, write_rows(tmp_path / "t.jsonl", rows))
    assert (report.queries, report.documents, report.judgments) == (1200, 1201, 2400)
    info = corpora.find(project.db, "set")
    assert corpora.texts(project.db, info.id, 0, 3) == ["text 0", "text 1", "text 2"]


def test_the_command_line(project, tmp_path):
    path = write_rows(tmp_path / "t.jsonl", [*ROWS, {"query": "q", "pos": "x"}])
    words = ["--json", "--project", str(project.folder), "import-labels", "set", str(path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    counts = {key: answer[key] for key in ("query_set", "queries", "judgments", "documents", "skipped")}
    assert counts == {"query_set": "set", "queries": 2, "judgments": 5, "documents": 4, "skipped": 1}
    assert "line 3" in answer["warnings"][0]
    assert len(rows_of_file(path)) == 3
