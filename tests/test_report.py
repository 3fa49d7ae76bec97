"""Exports of an evaluation: the report as one safe offline file with the right figures, CSV and JSON."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from evaluate_fixtures import COUNT, make_pairs, place_run, three_runs
from fastapi.testclient import TestClient

from ui.app import build_app
from ui.components.report_html import pretty, report_html
from ui.components.report_words import measure_words, pipeline_words
from workbench.project import Workspace
from workbench.specs import FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.workflows.evaluate import Point, compare, evaluate
from workbench.workflows.report import Asked, as_json, failing, make_report, means_csv, points_of, queries_csv

EVIL = "<img src=x onerror=alert(1)>\"'"
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Reader(HTMLParser):
    """The elements of a document, its text, and whether every element is closed in its order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def evaluation(project, tmp_path):
    three_runs(project, tmp_path)
    return evaluate(project, ["second", "first", "mixed"], "RR@10 P@5")


@pytest.fixture
def made(project, evaluation):
    asked = Asked("second", "mixed", "RR@10", f"Which one? {EVIL}", f"Is it better?\n{EVIL}")
    return make_report(project, evaluation, compare(evaluation, "second"), asked)


def read(markup):
    reader = Reader()
    reader.feed(markup)
    assert reader.open == []
    return reader


def test_the_data_of_a_report(made):
    assert made.corpus["name"] == "pairs"
    low, high = made.intervals["second"]["RR@10"]
    assert (low, high) == (0.5, 0.5)  # every query has the same value
    low, high = made.intervals["mixed"]["RR@10"]
    assert 0.2 < low < 1.45 / 3 < high < 1
    assert made.paired.difference[0] == pytest.approx(-0.3)
    assert [each.query_id for each in made.samples] == [f"q{n}" for n in (3, 6, 9, 12, 15, 18, 21, 24)]
    worst = made.samples[0]
    assert (worst.baseline, worst.other) == pytest.approx((0.5, 0.2))
    assert (worst.gold[0].doc_id, worst.gold[0].ranks) == ("d3", {"second": 2, "first": 1, "mixed": 5})
    assert worst.texts == {"d3": "T3 — thing number 3 (3)"}
    assert made.versions["numpy"]
    assert [each.name for each in points_of(made.evaluation, "RR@10")] == ["second", "first", "mixed"]


def test_the_report_says_what_was_found(made):
    text = " ".join(read(report_html(made)).text)
    assert "No significant difference between “mixed” and “second” in RR@10 was shown" in text
    assert "The highest RR@10 is that of “first”: 1.0000" in text
    assert "second (the baseline): rankings read from the file “placed.trec”" in re.sub(r"\s+", " ", text)
    for value in (
        "0.5000",
        "1.0000",
        "0.4833",
        "▲ significantly better",
        "○ not significant",
        "corrected p below 0.05",
    ):
        assert value in text
    assert "24 of 24 queries have judgments" in text
    assert "options.drop_self: false" in text
    assert f"{made.versions['numpy']}" in text


def test_the_report_names_the_quickest(made):
    points = [Point("second", 0.5, 2.0), Point("first", 1.0, 12.0), Point("mixed", 0.4833, None)]
    text = " ".join(read(report_html(replace(made, points=points, front=[True, True, False]))).text)
    assert "The quickest is “second”: 2 ms a query where many are asked at once, with RR@10 0.5000." in text
    assert "quickest" not in " ".join(read(report_html(made)).text)


def test_the_report_is_one_file_that_runs_and_fetches_nothing(made):
    markup = report_html(made)
    reader = read(markup)
    names = {name for name, _ in reader.elements}
    assert not names & {"script", "img", "link", "iframe", "object", "form", "a", "base"}
    for _, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "srcdoc")]
    assert "default-src 'none'" in next(
        each["content"] for _, each in reader.elements if each.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search(r"<style>(.*?)</style>", markup, re.DOTALL).group(1)
    assert not re.search(r"url\(|@import", style)
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_text_of_the_corpus_and_of_people_stays_text(project, tmp_path, evaluation):
    # The query and the document that try to inject lose here, so that both are in the samples.
    place_run(project, tmp_path, "late", [5] + [2] * (COUNT - 1))
    found = evaluate(project, ["second", "late"], "RR@10")
    asked = Asked("second", "late", "RR@10", EVIL, EVIL)
    markup = report_html(make_report(project, found, compare(found, "second"), asked))
    read(markup)
    assert "window.broken" in markup
    assert "<script" not in markup
    assert "<img" not in markup
    assert markup.count("&lt;img src=x onerror=alert(1)&gt;") == 3  # title twice, question


def test_a_report_of_one_run_and_one_without_judgments(project, tmp_path, evaluation):
    alone = evaluate(project, ["first"], "RR@10")
    markup = report_html(make_report(project, alone, compare(alone, "first"), Asked("first", "first", "RR@10")))
    assert "Evaluation of search on pairs" in markup
    assert "Differences from the baseline" not in markup
    assert "Queries that fail" not in markup  # it is right everywhere
    read(markup)


def test_a_report_without_judgments_says_so(project, tmp_path):
    make_pairs(project, tmp_path, judged=False)
    place_run(project, tmp_path, "only", [1] * COUNT)
    found = evaluate(project, ["only"], "RR@10")
    markup = report_html(make_report(project, found, [], Asked("only", "only", "RR@10")))
    assert "No query has a judgment yet, so nothing could be measured." in markup
    read(markup)


def test_json_has_every_value(evaluation):
    told = json.loads(json.dumps(as_json(evaluation, compare(evaluation, "second")), allow_nan=False))
    assert told["query_ids"] == [f"q{n}" for n in range(1, COUNT + 1)]
    values = {each["run"]: each["values"]["RR@10"] for each in told["runs"]}
    assert values["mixed"][:3] == pytest.approx([1.0, 0.25, 0.2])
    assert [each["significant"] for each in told["comparisons"] if each["measure"] == "RR@10"] == [True, False]
    assert told["runs"][0]["means"]["P@5"] == pytest.approx(0.2)


def test_csv_of_means_and_of_queries(project, evaluation):
    rows = list(csv.DictReader(io.StringIO(means_csv(evaluation, compare(evaluation, "second")))))
    assert len(rows) == 6
    first = next(row for row in rows if row["run"] == "first" and row["measure"] == "RR@10")
    assert (float(first["mean"]), float(first["difference"]), first["wins"]) == (1.0, 0.5, str(COUNT))
    base = next(row for row in rows if row["run"] == "second")
    assert base["difference"] == ""
    queries = list(csv.DictReader(io.StringIO(queries_csv(project, evaluation))))
    assert [float(row["mixed RR@10"]) for row in queries[:3]] == pytest.approx([1.0, 0.25, 0.2])
    assert queries[1]["query_id"] == "q2"


def test_no_cell_becomes_a_formula(project, tmp_path):
    make_pairs(project, tmp_path)
    place_run(project, tmp_path, "plain", [1] * COUNT)
    with project.db.write() as connection:
        connection.exec_driver_sql("UPDATE queries SET text = '=HYPERLINK(1)' WHERE query_id = 'q2'")
    found = queries_csv(project, evaluate(project, ["plain"], "RR@10"))
    assert "q2,'=HYPERLINK(1)" in found


def test_measures_and_pipelines_in_plain_words():
    assert measure_words("R@100") == "the share of all relevant documents that was found (among the first 100)."
    assert measure_words("nDCG(dcg='exp-log2')@10").endswith("(among the first 10).")
    assert measure_words("AP").endswith("early gives 1.")
    assert measure_words("ERR@5") == "as ir-measures defines it (among the first 5)."
    both = PipelineSpec((RetrieverSpec("bm25"), RetrieverSpec("m", "Flat")), FusionSpec("dbsf"), RerankSpec("x", 20))
    assert pipeline_words(both) == (
        "searches with bm25 and m through the index Flat, joins their lists by dbsf, has x order the first 20 again"
    )


def test_settings_as_lines():
    assert (
        pretty({"a": {"b": [{"c": 1}, {"c": None}]}, "d": "x", "e": []}) == "a.b[1].c: 1\na.b[2].c: null\nd: x\ne: []"
    )


def test_the_addresses_hand_out_attachments(tmp_path):
    made = Workspace(tmp_path / "w").create("p")
    three_runs(made, tmp_path)
    made.close()
    client = TestClient(build_app(tmp_path / "w"), base_url="http://127.0.0.1")
    query = {"corpus": "pairs", "set": "wanted", "measures": "RR@10", "title": EVIL}
    for name in ("report.html", "means.csv", "queries.csv", "evaluation.json"):
        answer = client.get(f"/evaluating/p/{name}", params=query)
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    lines = client.get("/evaluating/p/run/1.trec").text.splitlines()
    assert len(lines) == COUNT * 5
    assert lines[1].split()[:4] == ["q1", "Q0", "d1", "2"]
    for path, status in {
        "/evaluating/none/means.csv": 404,
        "/evaluating/p/means.csv?corpus=pairs&measures=nonsense": 400,
        "/evaluating/p/means.csv?corpus=pairs&labels=nobody": 404,
        "/evaluating/p/run/99.trec": 404,
        "/evaluating/p/run/99999999999999999999999.trec": 404,
        "/evaluating/p/other.html": 404,
    }.items():
        assert client.get(path).status_code == status, path


def test_samples_are_what_is_lost_then_what_is_low(evaluation):
    # “first” loses nothing and is perfect; “second” against “mixed” loses where mixed has rank 1, then is never low.
    assert failing(evaluation, Asked("second", "first", "RR@10")) == []
    lost = failing(evaluation, Asked("mixed", "second", "RR@10"))
    assert lost == [0, 3, 6, 9, 12, 15, 18, 21]
    assert failing(evaluation, Asked("mixed", "mixed", "RR@10"), 3) == [2, 5, 8]
