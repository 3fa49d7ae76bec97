"""The form of an export of labels, its preview, the pairs that stop it, what is offered to fetch; training files seen
before they are imported."""

import io
import json
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from label_fixtures import TEXTS, make_ponds, note, rows_of_file, say, write_rows
from typer.testing import CliRunner

from ui.app import build_app
from ui.components.export_labels_form import FORMATS, Asked, asked_before, read_asked
from ui.components.export_labels_report import contested_html, exported_html, stopped_html
from ui.components.export_labels_view import Setup, panel_html, preview_html
from ui.components.import_labels_view import FORMATS as TRAINING_FORMATS
from ui.components.import_labels_view import Goal, labels_preview_markup, labels_report_markup
from ui.session import Place
from workbench.__main__ import app
from workbench.errors import BadInput, NotFound
from workbench.exports.tables import CSV_SAFETY
from workbench.jobs.child import run
from workbench.project import Project, Workspace
from workbench.specs import ExportSpec, LabelChoice
from workbench.workflows import label_files
from workbench.workflows.export_labels import export_labels, list_formats
from workbench.workflows.export_preview import Exportable, contested, exportable, preview_labels
from workbench.workflows.exporting import find_export, list_exports, read_manifest
from workbench.workflows.import_labels import Source, import_labels
from workbench.workflows.label_files import preview_label_file, recognised
from workbench.workflows.training_groups import Contradicted

HOSTILE = '<img src=x onerror="window.broken = 1"> ${1}'
KNOWN = [
    Exportable("qrels", "qrels", 2, True, True),
    Exportable("labels", "person", 5, True, True),
    Exportable(HOSTILE, "proposed", 9, False, True),
    Exportable("half", "imported", 9, True, False),
]


@pytest.fixture
def ponds(project: Project, tmp_path: Path) -> Project:
    make_ponds(project, tmp_path)
    say(project, "me", {("q1", "d3"): None, ("q1", "d4"): 0, ("q2", "d1"): None})
    return project


def setup(known=KNOWN) -> Setup:
    return Setup(["asked"], known, [], list_formats(), True, [("a-beir", 12, 1.0)], "/exports/p")


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_format_is_described_once():
    assert set(FORMATS) == set(list_formats())
    assert set(TRAINING_FORMATS) == set(label_files.FORMATS)
    assert {name for each in FORMATS.values() for name in each.takes} <= set(ExportSpec.__dataclass_fields__)


def test_proposed_sets_rest_until_unreviewed_ones_are_asked_for():
    plain = Asked("asked")
    assert plain.chosen(KNOWN) == ("qrels", "labels")
    wanted = Asked("asked", label_sets=("labels", HOSTILE, "half", "gone"))
    assert wanted.chosen(KNOWN) == ("labels",)
    assert Asked("asked", label_sets=wanted.label_sets, unreviewed=True).chosen(KNOWN) == ("labels", HOSTILE)
    drawn = panel_html(plain, setup(), "")
    assert "disabled><b>&lt;img src=x" in drawn and "<img" not in drawn and "include unreviewed" in drawn
    assert "include unreviewed" not in panel_html(plain, setup(KNOWN[:2]), "")
    with pytest.raises(BadInput, match="No label set"):
        Asked("asked", label_sets=()).choice(KNOWN)


def test_the_form_is_read_as_it_was_sent():
    entered = {
        "query_set": "asked", "shown": "asked", "format": "flagembedding", "set:qrels": "true", "set:labels": "false",
        "prefer": "qrels", "encoder": "minilm", "images": "copy", "name": "mine.jsonl", "usual": "asked-x.jsonl",
        "spec:negatives": "4", "spec:prompt": "query: ", "spec:scores": "true", "spec:type": "only_1neg",
        "spec:split": "",
    }  # fmt: skip
    asked = read_asked(entered)
    assert asked.arguments(KNOWN, "/e") == {
        "query_set": "asked", "format": "flagembedding", "out": "/e/mine.jsonl",
        "choice": LabelChoice(("qrels",), False, ("qrels",), "minilm", "copy").to_dict(),
        "spec": ExportSpec(negatives=4, prompt="query: ", scores=True, type="only_1neg").to_dict(),
    }  # fmt: skip
    # A job's arguments are the form again.
    again = asked_before(asked.arguments(KNOWN, "/e"))
    assert again == replace(asked, settings={n: v for n, v in asked.settings.items() if v})
    # Another format takes what it has a place for; an empty field is no value.
    assert read_asked(entered, "beir").spec() == ExportSpec()
    assert read_asked(entered, "trec").format == "trec"
    # Another query set has other label sets.
    other = read_asked({**entered, "query_set": "more"})
    assert other.label_sets is None and other.query_set == "more"
    # A name that nobody changed is made anew.
    assert read_asked({**entered, "name": "asked-x.jsonl"}).arguments(KNOWN, "/e")["out"] is None
    with pytest.raises(BadInput, match="no format “nothing”"):
        read_asked(entered, "nothing")


@pytest.mark.parametrize("name", ["../x.jsonl", "/etc/x.jsonl", ".x.jsonl", "a/b.jsonl", "a\\b.jsonl", "x" * 130])
def test_a_name_stays_in_the_exports_folder(name):
    with pytest.raises(BadInput, match="cannot be the name"):
        Asked("asked", name=name).arguments(KNOWN, "/e")


def test_settings_out_of_range_are_refused():
    with pytest.raises(BadInput):
        Asked("asked", settings={"negatives": "0"}).spec()
    with pytest.raises(BadInput):
        Asked("asked", settings={"negatives": "many"}).spec()


# ── the preview ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("format", FORMATS)
def test_the_preview_is_what_the_export_writes(ponds, format):
    spec = ExportSpec(negatives=1 if format == "st-ntuple" else None)
    found = preview_labels(ponds, "asked", format, "", LabelChoice(), spec)
    assert list_exports(ponds) == []
    report = export_labels(ponds, "asked", format, spec=spec)
    folder = Path(report.path).parent
    assert [name for name, _ in found.files] == read_manifest(ponds, Path(report.path).name)["files"]
    for name, lines in found.files:
        written = (folder / name).read_text().splitlines()[:3]
        if name.endswith(".jsonl"):
            assert list(map(json.loads, lines)) == list(map(json.loads, written))
        else:
            assert lines == written


def test_the_preview_cuts_long_texts_and_lists_and_leaves_every_field(project, tmp_path):
    make_ponds(project, tmp_path)
    rows = [{"query": "q " * 300, "pos": ["x" * 500], "neg": [f"n{n}" for n in range(9)]}]
    import_labels(project, "long", Source(write_rows(tmp_path / "t.jsonl", rows)))
    ((_, lines),) = preview_labels(project, "long", "flagembedding", "", LabelChoice(), ExportSpec()).files
    row = json.loads(lines[0])
    assert len(row["query"]) == 121 and row["query"].endswith("…") and len(row["pos"][0]) == 121
    assert len(row["neg"]) == 5 and row["neg"][4] == "… 5 more" and row["type"] == "normal"


def test_the_preview_finds_late_rows_and_says_where_it_stopped_looking(ponds, monkeypatch):
    """q1 has a positive only; with one query to look at, q2's row is out of sight, but not gone."""
    note(ponds, "late", "imported", {("q1", "d1"): 1, ("q2", "d3"): 1, ("q2", "d5"): None})
    choice = LabelChoice(("late",))
    found = preview_labels(ponds, "asked", "flagembedding", "", choice, ExportSpec())
    assert json.loads(found.files[0][1][0])["query"] == "what is dry?"
    assert (found.queries, found.left_out) == (2, {"no negative": 1})
    monkeypatch.setattr("workbench.workflows.export_preview.LOOKED_AT", 1)
    with pytest.raises(BadInput, match="None of the first 1 judged queries would have a row"):
        preview_labels(ponds, "asked", "flagembedding", "", choice, ExportSpec())


def test_the_preview_stops_at_the_first_contradiction_and_says_who_said_what(ponds):
    say(ponds, "me", {("q1", "d1"): 0, ("q2", "d3"): None})
    with pytest.raises(Contradicted) as caught:
        preview_labels(ponds, "asked", "trec", "", LabelChoice(), ExportSpec())
    assert caught.value.details == {"contradictions": 1, "pairs": [["q1", ["d1"]]]}
    with pytest.raises(Contradicted) as caught:
        export_labels(ponds, "asked", "trec")
    assert caught.value.details == {"contradictions": 2, "pairs": [["q1", ["d1"]], ["q2", ["d3"]]]}
    found = contested(ponds, "asked", caught.value.details["pairs"], ["qrels", "labels"])
    listed = [(each.query.query_id, each.documents) for each in found]
    assert listed == [("q1", [("d1", "Ducks")]), ("q2", [("d3", "Sand")])]
    assert [(row.label_set, row.verdict.relevance) for row in found[0].said] == [("labels", 0), ("qrels", 2)]
    drawn = contested_html(found, 2, Place("p", "ponds"), "asked")
    assert "labels · me <b>0</b>" in drawn and "labels · me <b>hard negative</b>" in drawn
    assert "/label?project=p&amp;corpus=ponds&amp;set=asked&amp;q=q1&amp;also=d1" in drawn
    assert stopped_html("", 2, ["qrels", "labels"], "j").count("data-do='prefer'") == 2


def test_a_contradiction_by_text_names_both_documents(ponds):
    say(ponds, "me", {("q1", "d2"): 1, ("q1", "d6"): None})
    with pytest.raises(Contradicted) as caught:
        export_labels(ponds, "asked", "flagembedding")
    assert caught.value.details["pairs"] == [["q1", ["d2", "d6"]]]
    (found,) = contested(ponds, "asked", caught.value.details["pairs"], ["labels"])
    assert "the same text" in contested_html([found], 1, Place("p", "ponds"), "asked")


def test_a_job_that_contradictions_stop_keeps_the_pairs(tmp_path):
    made = Workspace(tmp_path / "w").create("p")
    folder = tmp_path / "s"
    folder.mkdir()
    make_ponds(made, folder)
    say(made, "me", {("q1", "d1"): None})
    made.close()
    ended = {}

    class Store:
        def report(self, *given, **values):
            return "go"

        def finish(self, id, attempt, state, **values):
            ended.update(values, state=state)

    order = {"id": "j", "attempt": 1, "workspace": str(tmp_path / "w"), "project": "p", "device": "cpu"}
    order |= {"kinds": "workbench.jobs.kinds:KINDS", "kind": "export-labels"}
    run({**order, "arguments": {"query_set": "asked", "format": "trec"}}, Store())
    assert ended["state"] == "failed" and "q1 / d1" in ended["error"]
    assert ended["result"] == {"contradictions": 1, "pairs": [["q1", ["d1"]]]}


def test_label_sets_are_offered_with_their_sizes(ponds):
    note(ponds, "mined", "proposed", {("q3", "d4"): None})
    assert [asdict(each) for each in exportable(ponds, "asked")] == [
        {"name": "qrels", "kind": "qrels", "judgments": 2, "usual": True, "ready": True},
        {"name": "labels", "kind": "person", "judgments": 3, "usual": True, "ready": True},
        {"name": "mined", "kind": "proposed", "judgments": 1, "usual": False, "ready": True},
    ]


def test_a_preview_and_names_are_escaped(ponds):
    found = preview_labels(ponds, "asked", "csv", "x&y.csv", LabelChoice(), ExportSpec())
    assert found.files[0][0] == "x&y.csv"
    hostile = type(found)([(HOSTILE, [HOSTILE])], 1, {HOSTILE: 2})
    assert "<img" not in preview_html(hostile)


# ── scores, files to fetch, manifests ────────────────────────────────────────────────────────────────────────────────


def test_negatives_that_outrank_a_positive_are_counted(ponds):
    note(ponds, "mined", "proposed", {("q1", "d5"): None}, {"score": 0.9, "positive_score": 0.8})
    note(ponds, "mild", "proposed", {("q1", "d6"): None}, {"score": 0.7, "positive_score": 0.8})
    choice = LabelChoice(("qrels", "mined", "mild"), include_unreviewed=True)
    report = export_labels(ponds, "asked", "flagembedding", choice=choice)
    assert report.outranking == 1
    warning = report.warnings[-1]
    assert warning == "Negatives that scored higher than a positive of their query, and may be positives: 1 (q1 / d5)."


def test_imported_scores_outrank_by_the_lowest_positive(project, tmp_path):
    rows = [{"query": "q", "pos": ["a", "b"], "neg": ["c", "d"], "pos_scores": [0.9, 0.4], "neg_scores": [0.5, 0.4]}]
    import_labels(project, "scored", Source(write_rows(tmp_path / "t.jsonl", rows)))
    assert export_labels(project, "scored", "flagembedding").outranking == 1


def test_a_folder_is_offered_and_fetched_as_an_archive(tmp_path):
    made = Workspace(tmp_path / "w").create("p")
    folder = tmp_path / "s"
    folder.mkdir()
    make_ponds(made, folder)
    export_labels(made, "asked", "trec")
    report = export_labels(made, "asked", "beir")
    (made.exports / "stray").mkdir()
    (made.exports / "asked-beir" / "link").symlink_to("/etc/hostname")
    (made.exports / "elsewhere").symlink_to("/etc")
    names = {name: size for name, size, _ in list_exports(made)}
    files = ["corpus.jsonl", "qrels/test.tsv", "queries.jsonl"]
    sizes = [(made.exports / "asked-beir" / name).stat().st_size for name in files]
    assert set(names) == {"asked-beir", "asked-trec.qrels"} and names["asked-beir"] == sum(sizes) == report.bytes
    with pytest.raises(NotFound):
        find_export(made, "elsewhere")
    client = TestClient(build_app(tmp_path / "w"), base_url="http://127.0.0.1")
    answer = client.get("/exports/p/asked-beir")
    assert answer.headers["content-disposition"].endswith("asked-beir.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [f"asked-beir/{name}" for name in files]
        for name in files:
            assert archive.read(f"asked-beir/{name}") == (made.exports / "asked-beir" / name).read_bytes()
    assert client.get("/exports/p/elsewhere").status_code == 404
    drawn = exported_html(asdict(report), read_manifest(made, "asked-beir"), "/exports/p")
    assert "Download as a ZIP archive" in drawn and "It holds qrels/test.tsv, queries.jsonl, corpus.jsonl." in drawn
    made.close()


def test_the_report_counts_and_links_what_lies_beside(ponds):
    report = export_labels(ponds, "asked", "st-triplet", spec=ExportSpec(negatives=2))
    drawn = exported_html(asdict(report), read_manifest(ponds, "asked-st-triplet.jsonl"), "/exports/p")
    assert "/exports/p/asked-st-triplet.jsonl.ids.jsonl" in drawn and ">manifest</a>" in drawn
    assert "<span>2 queries</span><span>3 rows</span>" in drawn
    assert "<div class='note warn'>Queries with fewer negatives than were asked for: 1.</div>" in drawn
    hostile = {**asdict(report), "warnings": [HOSTILE]}
    assert "<img" not in exported_html(hostile, read_manifest(ponds, "asked-st-triplet.jsonl"), "/exports/p")


def test_the_manifest_of_a_csv_tells_of_the_quotes(ponds):
    export_labels(ponds, "asked", "csv")
    assert read_manifest(ponds, "asked-csv.csv")["csv_safety"] == CSV_SAFETY
    export_labels(ponds, "asked", "trec")
    assert "csv_safety" not in read_manifest(ponds, "asked-trec.qrels")


# ── training files before their import ───────────────────────────────────────────────────────────────────────────────

IMAGED = {"query": "q", "pos": ["x"], "neg": ["y", "z"], "query_image": "q.webp", "pos_images": ["x.webp"],
          "neg_images": ["", "z.webp"]}  # fmt: skip


def test_images_of_a_training_file_are_counted_and_told(project, tmp_path):
    path = write_rows(tmp_path / "t.jsonl", [IMAGED, {**IMAGED, "pos": "x"}])
    report = import_labels(project, "pictures", Source(path))
    assert report.images == 3 and report.skipped == 1
    assert "3 images in “query_image”, “pos_images”, “neg_images” were not read" in report.warnings[-1]
    assert import_labels(project, "pictures", Source(path)) == report
    plain = write_rows(tmp_path / "u.jsonl", [{"query": "q", "pos": ["x"], "neg": ["y"]}])
    assert import_labels(project, "plain", Source(plain)).images == 0
    done = CliRunner().invoke(app, ["--json", "--project", str(project.folder), "import-labels", "more", str(path)])
    assert json.loads(done.stdout)["images"] == 3


@pytest.mark.parametrize(
    ("name", "row", "wanted"),
    [
        ("t.jsonl", {"query": "q", "pos": ["x"]}, True),
        ("t.jsonl", {"anchor": "q", "positive": "x", "negative": "y"}, True),
        ("t.jsonl", {"sentence1": "q", "sentence2": "x", "score": 1}, False),
        ("t.jsonl", {"query_id": "q", "doc_id": "x", "relevance": 1}, True),
        ("t.jsonl", {"id": "1", "title": "a", "text": "b"}, False),
        ("t.jsonl", {"text": "b"}, False),
        ("t.txt", {"text": "b"}, False),
        ("t.qrels", {}, True),
    ],
)
def test_only_what_leaves_no_doubt_is_taken_for_a_training_file(tmp_path, name, row, wanted):
    path = write_rows(tmp_path / name, [row])
    assert recognised(path) is wanted
    assert not recognised(tmp_path / "missing.jsonl") and not recognised(tmp_path)


def test_a_training_file_is_seen_before_it_is_imported(project, tmp_path):
    make_ponds(project, tmp_path)
    rows = [{"query": HOSTILE, "pos": [TEXTS["d1"]], "pos_id": ["d1"], "neg": [HOSTILE], "neg_id": ["d3"]}]
    path = write_rows(tmp_path / "t.jsonl", [*rows, {"query": "q", "pos": "x"}])
    found = preview_label_file(project, path, corpus="ponds")
    assert (found.format, found.rows, found.fits, found.has_texts) == ("flagembedding", 2, True, True)
    assert [row.where for row in found.skipped] == ["line 2"]
    assert not preview_label_file(project, path).fits
    drawn = labels_preview_markup(found, str(path), Goal("t", "ponds"), ["ponds"], {"asked": "ponds"})
    assert "<img" not in drawn and "1 row skipped" in drawn and '<option value="ponds" selected>' in drawn
    (tmp_path / "t.qrels").write_text("q1 0 d1 1\n")
    qrels = preview_label_file(project, tmp_path / "t.qrels")
    assert qrels.format == "trec" and not qrels.has_texts
    assert "choose the corpus" in labels_preview_markup(qrels, "t", Goal("t"), [], {})
    with pytest.raises(BadInput, match="no file or folder"):
        preview_label_file(project, tmp_path / "gone.jsonl")


def test_the_report_of_an_import_leads_to_its_contradictions(project, tmp_path):
    rows = [{"query": "q", "pos": ["x"], "neg": ["x", "y"]}]
    report = import_labels(project, "twice", Source(write_rows(tmp_path / "t.jsonl", rows)))
    drawn = labels_report_markup(asdict(report), Place("p", report.corpus))
    ((query, document),) = report.contradicting
    assert f"q={query}&amp;also={document}" in drawn and "1 pair positive and negative in the file" in drawn
    assert len(rows_of_file(tmp_path / "t.jsonl")) == 1
