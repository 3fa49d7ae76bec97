"""Judgments in storage: kept in order, changed with a log, undone and redone, never overwritten by a machine."""

import json

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from workbench import judging_log, judgments, label_sets, query_sets
from workbench.__main__ import app
from workbench.cli import guarded
from workbench.db import WRITE_BATCH
from workbench.db import judgment_events as events
from workbench.errors import BadInput, NotFound
from workbench.judging_log import Owner
from workbench.judgments import Counts, Entry, Pair, Verdict
from workbench.project import Project
from workbench.types import Query
from workbench.workflows import judging
from workbench.workflows.corpus import import_corpus
from workbench.workflows.judging import Judge

GOOD, BAD, HARD, LATER = Verdict(2), Verdict(0), Verdict(0, True), Verdict(state="later")


def write_corpus(tmp_path, texts):
    path = tmp_path / "c.jsonl"
    path.write_text("".join(f'{{"id": "d{n}", "text": "{text}"}}\n' for n, text in enumerate(texts)))
    return path


@pytest.fixture
def project(tmp_path):
    project = Project.create(tmp_path / "p")
    import_corpus(project, "c", write_corpus(tmp_path, ["red", "green", "blue"]))
    corpus_id = query_sets.ensure(project.db, "other", 1, "test").corpus_id
    info = query_sets.ensure(project.db, "q", corpus_id, "test")
    query_sets.append(project.db, info.id, [Query("b", "second"), Query("a", "first")])
    yield project
    project.close()


@pytest.fixture
def mine(project):
    return Owner(query_sets.find(project.db, "q"))


def said(project, mine, query_id="a"):
    rows = judgments.of_query(project.db, mine.info.id, query_id, mine.label_set, mine.annotator)
    return {row.doc_id: row.verdict for row in rows}


def test_a_judgment_is_kept_with_its_documents_content(project, mine):
    done = judging_log.record(project.db, mine, [Entry("a", "d1", Verdict(3, note="best"), {"rank": 4})])
    assert (done.change, done.changed, done.same) == (1, 1, 0)
    (row,) = judgments.of_query(project.db, mine.info.id, "a")
    assert (row.verdict, row.annotator, row.source) == (Verdict(3, note="best"), "me", "person")
    assert row.provenance == {"rank": 4} and len(row.content_hash) > 8
    assert [(s.name, s.kind) for s in label_sets.listed(project.db, mine.info.id)] == [("labels", "person")]
    assert label_sets.sizes(project.db, mine.info.id) == {"labels": 1}
    assert label_sets.annotators(project.db, mine.info.id, "labels") == {"me": 1}


def test_the_same_said_twice_is_one_change(project, mine):
    judging_log.record(project.db, mine, [Entry("a", "d0", GOOD)])
    again = judging_log.record(project.db, mine, [Entry("a", "d0", GOOD), Entry("a", "d1", None)])
    assert (again.change, again.changed, again.same) == (0, 0, 2)
    judging_log.undo(project.db, mine)
    with pytest.raises(NotFound, match="nothing to undo"):
        judging_log.undo(project.db, mine)


def test_changes_are_undone_and_redone_in_their_order(project, mine):
    for verdict in (GOOD, HARD, LATER):
        judging_log.record(project.db, mine, [Entry("a", "d0", verdict)])
    seen = []
    for step in (judging_log.undo,) * 3 + (judging_log.redo,) * 3:
        assert step(project.db, mine).pairs == [Pair("a", "d0")]
        seen.append(said(project, mine).get("d0"))
    assert seen == [HARD, GOOD, None, GOOD, HARD, LATER]
    with pytest.raises(NotFound, match="nothing to redo"):
        judging_log.redo(project.db, mine)


def test_many_at_once_are_one_change_and_a_new_one_ends_what_could_be_redone(project, mine):
    judging_log.record(project.db, mine, [Entry("a", "d0", BAD)])
    judging_log.record(project.db, mine, [Entry("a", f"d{n}", HARD) for n in range(3)])
    assert sorted(judging_log.undo(project.db, mine).pairs) == [Pair("a", f"d{n}") for n in range(3)]
    assert said(project, mine) == {"d0": BAD}
    judging_log.record(project.db, mine, [Entry("a", "d2", GOOD)])
    with pytest.raises(NotFound, match="nothing to redo"):
        judging_log.redo(project.db, mine)
    judging_log.undo(project.db, mine)
    judging_log.undo(project.db, mine)
    assert said(project, mine) == {}


def test_undo_survives_a_restart_and_is_each_annotators_own(project, mine):
    other = Owner(mine.info, annotator="Ada")
    judging_log.record(project.db, mine, [Entry("a", "d0", GOOD)])
    judging_log.record(project.db, other, [Entry("a", "d0", BAD)])
    again = Project.open(project.folder)
    judging_log.undo(again.db, mine)
    again.close()
    assert (said(project, mine), said(project, other)) == ({}, {"d0": BAD})


def test_what_somebody_changed_since_is_left_and_named(project, mine):
    judging_log.record(project.db, mine, [Entry("a", "d0", GOOD), Entry("a", "d1", GOOD)])
    with project.db.write() as connection:  # as a program beside this one would
        connection.execute(sa.update(judgments.table).where(judgments.table.c.doc_id == "d1").values(relevance=1))
    done = judging_log.undo(project.db, mine)
    assert (done.pairs, done.conflicts) == ([Pair("a", "d0")], [Pair("a", "d1")])
    assert said(project, mine) == {"d1": Verdict(1)}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([Entry("a", "d0", GOOD), Entry("a", "dx", GOOD), Entry("a", "dy", GOOD)], "no document “dx” and 1 more"),
        ([Entry("z", "d0", GOOD)], "no query “z”"),
        ([Entry("a", "d0", GOOD)] * (WRITE_BATCH + 1), "too many"),
    ],
)
def test_what_is_not_known_is_refused_and_nothing_is_kept(project, mine, entries, message):
    with pytest.raises(BadInput, match=message):
        judging_log.record(project.db, mine, entries)
    assert label_sets.sizes(project.db, mine.info.id) == {}


def test_machines_never_write_into_peoples_label_set_nor_people_into_theirs(project, mine):
    judging_log.record(project.db, mine, [Entry("a", "d0", GOOD)])
    with pytest.raises(BadInput, match="holds people's judgments"):
        judgments.store(project.db, mine.info, "labels", "miner", [Entry("a", "d0", HARD)])
    label_sets.make(project.db, mine.info.id, "mined-1", "proposed", {"seed": 3})
    with pytest.raises(BadInput, match="already a label set"):
        label_sets.make(project.db, mine.info.id, "mined-1", "proposed", {})
    proposal = Entry("a", "d1", HARD, {"rank": 7, "score": 0.5})
    done = judgments.store(project.db, mine.info, "mined-1", "miner", [proposal, Entry("z", "d1", HARD), proposal])
    assert (done.judgments, done.unknown_queries) == (1, 1)
    (row,) = judgments.of_query(project.db, mine.info.id, "a", "mined-1")
    assert (row.source, row.provenance["rank"], row.annotator) == ("mined", 7, "miner")
    with pytest.raises(BadInput, match="of the kind “proposed”"):
        judging_log.record(project.db, Owner(mine.info, "mined-1"), [Entry("a", "d1", GOOD)])
    assert label_sets.delete(project.db, mine.info.id, "mined-1") == 1
    assert label_sets.sizes(project.db, mine.info.id) == {"labels": 1}


def test_the_stream_goes_by_query_then_document(project, mine):
    for query_id, doc_id in (("a", "d2"), ("b", "d1"), ("a", "d0")):
        judging_log.record(project.db, mine, [Entry(query_id, doc_id, GOOD)])
    rows = list(judgments.stream(project.db, mine.info.id))
    assert [(row.query_id, row.doc_id) for row in rows] == [("b", "d1"), ("a", "d0"), ("a", "d2")]
    assert list(judgments.stream(project.db, mine.info.id, ["qrels"])) == []


def test_counts_of_a_query_tell_its_states_apart(project, mine):
    verdicts = [GOOD, BAD, HARD]
    judging_log.record(project.db, mine, [Entry("a", f"d{n}", each) for n, each in enumerate(verdicts)])
    judging_log.record(project.db, Owner(mine.info, annotator="Ada"), [Entry("a", "d0", LATER)])
    assert judgments.counts(project.db, mine.info.id, "labels") == {"a": Counts(1, 1, 1, later=1)}
    assert judgments.counts(project.db, mine.info.id, "labels", "me")["a"].judged == 3


def test_a_reimport_leaves_judgments_and_names_the_orphans(project, mine, tmp_path):
    judging_log.record(project.db, mine, [Entry("a", f"d{n}", GOOD) for n in range(3)])
    import_corpus(project, "c", write_corpus(tmp_path, ["red", "another green"]))
    found = judgments.orphans(project.db, query_sets.find(project.db, "q"))
    assert (found.missing, found.changed) == ([Pair("a", "d2")], [Pair("a", "d1")])


def test_the_workflow_checks_what_a_person_says(project):
    by = Judge("q", " Ada  L. ")
    assert judging.judge(project, by, Pair("a", "d0"), HARD).changed == 1
    assert judging.said(project, Judge("q", "Ada L."), "a") == {"d0": HARD}
    told = judging.preview_judge(project, by, "a", ["d0", "d1", "d1"], GOOD).told
    assert told == "Judges 2 documents: 1 new, 1 changed, 0 so already."
    for wrong, words in [
        (Verdict(4), "no grade"), (Verdict(1, True), "hard negative is not relevant"), (Verdict(), "put off"),
        (Verdict(1, state="later"), "put off"), (Verdict(1, note="x" * 2001), "2,001 characters"),
    ]:  # fmt: skip
        with pytest.raises(BadInput, match=words):
            judging.judge(project, by, Pair("a", "d1"), wrong)
    with pytest.raises(BadInput, match="at most 60 characters"):
        judging.judge(project, Judge("q", "x" * 61), Pair("a", "d1"), GOOD)
    with pytest.raises(BadInput, match="label set"):
        judging.judge(project, Judge("q", "me", "../x"), Pair("a", "d1"), GOOD)
    with pytest.raises(NotFound, match="query set"):
        judging.judge(project, Judge("nothing"), Pair("a", "d1"), GOOD)
    judging.undo(project, by)
    assert judging.said(project, by, "a") == {}


def test_a_typed_query_is_judged_under_the_query_of_that_text_or_a_new_one(project):
    assert judging.query_for(project, "c", Query("", " first ")) == ("q", "a")
    name, query_id = judging.query_for(project, "c", Query("", "a new one"))
    assert (name, judging.query_for(project, "c", Query("", "a new one"))) == ("c-typed", (name, query_id))
    judging.judge(project, Judge(name), Pair(query_id, "d0"), GOOD)
    assert query_sets.find(project.db, name).queries == 1
    with pytest.raises(BadInput, match="Only a text query"):
        judging.query_for(project, "c", Query("", "  "))


def test_every_change_is_an_event(project, mine):
    judging_log.record(project.db, mine, [Entry("a", "d0", GOOD)])
    judging_log.undo(project.db, mine)
    judging_log.record(project.db, mine, [Entry("a", "d0", BAD)])
    with project.db.read() as connection:
        rows = connection.execute(sa.select(events.c.status, events.c.change, events.c.after)).all()
    assert [(row.status, row.change, row.after["relevance"]) for row in rows] == [("old", 1, 2), ("done", 2, 0)]


def test_the_command_line_judges_and_says_what_is_wrong(project, capsys):
    def run(*words):
        return CliRunner().invoke(app, ["--json", "--project", str(project.folder), "label", *words])

    done = run("a", "d2", "--query-set", "q", "--relevance", "2", "--annotator", "Ada")
    assert json.loads(done.stdout) == {
        "query_id": "a", "doc_id": "d2", "relevance": 2, "is_hard_negative": False, "annotator": "Ada", "changed": 1
    }  # fmt: skip
    assert run("a", "d1", "--query-set", "q", "--hard-negative").exit_code == 0
    assert judging.said(project, Judge("q", "Ada"), "a") == {"d2": GOOD}
    assert judging.said(project, Judge("q"), "a") == {"d1": HARD}
    for words, message in [
        (("a", "dx", "--query-set", "q"), "no document “dx”"), (("a", "d1", "--query-set", "x"), "query set"),
        (("a", "d1", "--query-set", "q", "--relevance", "7"), "no grade"),
    ]:  # fmt: skip
        call = ["--project", str(project.folder), "label", *words]
        assert guarded(lambda call=call: app(call, standalone_mode=False)) == 1
        assert message in capsys.readouterr().err
