"""Hubness and QB-Norm: the mathematics against plain NumPy, the workflow over planted vectors."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import skew
from search_fixtures import TOPICS, add_embedding, planted, planted_project

from workbench.checkpoints import loaded
from workbench.errors import BadInput, NotFound
from workbench.hubness import (
    BankStatistics,
    all_scores,
    bank_statistics,
    normalized,
    occurrences,
    similarities,
    skewness,
    top_hubs,
)
from workbench.project import Project
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.types import Content, Filter
from workbench.workflows import retrieving
from workbench.workflows.corpus import import_corpus
from workbench.workflows.encode import encode_corpus
from workbench.workflows.hubness import hubness
from workbench.workflows.queries import import_queries
from workbench.workflows.retrieving import EncodedQuery
from workbench.workflows.search import empty_memory, search


def blocks(rows: np.ndarray, size: int):
    return ((at, rows[at : at + size]) for at in range(0, len(rows), size))


def some_rows(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_similarities(metric):
    queries, documents = some_rows(3), some_rows(5, 1)
    found = similarities(queries, documents, metric)
    for q, query in enumerate(queries.astype(np.float64)):
        for d, document in enumerate(documents.astype(np.float64)):
            lengths = np.linalg.norm(query) * np.linalg.norm(document)
            expected = {"cosine": query @ document / lengths, "dot": query @ document}
            expected["l2"] = -np.linalg.norm(query - document)
            assert found[q, d] == pytest.approx(expected[metric], abs=1e-5)


@pytest.mark.parametrize("size", [1, 7, 50])
@pytest.mark.parametrize("beta", [1.0, 20.0, 1000.0])
def test_bank_statistics_are_those_of_the_whole_matrix(size, beta):
    bank, documents = some_rows(9), some_rows(50, 1)
    found = bank_statistics(bank, blocks(documents, size), 50, "cosine", beta)
    scores = similarities(bank, documents, "cosine").astype(np.float64)
    expected = np.zeros(50, bool)
    expected[scores.argmax(axis=1)] = True
    np.testing.assert_array_equal(found.active, expected)
    np.testing.assert_allclose(found.log_sums, logsumexp(beta * scores, axis=0) / beta, atol=1e-6)
    assert found.queries == 9
    np.testing.assert_allclose(
        all_scores(bank[:1], blocks(documents, size), 50, "cosine"), scores[0].astype(np.float32), atol=1e-6
    )


def test_large_blocks_are_cut(monkeypatch):
    from workbench import hubness as module

    bank, documents = some_rows(9), some_rows(50, 1)
    whole = bank_statistics(bank, blocks(documents, 50), 50, "dot", 20.0)
    monkeypatch.setattr(module, "ROWS", 8)
    cut = bank_statistics(bank, blocks(documents, 50), 50, "dot", 20.0)
    np.testing.assert_array_equal(whole.active, cut.active)
    np.testing.assert_allclose(whole.log_sums, cut.log_sums, atol=1e-6)


def test_of_copies_the_first_is_the_best():
    documents = np.eye(4, dtype=np.float32)[[1, 0, 0, 0]]
    found = bank_statistics(np.eye(4, dtype=np.float32)[:1], blocks(documents, 2), 4, "dot", 20.0)
    assert found.active.tolist() == [False, True, False, False]


def test_dynamic_inverted_softmax_by_hand():
    """As in the paper: exp(β s) / Σ_b exp(β s_b) where the best document is active; its logarithm / β orders alike."""
    beta, bank_scores = 20.0, np.array([[0.9, 0.2, 0.1], [0.8, 0.3, 0.2]])
    statistics = BankStatistics(
        np.array([True, False, False]), (logsumexp(beta * bank_scores, axis=0) / beta).astype(np.float32), 2
    )
    scores = np.array([0.7, 0.6, 0.1], np.float32)
    found, changed = normalized(scores, statistics, None)
    softmax = np.exp(beta * scores) / np.exp(beta * bank_scores).sum(axis=0)
    assert changed and np.argsort(-found).tolist() == np.argsort(-softmax).tolist() == [1, 2, 0]
    np.testing.assert_allclose(found, np.log(softmax) / beta, atol=1e-6)


def test_scores_stay_where_the_best_document_is_not_active():
    statistics = BankStatistics(np.array([False, True]), np.array([5.0, 5.0], np.float32), 1)
    scores = np.array([0.9, 0.1], np.float32)
    same, changed = normalized(scores, statistics, None)
    assert not changed and same.tolist() == scores.tolist()
    # Among the allowed documents the second is the best one.
    found, changed = normalized(scores, statistics, np.array([False, True]))
    assert changed and found.tolist() == pytest.approx([-4.1, -4.9])


def test_an_empty_activation_set_changes_nothing():
    documents = some_rows(20)
    statistics = bank_statistics(np.empty((0, 8), np.float32), blocks(documents, 6), 20, "cosine", 20.0)
    assert not statistics.active.any() and statistics.log_sums.tolist() == [0.0] * 20
    for query in some_rows(5, 3):
        scores = all_scores(query[None], blocks(documents, 6), 20, "cosine")
        assert normalized(scores, statistics, None)[0].tolist() == scores.tolist()


def test_occurrences_skewness_and_hubs():
    counts = occurrences([np.array([0, 3]), np.array([3, 1]), np.array([3, 0])], 5)
    assert counts.tolist() == [2, 1, 0, 3, 0]
    assert skewness(counts) == pytest.approx(skew(counts))
    assert top_hubs(counts, 2) == [(3, 3), (0, 2)] and top_hubs(counts, 9) == [(3, 3), (0, 2), (1, 1)]
    assert skewness(np.array([4, 4, 4])) == 0 and occurrences([], 2).tolist() == [0, 0]
    assert skewness(np.array([0] * 99 + [50])) == pytest.approx(skew([0] * 99 + [50]))


# ── workflow ─────────────────────────────────────────────────────────────────────────────────────────────────────────

N = 60


class Model:
    """Directions by topic, pulled towards one hub: the direction of document 0."""

    warnings = ()
    size_bytes = 10
    modalities = frozenset({"text"})

    def row(self, text: str) -> np.ndarray:
        noise = np.random.default_rng(sum(text.encode())).standard_normal(16) * 0.3
        own = np.eye(16)[TOPICS.index(text.split()[0].lower())]
        return (own + noise + 1.5 * np.eye(16)[9]).astype(np.float32)

    def encode(self, query: Content) -> EncodedQuery:
        return EncodedQuery(self.row(query.text)[None], query.text)

    def encode_many(self, queries) -> np.ndarray:
        return np.stack([self.row(each.text) for each in queries])


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("hubs")
    made = planted_project(folder, N)
    rows = planted(N)
    rows[0] = 3 * np.eye(16)[9]
    add_embedding(made, "topics", rows, "hubby")
    encode_corpus(made, "topics", "bm25")
    lines = [json.dumps({"_id": f"q{n}", "text": f"{TOPICS[n % 3]} {n}"}) for n in range(40)]
    (folder / "queries.jsonl").write_text("\n".join(lines))
    import_queries(made, "asked", folder / "queries.jsonl", "topics")
    (folder / "few.jsonl").write_text("\n".join(lines[:3]))
    import_queries(made, "few", folder / "few.jsonl", "topics")
    return made


@pytest.fixture(autouse=True)
def model(monkeypatch):
    empty_memory()
    real, given = retrieving.query_encoder, Model()
    monkeypatch.setattr(retrieving, "query_encoder", lambda e: given if e.manifest["output"] == "dense" else real(e))
    yield given
    empty_memory()


def pipeline(**settings) -> PipelineSpec:
    return PipelineSpec((RetrieverSpec("hubby", **settings),))


@pytest.mark.parametrize("bank", ["asked", "@titles"])
def test_a_bank_takes_the_hub_away(project, model, bank):
    raw = search(project, "topics", "water now", pipeline(), k=N)
    found = search(project, "topics", "water now", pipeline(query_bank=bank), k=N)
    assert raw.hits[0].document.ordinal == 0 and found.hits[0].document.ordinal != 0
    texts = (
        [f"{TOPICS[n % 3]} {n}" for n in range(40)]
        if bank == "asked"
        else [f"{TOPICS[n % 3].title()} {n}" for n in range(N)]
    )
    rows = planted(N).astype(np.float32)
    rows[0] = 3 * np.eye(16)[9]
    scores = similarities(np.stack([model.row(text) for text in texts]), rows, "cosine").astype(np.float64)
    own = similarities(model.row("water now")[None], rows, "cosine")[0]
    expected = own - logsumexp(20 * scores, axis=0) / 20
    best = np.argsort(-expected)
    assert [hit.document.ordinal for hit in found.hits] == best.tolist()
    np.testing.assert_allclose([hit.score for hit in found.hits], expected[best], atol=1e-5)
    named = "“asked” (40 queries)" if bank == "asked" else "the documents' titles (60 queries)"
    assert found.stages[0].note == f"QB-Norm with {named}"


def test_a_bank_that_never_meets_the_best_document_changes_nothing(project):
    """Without document 0 the best one for bread is none that a bank of three other queries puts first."""
    few = (Filter("year", ">", 1900 + N - 3),)
    raw = search(project, "topics", "bread", pipeline(), k=5, filters=few)
    found = search(project, "topics", "bread", pipeline(query_bank="few"), k=5, filters=few)
    assert [(h.document.ordinal, h.score) for h in found.hits] == [(h.document.ordinal, h.score) for h in raw.hits]
    assert found.stages[0].note.endswith("changed nothing: the best document is the best of no query of the bank")


def test_the_bank_is_measured_once_and_another_beta_anew(project, monkeypatch, model):
    asked, many = [], model.encode_many
    monkeypatch.setattr(
        model, "encode_many", lambda queries: asked.append(len(queries)) or many(queries), raising=False
    )
    for text in ("water one", "water two", "bread three"):
        search(project, "topics", text, pipeline(query_bank="asked"))
    assert asked == [40]
    search(project, "topics", "water one", pipeline(query_bank="asked", bank_beta=5.0))
    assert asked == [40, 40]
    assert any("query bank" in str(entry.key) for entry in loaded().contents())


def test_a_bank_with_filters_keeps_what_passes(project):
    found = search(
        project, "topics", "water now", pipeline(query_bank="asked"), k=30, filters=(Filter("year", "<", 1910),)
    )
    assert sorted(hit.document.ordinal for hit in found.hits) == list(range(10))


@pytest.mark.parametrize(
    ("retriever", "error", "message"),
    [
        (RetrieverSpec("bm25", query_bank="asked"), BadInput, "“bm25” makes sparse ones"),
        (RetrieverSpec("hubby", "Flat", query_bank="asked"), BadInput, "the index “Flat” gives only some"),
        (RetrieverSpec("hubby", query_bank="nobody"), NotFound, "called “nobody”.*asked"),
    ],
)
def test_what_takes_no_bank_is_named(project, retriever, error, message):
    with pytest.raises(error, match=message):
        search(project, "topics", "water", PipelineSpec((retriever,)))


def test_a_corpus_without_titles_has_no_bank_of_them(tmp_path):
    project = Project.create(tmp_path / "p")
    (tmp_path / "c.jsonl").write_text("\n".join(json.dumps({"_id": n, "text": f"water {n}"}) for n in range(5)))
    import_corpus(project, "c", tmp_path / "c.jsonl")
    add_embedding(project, "c", planted(5), "hubby")
    with pytest.raises(BadInput, match="“@titles” has nothing that this encoder reads"):
        search(project, "c", "water", pipeline(query_bank="@titles"))


def test_the_read_out_shows_the_hub_and_that_it_is_gone(project):
    report = hubness(project, "topics", "hubby", "asked", k=5)
    assert report.queries == 20
    ordinal, title, count = report.hubs_before[0]
    assert (ordinal, title) == (0, "Music 0") and count >= 15
    assert report.skewness_before > 2 * max(report.skewness_after, 0.1)
    assert report.hubs_after[0][2] < count


@pytest.mark.parametrize(
    ("encoder", "bank", "k", "error", "message"),
    [
        ("bm25", "asked", 10, BadInput, "makes sparse ones"),
        ("hubby", "few", 10, BadInput, "“few” has 3 queries"),
        ("hubby", "asked", 0, BadInput, "top 0"),
        ("hubby", "nobody", 10, NotFound, "nobody"),
    ],
)
def test_what_cannot_be_read_out_is_named(project, encoder, bank, k, error, message):
    with pytest.raises(error, match=message):
        hubness(project, "topics", encoder, bank, k)


def test_specs_differ_by_their_bank():
    plain = RetrieverSpec("a")
    assert replace(plain, query_bank="x") != plain
    with pytest.raises(BadInput, match="bank_beta"):
        RetrieverSpec("a", bank_beta=0.0)
