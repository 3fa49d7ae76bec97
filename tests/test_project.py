"""Projects, their database and its schema steps."""

import importlib
import shutil
import sqlite3
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from workbench.db import Database, make_engine, metadata, settings
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.project import Project, Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "projects")


def set_value(project, name, value):
    with project.db.write() as connection:
        connection.execute(sa.insert(settings), {"name": name, "value": value})


def value_of(project, name):
    with project.db.read() as connection:
        return connection.execute(sa.select(settings.c.value).where(settings.c.name == name)).scalar_one()


def test_create_close_and_open_again(workspace):
    project = workspace.create("Field notes")
    set_value(project, "colour", {"a": 1})
    project.close()
    assert workspace.projects() == ["Field notes"]
    assert value_of(workspace.open("Field notes"), "colour") == {"a": 1}


def test_the_schema_steps_make_exactly_the_tables_of_the_code(workspace):
    project = workspace.create("p")
    with project.db.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: not (kind == "table" and "_fts" in name)}
        )
        assert compare_metadata(context, metadata) == []


def write_version_1(folder):
    """A project's folder as the first version of the workbench made it, with a corpus and a setting."""
    folder.mkdir(parents=True)
    first = importlib.import_module("workbench.migrations.versions.m0001_first")
    engine = make_engine(folder / "project.db")
    with engine.connect() as connection, connection.begin():
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            first.upgrade()
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")
        connection.exec_driver_sql(
            "INSERT INTO corpora VALUES (7, 'birds', 1, 'f', 's', 'sf', '{}', '{}', 0, 0, 1.5, '{}')"
        )
        connection.exec_driver_sql("INSERT INTO settings VALUES ('colour', '\"blue\"')")
    engine.dispose()


def test_a_project_of_the_first_version_gets_the_new_tables_and_keeps_its_data(workspace):
    write_version_1(workspace.folder / "old")
    project = workspace.open("old")
    assert value_of(project, "colour") == "blue"
    with project.db.read() as connection:
        assert connection.execute(sa.select(metadata.tables["corpora"].c.name)).scalars().all() == ["birds"]
        assert sa.inspect(connection).has_table("votes")
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: not (kind == "table" and "_fts" in name)}
        )
        assert compare_metadata(context, metadata) == []
    vote = {"session": "s", "number": 1, "corpus_id": 7, "query": "q", "left": {}, "right": {}, "left_key": "a"}
    vote |= {"right_key": "b", "choice": "tie", "annotator": "", "at": 1.0}
    with project.db.write() as connection:
        connection.execute(sa.insert(metadata.tables["votes"]), vote)
    for wrong in ({"number": 1}, {"number": 2, "choice": "both"}, {"number": 2, "corpus_id": 8}):
        with pytest.raises(sa.exc.IntegrityError), project.db.write() as connection:
            connection.execute(sa.insert(metadata.tables["votes"]), vote | wrong)


def write_version_2(folder):
    """The same with votes, as the second version made it, and a document."""
    write_version_1(folder)
    second = importlib.import_module("workbench.migrations.versions.m0002_votes")
    engine = make_engine(folder / "project.db")
    with engine.connect() as connection, connection.begin():
        with Operations.context(MigrationContext.configure(connection)):
            second.upgrade()
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
        connection.exec_driver_sql("UPDATE corpora SET documents = 1")
        connection.exec_driver_sql(
            "INSERT INTO documents (corpus_id, ordinal, doc_id, title, text, metadata, content_hash) "
            "VALUES (7, 0, 'b1', '', 'The wren', '{}', 'x')"
        )
        connection.exec_driver_sql(
            "INSERT INTO votes VALUES (1, 's', 1, 7, 'q', NULL, '{}', '{}', 'a', 'b', 'tie', 'me', 2.5)"
        )
    engine.dispose()


def test_a_project_of_the_second_version_gets_subsets_and_tags_and_keeps_its_data(workspace):
    write_version_2(workspace.folder / "old")
    project = workspace.open("old")
    tables = metadata.tables
    with project.db.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: not (kind == "table" and "_fts" in name)}
        )
        assert compare_metadata(context, metadata) == []
        assert connection.execute(sa.select(tables["votes"].c.choice, tables["votes"].c.at)).all() == [("tie", 2.5)]
        assert connection.execute(sa.select(tables["documents"].c.text)).scalars().all() == ["The wren"]
        for name in ("subsets", "tags", "tag_events"):
            assert connection.execute(sa.select(tables[name])).all() == []
    row = {"corpus_id": 7, "name": "a", "members": b"\x01", "count": 1, "content_hash": "h", "source": {}}
    event = {"corpus_id": 7, "tag": "t", "action": "add", "changed": b"", "count": 1, "at": 1.0}
    with project.db.write() as connection:
        connection.execute(sa.insert(tables["subsets"]), row | {"created_at": 1.0})
        connection.execute(sa.insert(tables["tag_events"]), event)
    for name, values in (
        ("subsets", row | {"created_at": 1.0}),
        ("subsets", row | {"created_at": 1.0, "name": "b", "corpus_id": 8}),
        ("tag_events", event | {"action": "toggle"}),
    ):
        with pytest.raises(sa.exc.IntegrityError), project.db.write() as connection:
            connection.execute(sa.insert(tables[name]), values)
    assert value_of(project, "colour") == "blue"


@pytest.mark.parametrize("name", ["", " ", "..", "../x", "a/b", "a\\b", ".hidden", "x" * 65, "nul\0", "a\nb", "-x"])
def test_names_that_could_leave_the_folder_are_refused(workspace, name):
    with pytest.raises(BadInput, match="cannot be the name of a project"):
        workspace.create(name)
    assert workspace.projects() == []


def test_an_unknown_project_is_named_with_the_choices(workspace):
    workspace.create("climate")
    with pytest.raises(NotFound, match="Did you mean “climate”"):
        workspace.open("climat")


def test_the_same_name_twice_is_refused_and_keeps_the_first(workspace):
    set_value(workspace.create("p"), "a", 1)
    with pytest.raises(BadInput, match="already a project"):
        workspace.create("p")
    assert value_of(workspace.open("p"), "a") == 1


def test_copy_is_whole_and_independent(workspace):
    original = workspace.create("one")
    set_value(original, "a", 1)
    draft = original.artifacts.begin("embedding", "e", {"x": 1}, [])
    (draft.folder / "values.txt").write_text("42")
    artifact = draft.commit({})
    copy = workspace.copy("one", "two")
    workspace.delete("one")
    assert workspace.projects() == ["two"]
    assert value_of(copy, "a") == 1
    assert (copy.artifacts.get(artifact.id).folder / "values.txt").read_text() == "42"


def test_a_database_from_a_newer_version_is_refused_with_a_sentence(workspace):
    project = workspace.create("p")
    with project.db.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    project.close()
    with pytest.raises(WorkbenchError, match=r"newer version of the workbench \(schema 9999") as caught:
        workspace.open("p")
    assert "Update the workbench" in caught.value.hint
    with sqlite3.connect(project.folder / "project.db") as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_a_damaged_database_is_a_sentence(workspace):
    project = workspace.create("p")
    project.close()
    for extra in project.folder.glob("project.db-*"):
        extra.unlink()
    (project.folder / "project.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(WorkbenchError, match=r"project\.db of “p” cannot be read"):
        workspace.open("p")


def test_a_project_opened_twice_sees_both_writers(workspace):
    first = workspace.create("p")
    second = Project.open(first.folder)
    set_value(first, "a", 1)
    set_value(second, "b", 2)
    assert value_of(first, "b") == 2
    assert value_of(second, "a") == 1


def test_two_readers_that_turn_writers_do_not_lock_each_other_out(workspace):
    """With deferred transactions one of them fails at once with “database is locked”."""
    project = workspace.create("p")
    set_value(project, "n", 0)

    def add() -> None:
        database = Database(project.folder / "project.db")
        for _ in range(25):
            with database.write() as connection:
                now = connection.execute(sa.select(settings.c.value)).scalar_one()
                connection.execute(sa.update(settings).values(value=now + 1))
        database.close()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value_of(project, "n") == 100


def test_a_write_that_fails_leaves_nothing(workspace):
    project = workspace.create("p")
    with pytest.raises(RuntimeError), project.db.write() as connection:
        connection.execute(sa.insert(settings), {"name": "a", "value": 1})
        raise RuntimeError
    with project.db.read() as connection:
        assert connection.execute(sa.select(settings)).all() == []


def test_pragmas(workspace):
    with workspace.create("p").db.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_folder_deleted_by_hand_is_not_listed(workspace):
    shutil.rmtree(workspace.create("p").folder)
    assert workspace.projects() == []
