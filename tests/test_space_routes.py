"""The third dimension on the page: its bytes, the order of documents, plotly's own script, what stands around it."""

import dataclasses

import numpy as np
import pytest
from fastapi.testclient import TestClient
from search_fixtures import planted_project

from ui.app import build_app
from ui.components.map_3d import front_html, line_html, picked_rows, plotly_file, shown_state, switch_html
from ui.components.map_view import MapView, read_map_view
from workbench.specs import MapSpec
from workbench.workflows import map as maps
from workbench.workflows.map_data import wire_order
from workbench.workflows.map_space import find_space, make_space, space_points

COUNT = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(client, project, id of a map in three dimensions, id of one that is flat)."""
    folder = tmp_path_factory.mktemp("spaces")
    project = planted_project(folder, COUNT)
    spec = MapSpec(method="pca", clusters="kmeans", cluster_count=3)
    solid = maps.make_map(project, "topics", "planted", spec).map
    flat = maps.make_map(project, "topics", "planted", dataclasses.replace(spec, seed=1)).map
    make_space(project, "topics", solid)
    yield TestClient(build_app(folder), base_url="http://127.0.0.1"), project, solid, flat
    project.close()


def test_the_points_and_the_documents_of_their_rows(made):
    client, project, solid, flat = made
    answer = client.get(f"/points/p/{solid}/space.bin")
    assert answer.content == space_points(project, solid) and len(answer.content) == 12 * COUNT
    assert answer.headers["cache-control"] == "no-store"
    order = client.get(f"/points/p/{flat}/order.u32")
    assert np.array_equal(np.frombuffer(order.content, "<u4"), wire_order(COUNT))
    assert "immutable" in order.headers["cache-control"]
    rows = np.arange(5)
    assert maps.ordinals_at(project, flat, rows.tolist()) == np.frombuffer(order.content, "<u4")[:5].tolist()


@pytest.mark.parametrize(
    "address", ["/points/p/nothing/space.bin", "/points/x/{}/space.bin", "/points/p/..%2f/order.u32"]
)
def test_what_is_not_there_is_refused(made, address):
    client, _, solid, flat = made
    assert client.get(address.format(solid)).status_code == 404
    told = client.get(f"/points/p/{flat}/space.bin")
    assert told.status_code == 404 and "not made in three dimensions" in told.json()["message"]


def test_plotly_comes_from_here(made):
    client, project, solid, _ = made
    assert shown_state(project, MapView(map=solid), maps.get_map(project, solid), find_space(project, solid))
    answer = client.get("/wb-plotly/plotly.min.js?v=1")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/javascript")
    assert answer.content == plotly_file().read_bytes() and b"plotly.js v" in answer.content[:400]
    assert "immutable" in answer.headers["cache-control"]
    assert client.get("/wb-plotly/plotly.min.js").headers["cache-control"] == "no-cache"


def test_the_open_document_and_its_neighbours_as_rows(made):
    _, project, solid, _ = made
    assert picked_rows(project, MapView(map=solid)) == [-1, []]
    start, ends = picked_rows(project, MapView(map=solid, pick=4))
    near = [other for other, _ in maps.neighbours_of(project, solid, 4)]
    assert maps.ordinals_at(project, solid, [start, *ends]) == [4, *near]
    assert picked_rows(project, MapView(map=solid, pick=10_000)) == [-1, []]


def test_the_address_keeps_the_dimension():
    assert "space" not in MapView(map="a").values() and MapView(map="a", space=True).values()["space"] == "1"
    assert read_map_view({"space": "1"}).space and not read_map_view({"space": "yes"}).space


def test_what_stands_around_the_picture(made):
    _, project, solid, _ = made
    info, found = maps.get_map(project, solid), find_space(project, solid)
    line = line_html(info, found)
    assert "60 documents" in line and f"<b>{found.trustworthiness:.3f}</b> (flat {info.trustworthiness:.3f})" in line
    sample = line_html(info, dataclasses.replace(found, points=100_000, shown=20_000))
    assert "<b>20,000</b> of 100,000 documents: a fair sample" in sample
    front = front_html(dataclasses.replace(info, encoder="<b>"))
    assert "Lay out &lt;b&gt; in 3-D" in front and "fair sample" not in front and "data-do='make'" in front
    assert "Of 30,000 documents 20,000 are shown" in front_html(dataclasses.replace(info, points=30_000))
    assert 'data-do="3d" aria-pressed="true"' in switch_html(True)
    assert 'data-do="2d" aria-pressed="true"' in switch_html(False)
