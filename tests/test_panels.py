"""The panels that explain a search: their numbers are right, hostile text stays text, and nothing is an empty frame."""

import re
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_results import EVIL, SAFE_TAGS, Parsed

from ui.components.depth_chart import depth_html
from ui.components.explanation import asked, explanation_html, words_of
from ui.components.heat import gaps, heat_html
from ui.components.hubs import hubness_html, verdict
from ui.components.memory import memory_html
from ui.components.stages import height_of, latency_html, spark, trace_html, trace_text
from ui.components.windows import head_text, windows_html
from ui.pages.jobs import limit_memory
from workbench.errors import BadInput
from workbench.rerankers.base import Window
from workbench.types import Stage

ORDER = ["bm25", "minilm", "rrf", "rerank"]
HEBREW = "שלום <b>${alert(5)}</b> {{x}}"
PANEL_TAGS = SAFE_TAGS | {
    "svg", "path", "circle", "polyline", "u", "h4", "h5", "small", "details", "summary", "tfoot", "figure", "caption",
    "pre", "header", "sub",
}  # fmt: skip


@dataclass
class Why:
    """The fields of `workbench.workflows.explaining.Explanation`."""

    kind: str = "terms"
    terms: list[Any] = field(default_factory=list)
    query_terms: list[Any] = field(default_factory=list)
    query_tokens: list[str] = field(default_factory=list)
    document_tokens: list[str] = field(default_factory=list)
    similarities: Any = None
    score: float = 0.0
    note: str = ""


def term(name: str, query: float, document: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(term=name, query=query, document=document, product=query * document)


def stage(label: str, kind: str, kept: bool = False) -> SimpleNamespace:
    return SimpleNamespace(label=label, kind=kind, kept=kept, milliseconds=1.0)


def effect(depth: int, **values: Any) -> SimpleNamespace:
    fields = {"moved_in": 2, "overlap_with_none": 0.8, "overlap_with_deepest": 0.5, "milliseconds": 12.0, "ndcg": None}
    return SimpleNamespace(depth=depth, **{**fields, **values})


def window(repairs: tuple[str, ...] = (), prompt: str = "Rank them.", answer: str = "[2] > [1]") -> Window:
    return Window(4, 7, prompt, answer, (1, 0, 2), repairs)


def report(**values: Any) -> SimpleNamespace:
    fields = {"skewness_before": 3.0, "skewness_after": 1.5, "hubs_before": [], "hubs_after": [], "queries": 40}
    return SimpleNamespace(**{**fields, **values})


def styles(markup: str, name: str) -> list[str]:
    return re.findall(rf"{name}:([-\d.]+)", markup)


# ── hostile text ─────────────────────────────────────────────────────────────────────────────────────────────────────


def evil_terms() -> Why:
    return Why(terms=[term(EVIL, 1, 2)], query_terms=[term(EVIL, 1), term(HEBREW, 0.5)], score=2, note=EVIL)


def evil_tokens() -> Why:
    return Why("tokens", query_tokens=[EVIL], document_tokens=[EVIL, HEBREW], similarities=np.array([[0.1, 0.9]]))


EVERY_PANEL = {
    "latency": lambda text: latency_html({text: 5.0, "total": 6.0}, [stage(text, "retriever")]),
    "kept": lambda text: latency_html({"total": 6.0}, [stage(text, "retriever", True)]),
    "trace": lambda text: trace_html({text: Stage(3, 0.1)}, [text, "x"]),
    "terms": lambda text: explanation_html(evil_terms(), text),
    "tokens": lambda text: explanation_html(evil_tokens()),
    "windows": lambda text: windows_html([window((text,), text, text)]),
    "hubs": lambda text: hubness_html(report(hubs_before=[(3, text, 9)], hubs_after=[(3, text, 9)])),
    "memory": lambda text: memory_html([(text, 5), (text, 6)], 64),
}


@pytest.mark.parametrize("panel", EVERY_PANEL)
def test_hostile_text_stays_text(panel: str) -> None:
    markup = EVERY_PANEL[panel](EVIL)
    parsed = Parsed(markup)
    assert set(parsed.tags) <= PANEL_TAGS
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert "<script" not in markup and "<img" not in markup
    seen = parsed.text + " ".join(value for _, value in parsed.attributes)
    assert "<script>alert(1)" in seen


def test_text_that_runs_from_right_to_left_is_isolated() -> None:
    assert "<bdi>שלום &lt;b&gt;${alert(5)}&lt;/b&gt; {{x}}</bdi>" in explanation_html(evil_terms())
    assert f"<bdi>{'שלום'}</bdi>" in hubness_html(report(hubs_before=[(1, "שלום", 2)]))


# ── timings and traces ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_bar_is_shared_out_as_the_milliseconds_are() -> None:
    markup = latency_html({"encode": 10.0, "bm25": 30.0, "total": 50.0}, [stage("bm25", "retriever")])
    assert [float(part) for part in styles(markup, "flex-grow")] == [0.2, 0.6, 0.2]  # encode, bm25, other
    assert [kind for name, kind in Parsed(markup).attributes if name == "class"][2:5] == [
        "wb-k-rest",
        "wb-k-retriever",
        "wb-k-rest",
    ]
    text = Parsed(markup).text
    assert "encode 10.0" in text and "bm25 30.0" in text and "other 10.0" in text and "total 50.0 ms" in text


def test_what_was_kept_is_said_and_what_took_no_time_is_left_out() -> None:
    markup = latency_html(
        {"load": 0.01, "rrf": 0.2, "total": 0.2}, [stage("bm25", "retriever", True), stage("rrf", "fusion")]
    )
    text = Parsed(markup).text
    assert "bm25 kept" in text and "load" not in text and "other" not in text
    assert "nothing was searched" in markup


def test_no_timings_no_bar() -> None:
    assert latency_html({}) == ""
    assert "total" in latency_html({"total": 0.0})


def test_a_trace_names_every_stage_and_its_gaps() -> None:
    stages = {"bm25": Stage(9, 1), "rrf": Stage(3, 1), "rerank": Stage(1, 1)}
    assert trace_text(stages, ORDER) == "bm25 9 → minilm – → rrf 3 → rerank 1"
    markup = trace_html(stages, ORDER)
    assert dict(Parsed(markup).attributes)["title"] == "bm25 9 → minilm – → rrf 3 → rerank 1"
    assert Parsed(markup).text == "9›–›3›1"
    assert markup.count("<circle") == 3 and markup.count("wb-absent") == 1


def test_a_single_stage_has_no_trace() -> None:
    assert trace_html({"bm25": Stage(1, 1)}, ["bm25"]) == ""


def test_the_best_rank_is_on_top_and_all_stay_inside_the_picture() -> None:
    heights = [height_of(rank) for rank in (1, 2, 10, 30, 5000)]
    assert heights == sorted(heights) and heights[0] == 3 and heights[3] == heights[4] == 15
    assert heights[1] - heights[0] == pytest.approx(12 * np.log(2) / np.log(30))
    xs = [float(x) for x in re.findall(r'cx="([\d.]+)"', spark([1, 2, 3]))]
    assert xs == [3, 40, 77]


# ── terms ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_term_shows_its_product_and_its_share_of_the_score() -> None:
    why = Why(terms=[term("fish", 2, 3), term("river", 1, 2)], query_terms=[term("fish", 2), term("river", 1)], score=8)
    markup = explanation_html(why, "fish river")
    text = Parsed(markup).text
    assert "fish2.00 × 3.006.0075 %" in text and "river1.00 × 2.002.0025 %" in text and "score8.00" in text
    assert styles(markup, "--w")[:2] == ["75.0", "25.0"]


def test_expansion_terms_are_told_from_those_of_the_query() -> None:
    why = Why(
        terms=[term("fish", 2, 3)],
        query_terms=[term("fish", 2), term("trout", 1), term("##ing", 0.5), term("river", 0.4)],
        score=6,
    )
    markup = explanation_html(why, "Fishing in a RIVER")
    chips = {chip.split("<bdi>")[1].split("<")[0]: chip for chip in markup.split('<span class="wb-term')[1:5]}
    kinds = {name: (" wb-hit" in chip.split('"')[0], " wb-added" in chip.split('"')[0]) for name, chip in chips.items()}
    assert kinds == {"fish": (True, False), "trout": (False, True), "##ing": (False, False), "river": (False, False)}
    assert "4 terms · 1 matched · 1 added by the encoder" in Parsed(markup).text
    assert [float(width) for width in styles(markup, "--w")[1:5]] == [100, 50, 25, 20]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("fish", True),
        ("fishing", True),
        ("ing", False),
        ("##ing", True),
        ("▁river", True),
        ("iver", False),
        ("happi", True),
    ],
)
def test_whether_a_query_has_a_term(name: str, found: bool) -> None:
    assert asked(name, words_of("Happy fishing, in a River!")) is found


def test_many_expansion_terms_fold() -> None:
    why = Why(query_terms=[term(f"t{n}", 100 - n) for n in range(75)])
    markup = explanation_html(why)
    assert "15 weaker terms" in markup and "No term of the query occurs in this document" in markup
    assert "t74" in markup


def test_an_encoder_without_parts_says_so() -> None:
    assert "one vector for a text" in explanation_html(Why("none"))
    text = Parsed(explanation_html(Why("none", note="BM25 has no query."))).text
    assert text == "BM25 has no query."
    assert "one vector" in explanation_html(Why("tokens", similarities=np.zeros((0, 3))))


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────

QUERY, DOCUMENT = ["fish", "##es"], ["[CLS]", "small", "fish", ".", "dive", "##s"]
SIMILARITIES = np.array([[0.1, 0.2, 0.9, 0.0, 0.3, 0.1], [0.1, 0.2, 0.4, 0.0, 0.3, 0.5]])


def test_each_query_token_shows_its_best_match_and_what_it_gives() -> None:
    markup = heat_html(QUERY, DOCUMENT, SIMILARITIES)
    attributes = Parsed(markup).attributes
    said = [value for name, value in attributes if name == "data-said"]
    assert said == [
        "Together: the sum of the best similarity of 2 query tokens, 1.40.",
        "“fish” is most like “fish” (token 3): 0.90 of 1.40.",
        "“es” is most like “s” (token 6): 0.50 of 1.40.",
    ]
    assert [value for name, value in attributes if name == "data-best"] == ["2", "5"]
    numbers = [value for name, value in attributes if name == "data-s"]
    assert numbers == ["10 20 90 0 30 50", "10 20 90 0 30 10", "10 20 40 0 30 50"]


def test_tokens_are_shaded_between_the_lowest_and_the_highest_similarity() -> None:
    markup = heat_html(QUERY, DOCUMENT, SIMILARITIES)
    tokens = markup.split('aria-label="Tokens of the document">')[1].split("</div>")[0]
    largest = np.array([0.1, 0.2, 0.9, 0.0, 0.3, 0.5])
    assert [float(each) for each in styles(tokens, "--h")] == pytest.approx((largest / 0.9) ** 2, abs=5e-4)
    assert Parsed(tokens).text == "[CLS] small fish. dives"
    assert [value for name, value in Parsed(tokens).attributes if name == "title"][5] == "0.50 with “es”"


def test_a_mean_is_told_from_a_sum() -> None:
    assert "the mean of the best similarity of 2 query tokens, 0.70." in heat_html(QUERY, DOCUMENT, SIMILARITIES, 0.7)
    assert "0.90, which adds 0.450 of 0.70" in heat_html(QUERY, DOCUMENT, SIMILARITIES, 0.7)
    assert "the sum of the best similarity of 2 query tokens, 1.40." in heat_html(QUERY, DOCUMENT, SIMILARITIES, 1.4)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["un", "##believ", "##able", ",", "yes"], "unbelievable, yes"),
        (["▁un", "believ", "able", "▁yes"], "unbelievable yes"),
        (["Un", "believable", "Ġyes"], "Unbelievable yes"),
        (["##s", "a"], "s a"),
        (["[CLS]", "a", "[SEP]"], "[CLS] a [SEP]"),
        ([], ""),
    ],
)
def test_pieces_are_joined_to_words(tokens: list[str], text: str) -> None:
    values = np.linspace(0, 1, len(tokens))[None]
    drawn = heat_html(["q"], tokens, values) if tokens else ""
    shown = drawn.split('aria-label="Tokens of the document">')[1].split("</div>")[0] if drawn else ""
    assert Parsed(shown).text == text
    assert len(gaps(tokens)) == len(tokens)


def test_a_masked_token_does_not_stretch_the_scale() -> None:
    markup = heat_html(["q"], ["a", "b", "c"], np.array([[0.2, -np.inf, 0.8]]))
    assert 'data-low="0.2000" data-high="0.8000"' in markup
    assert "inf" not in markup and "nan" not in markup


def test_of_a_long_document_the_rest_is_counted() -> None:
    values = np.zeros((1, 2300), np.float32)
    values[0, 2200] = 1
    markup = heat_html(["q"], ["w"] * 2300, values)
    assert markup.count('class="wb-tok"') == 2000 and "300 more tokens not drawn" in markup
    assert "(token 2201): 1.00 of 1.00" in markup


# ── depths, windows, hubs, memory ────────────────────────────────────────────────────────────────────────────────────


def test_depths_are_drawn_and_written() -> None:
    effects = [effect(5, moved_in=0, overlap_with_none=1.0, milliseconds=61), effect(50, moved_in=4, milliseconds=1240)]
    markup = depth_html(effects, 10)
    cells = re.findall(r"<td>(.*?)</td>", markup)
    assert cells == ["5", "0", "1.00", "0.50", "61", "50", "4", "0.80", "0.50", "1.2 s"]
    heads = re.findall(r'<th scope="col">(.*?)</th>', markup)
    assert (
        heads[:3] == ["documents reranked", "moved into the top 10", "overlap@10 with no reranking"] and len(heads) == 5
    )
    assert 'points="25.00,0.00 75.00,20.00"' in markup  # overlap with none: 1.0, then 0.8
    assert 'points="25.00,50.00 75.00,50.00"' in markup
    assert styles(markup, "height") == ["0.0", "100.0", "4.9", "100.0"]
    assert "nDCG" not in markup


def test_ndcg_is_a_third_line_where_it_was_judged() -> None:
    markup = depth_html([effect(5, ndcg=0.25), effect(10), effect(20, ndcg=0.5)], 10)
    assert markup.count("<polyline") == 3 and "nDCG@10" in markup
    assert 'class="wb-l-ndcg" points="16.67,75.00 83.33,50.00"' in markup
    assert "not judged" in markup


def test_no_depths_no_chart() -> None:
    assert "No depth to compare" in depth_html([], 10)


def test_repairs_are_counted_and_named() -> None:
    windows = [window(("missing documents",)), window(("missing documents", "wrong form")), window()]
    assert head_text(windows) == "2 of 3 answers repaired: 2 missing documents, 1 wrong form"
    assert head_text([window()]) == "1 answer, none repaired"
    text = Parsed(windows_html(windows)).text
    assert text.count("ranks 5–7") == 3 and text.count("as answered") == 1
    assert windows_html([]) == ""


def test_the_new_order_names_where_each_document_came_from() -> None:
    markup = windows_html([window()])
    assert [value for name, value in Parsed(markup).attributes if name == "title"] == [
        "from 6 to 5", "from 5 to 6", "stays at 7",
    ]  # fmt: skip
    assert "56▲65▼77" in Parsed(markup).text


def test_long_prompts_are_clipped_with_a_button() -> None:
    assert "show all" not in windows_html([window()])
    markup = windows_html([window(prompt="word " * 200, answer="")])
    assert markup.count("data-unclip") == 1 and "1,000 characters" in markup and "(empty)" in markup
    assert len(windows_html([window(prompt="x" * 5_000_000)])) < 30_000


def test_hubs_can_be_opened_and_their_counts_are_shares_of_the_queries() -> None:
    markup = hubness_html(report(hubs_before=[(12, "A hub", 10)], hubs_after=[]))
    attributes = dict(Parsed(markup).attributes)
    assert attributes["data-act"] == "pick" and attributes["data-ordinal"] == "12"
    assert styles(markup, "--w") == ["25.0"]
    text = Parsed(markup).text
    assert "3.00strong hubs" in text and "1.50strong hubs" in text and "None." in text


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (3.0, 1.5, "takes away 50%"),
        (0.3, 0.1, "little to correct"),
        (2.0, 3.0, "worse, by 50%"),
        (2.0, 1.95, "next to"),
    ],
)
def test_what_the_skewness_means(before: float, after: float, words: str) -> None:
    assert words in verdict(before, after)


def test_memory_shows_use_and_limit_and_who_leaves_first() -> None:
    markup = memory_html([("reranker", 64 << 20), ("minilm", 32 << 20)], 128)
    text = Parsed(markup).text
    assert "96 MB of 128 MB" in text and text.index("reranker") < text.index("minilm leaves first")
    assert styles(markup, "width") == ["75.0", "100", "50"]
    attributes = Parsed(markup).attributes
    assert ("value", "128") in attributes and ("data-do", "limit") in attributes and "wb-nearly" not in markup
    empty = memory_html([], 4096)
    assert "Nothing is loaded" in empty and " disabled" in empty
    assert "leaves first</span>" not in memory_html([("one", 5)], 64)
    assert "wb-nearly" in memory_html([("one", 63 << 20)], 64)


@pytest.mark.parametrize("text", ["", "many", "-5", "4.5", "1" * 10])
def test_a_memory_limit_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not a number of megabytes"):
        limit_memory(SimpleNamespace(), text)  # type: ignore[arg-type]
