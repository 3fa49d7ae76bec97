"""What Home shows of a project, and deleting what was made."""

import json

import numpy as np
import pytest

from workbench import corpora, judgments, label_sets, query_sets
from workbench.errors import NotFound
from workbench.judgments import Entry
from workbench.project import Workspace
from workbench.specs import IndexSpec
from workbench.types import Query
from workbench.workflows import corpus, encode, home, index
from workbench.workflows.artifacts import delete_artifact
from workbench.workflows.judging import Judge, Verdict, judge_many


@pytest.fixture
def project(tmp_path):
    """A project with a corpus of two versions and a BM25 embedding, and one of 300 ready-made vectors."""
    made = Workspace(tmp_path / "workspace").create("p")
    for count in (2, 3):
        source = tmp_path / "words.jsonl"
        source.write_text("\n".join(json.dumps({"id": n, "text": f"word {n}"}) for n in range(count)))
        corpus.import_corpus(made, "words", source)
    encode.encode_corpus(made, "words", "bm25")
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32))
    (tmp_path / "points.txt").write_text("\n".join(f"p{n}" for n in range(300)))
    corpus.import_corpus(made, "points", tmp_path / "points.npy")
    yield made
    made.close()


def test_overview_counts_newest_versions_and_built_indices(project):
    found = home.overview(project)
    assert (found.name, found.corpora, found.documents) == ("p", ["points", "words"], 303)
    # The inverted index of BM25 was not built by anybody.
    assert (found.embeddings, found.indices, found.query_sets) == (2, 0, 0)
    assert (found.maps, found.judged, found.runs) == (0, 0, 0)
    files = sum(path.stat().st_size for path in project.folder.rglob("*") if path.is_file())
    assert found.bytes == files > 300 * 8 * 4
    assert abs(found.changed_at - max(p.stat().st_mtime for p in project.folder.glob("project.db*"))) < 5


def test_judgments_are_those_of_people(project):
    info = query_sets.ensure(project.db, "q", corpora.find(project.db, "words").id, "typed")
    query_sets.append(project.db, info.id, [Query("a", "word")])
    judge_many(project, Judge("q"), [Entry("a", str(n), Verdict(n)) for n in range(2)])
    label_sets.make(project.db, info.id, "mined", "proposed", {})
    judgments.store(project.db, info, "mined", "miner", [Entry("a", "2", Verdict(0, True))])
    assert home.overview(project).judged == 2


def test_deleting_an_embedding_takes_its_indices_along(project):
    [embedding] = encode.list_embeddings(project, "points")
    built = index.build_index(project, "points", embedding.encoder, IndexSpec(factory="HNSW16"))
    assert home.overview(project).indices == 1
    assert delete_artifact(project, embedding.id) == [embedding.encoder, "HNSW16"]
    assert encode.list_embeddings(project, "points") == [] and index.list_indices(project, "points") == []
    assert not list(project.folder.glob(f"artifacts/*/{built.index}"))
    assert len(encode.list_embeddings(project, "words")) == 1
    with pytest.raises(NotFound):
        delete_artifact(project, embedding.id)


def test_deleting_an_index_leaves_its_embedding(project):
    [embedding] = encode.list_embeddings(project, "points")
    built = index.build_index(project, "points", embedding.encoder, "Flat")
    assert delete_artifact(project, built.index) == ["Flat"]
    assert [each.id for each in encode.list_embeddings(project, "points")] == [embedding.id]
