"""Saved pipelines and views: names, ids that stay, what a colleague's link brings back."""

import pytest

from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.specs import FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.workflows import views

BM25 = PipelineSpec((RetrieverSpec("bm25"),))
RICH = PipelineSpec(
    (RetrieverSpec("bm25"), RetrieverSpec("minilm", "IVF16,Flat", nprobe=4)),
    FusionSpec("minmax", weights=(0.25, 0.75)),
    RerankSpec("ms-marco-minilm-l12", 20, {"max_length": 128}),
)


def reopened(project):
    project.close()
    return Project.open(project.folder)


def test_a_pipeline_comes_back_after_reopening(project):
    saved = views.save_pipeline(project, " Best so far ", RICH, "factbook")
    again = reopened(project)
    assert views.get_pipeline(again, "Best so far") == RICH
    (listed,) = views.list_pipelines(again)
    assert (listed.id, listed.name, listed.corpus, listed.pipeline) == (saved.id, "Best so far", "factbook", RICH)
    assert listed.created_at == saved.created_at


def test_pipelines_are_listed_by_name_for_a_corpus_or_any(project):
    views.save_pipeline(project, "beta", BM25, "birds")
    views.save_pipeline(project, "Alpha", RICH)
    views.save_pipeline(project, "gamma", PipelineSpec((RetrieverSpec("minilm"),)), "fish")
    assert [each.name for each in views.list_pipelines(project)] == ["Alpha", "beta", "gamma"]
    assert [each.name for each in views.list_pipelines(project, "birds")] == ["Alpha", "beta"]


def test_a_pipeline_under_a_used_name_replaces_it(project):
    first = views.save_pipeline(project, "mine", BM25)
    second = views.save_pipeline(project, "mine", RICH)
    assert first.id != second.id
    assert views.get_pipeline(project, "mine") == RICH
    assert len(views.list_pipelines(project)) == 1


def test_the_same_pipeline_saved_again_is_renamed(project):
    first = views.save_pipeline(project, "old", BM25)
    second = views.save_pipeline(project, "new", BM25)
    assert (second.id, second.created_at) == (first.id, first.created_at)
    assert [each.name for each in views.list_pipelines(project)] == ["new"]


def test_an_unknown_pipeline_names_the_choices(project):
    views.save_pipeline(project, "lexical", BM25)
    with pytest.raises(NotFound, match="Did you mean “lexical”"):
        views.get_pipeline(project, "lexcal")


def test_a_view_has_a_short_id_that_stays(project):
    state = {"q": "owls", "columns": [BM25.to_dict(), RICH.to_dict()], "k": 10}
    saved = views.save_view(project, "search", "Owls", state)
    assert len(saved.id) == 8 and set(saved.id) <= set("0123456789abcdef")
    assert views.save_view(project, "search", "", dict(reversed(state.items()))).id == saved.id
    again = views.get_view(reopened(project), saved.id)
    # As JSON: tuples come back as lists.
    assert again.state["columns"][1]["retrievers"][1]["nprobe"] == 4
    assert [PipelineSpec.from_dict(each) for each in again.state["columns"]] == [BM25, RICH]
    assert (again.name, again.page, again.created_at) == ("Owls", "search", saved.created_at)


def test_other_states_and_pages_have_other_ids(project):
    ids = {
        views.save_view(project, page, "x", {"q": q}).id for page in ("search", "map") for q in ("a", "b")
    }  # fmt: skip
    assert len(ids) == 4
    assert [each.name for each in views.list_views(project, "search")] == ["x", "x"]
    assert views.list_pipelines(project) == []


def test_ids_that_begin_alike_are_told_apart(project, monkeypatch):
    monkeypatch.setattr(views, "fingerprint", lambda page, state: "0123456789" + state["q"] * 14)
    first = views.save_view(project, "search", "", {"q": "a"})
    second = views.save_view(project, "search", "", {"q": "b"})
    assert (first.id, second.id) == ("01234567", "012345678")
    assert views.save_view(project, "search", "", {"q": "b"}).id == second.id
    assert views.get_view(project, first.id).state == {"q": "a"}


def test_renaming_and_deleting(project):
    saved = views.save_view(project, "search", "one", {"q": "a"})
    assert views.rename_view(project, saved.id, "two").id == saved.id
    assert [each.name for each in views.list_views(project, "search")] == ["two"]
    pipeline = views.save_pipeline(project, "p", BM25)
    assert views.rename_view(project, pipeline.id, "q").name == "q"
    with pytest.raises(BadInput, match="no name"):
        views.rename_view(project, pipeline.id, " ")
    views.delete_view(project, saved.id)
    assert views.list_views(project, "search") == []
    with pytest.raises(NotFound, match="no saved view"):
        views.delete_view(project, saved.id)


@pytest.mark.parametrize("name", ["x" * 121, "a\nb", "nul\0", "turned\u202eround"])
def test_names_that_cannot_be_shown_are_refused(project, name):
    with pytest.raises(BadInput, match="name"):
        views.save_view(project, "search", name, {})
    with pytest.raises(BadInput, match="name"):
        views.save_pipeline(project, name, BM25)
    assert views.list_views(project, "search") == views.list_pipelines(project) == []


def test_states_that_are_no_json_or_too_large_are_refused(project):
    with pytest.raises(BadInput, match="cannot be kept"):
        views.save_view(project, "search", "", {"x": {1, 2}})
    with pytest.raises(BadInput, match="cannot be kept"):
        views.save_view(project, "search", "", {"x": float("nan")})
    with pytest.raises(BadInput, match="characters"):
        views.save_view(project, "search", "", {"x": "y" * 2**20})


def test_a_key_is_of_what_a_pipeline_does():
    key = views.pipeline_key
    assert key(RICH) == key(PipelineSpec.from_dict(RICH.to_dict()))
    two = (RetrieverSpec("a"), RetrieverSpec("b"))
    assert key(PipelineSpec(two)) == key(PipelineSpec(two, FusionSpec("rrf", k=60)))
    assert key(PipelineSpec(two)) != key(PipelineSpec(two, FusionSpec("rrf", k=61)))
    assert key(PipelineSpec(two)) != key(PipelineSpec(two[::-1]))
    others = [RetrieverSpec("a"), RetrieverSpec("a", "Flat"), RetrieverSpec("a", nprobe=2), RetrieverSpec("b")]
    assert len({key(PipelineSpec((each,))) for each in others}) == 4
    reranked = [
        PipelineSpec(two, reranker=RerankSpec("x", depth, options)) for depth in (5, 6) for options in ({}, {"a": 1})
    ]
    assert len({key(each) for each in reranked}) == 4
