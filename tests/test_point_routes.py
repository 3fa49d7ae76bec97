"""The addresses of a map: bytes by ids that are looked up, kept where they never change, refusals with a sentence."""

import json
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from search_fixtures import planted, planted_project

from ui.app import build_app
from workbench.specs import MapSpec
from workbench.workflows import map as maps
from workbench.workflows.encode import encode_corpus
from workbench.workflows.map_data import wire_order

COUNT = 90


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(client, project, id of the map “planted”, id of the map “bm25”)."""
    folder = tmp_path_factory.mktemp("routes")
    project = planted_project(folder, COUNT)
    encode_corpus(project, "topics", "bm25")
    spec = MapSpec(method="pca", clusters="kmeans", cluster_count=3)
    ids = [maps.make_map(project, "topics", name, spec).map for name in ("planted", "bm25")]
    (folder / "secret.txt").write_text("secret")
    yield TestClient(build_app(folder), base_url="http://127.0.0.1"), project, *ids
    project.close()


def test_points_are_bytes_that_may_be_kept_for_ever(made):
    client, project, map_id, _ = made
    answer = client.get(f"/points/p/{map_id}/points.bin")
    assert answer.status_code == 200 and len(answer.content) == 9 * COUNT
    assert answer.content == maps.points(project, map_id)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


def test_a_colouring_is_a_byte_a_point_and_its_legend(made):
    client, _, map_id, _ = made
    answer = client.get(f"/points/p/{map_id}/color/column:year.u8")
    years = np.empty(COUNT, np.uint8)
    years[wire_order(COUNT)] = np.frombuffer(answer.content, np.uint8)
    assert years[0] == 0 and years[-1] == 253 and (np.diff(years.astype(int)) >= 0).all()
    assert "immutable" in answer.headers["cache-control"]
    legend = client.get(f"/points/p/{map_id}/color/column:year.json").json()
    assert (legend["kind"], legend["low"], legend["high"]) == ("ramp", 1900, 1989)
    assert (legend["other"], legend["missing"], legend["top"]) == (254, 255, 253)


def test_what_people_change_is_not_kept(made):
    client, project, map_id, _ = made
    for address in ("color/cluster.json", "color/cluster.u8", "labels.json", "mask/filter.u8"):
        assert client.get(f"/points/p/{map_id}/{address}").headers["cache-control"] == "no-store"
    before = client.get(f"/points/p/{map_id}/labels.json").json()["labels"]
    maps.rename_cluster(project, map_id, before[0]["cluster"], "<b>Renamed</b>")
    after = client.get(f"/points/p/{map_id}/labels.json").json()["labels"]
    assert after[0] == {**before[0], "text": "<b>Renamed</b>"}


def test_a_mask_is_a_filter_with_its_count(made):
    client, _, map_id, _ = made
    filters = json.dumps([["year", "<", 1930]])
    answer = client.get(f"/points/p/{map_id}/mask/filter.u8", params={"filters": filters, "text": "water"})
    passing = np.empty(COUNT, np.uint8)
    passing[wire_order(COUNT)] = np.frombuffer(answer.content, np.uint8)
    assert passing.tolist() == [int(n < 30 and n % 3 == 1) for n in range(COUNT)]
    assert answer.headers["x-count"] == "10"


def test_the_score_of_a_query_is_a_colouring(made):
    client, _, _, sparse = made
    answer = client.get(f"/points/p/{sparse}/color/score.u8", params={"q": "bread"})
    assert answer.headers["cache-control"] == "no-store"
    scores = np.empty(COUNT, np.uint8)
    scores[wire_order(COUNT)] = np.frombuffer(answer.content, np.uint8)
    assert (scores != 255).tolist() == [n % 3 == 2 for n in range(COUNT)]
    legend = client.get(f"/points/p/{sparse}/color/score.json", params={"q": "bread"}).json()
    assert legend["unknown"] == 60


def test_a_card_is_the_document_of_a_row(made):
    client, project, map_id, _ = made
    (row,) = maps.highlight(project, map_id, [4])
    card = client.get(f"/points/p/{map_id}/card/{row}").json()
    assert (card["title"], card["text"], card["image"], card["ordinal"]) == ("Water 4", "about water word4", "", 4)
    assert ["year", 1904] in card["facts"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/points/p/nobody/points.bin", 404),
        ("/points/nobody/{id}/points.bin", 404),
        ("/points/p/{embedding}/points.bin", 404),
        ("/points/../{id}/points.bin", 404),
        ("/points/%2e%2e/{id}/points.bin", 400),
        ("/points/p/..%2f..%2fsecret.txt/points.bin", 404),
        ("/points/p/{id}/../../../secret.txt", 404),
        ("/points/p/{id}/color/..%2f..%2fsecret.u8", 404),
        ("/points/p/{id}/color/column:nothing.u8", 404),
        ("/points/p/{id}/color/" + "x" * 5000 + ".u8", 400),
        ("/points/p/{id}/color/score.u8", 400),
        ("/points/p/{id}/color/score.u8?q=water", 404),
        ("/points/p/{id}/color/score.u8?image=..%2fsecret", 404),
        ("/points/p/{id}/mask/filter.u8?filters=nonsense", 400),
        ("/points/p/{id}/mask/filter.u8?filters=[[1]]", 400),
        ('/points/p/{id}/mask/filter.u8?filters=[["nothing","=",1]]', 400),
        ("/points/p/{id}/mask/filter.u8?text=" + "x" * 5000, 400),
        ("/points/p/{id}/card/90", 404),
        ("/points/p/{id}/card/-1", 404),
        ("/points/p/{id}/card/99999999999999999999999", 404),
        ("/points/p/{id}/card/x", 422),
    ],
)
def test_what_the_browser_made_up_is_refused_with_a_sentence(made, address, status):
    client, project, map_id, _ = made
    embedding = maps.get_map(project, map_id).embedding
    answer = client.get(address.replace("{id}", map_id).replace("{embedding}", embedding))
    assert answer.status_code == status, answer.text
    assert (
        "secret" not in answer.text.replace("..%2fsecret", "") or answer.headers["content-type"] == "application/json"
    )
    if answer.status_code == 400 or "nobody" in address:
        assert answer.json()["message"].endswith(".") and answer.headers["cache-control"] == "no-store"


def test_columns_of_any_name_have_an_address(made, tmp_path):
    client, project, _, _ = made
    from search_fixtures import add_embedding

    from workbench.workflows.corpus import import_corpus

    rows = [{"_id": str(n), "text": "t", "a/b ü?": n % 2 == 0} for n in range(6)]
    (tmp_path / "odd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_corpus(project, "odd", tmp_path / "odd.jsonl")
    add_embedding(project, "odd", planted(6), "planted")
    made_id = maps.make_map(project, "odd", "planted", MapSpec(method="pca")).map
    (column,) = [each.name for each in maps.colourings(project, made_id) if each.name.startswith("column:")]
    answer = client.get(f"/points/p/{made_id}/color/{quote(column, safe='')}.u8")
    assert answer.status_code == 200 and len(answer.content) == 6


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_a_foreign_host_is_refused(made, host):
    client, _, map_id, _ = made
    assert client.get(f"/points/p/{map_id}/points.bin", headers={"host": host}).status_code == 400
