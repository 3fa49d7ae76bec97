"""The encoder laboratory as a workflow: its figures by numpy and by an evaluated run, what is kept, what is refused."""

import json

import numpy as np
import pytest
from search_fixtures import add_embedding, planted, planted_project

from workbench.errors import BadInput, Cancelled, NotFound
from workbench.judgments import Pair, Verdict
from workbench.specs import EncoderLabSpec, PipelineSpec, RetrieverSpec
from workbench.workflows import encoder_lab, encoder_lab_cell, retrieving
from workbench.workflows.corpus import import_queries
from workbench.workflows.encode import encode_corpus
from workbench.workflows.encoder_lab import choices, get_cell, list_cells, measure_encoders
from workbench.workflows.evaluate import evaluate
from workbench.workflows.judging import Judge, judge
from workbench.workflows.running import run_queries

COUNT, DIM, ASKED = 60, 16, 9
ROWS = planted(COUNT, DIM).astype(np.float64)
QUERIES = ROWS[:ASKED] + 0.3 * np.random.default_rng(5).standard_normal((ASKED, DIM))
GRADES = {f"q{n}": {f"d{n}": 2, f"d{n + 3}": 1, f"d{n + 30}": 0} for n in range(ASKED)}


class Model:
    """In place of an encoder: the text “number 4” has the fourth planted vector."""

    modalities = frozenset({"text"})
    size_bytes = 1234
    warnings = ()

    def encode_queries(self, queries):
        return QUERIES[[int(each.text.split()[-1]) for each in queries]].astype(np.float32)

    encode_many = encode_queries

    def encode_documents(self, documents):
        return np.zeros((len(documents), DIM), np.float32)

    def describe(self):
        return {"dtype": "float32"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """60 documents, the query set “asked” of nine queries with graded judgments, and two embeddings that can ask it."""
    project = planted_project(tmp_path, COUNT)
    asked = [json.dumps({"_id": f"q{n}", "text": f"number {n}"}) for n in range(ASKED)]
    (tmp_path / "asked.jsonl").write_text("\n".join(asked))
    lines = [f"{query} 0 {doc} {grade}\n" for query, own in GRADES.items() for doc, grade in own.items()]
    (tmp_path / "asked.qrels").write_text("".join(lines))
    import_queries(project, "asked", tmp_path / "asked.jsonl", "topics", tmp_path / "asked.qrels")
    for name in ("one", "two"):
        add_embedding(project, "topics", planted(COUNT, DIM), name, {"encoder_spec": {"kind": "dense"}})
    monkeypatch.setattr(encoder_lab_cell, "open_encoder", lambda embedding: Model())
    monkeypatch.setattr(retrieving, "query_encoder", lambda embedding: Model())
    yield project
    project.close()


def spec(**values):
    return EncoderLabSpec(**({"query_set": "asked", "pairs": 400, "timed": 16} | values))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def ndcg(scores):
    """Mean nDCG@10 of a matrix of scores (queries, documents), by the formula."""
    weights = 1 / np.log2(np.arange(2, 12))
    found = []
    for n, row in enumerate(scores):
        own = GRADES[f"q{n}"]
        gains = [own.get(f"d{doc}", 0) for doc in np.argsort(-row, kind="stable")[:10]]
        best = sorted(own.values(), reverse=True)
        found.append((gains @ weights) / (best @ weights[: len(best)]))
    return np.mean(found)


def test_the_curve_is_what_numpy_and_an_evaluated_run_say(project):
    (cell,) = measure_encoders(project, "topics", ["one"], spec()).cells
    curve = {(each["dim"], each["precision"]): each for each in cell.figures["curve"]}
    for dim in (16, 8):
        scores = unit(QUERIES[:, :dim]) @ unit(ROWS[:, :dim]).T
        assert curve[dim, "float32"]["ndcg"] == pytest.approx(ndcg(scores), abs=1e-9)
    signs = np.where(QUERIES > 0, 1, -1) @ np.where(ROWS > 0, 1, -1).T
    assert curve[16, "binary"]["ndcg"] == pytest.approx(ndcg(signs), abs=1e-9)
    run = run_queries(project, "asked", PipelineSpec((RetrieverSpec("one"),)), k=20)
    means = evaluate(project, [run.run]).runs[0].means
    assert curve[16, "float32"]["ndcg"] == pytest.approx(means["nDCG@10"], abs=1e-12)
    assert curve[16, "float32"]["recall"] == 1.0 > curve[8, "float32"]["recall"]
    sizes = {key: each["bytes"] for key, each in curve.items()}
    assert [sizes[16, each] for each in ("float32", "int8", "binary", "rescored")] == [64, 16, 2, 2]
    assert [sizes[8, each] for each in ("float32", "int8", "binary", "rescored")] == [32, 8, 1, 1]
    assert cell.figures["judged"] == cell.figures["queries"] == ASKED


def test_positives_stand_against_random_pairs(project):
    (cell,) = measure_encoders(project, "topics", ["one"], spec()).cells
    folder = project.artifacts.get(cell.id).folder
    positives, others = np.load(folder / "positives.npy"), np.load(folder / "random.npy")
    cosines = unit(QUERIES) @ unit(ROWS).T
    by_hand = [cosines[n, int(doc[1:])] for n in range(ASKED) for doc, grade in GRADES[f"q{n}"].items() if grade]
    assert sorted(positives) == pytest.approx(sorted(by_hand), abs=1e-5)
    scores = cell.figures["scores"]
    wins = (positives[:, None] > others).mean() + 0.5 * (positives[:, None] == others).mean()
    assert scores["auc"] == pytest.approx(wins) and scores["auc"] > 0.9
    assert scores["count"] == [2 * ASKED, len(others)] and 380 < len(others) <= 400
    assert [sum(scores["positives"]), sum(scores["random"])] == scores["count"]
    for at, precision, recall, f1, passed in scores["thresholds"][::40]:
        kept, wrong = (positives >= at).mean(), (others >= at).mean()
        assert (recall, passed) == pytest.approx((kept, wrong), abs=1e-5)
        if kept:
            assert precision == pytest.approx(kept / (kept + wrong), abs=1e-5)
            assert f1 == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-5)
    assert scores["best"]["f1"] >= max(row[3] for row in scores["thresholds"]) - 1e-6
    pairs = [(n, int(doc[1:])) for n in range(ASKED) for doc, grade in GRADES[f"q{n}"].items() if grade]
    gaps = [((unit(QUERIES)[n] - unit(ROWS)[doc]) ** 2).sum() for n, doc in pairs]
    assert cell.figures["alignment"] == pytest.approx(np.mean(gaps), abs=1e-5)


def test_costs_and_hubs_are_counted(project):
    (cell,) = measure_encoders(project, "topics", ["one"], spec()).cells
    told = cell.figures
    embedding = next(each for each in project.artifacts.list("embedding") if each.name == "one")
    assert told["size"] == {
        "dim": 16, "stored": "float16", "bytes_per_vector": 32, "embedding_bytes": embedding.bytes,
        "model_bytes": 1234,
    }  # fmt: skip
    assert told["speed"]["documents"] == 16 and told["speed"]["queries"] == ASKED
    assert told["speed"]["documents_per_second"] > 0 and told["speed"]["milliseconds"] > 0
    top = np.argsort(-(unit(QUERIES) @ unit(ROWS).T), axis=1)[:, :10]
    counts = np.bincount(top.ravel(), minlength=COUNT)
    assert told["hubness"]["never"] == pytest.approx((counts == 0).mean())
    assert told["hubness"]["hubs"][0][2] == counts.max()
    assert told["prompt"] is None and told["needs"] == []


def test_documents_ask_where_there_is_no_query_set(project):
    report = measure_encoders(project, "topics", ["planted", "one"], spec(query_set="", queries=20, timed=0))
    for cell in report.cells:
        whole = cell.figures["curve"][0]
        assert (whole["ndcg"], whole["recall"], cell.figures["judged"]) == (None, 1.0, 0)
        assert cell.figures["scores"]["best"] is None and "with judgments" in cell.figures["needs"][0]
        assert cell.figures["speed"] is None and cell.figures["size"]["model_bytes"] is None
    assert list_cells(project, "topics", "asked") == []


class Stop:
    """Cancels at the first report that is `share` of the way or further."""

    def __init__(self, share):
        self.share, self.last = share, 0

    def __call__(self, done, total):
        assert self.last <= done <= total
        self.last = done
        if done >= self.share * total:
            raise Cancelled


def test_a_cancelled_laboratory_keeps_its_finished_cells(project, monkeypatch):
    measured = []
    real = encoder_lab.measure_cell

    def counting(project, info, embedding, *rest):
        measured.append(embedding.name)
        return real(project, info, embedding, *rest)

    monkeypatch.setattr(encoder_lab, "measure_cell", counting)
    with pytest.raises(Cancelled):
        measure_encoders(project, "topics", ["one", "two"], spec(), Stop(0.6))
    assert [each.encoder for each in list_cells(project, "topics")] == ["one"]
    report = measure_encoders(project, "topics", ["one", "two"], spec())
    assert report.reused == 1 and measured == ["one", "two", "two"]
    again = measure_encoders(project, "topics", ["two", "one"], spec())
    assert again.reused == 2 and len(measured) == 3
    assert again.cells[1] == report.cells[0] == get_cell(project, report.cells[0].id)


def test_another_judgment_measures_again(project):
    first = measure_encoders(project, "topics", ["one"], spec())
    judge(project, Judge("asked"), Pair("q0", "d9"), Verdict(3))
    second = measure_encoders(project, "topics", ["one"], spec())
    assert second.reused == 0 and second.cells[0].id != first.cells[0].id
    assert second.cells[0].figures["scores"]["count"][0] == 2 * ASKED + 1
    assert [each.id for each in list_cells(project, "topics", "asked")] == [second.cells[0].id]


def test_what_cannot_be_measured_is_told(project):
    encode_corpus(project, "topics", "bm25")
    assert choices(project, "topics") == (["two", "one", "planted"], [("bm25", "sparse")])
    report = measure_encoders(project, "topics", ["bm25", "planted", "nope", "one"], spec())
    assert [each.encoder for each in report.cells] == ["one"]
    told = {name: message for name, message, _ in report.refused}
    assert "sparse vectors" in told["bm25"] and "ready-made" in told["planted"]
    assert set(told) == {"bm25", "planted", "nope"}
    with pytest.raises(BadInput, match="No encoder could be measured"):
        measure_encoders(project, "topics", ["bm25"], spec())
    with pytest.raises(NotFound):
        measure_encoders(project, "topics", ["one"], spec(query_set="nope"))
    with pytest.raises(BadInput, match="0 encoders"):
        measure_encoders(project, "topics", [], spec())
