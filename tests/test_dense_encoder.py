"""The dense encoder against sentence-transformers' own `encode` on tiny random models."""

import json
import random
import shutil

import numpy as np
import pytest
import torch
from model_fixtures import LETTERS, WORDS, Tiny, change_json, make_tiny_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers

from workbench.encoders.dense import DenseEncoder
from workbench.errors import BadInput, Cancelled, NotFound, WorkbenchError
from workbench.specs import DenseSpec, EncodeSpec

FLOAT32 = EncodeSpec(device="cpu", dtype="float32")


def some_texts(count=40, seed=0):
    """Texts of 0 to 80 words: some empty, some beyond the model's 48 tokens."""
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(WORDS[5:] + LETTERS, k=chosen.choice([0, 1, 3, 9, 30, 80]))) for _ in range(count)]


TEXTS = some_texts()


def opened(folder, run=FLOAT32, **fields):
    return DenseEncoder.open(DenseSpec(name="tiny", model=str(folder), **{"normalize": False, **fields}), run)


def reference(folder):
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "weightedmean", "lasttoken"])
@pytest.mark.parametrize("more", [{}, {"normalize": True}, {"dense_dim": 8}], ids=["plain", "normalize", "dense"])
def test_equals_sentence_transformers(tmp_path, pooling, more):
    folder = make_tiny_model(tmp_path / "m", Tiny(pooling=pooling, **more))
    encoder = opened(folder)
    expected = reference(folder).encode(TEXTS)
    rows = encoder.encode_documents(TEXTS)
    assert rows.dtype == np.float32 and encoder.dim == rows.shape[1] == expected.shape[1]
    np.testing.assert_allclose(rows, expected, atol=2e-5)
    assert encoder.describe()["pooling"] == pooling


def test_left_padding_is_honoured(tmp_path):
    folder = make_tiny_model(tmp_path / "m", Tiny(pooling="lasttoken", rotary=True))
    change_json(folder / "tokenizer_config.json", {"padding_side": "left", "truncation_side": "left"})
    expected = reference(folder).encode(TEXTS)
    np.testing.assert_allclose(opened(folder).encode_documents(TEXTS), expected, atol=2e-5)


def test_prompts_come_from_the_model_and_are_put_once(tmp_path):
    folder = make_tiny_model(tmp_path / "m", Tiny(prompts=(("query", "query: "), ("passage", "passage: "))))
    encoder, model = opened(folder), reference(folder)
    # Documents by hand: sentence-transformers 6.2 overlooks a prompt that is named "passage".
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), model.encode_query(TEXTS), atol=2e-5)
    for role, encode in (("query", encoder.encode_queries), ("passage", encoder.encode_documents)):
        by_hand = model.encode([f"{role}: {text}" for text in TEXTS], prompt="")
        np.testing.assert_allclose(encode(TEXTS), by_hand, atol=2e-5)
    assert encoder.effective_query("red cat") == "query: red cat"
    described = encoder.describe()
    assert (described["query_prompt"], described["document_prompt"]) == ("query: ", "passage: ")


def test_a_trailing_space_is_kept(tmp_path):
    folder = make_tiny_model(tmp_path / "m")
    with_space, without = (opened(folder, query_prompt=prompt) for prompt in ("cat ", "cat"))
    expected = reference(folder).encode(["cat dog", "catdog"])
    np.testing.assert_allclose(with_space.encode_queries(["dog"])[0], expected[0], atol=2e-5)
    np.testing.assert_allclose(without.encode_queries(["dog"])[0], expected[1], atol=2e-5)
    assert not np.allclose(expected[0], expected[1], atol=1e-3)


def test_the_specs_prompt_wins_and_an_empty_one_takes_it_off(tmp_path):
    folder = make_tiny_model(tmp_path / "m", Tiny(prompts=(("query", "query: "),)))
    plain = reference(folder).encode(TEXTS, prompt="")
    np.testing.assert_allclose(opened(folder, query_prompt="").encode_queries(TEXTS), plain, atol=2e-5)
    other = reference(folder).encode(TEXTS, prompt="search ")
    np.testing.assert_allclose(opened(folder, query_prompt="search ").encode_queries(TEXTS), other, atol=2e-5)


def test_the_default_prompt_is_applied(tmp_path):
    tiny = Tiny(prompts=(("task", "search : "),), default_prompt_name="task")
    folder = make_tiny_model(tmp_path / "m", tiny)
    encoder, expected = opened(folder), reference(folder).encode(TEXTS)
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), expected, atol=2e-5)
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), expected, atol=2e-5)


def test_a_default_prompt_for_queries_is_kept_off_documents(tmp_path):
    folder = make_tiny_model(tmp_path / "m", Tiny(prompts=(("query", "query: "),), default_prompt_name="query"))
    described = opened(folder).describe()
    assert (described["query_prompt"], described["document_prompt"]) == ("query: ", "")


@pytest.mark.parametrize("pooling", ["mean", "cls", "weightedmean"])
def test_poolings_that_leave_the_prompt_out(tmp_path, pooling):
    folder = make_tiny_model(
        tmp_path / "m", Tiny(pooling, include_prompt=False, prompts=(("query", "query : a cat "),))
    )
    encoder = opened(folder)
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), reference(folder).encode_query(TEXTS), atol=2e-5)
    assert encoder.describe()["prompt_in_pooling"] is False


def test_max_length_is_applied_and_recorded(tiny_model):
    encoder, model = opened(tiny_model, max_length=12), reference(tiny_model)
    assert opened(tiny_model).describe()["max_length"] == 48
    model.max_seq_length = 12
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), model.encode(TEXTS), atol=2e-5)
    assert encoder.describe()["max_length"] == 12
    with pytest.raises(BadInput, match="reads at most 64 tokens"):
        opened(tiny_model, max_length=65)


def test_fewer_dimensions_are_cut_before_scaling(tiny_model):
    expected = unit(reference(tiny_model).encode(TEXTS)[:, :8])
    encoder = opened(tiny_model, dim=8, normalize=True)
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), expected, atol=2e-6)
    assert encoder.dim == encoder.describe()["dim"] == 8
    with pytest.raises(BadInput, match="have 32 dimensions"):
        opened(tiny_model, dim=33)


def test_bfloat16_stays_close_and_is_recorded(tiny_model):
    exact = opened(tiny_model, normalize=True).encode_documents(TEXTS)
    encoder = opened(tiny_model, EncodeSpec(device="cpu", dtype="bfloat16"), normalize=True)
    assert (encoder.encode_documents(TEXTS) * exact).sum(axis=1).min() > 0.999
    assert encoder.describe()["dtype"] == "bfloat16"


def test_the_budget_does_not_change_the_vectors(tiny_model):
    small = opened(tiny_model, EncodeSpec(device="cpu", dtype="float32", batch_tokens=64))
    np.testing.assert_allclose(small.encode_documents(TEXTS), opened(tiny_model).encode_documents(TEXTS), atol=2e-5)


def test_several_windows_keep_the_order(tiny_model, monkeypatch):
    monkeypatch.setattr("workbench.encoders.inference.WINDOW", 7)
    told = []
    rows = opened(tiny_model).encode_documents(TEXTS, lambda done, total: told.append((done, total)))
    np.testing.assert_allclose(rows, reference(tiny_model).encode(TEXTS), atol=2e-5)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (40, 40)


def test_cancelling_passes_through(tiny_model):
    def stop(done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        opened(tiny_model).encode_documents(TEXTS, stop)


def failing_above(encoder, texts, message):
    """Make the encoder's model fail as a device does on a batch of more than `texts`."""
    forward = encoder._model.forward

    def limited(features, **options):
        if len(features["input_ids"]) > texts:
            raise RuntimeError(message)
        return forward(features, **options)

    encoder._model.forward = limited


@pytest.mark.parametrize(
    "message",
    [
        "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9",
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
    ],
)
def test_out_of_memory_halves_the_batches(tiny_model, message):
    encoder = opened(tiny_model)
    failing_above(encoder, 3, message)
    expected = reference(tiny_model).encode(TEXTS)
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), expected, atol=2e-5)


def test_other_failures_are_not_retried(tiny_model):
    encoder = opened(tiny_model)
    failing_above(encoder, 0, "mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        encoder.encode_documents(TEXTS)


def test_one_text_too_large_for_memory_is_a_sentence(tiny_model):
    encoder = opened(tiny_model)
    failing_above(encoder, 0, "CUDA out of memory")
    with pytest.raises(WorkbenchError, match="no memory for a single text of 48 tokens"):
        encoder.encode_documents(TEXTS)


def test_the_description_is_plain_json_and_names_no_device(tiny_model):
    described = opened(tiny_model).describe()
    assert json.loads(json.dumps(described)) == described
    assert "device" not in described and described["modules"] == ["Transformer", "Pooling"]


def test_the_revision_follows_the_content_not_the_place(tmp_path, tiny_model):
    revision = opened(tiny_model).describe()["revision"]
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    assert opened(copy).describe()["revision"] == revision
    change_json(copy / "1_Pooling" / "config.json", {"pooling_mode": "cls"})
    assert opened(copy).describe()["revision"] != revision


def test_a_model_that_expects_prompts_says_so(tmp_path):
    folder = make_tiny_model(tmp_path / "m", Tiny(known_as="intfloat/e5-small-v2"))
    assert [warning[:50] for warning in opened(folder).warnings] == [
        "intfloat/e5-small-v2 expects the query prompt “que",
        "intfloat/e5-small-v2 expects the document prompt “",
    ]
    assert len(opened(folder, query_prompt="query: ").warnings) == 1
    assert opened(folder, query_prompt="query: ", document_prompt="passage: ").warnings == []


def test_an_assumed_pooling_is_told(tmp_path, tiny_model):
    folder = make_tiny_model(tmp_path / "m", Tiny(modules=False))
    assert "mean pooling is used" in opened(folder).warnings[0]
    assert opened(tiny_model).warnings == []


def static(seed):
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = np.random.default_rng(seed).normal(size=(len(WORDS), 6)).astype(np.float32)
    return StaticEmbedding(words, embedding_weights=weights)


def test_static_models_go_through_their_own_preprocessing(tmp_path):
    texts = [text for text in TEXTS if text]
    SentenceTransformer(modules=[static(0)], device="cpu").save(str(tmp_path / "m"))
    encoder = opened(tmp_path / "m", query_prompt="cat ")
    np.testing.assert_allclose(encoder.encode_documents(texts), reference(tmp_path / "m").encode(texts), atol=1e-5)
    expected = reference(tmp_path / "m").encode(texts, prompt="cat ")
    np.testing.assert_allclose(encoder.encode_queries(texts), expected, atol=1e-5)
    described = encoder.describe()
    assert (described["pooling"], described["max_length"]) == ("StaticEmbedding", None)


def test_routers_send_queries_and_documents_their_ways(tmp_path):
    texts = [text for text in TEXTS if text]
    router = Router.for_query_document(query_modules=[static(1)], document_modules=[static(2)])
    SentenceTransformer(modules=[router], device="cpu").save(str(tmp_path / "m"))
    encoder, model = opened(tmp_path / "m"), reference(tmp_path / "m")
    np.testing.assert_allclose(encoder.encode_queries(texts), model.encode_query(texts), atol=1e-5)
    np.testing.assert_allclose(encoder.encode_documents(texts), model.encode_document(texts), atol=1e-5)


def test_a_folder_without_weights_is_a_sentence(tmp_path, tiny_model):
    folder = shutil.copytree(tiny_model, tmp_path / "m")
    (folder / "model.safetensors").unlink()
    with pytest.raises(NotFound, match="holds no model weights"):
        opened(folder)


def test_damaged_weights_are_a_sentence(tmp_path, tiny_model):
    folder = shutil.copytree(tiny_model, tmp_path / "m")
    (folder / "model.safetensors").write_bytes(b"\x10" * 100)
    with pytest.raises(BadInput, match=r"weights of “.*” are damaged"):
        opened(folder)


def test_a_model_with_code_of_its_own_is_a_sentence(tmp_path, tiny_model):
    folder = shutil.copytree(tiny_model, tmp_path / "m")
    change_json(folder / "config.json", {"model_type": "new", "auto_map": {"AutoConfig": "code.Config"}})
    (folder / "code.py").write_text("raise SystemExit('this must never run')")
    with pytest.raises(BadInput, match="brings its own code, which is not run"):
        opened(folder)


def test_a_hub_model_without_network_is_a_sentence():
    with pytest.raises(NotFound, match=r"org/no-such-model” is not on this computer"):
        DenseEncoder.open(DenseSpec(model="org/no-such-model"), FLOAT32)


def test_devices_and_precisions_that_are_not_there(tiny_model):
    with pytest.raises(BadInput, match="float16 does not run on a CPU"):
        opened(tiny_model, EncodeSpec(device="cpu", dtype="float16"))
    with pytest.raises(BadInput, match="no device “gpu”"):
        opened(tiny_model, EncodeSpec(device="gpu"))
    with pytest.raises(BadInput, match="“cuda:99” is not available"):
        opened(tiny_model, EncodeSpec(device="cuda:99"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_float16_on_the_gpu_stays_close(tiny_model):
    exact = opened(tiny_model, normalize=True).encode_documents(TEXTS)
    encoder = opened(tiny_model, EncodeSpec(device="cuda", dtype="auto"), normalize=True)
    assert encoder.describe()["dtype"] == "float16"
    assert (encoder.encode_documents(TEXTS) * exact).sum(axis=1).min() > 0.999
