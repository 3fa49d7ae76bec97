"""The learned sparse encoder against SparseEncoder on tiny random models."""

import json
import random

import numpy as np
import pytest
import torch
from model_fixtures import LETTERS, WORDS, Tiny, make_tiny_model, make_tiny_sparse
from sentence_transformers import SparseEncoder
from sentence_transformers.base.modules import Router
from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding

from workbench.encoders.sparse import SparseTextEncoder
from workbench.encoders.words import readable
from workbench.errors import BadInput
from workbench.specs import EncodeSpec, SparseSpec

FLOAT32 = EncodeSpec(device="cpu", dtype="float32")


def some_texts(count=30, seed=0):
    """Texts of 0 to 90 words: some empty, some beyond the model's 64 tokens."""
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(WORDS[5:] + LETTERS, k=chosen.choice([0, 1, 3, 9, 30, 90]))) for _ in range(count)]


TEXTS = some_texts()


def opened(folder, run=FLOAT32, **fields):
    return SparseTextEncoder.open(SparseSpec(name="tiny", model=str(folder), **fields), run)


def reference(folder):
    return SparseEncoder(str(folder), device="cpu", local_files_only=True)


def test_equals_sentence_transformers(tiny_sparse):
    encoder, model = opened(tiny_sparse), reference(tiny_sparse)
    for ours, theirs in (
        (encoder.encode_documents, model.encode_document),
        (encoder.encode_queries, model.encode_query),
    ):
        rows, expected = ours(TEXTS), theirs(TEXTS).to_dense().numpy()
        assert rows.dtype == np.float32 and rows.shape == expected.shape == (len(TEXTS), encoder.dim)
        np.testing.assert_allclose(rows.toarray(), expected, atol=2e-5)
        assert rows.nnz == np.count_nonzero(rows.toarray()), "a zero was stored"


def test_splade_by_hand(tiny_sparse):
    """log(1 + relu(logit)), the largest over the positions of the text."""
    model = reference(tiny_sparse)
    inputs = model.tokenizer("red cat", return_tensors="pt")
    with torch.inference_mode():
        logits = model[0].model(**inputs).logits[0]
    expected = torch.log(1 + torch.relu(logits)).amax(dim=0).numpy()
    np.testing.assert_allclose(opened(tiny_sparse).encode_queries(["red cat"]).toarray()[0], expected, atol=2e-5)


def test_a_plain_masked_language_model_becomes_splade(tmp_path, tiny_sparse):
    folder = make_tiny_sparse(tmp_path / "plain", modules=False)
    encoder = opened(folder)
    assert encoder.describe()["modules"] == ["Transformer", "SpladePooling"]
    assert encoder.describe()["pooling"] == "splade max" and encoder.dim == opened(tiny_sparse).dim
    np.testing.assert_allclose(
        encoder.encode_documents(TEXTS).toarray(), opened(tiny_sparse).encode_documents(TEXTS).toarray(), atol=1e-6
    )


def test_max_terms_keeps_the_strongest(tiny_sparse):
    whole, few = opened(tiny_sparse).encode_documents(TEXTS), opened(tiny_sparse, max_terms=5).encode_documents(TEXTS)
    expected = reference(tiny_sparse).encode(TEXTS, max_active_dims=5).to_dense().numpy()
    np.testing.assert_allclose(few.toarray(), expected, atol=2e-5)
    for row, kept in zip(whole.toarray(), few.toarray(), strict=True):
        assert set(np.flatnonzero(kept)) <= set(np.argsort(-row)[:5])
        assert np.count_nonzero(kept) == min(5, np.count_nonzero(row))
    assert opened(tiny_sparse, max_terms=5).describe()["max_terms"] == 5


def test_a_router_with_static_queries(tmp_path, tiny_sparse):
    """Inference-free: queries are weights from a table, documents go through the model."""
    model = reference(tiny_sparse)
    weights = torch.rand(len(model.tokenizer), generator=torch.Generator().manual_seed(0))
    static = SparseStaticEmbedding(model.tokenizer, weights)
    router = Router.for_query_document(query_modules=[static], document_modules=list(model))
    SparseEncoder(modules=[router], device="cpu").save(str(tmp_path / "m"), create_model_card=False)
    encoder = opened(tmp_path / "m")
    query = encoder.encode_queries(["red cat cat"])
    ids = sorted(model.tokenizer("red cat", add_special_tokens=False)["input_ids"])
    assert query.indices.tolist() == ids and sorted(encoder.terms(ids)) == ["cat", "red"]
    np.testing.assert_allclose(query.data, weights[ids].numpy(), atol=1e-6)
    np.testing.assert_allclose(
        encoder.encode_documents(TEXTS).toarray(), opened(tiny_sparse).encode_documents(TEXTS).toarray(), atol=2e-5
    )


def test_prompts_of_the_model_are_put_once(tmp_path):
    folder = make_tiny_sparse(tmp_path / "m")
    path = folder / "config_sentence_transformers.json"
    config = json.loads(path.read_text()) | {"prompts": {"query": "query : ", "document": ""}}
    path.write_text(json.dumps(config))
    encoder = opened(folder)
    expected = reference(folder).encode(["query : red cat"], prompt="").to_dense().numpy()
    np.testing.assert_allclose(encoder.encode_queries(["red cat"]).toarray(), expected, atol=2e-5)
    assert encoder.effective_query("red cat") == "query : red cat"


def test_max_length_is_applied_and_checked(tiny_sparse):
    long = "red cat river " * 40
    assert opened(tiny_sparse, max_length=12).describe()["max_length"] == 12
    shorter = opened(tiny_sparse, max_length=12).encode_documents([long])
    model = reference(tiny_sparse)
    model.max_seq_length = 12
    np.testing.assert_allclose(shorter.toarray(), model.encode([long]).to_dense().numpy(), atol=2e-5)
    with pytest.raises(BadInput, match="reads at most 64 tokens"):
        opened(tiny_sparse, max_length=100)


def test_a_dense_model_is_refused(tmp_path, tiny_model):
    with pytest.raises(BadInput, match="is not a sparse encoder"):
        opened(tiny_model)
    with pytest.raises(BadInput, match="is not a sparse encoder"):
        opened(make_tiny_model(tmp_path / "m", Tiny(modules=False)))


def test_bfloat16_is_near(tiny_sparse):
    exact = opened(tiny_sparse).encode_documents(TEXTS[1:]).toarray()
    near = opened(tiny_sparse, EncodeSpec(device="cpu", dtype="bfloat16")).encode_documents(TEXTS[1:]).toarray()
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(near, axis=1)
    assert ((exact * near).sum(axis=1) / lengths).min() > 0.999


def test_words_of_every_kind_of_tokenizer(tiny_m3, tiny_sparse):
    from transformers import AutoTokenizer

    pieces, whole = (AutoTokenizer.from_pretrained(folder) for folder in (tiny_m3, tiny_sparse))
    assert readable(whole, whole("cat x9.")["input_ids"]) == ["[CLS]", "cat", "x", "##9", ".", "[SEP]"]
    assert readable(pieces, pieces("cat x9.")["input_ids"]) == ["<s>", "cat", "x", "##9", ".", "</s>"]
