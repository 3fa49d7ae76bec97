"""Evaluation of runs: the figures of an independent pytrec_eval script, comparisons, failures, slices, Pareto."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from run_fixtures import BM25, BOTH, beir_project
from typer.testing import CliRunner

from workbench import corpora, judgments, label_sets, query_sets, runs
from workbench.__main__ import app
from workbench.errors import BadInput, NotFound
from workbench.judging_log import Owner, record
from workbench.judgments import Entry, Verdict
from workbench.types import Filter, Query
from workbench.workflows import evaluating
from workbench.workflows.evaluate import (
    EvaluateOptions,
    Point,
    compare,
    evaluate,
    gold_positions,
    pareto,
    per_query,
    slices,
)
from workbench.workflows.running import export_run, import_run, run_queries
from workbench.workflows.subsets import subset_from_filters

SCRIPT = """
import json, sys, pytrec_eval
folder, run = sys.argv[1:]
qrels, found = {}, {}
for line in open(folder + "/qrels/test.tsv").readlines()[1:]:
    query, doc, grade = line.split()
    qrels.setdefault(query, {})[doc] = int(grade)
for line in open(run):
    query, _, doc, _, score, _ = line.split()
    found.setdefault(query, {})[doc] = float(score)
names = {"nDCG@10": "ndcg_cut_10", "R@20": "recall_20", "RR": "recip_rank", "AP": "map", "P@5": "P_5"}
told = pytrec_eval.RelevanceEvaluator(qrels, set(names.values())).evaluate(found)
print(json.dumps({ours: sum(told.get(q, {}).get(theirs, 0) for q in qrels) / len(qrels)
                  for ours, theirs in names.items()}))
"""
NAMES = "nDCG@10 R@20 RR AP P@5"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    project, qrels = beir_project(folder)
    run_queries(project, "asked", BM25, k=30, name="words")
    run_queries(project, "asked", BOTH, k=30, name="both")
    yield project, qrels, folder
    project.close()


def called(project, *words: str) -> dict:
    done = CliRunner().invoke(app, ["--project", str(project.folder), "--json", *words], catch_exceptions=False)
    assert done.exit_code == 0 and done.stdout.count("\n") == 1, done.output
    return json.loads(done.stdout)


def test_a_new_run_is_measured_by_its_job_so_that_the_page_only_reads(made, monkeypatch):
    project, *_ = made
    run_queries(project, "asked", BM25, k=7, name="seven")
    monkeypatch.setattr(evaluating, "_computed", lambda *_: pytest.fail("measured when it was looked at"))
    found = evaluate(project, ["seven"])
    assert list(found.figures("seven").values) == ["nDCG@10", "R@100", "RR@10"]


def test_the_figures_are_those_of_an_independent_script(made, tmp_path):
    """From the command line: run with a TREC file, evaluate; a script reads the BEIR folder and that file."""
    project, _, folder = made
    (tmp_path / "pipeline.json").write_text(json.dumps(BOTH.to_dict()))
    out = tmp_path / "both.trec"
    words = ("run", "asked", "--pipeline", str(tmp_path / "pipeline.json"), "-k", "25", "--name", "by-command")
    told = called(project, *words, "--out", str(out))
    assert (told["run"], told["queries"]) == ("by-command", 12) and told["seconds"] > 0
    found = called(project, "evaluate", "by-command", "words", "--measures", NAMES)
    script = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "beir"), str(out)], capture_output=True, text=True, check=True
    )
    assert found["runs"][0]["run"] == "by-command"
    assert found["runs"][0]["measures"] == pytest.approx(json.loads(script.stdout), abs=1e-9)
    assert {each["measure"] for each in found["comparisons"]} == set(NAMES.split())
    # The same file brought in again measures the same.
    told = called(project, "import-run", "again", str(out), "--query-set", "asked")
    assert told["run"] == "again" and told["warnings"] == []
    assert called(project, "evaluate", "again", "--measures", NAMES)["runs"][0]["measures"] == pytest.approx(
        found["runs"][0]["measures"], abs=1e-12
    )


def test_mistakes_on_the_command_line_are_sentences(made, capsys):
    from workbench.cli import guarded

    project = made[0]
    for words, told in (
        (("evaluate", "nowhere"), "no run called “nowhere”"),
        (("evaluate", "words", "--measures", "nDGC@10"), "not a measure"),
        (("run", "asked"), "Neither a pipeline"),
    ):
        status = guarded(lambda words=words: app(["--project", str(project.folder), *words], standalone_mode=False))
        found = capsys.readouterr()
        assert status == 1 and told in found.err and found.err.count("\n") == 1


def test_people_read_a_table(made):
    done = CliRunner().invoke(app, ["--project", str(made[0].folder), "evaluate", "words", "both"])
    assert "nDCG@10" in done.stdout and "both less words, RR@10:" in done.stdout and "unjudged" in done.stdout


def test_queries_without_results_count_zero_and_those_without_judgments_do_not_count(made, tmp_path):
    """q0 is answered as its qrels want it, the other eleven judged queries not at all."""
    project, qrels, _ = made
    info = query_sets.find(project.db, "asked")
    best = sorted(qrels["q0"].items(), key=lambda item: -item[1])
    lines = [f"q0 Q0 {doc} {n} {100 - n} x\n" for n, (doc, _) in enumerate(best)]
    (tmp_path / "one.trec").write_text("".join(lines))
    import_run(project, "one", tmp_path / "one.trec", "asked")
    found = evaluate(project, ["one"], "nDCG Judged@5")
    (figures,) = found.runs
    assert figures.means["nDCG"] == pytest.approx(1 / 12) and figures.values["nDCG"] == pytest.approx([1, *[0] * 11])
    assert found.counts.judged_queries == info.queries == 12 and figures.judged["nDCG"] == 1
    assert figures.bounds["nDCG"] == pytest.approx((1 / 12, 1 / 12))


def test_values_are_kept_until_a_judgment_changes(made, monkeypatch):
    project, qrels, _ = made
    first = evaluate(project, ["words", "both"], "P@5")
    monkeypatch.setattr(evaluating, "_computed", None)
    monkeypatch.setattr(evaluating, "judged", None)
    again = evaluate(project, ["words", "both"], "P@5")
    assert again.runs[1].means == first.runs[1].means and again.counts == first.counts
    assert again.query_ids == first.query_ids == sorted(qrels, key=lambda name: int(name[1:]))
    monkeypatch.undo()
    folder = first.figures("words").run.artifact.folder
    ordinal = int(runs.ranking(folder, 0)[0][0])
    pair = Entry("q0", f"d{ordinal}", Verdict(0 if qrels["q0"].get(f"d{ordinal}", 0) else 1))
    label_sets.make(project.db, first_set(project), "mine", "person", {})
    record(project.db, Owner(query_sets.find(project.db, "asked"), "mine", "me"), [pair])
    both = evaluate(project, ["words"], "P@5", ["mine"])
    assert both.counts.judged_queries == 1 and both.query_ids == ["q0"]
    assert both.runs[0].means["P@5"] == (0.2 if pair.verdict.relevance else 0)
    label_sets.delete(project.db, first_set(project), "mine")


def first_set(project) -> int:
    return query_sets.find(project.db, "asked").id


def test_proposals_are_no_judgments_unless_they_are_chosen(made):
    project = made[0]
    info = query_sets.find(project.db, "asked")
    label_sets.make(project.db, info.id, "mined", "proposed", {})
    before = evaluate(project, ["words"], "P@5")
    judgments.store(project.db, info, "mined", "miner", [Entry("q0", "d79", Verdict(0, True))])
    after = evaluate(project, ["words"], "P@5")
    assert after.label_sets == ["qrels"] and after.counts == before.counts
    assert evaluate(project, ["words"], "P@5", ["mined"]).query_ids == ["q0"]
    label_sets.delete(project.db, info.id, "mined")
    with pytest.raises(NotFound, match="label set"):
        evaluate(project, ["words"], "P@5", ["mined"])


def test_contradictions_count_as_unjudged_and_are_told(made):
    project, qrels, _ = made
    info = query_sets.find(project.db, "asked")
    doc = next(doc for doc, grade in qrels["q1"].items() if grade)
    label_sets.make(project.db, info.id, "other", "imported", {})
    judgments.store(project.db, info, "other", "them", [Entry("q1", doc, Verdict(0))])
    found = evaluate(project, ["words"], "P@5")
    assert found.counts.undecided == 1 and any("contradict" in each for each in found.warnings)
    settled = evaluate(project, ["words"], "P@5", options=EvaluateOptions(prefer=("qrels",)))
    assert settled.counts.undecided == 0 and settled.counts.judgments == found.counts.judgments + 1
    label_sets.delete(project.db, info.id, "other")


def test_a_set_without_judgments_is_no_error(made):
    project = made[0]
    info = query_sets.ensure(project.db, "fresh", corpora.find(project.db, "words").id, "test")
    query_sets.append(project.db, info.id, [Query("a", "music"), Query("b", "water bread")])
    run_queries(project, "fresh", BM25, k=5, name="fresh-run")
    found = evaluate(project, ["fresh-run"])
    assert found.runs[0].means == {"nDCG@10": None, "R@100": None, "RR@10": None}
    assert found.counts.without_judgments == 2 and "nothing to measure" in found.warnings[0]
    assert compare(found, "fresh-run") == [] and slices(project, found, "length") == []
    with pytest.raises(BadInput, match="different queries"):
        evaluate(project, ["fresh-run", "words"])
    # A query that came after the run counts 0 for it.
    query_sets.append(project.db, info.id, [Query("c", "stone")])
    label_sets.make(project.db, info.id, "given", "imported", {})
    judgments.store(project.db, query_sets.find(project.db, "fresh"), "given", "x", [Entry("c", "d1", Verdict(1))])
    late = evaluate(project, ["fresh-run"], "R@5")
    assert late.runs[0].means == {"R@5": 0} and late.runs[0].bounds == {"R@5": (0, 0)}
    assert any("before queries were added" in each for each in late.warnings)


def test_judged_documents_that_the_corpus_lacks_are_relevant_and_not_found(made, tmp_path):
    project = made[0]
    corpus = corpora.find(project.db, "words")
    info = query_sets.ensure(project.db, "strange", corpus.id, "test")
    query_sets.append(project.db, info.id, [Query("a", "music")])
    label_sets.make(project.db, info.id, "given", "imported", {})
    entries = [Entry("a", "d1", Verdict(1)), Entry("a", "gone", Verdict(1))]
    judgments.store(project.db, query_sets.find(project.db, "strange"), "given", "x", entries)
    (tmp_path / "a.trec").write_text("a Q0 d1 1 2 x\na Q0 else 2 1 x\n")
    (tmp_path / "b.trec").write_text("a Q0 gone 1 2 x\na Q0 d1 2 1 x\n")
    for name in "ab":
        import_run(project, f"strange-{name}", tmp_path / f"{name}.trec", "strange")
    found = evaluate(project, ["strange-a", "strange-b"], "R@5 Judged@5")
    assert found.counts.unknown_documents == 1 and found.counts.unknown_listed == [("a", "gone")]
    # Another system may have searched more documents than the corpus has; its finds count.
    assert [each.means for each in found.runs] == [{"R@5": 0.5, "Judged@5": 0.5}, {"R@5": 1.0, "Judged@5": 1.0}]
    gold = gold_positions(project, found, "a")
    assert [(each.doc_id, each.ranks) for each in gold] == [
        ("d1", {"strange-a": 1, "strange-b": 2}),
        ("gone", {"strange-a": None, "strange-b": 1}),
    ]


def test_a_hit_that_is_the_query_itself_can_be_dropped(made, tmp_path):
    """Query d3 finds itself first; its relevant document then moves from rank 2 to 1."""
    project = made[0]
    info = query_sets.ensure(project.db, "selves", corpora.find(project.db, "words").id, "test")
    query_sets.append(project.db, info.id, [Query("d3", "music")])
    label_sets.make(project.db, info.id, "given", "imported", {})
    judgments.store(project.db, query_sets.find(project.db, "selves"), "given", "x", [Entry("d3", "d5", Verdict(1))])
    (tmp_path / "self.trec").write_text("d3 Q0 d3 1 2 x\nd3 Q0 d5 2 1 x\n")
    import_run(project, "self", tmp_path / "self.trec", "selves")
    kept = evaluate(project, ["self"], "RR")
    dropped = evaluate(project, ["self"], "RR", options=EvaluateOptions(drop_self=True))
    assert (kept.runs[0].means, dropped.runs[0].means) == ({"RR": 0.5}, {"RR": 1.0})
    assert any("query's own id" in each for each in dropped.warnings) and not kept.warnings
    assert gold_positions(project, dropped, "d3")[0].ranks == {"self": 1}


def test_chunks_are_rolled_up_to_their_documents(made, tmp_path):
    """d0 … d3 are chunks of p0, d4 … d7 of p1: of d1, d2, d6 only p0 and p1 remain, and p1 is the second."""
    project = made[0]
    info = query_sets.ensure(project.db, "whole", corpora.find(project.db, "words").id, "test")
    query_sets.append(project.db, info.id, [Query("a", "music")])
    label_sets.make(project.db, info.id, "given", "imported", {})
    entries = [Entry("a", "p1", Verdict(1)), Entry("a", "nowhere", Verdict(1))]
    judgments.store(project.db, query_sets.find(project.db, "whole"), "given", "x", entries)
    (tmp_path / "chunks.trec").write_text("a Q0 d1 1 3 x\na Q0 d2 2 2 x\na Q0 d6 3 1 x\n")
    import_run(project, "chunks", tmp_path / "chunks.trec", "whole")
    found = evaluate(project, ["chunks"], "RR R@5", options=EvaluateOptions(parent="part_of"))
    assert found.runs[0].means == {"RR": 0.5, "R@5": 0.5} and found.counts.unknown_documents == 1
    assert [each.ranks["chunks"] for each in gold_positions(project, found, "a")] == [None, 2]
    with pytest.raises(BadInput, match="no metadata column"):
        evaluate(project, ["chunks"], "RR", options=EvaluateOptions(parent="chapter"))


def constructed(project, tmp_path, name: str, hits: dict[str, int]) -> None:
    """A run that has the best judged document of each query at a rank of our choosing, behind unknown ones."""
    lines = []
    for query, rank in hits.items():
        ids = [f"x{n}" for n in range(1, rank)] + [f"d-{query}"]
        lines += [f"{query} Q0 {doc} {n} {-n} x\n" for n, doc in enumerate(ids, 1)]
    (tmp_path / f"{name}.trec").write_text("".join(lines))
    import_run(project, name, tmp_path / f"{name}.trec", "many")


def test_a_real_difference_is_significant_and_a_tie_is_not(made, tmp_path):
    project = made[0]
    info = query_sets.ensure(project.db, "many", corpora.find(project.db, "words").id, "test")
    names = [f"m{n}" for n in range(40)]
    query_sets.append(project.db, info.id, [Query(each, f"query {each}") for each in names])
    label_sets.make(project.db, info.id, "given", "imported", {})
    entries = [Entry(each, f"d-{each}", Verdict(1)) for each in names]
    judgments.store(project.db, query_sets.find(project.db, "many"), "given", "x", entries)
    constructed(project, tmp_path, "base", dict.fromkeys(names, 2))
    constructed(project, tmp_path, "better", {each: 1 if n % 4 else 2 for n, each in enumerate(names)})
    swapped = {each: (1, 3)[n % 2] if n < 4 else 2 for n, each in enumerate(names)}
    constructed(project, tmp_path, "even", swapped)
    found = evaluate(project, ["base", "better", "even"], "RR")
    better, even = compare(found, "base", resamples=2000)
    assert (better.run, better.baseline, better.mean) == ("better", "base", pytest.approx(30 * 0.5 / 40))
    assert better.significant and better.low > 0 and (better.wins, better.ties, better.losses) == (30, 10, 0)
    # Two won by ½, two lost by ⅙: of 16 sign patterns 8 reach that sum or more, either way.
    assert not even.significant and even.exact and even.p == 0.5 and even.low < 0 < even.high
    assert better.p_holm == pytest.approx(2 * better.p) and even.p_holm == even.p
    rows = per_query(found, "even", "base", "RR")
    assert rows.query_ids[:2] == ["m1", "m3"] and rows.difference[:2] == pytest.approx([1 / 3 - 1 / 2] * 2)
    assert (rows.a[0], rows.b[0]) == pytest.approx((1 / 3, 1 / 2)) and rows.query_ids[-2:] == ["m0", "m2"]
    with pytest.raises(NotFound, match="not part"):
        compare(found, "words")
    with pytest.raises(NotFound, match="Measured were"):
        per_query(found, "even", "base", "AP")


def test_slices_by_length_metadata_and_subset(made):
    project, qrels, _ = made
    subset_from_filters(project, "words", "first", [Filter("part_of", "=", "p0")])
    found = evaluate(project, ["words"], "R@20")
    values = dict(zip(found.query_ids, found.runs[0].values["R@20"], strict=True))
    parts = {each.name: each for each in slices(project, found, "length")}
    assert {name: each.queries for name, each in parts.items()} == {"1 to 3 words": 8, "4 to 7 words": 4}
    long = [values[f"q{n}"] for n in range(0, 12, 3)]
    assert parts["4 to 7 words"].means == {"words": {"R@20": pytest.approx(np.mean(long))}}
    parts = {each.name: each for each in slices(project, found, "metadata:kind")}
    with_even = [q for q in found.query_ids if any(g > 0 and int(d[1:]) % 2 == 0 for d, g in qrels[q].items())]
    assert parts["k0"].queries == len(with_even)
    assert parts["k0"].means["words"]["R@20"] == pytest.approx(np.mean([values[q] for q in with_even]))
    inside, outside = slices(project, found, "subset:first")
    with_first = [q for q in found.query_ids if any(qrels[q].get(f"d{n}", 0) for n in range(4))]
    assert (inside.name, inside.queries) == ("in first", len(with_first)) and outside.queries == 12 - len(with_first)
    assert inside.means["words"]["R@20"] == pytest.approx(np.mean([values[q] for q in with_first]))
    for wrong in ("colour", "metadata:colour", "subset:none"):
        with pytest.raises((BadInput, NotFound)):
            slices(project, found, wrong)


def test_the_pareto_front_by_hand():
    points = [
        Point("small", 0.5, 1, 10),
        Point("large", 0.7, 9, 90),
        Point("worse", 0.5, 2, 10),
        Point("same", 0.5, 1, 10),
        Point("slow", 0.6, 9, 80),
        Point("unknown", 0.6, None, None),
    ]
    # “unknown” can only be beaten in quality, and is: by “large”.
    assert pareto(points) == [True, True, False, True, True, False]


def test_bounds_and_judged_shares_stand_beside_every_figure(made):
    project = made[0]
    found = evaluate(project, ["words"], "P@5 Judged@5 nDCG@10")
    figures = found.runs[0]
    low, high = figures.bounds["P@5"]
    assert low == pytest.approx(figures.means["P@5"])
    assert (
        high == pytest.approx(low + 1 - figures.means["Judged@5"])
        and figures.judged["P@5"] == figures.means["Judged@5"]
    )
    low, high = figures.bounds["nDCG@10"]
    assert low <= figures.means["nDCG@10"] <= high <= 1 + 1e-9


def test_equal_to_pytrec_eval_query_by_query(made, tmp_path):
    project, qrels, _ = made
    export_run(project, "words", tmp_path / "words.trec")
    with (tmp_path / "words.trec").open() as file:
        told = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut_10", "map"}).evaluate(pytrec_eval.parse_run(file))
    found = evaluate(project, ["words"], "nDCG@10 AP")
    for measure, name in (("nDCG@10", "ndcg_cut_10"), ("AP", "map")):
        wanted = [told.get(query, {}).get(name, 0) for query in found.query_ids]
        assert found.runs[0].values[measure] == pytest.approx(wanted, abs=1e-9)


def test_the_folder_is_beirs(made):
    assert sorted(path.name for path in Path(made[2] / "beir").iterdir()) == ["corpus.jsonl", "qrels", "queries.jsonl"]
