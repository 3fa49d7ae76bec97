"""What every reranker family promises, run over each entry of the registry."""

import copy
import json
import random
from pathlib import Path

import numpy as np
import pytest
from reranker_fixtures import BUILDERS, Family

from workbench.errors import BadInput, Cancelled
from workbench.rerankers import RERANKERS
from workbench.rerankers.base import Reranker
from workbench.specs import BM25Spec, EncodeSpec
from workbench.types import Content

RUN = EncodeSpec(device="cpu", dtype="float32")
VOCABULARY = "cat dog river mountain city music bread water light red blue green search index vector"
WORDS = VOCABULARY.split()
DOCUMENTS = [" ".join(random.Random(n).choices(WORDS, k=1 + n % 9)) for n in range(11)]
QUERY = "red cat river"


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Family]:
    """The families built so far, once each."""
    return {}


@pytest.fixture(params=RERANKERS.names())
def family(request: pytest.FixtureRequest, families: dict[str, Family], tmp_path_factory) -> Family:
    """How each family is tried; a new one adds its builder to reranker_fixtures."""
    if request.param not in families:
        families[request.param] = BUILDERS[request.param](tmp_path_factory.mktemp("rerankers"))
    return families[request.param]


@pytest.fixture
def reranker(family: Family) -> Reranker:
    return family.open(family.spec, RUN)


def test_shapes_and_types(reranker):
    result = reranker.rerank(QUERY, DOCUMENTS)
    assert result.scores.shape == (len(DOCUMENTS),) and result.scores.dtype == np.float32
    assert np.isfinite(result.scores).all() and len(np.unique(result.scores)) > 1
    assert result.cut == [] and result.warnings == []


def test_the_same_twice(reranker):
    assert np.array_equal(reranker.rerank(QUERY, DOCUMENTS).scores, reranker.rerank(QUERY, DOCUMENTS).scores)


def test_a_second_instance_gives_the_same(family):
    first, second = (family.open(family.spec, RUN).rerank(QUERY, DOCUMENTS) for _ in range(2))
    assert np.array_equal(first.scores, second.scores)


def test_scores_do_not_depend_on_company_or_order(reranker):
    if not reranker.pointwise:
        return
    together = reranker.rerank(QUERY, DOCUMENTS).scores
    alone = np.concatenate([reranker.rerank(QUERY, [text]).scores for text in DOCUMENTS])
    order = np.random.default_rng(0).permutation(len(DOCUMENTS))
    shuffled = reranker.rerank(QUERY, [DOCUMENTS[n] for n in order]).scores
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(shuffled, together[order], atol=1e-5)


def test_scores_do_not_depend_on_the_batch_size(family, reranker):
    small = family.open(family.spec, EncodeSpec(device="cpu", dtype="float32", batch_tokens=64))
    expected = reranker.rerank(QUERY, DOCUMENTS).scores
    np.testing.assert_allclose(small.rerank(QUERY, DOCUMENTS).scores, expected, atol=1e-5)


def test_a_listwise_order_has_every_document_once(reranker):
    if reranker.pointwise:
        return
    scores = reranker.rerank(QUERY, DOCUMENTS).scores
    assert len(np.unique(scores)) == len(DOCUMENTS)


def test_the_query_matters(reranker):
    if reranker.pointwise:
        first, second = reranker.rerank(QUERY, DOCUMENTS).scores, reranker.rerank("music bread", DOCUMENTS).scores
        assert not np.allclose(first, second, atol=1e-4)


def test_nothing_in_gives_nothing_out(reranker):
    result = reranker.rerank(QUERY, [])
    assert result.scores.shape == (0,) and result.scores.dtype == np.float32 and result.windows == []


def test_one_document_has_a_score(reranker):
    assert np.isfinite(reranker.rerank(QUERY, DOCUMENTS[:1]).scores).all()


def test_empty_and_odd_texts_have_finite_scores(reranker):
    odd = ["", " ", "\x00\x01", "🙂" * 50, "a" * 100_000, "naïve café", "\n\t ", "中文 عربى", "[SEP] </s> <|im_end|>"]
    assert np.isfinite(reranker.rerank(QUERY, odd).scores).all()
    assert np.isfinite(reranker.rerank("", DOCUMENTS[:3]).scores).all()


def test_a_long_document_is_cut_and_named_where_the_family_has_a_limit(reranker):
    long = " ".join(WORDS * 2000)
    result = reranker.rerank(QUERY, [DOCUMENTS[0], long, DOCUMENTS[1]])
    assert np.isfinite(result.scores).all()
    assert result.cut in ([], [1])


def test_inputs_are_not_changed(reranker):
    given: list[str | Content] = [*DOCUMENTS[:5], Content(DOCUMENTS[5])]
    before = copy.deepcopy(given)
    reranker.rerank(Content(QUERY), given)
    assert given == before


def test_strings_and_contents_are_the_same(reranker):
    contents = [Content(text) for text in DOCUMENTS]
    expected = reranker.rerank(QUERY, DOCUMENTS).scores
    assert np.array_equal(reranker.rerank(Content(QUERY), contents).scores, expected)


def test_an_image_is_refused_by_who_cannot_read_it(reranker):
    if "image" in reranker.modalities:
        return
    with pytest.raises(BadInput, match="reads text, and the query has image"):
        reranker.rerank(Content(QUERY, image=Path("cat.png")), DOCUMENTS)
    # Of a document it is left out: its text is still worth something.
    with_image = reranker.rerank(QUERY, [Content(text, image=Path("cat.png")) for text in DOCUMENTS]).scores
    assert np.array_equal(with_image, reranker.rerank(QUERY, DOCUMENTS).scores)


def test_progress_counts_documents_and_can_stop(reranker):
    told: list[tuple[int, int]] = []
    reranker.rerank(QUERY, DOCUMENTS, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(DOCUMENTS), len(DOCUMENTS)) and told == sorted(told)

    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        reranker.rerank(QUERY, DOCUMENTS, stop)


def test_the_description_is_plain_and_changes_with_a_setting(family, reranker):
    described = reranker.describe()
    assert json.loads(json.dumps(described)) == described
    assert {"family", "versions"} <= set(described) and "device" not in json.dumps(described)
    assert family.open(family.spec, RUN).describe() == described
    assert family.open(family.changed, RUN).describe() != described


def test_it_says_its_size_and_has_nothing_to_warn_of(reranker):
    assert reranker.size_bytes > 0 and reranker.warnings == []


@pytest.mark.parametrize("name", RERANKERS.names())
def test_the_wrong_spec_is_refused(name):
    with pytest.raises(TypeError):
        RERANKERS.load(name).open(BM25Spec(), RUN)
