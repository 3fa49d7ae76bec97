"""Real (tiny) models from encode to a comparison: three outputs of one model fused, explained and reranked."""

import json
from pathlib import Path

import numpy as np
import pytest
from reranker_fixtures import make_tiny_cross_encoder

from workbench import corpora
from workbench.project import Project
from workbench.specs import EncodeSpec, FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.workflows.corpus import import_corpus
from workbench.workflows.depths import depth_effects
from workbench.workflows.encode import encode_corpus, find_embedding, open_encoder
from workbench.workflows.explaining import explain
from workbench.workflows.search import empty_memory, neighbours, search, systems

WORDS = ["cat", "dog", "river", "mountain", "city", "music", "bread", "water", "light", "red", "blue", "green"]
TEXTS = [" ".join(WORDS[(n * step + step) % 12] for step in range(1, 2 + n % 7)) for n in range(60)]
SPEC = EncodeSpec(device="cpu", dtype="float32", storage="float32", shard_documents=16)
QUERY = "red river water"
M3 = tuple(RetrieverSpec(name) for name in ("tiny-m3", "tiny-m3:sparse", "tiny-m3:multi"))


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny_m3) -> Project:
    folder = tmp_path_factory.mktemp("walk")
    made = Project.create(folder / "p")
    lines = [json.dumps({"id": f"d{n}", "text": text}) for n, text in enumerate(TEXTS)]
    (folder / "docs.jsonl").write_text("\n".join(lines))
    import_corpus(made, "docs", folder / "docs.jsonl")
    encode_corpus(made, "docs", str(tiny_m3), SPEC)
    encode_corpus(made, "docs", "bm25")
    yield made
    empty_memory()
    made.close()


def parts(project: Project) -> np.ndarray:
    """(3, documents): BGE-M3's three scores of every document, by plain loops over what its encoders give."""
    info = corpora.find(project.db, "docs")
    rows = []
    for retriever in M3:
        model = open_encoder(find_embedding(project, info, retriever.encoder), SPEC)
        query, documents = model.encode_queries([QUERY]), model.encode_documents(TEXTS)
        if model.output == "multi":
            rows.append([np.mean([max(float(q @ d) for d in document) for q in query[0]]) for document in documents])
        elif model.output == "sparse":
            rows.append((documents @ query.T).toarray().ravel())
        else:
            rows.append(documents @ query[0])
    return np.array(rows, np.float64)


def test_three_outputs_fused_are_the_weighted_mean(project):
    expected = np.average(parts(project), axis=0, weights=(0.4, 0.2, 0.4))
    spec = PipelineSpec(M3, FusionSpec("m3", weights=(0.4, 0.2, 0.4)), depth=100)
    found = search(project, "docs", QUERY, spec, k=60)
    scores = {hit.document.ordinal: hit.score for hit in found.hits}
    assert len(scores) == 60 and [stage.kind for stage in found.stages] == ["retriever"] * 3 + ["fusion"]
    # The query runs in the precision of the machine.
    np.testing.assert_allclose([scores[n] for n in range(60)], expected, atol=5e-3)
    other = PipelineSpec(M3, FusionSpec("m3", weights=(1.0, 0.0, 0.0)), depth=100)
    again = search(project, "docs", QUERY, other, k=60)
    assert [stage.kept for stage in again.stages] == [True, True, True, False]
    alone = again.stages[0].ranking
    assert again.stages[3].ranking.ordinals.tolist() == alone.ordinals.tolist()
    np.testing.assert_allclose(again.stages[3].ranking.scores, alone.scores, atol=1e-6)


def test_few_candidates_are_scored_in_every_list(project):
    whole = search(project, "docs", QUERY, PipelineSpec(M3, FusionSpec("m3"), depth=100), k=60)
    few = search(project, "docs", QUERY, PipelineSpec(M3, FusionSpec("m3"), depth=3), k=3)
    scores = {hit.document.ordinal: hit.score for hit in whole.hits}
    for hit in few.hits:
        assert hit.score == pytest.approx(scores[hit.document.ordinal], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "kind"), [("tiny-m3", "none"), ("tiny-m3:sparse", "terms"), ("tiny-m3:multi", "tokens")]
)
def test_each_output_explains_itself(project, name, kind):
    found = search(project, "docs", QUERY, PipelineSpec((RetrieverSpec(name),)), k=3)
    hit = found.hits[0]
    why = explain(project, "docs", QUERY, RetrieverSpec(name), hit.document.ordinal)
    assert why.kind == kind
    if kind == "terms":
        assert sum(each.product for each in why.terms) == pytest.approx(hit.score, rel=1e-4)
    if kind == "tokens":
        # BGE-M3's own MaxSim is the mean over the query's tokens.
        assert why.similarities.shape == (len(why.query_tokens), len(why.document_tokens))
        assert why.similarities.max(axis=1).mean() == pytest.approx(hit.score, rel=1e-4)
        assert not why.note
    assert why.score == pytest.approx(hit.score, abs=1e-4)


def test_systems_and_neighbours_of_all_three(project):
    outputs = {each.encoder: (each.output, each.ready) for each in systems(project, "docs")}
    assert outputs == {
        "tiny-m3": ("dense", True),
        "tiny-m3:sparse": ("sparse", True),
        "tiny-m3:multi": ("multi", True),
        "bm25": ("sparse", True),
    }
    for name in outputs:
        near = neighbours(project, "docs", name, 8, k=5)
        assert 8 not in [hit.document.ordinal for hit in near.hits] and near.hits


def test_a_cross_encoder_ends_the_pipeline(project, tmp_path):
    folder = make_tiny_cross_encoder(tmp_path / "judge")
    spec = PipelineSpec((RetrieverSpec("bm25"), M3[0]), FusionSpec(), RerankSpec(str(folder), depth=12), depth=30)
    found = search(project, "docs", QUERY, spec, k=20)
    assert [stage.label for stage in found.stages] == ["bm25 · inverted", "tiny-m3 · exact", "rrf", "judge"]
    joined, last = found.stages[2].ranking, found.stages[3].ranking
    assert set(last.ordinals[:12]) == set(joined.ordinals[:12])
    assert last.ordinals[12:].tolist() == joined.ordinals[12:].tolist()
    assert not found.stages[3].kept and search(project, "docs", QUERY, spec, k=20).stages[3].kept
    effects = depth_effects(project, "docs", QUERY, spec, k=5, depths=(5, 12))
    assert [each.depth for each in effects] == [5, 12]
    assert effects[0].overlap_with_none == 1 and effects[1].overlap_with_deepest == 1


def test_what_the_folder_holds_is_not_told_to_others(project, tmp_path):
    folder = make_tiny_cross_encoder(tmp_path / "judge")
    found = search(project, "docs", QUERY, PipelineSpec((M3[0],), reranker=RerankSpec(str(folder))), k=2)
    assert Path(found.stages[1].label).name == found.stages[1].label == "judge"
