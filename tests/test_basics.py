"""Types, specs, registry, scoring: the small values everything stands on."""

import numpy as np
import pytest

from workbench.errors import BadInput, NotFound
from workbench.registry import Registry
from workbench.scoring import normalize_rows, top_k
from workbench.specs import (
    BM25Spec,
    CrossEncoderSpec,
    DenseSpec,
    EncodeSpec,
    ImportSpec,
    PipelineSpec,
    encoder_spec,
    fingerprint,
    reranker_spec,
)
from workbench.types import Document, Ranking


def test_ranking_breaks_ties_by_ordinal_and_drops_minus_one():
    ranking = Ranking.of(np.array([7, -1, 3, 5]), np.array([0.5, 9.0, 0.5, 0.9]))
    assert ranking.ordinals.tolist() == [5, 3, 7]
    assert ranking.scores.tolist() == pytest.approx([0.9, 0.5, 0.5])


@pytest.mark.parametrize(
    ("ordinals", "scores"), [([1, 2], [0.1, 0.2]), ([2, 1], [0.5, 0.5]), ([1], [0.1, 0.2]), ([1, 1], [0.5, 0.5])]
)
def test_ranking_refuses_a_broken_order(ordinals, scores):
    with pytest.raises(ValueError):
        Ranking(np.array(ordinals), np.array(scores, dtype=np.float32))


@pytest.mark.parametrize("k", [0, 1, 2, 3, 5, 8, 100])
def test_top_k_equals_a_full_sort_also_with_ties_at_the_cut(k):
    scores = np.array([0.3, 0.9, 0.3, 0.3, 0.1, 0.9, 0.3, 0.2], dtype=np.float32)
    expected = sorted(range(8), key=lambda i: (-scores[i], i))[:k]
    assert top_k(scores, k).ordinals.tolist() == expected
    named = top_k(scores, k, ordinals=np.arange(8) * 10)
    assert named.ordinals.tolist() == [10 * i for i in expected]


def test_normalize_rows_leaves_its_input_and_zero_rows_alone():
    matrix = np.array([[3.0, 4.0], [0.0, 0.0]])
    before = matrix.copy()
    assert normalize_rows(matrix) == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]))
    assert normalize_rows(matrix).dtype == np.float32
    assert np.array_equal(matrix, before)


def test_content_joins_title_and_text_as_beir_does():
    assert Document("a", "text", "Title").content == "Title text"
    assert Document("a", "text").content == "text"
    assert Document("a", "", "Title").content == "Title"


def test_an_unknown_field_names_the_closest():
    with pytest.raises(BadInput, match="no field “k_1”") as caught:
        BM25Spec.from_dict({"k_1": 1.2})
    assert "Did you mean “k1”" in caught.value.hint


@pytest.mark.parametrize(
    "make",
    [
        lambda: BM25Spec(b=1.5),
        lambda: EncodeSpec(batch_tokens=1),
        lambda: EncodeSpec(dtype="float8"),
        lambda: BM25Spec(k1=True),
        lambda: BM25Spec(k1="much"),
    ],
)
def test_a_value_outside_its_limits_is_refused(make):
    with pytest.raises(BadInput, match=r"(EncodeSpec|BM25Spec)\.\w+ is"):
        make()


def test_specs_go_to_plain_values_and_back():
    spec = DenseSpec(name="x", model="org/model", dim=64, query_prompt="query: ")
    assert encoder_spec(spec.to_dict()) == spec
    assert encoder_spec(BM25Spec(k1=0.9).to_dict()) == BM25Spec(k1=0.9)
    mapping = ImportSpec(metadata_fields=("a", "b"))
    assert ImportSpec.from_dict({"metadata_fields": ["a", "b"]}) == mapping


def test_an_unknown_encoder_family_lists_the_families():
    with pytest.raises(BadInput, match="no encoder family “dens”") as caught:
        encoder_spec({"kind": "dens"})
    assert "dense" in caught.value.hint


def test_a_spec_without_a_kind_is_of_the_usual_family():
    assert encoder_spec({"name": "x"}) == DenseSpec(name="x")
    assert reranker_spec({"name": "x"}) == CrossEncoderSpec(name="x")


def test_a_pipeline_is_data():
    pipeline = PipelineSpec.from_dict({"retrievers": [{"encoder": "minilm", "index": "Flat"}, {"encoder": "bm25"}]})
    assert [each.encoder for each in pipeline.retrievers] == ["minilm", "bm25"]
    assert pipeline.retrievers[0].index == "Flat"
    assert PipelineSpec.from_dict(pipeline.to_dict()) == pipeline
    with pytest.raises(BadInput, match="at least one retriever"):
        PipelineSpec.from_dict({})


def test_fingerprints_do_not_depend_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert len(fingerprint("x")) == 24


def test_registry_loads_on_first_use_and_lists_choices():
    registry = Registry("box", {"ranking": "workbench.types:Ranking", "gone": "workbench.no_such_module:X"})
    assert registry.names() == ["gone", "ranking"]
    assert registry.load("ranking") is Ranking
    with pytest.raises(NotFound, match="no box called “rankin”") as caught:
        registry.load("rankin")
    assert "Did you mean “ranking”" in caught.value.hint
    with pytest.raises(ValueError, match="module:Class"):
        Registry("box", {"x": "nothing"})
