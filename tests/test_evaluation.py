"""Measures against pytrec_eval and ir_measures, ties, self-retrieval, roll-up, and bounds against all possibilities."""

import itertools

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.evaluation import (
    NONE,
    Judged,
    Qrels,
    bounds,
    judge,
    judged_share,
    measured,
    parse_measures,
    rolled_up,
    without_own,
)
from workbench.evaluation.bounds import unjudged
from workbench.evaluation.judged import EMPTY, UNJUDGED

OF_TREC = {
    "nDCG@3": "ndcg_cut_3", "nDCG@10": "ndcg_cut_10", "nDCG": "ndcg", "AP": "map", "AP@3": "map_cut_3",
    "RR": "recip_rank", "P@3": "P_3", "P@10": "P_10", "R@3": "recall_3", "R@10": "recall_10",
    "Success@3": "success_3", "Rprec": "Rprec",
}  # fmt: skip


def arrays(qrels: dict, run: dict) -> Judged:
    """The same as arrays: documents by number, a ranking by score descending, equal scores by id descending."""
    queries = list(qrels)
    numbers = {doc: n for n, doc in enumerate(sorted({d for each in (*qrels.values(), *run.values()) for d in each}))}
    depth = max([len(each) for each in run.values()] + [1])
    documents = np.full((len(queries), depth), NONE)
    for row, query in enumerate(queries):
        found = sorted(run.get(query, {}).items(), key=lambda item: (item[1], item[0]), reverse=True)
        documents[row, : len(found)] = [numbers[doc] for doc, _ in found]
    pairs = [(row, numbers[d], r) for row, query in enumerate(queries) for d, r in qrels[query].items()]
    given_pairs = np.array(pairs, np.int64).reshape(-1, 3)
    return judge(documents, Qrels.of(*given_pairs.T, len(queries)), np.arange(len(queries)))


def ours(name: str, qrels: dict, run: dict) -> dict[str, float]:
    (measure,) = parse_measures(name)
    return dict(zip(qrels, measured(measure, arrays(qrels, run)).tolist(), strict=True))


def trec_eval(qrels: dict, run: dict, names: set[str], **settings) -> dict[str, dict[str, float]]:
    """pytrec_eval's, which crashes where a query has no result or no grade of 0 or more: those count 0."""
    safe = {query: known for query, known in qrels.items() if max(known.values()) >= 0}
    return pytrec_eval.RelevanceEvaluator(safe, names, **settings).evaluate(
        {q: found for q, found in run.items() if found}
    )


RANX_QRELS = {"q_1": {"d_12": 5, "d_25": 3}, "q_2": {"d_11": 6, "d_22": 1}}
RANX_RUN = {
    "q_1": {"d_12": 0.9, "d_23": 0.8, "d_25": 0.7, "d_36": 0.6, "d_32": 0.5, "d_35": 0.4},
    "q_2": {"d_12": 0.9, "d_11": 0.8, "d_25": 0.7, "d_36": 0.6, "d_22": 0.5, "d_35": 0.4},
}
IR_QRELS = {"Q0": {"D0": 0, "D1": 1}, "Q1": {"D0": 0, "D3": 2}}
IR_RUN = {"Q0": {"D0": 1.2, "D1": 1.0}, "Q1": {"D0": 2.4, "D3": 3.6}}


@pytest.mark.parametrize(
    ("name", "qrels", "run", "mean"),
    [
        ("nDCG@5", RANX_QRELS, RANX_RUN, 0.7861261),
        ("AP@5", RANX_QRELS, RANX_RUN, 0.6416667),
        ("RR", RANX_QRELS, RANX_RUN, 0.75),
        ("AP", IR_QRELS, IR_RUN, 0.75),
        ("nDCG", IR_QRELS, IR_RUN, 0.8154648768),
        ("RR", IR_QRELS, IR_RUN, 0.75),
        ("P(rel=2)@10", IR_QRELS, IR_RUN, 0.05),
    ],
)
def test_golden_values(name, qrels, run, mean):
    assert np.mean(list(ours(name, qrels, run).values())) == pytest.approx(mean, abs=5e-8)


DOCS = [f"d{n}" for n in range(12)]
SOME_QRELS = st.dictionaries(
    st.sampled_from([f"q{n}" for n in range(5)]),
    st.dictionaries(st.sampled_from(DOCS), st.integers(-1, 3), min_size=1),
    min_size=1,
)
SCORES = st.integers(-4, 4).map(lambda n: n / 4)
SOME_RUN = st.dictionaries(
    st.sampled_from([f"q{n}" for n in range(5)]), st.dictionaries(st.sampled_from(DOCS), SCORES, max_size=12)
)


@given(SOME_QRELS, SOME_RUN)
@settings(max_examples=150, deadline=None)
def test_equal_to_pytrec_eval(qrels, run):
    """Random judgments and runs: ties, negative scores and grades, empty and missing results, unjudged documents."""
    told = trec_eval(qrels, run, set(OF_TREC.values()))
    for name, theirs in OF_TREC.items():
        for query, value in ours(name, qrels, run).items():
            assert value == pytest.approx(told.get(query, {}).get(theirs, 0.0), abs=1e-9), (name, query)


@given(SOME_QRELS, SOME_RUN)
@settings(max_examples=40, deadline=None)
def test_equal_to_pytrec_eval_at_a_higher_grade(qrels, run):
    wanted = {"AP(rel=2)": "map", "P(rel=2)@3": "P_3", "R(rel=2)@10": "recall_10", "Success(rel=2)@3": "success_3"}
    told = trec_eval(qrels, run, set(wanted.values()), relevance_level=2)
    for name, theirs in wanted.items():
        for query, value in ours(name, qrels, run).items():
            assert value == pytest.approx(told.get(query, {}).get(theirs, 0.0), abs=1e-9), (name, query)


def test_queries_that_crash_pytrec_eval_count_0_in_measures_that_go_through_it():
    qrels = {"none": {"d1": 2}, "below": {"d1": -1, "d2": -2}, "good": {"d1": 2, "d2": -1}}
    run = {"none": {}, "below": {"d1": 0.5}, "good": {"d1": 0.5, "d2": 0.4}}
    assert ours("Bpref", qrels, run) == {"none": 0.0, "below": 0.0, "good": 1.0}
    assert ours("SetP", qrels, run) == {"none": 0.0, "below": 0.0, "good": 0.5}


@given(SOME_QRELS, SOME_RUN)
@settings(max_examples=40, deadline=None)
def test_equal_to_ir_measures_where_it_has_its_own_code(qrels, run):
    """Judged@k; and a measure that goes through it (Bpref) with made-up names gives what the real names give."""
    run = {query: found for query, found in run.items() if found}
    qrels = {query: known for query, known in qrels.items() if max(known.values()) >= 0}
    # Its Judged orders ties by id ascending; without ties there is one order.
    run = {q: {d: s + n / 1000 for n, (d, s) in enumerate(found.items())} for q, found in run.items()}
    for name in ("Judged@3", "Bpref", "SetP"):
        told = {
            each.query_id: each.value for each in ir_measures.iter_calc([ir_measures.parse_measure(name)], qrels, run)
        }
        for query, value in ours(name, qrels, run).items():
            assert value == pytest.approx(told.get(query, 0.0), abs=1e-9), (name, query)


def test_by_hand():
    """Two of four relevant documents found, at ranks 2 and 3; grades 1 and 2; the first is unjudged."""
    judged = Judged(
        np.array([[UNJUDGED, 1, 2, EMPTY]], np.int32), np.array([1, 2, 3, 1], np.int32), np.zeros(4, int), 3
    )
    dcg, ideal = 1 / np.log2(3) + 2 / 2, 3 + 2 / np.log2(3) + 1 / 2
    burges = (1 / np.log2(3) + 3 / 2) / (7 + 3 / np.log2(3) + 1 / 2)
    wanted = {
        "nDCG@3": dcg / ideal, "nDCG(dcg='exp-log2')@3": burges, "AP": (1 / 2 + 2 / 3) / 4, "RR": 1 / 2, "RR@1": 0,
        "P@2": 1 / 2, "P@10": 2 / 10, "R@2": 1 / 4, "R_cap@3": 2 / 3, "R_cap@10": 2 / 4, "Success@1": 0, "Success@2": 1,
        "Judged@2": 1 / 2, "Judged@10": 2 / 3, "P(rel=2)@3": 1 / 3, "Rprec": 2 / 4,
    }  # fmt: skip
    for name, value in wanted.items():
        (measure,) = parse_measures(name)
        assert measured(measure, judged)[0] == pytest.approx(value), name
    assert judged_share(2, judged)[0] == 1 / 2 and unjudged(2, judged)[0] == 1


def test_nothing_found_and_nothing_relevant_count_zero():
    nothing = Judged(np.full((2, 3), EMPTY, np.int32), np.array([1, 0], np.int32), np.array([0, 1]))
    for measure in parse_measures("nDCG@10 AP RR P@5 R@5 R_cap@5 Success@5 Judged@5 Rprec Bpref"):
        assert measured(measure, nothing).tolist() == [0, 0]
    assert np.isnan(judged_share(5, nothing)).all()


def test_the_order_given_is_kept_whatever_pytrec_eval_does_with_ties():
    """Ours: equal scores in ordinal order. The relevant document 1 stands first, though its id is the smaller one."""
    qrels = Qrels.of(np.array([0]), np.array([1]), np.array([1]), 1)
    judged = judge(np.array([[1, 2]], np.int32), qrels, np.array([0]))
    assert measured(parse_measures("RR")[0], judged)[0] == 1


def test_documents_that_the_corpus_lacks_are_judged_too():
    qrels = Qrels.of(np.array([0, 0, 0]), np.array([-2, 5, -3]), np.array([1, 1, 1]), 2)
    assert qrels.judged_queries.tolist() == [0] and qrels.rows == 2
    judged = judge(np.array([[-2, -4, 5, NONE]]), qrels, np.array([0]))
    assert judged.grades.tolist() == [[1, UNJUDGED, 1, EMPTY]]
    assert measured(parse_measures("R@10")[0], judged)[0] == pytest.approx(2 / 3)


def test_a_pair_judged_twice_keeps_the_later():
    qrels = Qrels.of(np.array([1, 0, 1]), np.array([3, 3, 3]), np.array([2, 1, 0]), 2)
    assert (qrels.starts.tolist(), qrels.documents.tolist(), qrels.relevance.tolist()) == ([0, 1, 2], [3, 3], [1, 0])


def test_the_querys_own_document_is_dropped_and_those_behind_move_up():
    found = without_own(np.array([[4, 7, 9], [4, 7, NONE], [1, 2, 3]]), np.array([7, 4, NONE]))
    assert found.tolist() == [[4, 9, NONE], [7, NONE, NONE], [1, 2, 3]]


def test_chunks_roll_up_to_the_best_place_of_their_document():
    parents = np.array([0, 0, 1, 2, 1])
    found = rolled_up(np.array([[2, 1, 4, 0, 3], [0, -2, 1, -2, NONE]]), parents)
    assert found.tolist() == [[1, 0, 2, NONE, NONE], [0, -2, NONE, NONE, NONE]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "No measure"),
        ("nDGC@10", "not a measure"),
        ("nDCG@0", "cutoff"),
        ("P", "needs a cutoff"),
        ("R_cap", "needs a cutoff"),
        ("nDCG(foo=1)@3", "not a measure"),
        ("__import__('os')", "not a measure"),
        ("R_cap(rel=0)@10", "nothing installed"),
    ],
)
def test_wrong_measures_are_named(text, words):
    with pytest.raises(BadInput, match=words):
        parse_measures(text)


def test_names_are_canonical_and_listed_once():
    names = [
        each.name for each in parse_measures("nDCG@10, R@100  nDCG@10 R_cap(rel=2)@5 P(judged_only=True, rel=1)@3")
    ]
    assert names[:3] == ["nDCG@10", "R@100", "R_cap(rel=2)@5"] and len(names) == 4


def every_labelling(judged: Judged, measure) -> tuple[float, float]:
    """The lowest and highest value over all grades of the unjudged documents in the first k, by trying each."""
    places = np.flatnonzero(judged.top(measure.cutoff)[0] == UNJUDGED)
    tried = np.array(list(itertools.product(range(judged.highest + 1), repeat=len(places))), np.int32)
    found = np.repeat(judged.grades, len(tried), axis=0)
    found[:, places] = tried
    known = np.broadcast_to(judged.relevances, (len(tried), len(judged.relevances)))
    relevances = np.concatenate([known, tried], axis=1)
    owners = np.repeat(np.arange(len(tried)), relevances.shape[1])
    values = measured(measure, Judged(found, relevances.ravel(), owners, judged.highest))
    return values.min(), values.max()


GRADES = st.lists(st.sampled_from([UNJUDGED, 0, 0, 1, 2, 3]), min_size=1, max_size=5)


@given(GRADES, st.lists(st.integers(0, 3), max_size=3), st.integers(0, 1))
@settings(max_examples=60, deadline=None)
def test_bounds_are_those_of_all_labellings(grades, missed, padding):
    found = [grade for grade in grades if grade != UNJUDGED]
    places = np.array([[*grades, *[EMPTY] * padding]], np.int32)
    relevances = np.array([*found, *missed], np.int32)
    judged = Judged(places, relevances, np.zeros(len(relevances), int), 3)
    names = "nDCG@3 nDCG nDCG(dcg='exp-log2')@4 AP AP@3 RR RR@2 P@3 R@3 R_cap@2 Success@2 AP(rel=2) P(rel=2)@2"
    for measure in parse_measures(names):
        low, high = bounds(measure, judged)
        assert (low[0], high[0]) == pytest.approx(every_labelling(judged, measure), abs=1e-9), measure.name


def test_bounds_row_by_row_and_where_there_is_no_rule():
    grades = np.array([[1, UNJUDGED], [UNJUDGED, UNJUDGED], [EMPTY, EMPTY]], np.int32)
    judged = Judged(grades, np.array([1, 1], np.int32), np.array([0, 1]))
    low, high = bounds(parse_measures("P@2")[0], judged)
    assert low.tolist() == [0.5, 0, 0] and high.tolist() == [1, 1, 0]
    low, high = bounds(parse_measures("Judged@2")[0], judged)
    assert low.tolist() == [0.5, 0, 0] and high.tolist() == [1, 1, 0]
    # The relevant document of the second was not found: with both others relevant it misses one of three.
    assert bounds(parse_measures("R@2")[0], judged)[1].tolist() == [1, pytest.approx(2 / 3), 0]
    assert bounds(parse_measures("Bpref")[0], judged) is None
