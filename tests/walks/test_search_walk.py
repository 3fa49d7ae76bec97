"""Corpus → vectors → index, all closed; then a search opened afresh from disk finds what exact search finds."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from search_fixtures import planted

from workbench.project import Project
from workbench.vectors import DenseVectors
from workbench.workflows.encode import encode_corpus
from workbench.workflows.index import build_index, list_indices

ROOT = Path(__file__).parents[2]
PREPARE = """
import sys, pathlib
sys.path.insert(0, "tests")
from search_fixtures import planted_project
from workbench.workflows.index import build_index
from workbench.workflows.encode import encode_corpus
project = planted_project(pathlib.Path(sys.argv[1]), 300)
encode_corpus(project, "topics", "bm25")
for factory in ("Flat", "HNSW16", "IVF8,SQ8,RFlat"):
    print(build_index(project, "topics", "planted", factory).index)
project.close()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The folder of a project made and closed by another process."""
    place = tmp_path_factory.mktemp("walk")
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, str(place)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 3
    return place / "p"


def test_rows_line_up_with_documents(folder):
    project = Project.open(folder)
    (embedding,) = project.artifacts.list("embedding", name="planted")
    vectors = DenseVectors(embedding.folder)
    np.testing.assert_array_equal(vectors.take(np.arange(300)), planted(300).astype(np.float32))
    project.close()


@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF8,SQ8,RFlat"])
def test_opened_afresh_an_index_finds_what_exact_search_finds(folder, factory):
    from workbench.specs import RetrieverSpec
    from workbench.workflows import retrieving

    project = Project.open(folder)
    (embedding,) = project.artifacts.list("embedding", name="planted")
    queries = np.eye(3, 16, dtype=np.float32) + np.float32(0.1)
    retriever = RetrieverSpec(encoder="planted", index=factory)
    index = retrieving.find_target(project, embedding, retriever).open()
    settings = {"nprobe": 8, "k_factor": 10, "ef_search": 300}
    found = index.search(queries, 20, {name: settings[name] for name in index.knobs()})
    for ranking, exact in zip(found, retrieving.exact_index(embedding).search(queries, 20), strict=True):
        assert ranking.ordinals.tolist() == exact.ordinals.tolist()
        np.testing.assert_allclose(ranking.scores, exact.scores, atol=1e-6)
    project.close()


def test_a_copied_project_searches_by_itself(folder, tmp_path):
    """A project is a folder one can copy: nothing in it points outside."""
    shutil.copytree(folder, tmp_path / "copy")
    script = (
        "import sys, pathlib\n"
        "from workbench.project import Project\n"
        "from workbench.specs import PipelineSpec, RetrieverSpec\n"
        "from workbench.workflows.search import neighbours, search\n"
        "project = Project.open(pathlib.Path(sys.argv[1]))\n"
        "found = search(project, 'topics', 'word7 water', PipelineSpec((RetrieverSpec('bm25'),)), k=3)\n"
        "print(*[hit.document.doc_id for hit in found.hits])\n"
        "print(*[hit.document.doc_id for hit in neighbours(project, 'topics', 'planted', 'd0', k=3).hits])\n"
    )
    answers = []
    for place in (folder, tmp_path / "copy"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(place)], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        answers.append(done.stdout)
    assert answers[0] == answers[1]
    assert answers[0].startswith("d7 ")


def test_building_again_finds_everything_done(folder):
    project = Project.open(folder)
    before = {each.id: each.created_at for each in list_indices(project, "topics")}
    for factory in ("Flat", "HNSW16", "IVF8,SQ8,RFlat"):
        assert build_index(project, "topics", "planted", factory).index in before
    encode_corpus(project, "topics", "bm25")
    assert {each.id: each.created_at for each in list_indices(project, "topics")} == before
    project.close()
