"""Images that an export of labels names, copies or leaves out, and what it says of them."""

import json
from pathlib import Path

import pytest
from label_fixtures import rows_of_file
from PIL import Image

from workbench.judgments import Pair, Verdict
from workbench.project import Project
from workbench.specs import LabelChoice
from workbench.workflows.corpus import import_corpus
from workbench.workflows.export_labels import export_labels
from workbench.workflows.judging import Judge, judge
from workbench.workflows.queries import import_queries
from workbench.workflows.training_groups import Contradicted


@pytest.fixture
def pictures(project: Project, tmp_path: Path) -> Project:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in (("a.png", "red"), ("b.png", "green")):
        Image.new("RGB", (40, 30), colour).save(folder / name)
    import_corpus(project, "pictures", folder)
    (tmp_path / "q.jsonl").write_text('{"_id": "q", "text": "red"}\n')
    (tmp_path / "q.qrels").write_text("q 0 a.png 1\nq 0 b.png 0\n")
    import_queries(project, "shown", tmp_path / "q.jsonl", "pictures", tmp_path / "q.qrels")
    return project


@pytest.mark.parametrize("how", ["reference", "copy"])
def test_images_are_named_or_copied(pictures, tmp_path, how):
    out = tmp_path / "out" / "t.jsonl"
    report = export_labels(pictures, "shown", "flagembedding", out, LabelChoice(images=how))
    (row,) = rows_of_file(out)
    (positive,), (negative,) = row["pos_images"], row["neg_images"]
    assert not Path(positive).is_absolute() and positive.startswith("t.images/") == (how == "copy")
    assert Image.open(out.parent / positive).getpixel((5, 5))[0] > 200  # type: ignore[index]
    assert Image.open(out.parent / negative).getpixel((5, 5))[1] > 100  # type: ignore[index]
    assert report.images == 2 and report.warnings[-1].startswith("Images named in this export: 2. ")
    assert ("copies must go with it" in report.warnings[-1]) == (how == "copy")
    beir = export_labels(pictures, "shown", "beir", tmp_path / "set", LabelChoice(images=how))
    first = rows_of_file(Path(beir.path) / "corpus.jsonl")[0]
    assert (tmp_path / "set" / first["image"]).is_file() and first["image"].startswith("images/") == (how == "copy")


def test_an_export_without_the_images_of_its_corpus_says_so(pictures, tmp_path):
    told = ["The corpus has images, and they are not in this export: it holds the texts alone."]
    report = export_labels(pictures, "shown", "flagembedding", tmp_path / "t.jsonl")
    assert report.images == 0 and report.warnings == told
    assert json.loads(Path(report.manifest).read_text())["warnings"] == told
    # Qrels name documents by their ids alone.
    assert export_labels(pictures, "shown", "trec").warnings == []


def test_copies_of_an_export_that_failed_are_removed(pictures, tmp_path):
    judge(pictures, Judge("shown"), Pair("q", "b.png"), Verdict(3))
    with pytest.raises(Contradicted):
        export_labels(pictures, "shown", "flagembedding", tmp_path / "o" / "t.jsonl", LabelChoice(images="copy"))
    assert not (tmp_path / "o" / "t.images").exists()
