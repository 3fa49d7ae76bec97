"""Columns of a comparison without a browser: the first ones, what a control of the editor does, agreement."""

import json
from urllib.parse import urlencode

import pytest

from ui.components.address import Column
from ui.components.column_editor import (
    Choices,
    changed,
    one_m3,
    pipeline_label,
    rerank_html,
    settings_label,
    system_value,
    with_retriever,
    without_retriever,
)
from ui.components.columns import chosen_value, first_columns, fitted, head_html, plain, that_read_pictures
from ui.components.compare import agree, ticket
from ui.forms import entered
from workbench.errors import BadInput
from workbench.specs import FusionSpec, LLMRerankerSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.workflows.search import System

BM25 = System("bm25 · inverted", "bm25", "inverted", True, "sparse")
MINILM = System("minilm · exact", "minilm", "exact", True, "dense")
HNSW = System("minilm · HNSW32", "minilm", "HNSW32", True, "dense")
GIVEN = System("given · exact", "given", "exact", False, "dense")
CLIP = System("clip · exact", "clip", "exact", True, "dense", frozenset({"text", "image"}))
BOTH = PipelineSpec((RetrieverSpec("bm25", "inverted"), RetrieverSpec("minilm")), FusionSpec(weights=(1.0, 0.5)))


def entry(name: str, **values: object) -> object:
    from workbench.catalogue import CatalogueEntry

    return CatalogueEntry(name, name, "reranker", LLMRerankerSpec(name=name, model="org/m", **values))


CHOICES = Choices([BM25, MINILM, HNSW], ["mine"], [entry("far"), entry("layered")], ["dev"])


def test_a_first_visitor_sees_words_meaning_and_both() -> None:
    columns = first_columns([MINILM, BM25, HNSW])
    assert [pipeline_label(each.pipeline) for each in columns] == ["bm25", "minilm", "bm25 + minilm → rrf"]
    assert [pipeline_label(each.pipeline) for each in first_columns([BM25])] == ["bm25"]
    assert [each.encoder for each in first_columns([GIVEN])] == ["given"]
    assert first_columns([]) == ()
    assert [each.encoder for each in first_columns([CLIP, BM25, MINILM])] == ["bm25", "minilm", "clip"]


def test_a_picture_is_searched_with_what_reads_pictures() -> None:
    shown = first_columns([BM25, MINILM])
    assert [each.encoder for each in that_read_pictures(shown, [BM25, MINILM, CLIP])] == ["clip"]
    assert that_read_pictures(shown, [BM25, MINILM]) == shown
    mixed = (Column(BOTH), Column(plain("clip", "exact")))
    assert that_read_pictures(mixed, [BM25, MINILM, CLIP]) == mixed


def test_a_lone_system_that_is_missing_is_replaced_and_named() -> None:
    systems = [BM25, MINILM, HNSW]
    lone = (Column(plain("e5", "exact")),)
    columns, missing = fitted(lone, systems)
    assert (columns[0].pipeline, missing) == (plain("bm25", "inverted"), "e5")
    assert fitted((Column(plain("minilm", "IVF9")),), systems) == ((Column(plain("minilm", "exact")),), "")
    # A comparison stays as it is: the column says in its place what it lacks.
    assert fitted((*lone, Column(BOTH)), systems) == ((*lone, Column(BOTH)), "")


def test_the_list_of_pipelines_names_what_is_shown() -> None:
    assert chosen_value(Column(plain("minilm", "HNSW32")), CHOICES) == json.dumps(["minilm", "HNSW32"])
    assert chosen_value(Column(BOTH, "mine"), CHOICES) == "saved:mine"
    assert chosen_value(Column(BOTH, "gone"), CHOICES) == "custom"
    assert chosen_value(Column(PipelineSpec((RetrieverSpec("minilm", nprobe=3),))), CHOICES) == "custom"
    assert head_html(0, [Column(BOTH)], CHOICES).count("selected") >= 1


def test_retrievers_come_and_go_with_their_weights() -> None:
    more = with_retriever(BOTH, system_value("minilm", "HNSW32"))
    assert [each.index for each in more.retrievers] == ["inverted", "exact", "HNSW32"]
    assert more.fusion is not None and more.fusion.weights == (1.0, 0.5, 1.0)
    less = without_retriever(more, 0)
    assert less.fusion is not None and less.fusion.weights == (0.5, 1.0)
    one = without_retriever(less, 1)
    assert one == plain("minilm", "exact") and without_retriever(one, 0) == one
    assert with_retriever(one, system_value("bm25", "inverted")).fusion == FusionSpec()
    with pytest.raises(BadInput, match="no system"):
        with_retriever(one, "nonsense")


@pytest.mark.parametrize(
    ("field", "text", "part"),
    [
        ("weights.1", "0.75", lambda p: p.fusion.weights == (1.0, 0.75)),
        ("fusion.method", "dbsf", lambda p: p.fusion == FusionSpec("dbsf", weights=(1.0, 0.5))),
        ("fusion.k", "12.5", lambda p: p.fusion.k == 12.5),
        ("fusion.origin", "0", lambda p: p.fusion.origin == 0),
        ("depth", "250", lambda p: p.depth == 250),
        ("retrievers.1.ef_search", "64", lambda p: p.retrievers[1].ef_search == 64),
        ("retrievers.1.ef_search", "", lambda p: p.retrievers[1].ef_search is None),
        ("retrievers.1.query_bank", "dev", lambda p: p.retrievers[1].query_bank == "dev"),
        ("reranker.name", "layered", lambda p: p.reranker == RerankSpec("layered", 50)),
        ("reranker.name", "", lambda p: p.reranker is None),
    ],
)
def test_a_control_changes_its_own_field(field: str, text: str, part) -> None:
    made = changed(BOTH, field, text, CHOICES)
    assert part(made)
    assert made == BOTH or changed(made, field, text, CHOICES) == made


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("fusion.method", "average", "Raw scores are not averaged"),
        ("fusion.k", "-1", "must lie between"),
        ("fusion.k", "many", "not a number"),
        ("fusion.weights", "1", "no “fusion.weights”"),
        ("weights.7", "1", "no retriever number"),
        ("retrievers.x.nprobe", "1", "no retriever number"),
        ("retrievers.0.secret", "1", "no field “secret”"),
        ("other", "1", "no “other”"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(field: str, text: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        changed(BOTH, field, text, CHOICES)
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_all_weights_at_zero_are_refused() -> None:
    half = changed(BOTH, "weights.0", "0", CHOICES)
    with pytest.raises(BadInput, match="All fusion weights are 0"):
        changed(half, "weights.1", "0", CHOICES)


def test_options_of_a_reranker_are_read_by_their_type_and_limits() -> None:
    pipeline = changed(BOTH, "reranker.name", "layered", CHOICES)
    for field, text in (("cutoff_layer", "8"), ("compress_layers", "4, 8"), ("compress_ratio", "2")):
        pipeline = changed(pipeline, f"reranker.options.{field}", text, CHOICES)
    assert pipeline.reranker is not None
    assert pipeline.reranker.options == {"cutoff_layer": 8, "compress_layers": [4, 8], "compress_ratio": 2}
    pipeline = changed(pipeline, "reranker.options.cutoff_layer", "", CHOICES)
    assert pipeline.reranker is not None and "cutoff_layer" not in pipeline.reranker.options
    with pytest.raises(BadInput, match="cutoff_layer"):
        changed(pipeline, "reranker.options.cutoff_layer", "0", CHOICES)
    with pytest.raises(BadInput, match="no option “model”"):
        # Which model it is, its name decides.
        changed(pipeline, "reranker.options.model", "x", CHOICES)


def test_rerankers_of_this_machine_come_first_and_the_others_are_marked() -> None:
    from dataclasses import replace

    near = replace(entry("near"), bundled=True)  # type: ignore[type-var]
    far = replace(entry("far"), hub="org/far")  # type: ignore[type-var]
    markup = rerank_html(0, BOTH, Choices(rerankers=[far, near]))
    assert markup.index(">near<") < markup.index(">far · from the hub<")


def test_a_listwise_reranker_is_given_its_model_or_endpoint_in_the_column() -> None:
    """The catalogue's “listwise” names no model, so its fields are open; the form too, until one is given."""
    from workbench.specs import RerankSpec
    from workbench.workflows.reranking import list_rerankers

    choices = Choices(rerankers=list_rerankers())
    pipeline = changed(BOTH, "reranker.name", "listwise", choices)
    assert pipeline.reranker == RerankSpec("listwise", 50)
    markup = rerank_html(0, pipeline, choices)
    assert 'class="wb-cog" open' in markup and 'data-field="reranker.options.endpoint"' in markup
    pipeline = changed(pipeline, "reranker.options.endpoint", "http://127.0.0.1:9", choices)
    pipeline = changed(pipeline, "reranker.options.window", "10", choices)
    assert pipeline.reranker is not None
    assert pipeline.reranker.options == {"endpoint": "http://127.0.0.1:9", "window": 10}
    assert 'class="wb-cog" open' not in rerank_html(0, pipeline, choices)
    with pytest.raises(BadInput, match="trust_remote_code"):
        changed(pipeline, "reranker.options.trust_remote_code", "true", choices)


def test_labels_say_what_runs() -> None:
    full = PipelineSpec(BOTH.retrievers, FusionSpec("rrf", 10, weights=(1.0, 0.5)), RerankSpec("far", 20))
    assert pipeline_label(full) == "bm25 + minilm → rrf → far 20"
    assert settings_label(full) == "rrf k 10 · weights 1, 0.5 · rerank 20"
    assert settings_label(plain("minilm", "exact")) == ""
    assert settings_label(PipelineSpec((RetrieverSpec("a", "IVF8,Flat", nprobe=4),))) == "nprobe 4"


def test_only_outputs_of_one_m3_may_use_its_own_sum() -> None:
    def of(*names: str) -> PipelineSpec:
        return PipelineSpec(tuple(RetrieverSpec(name) for name in names))

    assert one_m3(of("bge-m3", "bge-m3:sparse", "bge-m3:multi"))
    assert not one_m3(of("bge-m3", "bge-m3")) and not one_m3(of("bge-m3", "minilm")) and not one_m3(of("bge-m3"))


def test_agreement_is_what_the_library_says() -> None:
    from workbench.agreement import overlap, rbo

    rankings = [[1, 2, 3, 4], [2, 1, 9], [9, 8, 7, 1]]
    told = agree({"rankings": rankings, "k": 4})
    assert told["common"] == 1
    assert [each["only"] for each in told["columns"]] == [2, 0, 2]
    assert told["columns"][1]["overlap"] == overlap(rankings[0], rankings[1], 4)
    assert told["columns"][2]["rbo"] == rbo(rankings[0], rankings[2])


@pytest.mark.parametrize(
    "asked",
    [
        None,
        {},
        {"rankings": [], "k": 3},
        {"rankings": [["x"]], "k": 3},
        {"rankings": [[1]] * 5, "k": 3},
        {"rankings": [[1]], "k": 0},
    ],
)
def test_the_browser_cannot_ask_for_anything_else(asked: object) -> None:
    with pytest.raises(BadInput):
        agree(asked)


def test_the_same_search_asked_again_is_a_new_ticket() -> None:
    first, second = ticket("/search?q=x", 2), ticket("/search?q=x", 2)
    assert first.startswith("/search?q=x#2.") and first != second


def test_typed_text_becomes_the_fields_type() -> None:
    assert entered(LLMRerankerSpec, "compress_layers", " 4, 8 ") == (4, 8)
    assert entered(FusionSpec, "k", "60") == 60.0 and entered(FusionSpec, "method", "rrf") == "rrf"
    with pytest.raises(BadInput, match="no field"):
        entered(FusionSpec, "nothing", "1")


def test_the_query_of_a_view_is_text_picture_or_both(project, tmp_path) -> None:
    from PIL import Image

    from ui.components.address import View
    from ui.components.column_answer import asked_for, content_of
    from workbench.errors import NotFound
    from workbench.types import Content
    from workbench.workflows.images import query_image, store_query_image

    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    id = store_query_image(project, tmp_path / "red.png")
    stored = query_image(project, id)
    assert content_of(project, "c", View("text")) == Content("text")
    assert content_of(project, "c", View("text", image=id, alpha=0.25)) == Content("text", stored, 0.25)
    # A share says nothing where there is no text.
    assert content_of(project, "c", View("", image=id, alpha=0.25)) == Content("", stored, None)
    with pytest.raises(NotFound):
        content_of(project, "c", View(image="../secret"))
    with pytest.raises(BadInput, match="names no document"):
        content_of(project, "c", View(image="doc:../1"))
    view = View("x", (Column(BOTH), Column(plain("bm25", "inverted"))))
    assert asked_for(ticket("/search?" + urlencode(view.values()), 1)) == (view, 1)
    with pytest.raises(BadInput, match="not there any more"):
        asked_for(ticket("/search?" + urlencode(view.values()), 2))
