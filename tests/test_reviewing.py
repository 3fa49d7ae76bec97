"""Reviewing proposals, agreement over a label set, and adjudication into final labels."""

import math

import pytest

from workbench import judgments, label_sets, query_sets
from workbench.errors import BadInput, NotFound
from workbench.judgments import Counts, Entry, Pair, Verdict
from workbench.project import Project
from workbench.types import Query
from workbench.workflows import adjudicating, judging, reviewing
from workbench.workflows.annotators import agreement
from workbench.workflows.corpus import import_corpus
from workbench.workflows.judging import Judge
from workbench.workflows.reviewing import ACCEPTED, REJECTED, Proposal, Reviewed

HARD = Verdict(0, True)


@pytest.fixture
def project(tmp_path):
    project = Project.create(tmp_path / "p")
    path = tmp_path / "c.jsonl"
    path.write_text("".join(f'{{"id": "d{n}", "text": "text {n}"}}\n' for n in range(8)))
    import_corpus(project, "c", path)
    info = query_sets.ensure(project.db, "q", 1, "test")
    query_sets.append(project.db, info.id, [Query("b", "second"), Query("a", "first")])
    yield project
    project.close()


def set_id(project):
    return query_sets.find(project.db, "q").id


def propose(project, ranks, name="mined"):
    """`ranks`: (query, document) → rank."""
    label_sets.make(project.db, set_id(project), name, "proposed", {"seed": 1})
    entries = [Entry(*pair, HARD, {"miner": "minilm", "rank": rank}) for pair, rank in ranks.items()]
    judgments.store(project.db, query_sets.find(project.db, "q"), name, "miner", entries)


@pytest.fixture
def mined(project):
    propose(project, {("a", "d1"): 12, ("a", "d0"): 3, ("b", "d5"): 4, ("a", "d7"): 100})
    return project


def said(project, annotator="me", query_id="a"):
    return judging.said(project, Judge("q", annotator), query_id)


def rows(project, state="open", **page):
    return [
        (row.query_id, row.doc_id)
        for row in reviewing.proposals(project, Judge("q"), "mined", state=state, **page).rows
    ]


def test_proposals_come_by_query_and_rank_with_their_provenance(mined):
    found = reviewing.proposals(mined, Judge("q"), "mined", limit=2)
    first = Proposal("b", "d5", HARD, {"miner": "minilm", "rank": 4}, None, 0)
    assert found.rows == [first, Proposal("a", "d0", HARD, {"miner": "minilm", "rank": 3}, None, 0)]
    assert (found.found, found.counts, found.counts.told) == (4, Reviewed(4, 0, 0, 0, 0, 0), "0 / 4 reviewed")
    assert rows(mined, offset=2, limit=2) == [("a", "d1"), ("a", "d7")]
    assert [each.name for each in reviewing.proposed_sets(mined, "q")] == ["mined"]


def test_accept_reject_and_relabel_are_a_persons_judgments_with_the_miners_provenance(mined):
    me = Judge("q")
    assert reviewing.accept(mined, me, "mined", [Pair("a", "d0"), Pair("b", "d5")]).changed == 2
    reviewing.reject(mined, me, "mined", [Pair("a", "d1")])
    reviewing.relabel(mined, me, "mined", [Pair("a", "d7")], Verdict(2))
    assert said(mined) == {"d0": ACCEPTED, "d1": REJECTED, "d7": Verdict(2)}
    assert (ACCEPTED, REJECTED.relevance, REJECTED.state) == (HARD, None, "skipped")
    (kept,) = judgments.of_query(mined.db, set_id(mined), "b", "labels")
    assert (kept.source, kept.provenance) == ("person", {"miner": "minilm", "rank": 4, "proposed_in": "mined"})
    assert {state: rows(mined, state) for state in ("open", "accepted", "rejected", "relabelled")} == {
        "open": [], "accepted": [("b", "d5"), ("a", "d0")], "rejected": [("a", "d1")], "relabelled": [("a", "d7")],
    }  # fmt: skip
    assert reviewing.reviewed(mined, me, "mined") == Reviewed(4, 4, 4, 2, 1, 1)
    assert reviewing.proposals(mined, me, "mined", state="accepted").found == 2
    judging.undo(mined, me)
    assert rows(mined) == [("a", "d7")] and reviewing.proposals(mined, me, "mined").counts.told == "3 / 4 reviewed"
    # The proposals themselves stay as they were mined.
    assert {row.verdict for row in judgments.stream(mined.db, set_id(mined), ["mined"])} == {HARD}


def test_each_annotator_reviews_for_themselves_and_later_stays_open(mined):
    ada = Judge("q", "Ada")
    reviewing.accept(mined, ada, "mined", [Pair("a", "d0")])
    reviewing.relabel(mined, Judge("q"), "mined", [Pair("a", "d1")], Verdict(state="later"))
    reviewing.relabel(mined, Judge("q"), "mined", [Pair("a", "d7")], Verdict(state="unrateable"))
    counts = reviewing.reviewed(mined, Judge("q"), "mined")
    assert (counts.by_me, counts.by_anyone, counts.rejected) == (1, 2, 1)
    assert rows(mined) == [("b", "d5"), ("a", "d0"), ("a", "d1")]
    found = reviewing.proposals(mined, Judge("q"), "mined", state="all").rows
    assert [(row.doc_id, row.said, row.others) for row in found][1] == ("d0", None, 1)


def test_what_was_not_proposed_is_refused_and_nothing_is_judged(mined):
    with pytest.raises(BadInput, match="does not propose the document “d6” for “a”"):
        reviewing.accept(mined, Judge("q"), "mined", [Pair("a", "d0"), Pair("a", "d6")])
    assert said(mined) == {}
    with pytest.raises(NotFound, match="label set"):
        reviewing.proposals(mined, Judge("q"), "nope")
    with pytest.raises(BadInput, match="no state"):
        reviewing.proposals(mined, Judge("q"), "mined", state="nope")


def judge_all(project, table):
    """`table`: (query, document) → one verdict or grade for Ada, Bob and Cyd; None = nothing said."""
    for pair, verdicts in table.items():
        for name, verdict in zip(("Ada", "Bob", "Cyd"), verdicts, strict=False):
            if verdict is not None:
                verdict = verdict if isinstance(verdict, Verdict) else Verdict(verdict)
                judging.judge(project, Judge("q", name), Pair(*pair), verdict)


TABLE = {
    ("a", "d0"): (3, 3),
    ("a", "d1"): (2, 0),
    ("a", "d2"): (0, HARD),
    ("a", "d3"): (1,),
    ("a", "d4"): (Verdict(state="skipped"),),
    ("b", "d0"): (1, 1, 1),
    ("b", "d1"): (0, Verdict(state="later")),
    ("b", "d2"): (1, None, 0),
}


def test_agreement_by_hand(project):
    """Ada and Bob: (3,3) (2,0) (0,0) (1,1) → 3 of 4 the same. Chance: Ada 0 1 2 3 once each, Bob 0 twice, 1, 3."""
    judge_all(project, TABLE)
    found = agreement(project, "q")
    ada_bob, ada_cyd, bob_cyd = found.pairs
    assert (ada_bob.a, ada_bob.b, ada_bob.both, ada_bob.only_a, ada_bob.only_b) == ("Ada", "Bob", 4, 3, 0)
    assert ada_bob.percent == 0.75
    assert ada_bob.kappa == pytest.approx((0.75 - 0.25) / (1 - 0.25))
    # Observed squares: 4 (once). Expected: mean of (x − y)² over all pairs = (14·2 + (1+0+1+4) + (9+4+1+0)) / 4.
    expected = (2 * (0 + 1 + 4 + 9) + (1 + 0 + 1 + 4) + (9 + 4 + 1 + 0)) / 4
    assert ada_bob.weighted == pytest.approx(1 - 4 / expected)
    assert (ada_cyd.both, ada_cyd.percent, bob_cyd.both) == (2, 0.5, 1) and math.isnan(bob_cyd.kappa)
    assert (found.units, found.single, found.unjudged) == (5, 2, 1)
    assert found.annotators == {"Ada": 7, "Bob": 4, "Cyd": 2}
    assert found.percent == pytest.approx((1 + 0 + 1 + 1 + 0) / 5)
    assert (found.fleiss_units, found.fleiss_ratings) == (4, 2)
    assert [(each.query_id, each.both, each.single) for each in found.queries] == [("b", 2, 1), ("a", 3, 1)]
    assert [each.percent for each in found.queries] == [0.5, pytest.approx(2 / 3)]


def test_relevant_or_not_forgives_other_grades(project):
    judge_all(project, {("a", "d0"): (3, 1), ("a", "d1"): (0, HARD), ("b", "d0"): (2, 0)})
    assert agreement(project, "q").percent == pytest.approx(1 / 3)
    found = agreement(project, "q", scale="relevant")
    assert found.percent == pytest.approx(2 / 3) and found.pairs[0].kappa == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))


def test_agreement_of_nobody_and_of_one(project):
    with pytest.raises(NotFound, match="label set"):
        agreement(project, "q")
    judge_all(project, {("a", "d0"): (3,)})
    found = agreement(project, "q")
    assert (found.units, found.single, found.pairs) == (0, 1, []) and math.isnan(found.percent)


def listed(project, **options):
    return [(each.query_id, each.doc_id) for each in adjudicating.disagreements(project, "q", **options).rows]


def test_disagreements_are_listed_the_widest_first(project):
    judge_all(project, TABLE)
    found = adjudicating.disagreements(project, "q")
    assert listed(project) == [("a", "d1"), ("b", "d2"), ("a", "d2")]
    assert (found.total, found.decided, [each.spread for each in found.rows]) == (3, 0, [2, 1, 0])
    assert found.rows[0].said == {"Ada": Verdict(2), "Bob": Verdict(0)}
    assert listed(project, offset=1, limit=1) == [("b", "d2")]


def test_a_decision_is_a_final_label_with_who_made_it_and_is_undone(project):
    judge_all(project, TABLE)
    adjudicating.adjudicate(project, Judge("q", "Dora", "labels"), Pair("a", "d1"), Verdict(2))
    (row,) = judgments.stream(project.db, set_id(project), ["final"])
    assert (row.annotator, row.verdict, row.source) == ("adjudicated", Verdict(2), "person")
    assert row.provenance == {"how": "decided", "by": "Dora", "of": "labels"}
    assert [each.kind for each in label_sets.listed(project.db, set_id(project))] == ["person", "final"]
    found = adjudicating.disagreements(project, "q")
    assert (found.decided, found.total, found.rows[0].decided) == (1, 3, Verdict(2))
    assert listed(project, open_only=True) == [("b", "d2"), ("a", "d2")]
    assert adjudicating.final_counts(project, "q") == Counts(relevant=1)
    adjudicating.undo(project, Judge("q"))
    assert adjudicating.disagreements(project, "q").decided == 0
    adjudicating.redo(project, Judge("q"))
    adjudicating.adjudicate(project, Judge("q"), Pair("a", "d1"), None)
    assert adjudicating.final_counts(project, "q") == Counts()
    with pytest.raises(BadInput, match="no grade"):
        adjudicating.adjudicate(project, Judge("q"), Pair("a", "d1"), Verdict(9))
    with pytest.raises(BadInput, match="no document"):
        adjudicating.adjudicate(project, Judge("q"), Pair("a", "dx"), Verdict(1))


def test_what_all_agree_on_is_resolved_at_once_and_undone_at_once(project):
    judge_all(project, TABLE)
    adjudicating.adjudicate(project, Judge("q", "Dora", "labels"), Pair("b", "d0"), Verdict(3))
    done = adjudicating.resolve_all(project, Judge("q", "Dora"))
    assert (done.stored, done.already, done.disputed, done.single) == (1, 1, 3, 2)
    final = {(row.query_id, row.doc_id): row for row in judgments.stream(project.db, set_id(project), ["final"])}
    assert {pair: row.verdict for pair, row in final.items()} == {("a", "d0"): Verdict(3), ("b", "d0"): Verdict(3)}
    assert final["a", "d0"].provenance["how"] == "agreed"
    assert adjudicating.resolve_all(project, Judge("q"), at_least=1).stored == 2
    adjudicating.undo(project, Judge("q"))
    adjudicating.undo(project, Judge("q"))
    assert [row.doc_id for row in judgments.stream(project.db, set_id(project), ["final"])] == ["d0"]


def test_other_label_sets_have_final_labels_of_their_own(project):
    judging.judge(project, Judge("q", "Ada", "trial"), Pair("a", "d0"), Verdict(1))
    adjudicating.adjudicate(project, Judge("q", label_set="trial"), Pair("a", "d0"), Verdict(1))
    assert [each.name for each in label_sets.listed(project.db, set_id(project))] == ["trial", "trial-final"]
