"""Sparse, token-vector and three-output encoders through the workflows: one pass, resumed in step, searched."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from workbench import corpora
from workbench.errors import BadInput, Cancelled, WorkbenchError
from workbench.project import Project
from workbench.scoring import maxsim
from workbench.specs import EncodeSpec, PipelineSpec, RetrieverSpec
from workbench.vectors import MultiVectors, SparseVectors
from workbench.workflows import encoding
from workbench.workflows.corpus import import_corpus
from workbench.workflows.encode import encode_corpus, find_embedding, list_embeddings, open_encoder
from workbench.workflows.index import build_index, list_indices, open_vectors, suggest
from workbench.workflows.search import search

WORDS = ["cat", "dog", "river", "mountain", "city", "music", "bread", "water", "light", "red", "blue", "green"]
TEXTS = [" ".join(WORDS[(n * step) % 12] for step in range(1, 2 + n % 7)) for n in range(60)]
SPEC = EncodeSpec(device="cpu", dtype="float32", storage="float16", shard_documents=16)


@pytest.fixture
def corpus(project: Project, tmp_path: Path) -> str:
    """60 documents in four shards."""
    lines = [json.dumps({"id": f"d{n}", "text": text}) for n, text in enumerate(TEXTS)]
    (tmp_path / "docs.jsonl").write_text("\n".join(lines))
    import_corpus(project, "docs", tmp_path / "docs.jsonl")
    return "docs"


def files(project: Project) -> dict[str, bytes]:
    """Every shard file of every finished embedding, by encoder."""
    found = project.artifacts.list("embedding")
    return {f"{each.name}/{path.name}": path.read_bytes() for each in found for path in each.folder.glob("shard-*")}


def stop_at(count: int):
    def stop(done: int, total: int) -> None:
        if done >= count:
            raise Cancelled

    return stop


def test_stored_token_vectors_are_those_of_the_documents(project, corpus, tiny_multi):
    report = encode_corpus(project, corpus, str(tiny_multi), SPEC)
    [info] = list_embeddings(project, corpus)
    assert (report.vectors, report.dim, report.also, info.kind, info.dtype) == (60, 8, [], "multi", "float16")
    artifact = project.artifacts.get(report.embedding)
    vectors = open_vectors(artifact)
    assert isinstance(vectors, MultiVectors) and len(vectors) == 60
    expected = open_encoder(artifact, SPEC).encode_documents(TEXTS)
    assert vectors.lengths.tolist() == expected.lengths.tolist()
    np.testing.assert_allclose(vectors.take(np.arange(60)).values, expected.values, atol=1e-3)
    assert artifact.manifest["tokens"] == len(expected.values) == vectors.tokens
    assert artifact.manifest["modalities"] == ["text"] and artifact.manifest["family"] == "multi-vector"


def test_token_vectors_are_searched_by_maxsim_and_nothing_is_built(project, corpus, tiny_multi):
    report = encode_corpus(project, corpus, str(tiny_multi), SPEC)
    artifact = project.artifacts.get(report.embedding)
    pipeline = PipelineSpec(retrievers=(RetrieverSpec(encoder=report.encoder),))
    found = search(project, corpus, "red cat", pipeline, k=5)
    query = open_encoder(artifact).encode_queries(["red cat"])[0]
    scores = maxsim(query, MultiVectors(artifact.folder).take(np.arange(60)))
    best = sorted(range(60), key=lambda n: (-round(float(scores[n]), 5), n))[:5]
    assert [hit.document.ordinal for hit in found.hits] == best
    np.testing.assert_allclose([hit.score for hit in found.hits], scores[best], rtol=2e-3)
    for factory in ("HNSW32", "maxsim", "inverted"):
        with pytest.raises(BadInput, match="there is nothing to build over them"):
            build_index(project, corpus, report.encoder, factory)
    with pytest.raises(BadInput, match="makes token vectors"):
        suggest(project, corpus, report.encoder)
    assert list_indices(project, corpus) == []


def test_learned_sparse_vectors_get_their_inverted_index(project, corpus, tiny_sparse):
    report = encode_corpus(project, corpus, str(tiny_sparse), SPEC)
    artifact = project.artifacts.get(report.embedding)
    rows = sparse.vstack([block for _, block in SparseVectors(artifact.folder, report.dim).blocks()])
    query = open_encoder(artifact).encode_queries(["red cat"])
    exact = (rows @ query.T).toarray().ravel()
    pipeline = PipelineSpec(retrievers=(RetrieverSpec(encoder=report.encoder),))
    found = search(project, corpus, "red cat", pipeline, k=5)
    np.testing.assert_allclose([hit.score for hit in found.hits], np.sort(exact)[::-1][:5], rtol=1e-3)
    assert [index.factory for index in list_indices(project, corpus)] == ["inverted"]


def test_one_pass_makes_three_embeddings(project, corpus, tiny_m3):
    report = encode_corpus(project, corpus, str(tiny_m3), SPEC)
    assert (report.encoder, report.also) == ("tiny-m3", ["tiny-m3:sparse", "tiny-m3:multi"])
    made = {each.encoder: each for each in list_embeddings(project, corpus)}
    assert {name: each.kind for name, each in made.items()} == {
        "tiny-m3": "dense",
        "tiny-m3:sparse": "sparse",
        "tiny-m3:multi": "multi",
    }
    assert {each.manifest["family"] for each in made.values()} == {"bge-m3"}
    for name in made:
        artifact = find_embedding(project, corpora.find(project.db, corpus), name)
        alone = open_encoder(artifact, SPEC).encode_documents([TEXTS[17]])
        vectors = open_vectors(artifact)
        row = vectors.row(17) if made[name].kind != "dense" else vectors.take(np.array([17]))[0]
        expected = alone[0]
        left, right = (each.toarray() if sparse.issparse(each) else each for each in (row, expected))
        np.testing.assert_allclose(left, right, atol=2e-3)
        pipeline = PipelineSpec(retrievers=(RetrieverSpec(encoder=name),))
        assert len(search(project, corpus, "red cat", pipeline, k=3).hits) == 3
    again = encode_corpus(project, corpus, str(tiny_m3) + ":multi", SPEC)
    assert (again.embedding, again.resumed) == (made["tiny-m3:multi"].id, 4)


@pytest.mark.parametrize("model", ["tiny_multi", "tiny_sparse", "tiny_m3"])
def test_cancelled_and_resumed_equals_undisturbed(project, corpus, model, request, tmp_path):
    folder = str(request.getfixturevalue(model))
    with pytest.raises(Cancelled):
        encode_corpus(project, corpus, folder, SPEC, stop_at(37))
    assert list_embeddings(project, corpus) == []
    assert encode_corpus(project, corpus, folder, SPEC).resumed == 2
    calm = Project.create(tmp_path / "calm")
    import_corpus(calm, "docs", tmp_path / "docs.jsonl")
    encode_corpus(calm, "docs", folder, SPEC)
    assert files(calm) == files(project)
    calm.close()


def test_a_damaged_or_missing_shard_of_one_output_is_made_again_alone(project, corpus, tiny_m3, tmp_path, monkeypatch):
    with pytest.raises(Cancelled):
        encode_corpus(project, corpus, str(tiny_m3), SPEC, stop_at(50))
    root = project.folder / "artifacts" / "embedding"
    [multi] = [each for each in root.glob("*.partial") if next(each.glob("*.offsets.npy"), None)]
    (multi / "shard-00002.json").unlink()
    damaged = multi / "shard-00001.values.npy"
    damaged.write_bytes(damaged.read_bytes()[:-2] + b"\x01\x01")
    asked: list[list[str]] = []
    real = encoding.ShardFolder.write

    def noted(self, number, arrays, rows):
        asked.append([str(number), *sorted(arrays)])
        return real(self, number, arrays, rows)

    monkeypatch.setattr(encoding.ShardFolder, "write", noted)
    assert encode_corpus(project, corpus, str(tiny_m3), SPEC).resumed == 1
    token_shards = [each for each in asked if each[1:] == ["offsets", "values"]]
    assert [each[0] for each in token_shards] == ["1", "2", "3"]
    assert [each for each in asked if each not in token_shards] == [
        ["3", "values"],
        ["3", "indices", "indptr", "values"],
    ]


def test_much_space_is_said_before_and_too_much_refused(project, corpus, tiny_multi, monkeypatch):
    monkeypatch.setattr(encoding, "WORTH_SAYING", 1)
    report = encode_corpus(project, corpus, str(tiny_multi), SPEC)
    [note] = report.warnings
    assert "60 documents" in note and "8 dimensions × 2 bytes" in note

    class Full:
        free = 10

    monkeypatch.setattr(encoding.shutil, "disk_usage", lambda folder: Full())
    longer = {"kind": "multi-vector", "name": "other", "model": str(tiny_multi), "max_length": 30}
    with pytest.raises(WorkbenchError, match="the disk has 0 MB left"):
        encode_corpus(project, corpus, longer, SPEC)
