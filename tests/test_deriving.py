"""A subset becomes a corpus of its own: the same documents under the same ids, made once, encoded like any other."""

import json

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image
from set_fixtures import import_numbers, rows_of
from typer.testing import CliRunner

from ui.components.encode_view import documents_choices, encoded_elsewhere, heading
from ui.components.subset_bar import ACTIONS, Sets, derived_html, subset_bar
from ui.session import Place
from workbench import corpora
from workbench.__main__ import app
from workbench.db import documents as table
from workbench.errors import BadInput, NotFound
from workbench.jobs.kinds import KINDS
from workbench.project import Project
from workbench.specs import EncodeSpec, PipelineSpec, RetrieverSpec
from workbench.types import Filter
from workbench.workflows.corpus import (
    browse,
    delete_corpus,
    get_corpus,
    image_path,
    import_corpus,
    import_queries,
    list_corpora,
    list_versions,
)
from workbench.workflows.deriving import derive_corpus, encode_subset, origin
from workbench.workflows.encode import encode_corpus, list_embeddings
from workbench.workflows.search import search
from workbench.workflows.subsets import create_subset, list_subsets

SOURCE = "subset river of bugs, version 1 (3 of 20 documents)"


@pytest.fixture
def bugs(project, tmp_path) -> Project:
    """Twenty documents d0 … d19, and the subset “river” of d3, d7 and d12."""
    import_numbers(project, tmp_path, range(20))
    create_subset(project, "bugs", "river", [12, 3, 7])
    return project


def hashes(project: Project, corpus: str) -> dict[str, str]:
    id = corpora.find(project.db, corpus).id
    with project.db.read() as connection:
        found = connection.execute(sa.select(table.c.doc_id, table.c.content_hash).where(table.c.corpus_id == id))
        return {row.doc_id: row.content_hash for row in found}


def test_the_documents_are_those_of_the_subset_in_order_under_their_ids(bugs):
    report = derive_corpus(bugs, "bugs", "river")
    assert (report.corpus, report.version, report.documents, report.unchanged) == ("bugs-river", 1, 3, False)
    info = get_corpus(bugs, "bugs-river")
    assert info.source == report.source == SOURCE == origin(bugs, "bugs-river") and origin(bugs, "bugs") == ""
    assert info.columns == get_corpus(bugs, "bugs").columns and info.documents == 3
    found = browse(bugs, "bugs-river").documents
    expected = rows_of([3, 7, 12])
    assert [(each.doc_id, each.title, each.text) for each in found] == [
        (row["id"], row["title"], row["text"]) for row in expected
    ]
    assert [dict(each.metadata) for each in found] == [
        {name: row[name] for name in ("year", "weight", "wild")} for row in expected
    ]
    assert [each.ordinal for each in found] == [0, 1, 2]
    # Judgments carry the content's hash: it must be the one that they know.
    all_of = hashes(bugs, "bugs")
    assert hashes(bugs, "bugs-river") == {id: all_of[id] for id in ("d3", "d7", "d12")}
    # Full text and filters work as on an imported corpus.
    assert [each.doc_id for each in browse(bugs, "bugs-river", "wasp").documents] == ["d7"]
    assert [each.doc_id for each in browse(bugs, "bugs-river", "", [Filter("year", ">", 1905)]).documents] == [
        "d7",
        "d12",
    ]


def test_it_is_made_once_and_again_only_where_something_changed(bugs, tmp_path):
    derive_corpus(bugs, "bugs", "river")
    again = derive_corpus(bugs, "bugs", "river")
    assert again.unchanged and again.version == 1 and len(list_versions(bugs, "bugs-river")) == 1
    create_subset(bugs, "bugs-river", "wild", [0, 2])
    create_subset(bugs, "bugs", "river", [3, 7, 11], replace=True)
    changed = derive_corpus(bugs, "bugs", "river")
    assert (changed.version, changed.documents, changed.unchanged) == (2, 3, False)
    report = get_corpus(bugs, "bugs-river").report
    assert (report["added"], report["removed"], report["changed"]) == (1, 1, 0)
    # What people made in the version before comes along by document id: of d3 and d12 only d3 is left.
    assert [(each.name, each.count) for each in list_subsets(bugs, "bugs-river")] == [("wild", 1)]
    assert changed.warnings == ["The subset “wild” keeps 1 of 2 documents; the others are gone."]
    # Another version of the corpus itself is another source.
    import_numbers(bugs, tmp_path, range(19))
    third = derive_corpus(bugs, "bugs", "river")
    assert third.version == 3 and "version 2 (3 of 19 documents)" in third.source


def test_an_older_version_can_be_taken_by_its_number(bugs, tmp_path):
    import_numbers(bugs, tmp_path, range(19))
    report = derive_corpus(bugs, "bugs@1", "river", "old river")
    assert report.corpus == "old river" and report.source == SOURCE


def test_the_name_of_another_corpus_is_refused_and_nothing_is_left(bugs, tmp_path):
    import_numbers(bugs, tmp_path, range(2), "bugs-river")
    with pytest.raises(BadInput, match="not made of the subset “river” of “bugs”"):
        derive_corpus(bugs, "bugs", "river")
    with pytest.raises(BadInput, match="cannot be the name of a corpus"):
        derive_corpus(bugs, "bugs", "river", "x" * 65)
    with pytest.raises(NotFound, match="lake"):
        derive_corpus(bugs, "bugs", "lake")
    with pytest.raises(NotFound):
        derive_corpus(bugs, "bees", "river")
    assert [(each.name, each.documents) for each in list_corpora(bugs)] == [("bugs", 20), ("bugs-river", 2)]


def test_a_stop_leaves_nothing(bugs):
    class Stop(Exception):
        pass

    def progress(done: int, total: int) -> None:
        if done == 3:
            raise Stop
        assert total == 3

    def at_once(done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        derive_corpus(bugs, "bugs", "river", progress=at_once)
    assert [each.name for each in list_corpora(bugs)] == ["bugs"]
    with pytest.raises(Stop):
        derive_corpus(bugs, "bugs", "river", progress=progress)
    assert [each.name for each in list_corpora(bugs)] == ["bugs", "bugs-river"]


def test_pictures_take_no_room_and_outlive_the_corpus_they_come_from(project, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(4):
        noise = np.random.default_rng(n).integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"p{n}.png")
    import_corpus(project, "pictures", folder)
    create_subset(project, "pictures", "two", [1, 3])
    derive_corpus(project, "pictures", "two")
    assert get_corpus(project, "pictures-two").has_images
    before = [image_path(project, "pictures", n) for n in (1, 3)]
    after = [image_path(project, "pictures-two", n) for n in (0, 1)]
    assert [path.stat().st_ino for path in before] == [path.stat().st_ino for path in after]
    assert set(before).isdisjoint(after)
    content = [path.read_bytes() for path in after]
    delete_corpus(project, "pictures")
    assert [path.read_bytes() for path in after] == content


def test_pictures_are_copied_where_files_cannot_be_linked(project, tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (30, 30), "red").save(folder / "a.png")
    import_corpus(project, "pictures", folder)
    create_subset(project, "pictures", "one", [0])

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    derive_corpus(project, "pictures", "one")
    source, target = image_path(project, "pictures", 0), image_path(project, "pictures-one", 0)
    assert source.read_bytes() == target.read_bytes() and source.stat().st_ino != target.stat().st_ino


def test_query_sets_stay_and_the_report_says_so(bugs, tmp_path):
    (tmp_path / "q.jsonl").write_text('{"_id": "q1", "text": "wasp"}\n')
    import_queries(bugs, "asked", tmp_path / "q.jsonl", "bugs")
    (told,) = derive_corpus(bugs, "bugs", "river").warnings
    assert "“asked”" in told and "document ids are the same" in told


def test_encoding_a_subset_makes_its_corpus_and_nothing_of_the_other_documents(bugs):
    seen: list[tuple[int, int]] = []
    report = encode_subset(bugs, "bugs", "river", "bm25", progress=lambda done, total: seen.append((done, total)))
    assert (report.corpus, report.encoder, report.vectors) == ("bugs-river", "bm25", 3)
    assert {total for _, total in seen} == {1000} and seen == sorted(seen)
    assert list_embeddings(bugs, "bugs") == []
    (made,) = list_embeddings(bugs, "bugs-river")
    assert made.id == report.embedding
    # Searched alone, its terms' weights are those of three documents.
    expected = encode_corpus(bugs, "bugs-river", "bm25")
    assert expected.embedding == report.embedding
    found = search(bugs, "bugs-river", "wasp number", PipelineSpec((RetrieverSpec("bm25"),)), 10)
    assert found.hits[0].document.doc_id == "d7"


def test_the_kinds_of_jobs_and_the_command_line(bugs):
    arguments = {"corpus": "bugs", "subset": "river", "encoder": "bm25", "spec": {"shard_documents": 64}}
    kind = KINDS["encode-subset"]
    assert kind.load() is encode_subset
    assert kind.adapt(arguments, "cpu")["spec"] == EncodeSpec(shard_documents=64, device="cpu")
    assert KINDS["derive"].load() is derive_corpus
    words = ["--project", str(bugs.folder), "--json", "encode", "bugs", "bm25", "--subset", "river"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0 and done.stdout.count("\n") == 1
    answer = json.loads(done.stdout)
    assert (answer["corpus"], answer["vectors"], answer["encoder"]) == ("bugs-river", 3, "bm25")
    assert get_corpus(bugs, "bugs-river").documents == 3


# ── on the pages ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_choice_of_documents_and_where_a_subset_went(bugs):
    place = Place("p", "bugs")
    choices = documents_choices(get_corpus(bugs, "bugs"), list_subsets(bugs, "bugs"))
    assert choices == [("all documents (20)", ""), ("subset river (3)", "river")]
    assert SOURCE in heading(get_corpus(bugs, "bugs"), SOURCE) and "subset" not in heading(get_corpus(bugs, "bugs"))
    told = encoded_elsewhere({"corpus": "<b>-river", "encoder": "<i>", "vectors": 1234}, place)
    assert "1,234 vectors by <b>&lt;i&gt;</b>" in told and "<b>&lt;b&gt;-river</b>" in told
    assert "/search?project=p&amp;corpus=%3Cb%3E-river" in told


def test_each_subset_has_the_button_that_makes_it_a_corpus(bugs):
    markup = subset_bar(Sets(list_subsets(bugs, "bugs"), [], (), 20, 20))
    assert 'data-do="derive" data-name="river"' in markup and "derive" in ACTIONS
    assert "was there already" in derived_html("a", 2, True, [])
    shown = derived_html("<a>", 2, False, [("Open <it>", "/corpus?a=1&b=2")])
    assert "holds 2 documents" in shown and "<a>" not in shown and "a=1&amp;b=2" in shown
