"""Indices that verify by the vectors on disk, built and searched as a person does: by name, through the workflows."""

import numpy as np
import pytest
from search_fixtures import add_embedding, planted

from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.types import Content
from workbench.workflows import retrieving
from workbench.workflows.corpus import import_corpus
from workbench.workflows.encode import encode_corpus
from workbench.workflows.index import build_index, list_indices
from workbench.workflows.retrieving import EncodedQuery
from workbench.workflows.search import search


class Planted:
    """In place of a text encoder: every query is the topic “music”."""

    warnings = ()
    output = "dense"
    modalities = frozenset({"text"})
    size_bytes = 0

    def encode(self, query: Content) -> EncodedQuery:
        return EncodedQuery(np.eye(16, dtype=np.float32)[:1], query.text)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """60 documents of three topics; document 7 (of topic “water”) alone has the word “rare”."""
    texts = [f"about {['music', 'water', 'bread'][n % 3]}" + (" rare" if n == 7 else "") for n in range(60)]
    path = tmp_path / "c.jsonl"
    path.write_text("".join(f'{{"_id": "d{n}", "text": "{text}"}}\n' for n, text in enumerate(texts)))
    project = Project.create(tmp_path / "p")
    import_corpus(project, "topics", path)
    add_embedding(project, "topics", planted(60), extra={"encoder_spec": {"kind": "dense"}})
    real = retrieving.query_encoder
    monkeypatch.setattr(retrieving, "query_encoder", lambda e: Planted() if e.name == "planted" else real(e))
    yield project
    project.close()


def ids(project, index, text="anything", k=5, **settings):
    pipeline = PipelineSpec((RetrieverSpec(encoder="planted", index=index, **settings),))
    return [hit.document.doc_id for hit in search(project, "topics", text, pipeline, k).hits]


def test_binary_codes_are_verified_by_the_vectors(project):
    built = build_index(project, "topics", "planted", "Binary,Verify")
    assert built.factory == "Binary,Verify"
    assert ids(project, "Binary,Verify", k_factor=12) == ids(project, "exact")
    (info,) = list_indices(project, "topics")
    assert (info.factory, info.settings) == ("Binary,Verify", {"k_factor": 10.0})


def test_hi2_finds_by_its_terms_what_its_clusters_miss(project):
    with pytest.raises(NotFound, match="needs the term weights of BM25"):
        build_index(project, "topics", "planted", "HI2_3x4")
    encode_corpus(project, "topics", "bm25")
    build_index(project, "topics", "planted", "HI2_3x4")
    found = ids(project, "HI2_3x4", "rare", k=60, nprobe=1)
    assert "d7" in found and len(found) < 60
    assert "d7" not in ids(project, "HI2_3x4", "nothing known", k=60, nprobe=1)
    assert ids(project, "HI2_3x4", "rare", k=60, nprobe=3) == ids(project, "exact", k=60)


@pytest.mark.parametrize(
    ("factory", "words"), [("HI2_61x4", "more than the 60"), ("HI2_x", "no HI²"), ("Nope,Verify", "Nope")]
)
def test_what_does_not_fit_is_refused_before_any_work(project, factory, words):
    with pytest.raises(BadInput, match=words):
        build_index(project, "topics", "planted", factory)
