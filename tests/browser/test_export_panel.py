"""The export panel of the Label page: contradictions stop it and are listed; what it writes is read back from disk."""

import json

import pytest
from label_support import notes_project, open_label

from workbench.judgments import Entry, Verdict
from workbench.workflows.import_labels import Source, import_labels
from workbench.workflows.judging import Judge, judge_many

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def judged(site, tmp_path_factory):
    """A person says n1 of q0 is relevant, n2 and n3 not; a file says n1 is not, and has a query of its own."""
    folder = tmp_path_factory.mktemp("panel")
    with notes_project(site.workspace, "panel", folder) as made:
        said = {"n1": Verdict(3), "n2": Verdict(0), "n3": Verdict(0, True)}
        judge_many(made, Judge("ten", "ann"), [Entry("q0", doc, verdict, {}) for doc, verdict in said.items()])
        (folder / "file.qrels").write_text("q0 0 n1 0\nq1 0 n4 1\nq1 0 n5 0\nq2 0 n6 1\n")
        import_labels(made, "ten", Source(folder / "file.qrels", label_set="file"))
        yield made


def written(project, name):
    rows = [json.loads(line) for line in (project.exports / name).read_text().splitlines()]
    return [(row["query_id"], row["pos_id"], row["neg_id"]) for row in rows]


def test_a_contradiction_stops_and_is_listed_and_a_label_set_decides(page, site, judged):
    open_label(page, site, "panel", "ann", set="ten")
    page.locator("[data-do=export-labels]").click()
    page.locator(".xl-preview").get_by_text("The export would stop").wait_for()
    page.locator(".xl [data-do=export]").click()
    report = page.locator(".xl-report")
    report.get_by_text("1 pair positive and negative at once: nothing was written").wait_for()
    pair = report.locator("tbody tr")
    assert pair.locator("td").all_inner_texts()[:3] == ["bird", "n1 Note 1", "file · imported 0\nlabels · ann 3"]
    assert "set=ten&q=q0&also=n1" in pair.locator("a").get_attribute("href")
    assert list(judged.exports.iterdir()) == []

    report.locator("[data-name=labels]").click()
    report.get_by_text("2 queries", exact=True).wait_for()
    assert report.locator(".note").all_inner_texts() == ["Queries left out: 1 (no negative)."]
    assert written(judged, "ten-flagembedding.jsonl") == [("q0", ["n1"], ["n3", "n2"]), ("q1", ["n4"], ["n5"])]
    fetched = page.request.get(site.url + report.locator("a.btn").get_attribute("href"))
    assert fetched.body() == (judged.exports / "ten-flagembedding.jsonl").read_bytes()
    # The form follows: what it would write next is what was written.
    assert page.locator(".xl [name=prefer]").input_value() == "labels"
    assert page.locator(".xl-preview pre").count() == 2


def test_label_sets_settings_and_a_name_are_chosen_and_an_export_that_cannot_be_says_why(page, site, judged):
    open_label(page, site, "panel", "ann", set="ten")
    page.locator("[data-do=export-labels]").click()
    page.locator(".xl [name='set:file']").uncheck()
    page.wait_for_selector(".xl-preview pre")
    page.locator(".xl [name='spec:negatives']").fill("1")
    page.locator(".xl [name=name]").fill("one.jsonl")
    page.locator(".xl [name=name]").press("Enter")
    page.locator(".xl-report .chip.ok").wait_for()
    assert written(judged, "one.jsonl") == [("q0", ["n1"], ["n3"])]
    page.locator(".xl [name=name]").fill("one.txt")
    page.locator(".xl [name=name]").press("Enter")
    page.locator(".xl-report .chip.bad").wait_for()
    assert "“one.txt” cannot be a flagembedding file. Its name must end in" in page.locator(".xl-report").inner_text()
    assert not (judged.exports / "one.txt").exists()
    page.locator(".xl [data-do=close]").click()
    page.wait_for_selector(".xl, .xl-report", state="detached")
    page.locator("[data-do=export-labels]").click()
    page.locator(".xl-files summary").click()
    assert page.locator(".xl-files a").all_inner_texts()[0] == "one.jsonl"
    page.locator(".xl [name='set:labels']").uncheck()
    page.locator(".xl-set:has([name='set:labels']:not(:checked))").wait_for()
    page.locator(".xl [name='set:file']").uncheck()
    page.locator(".xl-preview").get_by_text("No label set is chosen.").wait_for()
