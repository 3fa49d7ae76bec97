"""BGE-M3's arithmetic against plain loops on a tiny XLM-R made from a config; the real model's published values."""

import numpy as np
import pytest
import torch
from model_fixtures import make_tiny_m3
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer

from workbench.checkpoints import hub_snapshot, loaded
from workbench.encoders.m3 import M3Encoder
from workbench.errors import BadInput
from workbench.scoring import maxsim
from workbench.specs import EncodeSpec, M3Spec

FLOAT32 = EncodeSpec(device="cpu", dtype="float32")
TEXTS = ["red cat cat sat", "", "the river, the big river and the house x9", "ü", "city " * 90]


def opened(folder, output="dense", **fields):
    return M3Encoder.open(M3Spec(name="tiny", model=str(folder), output=output, **fields), FLOAT32)


class Plain:
    """The same model one text at a time, by transformers and loops alone."""

    def __init__(self, folder):
        self.model, self.tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
        self.sparse, self.colbert = (
            torch.load(folder / f"{name}.pt", weights_only=True) for name in ("sparse_linear", "colbert_linear")
        )

    def states(self, text):
        inputs = self.tokenizer(text, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            return inputs["input_ids"][0].tolist(), self.model(**inputs).last_hidden_state[0]

    def dense(self, text):
        first = self.states(text)[1][0]
        return (first / first.norm()).numpy()

    def lexical(self, text) -> dict[int, float]:
        ids, states = self.states(text)
        found: dict[int, float] = {}
        for number, state in zip(ids, states, strict=True):
            weight = max(0.0, float(self.sparse["weight"][0] @ state + self.sparse["bias"][0]))
            if number not in (0, 1, 2, 3) and weight > 0:
                found[number] = max(found.get(number, 0.0), weight)
        return found

    def multi(self, text):
        rows = [self.colbert["weight"] @ state + self.colbert["bias"] for state in self.states(text)[1][1:]]
        return np.stack([(row / row.norm()).numpy() for row in rows])


@pytest.fixture(scope="module")
def plain(tiny_m3):
    return Plain(tiny_m3)


def test_dense_is_the_first_state_at_length_one(tiny_m3, plain):
    found = opened(tiny_m3).encode_documents(TEXTS)
    np.testing.assert_allclose(found, [plain.dense(text) for text in TEXTS], atol=2e-5)


def test_sparse_is_the_largest_weight_of_each_term_without_specials(tiny_m3, plain):
    encoder = opened(tiny_m3, "sparse")
    found = encoder.encode_documents(TEXTS)
    assert encoder.dim == found.shape[1] == len(plain.tokenizer)
    for row, text in zip(found, TEXTS, strict=True):
        expected = plain.lexical(text)
        assert row.indices.tolist() == sorted(expected)
        np.testing.assert_allclose(row.data, [expected[number] for number in sorted(expected)], atol=2e-5)
    assert any(len(plain.lexical(text)) < len(text.split()) for text in TEXTS), "no term occurs twice"
    assert found[1].nnz == found[3].nnz == 0, "marks of beginning, end and the unknown are no terms"


def test_multi_has_a_vector_for_every_token_but_the_first(tiny_m3, plain):
    encoder = opened(tiny_m3, "multi")
    found = encoder.encode_documents(TEXTS)
    for row, text in zip(found, TEXTS, strict=True):
        np.testing.assert_allclose(row, plain.multi(text), atol=2e-5)
    assert encoder.tokens("red cat", "query") == ["red", "cat", "</s>"]


def test_scores_are_the_papers(tiny_m3, plain):
    """s_lex = Σ over shared terms of w_q·w_p; s_mul = the mean over the query's tokens of the best product."""
    query, passage = "red cat sat", "the cat and the red house"
    q, p = opened(tiny_m3, "sparse").encode_documents([query, passage])
    left, right = plain.lexical(query), plain.lexical(passage)
    shared = sum(left[number] * right[number] for number in left.keys() & right.keys())
    assert float((q @ p.T).toarray()[0, 0]) == pytest.approx(shared, abs=1e-5)
    rows = opened(tiny_m3, "multi").encode_documents([query, passage])
    products = plain.multi(query) @ plain.multi(passage).T
    assert maxsim(rows[0], rows.take(np.array([1])), mean=True)[0] == pytest.approx(products.max(1).mean(), abs=1e-5)


def test_one_pass_gives_what_three_give(tiny_m3):
    parts = opened(tiny_m3).encode_parts(TEXTS)
    dense, sparse, multi = (opened(tiny_m3, output).encode_documents(TEXTS) for output in ("dense", "sparse", "multi"))
    np.testing.assert_allclose(parts["dense"], dense, atol=1e-6)
    np.testing.assert_allclose(parts["sparse"].toarray(), sparse.toarray(), atol=1e-6)
    np.testing.assert_allclose(parts["multi"].values, multi.values, atol=1e-6)
    assert parts["multi"].offsets.tolist() == multi.offsets.tolist()


def test_the_three_share_one_model_in_memory(tmp_path):
    folder = make_tiny_m3(tmp_path / "m")
    before = {entry.key for entry in loaded().contents()}
    encoders = [opened(folder, output) for output in ("dense", "sparse", "multi")]
    new = [entry for entry in loaded().contents() if entry.key not in before]
    assert len(new) == 1 and new[0].bytes > sum(each.size_bytes for each in encoders)
    first = encoders[0].encode_documents(TEXTS)
    loaded().clear()
    assert np.array_equal(encoders[0].encode_documents(TEXTS), first), "it is loaded again where it had to leave"


def test_siblings_have_names_of_their_own(tiny_m3):
    for output, names in {
        "dense": ["tiny", "tiny:sparse", "tiny:multi"],
        "sparse": ["tiny:sparse", "tiny", "tiny:multi"],
    }.items():
        name = "tiny" if output == "dense" else f"tiny:{output}"
        specs = M3Encoder.sibling_specs(M3Spec(name=name, model=str(tiny_m3), output=output))
        assert [spec.name for spec in specs] == names and specs[0].output == output
    described = opened(tiny_m3, "multi").describe()
    assert (described["similarity"], described["pooling"]) == ("meanmaxsim", "token")


def test_heads_in_safetensors_give_the_same(tiny_m3, tmp_path):
    folder = make_tiny_m3(tmp_path / "m")
    for name in ("sparse_linear", "colbert_linear"):
        save_file(torch.load(folder / f"{name}.pt", weights_only=True), folder / f"{name}.safetensors")
        (folder / f"{name}.pt").unlink()
    for output in ("sparse", "multi"):
        found, expected = (opened(each, output).encode_documents(TEXTS) for each in (folder, tiny_m3))
        left, right = (each.values if output == "multi" else each.toarray() for each in (found, expected))
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_other_heads_are_another_revision(tiny_m3, tmp_path):
    folder = make_tiny_m3(tmp_path / "m")
    assert opened(folder).describe()["revision"] == opened(tiny_m3).describe()["revision"]
    other = make_tiny_m3(tmp_path / "other")
    torch.save(torch.nn.Linear(32, 1).state_dict(), other / "sparse_linear.pt")
    assert opened(other).describe()["revision"] != opened(tiny_m3).describe()["revision"]


class Evil:
    def __reduce__(self):
        return print, ("this ran",)


def test_a_pickle_in_a_heads_place_is_not_run(tmp_path, capsys):
    folder = make_tiny_m3(tmp_path / "m")
    torch.save({"weight": Evil(), "bias": Evil()}, folder / "sparse_linear.pt")
    with pytest.raises(BadInput, match=r"sparse_linear\.pt of .* is damaged"):
        opened(folder)
    assert "this ran" not in capsys.readouterr().out


def test_a_model_without_heads_is_refused(tiny_model):
    with pytest.raises(BadInput, match="no BGE-M3 model"):
        opened(tiny_model)


def test_max_length_is_applied_and_checked(tiny_m3):
    assert opened(tiny_m3, "multi", max_length=10).encode_documents([TEXTS[4]]).lengths.tolist() == [9]
    with pytest.raises(BadInput, match="reads at most 64 tokens"):
        opened(tiny_m3, max_length=65)


PASSAGES = [
    "BGE M3 is an embedding model supporting dense retrieval, lexical matching and multi-vector interaction.",
    "BM25 is a bag-of-words retrieval function that ranks a set of documents based on the query terms appearing in "
    "each document",
]
QUERIES = ["What is BGE M3?", "Defination of BM25"]


@pytest.mark.skipif(hub_snapshot("BAAI/bge-m3") is None, reason="BAAI/bge-m3 is not in the hub cache")
def test_the_published_values():
    """From the model's card (README of BAAI/bge-m3)."""
    encoder = {name: M3Encoder.open(M3Spec(name="m3", output=name), FLOAT32) for name in ("dense", "sparse", "multi")}
    queries, passages = (
        {name: each.encode_documents(t) for name, each in encoder.items()} for t in (QUERIES, PASSAGES)
    )
    dense = queries["dense"] @ passages["dense"].T
    np.testing.assert_allclose(dense, [[0.6265, 0.3477], [0.3499, 0.678]], atol=2e-3)
    row = queries["sparse"][0]
    words = dict(zip(encoder["sparse"].terms(row.indices), row.data, strict=True))
    assert words["What"] == pytest.approx(0.0836, abs=2e-3) and words["is"] == pytest.approx(0.0814, abs=2e-3)
    lexical = (queries["sparse"] @ passages["sparse"].T).toarray()
    assert lexical[0, 0] == pytest.approx(0.19554901, abs=2e-3) and lexical[0, 1] == pytest.approx(0.0088, abs=2e-3)
    multi = maxsim(queries["multi"][0], passages["multi"], mean=True)
    np.testing.assert_allclose(multi, [0.7797, 0.4620], atol=2e-3)
