"""A map as one HTML file: whole, sampled, loading nothing, and deaf to what a corpus's texts would have it do."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from search_fixtures import add_embedding, planted, planted_project

from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.specs import MapSpec
from workbench.types import Document
from workbench.workflows import map as maps
from workbench.workflows.corpus import import_corpus
from workbench.workflows.map_export import ASSETS, in_script, renderer_modules
from workbench.workflows.map_hover import beginning

NASTY = "</script><script>window.hacked=1</script><!--<script> {{CONTENT}} \u2028 &lt;b&gt; \"'"
QUICK = MapSpec(method="pca", clusters="kmeans", cluster_count=3)


class Parts(HTMLParser):
    """The scripts of a page by their kind, and every address that it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[tuple[str, str]] = []
        self.loads: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.loads += [given[name] for name in ("src", "href", "srcset", "data") if name in given]
        if tag == "script":
            self._open = given.get("type") or "classic"
            self.scripts.append((self._open, ""))

    def handle_endtag(self, tag):
        if tag == "script":
            self._open = ""

    def handle_data(self, data):
        if self._open:
            self.scripts[-1] = (self._open, self.scripts[-1][1] + data)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("export")
    made = planted_project(folder, 120)
    rows = [{"_id": f"d{n}", "title": f"{NASTY} {n}", "text": f"{NASTY} word " * 30, "tag": NASTY} for n in range(20)]
    (folder / "nasty.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_corpus(made, "nasty", folder / "nasty.jsonl")
    add_embedding(made, "nasty", planted(20), "a </script> model")
    yield made
    made.close()


@pytest.fixture(scope="module")
def map_id(project) -> str:
    return maps.make_map(project, "topics", "planted", QUICK).map


def content_of(text: str) -> dict:
    (content,) = [each for kind, each in Parts(text).scripts if kind == "application/json"]
    return json.loads(content)


def test_the_file_holds_points_colours_labels_and_words(project, map_id):
    path = maps.export_html(project, map_id, texts=10, colours=["cluster", "column:year"])
    assert path.parent == project.exports and path.name == f"map-planted-{map_id[:8]}.html"
    content = content_of(path.read_text())
    assert (content["n"], content["total"]) == (120, 120)
    whole = maps.points(project, map_id)
    assert base64.b64decode(content["x"]) + base64.b64decode(content["y"]) == whole[: 8 * 120]
    assert base64.b64decode(content["colours"][0]["bytes"]) == whole[8 * 120 :]
    assert content["colours"][1]["legend"]["kind"] == "ramp" and content["colours"][1]["legend"]["high"] == 2019
    assert {each["text"] for each in content["labels"]} == {each.name for each in maps.cluster_labels(project, map_id)}
    ordinals = maps.ordinals_at(project, map_id, [0, 119])
    assert [content["words"][row][0].split()[-1] for row in (0, 119)] == [str(each) for each in ordinals]
    assert all(len(text) <= 10 for _, text in content["words"])
    assert content["about"]["k"] == 15 and content["about"]["corpus"] == "topics@1"


def test_a_large_map_is_a_fair_sample(project, map_id):
    path = maps.export_html(project, map_id, max_points=50, texts=-1)
    content = content_of(path.read_text())
    assert (content["n"], content["total"], content["words"]) == (50, 120, [])
    x = np.frombuffer(base64.b64decode(content["x"]), "<f4")
    np.testing.assert_array_equal(x, np.frombuffer(maps.points(project, map_id), "<f4", 50))
    assert len(base64.b64decode(content["colours"][0]["bytes"])) == 50
    titles = content_of(maps.export_html(project, map_id, texts=0).read_text())["words"]
    assert len(titles) == 120 and {text for _, text in titles} <= {"…", ""}


def test_texts_cannot_leave_their_script(project):
    made = maps.make_map(project, "nasty", "a </script> model", QUICK).map
    maps.rename_cluster(project, made, 0, "</script><img src=x>")
    path = maps.export_html(project, made, texts=500, colours=["column:tag"])
    text = path.read_text()
    parts = Parts(text)
    assert [kind for kind, _ in parts.scripts] == ["importmap", "application/json", "module"]
    assert text.count("</script") == 3 and "<!--" not in text
    content = content_of(text)
    assert content["words"][0][0].startswith("</script><script>") and "{{CONTENT}}" in content["words"][0][0]
    assert "</script><img src=x>" in {each["text"] for each in content["labels"]}
    assert re.fullmatch(r"map-[\w.-]+-[0-9a-f]{8}\.html", path.name)
    assert "<title>Map · nasty@1 · a &lt;/script&gt; model</title>" in text


def test_the_file_loads_nothing(project, map_id):
    text = maps.export_html(project, map_id).read_text()
    parts = Parts(text)
    assert parts.loads == []
    assert not re.search(r"https?://|//[a-z]+\.", text.replace("http-equiv", "")), "an address in the file"
    assert "default-src 'none'" in text
    imports = json.loads(next(each for kind, each in parts.scripts if kind == "importmap"))["imports"]
    assert set(imports) == set(renderer_modules()) >= {"map.mjs"}
    for address in imports.values():
        source = base64.b64decode(address.removeprefix("data:text/javascript;base64,")).decode()
        wanted = set(re.findall(r"""^import .*from ["']([^"']+)["']""", source, re.MULTILINE))
        assert wanted <= set(imports), "a module is missing"


def test_the_renderer_is_the_apps_own():
    modules = renderer_modules()
    assert modules["map.mjs"].replace('from "', 'from "./') == (ASSETS / "map.mjs").read_text()


def test_json_in_a_script_is_escaped():
    text = in_script({"a": "</script><!--", "b": "é\u2028"})
    assert "<" not in text and json.loads(text) == {"a": "</script><!--", "b": "é\u2028"}


def test_a_long_text_is_cut():
    assert beginning(Document("d", "a  b\nc" + " word" * 1000), 9) == "a b c wo…"
    assert beginning(Document("d", "short"), 9) == "short"


@pytest.mark.parametrize("asked", [{"max_points": 0}, {"max_points": 10**9}, {"texts": -2}, {"texts": 10**6}])
def test_sizes_out_of_bounds_are_refused(project, map_id, asked):
    with pytest.raises(BadInput):
        maps.export_html(project, map_id, **asked)


def test_names_that_are_not_there_are_refused(project, map_id):
    with pytest.raises(NotFound):
        maps.export_html(project, "nobody")
    with pytest.raises(NotFound):
        maps.export_html(project, map_id, colours=["column:nothing"])
