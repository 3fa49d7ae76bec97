"""What every export promises, over every entry of the registry; values by hand where a format is exact."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.exports import EXPORTS, open_export
from workbench.exports.base import Export
from workbench.specs import ExportSpec
from workbench.types import Document, Query, TrainingDocument, TrainingGroup

POND = TrainingDocument("d1", "Ducks live on\nponds — “quack”.", 2, score=0.75)
LAKE = TrainingDocument("d2", "Ducks rest on lakes.", 1, score=0.5)
SAND = TrainingDocument("d3", "=Sand is dry", 0, True, score=0.25)
DUST = TrainingDocument("d4", "Dust\tblows", 0, False, score=0.125)
CARS = TrainingDocument("d5", "Cars drive.", -1, True, score=0.0)
DRY = SAND._replace(relevance=1, is_hard_negative=False)
GROUPS = [
    TrainingGroup(Query("q1", "where do ducks live?"), (POND, LAKE), (SAND, DUST, CARS)),
    TrainingGroup(Query("q2", "what is “dry”?"), (DRY,), (POND._replace(relevance=0),)),
]
DOCUMENTS = [Document(each.doc_id, each.text, "A title", None, {"year": 1999}) for each in (POND, LAKE, SAND, DUST)]
NAMES = EXPORTS.names()


def path_of(export: Export, folder: Path) -> Path:
    return folder / f"out{''.join(export.suffixes[:1])}"


def content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return {each.relative_to(path.parent).as_posix(): each.read_bytes() for each in files if each.is_file()}


def records(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


SPEC = ExportSpec(negatives=1)


def test_groups_may_be_a_stream_and_twice_is_the_same(name, tmp_path):
    export = open_export(name, SPEC)
    first, second = path_of(export, tmp_path / "a"), path_of(export, tmp_path / "b")
    told = export.write(first, iter(GROUPS), iter(DOCUMENTS))
    again = open_export(name, SPEC).write(second, list(GROUPS), DOCUMENTS)
    assert content(first) == content(second) and told.rows == again.rows > 0
    assert told.groups == 2
    assert all(Path(each).is_file() for each in told.files) and str(tmp_path) in told.files[0]


def test_a_failure_changes_nothing(name, tmp_path):
    export = open_export(name, SPEC)
    path = path_of(export, tmp_path)
    export.write(path, GROUPS, DOCUMENTS)
    before = content(path)

    def broken() -> Iterator[TrainingGroup]:
        yield GROUPS[0]
        raise BadInput("no")

    with pytest.raises(BadInput):
        export.write(path, broken(), DOCUMENTS)
    assert content(path) == before
    assert not [each for each in tmp_path.rglob("*") if "partial" in each.name]


def test_a_refusing_disk_is_a_sentence(name, tmp_path):
    (tmp_path / "file").write_text("in the way")
    export = open_export(name, SPEC)
    with pytest.raises(WorkbenchError, match="could not be written"):
        export.write(path_of(export, tmp_path / "file"), GROUPS, DOCUMENTS)


def test_nothing_is_refused_and_nothing_written(name, tmp_path):
    export = open_export(name, SPEC)
    path = path_of(export, tmp_path)
    with pytest.raises(BadInput, match="nothing to write"):
        export.write(path, [], DOCUMENTS)
    assert not list(tmp_path.rglob("*.*"))


def test_a_wrong_ending_or_a_folder_is_refused(name, tmp_path):
    export = open_export(name, SPEC)
    if export.suffixes:
        with pytest.raises(BadInput, match="must end in"):
            export.check(tmp_path / "out.docx")
        (tmp_path / f"x{export.suffixes[0]}").mkdir()
        with pytest.raises(BadInput, match="is a folder"):
            export.check(tmp_path / f"x{export.suffixes[0]}")
    else:
        (tmp_path / "x").write_text("")
        with pytest.raises(BadInput, match="is a file"):
            export.check(tmp_path / "x")


def test_an_unknown_format_lists_the_choices():
    with pytest.raises(NotFound, match="st-triplet"):
        open_export("st-tripel")


def test_flagembedding_by_hand(tmp_path):
    told = open_export("flagembedding").write(tmp_path / "t.jsonl", GROUPS)
    rows = records(tmp_path / "t.jsonl")
    assert rows[0] == {
        "query": "where do ducks live?", "pos": [POND.text, LAKE.text], "neg": [SAND.text, DUST.text, CARS.text],
        "type": "normal", "query_id": "q1", "pos_id": ["d1", "d2"], "neg_id": ["d3", "d4", "d5"],
    }  # fmt: skip
    # One text is a list as well; no prompt is no column, for an empty one would replace the trainer's own.
    assert rows[1]["pos"] == ["=Sand is dry"] and "prompt" not in rows[1] and told.rows == told.groups == 2


def test_flagembedding_scores_and_prompts(tmp_path):
    spec = ExportSpec(negatives=2, scores=True, prompt="Find: ", type="only_1neg")
    lacking = TrainingGroup(Query("q3", "x"), (POND._replace(score=None),), (SAND,))
    told = open_export("flagembedding", spec).write(tmp_path / "t.jsonl", [*GROUPS, lacking])
    first, second = records(tmp_path / "t.jsonl")
    assert list(first) == [
        "query", "pos", "neg", "pos_scores", "neg_scores", "prompt", "type", "query_id", "pos_id", "neg_id",
    ]  # fmt: skip
    assert first["pos_scores"] == [0.75, 0.5] and first["neg_scores"] == [0.25, 0.125]
    assert (first["prompt"], first["type"], second["neg_scores"]) == ("Find: ", "only_1neg", [0.75])
    assert told.short == 2 and told.left_out == {"a document without a score": 1}


def test_flagembedding_reranker_has_three_prompts(tmp_path):
    spec = ExportSpec(query_prompt="A: ", passage_prompt="B: ", prompt="Yes or no?")
    open_export("flagembedding-reranker", spec).write(tmp_path / "t.jsonl", GROUPS)
    row = records(tmp_path / "t.jsonl")[0]
    assert (row["query_prompt"], row["passage_prompt"], row["prompt"]) == ("A: ", "B: ", "Yes or no?")


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_sentence_transformers_tables_by_hand(tmp_path, suffix):
    def rows(name: str, spec: ExportSpec = SPEC) -> list[list[Any]]:
        path = tmp_path / f"{name}{suffix}"
        open_export(name, spec).write(path, GROUPS)
        return [list(row.values()) for row in records(path)]

    q1, q2 = GROUPS[0].query.text, GROUPS[1].query.text
    assert rows("st-triplet", ExportSpec(negatives=2)) == [
        [q1, POND.text, SAND.text], [q1, POND.text, DUST.text], [q1, LAKE.text, SAND.text], [q1, LAKE.text, DUST.text],
        [q2, SAND.text, POND.text],
    ]  # fmt: skip
    assert rows("st-ntuple", ExportSpec(negatives=2)) == [
        [q1, POND.text, SAND.text, DUST.text], [q1, LAKE.text, SAND.text, DUST.text],
    ]  # fmt: skip
    assert rows("st-pair") == [
        [q1, POND.text, 1], [q1, LAKE.text, 1], [q1, SAND.text, 0], [q2, SAND.text, 1], [q2, POND.text, 0],
    ]  # fmt: skip
    assert rows("st-list", ExportSpec(labels="grades")) == [
        [q1, [POND.text, LAKE.text, SAND.text, DUST.text, CARS.text], [2, 1, 0, 0, 0]],
        [q2, [SAND.text, POND.text], [1, 0]],
    ]
    columns = {name: list(records(tmp_path / f"{name}{suffix}")[0]) for name in ("st-triplet", "st-ntuple", "st-pair")}
    assert columns["st-ntuple"] == ["anchor", "positive", "negative_1", "negative_2"]
    assert columns["st-triplet"] == ["anchor", "positive", "negative"]
    assert columns["st-pair"] == ["anchor", "document", "label"]


def test_ids_stand_beside_tables_whose_columns_bind(tmp_path):
    told = open_export("st-triplet", SPEC).write(tmp_path / "t.jsonl", GROUPS)
    ids = records(tmp_path / "t.jsonl.ids.jsonl")
    assert ids[1] == {"row": 1, "query_id": "q1", "doc_ids": ["d2", "d3"]} and len(ids) == told.rows == 3


def test_what_a_query_lacks_is_counted(tmp_path):
    groups = [*GROUPS, TrainingGroup(Query("q3", "alone"), (POND,)), TrainingGroup(Query("q4", "none"), (), (SAND,))]
    for name in ("flagembedding", "st-triplet", "st-list"):
        told = open_export(name).write(tmp_path / f"{name}.jsonl", groups)
        assert told.left_out == {"no negative": 1, "no positive": 1} and told.groups == 2
    told = open_export("st-ntuple", ExportSpec(negatives=3)).write(tmp_path / "n.jsonl", groups)
    assert told.left_out == {"no negative": 1, "no positive": 1, "fewer than 3 negatives": 1}
    assert open_export("st-pair").write(tmp_path / "p.jsonl", groups).rows == 9


def test_qrels_and_beir_by_hand(tmp_path):
    open_export("trec").write(tmp_path / "t.qrels", GROUPS)
    assert (tmp_path / "t.qrels").read_text().splitlines() == [
        "q1 0 d1 2", "q1 0 d2 1", "q1 0 d3 0", "q1 0 d4 0", "q1 0 d5 -1", "q2 0 d3 1", "q2 0 d1 0",
    ]  # fmt: skip
    open_export("beir", ExportSpec(split="dev")).write(tmp_path / "set", GROUPS, DOCUMENTS)
    assert (tmp_path / "set" / "qrels" / "dev.tsv").read_text().splitlines()[:2] == [
        "query-id\tcorpus-id\tscore",
        "q1\td1\t2",
    ]
    assert records(tmp_path / "set" / "queries.jsonl")[1] == {"_id": "q2", "text": "what is “dry”?"}
    first = records(tmp_path / "set" / "corpus.jsonl")[0]
    assert first == {"_id": "d1", "title": "A title", "text": POND.text, "metadata": {"year": 1999}}
    with pytest.raises(BadInput, match="name of a split"):
        open_export("beir", ExportSpec(split="../dev"))


def test_an_id_with_a_space_does_not_become_two_columns(tmp_path):
    with pytest.raises(BadInput, match="“d 1” has a space"):
        open_export("trec").write(
            tmp_path / "t.qrels", [TrainingGroup(Query("q", "q"), (POND._replace(doc_id="d 1"),))]
        )
    assert not list(tmp_path.iterdir())


def test_csv_reads_back_and_runs_no_formula(tmp_path):
    open_export("csv").write(tmp_path / "t.csv", GROUPS)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "query_id": "q1", "query": "where do ducks live?", "doc_id": "d1", "text": POND.text, "relevance": "2",
        "hard_negative": "false", "score": "0.75",
    }  # fmt: skip
    assert rows[2]["text"] == "'=Sand is dry" and rows[2]["hard_negative"] == "true"


IMAGES: dict[str, Callable[[Path], Any]] = {
    "flagembedding": lambda path: [records(path)[0][key] for key in ("query_image", "pos_images", "neg_images")],
    "st-triplet": lambda path: list(records(path.with_name(path.name + ".ids.jsonl"))[0].values())[3:],
}


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_images_have_a_place_where_they_are_asked_for(name, tmp_path):
    group = TrainingGroup(Query("q", "what?", "i/q.webp"), (POND._replace(image="i/a.webp"),), (SAND,))
    open_export(name, images=True).write(tmp_path / "t.jsonl", [group])
    wanted = {"flagembedding": ["i/q.webp", ["i/a.webp"], [""]], "st-triplet": ["i/q.webp", ["i/a.webp", ""]]}
    assert IMAGES[name](tmp_path / "t.jsonl") == wanted[name]
