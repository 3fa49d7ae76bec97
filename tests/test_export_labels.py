"""Judgments as files: which value a pair has, what stops an export, what stands beside it, and that it trains."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from label_fixtures import TEXTS, make_ponds, note, rows_of_file, say
from typer.testing import CliRunner

from workbench.__main__ import app
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.exports import tables
from workbench.jobs.kinds import KINDS, as_result
from workbench.judged import Judged
from workbench.judgments import Pair
from workbench.project import Project
from workbench.specs import ExportSpec, LabelChoice
from workbench.workflows.corpus import import_corpus
from workbench.workflows.export_labels import export_labels, list_formats
from workbench.workflows.exporting import find_export
from workbench.workflows.queries import import_queries
from workbench.workflows.resolving import Rules, settle
from workbench.workflows.training_groups import Contradicted


@pytest.fixture
def ponds(project: Project, tmp_path: Path) -> Iterator[Project]:
    return make_ponds(project, tmp_path)


def triplets(project: Project, **choice: Any) -> list[tuple[str, str, str]]:
    """(query, positive, negative) by the ids beside a triplet file."""
    report = export_labels(project, "asked", "st-triplet", choice=LabelChoice(**choice))
    return [(row["query_id"], *row["doc_ids"]) for row in rows_of_file(f"{report.path}.ids.jsonl")]


def said(*values: tuple[str, str, int | None] | tuple[str, str, int | None, str]) -> list[Judged]:
    """(label set, annotator's grade …) of one pair."""
    blank = Judged("q", "", None, "d", "", None, False, "judged", None, None, "", None, None, None, None)
    return [
        blank._replace(label_set=name, relevance=grade, state=(*rest, "judged")[0]) for name, _, grade, *rest in values
    ]


KINDS_OF = {"qrels": "qrels", "labels": "person", "more": "person", "mined": "proposed", "final": "final"}
CASES = {
    "one": (said(("qrels", "", 2)), 2),
    "nobody": (said(("labels", "a", None, "skipped")), None),
    "people before qrels": (said(("qrels", "", 1), ("labels", "a", 3)), 3),
    "most frequent": (said(("labels", "a", 3), ("labels", "b", 2), ("labels", "c", 2)), 2),
    "equally frequent, one side": (said(("labels", "a", 3), ("labels", "b", 1)), 1),
    "equally frequent, two sides": (said(("labels", "a", 3), ("labels", "b", 0)), "tie"),
    "a tie is not settled by qrels": (said(("labels", "a", 1), ("labels", "b", 0), ("qrels", "", 1)), "tie"),
    "a tie and skipped": (said(("labels", "a", 1), ("labels", "b", None, "skipped")), 1),
    "people against qrels": (said(("qrels", "", 1), ("labels", "a", 0)), "contradiction"),
    "final settles": (said(("qrels", "", 1), ("labels", "a", 0), ("labels", "b", 1), ("final", "", 0)), 0),
    "people of two sets": (said(("labels", "a", 0), ("more", "b", 1)), "contradiction"),
    "mined and looked at": (said(("mined", "", 0), ("labels", "a", 2)), 2),
    "mined alone": (said(("mined", "", 0)), 0),
    "mined against qrels": (said(("mined", "", 0), ("qrels", "", 1)), "contradiction"),
    "mined and skipped": (said(("mined", "", 0), ("labels", "a", None, "skipped")), 0),
    "mined and unrateable": (said(("mined", "", 0), ("labels", "a", None, "unrateable")), None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_value_of_a_pair(case):
    values, wanted = CASES[case]
    found = settle(values, Rules(KINDS_OF))  # type: ignore[arg-type]
    assert (found.relevance if isinstance(found, Judged) else found) == wanted


def test_prefer_settles_in_its_order():
    values = said(("qrels", "", 1), ("labels", "a", 0), ("mined", "", 0))
    assert settle(values, Rules(KINDS_OF, ("labels", "qrels"))).relevance == 0  # type: ignore
    assert settle(values, Rules(KINDS_OF, ("qrels", "labels"))).relevance == 1  # type: ignore
    tied = said(("labels", "a", 1), ("labels", "b", 0), ("qrels", "", 1))
    assert settle(tied, Rules(KINDS_OF, ("labels", "qrels"))).relevance == 1  # type: ignore


def test_judged_negatives_become_triplets(ponds):
    say(ponds, "me", {("q1", "d3"): None, ("q1", "d4"): 0, ("q2", "d1"): 0, ("q3", "d5"): 3})
    report = export_labels(ponds, "asked", "st-triplet")
    assert rows_of_file(report.path) == [
        {"anchor": "where do ducks live?", "positive": "Ducks Ducks live on ponds.", "negative": "Sand Sand is dry."},
        {"anchor": "where do ducks live?", "positive": "Ducks Ducks live on ponds.", "negative": "Dust blows about."},
        {"anchor": "what is dry?", "positive": "Sand Sand is dry.", "negative": "Ducks Ducks live on ponds."},
    ]
    assert triplets(ponds) == [("q1", "d1", "d3"), ("q1", "d1", "d4"), ("q2", "d3", "d1")]
    assert report.rows == 3 and report.queries == 2 and report.left_out == {"no negative": 1}
    assert report.label_sets == ["qrels", "labels"]


def test_hard_negatives_come_first_and_the_harder_before(ponds):
    note(ponds, "file", "imported", {("q1", "d3"): None, ("q1", "d4"): 0}, {"score": 0.1})
    note(ponds, "file2", "imported", {("q1", "d5"): None}, {"score": 0.9})
    assert [row[2] for row in triplets(ponds)] == ["d5", "d3", "d4"]


def test_the_manifest_says_what_was_done(ponds):
    say(ponds, "me", {("q1", "d3"): None})
    report = export_labels(ponds, "asked", "flagembedding", spec=ExportSpec(negatives=4))
    manifest = json.loads(Path(report.manifest).read_text())
    assert (manifest["corpus"], manifest["version"], manifest["query_set"]) == ("ponds", 1, "asked")
    assert [(each["name"], each["kind"]) for each in manifest["label_sets"]] == [
        ("qrels", "qrels"),
        ("labels", "person"),
    ]
    assert manifest["rows"] == 1 and manifest["short"] == 1 and manifest["settings"]["negatives"] == 4
    assert manifest["corpus_fingerprint"] and manifest["workbench"] and manifest["made_with"]["pyarrow"]
    assert find_export(ponds, "asked-flagembedding.jsonl").is_file()


def test_the_prompts_of_an_encoder_are_written_as_applied(ponds, tiny_model):
    from workbench.workflows.encode import encode_corpus

    encode_corpus(
        ponds, "ponds", {"kind": "dense", "name": "tiny", "model": str(tiny_model), "query_prompt": "query : "}
    )
    say(ponds, "me", {("q1", "d3"): None})
    report = export_labels(ponds, "asked", "flagembedding", choice=LabelChoice(encoder="tiny"))
    assert rows_of_file(report.path)[0]["prompt"] == "query : "
    assert json.loads(Path(report.manifest).read_text())["prompts"]["query_prompt"] == "query : "
    with pytest.raises(NotFound, match="tiny"):
        export_labels(ponds, "asked", "flagembedding", choice=LabelChoice(encoder="tidy"))


def test_a_contradiction_stops_the_export_and_lists_the_pairs(ponds, tmp_path):
    say(ponds, "me", {("q1", "d1"): 0, ("q1", "d3"): None, ("q2", "d3"): None})
    out = tmp_path / "out" / "t.jsonl"
    with pytest.raises(Contradicted, match=r"2 pairs are both.*q1 / d1, q2 / d3") as caught:
        export_labels(ponds, "asked", "st-triplet", out)
    assert caught.value.pairs == [Pair("q1", "d1"), Pair("q2", "d3")] and caught.value.count == 2
    assert not out.parent.exists() or not list(out.parent.iterdir())
    assert triplets(ponds, prefer=("qrels",)) == [("q1", "d1", "d3")]
    report = export_labels(ponds, "asked", "trec", choice=LabelChoice(prefer=("labels",)))
    assert Path(report.path).read_text() == "q1 0 d3 0\nq1 0 d1 0\nq2 0 d3 0\n"


def test_a_thousand_contradictions_are_counted_and_twenty_listed(ponds):
    note(ponds, "file", "imported", {("q1", f"x{n}"): 1 for n in range(30)})
    say_all = {("q1", f"x{n}"): None for n in range(30)}
    note(ponds, "other", "imported", say_all)
    with pytest.raises(Contradicted, match="and 10 more") as caught:
        export_labels(ponds, "asked", "trec")
    assert caught.value.count == 30 and len(caught.value.pairs) == 20


def test_the_same_text_on_both_sides_is_a_contradiction(ponds):
    """d2 and d6 have one text."""
    say(ponds, "me", {("q1", "d2"): 1, ("q1", "d5"): 0})
    note(ponds, "file", "imported", {("q1", "d6"): None})
    with pytest.raises(Contradicted, match="q1 / d2 = d6"):
        export_labels(ponds, "asked", "st-pair")
    assert triplets(ponds, prefer=("labels",)) == [("q1", "d1", "d5"), ("q1", "d2", "d5")]
    # Judgments for evaluation are of documents, not of texts.
    assert export_labels(ponds, "asked", "trec").rows == 5


def test_people_who_disagree_evenly_leave_the_pair_out(ponds):
    say(ponds, "ann", {("q1", "d3"): None, ("q1", "d4"): 0})
    say(ponds, "bob", {("q1", "d3"): 1})
    report = export_labels(ponds, "asked", "st-triplet")
    assert report.undecided == 1 and "q1 / d3" in report.warnings[-1]
    assert triplets(ponds) == [("q1", "d1", "d4")]
    note(ponds, "agreed", "final", {("q1", "d3"): None})
    assert triplets(ponds) == [("q1", "d1", "d3"), ("q1", "d1", "d4")]


def test_nothing_mined_goes_out_unless_it_is_asked_for(ponds):
    mined = {"score": 0.7, "positive_score": 0.9}
    note(ponds, "mined", "proposed", {("q1", "d3"): None, ("q1", "d4"): None}, mined)
    say(ponds, "me", {("q1", "d5"): 0})
    assert triplets(ponds) == [("q1", "d1", "d5")]
    with pytest.raises(BadInput, match="ask for unreviewed"):
        triplets(ponds, label_sets=("qrels", "mined"))
    chosen = ("qrels", "labels", "mined")
    say(ponds, "me", {("q1", "d4"): 2})
    assert triplets(ponds, label_sets=chosen, include_unreviewed=True) == [
        ("q1", "d1", "d3"), ("q1", "d1", "d5"), ("q1", "d4", "d3"), ("q1", "d4", "d5"),
    ]  # fmt: skip


def test_mined_scores_are_the_teachers(ponds):
    note(ponds, "mined", "proposed", {("q1", "d3"): None}, {"score": 0.7, "positive_score": 0.9})
    choice = LabelChoice(("qrels", "mined"), include_unreviewed=True)
    report = export_labels(ponds, "asked", "flagembedding", choice=choice, spec=ExportSpec(scores=True))
    (row,) = rows_of_file(report.path)
    assert (row["pos_scores"], row["neg_scores"]) == ([0.9], [0.7])


def test_documents_that_are_gone_or_have_changed_are_told(ponds, tmp_path):
    say(ponds, "me", {("q1", "d3"): None, ("q1", "d4"): None, ("q1", "d5"): None})
    rows = [
        {"_id": key, "text": TEXTS[key] if key != "d4" else "Dust has settled."} for key in ("d1", "d2", "d4", "d5")
    ]
    (tmp_path / "ponds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_corpus(ponds, "ponds", tmp_path / "ponds.jsonl")
    report = export_labels(ponds, "asked", "st-triplet")
    # d1 has its title in its text now; of q2 the only judged document is gone.
    assert (report.unknown, report.stale, report.rows) == (2, 2, 2)
    assert export_labels(ponds, "asked", "trec").rows == 5


def test_what_cannot_be_asked(ponds, tmp_path):
    with pytest.raises(NotFound, match="asked"):
        export_labels(ponds, "aksed", "trec")
    with pytest.raises(NotFound, match="flagembedding"):
        export_labels(ponds, "asked", "flagembeding")
    with pytest.raises(NotFound, match="qrels"):
        export_labels(ponds, "asked", "trec", choice=LabelChoice(("qrel",)))
    say(ponds, "me", {("q1", "d3"): None})
    with pytest.raises(BadInput, match="not among"):
        export_labels(ponds, "asked", "trec", choice=LabelChoice(("qrels",), prefer=("labels",)))
    with pytest.raises(BadInput, match=r"nothing to write as st-ntuple.*fewer than 3"):
        export_labels(ponds, "asked", "st-ntuple")


def test_a_full_disk_leaves_the_old_file(ponds, tmp_path, monkeypatch):
    say(ponds, "me", {("q1", "d3"): None})
    before = Path(export_labels(ponds, "asked", "st-triplet", tmp_path / "t.jsonl").path).read_bytes()

    def full(self: object, rows: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.JsonlWriter, "write", full)
    with pytest.raises(WorkbenchError, match="No space left"):
        export_labels(ponds, "asked", "st-triplet", tmp_path / "t.jsonl")
    assert (tmp_path / "t.jsonl").read_bytes() == before and not list(tmp_path.glob("*.partial"))


def test_many_queries_come_in_their_order(ponds, tmp_path):
    """More than one block is read."""
    (tmp_path / "many.jsonl").write_text("".join(f'{{"_id": "m{n}", "text": "query {n}"}}\n' for n in range(250)))
    (tmp_path / "many.qrels").write_text("".join(f"m{n} 0 d{n % 5 + 1} 1\n" for n in range(250)))
    import_queries(ponds, "many", tmp_path / "many.jsonl", "ponds", tmp_path / "many.qrels")
    calls: list[tuple[int, int]] = []
    report = export_labels(ponds, "many", "trec", progress=lambda done, total: calls.append((done, total)))
    assert Path(report.path).read_text() == (tmp_path / "many.qrels").read_text()
    assert report.rows == 250 and calls


def test_the_command_line_and_the_job(ponds):
    say(ponds, "me", {("q1", "d3"): None})
    out = ponds.folder / "x.parquet"
    words = ["--json", "--project", str(ponds.folder), "export", "asked", "--format", "st-pair", "--out", str(out)]
    done = CliRunner().invoke(app, [*words, "--label-set", "qrels", "--label-set", "labels"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert (answer["path"], answer["rows"]) == (str(out), 3) and pq.read_table(out).num_rows == 3
    kind = KINDS["export-labels"]
    plain = {"query_set": "asked", "format": "trec", "choice": LabelChoice().to_dict(), "spec": ExportSpec().to_dict()}
    assert as_result(kind.load()(ponds, **kind.adapt(plain, "cpu")))["rows"] == 3
    assert list_formats()["st-list"] == (".jsonl", ".parquet")


# ---- that the files train


@pytest.fixture
def trained(ponds: Project) -> Project:
    say(ponds, "me", {("q1", "d3"): None, ("q1", "d4"): 0, ("q1", "d2"): 1, ("q2", "d1"): 0, ("q2", "d5"): None})
    return ponds


def columns_of(path: str) -> dict[str, list[Any]]:
    """A table as `datasets` gives it to a trainer: columns in the file's order."""
    if path.endswith(".parquet"):
        return dict(pq.read_table(path).to_pydict())
    rows = rows_of_file(path)
    return {name: [row[name] for row in rows] for name in rows[0]}


def parted(columns: dict[str, list[Any]]) -> tuple[list[list[Any]], list[Any] | None]:
    """(inputs in order, target), as sentence-transformers' collator parts them."""
    names = [name for name in columns if name in ("label", "labels", "score", "scores")]
    return [values for name, values in columns.items() if name not in names], columns[names[0]] if names else None


@pytest.mark.parametrize(("format", "suffix"), [("st-triplet", ".jsonl"), ("st-ntuple", ".parquet")])
def test_one_step_of_ranking_loss(trained, tiny_model, tmp_path, format, suffix):
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    report = export_labels(trained, "asked", format, tmp_path / f"t{suffix}", spec=ExportSpec(negatives=2))
    inputs, target = parted(columns_of(report.path))
    assert target is None and len(inputs) == (3 if format == "st-triplet" else 4)
    model = SentenceTransformer(str(tiny_model), device="cpu")
    loss = MultipleNegativesRankingLoss(model)
    value = loss([model.preprocess(column) for column in inputs], None)
    value.backward()
    gradients = [each.grad for each in model.parameters() if each.grad is not None]
    assert torch.isfinite(value) and any(each.abs().sum() > 0 for each in gradients)
    # The loss of the columns read the other way round is another: the order is what binds.
    with torch.no_grad():
        swapped = loss([model.preprocess(column) for column in [inputs[0], inputs[2], inputs[1], *inputs[3:]]], None)
    assert not torch.isclose(swapped, value)


@pytest.mark.parametrize("format", ["st-pair", "st-list"])
def test_one_step_of_a_cross_encoder_loss(trained, tiny_model, tmp_path, format):
    import torch
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss, ListNetLoss

    report = export_labels(trained, "asked", format, tmp_path / "t.parquet")
    inputs, target = parted(columns_of(report.path))
    assert target is not None and len(inputs) == 2
    model = CrossEncoder(str(tiny_model), num_labels=1, device="cpu")
    if format == "st-pair":
        loss, labels = BinaryCrossEntropyLoss(model), torch.tensor(target, dtype=torch.float32)
    else:
        loss, labels = ListNetLoss(model), [torch.tensor(each, dtype=torch.float32) for each in target]
    value = loss(inputs, labels)
    value.backward()
    assert torch.isfinite(value) and any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_flagembedding_loads_it_in_its_own_data_set(trained, tiny_model, tmp_path):
    """Where FlagEmbedding is installed: its embedder's and its reranker's training data sets, with teacher scores."""
    finetune = pytest.importorskip("FlagEmbedding.abc.finetune.embedder")
    reranker = pytest.importorskip("FlagEmbedding.abc.finetune.reranker")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(tiny_model))
    out = tmp_path / "fe"
    embed = export_labels(trained, "asked", "flagembedding", out / "e.jsonl", spec=ExportSpec(prompt="P: "))
    rerank = export_labels(
        trained, "asked", "flagembedding-reranker", out / "r.jsonl", spec=ExportSpec(query_prompt="Q: ")
    )
    common = {"cache_path": str(tmp_path / "cache"), "train_group_size": 3}
    data = finetune.AbsEmbedderTrainDataset(
        finetune.AbsEmbedderDataArguments(train_data=[embed.path], query_instruction_for_retrieval="other: ", **common),
        tokenizer,
    )
    assert len(data) == 2
    for place, (query, positives, negatives) in enumerate(
        [("where do ducks live?", {"d1", "d2"}, {"d3", "d4"}), ("what is dry?", {"d3"}, {"d1", "d5"})]
    ):
        asked, passages, _ = data[place]
        assert asked == "P: " + query and len(passages) == 3
        assert passages[0] in {TEXTS[key] for key in positives}
        assert set(passages[1:]) == {TEXTS[key] for key in negatives}
    pairs = reranker.AbsRerankerTrainDataset(
        reranker.AbsRerankerDataArguments(train_data=[rerank.path], query_instruction_for_rerank="other: ", **common),
        tokenizer,
    )
    assert len(pairs[0][0]) == 3


def test_flagembedding_field_by_field(trained, tmp_path):
    """What AbsDataset.py reads, for where FlagEmbedding is not installed."""
    report = export_labels(trained, "asked", "flagembedding", tmp_path / "t.jsonl")
    rows = rows_of_file(report.path)
    assert len({tuple(row) for row in rows}) == 1, "one schema in all rows, or `datasets` fills in None"
    for row in rows:
        assert isinstance(row["query"], str) and isinstance(row["type"], str)
        for side in ("pos", "neg"):
            assert isinstance(row[side], list) and row[side] and all(isinstance(text, str) for text in row[side])
            assert len(row[side]) == len(row[f"{side}_id"])
