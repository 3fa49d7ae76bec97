"""Reranking: names become rerankers, nothing is scored twice, kept scores are the same, one caller at a time."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from causal_fixtures import make_causal
from model_fixtures import Tiny, change_json, make_tiny_model
from reranker_fixtures import WordVectors, make_tiny_cross_encoder

from workbench.catalogue import catalogue, resolve_reranker
from workbench.checkpoints import loaded
from workbench.errors import BadInput, Cancelled, NotFound, WorkbenchError
from workbench.project import Project
from workbench.ragged import Ragged
from workbench.rerankers.base import Reranked, Reranker, Window
from workbench.rerankers.late_interaction import LateInteractionReranker
from workbench.specs import (
    CrossEncoderSpec,
    LateInteractionSpec,
    ListwiseSpec,
    LLMRerankerSpec,
    RerankerSpec,
    RerankSpec,
)
from workbench.types import Content
from workbench.workflows import reranking
from workbench.workflows.kept_scores import Facts, ScoreCache, score_cache
from workbench.workflows.reranking import clear_scores, list_rerankers, rerank, score_cache_info

SPEC = RerankSpec("some/model")
TEXTS = ["a", "bb", "ccc", "dddd", "eeeee"]
QUERY = Content("cat")


class Counting(Reranker):
    """Scores a document by its length, and counts what it was asked."""

    warnings = ["it only counts"]
    size_bytes = 10

    def __init__(self, pointwise: bool = True, **settings: Any) -> None:
        self.settings = settings
        self.seen: list[tuple[str, str]] = []
        self.calls = self.inside = self.most_inside = 0
        self.pointwise = pointwise  # type: ignore[misc]
        self.wait = 0.0

    @classmethod
    def open(cls, spec: RerankerSpec, run: Any = None) -> "Counting":
        return cls()

    def describe(self) -> dict[str, Any]:
        return {"family": "counting", "versions": {"x": "1"}, **self.settings}

    def _rerank(self, query: Content, documents: list[Content], progress: Any) -> Reranked:
        self.calls += 1
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        time.sleep(self.wait)
        self.seen += [(query.text, each.text) for each in documents]
        progress(len(documents), len(documents))
        self.inside -= 1
        scores = np.array([len(each.text) + len(query.text) / 100 for each in documents], np.float32)
        cut = [n for n, each in enumerate(documents) if len(each.text) > 3]
        windows = [] if self.pointwise else [Window(0, len(documents), "p", "a", tuple(range(len(documents))))]
        return Reranked(scores, windows, ["long query"] if len(query.text) > 5 else [], cut)


@pytest.fixture(autouse=True)
def empty_caches() -> Iterator[None]:
    clear_scores()
    loaded().clear()
    yield
    clear_scores()
    loaded().clear()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Counting:
    return serve(monkeypatch, Counting())


def serve(monkeypatch: pytest.MonkeyPatch, made: Counting) -> Counting:
    monkeypatch.setattr(reranking, "open_reranker", lambda project, given: made)
    return made


def ask(project: Project, texts: list[str], spec: RerankSpec = SPEC, query: Content = QUERY) -> Any:
    return rerank(project, spec, query, [Content(text) for text in texts], texts)


def test_nothing_is_scored_twice(project, model):
    first = ask(project, TEXTS[:3])
    assert first.scores.tolist() == pytest.approx([1.03, 2.03, 3.03]) and first.scores.dtype == np.float32
    assert (first.cached, first.label) == (0, "some/model")
    deeper = ask(project, TEXTS)
    assert deeper.scores.tolist() == pytest.approx([1.03, 2.03, 3.03, 4.03, 5.03]) and deeper.cached == 3
    shallower = ask(project, [TEXTS[4], TEXTS[0]])
    assert shallower.scores.tolist() == pytest.approx([5.03, 1.03]) and shallower.cached == 2
    assert model.seen == [("cat", text) for text in TEXTS] and model.calls == 2
    assert score_cache_info() == type(score_cache_info())(pairs=5, limit=200_000, hits=5, misses=5)


def test_another_query_is_another_question(project, model):
    ask(project, TEXTS)
    for query in (Content("dog"), Content("cat", image_weight=0.5)):
        assert ask(project, TEXTS, query=query).cached == 0
    assert model.calls == 3


def test_another_reranker_or_option_is_another_question(project, monkeypatch):
    ask(project, TEXTS[:2], serve_spec(monkeypatch, Counting(max_length=1), max_length=64))
    assert ask(project, TEXTS[:2], serve_spec(monkeypatch, Counting(max_length=2), max_length=65)).cached == 0


def serve_spec(monkeypatch: pytest.MonkeyPatch, made: Counting, **options: Any) -> RerankSpec:
    serve(monkeypatch, made)
    return RerankSpec("some/model", options=options)


def test_the_same_document_twice_in_a_list_is_scored_once(project, model):
    assert ask(project, ["bb", "a", "bb"]).scores.tolist() == pytest.approx([2.03, 1.03, 2.03])
    assert model.seen == [("cat", "bb"), ("cat", "a")]


def test_an_empty_list_asks_nothing(project, model):
    outcome = ask(project, [])
    assert outcome.scores.shape == (0,) and outcome.cached == 0 and model.calls == 0


def test_warnings_stay_with_kept_scores(project, model):
    expected = [
        "it only counts",
        "long query",
        "2 of 5 documents are longer than the reranker reads: their end did not count.",
    ]
    for _ in range(2):
        assert ask(project, TEXTS, query=Content("a long query")).warnings == expected
    assert model.calls == 1
    assert ask(project, TEXTS[:3], query=Content("a long query")).warnings == expected[:2]


def test_kept_scores_need_no_loaded_model(project, model, monkeypatch):
    ask(project, TEXTS)
    loaded().clear()

    def gone(project: Project, given: RerankerSpec) -> Reranker:
        raise NotFound("The model is gone.")

    monkeypatch.setattr(reranking, "open_reranker", gone)
    assert ask(project, TEXTS).cached == 5
    with pytest.raises(NotFound):
        ask(project, [*TEXTS, "new"])


def test_a_model_that_changed_on_disk_is_asked_again(project, monkeypatch):
    serve(monkeypatch, Counting(revision="1"))
    ask(project, TEXTS)
    loaded().clear()
    changed = serve(monkeypatch, Counting(revision="2"))
    outcome = ask(project, [*TEXTS, "new"])
    assert outcome.cached == 0 and changed.calls == 1 and len(changed.seen) == 6


def test_columns_at_once_share_the_work_one_at_a_time(project, model):
    model.wait = 0.05
    outcomes: list[Any] = []
    threads = [threading.Thread(target=lambda: outcomes.append(ask(project, TEXTS))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert model.most_inside == 1 and model.calls == 1 and len(model.seen) == 5
    assert sorted(each.cached for each in outcomes) == [0, 5, 5, 5]
    assert all(np.array_equal(each.scores, outcomes[0].scores) for each in outcomes)


def test_a_cancelled_call_keeps_nothing_and_frees_the_model(project, model):
    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        rerank(project, SPEC, QUERY, [Content("a")], ["a"], stop)
    assert ask(project, ["a"]).cached == 0


def test_a_score_that_is_no_number_is_an_error_and_not_kept(project, model, monkeypatch):
    monkeypatch.setattr(model, "_rerank", lambda *_: Reranked(np.array([1, np.nan], np.float32)))
    with pytest.raises(WorkbenchError, match="no number for 1 of 2 documents"):
        ask(project, ["a", "b"])
    assert score_cache_info().pairs == 0


def test_keys_and_documents_go_together(project, model):
    with pytest.raises(ValueError, match="1 keys for 2 documents"):
        rerank(project, SPEC, QUERY, [Content("a"), Content("b")], ["a"])


def test_a_listwise_order_is_kept_for_exactly_its_list(project, monkeypatch):
    model = serve(monkeypatch, Counting(pointwise=False))
    first = ask(project, TEXTS)
    again = ask(project, TEXTS)
    assert (first.cached, again.cached, model.calls) == (0, 5, 1)
    assert again.windows == first.windows and len(again.windows) == 1
    assert np.array_equal(again.scores, first.scores)
    again.scores[0] = 99
    assert ask(project, TEXTS).scores[0] == first.scores[0]
    for other in (TEXTS[::-1], TEXTS[:4], [*TEXTS, "more"]):
        assert ask(project, other).cached == 0
    assert model.calls == 4


def test_the_cache_is_bounded_and_drops_the_least_recently_used():
    cache = ScoreCache(limit=3, lists=1)
    cache.keep("q", {"a": (1.0, False), "b": (2.0, True), "c": (3.0, False)}, [])
    cache.split("q", ["a"])
    cache.keep("q", {"d": (4.0, False)}, ["note"])
    assert cache.split("q", ["a", "b", "c", "d"]) == (
        {"a": (1.0, False), "c": (3.0, False), "d": (4.0, False)},
        {"b": 1},
    )
    cache.keep_list("x", Reranked(np.zeros(1, np.float32)))
    cache.keep_list("y", Reranked(np.ones(1, np.float32)))
    assert cache.find_list("x") is None and cache.find_list("y").scores.tolist() == [1.0]
    cache.keep_facts("r", Facts("f", True, ()))
    cache.clear()
    assert cache.info().pairs == 0 and cache.notes("q") == [] and cache.facts("r") is None


def test_a_cross_encoder_through_the_workflow(project, tmp_path):
    folder = make_tiny_cross_encoder(tmp_path / "tiny")
    texts = ["the cat sat", "dog ran fast", "river water"]
    first = ask(project, texts, RerankSpec(str(folder)))
    assert first.label == str(folder) and first.cached == 0 and len(set(first.scores.tolist())) == 3
    assert ask(project, texts, RerankSpec(str(folder))).scores.tolist() == first.scores.tolist()
    shorter = ask(project, texts, RerankSpec(str(folder), options={"max_length": 8}))
    assert shorter.cached == 0 and shorter.warnings == []
    assert any(key[0] == "reranker" for key in (entry.key for entry in loaded().contents()))
    with pytest.raises(BadInput, match="reads text, and the query has image"):
        ask(project, texts, RerankSpec(str(folder)), Content("cat", image=tmp_path / "x.png"))


def test_late_interaction_opens_its_encoder(project, monkeypatch):
    asked = []

    def open_words(given: Any, run: Any, state: Any = None) -> WordVectors:
        asked.append(given.name)
        return WordVectors()

    monkeypatch.setattr(reranking, "open_family", open_words)
    name = next(entry.name for entry in catalogue() if entry.spec.kind in ("multi-vector", "bge-m3"))
    texts = ["cat", "dog", "the cat"]
    outcome = ask(project, texts, RerankSpec(name))
    named = ask(project, texts, RerankSpec("late", options={"kind": "late-interaction", "encoder": name}))
    assert asked == [name, name] and named.label == "late" and np.array_equal(named.scores, outcome.scores)
    assert outcome.scores[0] == pytest.approx(2.0) and outcome.scores[2] == pytest.approx(2.0)
    assert outcome.scores[1] < 1.9


def test_maxsim_by_hand():
    """Query (1,0), (0,1); documents {(1,0)}, {(0.6,0.8), (0,-1)}, none: 1 + 0, 0.6 + 0.8, last."""

    class Fixed(WordVectors):
        def encode_queries(self, contents: Any) -> Ragged:
            return Ragged.of([np.eye(2)], 2)

        def encode_documents(self, contents: Any) -> Ragged:
            rows = {"a": [[1, 0]], "b": [[0.6, 0.8], [0, -1]], "c": np.empty((0, 2))}
            return Ragged.of([np.asarray(rows[each.text], np.float32) for each in contents], 2)

    reranker = LateInteractionReranker(Fixed(), LateInteractionSpec(encoder="x"))
    assert reranker.rerank("q", ["a", "b", "c"]).scores.tolist() == pytest.approx([1.0, 1.4, -2.0])


def test_late_interaction_refuses_an_encoder_of_whole_texts():
    class Dense(WordVectors):
        output = "dense"

    with pytest.raises(BadInput, match="makes one vector for a whole text"):
        LateInteractionReranker(Dense(), LateInteractionSpec(encoder="minilm"))
    with pytest.raises(TypeError, match="over an opened encoder"):
        LateInteractionReranker.open(LateInteractionSpec(encoder="minilm"))


def test_names_become_rerankers(tmp_path):
    assert resolve_reranker("ms-marco-minilm-l12") == CrossEncoderSpec(
        name="ms-marco-minilm-l12", model="converted:ms-marco-minilm-l12"
    )
    light = resolve_reranker("baai/bge-reranker-v2.5-gemma2-lightweight")
    assert isinstance(light, LLMRerankerSpec) and light.name == "baai/bge-reranker-v2.5-gemma2-lightweight"
    assert (light.cutoff_layer, light.compress_ratio, light.compress_layers) == (28, 2, (24, 40))
    assert resolve_reranker("some/model-v1") == CrossEncoderSpec(name="some/model-v1", model="some/model-v1")
    starter = resolve_reranker("smollm2-135m")
    assert isinstance(starter, LLMRerankerSpec) and starter.gguf_file.endswith(".gguf")


def test_a_folder_says_its_family_itself(tmp_path):
    folders = {
        "classifier": make_tiny_cross_encoder(tmp_path / "classifier"),
        "llama": make_causal(tmp_path / "llama"),
        "qwen3": make_causal(tmp_path / "qwen3", "qwen3", chat=True, head_dim=8),
        "tokens": make_tiny_model(tmp_path / "tokens"),
        "saved": make_tiny_model(tmp_path / "saved", Tiny(modules=True)),
    }
    change_json(folders["tokens"] / "config_sentence_transformers.json", {"model_type": "MultiVectorEncoder"})
    change_json(folders["saved"] / "config_sentence_transformers.json", {"model_type": "CrossEncoder"})
    (tmp_path / "gguf").mkdir()
    (tmp_path / "gguf" / "small.Q4.gguf").write_bytes(b"GGUF")
    found = {name: resolve_reranker(str(folder)) for name, folder in folders.items()}
    assert found["classifier"] == CrossEncoderSpec(name="classifier", model=str(folders["classifier"]))
    assert found["llama"] == LLMRerankerSpec(name="llama", model=str(folders["llama"]), form="bge")
    assert found["qwen3"] == LLMRerankerSpec(name="qwen3", model=str(folders["qwen3"]), form="qwen3")
    assert found["tokens"] == LateInteractionSpec(name="tokens", encoder=str(folders["tokens"]))
    assert found["saved"] == CrossEncoderSpec(name="saved", model=str(folders["saved"]))
    gguf = resolve_reranker(str(tmp_path / "gguf"))
    assert isinstance(gguf, LLMRerankerSpec) and gguf.gguf_file == "small.Q4.gguf"


def test_options_override_and_are_checked(tmp_path):
    assert resolve_reranker("bge-reranker-v2-m3", {"max_length": 256}).max_length == 256
    service = {"kind": "listwise", "endpoint": "http://localhost:1", "window": 12}
    expected = ListwiseSpec(name="any-4", model="any-4", endpoint="http://localhost:1", window=12)
    assert resolve_reranker("any-4", service) == expected
    assert resolve_reranker("mine", {**service, "model": "any-4"}).model == "any-4"
    layers = resolve_reranker("some/model", {"kind": "llm", "compress_layers": [4, 8]})
    assert layers.compress_layers == (4, 8)
    for options in ({"max_lenght": 3}, {"kind": "no such kind"}, {"max_length": 1}):
        with pytest.raises(BadInput):
            resolve_reranker("ms-marco-minilm-l12", options)


@pytest.mark.parametrize("name", ["ms-marco", "", " ", "/nowhere/at/all", "minilm"])
def test_an_unknown_name_lists_the_choices(name):
    with pytest.raises(NotFound, match="ms-marco-minilm-l12"):
        resolve_reranker(name)


def test_the_list_holds_the_starters():
    named = {entry.name: entry for entry in list_rerankers()}
    assert named["ms-marco-minilm-l12"].bundled and not named["smollm2-135m"].bundled
    assert all(entry.role == "reranker" for entry in named.values())


def test_one_cache_in_a_process():
    assert score_cache() is score_cache()


def test_the_workflow_loads_no_heavy_library():
    import subprocess
    import sys

    script = (
        "import sys\nfrom workbench.workflows.reranking import list_rerankers\nlist_rerankers()\n"
        "print([name for name in ('torch', 'transformers', 'faiss') if name in sys.modules])"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
