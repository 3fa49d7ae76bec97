"""Stored corpora: streams by ordinal, filters and full text against plain Python, drafts that vanish."""

import json
import re

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import corpora, ingest
from workbench.db import documents as table
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.types import Document, Filter

WORDS = ["bee", "wasp", "ant", "honey", "nest", "sting", "wing", "flower"]
COLUMNS = {"year": "integer", "weight": "number", "wild": "boolean", "kind": "text"}


def made(number: int) -> Document:
    """Document `number` of a corpus whose every value follows from its number."""
    text = " ".join(WORDS[(number * step) % 8] for step in (1, 3, 5))
    metadata = {"year": 1900 + number % 50, "weight": number / 4, "wild": number % 3 == 0, "kind": WORDS[number % 5]}
    if number % 10 == 9:
        del metadata["kind"]
    return Document(f"d{number}", text, f"Title {number}", None, metadata)


DOCUMENTS = [made(number) for number in range(300)]


def write(project: Project, name: str, documents: list[Document], columns: dict[str, str]) -> corpora.CorpusInfo:
    row = {"name": name, "source": "test", "source_fingerprint": name, "spec": {}}
    with ingest.begin(project.db, project.media, row) as draft:
        for start in range(0, len(documents), 100):
            draft.append(documents[start : start + 100])
        return draft.finish(columns, {})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project.create(tmp_path_factory.mktemp("projects") / "p")
    write(project, "other", [Document("d0", "bee wasp", "Other")], {})
    return project


@pytest.fixture(scope="module")
def corpus(project):
    return write(project, "insects", DOCUMENTS, COLUMNS)


def test_contents_are_title_and_text_in_order(project, corpus):
    assert corpora.texts(project.db, corpus.id, 95, 205) == [d.content for d in DOCUMENTS[95:205]]
    assert corpora.texts(project.db, corpus.id, 299, 500) == [DOCUMENTS[299].content]
    assert corpora.texts(project.db, corpus.id, 300, 310) == []


def test_documents_come_in_the_order_asked(project, corpus):
    wanted = [299, 0, 7, 7, 150]
    found = corpora.documents(project.db, corpus.id, np.array(wanted))
    assert [d.ordinal for d in found] == wanted
    assert [(d.doc_id, d.title, d.text, dict(d.metadata)) for d in found] == [
        (f"d{n}", f"Title {n}", DOCUMENTS[n].text, dict(DOCUMENTS[n].metadata)) for n in wanted
    ]
    assert corpora.documents(project.db, corpus.id, []) == []
    with pytest.raises(NotFound):
        corpora.documents(project.db, corpus.id, [300])


def test_documents_by_id_and_ordinal(project, corpus):
    assert corpora.document(project.db, corpus, "d17").ordinal == 17
    assert corpora.document(project.db, corpus, 17).doc_id == "d17"
    for key in ("d300", 300, -1, 2**70):
        with pytest.raises(NotFound):
            corpora.document(project.db, corpus, key)
    assert corpora.ordinals_of(project.db, corpus.id, ["d5", "nope", "d4"]) == {"d5": 5, "d4": 4}
    assert corpora.doc_ids(project.db, corpus.id, 3, 6) == ["d3", "d4", "d5"]


OPERATIONS = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a is not None and a < b,
    "<=": lambda a, b: a is not None and a <= b,
    ">": lambda a, b: a is not None and a > b,
    ">=": lambda a, b: a is not None and a >= b,
}
CASES = [
    Filter("year", "=", 1910),
    Filter("year", "=", "1910"),
    Filter("year", "!=", 1910),
    Filter("year", "<", 1905.5),
    Filter("year", ">=", 1949),
    Filter("weight", "<=", 1.25),
    Filter("weight", ">", 70),
    Filter("wild", "=", True),
    Filter("wild", "!=", True),
    Filter("kind", "=", "bee"),
    Filter("kind", "!=", "bee"),
    Filter("kind", "=", None),
    Filter("kind", "!=", None),
    Filter("kind", ">", "nest"),
    Filter("doc_id", "=", "d7"),
]


def passes(item: Filter, document: Document) -> bool:
    value = document.doc_id if item.field == "doc_id" else document.metadata.get(item.field)
    wanted = int(item.value) if item.field == "year" and isinstance(item.value, str) else item.value
    return bool(OPERATIONS[item.op](value, wanted))


@pytest.mark.parametrize("item", CASES, ids=lambda item: f"{item.field} {item.op} {item.value}")
def test_a_filter_equals_plain_python(project, corpus, item):
    mask = corpora.filter_mask(project.db, corpus.id, [item])
    assert mask.dtype == np.bool_
    assert mask.tolist() == [passes(item, document) for document in DOCUMENTS]
    assert 0 < mask.sum() < 300


def test_in_and_contains(project, corpus):
    mask = corpora.filter_mask(project.db, corpus.id, [Filter("year", "in", (1901, "1902"))])
    assert mask.tolist() == [d.metadata["year"] in (1901, 1902) for d in DOCUMENTS]
    mask = corpora.filter_mask(project.db, corpus.id, [Filter("kind", "contains", "NT")])
    assert mask.tolist() == ["nt" in (d.metadata.get("kind") or "") for d in DOCUMENTS]
    mask = corpora.filter_mask(project.db, corpus.id, [Filter("wild", "in", ("false",))])
    assert mask.tolist() == [not d.metadata["wild"] for d in DOCUMENTS]
    many = tuple(range(100_000))
    assert corpora.filter_mask(project.db, corpus.id, [Filter("year", "in", many)]).all()
    assert not corpora.filter_mask(project.db, corpus.id, [Filter("year", "in", ())]).any()


def test_filters_and_text_together(project, corpus):
    filters = [Filter("year", ">=", 1920), Filter("wild", "=", True)]
    mask = corpora.filter_mask(project.db, corpus.id, filters, "honey")
    expected = [
        d.metadata["year"] >= 1920 and d.metadata["wild"] is True and "honey" in d.text.split() for d in DOCUMENTS
    ]
    assert mask.tolist() == expected
    assert sum(expected) > 0
    found, total = corpora.page(project.db, corpus, (filters, "honey"), 2, 3)
    assert total == sum(expected)
    assert [d.ordinal for d in found] == np.flatnonzero(expected)[2:5].tolist()


def test_text_needs_every_word_and_stays_in_the_corpus(project, corpus):
    mask = corpora.filter_mask(project.db, corpus.id, text="bee WASP")
    assert mask.tolist() == [{"bee", "wasp"} <= set(d.text.split()) for d in DOCUMENTS]
    assert corpora.filter_mask(project.db, corpus.id, text="Title 7").sum() == 1
    other = corpora.find(project.db, "other")
    assert corpora.filter_mask(project.db, other.id, text="bee").tolist() == [True]


def test_pages_without_conditions(project, corpus):
    found, total = corpora.page(project.db, corpus, ((), ""), 290, 50)
    assert ([d.ordinal for d in found], total) == (list(range(290, 300)), 300)
    assert corpora.page(project.db, corpus, ((), ""), 300, 50) == ([], 300)
    with pytest.raises(BadInput):
        corpora.page(project.db, corpus, ((), ""), -1, 50)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (Filter("yaer", "=", 1), "no field called “yaer”.*year.*doc_id"),
        (Filter("year'); DROP TABLE documents; --", "=", 1), "no field called"),
        (Filter("year", "~", 1), "no condition “~”"),
        (Filter("year", "=", "soon"), "“soon” is not a number"),
        (Filter("year", "=", float("nan")), "is not a number"),
        (Filter("year", "<", None), "needs a value"),
        (Filter("wild", "=", "perhaps"), "neither true nor false"),
        (Filter("year", "contains", "19"), "holds integer values"),
        (Filter("year", "=", (1, 2)), "takes one value"),
    ],
)
def test_wrong_filters_are_told(project, corpus, item, words):
    with pytest.raises(BadInput, match=re.compile(words, re.DOTALL)):
        corpora.filter_mask(project.db, corpus.id, [item])


@given(st.text(max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_text_is_an_error(project, corpus, text):
    mask = corpora.filter_mask(project.db, corpus.id, text=text.encode("utf-8", "ignore").decode())
    assert mask.shape == (300,)


@pytest.mark.parametrize(
    "text",
    ['"', '""', "bee AND", "NOT bee", "NEAR(bee wasp)", "title:bee", "*", "bee*", "(", "^bee", "-bee", "a\0b", "{x"],
)
def test_hostile_full_text_is_only_text(project, corpus, text):
    mask = corpora.filter_mask(project.db, corpus.id, text=text)
    if text in ("bee*", "^bee", "-bee"):
        assert mask.tolist() == ["bee" in d.text.split() for d in DOCUMENTS]
    else:
        assert not mask.any()


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_value_is_a_parameter(project, corpus, value, other):
    item = Filter("kind", "in", (value, other))
    try:
        mask = corpora.filter_mask(project.db, corpus.id, [item])
    except UnicodeEncodeError:
        pytest.skip("a lone surrogate")
    assert mask.tolist() == [d.metadata.get("kind") in (value, other) for d in DOCUMENTS]


def test_words_of_scripts_without_spaces_are_found(project):
    corpus = write(project, "日本語", [Document("a", "吾輩は猫である"), Document("b", "名前はまだ無い")], {})
    assert corpora.filter_mask(project.db, corpus.id, text="猫").tolist() == [True, False]
    assert corpora.filter_mask(project.db, corpus.id, text="!!").tolist() == [False, False]


def test_odd_column_names_can_be_filtered(project):
    names = ["a.b", "a b", "it's", "größe", "$", "x[0]", "--", "%s", ":p"]
    documents = [Document(str(i), "x", metadata={name: f"{name}{i}" for name in names}) for i in range(3)]
    corpus = write(project, "odd", documents, dict.fromkeys(names, "text"))
    for name in names:
        assert corpora.filter_mask(project.db, corpus.id, [Filter(name, "=", f"{name}1")]).tolist() == [0, 1, 0]
        assert corpora.values(project.db, corpus, name, 9) == [(f"{name}{i}", 1) for i in range(3)]


def test_values_with_counts(project, corpus):
    counts: dict[object, int] = {}
    for document in DOCUMENTS:
        value = document.metadata.get("kind")
        counts[value] = counts.get(value, 0) + 1
    expected = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] is not None, str(pair[0])))
    assert corpora.values(project.db, corpus, "kind", 50) == expected
    assert corpora.values(project.db, corpus, "kind", 2) == expected[:2]
    assert corpora.values(project.db, corpus, "wild", 5) == [(False, 200), (True, 100)]
    with pytest.raises(BadInput):
        corpora.values(project.db, corpus, "nope", 5)


def test_find_by_name_version_and_number(project, corpus):
    assert corpora.find(project.db, "insects") == corpus == corpora.find(project.db, corpus.id)
    assert corpora.find(project.db, "insects@1").label == "insects@1"
    with pytest.raises(NotFound, match=r"Did you mean “insects”"):
        corpora.find(project.db, "insect")
    with pytest.raises(NotFound, match=r"no version “2”"):
        corpora.find(project.db, "insects@2")
    with pytest.raises(NotFound):
        corpora.find(project.db, 999)


def rows_of(project: Project) -> dict[str, int]:
    """Count of rows that a draft could leave, and the integrity of the full-text index."""
    with project.db.write() as connection:
        connection.exec_driver_sql("INSERT INTO documents_fts (documents_fts, rank) VALUES ('integrity-check', 1)")
        return {
            name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one()
            for name in ("corpora", "documents", "documents_fts_docsize")
        }


def test_a_draft_that_is_not_finished_leaves_nothing(project, corpus):
    before = rows_of(project)
    row = {"name": "doomed", "source": "test", "source_fingerprint": "", "spec": {}}
    with pytest.raises(ZeroDivisionError), ingest.begin(project.db, project.media, row) as draft:
        draft.append(DOCUMENTS[:100])
        assert corpora.finished(project.db, "doomed") == []
        with pytest.raises(NotFound):
            corpora.find(project.db, draft.id)
        raise ZeroDivisionError
    assert rows_of(project) == before
    assert not [path for path in project.media.iterdir() if path.name.startswith(".corpus-")]


def test_a_running_draft_is_not_taken_for_a_dead_one(project):
    row = {"name": "running", "source": "test", "source_fingerprint": "", "spec": {}}
    with ingest.begin(project.db, project.media, row) as draft:
        draft.append(DOCUMENTS[:10])
        assert ingest.discard_unfinished(project.db, project.media) == 0
        draft.append(DOCUMENTS[10:20])
        assert draft.finish(COLUMNS, {}).documents == 20


def test_mixed_columns_become_text(project):
    values = [1, "a", True, False, None, 2.5, "b"]
    documents = [Document(str(n), "x", metadata={"m": value, "n": n}) for n, value in enumerate(values)]
    row = {"name": "mixed", "source": "test", "source_fingerprint": "", "spec": {}}
    with ingest.begin(project.db, project.media, row) as draft:
        draft.append(documents)
        draft.turn_to_text(["m"])
        corpus = draft.finish({"m": "text", "n": "integer"}, {})
    found = corpora.documents(project.db, corpus.id, range(7))
    assert [d.metadata["m"] for d in found] == ["1", "a", "true", "false", None, "2.5", "b"]
    assert [d.metadata["n"] for d in found] == list(range(7))


def test_changes_are_counted_by_id(project):
    old = write(project, "v", [made(n) for n in range(50)], COLUMNS)
    new = [made(n) for n in range(5, 55)]
    new[0] = Document("d5", "another text", new[0].title, None, new[0].metadata)
    new[1] = Document("d6", new[1].text, new[1].title, None, {"year": 1})
    row = {"name": "v", "source": "test", "source_fingerprint": "", "spec": {}}
    with ingest.begin(project.db, project.media, row) as draft:
        draft.append(new)
        assert draft.compare(old) == ingest.Changes(added=5, removed=5, changed=1, metadata=1, moved=45)
        assert draft.finish(COLUMNS, {}).version == 2


def test_the_fingerprint_follows_content_and_order(project):
    first = write(project, "f", DOCUMENTS[:3], COLUMNS)
    second = write(project, "f", [DOCUMENTS[1], DOCUMENTS[0], DOCUMENTS[2]], COLUMNS)
    assert len({first.fingerprint, second.fingerprint}) == 2
    assert ingest.content_hash(DOCUMENTS[0]) == ingest.content_hash(Document("z", DOCUMENTS[0].text, "Title 0"))
    assert ingest.content_hash(Document("a", "x", "y")) != ingest.content_hash(Document("a", "y", "x"))


def test_many_batches_keep_one_sound_index(project, monkeypatch):
    monkeypatch.setattr(ingest, "MERGE_EVERY", 5)
    documents = [Document(f"m{n}", f"word{n % 7} common") for n in range(600)]
    row = {"name": "many", "source": "test", "source_fingerprint": "", "spec": {}}
    with ingest.begin(project.db, project.media, row) as draft:
        for start in range(0, 600, 10):
            draft.append(documents[start : start + 10])
        corpus = draft.finish({}, {})
    assert corpora.filter_mask(project.db, corpus.id, text="word3").tolist() == [n % 7 == 3 for n in range(600)]
    ingest.delete(project.db, project.media, corpus)
    counts = rows_of(project)
    assert counts["documents"] == counts["documents_fts_docsize"]
    with project.db.read() as connection:
        assert connection.execute(sa.select(table).where(table.c.corpus_id == corpus.id)).all() == []


def test_metadata_is_plain_json_on_disk(project, corpus):
    with project.db.read() as connection:
        query = sa.select(table.c.metadata).where(table.c.corpus_id == corpus.id, table.c.ordinal == 3)
        assert json.loads(connection.execute(query).scalar_one()) == dict(DOCUMENTS[3].metadata)
