"""Which map stands under the columns of a search, what its bar offers, and that the address keeps it open."""

import numpy as np
import pytest
from search_fixtures import add_embedding, planted, planted_project

from ui.components.address import Column, View, read_view
from ui.components.columns import plain
from ui.components.search_map import chosen, closed_html, first_dense, kinds_of, map_state, open_html
from ui.session import Place
from workbench.project import Project
from workbench.specs import FusionSpec, MapSpec, PipelineSpec, RetrieverSpec
from workbench.workflows.encode import encode_corpus
from workbench.workflows.map import make_map

SPEC = MapSpec(method="pca", clusters="none")
PLACE = Place("p", "topics")
WORDS, DENSE = Column(plain("bm25", "inverted")), Column(plain("planted", "exact"))
BOTH = Column(PipelineSpec((RetrieverSpec("bm25"), RetrieverSpec("other")), FusionSpec()))


@pytest.fixture
def project(tmp_path) -> Project:
    """Two dense embeddings, “planted” and “other”, and BM25; no map."""
    made = planted_project(tmp_path, 40)
    add_embedding(made, "topics", np.ascontiguousarray(planted(40)[:, ::-1]), "other")
    encode_corpus(made, "topics", "bm25")
    return made


def test_the_address_keeps_whether_it_is_open_and_whose_ranks_it_shows():
    assert "map" not in View(query="a").values() and View(query="a", map=2).values()["map"] == "2"
    assert [read_view({"map": text}).map for text in ("", "3", "99", "-1", "x")] == [0, 3, 4, 0, 0]


def test_the_first_dense_column_decides(project):
    kinds = kinds_of(project, "topics")
    assert kinds == {"bm25": "sparse", "other": "dense", "planted": "dense"}
    assert first_dense(View(columns=(WORDS, DENSE)), kinds) == 1
    assert first_dense(View(columns=(WORDS, BOTH, DENSE)), kinds) == 1
    assert first_dense(View(columns=(WORDS,)), kinds) == 0


def test_its_map_is_shown_else_any_of_the_same_documents_else_a_button(project):
    view = View(query="a", columns=(WORDS, DENSE), map=1)
    nothing = chosen(project, PLACE, view)
    assert (nothing.map, nothing.encoder) == (None, "planted")
    assert 'data-do="make" data-encoder="planted"' in open_html(project, PLACE, view, nothing)
    # Words alone have no dense column: the newest dense embedding is offered.
    assert chosen(project, PLACE, View(columns=(WORDS,), map=1)).encoder == "other"
    other = make_map(project, "topics", "other", SPEC).map
    instead = chosen(project, PLACE, view)
    assert (instead.map.id, instead.encoder) == (other, "planted")
    assert "Map with planted" in open_html(project, PLACE, view, instead)
    own = make_map(project, "topics", "planted", SPEC).map
    found = chosen(project, PLACE, view)
    assert (found.map.id, found.encoder, found.column) == (own, "", 0)
    assert "Map with" not in open_html(project, PLACE, view, found)
    assert chosen(project, PLACE, View(columns=(BOTH,), map=4)).map.id == other


def test_without_dense_vectors_the_way_leads_to_encode(tmp_path):
    made = planted_project(tmp_path, 5)
    made.artifacts.delete(made.artifacts.list("embedding")[0].id)
    encode_corpus(made, "topics", "bm25")
    view = View(columns=(WORDS,), map=1)
    markup = open_html(made, PLACE, view, chosen(made, PLACE, view))
    assert 'href="/encode?project=p&amp;corpus=topics"' in markup and "make" not in markup


def test_the_bar_names_the_column_the_map_and_where_rows_are_found(project):
    own = make_map(project, "topics", "planted", SPEC).map
    view = View(query='<b>"', columns=(WORDS, DENSE), map=2, like=7)
    markup = open_html(project, PLACE, view, chosen(project, PLACE, view))
    assert 'data-column="1"' in markup and 'data-like="7"' in markup and "<b>&quot;" not in markup
    assert f"/points/p/{own}/order.u32" in markup and 'data-link="p/topics@1"' in markup
    assert 'data-column="1" aria-pressed="true"' in markup and 'data-column="0" aria-pressed="false"' in markup
    alone = View(query="a", columns=(DENSE,), map=1)
    assert "ranks of" not in open_html(project, PLACE, alone, chosen(project, PLACE, alone))
    assert 'data-do="open"' in closed_html()
    state = map_state(project, chosen(project, PLACE, view).map)
    assert state["src"] == f"/points/p/{own}/points.bin" and state["link"] == "p/topics@1"
    assert "highlight" not in state  # the browser's own
