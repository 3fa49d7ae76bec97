"""What the browser gets of a corpus's text: nothing in it may become markup, and the right words are marked."""

from html.parser import HTMLParser

import numpy as np
import pytest

from ui.components.address import Column, View
from ui.components.column_editor import Choices
from ui.components.columns import head_html
from ui.components.documents import Page, browser_html, document_html, pager_html, search_words
from ui.components.filters import filters_markup
from ui.components.query_bar import Around, bar_html
from ui.components.results import Frame, bar_widths, hits_html, score_text
from ui.components.search_view import examples_html, facts_html, header_html, neighbours_header, results_html
from ui.components.text import clip, highlight, pills, snippet, term_pattern
from ui.session import Place
from workbench.specs import FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.types import Content, Document, Filter, Hit, Ranking, Stage
from workbench.workflows.search import SearchResult, StageResult, System

FRAME = Frame("demo", 3)
EVIL = '<script>alert(1)</script>"\' onmouseover=alert(2) x="${alert(3)}{{value}}`&amp;<img src=x onerror=alert(4)>'
SAFE_TAGS = {
    "ol",
    "li",
    "span",
    "div",
    "button",
    "i",
    "b",
    "bdi",
    "mark",
    "img",
    "p",
    "section",
    "dl",
    "dt",
    "dd",
    "kbd",
}
SAFE_TAGS |= {"details", "summary", "optgroup", "output", "a", "kbd", "svg", "path", "circle", "u"}
SAFE_TAGS |= {"table", "thead", "tbody", "tr", "th", "td", "h2", "h3", "select", "option", "input", "datalist", "label"}


class Parsed(HTMLParser):
    """Tags, attribute names and the visible text of a piece of HTML, as a parser other than our code sees them."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def hit(rank: int = 1, score: float = 0.5, **fields: object) -> Hit:
    document = Document(**{"doc_id": f"d{rank}", "text": "some text", "title": "A title", "ordinal": rank, **fields})
    return Hit(rank, score, document, {"minilm": Stage(rank, score)})


def evil_document() -> Document:
    return Document(EVIL, EVIL, EVIL, None, {EVIL: EVIL, "other": EVIL}, 7)


EVIL_SYSTEM = System(EVIL, EVIL, EVIL, True)
EVIL_PLACE = Place(EVIL, EVIL)
EVIL_COLUMN = Column(
    PipelineSpec((RetrieverSpec(EVIL, EVIL, query_bank=EVIL),) * 2, FusionSpec(), RerankSpec(EVIL)), EVIL
)
NOTHING = Ranking(np.array([], np.int64), np.array([], np.float32))
EVIL_RESULT = SearchResult(
    [],
    {EVIL: 1.0, "total": 2.0},
    Content(EVIL),
    EVIL_COLUMN.pipeline,
    [StageResult(EVIL, "retriever", NOTHING, 1.0, EVIL, EVIL)],
)


EVERY_VIEW = {
    "hits": lambda: hits_html([hit(doc_id=EVIL, text=EVIL, title=EVIL, metadata={EVIL: EVIL})], FRAME),
    "table": lambda: browser_html([evil_document()], FRAME, [EVIL, "other"], ["alert"]),
    "cards": lambda: browser_html([evil_document()], Frame("demo", 3, True), [EVIL], ["script"]),
    "document": lambda: document_html(evil_document(), FRAME, [EVIL], ["alert"], EVIL),
    "filters": lambda: filters_markup([Filter(EVIL, "=", EVIL)], {EVIL: "text"}, EVIL, [(EVIL, 3)]),
    "examples": lambda: examples_html(EVIL, 3, [EVIL]),
    "neighbours": lambda: neighbours_header(evil_document(), EVIL, EVIL, FRAME),
    "warnings": lambda: results_html([], FRAME, "", "", [EVIL]),
    "column": lambda: head_html(0, [EVIL_COLUMN, EVIL_COLUMN], Choices([EVIL_SYSTEM], [EVIL], (), [EVIL])),
    "bar": lambda: bar_html(
        View(EVIL, (EVIL_COLUMN,) * 2, image=EVIL), Around([(EVIL, 3)], [(EVIL, EVIL)]), EVIL_PLACE
    ),
    "facts": lambda: facts_html(EVIL_RESULT, "asked"),
    "trace": lambda: hits_html([hit()], Frame("demo", 3, stages=["minilm", EVIL], grades={"d1": 1})),
}


@pytest.mark.parametrize("view", EVERY_VIEW)
def test_hostile_text_stays_text(view: str) -> None:
    parsed = Parsed(EVERY_VIEW[view]())
    assert set(parsed.tags) <= SAFE_TAGS
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert "alert(1)" in parsed.text + " ".join(value for _, value in parsed.attributes)


def test_hostile_text_is_shown_as_it_is() -> None:
    assert EVIL in Parsed(document_html(evil_document(), FRAME, [])).text


def test_media_addresses_hold_only_numbers_and_a_quoted_name() -> None:
    markup = hits_html([hit(image="../../etc/passwd", ordinal=12)], Frame('a/b"c', 3, True))
    assert dict(Parsed(markup).attributes)["src"] == "/media/a%2Fb%22c/3/12"
    assert "passwd" not in markup


def test_rank_and_score_are_shown_in_order() -> None:
    text = Parsed(hits_html([hit(1, 0.91234, title="First"), hit(2, 0.5, title="Second")], FRAME)).text
    assert text.index("First") < text.index("0.912") < text.index("Second") < text.index("0.500")


def test_a_column_among_others_shows_grades_traces_and_places_for_differences() -> None:
    frame = Frame(
        "demo", 3, stages=["bm25", "minilm", "rrf"], grades={"d1": 2, "d9": 1, "d8": 0}, compact=True, compared=True
    )
    found = Hit(1, 0.5, hit(1).document, {"bm25": Stage(9, 1.0), "rrf": Stage(1, 0.5)})
    markup = hits_html([found, hit(2)], frame)
    parsed = Parsed(markup)
    assert markup.count('class="wb-grade"') == 1 and 'data-grade="2"' in markup
    assert markup.count('class="wb-delta"') == 2 and "wb-compact" in markup
    assert "bm25 9 → minilm – → rrf 1" in dict(parsed.attributes).values() or "bm25 9 → minilm – → rrf 1" in markup
    header = Parsed(header_html([found, hit(2)], 1234, View(k=10), frame)).text
    assert "2 of 1,234, all that match" in header and "1 of 2 relevant" in header


def test_what_the_encoders_got_is_said_where_it_differs() -> None:
    stages = [
        StageResult("bm25", "retriever", NOTHING, 1.0, "history algeria"),
        StageResult("e5", "retriever", NOTHING, 1.0, "history of Algeria", note="truncated: 3 of 9 words"),
        StageResult("rrf", "fusion", NOTHING, 0.1),
    ]
    found = SearchResult([], {"bm25": 1.0, "total": 2.0}, Content("x"), EVIL_COLUMN.pipeline, stages)
    text = Parsed(facts_html(found, "history of Algeria")).text
    assert "sent to bm25: history algeria" in text and "sent to e5" not in text
    assert "e5: truncated: 3 of 9 words" in text


@pytest.mark.parametrize(
    ("score", "shown"), [(0.91234, "0.912"), (-0.25, "-0.250"), (12.3456, "12.35"), (1234.5, "1,234.50")]
)
def test_score_text(score: float, shown: str) -> None:
    assert score_text(score) == shown


@pytest.mark.parametrize(
    ("scores", "widths"),
    [
        ([2.0, 1.0, 0.5], [100, 50, 25]),
        ([1.0, 0.0, -1.0], [100, 50, 0]),
        ([-1.0, -3.0], [100, 0]),
        ([0.0, 0.0], [100, 100]),
        ([], []),
    ],
)
def test_bars_are_relative_to_the_best(scores: list[float], widths: list[float]) -> None:
    assert bar_widths(scores) == widths


@pytest.mark.parametrize(
    ("text", "terms", "marked"),
    [
        ("Cats and CATS, not concatenate", ["cats"], "<mark>Cats</mark> and <mark>CATS</mark>, not concatenate"),
        ("closed-loop", ["closed-loop", "loop"], "<mark>closed-loop</mark>"),
        ("a < b & c", ["b"], "a &lt; <mark>b</mark> &amp; c"),
        ("C++ or C#", ["c++"], "<mark>C++</mark> or C#"),
        ("东京大学", ["东京"], "<mark>东京</mark>大学"),
        ("nothing", [], "nothing"),
        ("amp & amp", ["amp"], "<mark>amp</mark> &amp; <mark>amp</mark>"),
    ],
)
def test_highlight(text: str, terms: list[str], marked: str) -> None:
    assert highlight(text, term_pattern(terms)) == marked


def test_a_snippet_begins_near_the_first_match() -> None:
    text = "filler " * 200 + "the needle is here " + "after " * 400
    window = snippet(text, term_pattern(["needle"]), 300)
    assert window.startswith("… ") and window.endswith(" …")
    assert "needle" in window[:120]
    assert len(window) <= 300 + 4


def test_a_snippet_of_a_short_text_is_the_text_in_one_line() -> None:
    assert snippet("one\n two\t three", None) == "one two three"


def test_ten_megabytes_cost_a_few_kilobytes() -> None:
    huge = "word " * 2_000_000
    assert len(hits_html([hit(text=huge, title=huge, doc_id="x" * 5000)], FRAME)) < 6_000
    assert len(browser_html([Document("d", huge, "t", ordinal=0)], FRAME, [])) < 3_000
    page = document_html(Document("d", huge, "t", ordinal=0), FRAME, [])
    assert len(page) < 120_000
    assert "10,000,000 characters" in Parsed(page).text


def test_missing_fields_are_left_out() -> None:
    text = Parsed(hits_html([hit(title="", text="", doc_id="only-id")], FRAME)).text
    assert "only-id" in text and "None" not in text
    view = Parsed(document_html(Document("d", metadata={"year": None, "kind": ""}, ordinal=0), FRAME, []))
    assert view.text.count("—") == 2 and "None" not in view.text


def test_pills_show_filled_values_and_count_the_others() -> None:
    shown = Parsed(pills({"a": 1, "b": None, "c": True, "d": 2.5, "e": "x", "f": "y", "g": "z"})).text
    assert shown == "a 1c trued 2.5e x+2"


def test_clip_counts_the_ellipsis() -> None:
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("page", "where", "enabled"),
    [
        (Page(0, 50, 5728), "1–50 of 5,728", ["50", "5700"]),
        (Page(5700, 50, 5728), "5,701–5,728 of 5,728", ["0", "5650"]),
        (Page(0, 50, 50), "1–50 of 50", []),
        (Page(0, 50, 0), "0 of 0", []),
        (Page(50, 50, 150), "51–100 of 150", ["0", "0", "100", "100"]),
    ],
)
def test_pager(page: Page, where: str, enabled: list[str]) -> None:
    markup = pager_html(page)
    assert where in Parsed(markup).text
    buttons = [part for part in markup.split("<button")[1:] if "disabled" not in part]
    assert [part.split('data-offset="')[1].split('"')[0] for part in buttons] == enabled


def test_the_words_of_a_document_without_a_title() -> None:
    assert search_words(Document("d", "one two " * 20, "The title")) == "The title"
    assert search_words(Document("d", "one two " * 20)) == " ".join(["one two"] * 6)
