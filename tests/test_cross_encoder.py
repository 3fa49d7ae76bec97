"""Cross-encoders: the scores are CrossEncoder.predict's, long pairs lose the document's end only, heads are real."""

from pathlib import Path

import numpy as np
import pytest
import torch
from causal_fixtures import make_causal
from model_fixtures import Tiny, make_tiny_model
from reranker_fixtures import TinyCrossEncoder, make_tiny_cross_encoder
from sentence_transformers import CrossEncoder

from workbench.batching import windows
from workbench.checkpoints import locate
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.rerankers.cross_encoder import CHUNK, CrossEncoderReranker, head_layers
from workbench.rerankers.pairs import PairFeed
from workbench.specs import CrossEncoderSpec, EncodeSpec

RUN = EncodeSpec(device="cpu", dtype="float32")
SIGMOID = "torch.nn.modules.activation.Sigmoid"
QUERY = "red cat in the house"
DOCUMENTS = [
    "the cat sat",
    "big dog ran fast to the river and the mountain in the city",
    "music",
    "",
    "blue water light of the green house",
    "search index vector model text word music bread water light",
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_cross_encoder(tmp_path_factory.mktemp("models") / "tiny")


def opened(folder: Path, run: EncodeSpec = RUN, **fields) -> CrossEncoderReranker:
    return CrossEncoderReranker.open(CrossEncoderSpec(model=str(folder), **fields), run)


def predicted(folder: Path, query: str = QUERY, documents: list[str] = DOCUMENTS, **more) -> np.ndarray:
    """The oracle."""
    model = CrossEncoder(
        str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32}, **more
    )
    return model.predict([(query, text) for text in documents], show_progress_bar=False)


@pytest.mark.parametrize(
    "kind",
    [
        TinyCrossEncoder(),
        TinyCrossEncoder(activation=SIGMOID),
        TinyCrossEncoder(kind="roberta"),
        TinyCrossEncoder(kind="llama"),
    ],
    ids=["bert", "sigmoid", "no token types, offset positions", "decoder, padded left"],
)
def test_scores_are_those_of_predict(tmp_path, kind):
    folder = make_tiny_cross_encoder(tmp_path / "model", kind)
    reranker = opened(folder, EncodeSpec(device="cpu", dtype="float32", batch_tokens=64))
    assert reranker._feed is not None
    scores = reranker.rerank(QUERY, DOCUMENTS).scores
    np.testing.assert_allclose(scores, predicted(folder), atol=1e-5)
    assert len(np.unique(scores.round(4))) == len(DOCUMENTS)


def test_the_score_is_the_activation_that_the_model_names(tmp_path, tiny):
    squashed = make_tiny_cross_encoder(tmp_path / "model", TinyCrossEncoder(activation=SIGMOID))
    logits, scores = (opened(each).rerank(QUERY, DOCUMENTS).scores for each in (tiny, squashed))
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), atol=1e-6)
    assert opened(tiny).describe()["score"] == "Identity"
    assert opened(squashed).describe()["score"] == "Sigmoid"


def test_the_models_prompt_goes_before_the_query(tmp_path):
    folder = make_tiny_cross_encoder(tmp_path / "plain")
    model = CrossEncoder(str(folder), device="cpu", local_files_only=True, prompts={"rank": "search : "})
    model.default_prompt_name = "rank"
    model.save_pretrained(str(tmp_path / "prompted"))
    reranker = opened(tmp_path / "prompted")
    scores = reranker.rerank(QUERY, DOCUMENTS).scores
    assert reranker.describe()["prompt"] == "search : "
    np.testing.assert_allclose(scores, predicted(tmp_path / "prompted"), atol=1e-5)
    np.testing.assert_allclose(scores, opened(folder).rerank("search : " + QUERY, DOCUMENTS).scores, atol=1e-6)


def test_of_a_long_pair_only_the_documents_end_is_cut(tiny):
    reranker = opened(tiny)
    documents = ["the cat sat", " ".join(["river"] * 100), "music"]
    pairs = reranker._feed.read(QUERY, documents)
    tokenizer = reranker._model.tokenizer
    words = tokenizer.convert_ids_to_tokens(pairs.ids[1])
    # 48 tokens: [CLS], the query's five words, [SEP], 40 of the document, [SEP].
    assert words == ["[CLS]", *QUERY.split(), "[SEP]", *["river"] * 40, "[SEP]"]
    assert pairs.types[1].tolist() == [0] * 7 + [1] * 41
    result = reranker.rerank(QUERY, documents)
    assert result.cut == [1] and result.warnings == []
    np.testing.assert_allclose(result.scores, predicted(tiny, documents=documents), atol=1e-5)


def test_a_long_query_keeps_three_quarters_and_says_so(tiny):
    query = " ".join(["city"] * 30 + ["cat"] * 30)
    reranker = opened(tiny)
    pairs = reranker._feed.read(query, ["music bread", " ".join(["river"] * 50)])
    words = [reranker._model.tokenizer.convert_ids_to_tokens(each) for each in pairs.ids]
    kept = ["[CLS]", *["city"] * 30, *["cat"] * 6, "[SEP]"]
    assert words == [[*kept, "music", "bread", "[SEP]"], [*kept, *["river"] * 9, "[SEP]"]]
    result = reranker.rerank(query, ["music bread", " ".join(["river"] * 50)])
    assert result.warnings == ["The query is longer than the reranker reads: its end did not count."]
    assert result.cut == [1]


def test_a_document_of_megabytes_is_as_quick_as_a_long_one(tiny):
    huge = "river " * 2_000_000
    result = opened(tiny).rerank(QUERY, [huge, "river " * 100])
    assert result.cut == [0, 1] and result.scores[0] == pytest.approx(result.scores[1], abs=1e-5)
    # Spaces only beyond the characters that are read: cut all the same, as nobody looked there.
    assert opened(tiny).rerank(QUERY, ["river" + " " * 10_000]).cut == [0]


def test_the_shortest_length_still_leaves_room_for_the_document(tiny):
    reranker = opened(tiny, max_length=8)
    pairs = reranker._feed.read("cat " * 20, ["river " * 20])
    words = reranker._model.tokenizer.convert_ids_to_tokens(pairs.ids[0])
    assert words == ["[CLS]", *["cat"] * 4, "[SEP]", "river", "[SEP]"]


def test_max_length_is_applied_and_bounded(tiny):
    reranker = opened(tiny, max_length=16)
    result = reranker.rerank(QUERY, DOCUMENTS)
    assert reranker.describe()["max_length"] == 16 and result.cut == [1, 5]
    np.testing.assert_allclose(result.scores, predicted(tiny, max_length=16), atol=1e-5)
    assert opened(tiny).describe()["max_length"] == 48
    with pytest.raises(BadInput, match=r"max_length is 65, but .* reads at most 64 tokens"):
        opened(tiny, max_length=65)


def test_several_labels_are_refused(tmp_path):
    folder = make_tiny_cross_encoder(tmp_path / "nli", TinyCrossEncoder(labels=3))
    with pytest.raises(BadInput, match="gives 3 labels for a pair, not one score"):
        opened(folder)


def test_a_head_of_random_numbers_is_refused(tmp_path):
    """A dense encoder's folder loads as a cross-encoder: transformers makes the missing head up."""
    headless = make_tiny_cross_encoder(tmp_path / "headless", TinyCrossEncoder(head=False))
    with pytest.raises(BadInput, match=r"is no cross-encoder: its files lack classifier\.(weight|bias)"):
        opened(headless)
    with pytest.raises(BadInput, match="no cross-encoder"):
        opened(make_tiny_model(tmp_path / "dense", Tiny(modules=False)))


def test_what_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(NotFound, match="no model folder"):
        opened(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="no model weights"):
        opened(tmp_path / "empty")


def modular(folder: Path, source: Path) -> Path:
    """A cross-encoder of several modules, whose batches only sentence-transformers can make."""
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    trunk = Transformer(str(source))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        head = Dense(32, 1, activation_function=torch.nn.Identity(), module_output_name="scores")
    CrossEncoder(modules=[trunk, Pooling(32), head], device="cpu").save_pretrained(str(folder))
    return folder


def test_a_model_of_several_modules_goes_through_predict(tmp_path):
    folder = modular(tmp_path / "modular", make_tiny_model(tmp_path / "trunk"))
    reranker = opened(folder)
    assert reranker._feed is None and reranker.describe()["modules"] == ["Transformer", "Pooling", "Dense"]
    documents = DOCUMENTS * 4
    told: list[tuple[int, int]] = []
    scores = reranker.rerank(QUERY, documents, lambda done, total: told.append((done, total))).scores
    np.testing.assert_allclose(scores, predicted(folder, documents=documents), atol=1e-5)
    assert told == [(span.stop, 24) for span in windows(24, CHUNK)]


def test_a_language_model_goes_through_predict_and_is_warned_of_without_a_prompt(tmp_path):
    """CrossEncoder makes log-odds of “yes” over “no” of any causal model; nobody asked it anything, though."""
    folder = make_causal(tmp_path / "causal")
    reranker = opened(folder)
    assert reranker._feed is None and reranker.describe()["modules"] == ["Transformer", "LogitScore"]
    assert len(reranker.warnings) == 1 and "language model without a prompt" in reranker.warnings[0]
    np.testing.assert_allclose(reranker.rerank(QUERY, DOCUMENTS).scores, predicted(folder), atol=1e-5)


def test_bfloat16_keeps_the_head_in_float32(tiny):
    reranker = opened(tiny, EncodeSpec(device="cpu", dtype="bfloat16"))
    assert reranker.describe()["dtype"] == "bfloat16"
    trunk = reranker._model[0].model
    assert trunk.bert.encoder.layer[0].output.dense.weight.dtype == torch.bfloat16
    assert trunk.classifier.weight.dtype == trunk.bert.pooler.dense.weight.dtype == torch.float32
    scores = reranker.rerank(QUERY, DOCUMENTS).scores
    rounded = torch.from_numpy(scores).bfloat16().float().numpy()
    assert not np.array_equal(scores, rounded)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = predicted(tiny, keep_in_fp32_modules=["0.model.classifier", "0.model.bert.pooler.dense"])
    np.testing.assert_allclose(scores, expected, atol=0.05)


def test_the_head_is_what_comes_after_the_trunk(tmp_path, tiny):
    roberta = make_tiny_cross_encoder(tmp_path / "roberta", TinyCrossEncoder(kind="roberta"))
    several = modular(tmp_path / "modular", make_tiny_model(tmp_path / "trunk"))
    names = [sorted(head_layers(CrossEncoder(str(each), device="cpu"))) for each in (tiny, roberta, several)]
    assert names[0] == ["0.model.bert.pooler.dense", "0.model.classifier"]
    assert names[1] == ["0.model.classifier.dense", "0.model.classifier.out_proj"]
    assert names[2] == ["0.model.pooler.dense", "2.linear"]


def test_a_batch_that_does_not_fit_is_halved(tiny, monkeypatch):
    reranker = opened(tiny)
    forward, sizes = type(reranker._model[0].model).forward, []

    def small(self, input_ids=None, **more):
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return forward(self, input_ids=input_ids, **more)

    expected = reranker.rerank(QUERY, DOCUMENTS).scores
    monkeypatch.setattr(type(reranker._model[0].model), "forward", small)
    np.testing.assert_allclose(reranker.rerank(QUERY, DOCUMENTS).scores, expected, atol=1e-5)
    assert sizes[0] == 6 and max(sizes[-2:]) <= 2

    def never(self, **more):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(type(reranker._model[0].model), "forward", never)
    with pytest.raises(WorkbenchError, match="no memory for a single text"):
        reranker.rerank(QUERY, DOCUMENTS)


def test_the_models_own_tokenizer_is_left_alone(tiny):
    reranker = opened(tiny)
    tokenizer = reranker._model.tokenizer
    before = tokenizer.backend_tokenizer.truncation, tokenizer.backend_tokenizer.padding
    reranker.rerank(QUERY, DOCUMENTS)
    assert (tokenizer.backend_tokenizer.truncation, tokenizer.backend_tokenizer.padding) == before


def test_features_are_those_of_the_tokenizer(tiny):
    model = CrossEncoder(str(tiny), device="cpu", local_files_only=True)
    feed = PairFeed(model.tokenizer, 48)
    made = feed.features(feed.read(QUERY, DOCUMENTS), np.arange(len(DOCUMENTS)))
    expected = model.preprocess([(QUERY, text) for text in DOCUMENTS])
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert torch.equal(made[name], expected[name]), name


def test_the_packaged_model_gives_its_published_order():
    """The Berlin example of the model's card; the numbers are those of the int8 weights, computed in float32."""
    query = "How many people live in Berlin?"
    documents = [
        "Berlin had a population of 3,520,031 registered inhabitants in an area of 891.82 square kilometers.",
        "Berlin is well known for its museums.",
        "New York City is famous for the Metropolitan Museum of Art.",
    ]
    spec = CrossEncoderSpec(model="converted:ms-marco-minilm-l12")
    reranker = CrossEncoderReranker.open(spec, RUN)
    assert reranker.warnings == [] and reranker.describe()["max_length"] == 512
    scores = reranker.rerank(query, documents).scores
    np.testing.assert_allclose(scores, [9.09, -3.93, -11.19], atol=0.01)
    np.testing.assert_allclose(scores, predicted(Path(locate(spec.model).source), query, documents), atol=1e-5)
