"""Artifacts: identity, resuming, publishing."""

import json
import shutil

import pytest
import sqlalchemy as sa

from workbench.db import artifacts as table
from workbench.errors import BadInput, NotFound
from workbench.project import Workspace

SPEC = {"model": "m", "pooling": "mean", "dim": 384, "prompt": "query: ", "deep": {"a": [1, 2]}}


@pytest.fixture
def store(tmp_path):
    return Workspace(tmp_path).create("p").artifacts


def test_changing_any_field_or_input_changes_the_id(store):
    ids = {store.begin("embedding", "e", SPEC, ["corpus"]).id}
    changed = [{**SPEC, key: "other"} for key in SPEC] + [{**SPEC, "deep": {"a": [2, 1]}}, {**SPEC, "more": None}]
    ids |= {store.begin("embedding", "e", spec, ["corpus"]).id for spec in changed}
    ids |= {store.begin("index", "e", SPEC, ["corpus"]).id, store.begin("embedding", "e", SPEC, ["other"]).id}
    assert len(ids) == len(changed) + 3


def test_order_of_fields_and_name_do_not(store):
    backwards = dict(reversed(SPEC.items()))
    assert store.begin("embedding", "e", SPEC, []).id == store.begin("embedding", "other", backwards, []).id


def test_a_partial_folder_is_taken_up_again_and_is_no_result(store):
    draft = store.begin("embedding", "e", SPEC, [])
    (draft.folder / "shard").write_text("half")
    assert draft.folder.name.endswith(".partial")
    assert store.list("embedding") == []
    again = store.begin("embedding", "e", SPEC, [])
    assert again.existing is None
    assert (again.folder / "shard").read_text() == "half"


def test_commit_publishes_and_the_same_job_twice_is_a_no_op(store):
    draft = store.begin("embedding", "e", SPEC, ["c"])
    (draft.folder / "values.bin").write_bytes(b"12345")
    artifact = draft.commit({"rows": 5})
    assert not draft.folder.exists()
    assert json.loads((artifact.folder / "manifest.json").read_text()) == artifact.manifest
    assert artifact.manifest["rows"] == 5
    assert artifact.manifest["spec"] == SPEC
    assert artifact.bytes > 5
    assert store.begin("embedding", "e", SPEC, ["c"]).existing == artifact
    assert store.list("embedding", name="e") == [artifact]


def test_killed_between_rename_and_row_loses_nothing(store):
    draft = store.begin("embedding", "e", SPEC, [])
    (draft.folder / "values.bin").write_bytes(b"12345")
    artifact = draft.commit({})
    with store._db.write() as connection:
        connection.execute(sa.delete(table))
    again = store.begin("embedding", "e", SPEC, [])
    assert again.existing is None
    assert (again.folder / "values.bin").read_bytes() == b"12345"
    assert again.commit({}).id == artifact.id


def test_a_result_whose_folder_is_gone_is_made_again(store):
    artifact = store.begin("embedding", "e", SPEC, []).commit({})
    shutil.rmtree(artifact.folder)
    assert store.list("embedding") == []
    with pytest.raises(NotFound, match="no artifact"):
        store.get(artifact.id)
    assert store.begin("embedding", "e", SPEC, []).commit({"n": 2}).id == artifact.id


def test_two_attempts_that_both_finish_are_one_result(store):
    first, second = store.begin("embedding", "e", SPEC, []), store.begin("embedding", "e", SPEC, [])
    done = first.commit({})
    second.folder.mkdir()
    assert second.commit({}).id == done.id
    assert len(store.list("embedding")) == 1


def test_delete_removes_row_and_folder(store):
    artifact = store.begin("embedding", "e", SPEC, []).commit({})
    store.delete(artifact.id)
    assert store.list("embedding") == []
    assert not artifact.folder.exists()


@pytest.mark.parametrize("kind", ["../../etc", "", "embeddings"])
def test_an_unknown_kind_never_becomes_a_path(store, kind):
    with pytest.raises(BadInput, match="no artifact kind"):
        store.begin(kind, "e", SPEC, [])


def test_nan_cannot_be_part_of_an_identity(store):
    with pytest.raises(ValueError):
        store.begin("embedding", "e", {"x": float("nan")}, [])
