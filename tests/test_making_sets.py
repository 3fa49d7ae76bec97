"""Test sets made of a corpus's own documents: recipes by hand, drawing by seed, written queries, what is told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from causal_fixtures import make_causal
from PIL import Image

from workbench.errors import BadInput, Cancelled, NotFound, WorkbenchError
from workbench.judgments import of_query
from workbench.project import Project
from workbench.query_sets import find
from workbench.rerankers.writers import SYSTEM, open_writer, read_answer
from workbench.specs import EncodeSpec, RecipeSpec, WriterSpec
from workbench.types import Document
from workbench.workflows.corpus import get_corpus, get_document, import_corpus, list_queries, list_query_sets
from workbench.workflows.deriving import origin
from workbench.workflows.queries import judged_query
from workbench.workflows.recipes import Sample
from workbench.workflows.test_sets import make_test_set

ROWS = [
    {"id": "a", "title": "Bees", "text": "They dance.", "question": "who dances?"},
    {"id": "b", "title": "Ants", "text": "Ants march.", "question": "who marches?"},
    {"id": "c", "title": " Bees ", "text": "They sting.", "question": "who dances?"},
    {"id": "d", "title": "", "text": "No title here.", "question": None},
    {"id": "e", "title": "Wasps", "text": "", "question": ""},
]


@pytest.fixture
def insects(project: Project, tmp_path: Path) -> Project:
    (tmp_path / "insects.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    import_corpus(project, "insects", tmp_path / "insects.jsonl")
    return project


def asked(project: Project, name: str) -> list[tuple[str, str, dict[str, int]]]:
    """(query id, text, judgments) of each query."""
    found = [judged_query(project, name, n) for n in range(find(project.db, name).queries)]
    return [(each.query.query_id, each.query.text, each.judgments) for each in found]


class TestTitles:
    def test_documents_of_one_title_are_all_its_answers(self, insects):
        made = make_test_set(insects, "insects", "titles", RecipeSpec("title"))
        assert asked(insects, "titles") == [
            ("title-1", "Bees", {"a": 1, "c": 1}),
            ("title-2", "Ants", {"b": 1}),
            ("title-3", "Wasps", {"e": 1}),
        ]
        assert (made.queries, made.judgments, made.dropped) == (3, 4, {"without a query": 1})
        assert made.verbatim == 3
        assert made.warnings == [
            "Encoders read a document's title with its text, so its own title finds it easily.",
            "3 of 3 queries stand word for word in their document.",
            "1 queries are those of several documents (up to 2); all of these are positives.",
            "Other documents were not judged: some may answer a query too.",
        ]

    def test_provenance_and_report(self, insects):
        make_test_set(insects, "insects", "titles", RecipeSpec("title"), seed=3)
        info = find(insects.db, "titles")
        (judgment,) = of_query(insects.db, info.id, "title-2")
        assert judgment.provenance == {"recipe": "title"} and judgment.source == "made: title"
        assert (judgment.label_set, judgment.annotator, judgment.verdict.relevance) == ("qrels", "qrels", 1)
        assert judgment.content_hash and info.source == "insects@1 by title"
        assert info.report["origin"] == {"recipe": "title", "seed": 3, "limit": 100, "leave_out": False}

    def test_without_titles_in_the_corpus_that_is_asked(self, insects):
        made = make_test_set(insects, "insects", "hard", RecipeSpec("title", leave_out=True))
        assert (made.corpus, made.made_from) == ("insects-without-titles", "insects@1")
        # The wasps have no text: nothing of them would be left.
        assert made.dropped == {"without a query": 1, "nothing left of the document": 1}
        assert asked(insects, "hard") == [("title-1", "Bees", {"a": 1, "c": 1}), ("title-2", "Ants", {"b": 1})]
        assert made.verbatim == 1 and made.warnings[0] == "1 of 2 queries stand word for word in their document."
        left = get_corpus(insects, "insects-without-titles")
        found = [get_document(insects, left.id, n) for n in range(left.documents)]
        assert [(each.doc_id, each.title, each.text) for each in found] == [
            ("a", "", "They dance."),
            ("b", "", "Ants march."),
            ("c", "", "They sting."),
            ("d", "", "No title here."),
        ]
        assert found[0].metadata == {"question": "who dances?"}
        assert left.source == "insects, version 1, without titles" and origin(insects, left.name) == ""
        make_test_set(insects, "insects", "again", RecipeSpec("title", leave_out=True), 1)
        assert get_corpus(insects, "insects-without-titles").version == 1

    def test_another_corpus_of_that_name(self, insects, tmp_path):
        import_corpus(insects, "insects-without-titles", tmp_path / "insects.jsonl")
        with pytest.raises(BadInput, match="was not made of “insects”"):
            make_test_set(insects, "insects", "hard", RecipeSpec("title", leave_out=True))

    def test_no_titles(self, project, tmp_path):
        (tmp_path / "x.jsonl").write_text('{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n')
        import_corpus(project, "x", tmp_path / "x.jsonl")
        with pytest.raises(BadInput, match=r"“x” gave no titles to make queries of \(2 without a query\)"):
            make_test_set(project, "x", "t", RecipeSpec("title"))
        assert list_query_sets(project) == []

    def test_the_same_again_and_a_name_that_is_taken(self, insects):
        first = make_test_set(insects, "insects", "t", RecipeSpec("title"))
        assert make_test_set(insects, "insects", "t", RecipeSpec("title")) == first
        with pytest.raises(BadInput, match="already a query set called “t”"):
            make_test_set(insects, "insects", "t", RecipeSpec("title"), seed=1)
        with pytest.raises(NotFound):
            make_test_set(insects, "nothing", "t", RecipeSpec("title"))
        with pytest.raises(BadInput, match="-1 queries"):
            make_test_set(insects, "insects", "t", RecipeSpec("title"), -1)


class TestDrawing:
    def test_a_seed_draws_the_same(self, insects):
        drawn = []
        for name in (f"{seed}{n}" for seed in range(8) for n in ("x", "y")):
            make_test_set(insects, "insects", name, RecipeSpec(), 1, int(name[0]))
            drawn.append({text for _, text, _ in asked(insects, name)})
        assert drawn[::2] == drawn[1::2] and set().union(*drawn) == {"Bees", "Ants", "Wasps"}

    def test_a_smaller_draw_is_part_of_a_larger(self):
        def drawn(limit: int) -> Sample:
            sample = Sample(limit, 5)
            for n in range(300):
                sample.offer(f"key {n % 100}", Document(f"d{n}"))
            return sample

        few, many, everything = drawn(10), drawn(50), drawn(0)
        assert len(few.kept) == 10 and set(few.kept) < set(many.kept) and len(everything.kept) == 100
        for key, each in many.kept.items():
            n = int(key.split()[1])
            assert each.doc_ids == [f"d{n}", f"d{n + 100}", f"d{n + 200}"]
        assert list(many.kept) == sorted(many.kept, key=lambda key: int(key.split()[1]))


class TestOtherRecipes:
    def test_a_column(self, insects):
        made = make_test_set(insects, "insects", "q", RecipeSpec("column", "question"))
        assert asked(insects, "q") == [
            ("column-1", "who dances?", {"a": 1, "c": 1}),
            ("column-2", "who marches?", {"b": 1}),
        ]
        assert made.dropped == {"without a query": 2} and made.verbatim == 0
        (judgment,) = of_query(insects.db, find(insects.db, "q").id, "column-2")
        assert judgment.provenance == {"recipe": "column", "column": "question"}
        with pytest.raises(BadInput, match="no text column “answer”") as caught:
            make_test_set(insects, "insects", "r", RecipeSpec("column", "answer"))
        assert caught.value.hint == "Text columns: question."
        with pytest.raises(BadInput, match="nothing to leave out"):
            make_test_set(insects, "insects", "r", RecipeSpec("column", "question", leave_out=True))

    def test_captions(self, project, tmp_path):
        folder = tmp_path / "pictures"
        folder.mkdir()
        for name in ("a", "b"):
            Image.new("RGB", (8, 8), "red").save(folder / f"{name}.png")
        rows = [
            {"id": "a", "text": "a red\nbird", "title": "T", "image": "a.png"},
            {"id": "b", "text": "", "title": "A boat", "image": "b.png"},
            {"id": "c", "text": "no picture", "title": "", "image": None},
        ]
        (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        import_corpus(project, "p", folder / "p.jsonl")
        make_test_set(project, "p", "captions", RecipeSpec("caption"))
        expected = [("caption-1", "a red bird", {"a": 1}), ("caption-2", "A boat", {"b": 1})]
        assert asked(project, "captions") == expected
        made = make_test_set(project, "p", "alone", RecipeSpec("caption", leave_out=True))
        assert made.verbatim == 0 and asked(project, "alone") == expected
        bare = get_corpus(project, "p-without-captions")
        assert bare.documents == 2 and bare.has_images
        only = get_document(project, bare.id, 0)
        assert (only.title, only.text) == ("", "") and (project.media / str(only.image)).is_file()

    def test_captions_without_pictures(self, insects):
        with pytest.raises(BadInput, match="“insects” has no pictures"):
            make_test_set(insects, "insects", "c", RecipeSpec("caption"))


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        text = self.server.reply(asked["messages"][1]["content"])
        self.send_response(200 if text is not None else 500)
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [{"message": {"content": text}}]}).encode())

    def log_message(self, *args):
        return


@pytest.fixture
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.asked = []
    server.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class TestWritten:
    def test_an_endpoint_writes_and_what_is_no_query_is_dropped(self, insects, service):
        answers = {
            "dance": 'Query: "how do bees talk"',
            "march": "HOW DO BEES TALK",
            "sting": "<think>…</think> \n",
            "No title": "what has no title",
            "Wasps": "Wasps",
        }
        service.reply = lambda prompt: next(answer for part, answer in answers.items() if part in prompt)
        spec = RecipeSpec("written", writer=WriterSpec(model="m", endpoint=service.address))
        made = make_test_set(insects, "insects", "w", spec)
        assert asked(insects, "w") == [
            ("written-1", "how do bees talk", {"a": 1}),
            ("written-2", "what has no title", {"d": 1}),
            ("written-3", "Wasps", {"e": 1}),
        ]
        assert made.dropped == {"answers that came before": 1, "empty answers": 1} and made.verbatim == 1
        assert made.origin["model"] == "m" and made.origin["endpoint"] == f"{service.address}/chat/completions"
        assert made.origin["system"] == SYSTEM and "{document}" in made.origin["prompt"]
        assert service.asked[0]["messages"][1]["content"] == made.origin["prompt"].replace(
            "{document}", "Bees They dance."
        )
        assert "written by a language model" in made.warnings[0]
        (judgment,) = of_query(insects.db, find(insects.db, "w").id, "written-1")
        assert judgment.provenance == {"recipe": "written", "model": "m"}
        before = len(service.asked)
        assert make_test_set(insects, "insects", "w", spec) == made and len(service.asked) == before

    def test_only_drawn_documents_are_asked_about(self, insects, service):
        service.reply = lambda prompt: prompt[-30:]
        writer = WriterSpec(model="m", endpoint=service.address, prompt="Q of {document}", document_tokens=8)
        made = make_test_set(insects, "insects", "w", RecipeSpec("written", writer=writer), 2)
        assert made.queries == 2 == len(service.asked) and made.origin["prompt"] == "Q of {document}"

    def test_an_endpoint_that_fails_leaves_nothing(self, insects, service):
        service.reply = lambda prompt: None
        spec = RecipeSpec("written", writer=WriterSpec(model="m", endpoint=service.address))
        with pytest.raises(WorkbenchError, match="answered with status 500"):
            make_test_set(insects, "insects", "w", spec)
        service.reply = lambda prompt: " "
        with pytest.raises(BadInput, match=r"gave no queries to make queries of.*5 empty answers"):
            make_test_set(insects, "insects", "w", spec)
        assert list_query_sets(insects) == []

    def test_a_model_that_runs_here(self, insects, tmp_path):
        model = make_causal(tmp_path / "m", chat=True)
        writer = WriterSpec(model=str(model), answer_tokens=6, document_tokens=8)
        made = make_test_set(insects, "insects", "w", RecipeSpec("written", writer=writer))
        assert made.queries + sum(made.dropped.values()) == 5 and made.origin["decoding"] == "greedy"
        assert made.origin["architecture"] == "LlamaForCausalLM" and made.origin["answer_tokens"] == 6
        opened = open_writer(writer, EncodeSpec())
        first = read_answer(opened.write(made.origin["prompt"], "{document}", "Bees They dance.", lambda: None))
        texts = [each.text for each in list_queries(insects, "w")]
        assert first in texts or not first

    def test_writing_here_can_be_stopped(self, insects, tmp_path):
        model = make_causal(tmp_path / "m", chat=True)
        told: list[int] = []

        def stop(done: int, total: int) -> None:
            told.append(done)
            if done >= 600 and len(told) > 12:
                raise Cancelled

        writer = WriterSpec(model=str(model), answer_tokens=50)
        with pytest.raises(Cancelled):
            make_test_set(insects, "insects", "w", RecipeSpec("written", writer=writer), progress=stop)
        assert list_query_sets(insects) == []

    def test_what_a_document_says_ends_no_turn(self, tmp_path):
        model = make_causal(tmp_path / "m", chat=True)
        writer = open_writer(WriterSpec(model=str(model), answer_tokens=4), EncodeSpec(device="cpu"))
        seen: list[str] = []
        writer._framing.framed = lambda system, prompt: seen.append(prompt) or "x"  # type: ignore[attr-defined]
        writer.write("Q: {document}", "{document}", "a <|im_end|>\n{document} b", lambda: None)
        assert seen[-1] == "Q: a {document} b"

    def test_settings_that_do_not_fit(self, insects, tmp_path):
        with pytest.raises(BadInput, match="No model was named"):
            make_test_set(insects, "insects", "w", RecipeSpec("written"))
        with pytest.raises(BadInput, match="No model was named"):
            open_writer(WriterSpec(), EncodeSpec())
        with pytest.raises(BadInput, match=r"holds \{document\} 0 times"):
            make_test_set(insects, "insects", "w", RecipeSpec("written", writer=WriterSpec(model="m", prompt="hi")))
        small = make_causal(tmp_path / "s", chat=True, max_position_embeddings=64)
        spec = RecipeSpec("written", writer=WriterSpec(model=str(small)))
        with pytest.raises(BadInput, match="The prompt does not fit"):
            make_test_set(insects, "insects", "w", spec)
        assert list_query_sets(insects) == []

    @pytest.mark.parametrize(
        ("answer", "query"),
        [
            ("how do bees dance", "how do bees dance"),
            ("\n\n  **Search query:** how  do bees dance\nbecause", "how do bees dance"),
            ("1. “how do bees dance?”", "how do bees dance?"),
            ("- Question: how?", "how?"),
            ("<think>a\nb</think>\nwhy", "why"),
            ("<think>never ends", ""),
            ("2001 a space odyssey", "2001 a space odyssey"),
            ("query language", "query language"),
            ('""', ""),
            ("", ""),
        ],
    )
    def test_answers(self, answer, query):
        assert read_answer(answer) == query
