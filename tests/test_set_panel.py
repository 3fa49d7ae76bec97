"""The Corpus page's test sets: where each query comes from, what the forms ask of a job, text that stays text."""

import json
from types import SimpleNamespace

import gradio as gr
import pytest

from ui.components.test_set_view import made_html, panel_html, queries_html
from ui.components.test_sets import SetForms
from ui.session import Place
from workbench.errors import BadInput, NotFound
from workbench.query_sets import delete, find
from workbench.specs import RecipeSpec, VarySpec
from workbench.workflows.corpus import get_corpus, import_corpus, import_queries, list_query_sets
from workbench.workflows.query_origins import QueryOrigin, query_origins, set_origin
from workbench.workflows.test_sets import make_test_set, vary_queries

EVIL = "<script>alert(1)</script>\"'"
PLACE = Place("p", "code")
ROWS = [
    {"id": "f", "title": "fold", "text": "def fold(): pass", "docstring": "Fold a sheet of paper"},
    {"id": "g", "title": "glue", "text": "def glue(): pass", "docstring": "Fold a sheet of paper"},
    {"id": "h", "title": EVIL, "text": "def cut(): pass", "docstring": f"Cut the sheet {EVIL}"},
]


@pytest.fixture
def code(project, tmp_path):
    (tmp_path / "code.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "asked.jsonl").write_text('{"id": "q1", "text": "how to fold"}\n')
    import_corpus(project, "code", tmp_path / "code.jsonl")
    import_queries(project, "asked", tmp_path / "asked.jsonl", "code")
    make_test_set(project, "code", "docs", RecipeSpec("column", column="docstring"))
    make_test_set(project, "code", "titles", RecipeSpec("title"))
    return project


def origins(project, name):
    return [(each.text, each.origin, each.before) for each in query_origins(project, name)]


def test_every_query_says_where_it_comes_from(code):
    assert origins(code, "docs") == [
        ("Fold a sheet of paper", "column docstring of f, g", ""),
        (f"Cut the sheet {EVIL}", "column docstring of h", ""),
    ]
    assert origins(code, "titles")[0] == ("fold", "title of f", "")
    assert origins(code, "asked") == [("how to fold", "file asked.jsonl", "")]
    assert set_origin(find(code.db, "docs")) == "made of code@1: column docstring"
    assert set_origin(find(code.db, "titles")) == "made of code@1: titles"
    assert query_origins(code, "docs", 1, 5)[0].query_id == "column-2"


def test_a_variant_shows_what_its_query_was(code):
    vary_queries(code, "docs", "loud", VarySpec(("uppercase",)))
    assert origins(code, "loud")[0] == ("FOLD A SHEET OF PAPER", "uppercase of docs", "Fold a sheet of paper")
    vary_queries(code, "asked", "same", VarySpec(("lowercase",)))
    assert origins(code, "same") == [("how to fold", "as in asked", "")]
    delete(code.db, code.media, find(code.db, "docs").id)
    assert origins(code, "loud")[0][1:] == ("uppercase of docs, which is gone", "")
    with pytest.raises(NotFound):
        query_origins(code, "docs")


def test_the_panel_offers_what_the_corpus_has(code):
    markup = panel_html(PLACE, get_corpus(code, "code"), list_query_sets(code, "code"))
    assert "value='caption' disabled" in markup and "value='column'>" in markup
    assert "<option value='docstring'>docstring</option>" in markup
    assert "made of code@1: column docstring" in markup and "Evaluate</a>" in markup
    # Gradio takes what comes under the name “path” for a file, and refuses the event.
    assert "name='path'" not in markup
    only = panel_html(Place("p"), None, [])
    assert "data-do='folder'" in only and "data-do='make'" not in only


def test_text_of_a_corpus_stays_text(code):
    info = find(code.db, "docs")
    markup = queries_html(info, query_origins(code, "docs"), 0)
    markup += queries_html(info, [QueryOrigin(EVIL, EVIL, EVIL, EVIL)], 0)
    markup += made_html("vary-queries", {"query_set": EVIL, "corpus": EVIL, "examples": [[EVIL, EVIL]]}, EVIL)
    assert "<script>" not in markup and markup.count("&lt;script&gt;") >= 8


@pytest.fixture
def forms():
    queued = []
    jobs = SimpleNamespace(enqueue=lambda kind, project, arguments, **more: queued.append((kind, arguments)))
    return SetForms(SimpleNamespace(jobs=jobs)), queued


def act(forms, project, action, **entered):
    event = gr.EventData(None, {"do": action, "fields": entered})
    return forms.act(project, PLACE, event)


def test_the_forms_ask_for_jobs(code, forms, tmp_path):
    panel, queued = forms
    asked = {"recipe": "column", "column": "docstring", "leave_out": "true", "limit": "50", "seed": "1"}
    assert act(panel, code, "make", **asked) is None
    act(
        panel,
        code,
        "vary",
        **{"set": "docs", "kind typos": "true", "kind uppercase": "false", "rate": "25", "seed": "2"},
    )
    act(panel, code, "folder", folder=str(tmp_path / "my set"), split=" ")
    (make, made), (vary, varied), (load, loaded) = queued
    assert (make, vary, load) == ("make-test-set", "vary-queries", "import-test-set")
    # A column is nothing that an encoder reads, so there is nothing to leave out.
    assert RecipeSpec.from_dict(made["recipe"]) == RecipeSpec("column", column="docstring")
    assert (made["corpus"], made["name"], made["limit"], made["seed"]) == ("code", "code-docstring", 50, 1)
    assert VarySpec.from_dict(varied["spec"]) == VarySpec(("typos",), 0.25, 2)
    assert (varied["query_set"], varied["name"]) == ("docs", "docs-typos")
    assert loaded == {"name": "my-set", "path": str(tmp_path / "my set"), "split": None}


def test_a_name_that_is_taken_gets_a_number(code, forms):
    panel, queued = forms
    vary_queries(code, "docs", "docs-typos", VarySpec())
    act(panel, code, "vary", **{"set": "docs", "kind typos": "true", "rate": "30", "seed": "0"})
    assert queued[0][1]["name"] == "docs-typos-2"


@pytest.mark.parametrize(
    ("action", "entered", "words"),
    [
        ("make", {"recipe": "title", "limit": "many", "seed": "0"}, "no number for queries"),
        ("make", {"recipe": "written", "limit": "5", "seed": "0"}, "No model was named"),
        ("vary", {"set": "docs", "rate": "30", "seed": "0"}, "No variation was chosen"),
        ("vary", {"set": "docs", "kind paraphrase": "true", "rate": "30", "seed": "0"}, "No model was named"),
        ("folder", {"folder": " "}, "No folder was named"),
    ],
)
def test_what_is_missing_is_a_sentence(code, forms, action, entered, words):
    with pytest.raises(BadInput, match=words):
        act(forms[0], code, action, **entered)
    assert forms[1] == []


def test_a_report_says_where_to_go_on():
    fresh = {"query_set": "hard", "corpus": "code-without-titles", "made_from": "code@1", "queries": 2, "judgments": 3}
    told = made_html("make-test-set", fresh, "p")
    assert "which is new" in told and "/encode?project=p&amp;corpus=code-without-titles" in told
    told = made_html("make-test-set", {**fresh, "corpus": "code", "dropped": {"too long": 2}}, "p")
    assert "/encode" not in told and "2 too long" in told and "/evaluate?project=p&amp;corpus=code&amp;set=hard" in told
