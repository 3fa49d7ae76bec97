"""What the Blind page draws: sentences of the reveal, no names while voting, every text escaped."""

import pytest

from ui.components.blind_board import board_html
from ui.components.blind_results import bias_text, points_text, results_html, signed, verdict
from ui.components.blind_setup import pipeline_text, rounds_html, setup_html, too_few
from ui.components.results import Frame
from ui.session import Place
from workbench.preferences import Interval, PositionBias, Vote, position_bias, strengths, tally
from workbench.specs import FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.types import Document, Hit
from workbench.workflows.blind import Asked, Contestant, Pair, RoundInfo, Side
from workbench.workflows.revealing import Logged, Results

EVIL = "<script>alert(1)</script>\"'"
PLACE = Place("p", "c")
PIPELINE = PipelineSpec(
    (RetrieverSpec("bm25"), RetrieverSpec("minilm", "Flat")), FusionSpec("dbsf"), RerankSpec("x", 20)
)


def outcome(first="one", **counts):
    """Results of votes between `first` (left) and “two” (right)."""
    log = [
        Logged("s", n, f"query {n}", "", first, "two", choice, "me", 1.0)
        for n, choice in enumerate((name for name, number in counts.items() for _ in range(number)), 1)
    ]
    votes = [Vote(each.left, each.right, each.choice) for each in log]
    ranked = strengths(votes, [first, "two"])
    order = [each.name for each in ranked]
    return Results(ranked, tally(votes, order), position_bias(votes), dict.fromkeys(order, PIPELINE), log, len(log), 1)


def hit(ordinal, rank, title="", text="text"):
    return Hit(rank, 0.123456, Document(f"d{ordinal}", text, title, ordinal=ordinal), {})


def test_a_pipeline_in_one_line():
    assert pipeline_text(PIPELINE) == "bm25 · exact + minilm · Flat → dbsf → x (20)"
    assert pipeline_text(PipelineSpec(PIPELINE.retrievers)) == "bm25 · exact + minilm · Flat → rrf"
    assert pipeline_text(PipelineSpec((RetrieverSpec("bm25"),), FusionSpec())) == "bm25 · exact"


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, "Nothing was voted on yet"),
        ({"left": 2, "right": 2}, "“one” and “two” are level after 4 votes"),
        ({"left": 3, "right": 2}, "“one” is ahead of “two”, but their intervals overlap: 5 votes do not settle it"),
        ({"left": 2, "right": 30}, "“two” is ahead of “one”, and their intervals do not overlap after 32 votes"),
    ],
)
def test_the_verdict_says_no_more_than_the_votes(counts, words):
    assert words in verdict(outcome(**counts))


def test_the_sides_in_plain_words():
    assert "No list has won" in bias_text(PositionBias(0, 0, 0.5, 0, 1, 1))
    calm = bias_text(position_bias([Vote("a", "b", "left")] * 5 + [Vote("a", "b", "right")] * 3))
    assert "won 5 of 8 decided votes (62 %; 95 % interval 24 % to 91 %). Chance alone" in calm
    assert "lean to the right list" in bias_text(position_bias([Vote("a", "b", "right")] * 12))
    assert "(p < 0.001)" in bias_text(position_bias([Vote("a", "b", "left")] * 12))


def test_numbers_have_signs():
    assert (signed(87.4), signed(-0.6), signed(0.2), signed(1234)) == ("+87", "−1", "0", "+1,234")
    assert points_text(Interval(0.0, float("-inf"), float("inf"))) == "0"


def test_the_matrix_counts_rows_against_columns():
    drawn = results_html(PLACE, "Revealed", [], outcome(left=3, right=1, tie=2, bad=1))
    assert "<b>3</b> <span class='dim'>of 7</span>" in drawn and "<b>1</b> <span class='dim'>of 7</span>" in drawn
    assert drawn.count("2 tied, 1 bad") == 2
    # 3 wins and half of three undecided ones, of seven
    assert "--share:64%" in drawn and "--share:36%" in drawn


def test_no_name_score_or_reason_is_sent_while_voting():
    sides = Side([hit(4, 1), hit(5, 2)]), Side(problem="“minilm” cannot read pictures.")
    drawn = board_html([Pair(1, 2, Asked("q"), *sides)], Frame("p", 1), [], "", "/blind")
    assert "minilm" not in drawn and "0.12" not in drawn
    assert "could not answer" in drawn


def test_where_a_document_stands_in_the_other_list():
    pair = Pair(2, 9, Asked("q"), Side([hit(4, 1), hit(5, 2)]), Side([hit(5, 1), hit(6, 2)]))
    drawn = board_html([pair], Frame("p", 1), [1], "vote-1", "/blind")
    left, right = drawn.split("bl-side'")[1:]
    assert left.count("only here") == right.count("only here") == 1
    assert ">B 1<" in left and ">A 2<" in right
    assert "data-voted='1'" in drawn and "data-saved='1 of 9 saved'" in drawn and "Both lists are the same" not in drawn
    same = Pair(2, 9, Asked("q"), Side([hit(4, 1)]), Side([hit(4, 1)]))
    assert "Both lists are the same" in board_html([same], Frame("p", 1), [1], "", "/blind")


def test_every_text_is_escaped():
    place = Place(EVIL, EVIL)
    system = Contestant(EVIL, PipelineSpec((RetrieverSpec(EVIL),)), "k")
    pair = Pair(1, 1, Asked(EVIL), Side([hit(1, 1, EVIL, EVIL)]), Side())
    drawn = [
        setup_html(place, [system], (), [(EVIL, 3)], (EVIL, EVIL)),
        too_few(place, [system]),
        rounds_html(place, [RoundInfo("id", EVIL, EVIL, 1, 2, 0.0)]),
        board_html([pair], Frame(EVIL, 1), [], EVIL, place.link("/blind")),
        results_html(place, EVIL, [EVIL], outcome(EVIL, left=1), place.link("/blind")),
    ]
    for text in drawn:
        assert "<script" not in text and "&lt;script&gt;" in text
