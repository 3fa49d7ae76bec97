"""The Mine page: its address, the words and charts of the rules, examples, kept candidates; every text escaped."""

import json
from collections import Counter
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from ui.components import mine_charts, mine_rules, mine_view
from ui.components.mine_examples import examples_html
from ui.components.mine_screen import first_view, rules_screen, whole_screen
from ui.components.mine_sets import found_html, made_html, mined_html, review_link
from ui.components.mine_view import START, MineView, address, first_miners, read_mine_view
from ui.session import Place
from workbench import query_sets
from workbench.errors import BadInput, NotFound
from workbench.judgments import Pair
from workbench.project import Project
from workbench.specs import MiningSpec, PipelineSpec, RetrieverSpec
from workbench.types import Document, Query
from workbench.workflows import judging, reviewing
from workbench.workflows.corpus import import_corpus, import_queries
from workbench.workflows.encode import encode_corpus
from workbench.workflows.judging import Judge
from workbench.workflows.mine import MinerPreview, MinerSweep, Preview, SweepPoint, find_candidates, mine, preview
from workbench.workflows.mined_sets import MinedSet, delete_mined, mined_sets
from workbench.workflows.mining_examples import Example, ExampleCandidate, Sighting, examples
from workbench.workflows.mining_kept import Kept, MinerChoice, kept_candidates, miner_choices
from workbench.workflows.views import save_pipeline

EVIL = "<script>alert(1)</script>\"'"
SAFE = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;"
PLACE = Place("p", "c")
SPEC = MiningSpec(relative_margin=0.05, per_query=2, range_max=20, depth=40)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Forty texts of common words, four queries; three have a positive."""
    folder = tmp_path_factory.mktemp("mine")
    made = Project.create(folder / "p")
    rows = [
        {"id": f"d{n}", "text": f"river bird {'song ' * (n % 5)}nest{n % 7} {EVIL if n == 3 else ''}"}
        for n in range(40)
    ]
    asked = [{"id": f"q{n}", "text": f"bird song nest{n}"} for n in range(4)]
    (folder / "c.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    (folder / "q.jsonl").write_text("".join(json.dumps(each) + "\n" for each in asked))
    (folder / "q.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td14\t1\nq1\td8\t1\nq1\td29\t1\nq2\td9\t1\n")
    import_corpus(made, "c", folder / "c.jsonl")
    import_queries(made, "asked", folder / "q.jsonl", "c", folder / "q.tsv")
    import_queries(made, "bare", folder / "q.jsonl", "c")
    encode_corpus(made, "c", "bm25")
    encode_corpus(made, "c", {"kind": "bm25", "name": "flat", "b": 0.0})
    yield made
    made.close()


@pytest.fixture(scope="module")
def kept(project):
    """The candidates of both miners."""
    return find_candidates(project, "asked", SPEC, ["bm25", "flat"]).artifacts


def previewed(**changes):
    """One miner with 4 bins from 0 to 1, the positives' median at 0.8."""
    miner = MinerPreview(
        "bm25", "a1", 10_000, dict.fromkeys(mine_rules.MEANING, 0) | {"relative_margin": 487}, 9_000, 40,
        [0.0, 0.25, 0.5, 0.75, 1.0], [0, 0, 1, 4], [2, 8, 4, 0], [0, 2, 0, 0], 0.8,
    )  # fmt: skip
    return Preview(10, 10, 0, 48, 2, 2, [replace(miner, **changes)])


# ── the address ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_reads_as_the_view_that_wrote_it():
    spec = MiningSpec(
        range_min=3, range_max=40, absolute_margin=0.5, sampling="random", seed=7, same_text=False, drop_judged=True,
        source_field="a & b", reranker="x/y", rerank_depth=30, label_sets=("qrels", "mine"), near_duplicate=0.95,
    )  # fmt: skip
    view = MineView("s & t", ("bm25", "k1"), spec, "absolute", 4)
    link = address(PLACE, view)
    values = dict(parse_qsl(urlsplit(link).query, keep_blank_values=True))
    assert (urlsplit(link).path, values["project"], values["corpus"]) == ("/mine", "p", "c")
    assert read_mine_view(values, MineView("other", ("z",), START)) == view


def test_only_a_first_visit_gets_the_margin_to_begin_with():
    fallback = MineView("asked", ("bm25",), START)
    assert read_mine_view({"project": "p"}, fallback).spec.relative_margin == 0.05
    off = address(PLACE, replace(fallback, spec=MiningSpec()))
    assert "margin" not in off
    assert read_mine_view(dict(parse_qsl(urlsplit(off).query)), fallback).spec == MiningSpec()


@pytest.mark.parametrize(
    ("name", "value"), [("per_query", "many"), ("per_query", "900"), ("sampling", "best"), ("seed", "-1")]
)
def test_a_rule_that_cannot_be_is_refused(name, value):
    with pytest.raises(BadInput):
        read_mine_view({name: value}, MineView())


def test_names_that_are_gone_are_replaced_and_said():
    choices = [MinerChoice("bm25", "bm25", "bm25", "sparse"), MinerChoice("m", "m", "m", "dense")]
    place = Place("p", "c", {"set": "gone<b>", "miners": "gone", "per_query": "3"})
    view, wrong = first_view(place, ["asked", "c-typed"], choices)
    assert (view.query_set, view.miners, view.spec.per_query) == ("asked", ("bm25", "m"), 3)
    assert "gone&lt;b&gt;" in wrong
    broken, said = first_view(Place("p", "c", {"set": "asked", "seed": "x"}), ["asked"], choices)
    assert broken.spec == START and "not a number" in said


def test_a_first_visitor_mines_with_words_and_meaning():
    choices = [
        MinerChoice("eyes", "eyes", "eyes", "dense", reads_text=False),
        MinerChoice("m", "m", "m", "dense"),
        MinerChoice("bm25", "bm25", "bm25", "sparse"),
    ]
    assert first_miners(choices) == ("bm25", "m")
    assert first_miners(choices[:1]) == ("eyes",)
    with pytest.raises(BadInput):
        MineView(miners=("none",)).chosen(choices)


# ── words and charts ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_numbers_explain_themselves():
    spec = MiningSpec(relative_margin=0.05)
    told = mine_rules.headline(previewed(), spec)
    assert told == "bm25: 487 of 10,000 candidates are nearer than 95 % of the positive’s score."
    assert mine_rules.headline(previewed(dropped=dict.fromkeys(mine_rules.MEANING, 0)), spec) == ""
    html = mine_rules.rules_html(previewed(), spec)
    assert html.index("known positives") < html.index("nearer than 95 %") < html.index("outside the places 1 to 100")
    assert html.count("class='mi-off'") == 6  # judged, source, near-duplicate, absolute margin, both scores
    assert "width:4.87%" in html


def test_the_yield_says_what_lacks_and_what_is_needed():
    found = replace(previewed(), queries_without_positives=3)
    html = mine_rules.yield_html(found, MiningSpec(per_query=5), PLACE, "asked")
    assert "<b>48</b><small>of 50 asked for: 5 a query" in html
    assert "2 negatives lacking, never filled up" in html
    assert "href='/label?project=p&amp;corpus=c&amp;set=asked'" in html and "import qrels" in html
    assert "data-figure='without' data-bad" in html


@pytest.mark.parametrize(
    ("margin", "kind", "place"),
    [(0.25, "relative", 60.0), (0.3, "absolute", 50.0), (None, "relative", 80.0), (2.0, "relative", 0.0)],
)
def test_the_line_stands_below_the_median_positive(margin, kind, place):
    assert mine_charts.line_at(previewed().miners[0], margin, kind) == pytest.approx(place)


def test_a_negative_median_is_measured_by_its_size():
    each = replace(previewed().miners[0], edges=[-1.0, -0.5, 0.0], positive_median=-0.4)
    # −0.4 − 0.4 · 0.5 = −0.6, which is 0.4 above the lowest edge.
    assert mine_charts.line_at(each, 0.5, "relative") == pytest.approx(40.0)


def test_histograms_are_drawn_to_their_own_height():
    assert mine_charts.bars([0, 2, 1], 2, 50, 40) == "M1 50v40.000h1V50zM2 50v20.000h1V50z"
    html = mine_charts.histograms_html(previewed(), MiningSpec(relative_margin=0.25), "relative")
    assert "data-margin='0.25' data-kind='relative'" in html and "style='left:60.000%" in html
    assert "25 % below the positive" in html
    assert "no margin: drag" in mine_charts.histograms_html(previewed(), MiningSpec(), "relative")
    assert "mi-line" not in mine_charts.histogram_html(
        replace(previewed().miners[0], positive_median=None), None, "relative"
    )


def test_the_sweep_goes_as_far_as_the_scores():
    assert mine_charts.margins_of(previewed(), "relative")[:3] == [0.0, 0.02, 0.04]
    # 0.8 down to 0 in 25 steps: 0.032 each, rounded up to 0.05.
    assert mine_charts.margins_of(previewed(), "absolute")[-1] == pytest.approx(1.25)
    points = [SweepPoint(0.5 * n / 25, 5 * n, 50 - 2 * n, n, 2, 1.0, 0.5) for n in range(26)]
    html = mine_charts.sweep_html([MinerSweep("bm25", points)], 50, MiningSpec(relative_margin=0.1), "relative")
    assert "points='0.00,0.00 4.00,4.00" in html and "mi-now' style='left:20.000%'" in html
    assert "48 negatives, on average 0.25 below the positive; 1 short queries" in html


# ── workflows of the page ────────────────────────────────────────────────────────────────────────────────────────────


def test_what_can_be_mined_with(project):
    save_pipeline(project, "both", PipelineSpec((RetrieverSpec("bm25"), RetrieverSpec("flat"))), "c")
    found = miner_choices(project, "c")
    assert [each.key for each in found[:2]] == ["flat", "bm25"] and found[0].miner == "flat"
    assert sorted(each.label for each in found[2:]) == ["both", "flat + bm25"]
    assert found[2].miner.retrievers[0].encoder == "bm25"


def test_kept_candidates_are_those_a_job_would_find(project, kept):
    assert kept_candidates(project, "asked", SPEC, ["bm25", "flat"]).artifacts == kept
    deeper = kept_candidates(project, "asked", replace(SPEC, range_max=35, depth=20), ["bm25"])
    assert deeper.artifacts == [None] and not deeper.complete
    both = kept_candidates(project, "asked", replace(SPEC, per_query=7, relative_margin=None), ["bm25"])
    assert (both.artifacts, both.total, both.without) == (kept[:1], 4, 1)
    bare = kept_candidates(project, "bare", SPEC, ["bm25"])
    assert bare.artifacts == [None] and "None of the 4 queries" in bare.needs[0] and "import qrels" in bare.needs[1]
    with pytest.raises(NotFound):
        kept_candidates(project, "asked", SPEC, ["nobody"])


@pytest.mark.parametrize("sampling", ["top", "random"])
def test_examples_tell_the_fate_that_the_counts_count(project, kept, sampling):
    spec = replace(SPEC, sampling=sampling, range_min=1, min_score=0.1)
    counted = preview(project, kept, spec)
    shown = examples(project, kept, spec, 0, 10, 100)
    assert [each.query.query_id for each in shown] == ["q0", "q1", "q2"]
    fates = Counter((one.miner, one.dropped) for each in shown for row in each.candidates for one in row.sightings)
    for miner in counted.miners:
        assert {rule: fates[miner.miner, rule] for rule in miner.dropped} == miner.dropped
        assert fates[miner.miner, ""] == miner.eligible
    assert sum(row.taken for each in shown for row in each.candidates) == counted.negatives > 0
    assert [each.doc_id for each in shown[1].positives] == ["d8", "d29"]


def test_examples_go_round_and_name_what_is_not_shown(project, kept):
    (first,) = examples(project, kept, SPEC, 4, 1, 2)
    assert (first.place, first.query.query_id) == (1, "q1")
    assert first.more > 0 and first.taken == 2
    everything = examples(project, kept, SPEC, 1, 1, 100)[0]
    assert len(everything.candidates) == len(first.candidates) + first.more


def test_mined_sets_count_their_review_and_can_be_deleted(project, kept):
    report = mine(project, "asked", SPEC, ["bm25", "flat"], "first")
    (found,) = mined_sets(project, "asked")
    assert (found.name, found.negatives, found.reviewed, found.miners) == (
        "first",
        report.negatives,
        0,
        ["bm25", "flat"],
    )
    assert found.spec == SPEC and "relative_margin 0.05" in found.rules
    first = reviewing.proposals(project, Judge("asked", "ann"), "first").rows[0]
    reviewing.accept(project, Judge("asked", "ann"), "first", [Pair(first.query_id, first.doc_id)])
    assert mined_sets(project, "asked")[0].reviewed == 1
    judging.undo(project, Judge("asked", "ann"))
    assert mined_sets(project, "asked")[0].reviewed == 0
    html = mined_html(mined_sets(project, "asked"), PLACE, MineView("asked", ("bm25",)), miner_choices(project, "c"))
    assert f"0 / {report.negatives} reviewed" in html and "nearer than 95 % of the positive’s score" in html
    assert "/review?project=p&amp;corpus=c&amp;set=asked&amp;proposed=first&amp;part=proposals" in html
    assert "miners=flat%2Cbm25&amp;range_max=20&amp;relative_margin=0.05&amp;per_query=2&amp;depth=40" in html
    for name, error in (("labels", BadInput), ("qrels", BadInput), ("none", NotFound)):
        with pytest.raises(error):
            delete_mined(project, "asked", name)
    assert delete_mined(project, "asked", "first") == report.negatives
    assert mined_sets(project, "asked") == []
    assert query_sets.find(project.db, "asked").queries == 4


def test_a_screen_draws_what_is_kept_and_offers_what_is_not(project, kept):
    view = MineView("asked", ("bm25", "flat"), SPEC)
    whole = whole_screen(project, PLACE, view)
    assert len(whole.shown.artifacts) == 2 and "mi-hists" in whole.charts and "mi-example" in whole.examples
    assert "data-address='/mine?project=p&amp;corpus=c&amp;set=asked" in whole.note
    wide = replace(view, spec=replace(SPEC, range_max=60))
    asked = rules_screen(project, PLACE, wide, whole.shown.artifacts)
    # All forty documents are kept, so that no range is too wide.
    assert "mi-hists" in asked.charts
    near = rules_screen(project, PLACE, replace(view, spec=replace(SPEC, near_duplicate=0.9)), whole.shown.artifacts)
    assert near.charts is None and "Search again" in near.note and "near-duplicates" in near.note
    bare = whole_screen(project, PLACE, replace(view, query_set="bare"))
    assert "No query can be mined yet" in bare.charts and "Judge on the Label page" in bare.charts
    nobody = whole_screen(project, PLACE, replace(view, miners=("gone",)))
    assert "No miner is chosen" in nobody.note and nobody.charts == ""
    fresh = whole_screen(project, PLACE, replace(view, spec=replace(SPEC, depth=33, range_max=21)))
    assert "No candidates yet" in fresh.charts and "data-do='find'" in fresh.found


# ── hostile text ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_text_is_escaped():
    sighting = Sighting(EVIL, 1, 0.5, 0.7, "")
    gone = Sighting(EVIL, 2, 0.6, None, "same_source")
    document = Document(EVIL, EVIL, EVIL, ordinal=3)
    rows = [ExampleCandidate(document, [sighting], True), ExampleCandidate(document, [gone], False)]
    spec = MiningSpec(source_field=EVIL, relative_margin=0.1)
    example = Example(0, Query(EVIL, EVIL), [document], rows, 1, 1)
    choice = MinerChoice(EVIL, EVIL, EVIL)
    mined = MinedSet(EVIL, 4, 1, [EVIL], spec, ["same_source x"], 1.0)
    points = [SweepPoint(0.02 * n) for n in range(26)]
    found = previewed(miner=EVIL, artifact=EVIL)
    drawn = [
        examples_html([example], spec, PLACE, EVIL),
        mined_html([mined], PLACE, MineView(EVIL, (EVIL,)), [choice]),
        found_html(Kept([None], 3, 0, 0), [choice], 10),
        made_html({"label_set": EVIL, "negatives": 3}, PLACE, EVIL),
        mine_rules.rules_html(found, spec),
        mine_rules.yield_html(found, spec, PLACE, EVIL),
        mine_charts.histograms_html(found, spec, "relative"),
        mine_charts.sweep_html([MinerSweep(EVIL, points)], 10, spec, "relative"),
    ]
    for markup in drawn:
        assert "<script" not in markup
        assert "&lt;script" in markup or "%3Cscript" in markup
    assert SAFE in drawn[0] and SAFE in drawn[4]
    assert "set=%3Cscript" in review_link(PLACE, EVIL, "x")
    assert mine_view.told(None) == ""
