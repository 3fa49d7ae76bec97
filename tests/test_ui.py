"""The interface without a browser: it builds, its forms round-trip, its errors are sentences, it starts light."""

import os
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from ui.components.figures import ago, duration, several, size
from ui.components.job_panel import in_order, relevant
from ui.components.navigation import bar_markup, worker_markup
from ui.forms import draw_form
from ui.handlers import escape, guarded, problem, said, ticked
from ui.handlers import fields as entered
from ui.session import Context, Place, choose
from workbench.errors import BadInput, NotFound
from workbench.project import Workspace
from workbench.specs import BM25Spec, DenseSpec, EncodeSpec, ImportSpec, IndexSpec, Spec

ROOT = Path(__file__).resolve().parents[1]
EVIL = "<script>alert(1)</script>\"'"


def draw(spec, **options):
    with gr.Blocks():
        return draw_form(spec, "t", **options)


def values_of(form):
    return [component.value for component in form.components]


@pytest.mark.parametrize("spec", [ImportSpec, DenseSpec, BM25Spec, EncodeSpec, IndexSpec])
def test_a_form_left_alone_gives_the_defaults(spec):
    assert draw(spec).read(values_of(draw(spec))) == spec()


def test_a_form_shows_and_reads_back_what_a_spec_holds():
    spec = DenseSpec(
        name="e5", model="org/e5", revision="main", query_prompt="query: ", document_prompt="", max_length=128, dim=64
    )
    form = draw(DenseSpec)
    shown = [update["value"] for update in form.show(spec)]
    assert form.read(shown) == spec
    # An empty prompt is not the same as none given, and the space after the colon is part of it.
    by_name = dict(zip(form.names, shown, strict=True))
    assert by_name["document_prompt"] == '""'
    assert by_name["query_prompt"] == "query: "


def test_a_form_has_a_component_for_each_field_but_the_skipped_ones():
    form = draw(IndexSpec, skip=("factory",))
    assert sorted(form.names) == ["ef_construction", "metric", "seed", "train_limit"]
    kinds = {name: type(each).__name__ for name, each in zip(form.names, form.components, strict=True)}
    assert kinds == {"metric": "Dropdown", "seed": "Number", "train_limit": "Number", "ef_construction": "Number"}
    assert form.read(["l2", 7, 1000, 40], {"factory": "Flat"}) == IndexSpec("Flat", "l2", 7, 1000, 40)


def test_a_list_of_names_is_written_with_commas():
    form = draw(ImportSpec)
    at = form.names.index("metadata_fields")
    entered_values = values_of(form)
    entered_values[at] = " year, author ,"
    assert form.read(entered_values).metadata_fields == ("year", "author")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("seed", -1, "between 0 and"), ("seed", None, "is empty"), ("train_limit", "many", "not a number")],
)
def test_a_form_refuses_with_a_sentence(field, value, words):
    form = draw(IndexSpec)
    wrong = [value if name == field else own for name, own in zip(form.names, values_of(form), strict=True)]
    with pytest.raises(BadInput, match=words):
        form.read(wrong)


@dataclass(frozen=True)
class Nested(Spec):
    inner: EncodeSpec | None = None


def test_a_field_without_a_component_must_be_skipped():
    with pytest.raises(TypeError, match="skip it"):
        draw(Nested)
    assert draw(Nested, skip=[item.name for item in fields(Nested)]).components == ()


def test_an_error_becomes_a_message_and_leaves_the_outputs(monkeypatch, caplog):
    shown = []
    monkeypatch.setattr(gr, "Warning", lambda text, **options: shown.append(text))

    def refuses(value):
        raise NotFound(f"There is no “{value}”.", "Run `python -m workbench`.")

    def breaks():
        raise KeyError("secret detail")

    assert guarded(refuses)(EVIL) == gr.skip()
    assert guarded(breaks)() == gr.skip()
    assert guarded(lambda value: value + 1)(2) == 3
    assert "<script" not in shown[0] and "&lt;script&gt;" in shown[0]
    assert "<code>python -m workbench</code>" in shown[0]
    assert "Something went wrong (id " in shown[1] and "secret" not in shown[1]
    number = shown[1].split("(id ")[1][:6]
    assert number in caplog.text and "secret detail" in caplog.text


def test_guarded_keeps_the_signature_that_gradio_reads():
    def handler(value: str, request: gr.Request) -> str:
        return value

    from gradio.helpers import special_args

    filled, *_ = special_args(guarded(handler), ["x"], request=SimpleNamespace(session_hash="s"))
    assert len(filled) == 2


def test_text_of_others_is_escaped():
    assert escape(EVIL) == "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;"
    assert ticked("`<b>`") == "<code>&lt;b&gt;</code>"
    assert "<script" not in problem(EVIL, EVIL)
    bar = bar_markup("/", Place(EVIL, EVIL), [EVIL], [EVIL])
    assert "<script" not in bar and "alert(1)&lt;/script&gt;&quot;" in bar


def test_what_the_browser_says_is_text_of_limited_length():
    event = gr.EventData(None, {"do": "x" * 20_000, "fields": {"name": 3}})
    assert len(said(event, "do")) == 10_000 and said(event, "other", "no") == "no"
    assert entered(event) == {"name": "3"}
    assert said(gr.EventData(None, None), "do") == "" and entered(gr.EventData(None, {"fields": "x"})) == {}


def test_an_unknown_project_is_replaced_and_named():
    assert choose("project", "b", ["a", "b"]) == ("b", "")
    assert choose("project", "", ["a", "b"]) == ("a", "")
    assert choose("project", "", []) == ("", "")
    assert choose("project", "x", ["a"]) == ("a", "There is no project called “x”. Showing “a” instead.")


def test_a_link_carries_project_and_corpus():
    place = Place("my project", "a&b")
    assert place.link("/search", q="né") == "/search?project=my+project&corpus=a%26b&q=n%C3%A9"
    assert place.link("/encode", corpus="") == "/encode?project=my+project"
    assert Place().link("/") == "/"


def test_a_context_reads_its_place_from_the_address(tmp_path):
    context = Context(Workspace(tmp_path), SimpleNamespace())

    def request(**query):
        return SimpleNamespace(query_params=query)

    assert context.place(request()).project == ""
    with pytest.raises(NotFound, match="no project yet"):
        context.here(request())
    for name in ("one", "two"):
        context.workspace.create(name).close()
    assert context.place(request()).project == "one"
    assert context.place(request(project="two")).project == "two"
    found = context.place(request(project="gone"))
    assert (found.project, found.problem) == ("one", "There is no project called “gone”. Showing “one” instead.")
    assert context.project("two") is context.project("two")
    context.forget("two")
    context.workspace.delete("two")
    with pytest.raises(NotFound):
        context.project("two")


def job(**values):
    return SimpleNamespace(**{"state": "queued", "kind": "encode", "title": "t", "done": 0, "total": 0, **values})


def test_the_bar_says_what_the_worker_does():
    alive, gone = SimpleNamespace(alive=True), SimpleNamespace(alive=False)
    assert "no worker<" in worker_markup([], [gone])
    assert "no worker · 1 waiting" in worker_markup([job()], [])
    assert "idle" in worker_markup([job(state="done")], [alive])
    assert "encode 41% +1" in worker_markup([job(state="running", done=41, total=100), job()], [alive])


def test_figures_are_short():
    assert [size(0), size(2048), size(3_500_000), size(1.5 * 1024**3)] == ["0 B", "2.0 KB", "3.3 MB", "1.5 GB"]
    assert [duration(0.31), duration(42), duration(200), duration(7500)] == ["0.3 s", "42 s", "3 min 20 s", "2 h 5 min"]
    assert duration(None) == ""
    assert [ago(95, 100), ago(40, 100), ago(100, 1000), ago(None)] == ["just now", "1 min ago", "15 min ago", ""]
    assert several(1, "index/indices") == "1 index" and several(5728, "document") == "5,728 documents"


LIGHT = """
import resource, sys, tempfile
from pathlib import Path
from ui.app import build_app
app = build_app(Path(tempfile.mkdtemp()))
heavy = [name for name in ("torch", "faiss", "umap", "transformers", "sentence_transformers") if name in sys.modules]
print("RSS", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MB; heavy:", heavy)
assert not heavy, heavy
demo = next(route.app for route in app.routes if hasattr(getattr(route, "app", None), "get_blocks")).get_blocks()
shown = {fn.api_name: fn.api_visibility for fn in demo.fns.values()}
public = sorted(str(name) for name, visibility in shown.items() if visibility == "public")
print("public:", public)
assert public == ["jobs", "neighbours", "search"], public
"""


def test_the_app_builds_light_and_private(capsys):
    """In a process of its own: no model library is imported, and only the endpoints meant for programs are public."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run(
        [sys.executable, "-c", LIGHT], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    with capsys.disabled():
        print(f"\n  ui after build_app: {made.stdout.strip()}")  # noqa: T201
    assert made.returncode == 0, made.stderr[-3000:]


def test_a_panel_lists_jobs_in_the_order_they_are_done():
    def one(id, state, **values):
        return job(id=id, state=state, **{"priority": 5, "created_at": 0, "finished_at": None, **values})

    jobs = [
        one("late", "queued", created_at=3),
        one("early", "queued", created_at=1),
        one("urgent", "queued", created_at=9, priority=1),
        one("old", "done", finished_at=5),
        one("new", "failed", finished_at=8),
        one("now", "running"),
    ]
    assert [each.id for each in in_order(jobs)] == ["now", "urgent", "early", "late", "new", "old"]
    assert [relevant(each, 100.0) for each in jobs] == [True] * 6
    assert [relevant(each, 500.0) for each in jobs] == [True, True, True, False, True, True]
    assert not relevant(one("new", "failed", finished_at=8), 4000.0)
