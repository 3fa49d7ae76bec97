"""Mining as a job: from judgments to a proposed label set, over planted vectors and real BM25."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from search_fixtures import add_embedding
from typer.testing import CliRunner

from workbench import judgments, label_sets, mining_command, query_sets
from workbench.__main__ import app
from workbench.errors import BadInput, Cancelled, NotFound
from workbench.jobs.kinds import KINDS, as_result
from workbench.judgments import Entry, Judgment, Verdict
from workbench.project import Project
from workbench.specs import FusionSpec, MiningSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.types import Content
from workbench.workflows import mining_candidates, mining_search, reranking, retrieving
from workbench.workflows.corpus import import_corpus, import_queries
from workbench.workflows.encode import encode_corpus
from workbench.workflows.mine import candidates_of, find_candidates, mine, preview, sweep_margins
from workbench.workflows.search import empty_memory

DOCUMENTS = 30
# Document n lies at the angle n · 3° from the x axis, query q{n} a tenth of that
# beyond document n, so that its nearest are n, n + 1, n − 1, n + 2, n − 2 and so on.
# Documents 4 and 5 have the same text (but for spaces and case); five documents come from each book.


def angle(n: float) -> tuple[float, float]:
    return float(np.cos(np.radians(3 * n))), float(np.sin(np.radians(3 * n)))


def cosine(steps: float) -> float:
    return float(np.cos(np.radians(3 * steps)))


class Angles:
    """In place of a model: the query “stone 7” points a little beyond document 7."""

    warnings = ("angles only",)
    size_bytes = 10
    modalities = frozenset({"text"})

    def encode_many(self, queries: list[Content]) -> np.ndarray:
        return np.array([angle(float(each.text.split()[1]) + 0.1) for each in queries], np.float32)

    def encode(self, query: Content) -> Any:
        return retrieving.EncodedQuery(self.encode_many([query]), query.text)


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    empty_memory()
    given, real = Angles(), retrieving.query_encoder
    monkeypatch.setattr(retrieving, "query_encoder", lambda e: given if e.manifest["output"] == "dense" else real(e))
    yield
    empty_memory()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Queries q2 … q5 with one or two positives each, and q9 with none."""
    made = Project.create(tmp_path / "p")
    (tmp_path / "docs.csv").write_text(
        "id,text,book\n"
        + "".join(f"d{n},{'the  SAME words' if n == 4 else text(n)},b{n // 5}\n" for n in range(DOCUMENTS))
    )
    import_corpus(made, "arc", tmp_path / "docs.csv")
    add_embedding(made, "arc", np.array([angle(n) for n in range(DOCUMENTS)], np.float32))
    encode_corpus(made, "arc", "bm25")
    (tmp_path / "queries.tsv").write_text("id\ttext\n" + "".join(f"q{n}\tstone {n} word{n}\n" for n in (2, 3, 4, 9)))
    (tmp_path / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq2\td2\t1\nq3\td3\t2\nq3\td6\t1\nq3\td1\t0\nq4\td4\t1\nq4\tgone\t1\nq9\td9\t0\n"
    )
    import_queries(made, "asks", tmp_path / "queries.tsv", "arc", tmp_path / "qrels.tsv")
    return made


def text(n: int) -> str:
    return "the same words" if n == 5 else f"stone {n} word{n}"


def stored(project: Project, label_set: str) -> dict[str, dict[str, Judgment]]:
    found: dict[str, dict[str, Judgment]] = {}
    info = query_sets.find(project.db, "asks")
    for each in judgments.stream(project.db, info.id, [label_set]):
        found.setdefault(each.query_id, {})[each.doc_id] = each
    return found


def ids(project: Project, label_set: str) -> dict[str, list[str]]:
    return {query: sorted(own, key=lambda id: int(id[1:])) for query, own in stored(project, label_set).items()}


PLAIN = MiningSpec(per_query=2, range_max=10, depth=12, same_text=False)


def test_negatives_are_stored_as_proposals_with_their_provenance(project: Project) -> None:
    report = mine(project, "asks", PLAIN, ["planted"], "first")
    # Nearest to q2: 2 (positive), then 3 and 1; to q3 after its positives 3 and 6: 4 and 2.
    assert ids(project, "first") == {"q2": ["d1", "d3"], "q3": ["d2", "d4"], "q4": ["d3", "d5"]}
    assert (report.label_set, report.negatives, report.short, report.missing) == ("first", 6, 0, 0)
    assert (report.queries, report.queries_without_positives, report.missing_positives) == (3, 1, 1)
    assert any("no known positive" in each for each in report.warnings)
    assert "angles only" in report.warnings
    info = query_sets.find(project.db, "asks")
    assert label_sets.find(project.db, info.id, "first").kind == "proposed"
    one = stored(project, "first")["q3"]["d4"]
    assert (one.annotator, one.source) == ("miner", "mined")
    assert one.verdict == Verdict(relevance=0, is_hard_negative=True)
    assert one.provenance == {
        "miner": "planted",
        "rank": 2,
        "score": pytest.approx(cosine(0.9), abs=1e-6),
        "positive_score": pytest.approx(cosine(2.9), abs=1e-6),
        "rules": ["positive", "query", "range 0:10", "top 2"],
    }
    (miner,) = report.miners
    assert miner.positives.count == 4
    assert miner.positives.lowest == pytest.approx(cosine(2.9), abs=1e-6)
    assert miner.negative_scores.mean == pytest.approx((cosine(0.9) + cosine(1.1)) / 2, abs=1e-6)
    assert as_result(report)["dropped"]["positive"] == report.dropped["positive"] == 4


def test_rules_of_texts_sources_ids_and_judgments(project: Project) -> None:
    def negatives(**values: Any) -> list[str]:
        spec = MiningSpec.from_dict({"per_query": 3, "range_max": 8, "depth": 12, **values})
        return ids(project, mine(project, "asks", spec, ["planted"]).label_set)["q4"]

    assert negatives(same_text=False) == ["d3", "d5", "d6"]
    assert negatives() == ["d2", "d3", "d6"]  # 5 has the text of the positive 4
    assert negatives(source_field="book") == ["d6", "d7", "d8"]  # and 0 … 4 come from its book
    spec = MiningSpec(per_query=2, range_max=8, depth=12, drop_judged=True)
    report = mine(project, "asks", spec, ["planted"])
    assert report.dropped["judged"] == 1
    assert "d1" not in ids(project, report.label_set)["q3"]
    with pytest.raises(BadInput, match="field"):
        mine(project, "asks", MiningSpec(source_field="nope"), ["planted"])


def test_near_duplicates_of_a_positive_are_left_out(project: Project) -> None:
    spec = MiningSpec(per_query=2, range_max=8, near_duplicate=cosine(2.5), same_text=False)
    report = mine(project, "asks", spec, ["planted"])
    # Within 2.5 steps of the positives: 0 … 4 of q2; 1 … 8 of q3 (3 and 6); 2 … 6 of q4.
    assert ids(project, report.label_set) == {"q2": ["d5", "d6"], "q3": ["d0", "d9"], "q4": ["d1", "d7"]}
    with pytest.raises(BadInput, match="dense"):
        mine(project, "asks", spec, ["bm25"])


def test_the_query_itself_is_no_negative(project: Project, tmp_path: Path) -> None:
    (tmp_path / "self.tsv").write_text("id\ttext\nd7\tstone 7\nx\tSTONE  8 word8\n")
    (tmp_path / "selfrels.tsv").write_text("query-id\tcorpus-id\tscore\nd7\td20\t1\nx\td20\t1\n")
    import_queries(project, "self", tmp_path / "self.tsv", "arc", tmp_path / "selfrels.tsv")
    report = mine(project, "self", MiningSpec(per_query=1, range_max=5), ["bm25"])
    assert report.dropped["query"] == 2


def test_the_same_again_is_the_same_set_and_other_seeds_are_not(project: Project) -> None:
    spec = MiningSpec(per_query=3, range_max=20, sampling="random", seed=5)
    first = mine(project, "asks", spec, ["planted"])
    before = ids(project, first.label_set)
    again = mine(project, "asks", spec, ["planted"])
    assert again.label_set == first.label_set
    assert ids(project, again.label_set) == before
    other = mine(project, "asks", MiningSpec(per_query=3, range_max=20, sampling="random", seed=6), ["planted"])
    assert other.label_set != first.label_set
    assert ids(project, other.label_set) != before
    named = mine(project, "asks", spec, ["planted"], "mine")
    assert ids(project, "mine") == before
    assert named.negatives == first.negatives
    with pytest.raises(BadInput, match="already"):
        mine(project, "asks", PLAIN, ["planted"], "mine")


def test_more_than_there_are_is_short_and_never_filled_up(project: Project) -> None:
    spec = MiningSpec(per_query=40, range_max=50, same_text=False)
    report = mine(project, "asks", spec, ["planted"])
    assert {query: len(own) for query, own in ids(project, report.label_set).items()} == {"q2": 29, "q3": 28, "q4": 29}
    assert (report.short, report.missing) == (3, 11 + 12 + 11)
    assert "d2" not in ids(project, report.label_set)["q2"]


def test_a_query_set_without_positives_says_what_it_needs(project: Project, tmp_path: Path) -> None:
    (tmp_path / "bare.tsv").write_text("id\ttext\na\tstone 1\n")
    import_queries(project, "bare", tmp_path / "bare.tsv", "arc")
    with pytest.raises(BadInput, match="known positive"):
        mine(project, "bare", PLAIN, ["planted"])
    with pytest.raises(NotFound):
        mine(project, "nowhere", PLAIN, ["planted"])
    with pytest.raises(NotFound, match="embedding"):
        mine(project, "asks", PLAIN, ["minilm"])
    for miners in ([], ["planted", "planted"]):
        with pytest.raises(BadInput):
            mine(project, "asks", PLAIN, miners)


def test_people_make_positives_too(project: Project) -> None:
    info = query_sets.find(project.db, "asks")
    label_sets.make(project.db, info.id, "given", "imported", {})
    judgments.store(project.db, info, "given", "x", [Entry("q2", "d1", Verdict(2)), Entry("q9", "d9", Verdict(1))])
    spec = MiningSpec(per_query=1, range_max=10, same_text=False, label_sets=("qrels", "given"))
    report = mine(project, "asks", spec, ["planted"])
    assert report.queries_without_positives == 0
    assert ids(project, report.label_set) == {"q2": ["d3"], "q3": ["d4"], "q4": ["d5"], "q9": ["d10"]}


def test_several_miners_share_what_both_find(project: Project) -> None:
    report = mine(project, "asks", PLAIN, ["planted", "bm25"])
    found = stored(project, report.label_set)
    assert {query: len(own) for query, own in found.items()} == {"q2": 2, "q3": 2, "q4": 2}
    # Every text says “stone”: BM25's best beside the positives are the first ordinals.
    assert sorted(found["q3"]) == ["d0", "d4"]
    assert found["q3"]["d4"].provenance["miner"] == "planted"
    assert found["q3"]["d0"].provenance["miner"] == "bm25"
    assert [each.miner for each in report.miners] == ["planted", "bm25"]
    assert sum(each.negatives for each in report.miners) >= report.negatives
    shared = mine(project, "asks", MiningSpec(per_query=29, range_max=29, same_text=False), ["planted", "bm25"])
    both = stored(project, shared.label_set)["q2"]["d7"].provenance
    assert (both["miner"], [each["miner"] for each in both["also"]]) in [("planted", ["bm25"]), ("bm25", ["planted"])]


def test_a_pipeline_mines_and_a_positive_it_does_not_rank_stops_margins(project: Project) -> None:
    pipeline = PipelineSpec((RetrieverSpec("planted"), RetrieverSpec("bm25")), FusionSpec("rrf"), depth=12)
    report = mine(project, "asks", PLAIN, [pipeline])
    (miner,) = report.miners
    assert miner.miner == "planted + bm25"
    assert report.negatives == 6
    one = stored(project, report.label_set)["q2"]
    assert all(0 < each.provenance["score"] < 2 / 61 for each in one.values())


class LongIds:
    """In place of a reranker: a document's number is its score, negative."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, project: Any, spec: Any, query: Content, documents: Any, keys: Any, progress: Any = None) -> Any:
        self.asked += len(keys)
        scores = np.array([-ordinal for _, ordinal in keys], np.float32)
        return reranking.RerankOutcome(scores, spec.name, warnings=["only numbers"])


def test_rescoring_orders_and_measures_by_the_reranker(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = LongIds()
    monkeypatch.setattr(reranking, "rerank", scorer)
    spec = MiningSpec(per_query=2, range_max=4, same_text=False, reranker="numbers", absolute_margin=0.5)
    report = mine(project, "asks", spec, ["planted"])
    # 6 candidates (range 4 and two positives): of q4 2 … 7, its positive −4, so 5, 6 and 7 are left; of q3 the lowest
    # positive is −6, and nothing found scores less.
    assert ids(project, report.label_set) == {"q2": ["d3", "d4"], "q4": ["d5", "d6"]}
    one = stored(project, report.label_set)["q4"]["d6"].provenance
    assert (one["miner"], one["reranker"], one["score"], one["positive_score"]) == ("planted", "numbers", -6.0, -4.0)
    assert one["rank"] == 4
    assert "only numbers" in report.warnings
    asked = scorer.asked
    mine(project, "asks", MiningSpec.from_dict(spec.to_dict() | {"absolute_margin": 1.5}), ["planted"])
    assert scorer.asked == asked
    shallow = MiningSpec(per_query=1, range_max=4, reranker="numbers", rerank_depth=300, depth=12)
    with pytest.raises(BadInput, match="are kept"):
        mine(project, "asks", shallow, ["planted"])
    with pytest.raises(BadInput, match="reranker"):
        preview(project, find_candidates(project, "asks", PLAIN, ["planted"]).artifacts, spec)


def test_a_preview_says_what_mining_does(project: Project) -> None:
    spec = MiningSpec(per_query=2, range_max=10, depth=15, relative_margin=0.002, source_field="book")
    found = find_candidates(project, "asks", spec, ["planted", "bm25"])
    assert found.queries == 3
    shown = preview(project, found.artifacts, spec)
    made = mine(project, "asks", spec, ["planted", "bm25"])
    assert (shown.negatives, shown.short, shown.missing) == (made.negatives, made.short, made.missing)
    assert [each.dropped for each in shown.miners] == [each.dropped for each in made.miners]
    assert [each.artifact for each in made.miners] == found.artifacts  # nothing was searched again
    first = shown.miners[0]
    assert (len(first.edges), len(first.positives)) == (41, 40)
    assert sum(first.positives) == 4
    assert sum(first.taken) == first.negatives
    assert sum(first.others) == first.candidates - first.dropped["positive"]
    swept = sweep_margins(project, found.artifacts, spec, [0.002, 0.5])
    alone = preview(project, found.artifacts[:1], spec)
    assert swept[0].points[0].negatives == alone.negatives
    assert swept[0].points[1].negatives <= alone.negatives
    with pytest.raises(BadInput, match="were kept"):
        preview(project, found.artifacts, MiningSpec(range_max=20))
    with pytest.raises(BadInput, match="margin"):
        sweep_margins(project, found.artifacts, spec, [0.1], "other")
    with pytest.raises(NotFound):
        candidates_of(project, "nothing")
    with pytest.raises(NotFound):
        candidates_of(project, project.artifacts.list("embedding")[0].id)


def test_candidates_are_those_of_all_blocks(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = find_candidates(project, "asks", PLAIN, ["planted"])
    one = list(candidates_of(project, whole.artifacts[0]).blocks())
    project.artifacts.delete(whole.artifacts[0])
    monkeypatch.setattr(mining_candidates, "BLOCK", 2)
    calls: list[tuple[int, int]] = []
    again = find_candidates(
        project, "asks", PLAIN, ["planted"], progress=lambda done, total: calls.append((done, total))
    )
    assert again.artifacts == whole.artifacts
    two = list(candidates_of(project, again.artifacts[0]).blocks())
    assert [len(each) for each in two] == [2, 1]
    for name in ("queries", "ordinals", "scores", "marks", "near", "positive_scores"):
        assert np.array_equal(np.concatenate([getattr(each, name) for each in two]), getattr(one[0], name))
    assert calls == [(0, 3), (2, 3), (3, 3)]
    project.artifacts.delete(again.artifacts[0])
    monkeypatch.setattr(mining_candidates, "BLOCK", 1024)
    monkeypatch.setattr(mining_search, "SCANNED", 1)
    (three,) = candidates_of(project, find_candidates(project, "asks", PLAIN, ["planted"]).artifacts[0]).blocks()
    assert np.array_equal(three.scores, one[0].scores)


def test_new_judgments_make_new_candidates(project: Project) -> None:
    before = find_candidates(project, "asks", PLAIN, ["planted"]).artifacts
    info = query_sets.find(project.db, "asks")
    label_sets.make(project.db, info.id, "more", "imported", {})
    judgments.store(project.db, info, "more", "x", [Entry("q2", "d3", Verdict(1))])
    spec = MiningSpec.from_dict(PLAIN.to_dict() | {"label_sets": ["qrels", "more"]})
    assert find_candidates(project, "asks", spec, ["planted"]).artifacts != before


def test_cancelling_leaves_no_label_set(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*given: Any) -> None:
        raise Cancelled

    monkeypatch.setattr(judgments, "put", stop)
    with pytest.raises(Cancelled):
        mine(project, "asks", PLAIN, ["planted"], "half")
    info = query_sets.find(project.db, "asks")
    assert "half" not in [each.name for each in label_sets.listed(project.db, info.id)]


def test_the_jobs_take_plain_arguments() -> None:
    pipeline = {"retrievers": [{"encoder": "bm25"}], "reranker": {"name": "x", "depth": 5}}
    arguments = {"query_set": "q", "spec": {"per_query": 2}, "miners": ["planted", pipeline]}
    for name, target in (("mine", mine), ("candidates", find_candidates)):
        assert KINDS[name].load() is target
        adapted = KINDS[name].adapt(arguments, "cpu")
        assert adapted["spec"] == MiningSpec(per_query=2)
        assert adapted["miners"] == ["planted", PipelineSpec((RetrieverSpec("bm25"),), reranker=RerankSpec("x", 5))]


def test_the_command_asks_for_a_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    def run_job(call: Any, kind: str, arguments: dict[str, Any], title: str, **more: Any) -> dict[str, Any]:
        asked.append({"kind": kind, **arguments})
        counts = {"short": 2, "missing": 3, "queries": 4, "queries_without_positives": 0, "missing_positives": 0}
        return {"label_set": "s", "negatives": 9, "dropped": {"positive": 5, "range": 0}, "warnings": ["w"], **counts}

    monkeypatch.setattr(mining_command, "run_job", run_job)
    words = ["--project", str(tmp_path), "--json", "mine", "asks", "--encoder", "a", "--encoder", "b"]
    done = CliRunner().invoke(app, [*words, "--range", "10:100", "--relative-margin", "0.05", "--per-query", "4"])
    assert done.exit_code == 0, done.output
    (job,) = asked
    assert (job["kind"], job["query_set"], job["miners"], job["name"]) == ("mine", "asks", ["a", "b"], "")
    assert MiningSpec.from_dict(job["spec"]) == MiningSpec(
        range_min=10, range_max=100, relative_margin=0.05, per_query=4
    )
    answer = json.loads(done.stdout)
    assert (answer["label_set"], answer["negatives"], answer["dropped"]["positive"]) == ("s", 9, 5)
    said = mining_command.mined_text(run_job(None, "", {}, ""))
    assert said.splitlines() == [
        "s: 9 negatives for 4 queries.",
        "Dropped: positive 5.",
        "2 queries got fewer than asked for; 3 negatives lack.",
        "Warning: w",
    ]
    for wrong in ("10", "a:b", "5-9", ":4"):
        with pytest.raises(BadInput, match="range"):
            mining_command.window(wrong)
