"""BM25 against bm25s's own scores, and its fitted state."""

import json
import math

import bm25s
import numpy as np
import pytest

from workbench.encoders.bm25 import BM25Encoder
from workbench.errors import BadInput, NotFound
from workbench.specs import BM25Spec, EncodeSpec

CORPUS = [
    "the cat sat on the mat",
    "a dog chased the cat and the other cat",
    "rivers run through the mountain city",
    "cat cat cat",
    "Search engines index text, vectors and Größe",
    "music and bread and water",
]
QUERIES = ["cat on a mat", "mountain rivers", "cat cat bread", "nothing known here", "größe INDEX"]


def fitted(spec=BM25Spec(), corpus=CORPUS, blocks=1):  # noqa: B008
    encoder = BM25Encoder.open(spec, EncodeSpec())
    step = -(-len(corpus) // blocks)
    encoder.fit(corpus[start : start + step] for start in range(0, len(corpus), step))
    return encoder


def scores_of_bm25s(spec, corpus, queries):
    tokenizer = bm25s.tokenization.Tokenizer(stopwords=[] if spec.stopwords == "none" else spec.stopwords)
    model = bm25s.BM25(method="lucene", k1=spec.k1, b=spec.b)
    tokens = tokenizer.tokenize(corpus, return_as="tuple", show_progress=False, allow_empty=False)
    model.index(tokens, show_progress=False)
    rows = []
    for query in queries:
        words = tokenizer.tokenize([query], update_vocab=False, return_as="string", show_progress=False)[0]
        known = [word for word in words if word]
        rows.append(model.get_scores(known) if known else np.zeros(len(corpus)))
    return np.array(rows)


@pytest.mark.parametrize(
    "spec",
    [BM25Spec(), BM25Spec(k1=0.9, b=0.4), BM25Spec(stopwords="none"), BM25Spec(b=0.0), BM25Spec(stopwords="de")],
    ids=str,
)
def test_scores_equal_those_of_bm25s(spec):
    encoder = fitted(spec)
    scores = (encoder.encode_queries(QUERIES) @ encoder.encode_documents(CORPUS).T).toarray()
    np.testing.assert_allclose(scores, scores_of_bm25s(spec, CORPUS, QUERIES), rtol=2e-6, atol=1e-7)


def test_equal_to_bm25s_on_a_thousand_generated_documents():
    random = np.random.default_rng(1)
    words = [f"word{n}" for n in range(400)]
    corpus = [" ".join(random.choice(words, random.integers(1, 60))) for _ in range(1000)]
    queries = [" ".join(random.choice(words, 3)) for _ in range(20)]
    encoder = fitted(corpus=corpus, blocks=7)
    scores = (encoder.encode_queries(queries) @ encoder.encode_documents(corpus).T).toarray()
    np.testing.assert_allclose(scores, scores_of_bm25s(BM25Spec(), corpus, queries), rtol=2e-6, atol=1e-6)


def test_a_weight_by_hand():
    encoder = fitted(BM25Spec(k1=1.2, b=0.5), ["apple apple pear", "pear plum quince fig"])
    row = encoder.encode_documents(["apple apple pear"])
    column = encoder.encode_queries(["apple"]).indices[0]
    idf = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    expected = idf * 2 / (1.2 * (1 - 0.5 + 0.5 * 3 / 3.5) + 2)
    assert row[0, column] == pytest.approx(expected, rel=1e-6)


def test_blocks_do_not_matter():
    one, many = fitted(blocks=1), fitted(blocks=6)
    assert (one.encode_documents(CORPUS) != many.encode_documents(CORPUS)).nnz == 0
    assert one.describe() == many.describe()


def test_fit_streams_its_blocks():
    taken = []

    def blocks():
        for text in CORPUS:
            taken.append(text)
            yield [text]

    BM25Encoder.open(BM25Spec(), EncodeSpec()).fit(blocks())
    assert taken == CORPUS


def test_queries_count_words_and_leave_out_unknown_ones():
    encoder = fitted()
    row = encoder.encode_queries(["cat cat bread xylophone"])
    assert sorted(row.data.tolist()) == [1.0, 2.0]
    assert encoder.effective_query("The Cat and a xylophone") == "cat"


def test_empty_documents_have_empty_rows():
    corpus = [*CORPUS, "", "the of and"]
    encoder = fitted(corpus=corpus)
    rows = encoder.encode_documents(corpus)
    assert np.diff(rows.indptr)[-2:].tolist() == [0, 0]
    assert encoder.describe()["fitted"]["documents"] == 8


def test_a_corpus_without_words_is_a_sentence():
    with pytest.raises(BadInput, match="No document of the corpus has a word"):
        fitted(corpus=["", "! ?", "the"])


def test_unfitted_is_a_sentence():
    with pytest.raises(BadInput, match="not fitted"):
        BM25Encoder.open(BM25Spec(), EncodeSpec()).encode_documents(["cat"])


def test_state_is_json_and_npy_and_comes_back_equal(tmp_path):
    encoder = fitted()
    encoder.save_state(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".npy"}
    assert "größe" in json.loads((tmp_path / "bm25.json").read_text())["vocabulary"]
    again = BM25Encoder.open(BM25Spec(), EncodeSpec(), tmp_path)
    assert (again.encode_documents(CORPUS) != encoder.encode_documents(CORPUS)).nnz == 0
    assert (again.encode_queries(QUERIES) != encoder.encode_queries(QUERIES)).nnz == 0
    assert again.describe() == encoder.describe()


def test_missing_state_is_a_sentence(tmp_path):
    with pytest.raises(NotFound, match="fitted state of BM25 is missing"):
        BM25Encoder.open(BM25Spec(), EncodeSpec(), tmp_path)
