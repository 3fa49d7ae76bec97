"""The Label page's workflow: pools, the queue and its figures, counts that the database keeps, writes sent twice."""

import json
from math import inf, log2

import numpy as np
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations

from workbench import judging_log, judgments, label_sets, query_progress, query_sets
from workbench.errors import BadInput, NotFound
from workbench.judging_log import Owner
from workbench.judgments import Entry
from workbench.migrations.versions import m0005_query_progress
from workbench.project import Project
from workbench.query_progress import PersonProgress, QueryProgress
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.types import Ranking
from workbench.workflows import judging, label, label_queue
from workbench.workflows.corpus import import_corpus, import_queries
from workbench.workflows.encode import encode_corpus
from workbench.workflows.judging import Judge, Pair, Receipt, Verdict
from workbench.workflows.label import Contestant, Found, Pooling
from workbench.workflows.label_queue import Order
from workbench.workflows.subsets import create_subset

TEXTS = ["red fox", "red red fox and dog", "blue whale", "a dog", "green tree", "red sky", "red sea", "red rose"]
ME, BEN = Judge("q"), Judge("q", "ben")
BM25 = Contestant("words", PipelineSpec((RetrieverSpec("bm25"),)), "k")
LOST = Contestant("lost", PipelineSpec((RetrieverSpec("nowhere"),)), "l")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A corpus with BM25, three queries, one imported judgment (fox, d0: 1)."""
    folder = tmp_path_factory.mktemp("label")
    made = Project.create(folder / "p")
    rows = [{"id": f"d{n}", "text": text} for n, text in enumerate(TEXTS)]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries = [{"id": "fox", "text": "fox"}, {"id": "dog", "text": "dog"}, {"id": "red", "text": "red"}]
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nfox\td0\t1\n")
    import_corpus(made, "c", folder / "c.jsonl")
    import_queries(made, "q", folder / "q.jsonl", "c", folder / "qrels.tsv")
    encode_corpus(made, "c", "bm25")
    yield made
    made.close()


@pytest.fixture
def project(made):
    yield made
    info = query_sets.find(made.db, "q")
    for each in label_sets.listed(made.db, info.id):
        if each.name != "qrels":
            label_sets.delete(made.db, info.id, each.name)


def docs(found):
    return [each.document.doc_id for each in found.candidates]


def test_a_candidate_says_who_found_it_and_what_others_say(project):
    judging.judge(project, ME, Pair("fox", "d4"), Verdict(0))
    judging.judge(project, BEN, Pair("fox", "d1"), Verdict(2, note="yes"))
    found = label.pool(project, ME, "fox", Pooling((BM25,)))
    # The shorter text is first; what was judged before and nobody found comes last.
    assert docs(found) == ["d0", "d1", "d4"]
    assert (found.at, found.total, found.query.text, found.problems) == (0, 3, "fox", [])
    assert [(each.name, each.rank) for each in found.candidates[1].found] == [("words", 2)]
    assert found.candidates[2].found == () and list(found.candidates[0].terms) == ["fox"]
    assert found.said == {"d4": Verdict(0)}
    told = {doc: [(row.annotator, row.verdict) for row in rows] for doc, rows in found.others.items()}
    assert told == {"d0": [("qrels", Verdict(1))], "d1": [("ben", Verdict(2, note="yes"))]}


def test_only_documents_of_a_subset_are_candidates(project):
    create_subset(project, "c", "some", [1, 4], replace=True)
    judging.judge(project, ME, Pair("fox", "d4"), Verdict(0))
    judging.judge(project, ME, Pair("fox", "d5"), Verdict(0))
    found = label.pool(project, ME, "fox", Pooling((BM25,), also=("d0",), within="some"))
    assert docs(found) == ["d1", "d4"] and found.candidates[0].found[0].rank == 1
    with pytest.raises(NotFound, match="gone"):
        label.pool(project, ME, "fox", Pooling((BM25,), within="gone"))


def test_a_pool_is_ordered_by_best_rank_then_by_how_many_found_it():
    one = Ranking(np.array([7, 3, 5]), np.array([9, 8, 7], np.float32))
    two = Ranking(np.array([2, 3]), np.array([0.5, 0.4], np.float32))
    found = label.found_by({"a": one, "b": two})
    assert found[3] == [Found("a", 2, 8.0), Found("b", 2, pytest.approx(0.4))]
    assert sorted(found, key=lambda ordinal: label._place(found[ordinal], ordinal)) == [2, 7, 3, 5]


def test_depth_and_documents_that_are_asked_for(project):
    found = label.pool(project, ME, "fox", Pooling((BM25,), 1, also=("d5", "gone")))
    assert docs(found) == ["d0", "d5"]
    with pytest.raises(BadInput):
        Pooling((BM25,), 0)


def test_a_pipeline_that_cannot_answer_is_told_and_the_others_stay(project):
    found = label.pool(project, ME, "dog", Pooling((LOST, BM25)))
    assert docs(found) == ["d3", "d1"]
    assert len(found.problems) == 1 and found.problems[0].startswith("lost: ")
    with pytest.raises(NotFound):
        label.pool(project, ME, "cat", Pooling((BM25,)))


def test_shuffling_is_each_annotators_own_and_stays(project):
    plain = docs(label.pool(project, ME, "red", Pooling((BM25,))))
    orders = {
        (by.annotator, seed): docs(label.pool(project, by, "red", Pooling((BM25,), shuffled=True, seed=seed)))
        for by in (ME, BEN)
        for seed in (0, 1)
    }
    assert all(sorted(order) == sorted(plain) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) > 1
    assert docs(label.pool(project, ME, "red", Pooling((BM25,), shuffled=True))) == orders["me", 0]


def test_what_was_mined_is_a_candidate_with_its_provenance_and_no_verdict(project):
    info = query_sets.find(project.db, "q")
    label_sets.make(project.db, info.id, "mined", "proposed", {})
    mined = Entry("fox", "d2", Verdict(0, True), {"miner": "bm25", "rank": 12})
    judgments.store(project.db, info, "mined", "miner", [mined])
    found = label.pool(project, ME, "fox", Pooling((BM25,), proposed=("mined",)))
    assert docs(found) == ["d0", "d1", "d2"]
    assert found.candidates[2].proposed == {"mined": {"miner": "bm25", "rank": 12}}
    assert "d2" not in found.others and not found.said
    assert docs(label.pool(project, ME, "fox", Pooling((BM25,)))) == ["d0", "d1"]
    assert label.sets_of(project, "q") == label.LabelSets(["labels"], ["mined"])


def test_the_usual_pipelines_are_one_for_each_encoder(project):
    assert [each.name for each in label.usual(project, "c")] == ["bm25 · inverted"]
    assert label.usual(project, "c") == label.choices(project, "c")


def test_guidelines_belong_to_a_label_set(project):
    assert label.guidelines(project, "q", "labels") == ""
    label.write_guidelines(project, "q", "labels", " # Grades\n")
    assert label.guidelines(project, "q", "labels") == "# Grades"
    assert label.guidelines(project, "q", "other") == ""
    with pytest.raises(BadInput):
        label.write_guidelines(project, "q", "qrels", "no")
    with pytest.raises(BadInput):
        label.write_guidelines(project, "q", "labels", "x" * 20_001)


# ── figures ──────────────────────────────────────────────────────────────────────────────────────────────────────


def ranking(*ordinals):
    return Ranking(np.array(ordinals), np.arange(len(ordinals), 0, -1).astype(np.float32))


def test_disagreement_is_one_less_the_mean_overlap():
    same, half = ranking(1, 2, 3, 4), ranking(4, 3, 8, 9)
    assert label_queue.disagreement([same, same]) == 0
    # Overlaps of the three pairs: 1, 1/2, 1/2.
    assert label_queue.disagreement([same, same, half]) == pytest.approx(1 / 3)
    assert label_queue.disagreement([same]) == 0


def test_margin_is_the_best_positive_less_the_best_other():
    found = Ranking(np.array([4, 2, 9]), np.array([3.0, 2.5, 1.0], np.float32))
    assert label_queue.margin(found, {2}) == -0.5
    assert label_queue.margin(found, {4, 9}) == 0.5
    assert label_queue.margin(found, {77}) == -inf
    assert label_queue.margin(found, set()) is None
    assert label_queue.margin(found, {4, 2, 9}) == inf


def test_gain_counts_what_is_unjudged_and_ranked_apart():
    ideal = sum(1 / log2(rank + 1) for rank in (1, 2))
    # 1: first here, second there; 5 only here, 6 only there.
    a, b = ranking(1, 5), ranking(6, 1)
    apart = (1 - 1 / log2(3)) + 1 / log2(3) + 1
    assert label_queue.gain([a, b], set(), 2) == pytest.approx(apart / (2 * ideal))
    assert label_queue.gain([a, b], {6}, 2) == pytest.approx((apart - 1) / (2 * ideal))
    assert label_queue.gain([ranking(1, 2), ranking(3, 4)], set(), 2) == pytest.approx(1)
    assert label_queue.gain([a, a], set(), 2) == 0
    assert label_queue.gain([a], {1}, 2) == pytest.approx(1 / log2(3) / ideal)


# ── the queue ────────────────────────────────────────────────────────────────────────────────────────────────────


def ids(found):
    return [row.query_id for row in found.rows]


def test_states_follow_what_the_annotator_said(project):
    for doc in ("d0", "d1"):
        judging.judge(project, ME, Pair("fox", doc), Verdict(0))
    judging.judge(project, ME, Pair("dog", "d3"), Verdict(state="later", note="hm"))
    judging.judge(project, BEN, Pair("red", "d5"), Verdict(1))

    def shown(state, by=ME):
        return ids(label_queue.queue(project, by, Order(state=state, enough=2)))

    assert shown("all") == ["fox", "dog", "red"]
    assert (shown("untouched"), shown("started"), shown("done")) == (["red"], ["dog"], ["fox"])
    assert (shown("later"), shown("flagged")) == (["dog"], ["dog"])
    assert shown("untouched", BEN) == ["fox", "dog"]
    found = label_queue.queue(project, ME, Order(enough=2))
    # Begins at the first that is not done.
    assert (found.start, found.total, found.here) == (0, 3, 1)
    assert label_queue.queue(project, ME, Order(enough=2), around="red").here == 2
    # What the filter hides is followed by the next one in the file.
    assert label_queue.queue(project, ME, Order(state="started", enough=2), around="fox").here == 0
    told = label_queue.progress(project, "q", "labels", 2)
    assert (told.queries, told.begun) == (3, 3)
    assert told.people == [PersonProgress("ben", 1, 0, 1), PersonProgress("me", 2, 1, 3)]


def test_a_random_order_is_of_its_seed(project):
    first = [ids(label_queue.queue(project, ME, Order("random", seed=seed))) for seed in range(6)]
    assert first == [ids(label_queue.queue(project, ME, Order("random", seed=seed))) for seed in range(6)]
    assert len(set(map(tuple, first))) > 1 and all(sorted(order) == ["dog", "fox", "red"] for order in first)


def test_sorts_that_search_say_what_they_sorted(project):
    found = label_queue.queue(project, ME, Order("gain"), [BM25])
    assert ids(found)[0] == "red" and found.note == "Sorted 3 of 3 queries."
    sampled = label_queue.queue(project, ME, Order("gain", sample=2, seed=3), [BM25])
    assert sampled.total == 2 and sampled.note == "Sorted 2 of 3 queries, drawn with seed 3."
    margins = label_queue.queue(project, ME, Order("margin"), [BM25])
    assert ids(margins) == ["fox"] and margins.note == "Sorted 1 of 3 queries. 2 have no known positive, left out."
    # d0 less d1, whose score is next.
    scores = [each.found[0].score for each in label.pool(project, ME, "fox", Pooling((BM25,))).candidates]
    assert margins.rows[0].value == pytest.approx(scores[0] - scores[1])
    with pytest.raises(BadInput):
        label_queue.queue(project, ME, Order("disagreement"), [BM25])


def test_an_empty_queue_has_nothing_in_hand(project):
    found = label_queue.queue(project, ME, Order(state="done"))
    assert (found.rows, found.total, found.here) == ([], 0, -1)


# ── counts that the database keeps ───────────────────────────────────────────────────────────────────────────────


def kept(project):
    info = query_sets.find(project.db, "q")
    return sorted(
        (each.query_id, each.annotator, each.said, each.later, each.flagged)
        for each in query_progress.listed(project.db, info.id, "labels")
    )


def test_counts_follow_every_way_a_judgment_changes(project):
    judging.judge(project, ME, Pair("fox", "d0"), Verdict(state="later"))
    judging.judge(project, ME, Pair("fox", "d1"), Verdict(state="unrateable"))
    assert kept(project) == [("fox", "me", 2, 1, 1)]
    judging.judge(project, ME, Pair("fox", "d0"), Verdict(1, note="seen"))
    assert kept(project) == [("fox", "me", 2, 0, 2)]
    judging.undo(project, ME)
    judging.undo(project, ME)
    assert kept(project) == [("fox", "me", 1, 1, 0)]
    judging.redo(project, ME)
    assert kept(project) == [("fox", "me", 2, 1, 1)]
    judging.undo(project, ME)
    judging.undo(project, ME)
    assert kept(project) == []
    info = query_sets.find(project.db, "q")
    label_sets.make(project.db, info.id, "file", "imported", {})
    for _ in range(2):
        judgments.store(project.db, info, "file", "x", [Entry("dog", f"d{n}", Verdict(0)) for n in range(5)])
    assert query_progress.listed(project.db, info.id, "file") == [QueryProgress("dog", "x", 5, 0, 0)]
    assert query_sets.find(project.db, "q").judgments == 6
    label_sets.delete(project.db, info.id, "file")
    assert query_progress.listed(project.db, info.id, "file") == []


def test_a_project_from_before_the_counts_gets_them(tmp_path):
    made = Project.create(tmp_path / "old")
    (tmp_path / "c.jsonl").write_text('{"id": "d0", "text": "x"}\n')
    import_corpus(made, "c", tmp_path / "c.jsonl")
    (tmp_path / "q.jsonl").write_text('{"id": "a", "text": "x"}\n')
    import_queries(made, "q", tmp_path / "q.jsonl", "c")
    judging.judge(made, ME, Pair("a", "d0"), Verdict(state="later"))
    with made.db.write() as connection:
        for name in ("insert", "update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER query_progress_{name}")
        connection.exec_driver_sql("DROP TABLE query_progress")
        with Operations.context(MigrationContext.configure(connection)):
            m0005_query_progress.upgrade()
    assert kept(made) == [("a", "me", 1, 1, 0)]
    judging.judge(made, ME, Pair("a", "d0"), Verdict(1))
    assert kept(made) == [("a", "me", 1, 0, 0)]
    made.close()


# ── writes sent twice ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_write_that_is_sent_again_counts_once(project):
    owner = Owner(query_sets.find(project.db, "q"))

    def write(grade, number):
        return judging_log.record(project.db, owner, [Entry("fox", "d0", Verdict(grade))], Receipt("ab", number))

    assert write(1, 1).changed == 1 and write(2, 2).changed == 1
    # The answers were lost: both come again, and the first must not win.
    assert (write(1, 1).change, write(2, 2).change) == (0, 0)
    assert judging.said(project, ME, "fox") == {"d0": Verdict(2)}
    assert judging.undo(project, ME, Receipt("ab", 3)).pairs == [Pair("fox", "d0")]
    assert judging.undo(project, ME, Receipt("ab", 3)).pairs == []
    assert judging.said(project, ME, "fox") == {"d0": Verdict(1)}
    # Another page has numbers of its own.
    assert judging_log.record(project.db, owner, [Entry("fox", "d1", Verdict(0))], Receipt("cd", 1)).changed == 1
