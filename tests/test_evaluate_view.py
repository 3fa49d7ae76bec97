"""The Evaluate page: addresses, the figures it shows, words of significance, drawings, and no markup from a corpus."""

import re
from dataclasses import replace

import numpy as np
import pytest
from evaluate_fixtures import COUNT, EVIL, make_pairs, three_runs

from ui.components.address import parse_link, read_view
from ui.components.evaluate_board import completed, details_html, evaluated, named, runs_html
from ui.components.evaluate_charts import MOST_BARS, Mark, cost_chart, difference_bars, scale_of, ticks, whisker
from ui.components.evaluate_compare import BETTER, OPEN, SAME, WORSE, sentence, word
from ui.components.evaluate_parts import settled, slice_choices, standing
from ui.components.evaluate_queries import query_html
from ui.components.evaluate_table import ordered, percent
from ui.components.evaluate_view import EvaluateView, read_evaluate_view
from ui.session import Place
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.workflows.encode import encode_corpus
from workbench.workflows.evaluate import EvaluateOptions, Point, compare, gold_positions, per_query
from workbench.workflows.evaluated import Comparisons, pipeline_of
from workbench.workflows.running import get_run, run_queries

PLACE = Place("test", "pairs")


@pytest.fixture
def shown(project, tmp_path):
    three_runs(project, tmp_path)
    baseline = get_run(project, "second").id
    return evaluated(project, PLACE, EvaluateView("wanted", measures="RR@10 R@5", baseline=baseline))


def test_an_address_reproduces_the_view():
    view = EvaluateView(
        "wanted", (3, 7), "AP nDCG(dcg='exp-log2')@10", ("labels", "qrels"), EvaluateOptions(True, "book", ("final",)),
        7, 3, "AP", "metadata:year", "q&1", "-AP", True,
    )  # fmt: skip
    assert read_evaluate_view(parse_link(view.link(PLACE))) == view
    assert view.link(PLACE).startswith("/evaluate?project=test&corpus=pairs&set=wanted&runs=3%2C7&")
    assert EvaluateView("wanted").link(PLACE) == "/evaluate?project=test&corpus=pairs&set=wanted"
    wrong = {"runs": "x,-1,5,5,99999999999999", "base": "no", "other": "-3", "bounds": "yes"}
    assert read_evaluate_view(wrong) == EvaluateView(runs=(5,))


def test_the_table_shows_the_evaluations_figures(shown):
    markup = runs_html(shown)
    means = {each.run.name: each.means["RR@10"] for each in shown.evaluation.runs}
    # By hand: rank 2 gives 0.5, rank 1 gives 1; a third each of ranks 1, 4 and 5 gives (1 + 0.25 + 0.2) / 3.
    assert means == pytest.approx({"second": 0.5, "first": 1.0, "mixed": 1.45 / 3})
    for name, text in {"second": "0.5000", "first": "<b title='the best'>1.0000</b>", "mixed": "0.4833"}.items():
        row = re.search(rf"<tr data-key='run {get_id(shown, name)}'>.*?</tr>", markup).group()
        assert text in row
        assert "20% judged" in row  # one of the five documents, for R@5
        assert "imported from placed.trec" in row
    assert f"<b>{COUNT}</b> judged" in markup
    assert "ec-range" not in markup


def get_id(shown, name):
    return next(each.id for each in shown.runs if each.name == name)


def test_bounds_are_shown_on_demand(shown):
    markup = runs_html(replace(shown, view=replace(shown.view, bounds=True)))
    figures = shown.evaluation.figures("second")
    low, high = figures.bounds["RR@10"]
    assert (low, high) == (0.5, 1.0)
    assert "<small>0.500 – 1.000</small>" in markup


def test_runs_are_sorted_by_a_column_and_missing_values_come_last(shown):
    runs = shown.evaluation.runs
    assert [each.run.name for each in ordered(runs, "-RR@10")] == ["first", "second", "mixed"]
    assert [each.run.name for each in ordered(runs, "name")] == ["first", "mixed", "second"]
    assert [each.run.name for each in ordered(runs, "ms")] == ["second", "first", "mixed"]  # nobody knows: as made
    assert [each.run.name for each in ordered(runs, "-gone")] == ["second", "first", "mixed"]


def test_significant_and_insignificant_differences_are_worded_right(shown):
    found = {each.run: each for each in compare(shown.evaluation, "second") if each.measure == "RR@10"}
    first, mixed = found["first"], found["mixed"]
    assert (word(first), word(mixed)) == (BETTER, OPEN)
    assert (mixed.wins, mixed.losses, mixed.ties) == (8, 16, 0)
    assert sentence(first, 4).startswith(
        "“first” is significantly better than “second” in RR@10: +0.5000 on average (95%"
    )
    assert "p < 0.001, corrected for 4 comparisons" in sentence(first, 4)
    said = sentence(mixed, 4)
    assert said.startswith("No significant difference between “mixed” and “second” in RR@10 was shown")
    assert "the interval holds zero" in said
    assert "not proof that they are equally good" in said
    assert (word(replace(first, mean=-0.5)), word(replace(first, wins=0, losses=0, ties=24))) == (WORSE, SAME)
    # The interval alone would say yes, the corrected test says no: the sentence must not contradict itself.
    torn = sentence(replace(mixed, low=0.01, high=0.2, mean=0.1, p_holm=0.08), 4)
    assert "does not hold zero, but the test" in torn
    # Recall is the same for all: found among five by everybody.
    same = next(each for each in compare(shown.evaluation, "second") if each.measure == "R@5")
    assert word(same) == SAME


def test_the_details_name_the_outcome_and_link_to_queries(project, shown):
    compared = Comparisons().of(shown.evaluation, "second")
    markup = details_html(project, shown, compared)
    assert "▲ significantly better" in markup
    assert "○ not significant" in markup
    assert "“first” is significantly better" in markup
    assert "q=q" in markup
    assert "Something went wrong" not in markup
    assert "Costs are not known of imported runs" in markup


def test_comparisons_are_kept_by_their_values(shown, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "workbench.workflows.evaluated.compare", lambda *given: calls.append(given) or compare(*given, resamples=50)
    )
    kept = Comparisons()
    once = kept.of(shown.evaluation, "second")
    assert kept.of(shown.evaluation, "second") is once
    kept.of(shown.evaluation, "first")
    values = shown.evaluation.figures("mixed").values["RR@10"]
    values[0] += 0.25
    kept.of(shown.evaluation, "second")
    assert len(calls) == 3


def test_a_corpus_cannot_put_markup_on_the_page(project, shown):
    view = replace(shown.view, query="q1", by="length")
    markup = runs_html(shown) + details_html(project, replace(shown, view=view), compare(shown.evaluation, "second"))
    assert "window.broken" in markup
    assert "<script" not in markup.lower()
    assert EVIL not in markup
    wild = EvaluateView(EVIL, measure=EVIL, query=EVIL, sort=EVIL, by=EVIL).link(PLACE)
    assert "<" not in wild
    assert '"' not in wild


def test_one_click_opens_both_pipelines_on_the_query(project, tmp_path):
    make_pairs(project, tmp_path)
    for name, b in (("bm25", 0.75), ("flat", 0.0)):
        encode_corpus(project, "pairs", {"kind": "bm25", "name": name, "b": b})
        run_queries(project, "wanted", PipelineSpec((RetrieverSpec(name),)), 10, name)
    shown = evaluated(project, PLACE, EvaluateView("wanted", query="q7"))
    markup = query_html(project, PLACE, shown.view, shown.evaluation, shown.chosen)
    link = re.search(r"ev-search' href='([^']+)'", markup).group(1).replace("&amp;", "&")
    view = read_view(parse_link(link))
    assert [each.pipeline for each in view.columns] == [pipeline_of(each) for each in shown.chosen]
    assert (view.query_set, view.at) == ("wanted", 6)
    assert view.query == "thing number 7 please please"
    (gold,) = gold_positions(project, shown.evaluation, "q7")
    assert gold.ranks["bm25"]
    assert markup.count(f"rank {gold.ranks['bm25']}<") >= 1
    assert view.k == 10


def test_an_imported_run_says_why_it_cannot_be_asked(project, shown):
    pair = [get_run(project, name) for name in ("second", "first")]
    markup = query_html(project, PLACE, replace(shown.view, query="q2"), shown.evaluation, pair)
    assert "“second” and “first” came from a file" in markup
    assert "ev-search" not in markup


def test_without_judgments_everything_that_needs_none_works(project, tmp_path):
    make_pairs(project, tmp_path, judged=False)
    encode_corpus(project, "pairs", {"kind": "bm25", "name": "bm25"})
    run_queries(project, "wanted", PipelineSpec((RetrieverSpec("bm25"),)), 10, "words")
    shown = evaluated(project, PLACE, EvaluateView("wanted"))
    markup = runs_html(shown)
    assert "No query of this set has a judgment yet" in markup
    assert "words" in markup
    assert "Download as a TREC run file" in markup
    assert details_html(project, shown, Comparisons().of(shown.evaluation, "words")) == ""


def test_the_baseline_and_the_other_run_are_never_the_same(shown):
    view = replace(shown.view, other=shown.view.baseline)
    again = completed(shown.evaluation, view)
    assert again.other != again.baseline
    assert named(shown, again.other) == "first"  # the best of the others


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"a": (0.6, 0.9), "b": (0.2, 0.5)}, "“a” stays the best"),
        ({"a": (0.6, 0.9), "b": (0.2, 0.7)}, "“b” could still pass it"),
        ({"a": (0.6, 0.6), "b": (0.2, 0.2)}, "labelling changes nothing"),
        ({"a": (0.1, 0.2)}, "what judging the unjudged documents could make of the mean"),
    ],
)
def test_what_labelling_would_change_in_words(limits, words):
    assert words in settled(limits, "RR")


def test_bars_are_drawn_from_the_worst_and_many_queries_share_them():
    few = difference_bars(np.array([-0.5, 0.0, 0.25]), lambda at: f"/evaluate?q={at}")
    assert re.findall(r"href=\"([^\"]+)\"", few) == ["/evaluate?q=0", "/evaluate?q=1", "/evaluate?q=2"]
    heights = [float(each) for each in re.findall(r'class="ec-bar[^>]*height="([\d.]+)"', few)]
    assert heights == [98.0, 0.0, 49.0]
    assert "1 query worse, 1 equal, 1 better" in few
    many = difference_bars(np.linspace(-1, 1, 10_000))
    assert many.count("ec-bar ") == MOST_BARS
    assert difference_bars(np.array([])) == ""


def test_a_whisker_stands_where_its_numbers_are():
    scale = scale_of([-0.1, 0.3])
    assert (round(scale.low, 3), round(scale.high, 3)) == (-0.124, 0.324)
    drawn = whisker(-0.1, 0.1, 0.3, scale, "level")
    assert 'cx="50.00%"' in drawn
    assert "95% interval -0.1000 to +0.3000" in drawn


def test_costs_are_drawn_with_the_front_filled():
    marks = [
        Mark("slow & good", 1, 0.9, 100.0, True),
        Mark("fast", 2, 0.5, 1.0, True),
        Mark("bad", 3, 0.4, 50.0, False),
    ]
    drawn = cost_chart(marks, "nDCG@10", "ms", lambda value: f"{value:g}")
    assert drawn.count("ec-best") == 2
    assert "slow &amp; good" in drawn
    assert cost_chart([], "nDCG@10", "ms", str) == ""
    assert "ec-point" in cost_chart(marks[:1], "nDCG@10", "ms", str)  # one run alone has an axis too
    # Of an imported run no cost is known: it cannot be said to beat, or to be beaten.
    assert [standing(Point("a", 0.5, *costs), True)[:2] for costs in ((1.0, 2.0), (1.0, None), (None, None))] == [
        "◆ ",
        "◆ ",
        "<s",
    ]


def test_small_helpers():
    assert ticks(-0.12, 0.32, 3) == [0.0, 0.2]
    assert [percent(each) for each in (0.0, 0.004, 0.5, 0.996, 1.0)] == ["0%", "&lt;1%", "50%", "&gt;99%", "100%"]
    assert list(slice_choices(["year"], ["mine"])) == ["length", "metadata:year", "subset:mine"]


def test_worst_first(shown):
    found = per_query(shown.evaluation, "mixed", "second", "RR@10")
    assert list(found.difference[:1]) == pytest.approx([-0.3])
    assert found.difference[-1] == 0.5
