"""A map through a real worker to the disk and back: what another process reads is what FAISS and umap say."""

import json
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
from job_support import JobBench
from search_fixtures import add_embedding, write_corpus
from sklearn.manifold import trustworthiness

from workbench.jobs import JobService
from workbench.project import Project
from workbench.specs import MapSpec
from workbench.workflows import map as maps
from workbench.workflows.corpus import import_corpus
from workbench.workflows.map_data import wire_order

ROOT = Path(__file__).parents[2]
COUNT = 400


def topics() -> np.ndarray:
    """Three topics with noise, as float16 stores it, in no particular length."""
    random = np.random.default_rng(3)
    rows = 0.3 * random.standard_normal((COUNT, 24))
    rows[np.arange(COUNT), np.arange(COUNT) % 3] += 2
    return rows.astype(np.float16)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A workspace with a worker of the real kinds, and a corpus with an embedding."""
    made = JobBench(tmp_path_factory.mktemp("maps"))
    made.service = JobService(made.folder)
    import_corpus(made.project, "topics", write_corpus(made.folder / "topics.jsonl", COUNT))
    add_embedding(made.project, "topics", topics(), "planted")
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def result(bench) -> dict:
    spec = MapSpec(neighbors=10, epochs=100).to_dict()
    id = bench.service.enqueue("map", "p", {"corpus": "topics", "encoder": "planted", "spec": spec}, title="Map")
    job = bench.ended(id)
    assert job.state == "done", (job.error, bench.state())
    assert (job.done, job.total) == (1000, 1000)
    return job.result


@pytest.fixture(scope="module")
def folder(bench, result) -> Path:
    return bench.project.folder / "artifacts" / "map" / result["map"]


def test_the_job_says_what_it_made(bench, result):
    assert result["points"] == COUNT and result["seconds"] > 0 and result["encoder"] == "planted"
    assert 0.8 < result["trustworthiness"] <= 1 and 0.8 < result["continuity"] <= 1
    (info,) = maps.list_maps(bench.project, "topics")
    assert info.id == result["map"] and info.method == "umap" and info.stale == ""


def test_the_neighbours_on_the_disk_are_faisss(bench, result, folder):
    vectors = topics().astype(np.float32)
    faiss.normalize_L2(vectors)
    index = faiss.IndexFlatIP(24)
    index.add(vectors)
    scores, ids = index.search(vectors, 11)
    kept = np.load(folder / "neighbours.npy")
    assert kept.dtype == np.int32 and kept.shape == (COUNT, 10)
    for ordinal in range(COUNT):
        others = [
            (each, 1 - score) for each, score in zip(ids[ordinal], scores[ordinal], strict=True) if each != ordinal
        ]
        found = maps.neighbours_of(bench.project, result["map"], ordinal)
        assert [each for each, _ in found] == kept[ordinal].tolist() == [each for each, _ in others][:10]
        np.testing.assert_allclose([far for _, far in found], [far for _, far in others][:10], atol=1e-5)


def test_the_arrays_are_as_the_manifest_says(result, folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    shapes = {
        "xy": ("float32", (COUNT, 2)), "order": ("uint32", (COUNT,)), "distances": ("float32", (COUNT, 10)),
        "trust": ("float32", (COUNT,)), "continuity": ("float32", (COUNT,)), "clusters": ("int32", (COUNT,)),
        "occurrences": ("int32", (COUNT,)), "outlierness": ("float32", (COUNT,)),
    }  # fmt: skip
    arrays = {name: np.load(folder / f"{name}.npy") for name in shapes}
    assert {name: (str(each.dtype), each.shape) for name, each in arrays.items()} == shapes
    assert manifest["spec"]["map"]["neighbors"] == manifest["neighbours"] == manifest["k"] == 10
    assert set(manifest["seconds"]) == {"vectors", "neighbours", "layout", "measures", "clusters", "total"}
    assert arrays["occurrences"].sum() == 10 * COUNT
    oracle = trustworthiness(topics().astype(np.float64), arrays["xy"], n_neighbors=10, metric="cosine")
    assert manifest["trustworthiness"] == pytest.approx(oracle, abs=1e-3) == pytest.approx(arrays["trust"].mean())
    clusters = json.loads((folder / "clusters.json").read_text())["clusters"]
    assert [each["size"] for each in clusters] == np.bincount(arrays["clusters"][arrays["clusters"] >= 0]).tolist()


def test_topics_lie_apart_and_are_named(bench, result):
    labels = maps.cluster_labels(bench.project, result["map"])
    assert {each.name.split(" · ")[0] for each in labels} == {"music", "water", "bread"}
    content = maps.points(bench.project, result["map"])
    colours = np.empty(COUNT, np.uint8)
    colours[wire_order(COUNT)] = np.frombuffer(content, np.uint8, COUNT, 8 * COUNT)
    for topic in range(3):
        own = colours[topic::3]
        assert (own == np.bincount(own).argmax()).mean() > 0.8


def test_another_process_makes_the_same_map_and_reads_it(bench, result, folder, tmp_path):
    script = (
        "import sys, pathlib, hashlib\n"
        "from workbench.project import Project\n"
        "from workbench.specs import MapSpec\n"
        "from workbench.workflows import map as maps\n"
        "project = Project.open(pathlib.Path(sys.argv[1]))\n"
        "print(maps.make_map(project, 'topics', 'planted', MapSpec(neighbors=10, epochs=100)).map)\n"
        "print(hashlib.sha256(maps.points(project, sys.argv[2])).hexdigest())\n"
        "print('umap' in sys.modules, 'faiss' in sys.modules)\n"
    )
    arguments = [sys.executable, "-c", script, str(bench.project.folder), result["map"]]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    import hashlib

    digest = hashlib.sha256(maps.points(bench.project, result["map"])).hexdigest()
    assert done.stdout.split() == [result["map"], digest, "False", "False"]
    # Made afresh elsewhere, the layout is the same bit for bit.
    calm = Project.create(tmp_path / "calm")
    import_corpus(calm, "topics", bench.folder / "topics.jsonl")
    add_embedding(calm, "topics", topics(), "planted")
    again = maps.make_map(calm, "topics", "planted", MapSpec(neighbors=10, epochs=100))
    assert again.map == result["map"]
    for name in ("xy", "clusters", "neighbours"):
        other = np.load(calm.folder / "artifacts" / "map" / again.map / f"{name}.npy")
        np.testing.assert_array_equal(other, np.load(folder / f"{name}.npy"))
    calm.close()


def test_the_command_line_waits_for_the_map(bench, result):
    command = [sys.executable, "-m", "workbench", "--project", str(bench.project.folder), "--json", "map"]
    done = subprocess.run(
        [*command, "topics", "planted", "--method", "pca"], cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["points"] == COUNT and answer["map"] != result["map"] and answer["seconds"] >= 0
    assert 0 < answer["trustworthiness"] <= 1
    wrong = subprocess.run([*command, "topics", "nobody"], cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert wrong.returncode == 1 and wrong.stdout == "" and "nobody" in wrong.stderr
    assert wrong.stderr.strip().count("\n") == 0 and "Traceback" not in wrong.stderr
