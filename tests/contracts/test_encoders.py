"""What every encoder family promises, run over each entry of the registry."""

import copy
import json
import random
from pathlib import Path

import numpy as np
import pytest
from image_fixtures import draw
from scipy import sparse

from workbench.encoders import ENCODERS
from workbench.encoders.base import Encoder
from workbench.errors import BadInput, Cancelled
from workbench.ragged import Ragged
from workbench.specs import (
    BM25Spec,
    BridgeSpec,
    DenseSpec,
    EncoderSpec,
    EncodeSpec,
    ImageSpec,
    ImageTextSpec,
    M3Spec,
    MultiVectorSpec,
    SparseSpec,
)
from workbench.types import Content

RUN = EncodeSpec(device="cpu", dtype="float32")
VOCABULARY = "cat dog river mountain city music bread water light red blue green search index vector"
WORDS = VOCABULARY.split()
TEXTS = [" ".join(random.Random(n).choices(WORDS, k=1 + n % 9)) for n in range(30)]


FORMS = {"dense": np.ndarray, "sparse": sparse.csr_matrix, "multi": Ragged}
LONGEST = 100
"""Tokens that no text of a tiny model reaches, so that ragged rows can be compared as one array."""


@pytest.fixture(params=[*ENCODERS.names(), "bge-m3:sparse", "bge-m3:multi"])
def spec(request: pytest.FixtureRequest, tiny_model: Path) -> EncoderSpec:
    """The spec under which each family is tried; a new family adds its own here."""

    def folder(name: str) -> str:
        return str(request.getfixturevalue(name))

    made = {
        "dense": lambda: DenseSpec(name="tiny", model=str(tiny_model), query_prompt="query : "),
        "bm25": lambda: BM25Spec(),
        "sparse": lambda: SparseSpec(name="tiny", model=folder("tiny_sparse"), max_terms=40),
        "multi-vector": lambda: MultiVectorSpec(name="tiny", model=folder("tiny_multi")),
        "bge-m3": lambda: M3Spec(name="tiny", model=folder("tiny_m3")),
        "bge-m3:sparse": lambda: M3Spec(name="tiny", model=folder("tiny_m3"), output="sparse"),
        "bge-m3:multi": lambda: M3Spec(name="tiny", model=folder("tiny_m3"), output="multi"),
        "image-text": lambda: ImageTextSpec(name="tiny", model=folder("tiny_clip")),
        "image": lambda: ImageSpec(name="tiny", model=folder("tiny_vit")),
        "bridge": lambda: BridgeSpec(name="tiny", model=folder("tiny_bridge")),
    }
    return made[request.param]()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw(tmp_path_factory.mktemp("pictures"), len(TEXTS))


@pytest.fixture
def inputs(spec: EncoderSpec, pictures: list[Path]) -> list[str | Content]:
    """Thirty contents of what the family reads: texts; pictures; or texts, pictures and both in turn."""
    if spec.kind == "image":
        return [Content("", path) for path in pictures]
    if spec.kind not in ("image-text", "bridge"):
        return list(TEXTS)
    mixed = zip(TEXTS, pictures, strict=True)
    return [(text, Content("", path), Content(text, path))[n % 3] for n, (text, path) in enumerate(mixed)]


def ready(spec: EncoderSpec, run: EncodeSpec = RUN) -> Encoder:
    encoder = ENCODERS.load(spec.kind).open(spec, run)
    if encoder.needs_fit:
        encoder.fit([TEXTS[:11], TEXTS[11:]])
    return encoder


def rows(matrix) -> np.ndarray:
    """One array of any form: ragged rows with zeros behind them."""
    if isinstance(matrix, Ragged):
        filled = np.zeros((len(matrix), LONGEST, matrix.dim), np.float32)
        for target, row in zip(filled, matrix, strict=True):
            target[: len(row)] = row
        return filled
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def test_shapes_and_types(spec, inputs):
    encoder = ready(spec)
    for matrix in (encoder.encode_documents(inputs), encoder.encode_queries(inputs)):
        assert matrix.shape == (len(inputs), encoder.dim) and rows(matrix).dtype == np.float32
        assert isinstance(matrix, FORMS[encoder.output])
        assert np.isfinite(rows(matrix)).all() and np.abs(rows(matrix)).sum() > 0


def test_the_same_twice(spec, inputs):
    encoder = ready(spec)
    for encode in (encoder.encode_documents, encoder.encode_queries):
        assert np.array_equal(rows(encode(inputs)), rows(encode(inputs)))


def test_a_second_instance_gives_the_same(spec, inputs):
    assert np.array_equal(rows(ready(spec).encode_documents(inputs)), rows(ready(spec).encode_documents(inputs)))


def test_rows_do_not_depend_on_company_or_order(spec, inputs):
    encoder = ready(spec)
    together = rows(encoder.encode_documents(inputs))
    alone = np.concatenate([rows(encoder.encode_documents([text])) for text in inputs])
    order = np.random.default_rng(0).permutation(len(inputs))
    shuffled = rows(encoder.encode_documents([inputs[n] for n in order]))
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(shuffled, together[order], atol=1e-5)


def test_rows_do_not_depend_on_the_batch_size(spec, inputs):
    small = ready(spec, EncodeSpec(device="cpu", dtype="float32", batch_tokens=64))
    np.testing.assert_allclose(
        rows(small.encode_documents(inputs)), rows(ready(spec).encode_documents(inputs)), atol=1e-5
    )


def test_equal_texts_have_equal_rows(spec, inputs):
    matrix = rows(ready(spec).encode_documents([inputs[4], inputs[5], inputs[4]]))
    np.testing.assert_allclose(matrix[0], matrix[2], atol=1e-6)
    assert not np.allclose(matrix[0], matrix[1], atol=1e-3)


def test_nothing_in_gives_nothing_out(spec):
    encoder = ready(spec)
    assert encoder.encode_documents([]).shape == encoder.encode_queries([]).shape == (0, encoder.dim)


def test_an_empty_text_has_a_finite_row(spec):
    matrix = ready(spec).encode_documents(["", TEXTS[0], " "])
    assert matrix.shape[0] == 3 and np.isfinite(rows(matrix)).all()


def test_odd_texts_are_encoded(spec):
    odd = ["\x00\x01", "🙂" * 50, "a" * 100_000, "\ud800"[:0] + "naïve café", "\n\t ", "中文 عربى"]
    assert ready(spec).encode_documents(odd).shape[0] == len(odd)


def test_inputs_are_not_changed(spec, inputs):
    encoder, given = ready(spec), list(inputs)
    before = copy.deepcopy(given)
    encoder.encode_documents(given)
    encoder.encode_queries(given)
    assert given == before


def test_saved_state_opens_equal(spec, tmp_path, inputs):
    encoder = ready(spec)
    state = None
    if encoder.needs_fit or encoder.keeps_state:
        state = tmp_path / "state"
        encoder.save_state(state)
        assert not list(state.rglob("*.pkl"))
    again = ENCODERS.load(spec.kind).open(spec, RUN, state)
    assert np.array_equal(rows(again.encode_queries(inputs)), rows(encoder.encode_queries(inputs)))
    assert again.describe() == encoder.describe()


def test_families_that_are_not_fitted_say_so(spec, tmp_path):
    encoder = ready(spec)
    if not encoder.needs_fit:
        with pytest.raises(TypeError):
            encoder.fit([TEXTS])
    if not (encoder.needs_fit or encoder.keeps_state):
        with pytest.raises(TypeError):
            encoder.save_state(tmp_path)


def test_the_description_is_plain_and_without_a_device(spec):
    encoder = ready(spec)
    described = encoder.describe()
    assert json.loads(json.dumps(described)) == described
    assert {"family", "similarity", "versions"} <= set(described)
    assert "device" not in json.dumps(described)
    assert encoder.warnings == [] and encoder.size_bytes > 0


def test_progress_counts_texts_and_can_stop(spec, inputs):
    encoder, told = ready(spec), []
    encoder.encode_documents(inputs, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(inputs), len(inputs)) and told == sorted(told)

    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        encoder.encode_documents(inputs, stop)


def test_the_wrong_spec_is_refused(spec):
    other = BM25Spec() if spec.kind != "bm25" else DenseSpec(model="x")
    with pytest.raises(TypeError):
        ENCODERS.load(spec.kind).open(other, RUN)


def test_the_effective_query_is_text(spec):
    assert "cat" in ready(spec).effective_query("cat river")


def test_token_vectors_have_a_token_each_and_no_padding(spec):
    encoder = ready(spec)
    if encoder.output != "multi":
        with pytest.raises(TypeError):
            encoder.tokens("cat", "query")
        return
    for role, encode in (("query", encoder.encode_queries), ("document", encoder.encode_documents)):
        found = encode(TEXTS)
        assert [len(encoder.tokens(text, role)) for text in TEXTS] == found.lengths.tolist()
        assert all("cat" in encoder.tokens(text, role) for text in TEXTS if "cat" in text.split())
        np.testing.assert_allclose(np.linalg.norm(found.values, axis=1), 1, atol=1e-5)


def test_terms_have_words(spec):
    encoder = ready(spec)
    if encoder.output != "sparse":
        with pytest.raises(TypeError):
            encoder.terms([0])
        return
    row = encoder.encode_documents(["cat river"])
    words = encoder.terms(row.indices)
    assert len(words) == row.nnz > 0 and all(isinstance(word, str) and word for word in words)
    assert (row.data > 0).all() and (np.diff(row.indices) > 0).all()
    assert spec.kind == "sparse" or {"cat", "river"} <= set(words)


def test_a_long_query_is_named(spec):
    encoder = ready(spec)
    assert encoder.truncated("cat river") == ""
    if spec.kind not in ("bm25", "image"):
        assert "tokens, and the model reads its first" in encoder.truncated("cat river " * 200)


def test_a_modality_it_does_not_read_is_refused_in_queries_and_left_out_of_documents(spec, pictures):
    encoder = ready(spec)
    both = Content("cat river", pictures[0])
    if encoder.modalities == {"text", "image"}:
        assert encoder.encode_queries([both]).shape == (1, encoder.dim)
        return
    with pytest.raises(BadInput, match="the query has"):
        encoder.encode_queries([both])
    own = Content("", pictures[0]) if encoder.modalities == {"image"} else Content("cat river")
    found, expected = encoder.encode_documents([both]), encoder.encode_documents([own])
    np.testing.assert_allclose(rows(found), rows(expected), atol=1e-6)
