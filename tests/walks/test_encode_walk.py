"""Import → encode → read back from disk: stored vector i is the vector of document i, whatever happened on the way."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sentence_transformers import SentenceTransformer

from workbench import corpora, vectors
from workbench.encoders.bm25 import BM25Encoder
from workbench.errors import BadInput, Cancelled, NotFound, WorkbenchError
from workbench.project import Project
from workbench.specs import BM25Spec, EncodeSpec
from workbench.vectors import DenseVectors, SparseVectors
from workbench.workflows.corpus import import_corpus
from workbench.workflows.encode import (
    encode_corpus,
    encoder_preview,
    find_embedding,
    list_embeddings,
    list_encoders,
    open_encoder,
)

WORDS = ["cat", "dog", "river", "mountain", "city", "music", "bread", "water", "light", "red", "blue", "green"]
TEXTS = [" ".join(WORDS[(n * step) % 12] for step in range(1, 2 + n % 7)) + f" {n}" for n in range(100)]
SPEC = EncodeSpec(device="cpu", dtype="float32", storage="float32", shard_documents=16)


@pytest.fixture
def corpus(project: Project, tmp_path: Path) -> str:
    """100 documents in seven shards."""
    lines = [json.dumps({"id": f"d{n}", "title": f"title {n % 3}", "text": text}) for n, text in enumerate(TEXTS)]
    (tmp_path / "docs.jsonl").write_text("\n".join(lines))
    assert import_corpus(project, "docs", tmp_path / "docs.jsonl").documents == 100
    return "docs"


def contents(project: Project) -> list[str]:
    return corpora.texts(project.db, corpora.find(project.db, "docs").id, 0, 100)


def stored(project: Project, embedding: str) -> np.ndarray:
    return DenseVectors(project.artifacts.get(embedding).folder).take(np.arange(100))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("shard-*")}


def test_stored_vector_i_is_the_vector_of_document_i(project, corpus, tiny_model):
    told = []
    report = encode_corpus(project, corpus, str(tiny_model), SPEC, lambda done, total: told.append((done, total)))
    assert (report.encoder, report.vectors, report.dim, report.resumed) == ("tiny", 100, 32, 0)
    texts = contents(project)
    assert texts[7] == f"title 1 {TEXTS[7]}"
    expected = SentenceTransformer(str(tiny_model), device="cpu").encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(stored(project, report.embedding), expected, atol=2e-6)
    assert told[0] == (0, 100) and told[-1] == (100, 100) and told == sorted(told)

    manifest = project.artifacts.get(report.embedding).manifest
    assert manifest["pooling"] == "mean" and manifest["shards"] == 7 and manifest["output"] == "dense"
    assert manifest["encoder_spec"]["model"] == str(tiny_model) and "torch" in manifest["versions"]
    [info] = list_embeddings(project, corpus)
    assert (info.id, info.encoder, info.vectors, info.dim) == (report.embedding, "tiny", 100, 32)
    assert (info.kind, info.dtype, info.pooling, info.warnings) == ("dense", "float32", "mean", [])


def test_the_same_again_is_a_no_op_and_other_settings_are_not(project, corpus, tiny_model):
    first = encode_corpus(project, corpus, str(tiny_model), SPEC)
    before = files(project.artifacts.get(first.embedding).folder)
    again = encode_corpus(project, corpus, str(tiny_model), EncodeSpec("cpu", "float32", 64, "float32", 32))
    assert again.embedding == first.embedding and again.resumed == 7
    assert files(project.artifacts.get(first.embedding).folder) == before
    shorter = {"kind": "dense", "name": "tiny", "model": str(tiny_model), "dim": 8}
    others = [
        encode_corpus(project, corpus, shorter, SPEC),
        encode_corpus(project, corpus, str(tiny_model), EncodeSpec("cpu", "bfloat16", None, "float32")),
        encode_corpus(project, corpus, str(tiny_model), EncodeSpec("cpu", "float32", None, "float16")),
    ]
    assert len({first.embedding, *(other.embedding for other in others)}) == 4
    assert [other.dim for other in others] == [8, 32, 32]


def test_float16_on_disk_is_the_rounded_vector(project, corpus, tiny_model):
    exact = encode_corpus(project, corpus, str(tiny_model), SPEC)
    half = encode_corpus(project, corpus, str(tiny_model), EncodeSpec("cpu", "float32", None, "float16", 16))
    expected = stored(project, exact.embedding).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(stored(project, half.embedding), expected)


@pytest.mark.parametrize("stop_at", [1, 33, 90])
def test_cancelled_and_resumed_equals_undisturbed_bit_for_bit(project, corpus, tiny_model, tmp_path, stop_at):
    def stop(done: int, total: int) -> None:
        if done >= stop_at:
            raise Cancelled

    with pytest.raises(Cancelled):
        encode_corpus(project, corpus, str(tiny_model), SPEC, stop)
    assert list_embeddings(project, corpus) == []
    [partial] = (project.folder / "artifacts" / "embedding").glob("*.partial")
    finished = len(list(partial.glob("shard-*.json")))
    report = encode_corpus(project, corpus, str(tiny_model), SPEC)
    assert report.resumed == finished == stop_at // 16

    calm = Project.create(tmp_path / "calm")
    import_corpus(calm, "docs", tmp_path / "docs.jsonl")
    other = encode_corpus(calm, "docs", str(tiny_model), SPEC)
    assert other.embedding == report.embedding
    assert files(calm.artifacts.get(other.embedding).folder) == files(project.artifacts.get(report.embedding).folder)
    calm.close()


def interrupted(project: Project, tiny_model: Path, spec: EncodeSpec = SPEC) -> Path:
    def stop(done: int, total: int) -> None:
        if done >= 64:
            raise Cancelled

    with pytest.raises(Cancelled):
        encode_corpus(project, "docs", str(tiny_model), spec, stop)
    [partial] = (project.folder / "artifacts" / "embedding").glob("*.partial")
    return partial


def test_a_damaged_shard_is_made_again(project, corpus, tiny_model):
    partial = interrupted(project, tiny_model)
    values = partial / "shard-00001.values.npy"
    values.write_bytes(values.read_bytes()[:-4] + b"\0\1\2\3")
    report = encode_corpus(project, corpus, str(tiny_model), SPEC)
    assert report.resumed == 1
    expected = SentenceTransformer(str(tiny_model), device="cpu").encode(contents(project), normalize_embeddings=True)
    np.testing.assert_allclose(stored(project, report.embedding), expected, atol=2e-6)


def test_another_shard_size_does_not_mix(project, corpus, tiny_model):
    interrupted(project, tiny_model)
    report = encode_corpus(project, corpus, str(tiny_model), EncodeSpec("cpu", "float32", None, "float32", 40))
    assert report.resumed == 0
    expected = SentenceTransformer(str(tiny_model), device="cpu").encode(contents(project), normalize_embeddings=True)
    np.testing.assert_allclose(stored(project, report.embedding), expected, atol=2e-6)


def test_a_full_disk_is_a_sentence_and_keeps_what_is_finished(project, corpus, tiny_model, monkeypatch):
    written = []
    save = vectors.save_array

    def filling(path, array):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        return save(path, array)

    monkeypatch.setattr(vectors, "save_array", filling)
    with pytest.raises(WorkbenchError, match="The disk is full"):
        encode_corpus(project, corpus, str(tiny_model), SPEC)
    monkeypatch.undo()
    assert encode_corpus(project, corpus, str(tiny_model), SPEC).resumed == 3


def test_bm25_stores_weights_fits_state_and_builds_its_index(project, corpus):
    told = []
    report = encode_corpus(project, corpus, "bm25", SPEC, lambda done, total: told.append((done, total)))
    artifact = project.artifacts.get(report.embedding)
    oracle = BM25Encoder.open(BM25Spec(), SPEC)
    oracle.fit([contents(project)])
    expected = oracle.encode_documents(contents(project))
    kept = SparseVectors(artifact.folder, report.dim)
    assert len(kept) == 100 and report.dim == oracle.dim
    for start, block in kept.blocks():
        assert (block != expected[start : start + block.shape[0]]).nnz == 0
    assert told[-1] == (200, 200) and told == sorted(told)
    assert [index.name for index in project.artifacts.list("index")] == ["inverted"]
    queries = open_encoder(artifact)
    assert (queries.encode_queries(["cat river"]) != oracle.encode_queries(["cat river"])).nnz == 0
    assert encode_corpus(project, corpus, "bm25", SPEC).embedding == report.embedding


def test_bm25_resumes_with_the_state_it_had(project, corpus, monkeypatch):
    def stop(done: int, total: int) -> None:
        if done >= 150:
            raise Cancelled

    with pytest.raises(Cancelled):
        encode_corpus(project, corpus, "bm25", SPEC, stop)
    monkeypatch.setattr(BM25Encoder, "fit", lambda *_: pytest.fail("fitted twice"))
    assert encode_corpus(project, corpus, "bm25", SPEC).resumed == 3


def test_queries_meet_documents_through_the_reopened_encoder(project, corpus, tiny_model):
    report = encode_corpus(project, corpus, str(tiny_model), SPEC)
    encoder = open_encoder(project.artifacts.get(report.embedding))
    scores = encoder.encode_queries([contents(project)[42]]) @ stored(project, report.embedding).T
    assert scores.argmax() == 42


def test_embeddings_are_found_by_name_folder_and_id(project, corpus, tiny_model):
    report = encode_corpus(project, corpus, str(tiny_model), SPEC)
    info = corpora.find(project.db, corpus)
    for name in ("tiny", str(tiny_model), report.embedding):
        assert find_embedding(project, info, name).id == report.embedding
    with pytest.raises(NotFound, match="Choices: tiny"):
        find_embedding(project, info, "minilm")


def test_a_changed_model_is_told(project, corpus, tmp_path):
    from model_fixtures import change_json, make_tiny_model

    folder = make_tiny_model(tmp_path / "mine")
    report = encode_corpus(project, corpus, str(folder), SPEC)
    artifact = project.artifacts.get(report.embedding)
    assert open_encoder(artifact).warnings == []
    change_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "cls"})
    assert "has changed since" in open_encoder(artifact).warnings[0]
    assert encode_corpus(project, corpus, str(folder), SPEC).embedding != report.embedding


def import_pictures(project: Project, folder: Path, captions: list[str]) -> None:
    lines = []
    for number, caption in enumerate(captions):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / f"{number}.png")
        lines.append(json.dumps({"id": str(number), "text": caption, "image": f"{number}.png"}))
    (folder / "pictures.jsonl").write_text("\n".join(lines))
    assert import_corpus(project, "pictures", folder / "pictures.jsonl").documents == len(captions)


def test_pictures_without_text_are_a_sentence(project, tmp_path, tiny_model):
    import_pictures(project, tmp_path, ["", "", ""])
    with pytest.raises(BadInput, match="images without text"):
        encode_corpus(project, "pictures", str(tiny_model), SPEC)
    assert list((project.folder / "artifacts").rglob("*.partial")) == []


def test_some_documents_without_text_are_a_warning(project, tmp_path, tiny_model):
    import_pictures(project, tmp_path, ["a red cat", "", "a dog"])
    report = encode_corpus(project, "pictures", str(tiny_model), SPEC)
    assert report.vectors == 3 and report.warnings == ["1 of 3 documents have no text; their vectors say nothing."]


def test_unknown_names_are_sentences(project, corpus):
    with pytest.raises(NotFound, match="no corpus called"):
        encode_corpus(project, "dogs", "bm25")
    with pytest.raises(NotFound, match="Did you mean “bm25”"):
        encode_corpus(project, corpus, "bm52")


def test_previews_load_nothing(tiny_model):
    assert {entry.name for entry in list_encoders()} >= {"minilm", "bge-small", "bm25"}
    known = encoder_preview("bge-small")
    assert (known["dim"], known["pooling"], known["bundled"]) == (384, "cls", True)
    assert known["query_prompt"].startswith("Represent this sentence")
    folder = encoder_preview(str(tiny_model))
    assert (folder["dim"], folder["max_length"], folder["pooling"], folder["licence"]) == (32, 48, "mean", None)
    assert encoder_preview({"kind": "dense", "model": str(tiny_model), "dim": 8})["dim"] == 8
    assert encoder_preview("org/unknown-model")["dim"] is None
