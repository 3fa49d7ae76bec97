"""The index laboratory: trials measured against the exact search, kept, resumed, cancelled; what changed, listed."""

import numpy as np
import pytest
from search_fixtures import TOPICS, add_embedding, planted, planted_project

from workbench import corpora
from workbench.errors import BadInput, Cancelled, NotFound
from workbench.indices.hi2 import Hi2Index
from workbench.indices.hybrid import HybridQueries
from workbench.scoring import normalize_rows
from workbench.specs import IndexLabSpec, RetrieverSpec
from workbench.workflows import lab_measuring, retrieving
from workbench.workflows.adopting import adopt, adopted
from workbench.workflows.corpus import import_queries
from workbench.workflows.encode import encode_corpus
from workbench.workflows.index import build_index, list_indices
from workbench.workflows.index_lab import get_lab, list_labs, measure_indices, plan
from workbench.workflows.lab_changes import calibration_of, changes
from workbench.workflows.lab_measuring import ROUNDS, dealt


@pytest.fixture
def project(tmp_path):
    """300 documents of three topics, in vectors of 16 dimensions."""
    project = planted_project(tmp_path)
    yield project
    project.close()


def spec(*trials, **values):
    return IndexLabSpec(trials=trials, **({"queries": 20, "k": 5} | values))


def truth_by_hand(project, own, k):
    """The k documents most like each of `own`, by numpy alone."""
    info = corpora.find(project.db, "topics")
    (embedding,) = project.artifacts.list("embedding", corpus_id=info.id, name="planted")
    rows = normalize_rows(retrieving.vectors_of(embedding).take(np.arange(300))).astype(np.float64)
    scores = rows[own] @ rows.T
    scores[np.arange(len(own)), own] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :k], scores


def test_recall_is_what_numpy_counts(project):
    report = measure_indices(project, "topics", "planted", spec("PQ2x4 ", "IVF3,Flat nprobe=1,3"))
    assert [row.trial for row in report.rows] == ["exact", "PQ2x4", "IVF3,Flat · nprobe 1", "IVF3,Flat · nprobe 3"]
    folder = project.artifacts.get(report.lab).folder
    own = np.array([each["own"] for each in lab_measuring.queries_of(folder)])
    truth, scores = truth_by_hand(project, own, 5)
    assert lab_measuring.truth_of(folder).tolist() == truth.tolist()
    for number, row in enumerate(report.rows):
        found = lab_measuring.parts_of(folder, 4, 0, number).found
        least = np.sort(scores, axis=1)[:, -5]
        hits = [
            sum(scores[q, d] >= least[q] - 1e-3 * abs(least[q]) for d in found[q] if d >= 0) for q in range(len(own))
        ]
        assert row.recall == pytest.approx(np.mean(hits) / 5, abs=1e-6)
        assert row.changed == sum(set(a) != set(b) for a, b in zip(found.tolist(), truth.tolist(), strict=True))
    assert report.rows[0].recall == report.rows[3].recall == 1.0 and report.rows[1].recall < 0.9


def test_costs_are_told(project):
    report = measure_indices(project, "topics", "planted", spec("IVF3,SQ8 nprobe=1", "Binary,Verify k_factor=4"))
    exact, ivf, codes = report.rows
    assert (exact.scored, exact.memory_bytes, exact.build_seconds) == (1.0, 300 * 16 * 4, 0)
    assert ivf.scored == pytest.approx(1 / 3, abs=0.01)
    assert (codes.memory_bytes, codes.vector_bytes) == (300 * 8, 300 * 16 * 2)
    assert {each.factory: each.bytes for each in list_indices(project, "topics")}["IVF3,SQ8"] == ivf.disk_bytes
    assert all(0 < row.p50 <= row.p95 <= row.p99 and row.qps > 0 for row in report.rows)
    assert ivf.calibration["dimensions"] == 16 and ivf.calibration["of"] == "residuals" and codes.calibration is None
    low, width = calibration_of(project, report.lab, 1)
    assert ivf.calibration["lowest"] == low.min() and ivf.calibration["highest"] == (low + width).max()
    assert any(row.front for row in report.rows)


def test_the_share_of_documents_that_hi2_scores_is_right_by_count(project):
    encode_corpus(project, "topics", "bm25")
    report = measure_indices(project, "topics", "planted", spec("HI2_3x2 nprobe=1,3"))
    one, every = report.rows[1:]
    assert every.scored == 1.0 and every.recall == 1.0
    # By count: the lists themselves, for the same queries.
    artifact = project.artifacts.get(report.lab)
    asked = lab_measuring.queries_of(artifact.folder)
    index = project.artifacts.get(one.index)
    opened = Hi2Index.open(index.folder, retrieving.vectors_of(project.artifacts.get(artifact.inputs[0])))
    terms = retrieving.query_encoder(project.artifacts.get(artifact.inputs[1]))
    words = terms.encode_many([lab_measuring.Content(each["text"]) for each in asked])
    queries = HybridQueries(np.asarray(lab_measuring.matrix_of(artifact.folder)), words)
    sizes = [len(each.ordinals) for each in opened.candidates(queries, {"nprobe": 1})]
    assert one.scored == pytest.approx(np.mean(sizes) / 300, abs=1e-6)
    assert sum(one.fetched.values()) == 20 * 5 and one.fetched["both"] > 0
    assert report.rows[0].fetched is None


def test_what_changed_is_listed_with_its_documents(project):
    report = measure_indices(project, "topics", "planted", spec("PQ2x4"))
    found = changes(project, report.lab, 1, limit=3)
    assert found.total == report.rows[1].changed > 3 and found.queries == 20 and len(found.rows) == 3
    own = [each["own"] for each in lab_measuring.queries_of(project.artifacts.get(report.lab).folder)]
    truth, scores = truth_by_hand(project, own, 5)
    for row in found.rows:
        assert len(row.lost) == len(row.gained) > 0 and row.text.startswith(tuple(map(str.title, TOPICS)))
        for each in row.lost:
            assert truth[own.index(row.own), each.rank - 1] == each.document.ordinal
            assert each.score == pytest.approx(scores[own.index(row.own), each.document.ordinal], abs=1e-5)
        assert not {each.document.doc_id for each in row.lost} & {each.document.doc_id for each in row.gained}
    assert [len(row.lost) for row in found.rows] == sorted((len(row.lost) for row in found.rows), reverse=True)
    assert changes(project, report.lab, 0).rows == []
    with pytest.raises(BadInput, match="no trial number 7"):
        changes(project, report.lab, 7)


def test_what_cannot_be_built_is_told_and_the_others_are_tried(project):
    asked = spec("IVF3,PQ5", "IVF400,Flat", "HI2_301x4", "HI2_3x4", "Flat nprobe=3", "IVF3,Flat nprobe=1", "exact")
    told = plan(project, "topics", "planted", asked)
    assert [each.label for each in told.trials] == ["exact", "IVF3,Flat · nprobe 1"]
    reasons = {each.trial: each.message for each in told.refused}
    assert "cannot split 16 dimensions into 5" in reasons["IVF3,PQ5"]
    assert "needs at least 400 vectors" in reasons["IVF400,Flat"]
    assert "301 clusters are more than the 300" in reasons["HI2_301x4"]
    assert "term weights of BM25" in reasons["HI2_3x4"]
    assert reasons["Flat nprobe=3"] == "nprobe makes no difference to “Flat”."
    report = measure_indices(project, "topics", "planted", asked)
    assert len(report.rows) == 2 and {each.trial for each in report.refused} == set(reasons)
    with pytest.raises(BadInput, match="PQ5 cannot split"):
        measure_indices(project, "topics", "planted", spec("PQ5"))


def test_an_index_without_settings_is_tried_along_a_curve(project):
    told = plan(project, "topics", "planted", spec("IVF4,Flat", "IVF4,Flat nprobe=2"))
    assert [each.label for each in told.trials[1:]] == [f"IVF4,Flat · nprobe {n}" for n in (1, 2, 4)]


def test_every_query_is_dealt_once_to_every_trial():
    deal = dealt(10, 3, seed=1)
    assert len(deal) == ROUNDS * 3
    for trial in range(3):
        assert sorted(row for whose, rows in deal if whose == trial for row in rows) == list(range(10))
    assert [whose for whose, _ in deal] != [whose for whose, _ in dealt(10, 3, seed=2)]


class Stop:
    """Cancels at the `after`-th report."""

    def __init__(self, after):
        self.left, self.last = after, (0, 0)

    def __call__(self, done, total):
        assert self.last[0] <= done <= total
        self.last, self.left = (done, total), self.left - 1
        if self.left < 0:
            raise Cancelled


def test_a_cancelled_laboratory_goes_on_where_it_was(project, monkeypatch):
    asked = spec("IVF3,Flat nprobe=1,2")
    measured = []
    real = lab_measuring.Bench._measured

    def counting(bench, target, trial, rows):
        if len(measured) == 5:
            measured.append("stopped")
            raise Cancelled
        measured.append((trial.label, tuple(rows)))
        return real(bench, target, trial, rows)

    monkeypatch.setattr(lab_measuring.Bench, "_measured", counting)
    with pytest.raises(Cancelled):
        measure_indices(project, "topics", "planted", asked)
    assert list_labs(project, "topics") == [] and len(list_indices(project, "topics")) == 1
    report = measure_indices(project, "topics", "planted", asked)
    parts = [each for each in measured if each != "stopped"]
    assert len(parts) == len(set(parts)) == ROUNDS * 3
    assert [each.lab for each in list_labs(project, "topics")] == [report.lab]
    count = len(measured)
    again = measure_indices(project, "topics", "planted", asked)
    assert again == get_lab(project, report.lab) and len(measured) == count


def test_progress_only_grows_and_can_stop_it(project):
    stop = Stop(10_000)
    measure_indices(project, "topics", "planted", spec("IVF3,Flat", "SQ8"), stop)
    assert stop.last[0] == stop.last[1]
    with pytest.raises(Cancelled):
        measure_indices(project, "topics", "planted", spec("SQ4"), Stop(1))


@pytest.fixture
def asked(project, tmp_path, monkeypatch):
    """The query set “two”, and an encoder for which “music” is the first direction and everything else the second."""
    (tmp_path / "queries.jsonl").write_text('{"_id": "a", "text": "music"}\n{"_id": "b", "text": "water"}\n')
    import_queries(project, "two", tmp_path / "queries.jsonl", "topics")

    class Model:
        modalities = frozenset({"text"})

        def encode_many(self, queries):
            return np.eye(16, dtype=np.float32)[[0 if each.text == "music" else 1 for each in queries]]

    monkeypatch.setattr(retrieving, "query_encoder", lambda embedding: Model())
    return project


def test_a_query_set_is_encoded_and_asked(asked):
    add_embedding(asked, "topics", planted(300), "askable", {"encoder_spec": {"kind": "dense"}})
    report = measure_indices(asked, "topics", "askable", spec("IVF3,Flat nprobe=1", query_set="two"))
    assert (report.queries, report.query_set, report.rows[1].recall) == (2, "two", 1.0)
    truth = lab_measuring.truth_of(asked.artifacts.get(report.lab).folder)
    assert (truth % 3).tolist() == [[0] * 5, [1] * 5]


def test_queries_need_an_encoder(asked):
    with pytest.raises(NotFound):
        measure_indices(asked, "topics", "planted", spec("SQ8", query_set="nope"))
    with pytest.raises(BadInput, match="ready-made vectors"):
        measure_indices(asked, "topics", "planted", spec("SQ8", query_set="two"))


def test_an_adopted_index_stays_until_it_is_gone(project):
    build_index(project, "topics", "planted", "IVF3,Flat")
    chosen = RetrieverSpec(encoder="planted", index="IVF3,Flat", nprobe=2)
    adopt(project, "topics", chosen)
    assert adopted(project, "topics") == {"planted": chosen}
    with pytest.raises(NotFound):
        adopt(project, "topics", RetrieverSpec(encoder="planted", index="HNSW32"))
    adopt(project, "topics", RetrieverSpec(encoder="planted", index="exact"))
    assert adopted(project, "topics") == {}
    adopt(project, "topics", chosen)
    project.artifacts.delete(list_indices(project, "topics")[0].id)
    assert adopted(project, "topics") == {}
