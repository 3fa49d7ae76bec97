"""A blind round from dealing to reveal, on two BM25s that rank differently; every check reads the project again."""

import json
import random
from collections import Counter

import pytest
import sqlalchemy as sa
from PIL import Image

from workbench.db import votes as table
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.workflows import blind, corpus, dealing, revealing, views
from workbench.workflows.encode import encode_corpus

TEXTS = {
    "owl": "owl owl owl",
    "long owl": "owl " + "moss stone river cloud " * 12,
    "fish": "fish in the river",
    "two": "owl fish",
}
PLAIN, FLAT, RAW = (PipelineSpec((RetrieverSpec(name),)) for name in ("bm25", "flat", "raw"))
SYSTEMS = {"plain": PLAIN, "flat": FLAT}
WORDS = ["owl", "fish", "river", "moss", "stone", "cloud", "owl fish", "river moss", "fish owl", "river fish"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project whose corpus is searchable by BM25 with three settings, with a query set."""
    root = tmp_path_factory.mktemp("blind")
    source, queries = root / "birds.jsonl", root / "queries.jsonl"
    source.write_text("".join(json.dumps({"id": n, "title": n, "text": t}) + "\n" for n, t in TEXTS.items()))
    queries.write_text("".join(json.dumps({"id": f"q{i}", "text": word}) + "\n" for i, word in enumerate(WORDS)))
    made = Project.create(root / "p")
    corpus.import_corpus(made, "birds", source)
    corpus.import_queries(made, "asked", queries, "birds")
    for name, k1, b in (("bm25", 1.5, 0.75), ("flat", 1.5, 0.0), ("raw", 0.0, 0.0)):
        encode_corpus(made, "birds", {"kind": "bm25", "name": name, "k1": k1, "b": b})
    made.close()
    return made.folder


@pytest.fixture
def project(folder):
    opened = Project.open(folder)
    yield opened
    with opened.db.write() as connection:
        connection.exec_driver_sql("DELETE FROM votes")
        connection.exec_driver_sql("DELETE FROM saved_views")
    opened.close()


def rows(project):
    with Project.open(project.folder).db.read() as connection:
        return [row._mapping for row in connection.execute(sa.select(table).order_by(table.c.number))]


def side_of(played, number, name):
    """ "left" or "right": where the system stands under a query."""
    left, _ = played.pairs[number - 1]
    return "left" if played.contestants[left].name == name else "right"


def test_a_round_of_ten_is_voted_and_revealed(project):
    session = blind.start_round(project, "birds", SYSTEMS, WORDS, 10, seed=5)
    for n in range(1, 11):
        played = blind.open_round(project, session)
        pair = blind.next_pair(project, session)
        assert (pair.number, pair.total, pair.query.text) == (n, 10, WORDS[n - 1])
        choice = {8: "tie", 9: "bad", 10: side_of(played, n, "flat")}.get(n, side_of(played, n, "plain"))
        blind.vote(project, session, n, choice, "Ada")
    assert blind.next_pair(project, session) is None
    found = revealing.reveal(Project.open(project.folder), session)
    plain, flat = found.strengths
    assert (plain.name, plain.wins, plain.losses, plain.ties, plain.bad) == ("plain", 7, 1, 1, 1)
    assert (flat.name, flat.wins, flat.losses) == ("flat", 1, 7)
    # (7 + 1 + half a virtual win) / (1 + 1 + half a virtual win)
    assert 10 ** ((plain.points.value - flat.points.value) / 400) == pytest.approx(8.5 / 2.5)
    assert found.tally.wins.tolist() == [[0, 7], [1, 0]]
    assert [each.winner for each in found.log] == ["plain"] * 7 + ["", "", "flat"]
    assert found.position.left == sum(each.choice == "left" for each in found.log)
    assert (found.position.decisive, found.asked, found.rounds) == (8, 10, 1)
    assert found.pipelines == SYSTEMS


def test_a_vote_is_stored_whole(project):
    session = blind.start_round(project, "birds", SYSTEMS, ["owl"], 1)
    blind.vote(project, session, 1, "left", "Ada")
    (row,) = rows(project)
    left, right = (
        blind.open_round(project, session).contestants[at] for at in blind.open_round(project, session).pairs[0]
    )
    assert (row["session"], row["number"], row["query"], row["query_image"]) == (session, 1, "owl", None)
    assert PipelineSpec.from_dict(row["left"]) == left.pipeline and row["left_key"] == left.key
    assert PipelineSpec.from_dict(row["right"]) == right.pipeline and row["right_key"] == right.key
    assert (row["choice"], row["annotator"]) == ("left", "Ada")
    assert row["corpus_id"] == corpus.get_corpus(project, "birds").id and row["at"] > 1.7e9


def test_the_lists_are_those_of_the_systems(project):
    """Length normalisation puts the short text first; without it, the two with one “owl” are in order of import."""
    session = blind.start_round(project, "birds", {"plain": PLAIN, "raw": RAW}, ["owl"], 1, seed=1)
    pair, played = blind.next_pair(project, session), blind.open_round(project, session)
    by_name = {side_of(played, 1, name): name for name in ("plain", "raw")}
    found = {by_name[side]: [hit.document.doc_id for hit in getattr(pair, side).hits] for side in ("left", "right")}
    assert found == {"plain": ["owl", "two", "long owl"], "raw": ["owl", "long owl", "two"]}


def test_the_same_seed_deals_the_same_and_names_stay_hidden(project):
    first = blind.start_round(project, "birds", SYSTEMS, WORDS, 10, seed=1)
    assert blind.start_round(project, "birds", SYSTEMS, WORDS, 10, seed=1) == first
    assert blind.start_round(project, "birds", SYSTEMS, WORDS, 10, seed=2) != first
    again = blind.next_pair(Project.open(project.folder), first)
    assert again == blind.next_pair(project, first)
    assert not {"name", "names", "pipeline", "system"} & set(vars(again)) | set(vars(again.left)) & {"name", "pipeline"}


@pytest.mark.parametrize(("systems", "count"), [(2, 1), (2, 11), (3, 10), (4, 20), (4, 5)])
def test_pairs_and_sides_are_balanced(systems, count):
    pairs = dealing.dealt(systems, count, random.Random(7))
    assert len(pairs) == count and all(a != b for a, b in pairs)
    meetings = Counter(tuple(sorted(pair)) for pair in pairs)
    pool = systems * (systems - 1) // 2
    assert max(meetings.values()) - (min(meetings.values()) if len(meetings) == pool else 0) <= 1
    for a, b in meetings:
        assert abs(pairs.count((a, b)) - pairs.count((b, a))) <= 1


def test_sides_cannot_be_guessed_from_the_pairs_before():
    orders = {tuple(dealing.dealt(2, 6, random.Random(seed))) for seed in range(300)}
    assert len(orders) == 20  # all ways to be left three times of six


def test_queries_are_drawn_from_a_set(project):
    session = blind.start_round(project, "birds", SYSTEMS, "asked", 4, seed=3)
    asked = [each.text for each in blind.open_round(project, session).queries]
    assert len(set(asked)) == 4 and set(asked) <= set(WORDS) and asked != WORDS[:4]
    whole = blind.start_round(project, "birds", SYSTEMS, "asked", 400, seed=3)
    assert sorted(each.text for each in blind.open_round(project, whole).queries) == sorted(WORDS)


def test_a_reload_goes_on_where_it_stopped(project):
    session = blind.start_round(project, "birds", SYSTEMS, WORDS, 3)
    blind.vote(project, session, 1, "left")
    blind.vote(project, session, 2, "tie")
    again = Project.open(project.folder)
    assert blind.next_pair(again, session).number == 3
    assert blind.next_pair(again, session, after=3) is None
    (listed,) = blind.list_rounds(again, "birds@1")
    assert (listed.id, listed.name, listed.done, listed.total) == (session, "plain | flat", 2, 3)
    assert blind.list_rounds(again, "other") == []


def test_the_same_vote_twice_is_one_and_another_replaces_it(project):
    session = blind.start_round(project, "birds", SYSTEMS, WORDS, 2)
    blind.vote(project, session, 1, "left", "Ada")
    (before,) = rows(project)
    blind.vote(project, session, 1, "left", "Ada")
    assert rows(project) == [before]
    blind.vote(project, session, 1, "bad", "Bob")
    (after,) = rows(project)
    assert (after["id"], after["choice"], after["annotator"]) == (before["id"], "bad", "Bob")


def test_undo_takes_back_the_last_vote_made(project):
    session = blind.start_round(project, "birds", SYSTEMS, WORDS, 3)
    other = blind.start_round(project, "birds", SYSTEMS, WORDS, 3, seed=9)
    for number in (2, 1):
        blind.vote(project, session, number, "left")
    blind.vote(project, other, 3, "left")
    assert blind.undo(project, session) == 1
    assert blind.voted_numbers(project, session) == [2]
    assert blind.next_pair(project, session).number == 1
    assert blind.undo(project, session) == 2
    assert blind.undo(project, session) is None
    assert blind.voted_numbers(project, other) == [3]


def test_undo_takes_back_the_vote_that_is_named_though_another_was_stored_after_it(project):
    session = blind.start_round(project, "birds", SYSTEMS, WORDS, 3)
    for number in (2, 1):
        blind.vote(project, session, number, "left")
    assert blind.undo(project, session, 3) is None
    assert blind.undo(project, session, 2) == 2
    assert blind.voted_numbers(project, session) == [1]


def test_three_systems_meet_in_pairs(project):
    session = blind.start_round(project, "birds", {**SYSTEMS, "raw": RAW}, WORDS, 9, seed=2)
    played = blind.open_round(project, session)
    # raw beats flat beats plain, always
    order = ["raw", "flat", "plain"]
    for n, (left, right) in enumerate(played.pairs, 1):
        names = [played.contestants[at].name for at in (left, right)]
        blind.vote(project, session, n, "left" if order.index(names[0]) < order.index(names[1]) else "right")
    found = revealing.reveal(project, session)
    assert [each.name for each in found.strengths] == order
    assert found.tally.wins.tolist() == [[0, 3, 3], [0, 0, 3], [0, 0, 0]]
    assert found.strengths[1].points.value == pytest.approx(0, abs=1e-6)


def test_all_votes_pool_the_rounds_by_what_a_pipeline_does(project):
    first = blind.start_round(project, "birds", SYSTEMS, WORDS, 2)
    for n in (1, 2):
        blind.vote(project, first, n, side_of(blind.open_round(project, first), n, "plain"))
    renamed = {"renamed": PLAIN, "raw": RAW}
    second = blind.start_round(project, "birds", renamed, WORDS, 1)
    blind.vote(project, second, 1, side_of(blind.open_round(project, second), 1, "renamed"))
    found = revealing.all_votes(project, "birds")
    best = found.strengths[0]
    assert (best.name, best.wins, best.losses, found.rounds, found.asked) == ("renamed", 3, 0, 2, 3)
    assert {each.name for each in found.strengths} == {"renamed", "flat", "raw"}
    # A round that was deleted leaves its votes, under the encoders' names.
    views.delete_view(project, second)
    assert {each.name for each in revealing.all_votes(project, "birds").strengths} == {"plain", "flat", "raw"}


def test_reveal_and_all_votes_without_votes(project):
    session = blind.start_round(project, "birds", SYSTEMS, WORDS, 2)
    found = revealing.reveal(project, session)
    assert [each.name for each in found.strengths] == ["plain", "flat"] and found.log == []
    assert revealing.all_votes(project, "birds").strengths == []


def test_a_system_that_fails_on_a_query_says_so_and_the_other_stays(project, monkeypatch):
    session = blind.start_round(project, "birds", SYSTEMS, ["owl", "fish"], 2)
    whole = blind.search

    def broken(project, corpus, query, pipeline, k):
        if pipeline == FLAT:
            raise BadInput("The endpoint is down.", "Start it.")
        return whole(project, corpus, query, pipeline, k)

    monkeypatch.setattr(blind, "search", broken)
    pair, played = blind.next_pair(project, session), blind.open_round(project, session)
    failed, fine = (getattr(pair, side_of(played, 1, name)) for name in ("flat", "plain"))
    assert (failed.hits, failed.problem) == ([], "The endpoint is down. Start it.")
    assert len(fine.hits) == 3 and fine.problem == ""
    with pytest.raises(BadInput, match="“flat” cannot take part: The endpoint is down"):
        blind.start_round(project, "birds", SYSTEMS, ["owl"], 1, seed=4)


NONE = PipelineSpec((RetrieverSpec("nothing"),))


@pytest.mark.parametrize(
    ("systems", "queries", "count", "words"),
    [
        ({"a": PLAIN}, ["owl"], 1, "1 systems were chosen"),
        ({str(n): PipelineSpec((RetrieverSpec("bm25"),), depth=n + 1) for n in range(5)}, ["owl"], 1, "5 systems"),
        ({"a": PLAIN, "b": PLAIN}, ["owl"], 1, "“a” and “b” are the same pipeline"),
        ({"": PLAIN, "b": FLAT}, ["owl"], 1, "no name"),
        (SYSTEMS, [" ", ""], 1, "no query"),
        (SYSTEMS, ["x" * 2001], 1, "2,001 characters"),
        (SYSTEMS, ["owl"], 0, "0 queries"),
        (SYSTEMS, ["owl"], 501, "501 queries"),
        ({"a": PLAIN, "b": NONE}, ["owl"], 1, "“b” cannot take part"),
    ],
)
def test_rounds_that_cannot_be_are_refused(project, systems, queries, count, words):
    with pytest.raises(BadInput, match=words):
        blind.start_round(project, "birds", systems, queries, count)
    assert blind.list_rounds(project) == []


def test_names_and_numbers_that_do_not_exist(project):
    session = blind.start_round(project, "birds", SYSTEMS, WORDS, 2)
    saved = views.save_pipeline(project, "p", PLAIN)
    for call in (
        lambda: blind.next_pair(project, "nosuchid"),
        lambda: blind.open_round(project, saved.id),
        lambda: blind.vote(project, session, 3, "left"),
        lambda: blind.vote(project, session, 0, "left"),
        lambda: blind.start_round(project, "birds", SYSTEMS, "no set", 2),
        lambda: blind.start_round(project, "fish", SYSTEMS, WORDS, 2),
        lambda: revealing.reveal(project, "nosuchid"),
    ):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(BadInput, match="no choice"):
        blind.vote(project, session, 1, "both")
    assert rows(project) == []


def test_votes_move_to_the_version_that_is_left(tmp_path):
    """Deleting an old version of a corpus must not take what was judged on it."""
    source = tmp_path / "birds.jsonl"
    made = Project.create(tmp_path / "p")
    for text in ("owl", "owl fish"):
        source.write_text(json.dumps({"id": "a", "text": text}) + "\n")
        corpus.import_corpus(made, "birds", source)
        if text == "owl":
            for name, b in (("bm25", 0.75), ("flat", 0.0)):
                encode_corpus(made, "birds", {"kind": "bm25", "name": name, "b": b})
            session = blind.start_round(made, "birds", SYSTEMS, ["owl"], 1)
            blind.vote(made, session, 1, "left")
    assert len(revealing.all_votes(made, "birds").log) == 1
    corpus.delete_corpus(made, "birds@1")
    assert len(revealing.all_votes(made, "birds").log) == 1
    with pytest.raises(NotFound):
        blind.start_round(made, "birds@1", SYSTEMS, ["owl"], 1)
    corpus.delete_corpus(made, "birds")
    assert rows(made) == []


def test_what_can_be_compared_and_what_is_suggested(project):
    names = [each.name for each in blind.candidates(project, "birds@1")]
    assert sorted(names[:3]) == ["bm25 · inverted", "flat · inverted", "raw · inverted"]
    assert names[3:] == [" + ".join(name.removesuffix(" · inverted") for name in names[:2])]
    saved = views.save_pipeline(project, "mine", FLAT, "birds")
    views.save_pipeline(project, "elsewhere", RAW, "fish")
    found = blind.candidates(project, "birds")
    assert found[0].name == "mine" and found[0].pipeline == saved.pipeline
    assert "elsewhere" not in [each.name for each in found]
    first, second = blind.suggested(found)
    assert first.name == "mine" and second.pipeline.retrievers[0].encoder != "flat"
    assert blind.suggested(found[:1]) == found[:1] and blind.suggested([]) == []


def test_pictures_of_a_query_set_are_asked_with(project, tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    (tmp_path / "q.jsonl").write_text('{"_id": "a", "text": "red", "image": "a.png"}\n')
    corpus.import_queries(project, "pictures", tmp_path / "q.jsonl", "birds")
    (asked,) = dealing.drawn(project, "pictures", 5, random.Random(0))
    assert asked.text == "red" and len(asked.image) == 32
    content = blind.content_of(project, asked)
    assert content.text == "red"
    with Image.open(content.image) as image:
        assert image.size == (40, 30)
    assert blind.content_of(project, dealing.Asked("red")) == "red"
