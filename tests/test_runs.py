"""Runs as storage: names, blocks on disk, measures beside them."""

import numpy as np
import pytest

from workbench import query_sets, runs
from workbench.errors import BadInput, NotFound
from workbench.types import Ranking


def make(project, name: str, number: int = 0, query_set: str = "asked") -> runs.RunInfo:
    """A run of three queries in two blocks, under `name`."""
    info = query_sets.ensure(project.db, query_set, corpus_of(project), "test")
    draft = project.artifacts.begin("run", name, {"n": number}, [])
    if draft.existing is None:
        runs.write_block(draft.folder, 0, block(0, [[4, 2, -1], [-1, -1, -1]]), np.array([1.0, 2.0]))
        runs.write_block(draft.folder, 1, block(2, [[-2, 7, -3]]), np.array([10.0, 20.0]))
        draft.commit({"queries": 3})
    return runs.find(project.db, project.artifacts, runs.add(project.db, name, info.id, draft.id))


def block(start: int, ordinals: list) -> runs.Block:
    found = np.array(ordinals, np.int32)
    return runs.Block(start, found, -np.arange(found.size, dtype=np.float32).reshape(found.shape))


def corpus_of(project) -> int:
    from search_fixtures import write_corpus

    from workbench.workflows.corpus import import_corpus

    import_corpus(project, "topics", write_corpus(project.folder / "topics.jsonl", 9))
    return 1


def test_names_are_unique_and_the_same_artifact_is_one_run(project):
    first, second = make(project, "mine"), make(project, "mine", 1)
    assert (first.name, second.name) == ("mine", "mine-2") and make(project, "other").id == first.id
    assert [each.name for each in runs.listed(project.db, project.artifacts)] == ["mine-2", "mine"]
    assert runs.find(project.db, project.artifacts, str(second.id)).name == "mine-2"
    with pytest.raises(NotFound, match="mien"):
        runs.find(project.db, project.artifacts, "mien")
    runs.rename(project.db, second.id, "better")
    with pytest.raises(BadInput, match="already a run"):
        runs.rename(project.db, first.id, "better")


def test_blocks_are_read_back_in_order(project):
    folder = make(project, "mine").artifact.folder
    assert [(each.start, each.ordinals.tolist()) for each in runs.blocks(folder)] == [
        (0, [[4, 2, -1], [-1, -1, -1]]),
        (2, [[-2, 7, -3]]),
    ]
    number, rows, spent = runs.finished(folder)
    assert (number, rows, spent.tolist()) == (2, 3, [11, 22])
    ordinals, scores = runs.ranking(folder, 0)
    assert (ordinals.tolist(), scores.tolist()) == ([4, 2], [0, -1])
    assert runs.ranking(folder, 1)[0].size == 0 and runs.ranking(folder, 2)[0].tolist() == [-2, 7, -3]
    with pytest.raises(NotFound):
        runs.ranking(folder, 3)


def test_rankings_are_padded_and_cut():
    long = Ranking.of(np.arange(4), np.array([1.0, 2, 3, 4]))
    ordinals, scores = runs.padded([long, Ranking.of(np.array([5]), np.array([-1.0]))], 3)
    assert ordinals.tolist() == [[3, 2, 1], [5, -1, -1]] and scores.tolist() == [[4, 3, 2], [-1, 0, 0]]


def test_deleting_keeps_rankings_that_another_query_set_has(project):
    mine, theirs = make(project, "mine"), make(project, "theirs", query_set="again")
    assert mine.artifact.id == theirs.artifact.id and mine.id != theirs.id
    runs.delete(project.db, project.artifacts, mine)
    assert [each.name for each in runs.listed(project.db, project.artifacts)] == ["theirs"]
    assert theirs.artifact.folder.is_dir()
    runs.delete(project.db, project.artifacts, theirs)
    assert not theirs.artifact.folder.exists() and runs.listed(project.db, project.artifacts) == []


def test_a_run_goes_with_its_query_set_and_with_its_artifact(project):
    mine, theirs = make(project, "mine"), make(project, "theirs", 1, query_set="again")
    query_sets.delete(project.db, project.media, mine.query_set_id)
    project.artifacts.delete(theirs.artifact.id)
    assert runs.listed(project.db, project.artifacts) == []


def test_measures_are_kept_by_the_state_of_the_judgments(project):
    folder = make(project, "mine").artifact.folder
    assert runs.kept_measures(folder, "a", "x") is None and runs.kept_note(folder, "a") is None
    runs.keep_measures(folder, "a", "x", np.array([0.5, 1]))
    runs.keep_note(folder, "a", {"judgments": 2})
    assert runs.kept_measures(folder, "a", "x").tolist() == [0.5, 1] and runs.kept_note(folder, "a") == {"judgments": 2}
    for number in range(runs.STATES + 3):
        runs.keep_note(folder, f"later{number}", {})
    assert len(list((folder / runs.MEASURES).iterdir())) == runs.STATES and runs.kept_note(folder, "a") is None
