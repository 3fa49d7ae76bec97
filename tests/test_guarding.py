"""The guard over a project: reasons from stored vectors and other judgments, the queue of suspects, the job."""

import dataclasses
import json

import numpy as np
import pytest
from search_fixtures import add_embedding

from workbench import judging_log, judgments, label_sets, query_sets
from workbench.errors import BadInput, NotFound
from workbench.false_negatives import suspicion
from workbench.judging_log import Owner
from workbench.judgments import Entry, Verdict
from workbench.project import Project
from workbench.specs import BM25Spec
from workbench.types import Query
from workbench.workflows import judging, suspected
from workbench.workflows.corpus import import_corpus
from workbench.workflows.encode import encode_corpus
from workbench.workflows.guarding import guard
from workbench.workflows.judging import Judge
from workbench.workflows.suspects import KEPT, doubt_all, suspects

HARD, GOOD = Verdict(0, True), Verdict(2)
TEXTS = (
    "red apples grow on old trees",  # d0: the positive
    "Red apples grow, on old trees!",  # d1: the same words
    "red apples grow on very old trees",  # d2
    "ships cross the wide sea",  # d3
    "the moon is far away",  # d4
    "apples are sold in the market",  # d5: near d0 in the planted vectors
)
VECTORS = np.eye(6, 6)
VECTORS[5] = [0.95, 0, 0, 0, 0, np.sqrt(1 - 0.95**2)]


@pytest.fixture
def project(tmp_path):
    project = Project.create(tmp_path / "p")
    path = tmp_path / "c.jsonl"
    path.write_text("".join(json.dumps({"id": f"d{n}", "text": text}) + "\n" for n, text in enumerate(TEXTS)))
    import_corpus(project, "c", path)
    info = query_sets.ensure(project.db, "q", 1, "test")
    query_sets.append(project.db, info.id, [Query("a", "red apples"), Query("b", "sea ships"), Query("e", "moon")])
    label_sets.make(project.db, info.id, "qrels", "qrels", {})
    judgments.store(project.db, info, "qrels", "qrels", [Entry("a", "d0", Verdict(1)), Entry("b", "d3", GOOD)])
    add_embedding(project, "c", VECTORS, "planted")
    yield project
    project.close()


def info_of(project):
    return query_sets.find(project.db, "q")


def propose(project, name, *pairs):
    if not any(each.name == name for each in label_sets.listed(project.db, info_of(project).id)):
        label_sets.make(project.db, info_of(project).id, name, "proposed", {})
    judgments.store(project.db, info_of(project), name, "miner", [Entry(*pair, HARD) for pair in pairs])


def names(found):
    return [reason.name for reason in found]


def test_the_guard_names_duplicates_and_what_is_near_in_the_stored_vectors(project):
    found = guard(project, "q", "a", ["d1", "d5", "d4"])
    assert {doc_id: names(given) for doc_id, given in found.items()} == {
        "d1": ["duplicate"],
        "d5": ["similar"],
        "d4": [],
    }
    # 512 are drawn at most, so here all six: two of thirty ordered pairs have 0.95, the others 0.
    (similar,) = found["d5"]
    assert similar.positive == "d0" and f"(random documents: {2 * 0.95 / 30:.2f})" in similar.told


def test_the_guard_asks_bm25_which_needs_no_model(project):
    encode_corpus(project, "c", BM25Spec(name="words").to_dict())
    # “red apples” is in d0, d1 and the longer d2, which scores lower than the positive d0.
    assert guard(project, "q", "a", ["d2"]) == {"d2": []}
    judging.judge(project, Judge("q"), judgments.Pair("a", "d5"), GOOD)
    (above,) = guard(project, "q", "a", ["d2"])["d2"]
    assert above.name == "retrieval" and above.severity == pytest.approx(0.4 / 2)
    assert above.told.startswith("scores higher than a positive: words ") and "above 1 of 2 positives" in above.told


def test_other_judgments_are_a_reason_and_proposals_make_no_positive(project):
    judging.judge(project, Judge("q", "Ada"), judgments.Pair("b", "d4"), Verdict(3))
    (reason, *_) = guard(project, "q", "b", ["d4"])["d4"]
    assert (reason.name, reason.told) == ("judged", "judged relevant by Ada in labels (grade 3)")
    label_sets.make(project.db, info_of(project).id, "p", "proposed", {})
    judgments.store(project.db, info_of(project), "p", "miner", [Entry("e", "d0", Verdict(1))])
    assert guard(project, "q", "e", ["d1"]) == {"d1": []}


def test_the_guard_refuses_what_it_does_not_know(project):
    with pytest.raises(NotFound, match="no query “z”"):
        guard(project, "q", "z", ["d0"])
    with pytest.raises(BadInput, match="no document “nope”"):
        guard(project, "q", "a", ["d1", "nope"])
    with pytest.raises(NotFound, match="query set"):
        guard(project, "other", "a", [])


def test_suspects_of_a_mined_set_come_the_likeliest_first_with_their_positive(project):
    propose(project, "mined", ("a", "d5"), ("a", "d1"), ("a", "d4"), ("b", "d4"), ("e", "d1"), ("a", "gone"))
    found = doubt_all(project, "q", ["mined"])
    assert [(each.query_id, each.doc_id, each.positive) for each in found.suspects] == [
        ("a", "d1", "d0"), ("a", "d5", "d0"),
    ]  # fmt: skip
    assert [each.score for each in found.suspects] == [suspicion(each.reasons) for each in found.suspects]
    assert found.suspects[0].score == 1 and found.suspects[0].label_sets == ("mined",)
    assert (found.queries, found.checked, found.found, found.unknown, found.without_positives) == (3, 5, 2, 1, 1)
    assert found.by_reason == {"duplicate": 1, "similar": 1} and found.encoders == ["planted"]
    assert [each.doc_id for each in suspects(project, "q", ["mined"], limit=1)] == ["d1"]


def test_a_person_settles_a_proposal_and_a_note_settles_a_persons_own_negative(project):
    propose(project, "mined", ("a", "d1"), ("a", "d5"))
    judging.judge(project, Judge("q"), judgments.Pair("a", "d5"), Verdict(1))
    found = doubt_all(project, "q", ["mined"])
    assert ([each.doc_id for each in found.suspects], found.settled) == (["d1"], 1)
    judging.judge(project, Judge("q"), judgments.Pair("a", "d1"), HARD)
    assert doubt_all(project, "q", ["mined"]).settled == 2
    (own,) = suspects(project, "q", ["labels"])
    assert (own.doc_id, own.label_sets) == ("d1", ("labels",))
    suspected.keep(project, Judge("q"), own)
    assert judging.said(project, Judge("q"), "a")["d1"] == Verdict(0, True, note=KEPT)
    assert suspects(project, "q", ["labels"]) == []
    with pytest.raises(BadInput, match="no negative"):
        suspects(project, "q", ["qrels"])
    with pytest.raises(NotFound, match="label set"):
        suspects(project, "q", ["nope"])


def test_two_people_who_disagree_are_a_suspect(project):
    judging.judge(project, Judge("q", "Ada"), judgments.Pair("b", "d4"), HARD)
    judging.judge(project, Judge("q", "Bob"), judgments.Pair("b", "d4"), Verdict(1))
    (found,) = suspects(project, "q")
    assert (found.doc_id, names(found.reasons)) == ("d4", ["judged"])


def test_the_job_keeps_its_result_and_the_queue_leaves_out_what_was_decided(project):
    propose(project, "mined", ("a", "d1"), ("a", "d5"), ("b", "d4"))
    assert suspected.queue(project, Judge("q")) is None
    report = suspected.find_suspects(project, "q")
    assert (report.checked, report.found, report.suspects, report.label_sets) == (3, 2, 2, [])
    assert suspected.find_suspects(project, "q") == report
    me, ada = Judge("q"), Judge("q", "Ada")
    first, second = suspected.queue(project, me).suspects
    assert (first, second) == tuple(doubt_all(project, "q").suspects)
    suspected.make_positive(project, me, first)
    assert judging.said(project, me, "a") == {"d1": Verdict(1)}
    after = suspected.queue(project, me)
    assert (after.suspects, after.decided, after.total, after.outdated) == ([second], 1, 2, True)
    assert suspected.queue(project, ada).decided == 0
    suspected.keep(project, me, second)
    assert suspected.queue(project, me).suspects == []
    judging.undo(project, me)
    assert suspected.queue(project, me).suspects == [second]
    again = suspected.find_suspects(project, "q")
    assert again.id != report.id and [each.id for each in suspected.reports(project, "q")] == [again.id, report.id]
    assert suspected.queue(project, me, report.id).report == report


def test_a_note_is_kept_beside_the_mark(project):
    judging.judge(project, Judge("q"), judgments.Pair("a", "d1"), dataclasses.replace(HARD, note="x" * 2000))
    (own,) = suspects(project, "q")
    suspected.keep(project, Judge("q"), own)
    note = judging.said(project, Judge("q"), "a")["d1"].note
    assert note.startswith(f"{KEPT} xxx") and len(note) == 2000
    suspected.keep(project, Judge("q"), own)
    assert judging.said(project, Judge("q"), "a")["d1"].note == note


def test_a_stopped_search_leaves_nothing(project):
    propose(project, "mined", ("a", "d1"))

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        suspected.find_suspects(project, "q", progress=stop)
    assert suspected.reports(project, "q") == []
    assert list((project.folder / "artifacts" / "suspects").iterdir()) == []


def test_blocks_of_queries_make_no_difference(project, monkeypatch):
    encode_corpus(project, "c", BM25Spec(name="words").to_dict())
    propose(project, "mined", ("a", "d5"), ("b", "d4"), ("e", "d3"), ("b", "d0"))
    judging_log.record(project.db, Owner(info_of(project)), [Entry("e", "d4", GOOD)])
    together = doubt_all(project, "q")
    monkeypatch.setattr("workbench.workflows.suspects._QUERIES", 1)
    assert doubt_all(project, "q") == together and together.queries == 3
    # The block asks encoders as the card does, one query at a time.
    for each in together.suspects:
        assert guard(project, "q", each.query_id, [each.doc_id])[each.doc_id] == each.reasons
