"""Batches under a token budget, and work prepared ahead in a thread."""

import threading

import numpy as np
import pytest

from workbench.batching import DoesNotFit, TokenBudget, prefetched, windows
from workbench.errors import WorkbenchError


def batches(lengths, tokens):
    return [positions.tolist() for positions, _ in TokenBudget(tokens).run(np.array(lengths), lambda positions: None)]


def test_longest_first_within_the_padded_budget():
    # 9 alone fills 10; 4 × 2 = 8; then 3 + the next would be 3 × 3 = 9 ≤ 10.
    assert batches([1, 9, 3, 4, 3, 4, 2], 10) == [[1], [3, 5], [2, 4, 6], [0]]


def test_a_text_longer_than_the_budget_stands_alone():
    assert batches([3, 50, 2], 6) == [[1], [0, 2]]


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 5]])
def test_empty_texts_and_no_texts(lengths):
    assert sorted(position for batch in batches(lengths, 4) for position in batch) == list(range(len(lengths)))


def test_every_position_once_and_never_over_budget():
    lengths = np.random.default_rng(0).integers(1, 300, 1000)
    seen = []
    for positions, _ in TokenBudget(1024).run(lengths, lambda positions: None):
        assert positions.size * lengths[positions].max() <= 1024
        seen += positions.tolist()
    assert sorted(seen) == list(range(1000))


def test_halves_when_a_batch_does_not_fit_and_stays_so():
    budget, tried = TokenBudget(64), []

    def work(positions):
        tried.append(len(positions))
        if len(positions) > 3:
            raise DoesNotFit
        return positions.tolist()

    results = [result for _, result in budget.run(np.full(8, 8), work)]
    assert results == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert tried == [8, 4, 2, 2, 2, 2] and budget.tokens == 16


def test_the_budget_is_halved_from_what_was_asked_not_from_its_limit():
    budget = TokenBudget(1_000_000)
    fits = lambda positions: None if len(positions) <= 2 else (_ for _ in ()).throw(DoesNotFit())  # noqa: E731
    assert len(list(budget.run(np.full(4, 10), fits))) == 2
    assert budget.tokens == 20


def test_one_text_that_does_not_fit_is_a_sentence():
    def work(positions):
        raise DoesNotFit

    with pytest.raises(WorkbenchError, match="no memory for a single text of 512 tokens"):
        list(TokenBudget(512).run(np.array([512, 3]), work))


def test_other_errors_pass_through_at_once():
    tried = []

    def work(positions):
        tried.append(positions)
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        list(TokenBudget(64).run(np.full(8, 8), work))
    assert len(tried) == 1


def test_windows_cover_the_count():
    assert windows(10, 4) == [range(0, 4), range(4, 8), range(8, 10)]
    assert windows(0, 4) == []


def test_prefetched_keeps_the_order_and_runs_at_most_one_ahead():
    made = []

    def items():
        for n in range(20):
            made.append(n)
            yield n

    for n in prefetched(items()):
        # One waits in the queue and one may be in the making.
        assert len(made) <= n + 3
    assert made == list(range(20))


def test_prefetched_runs_in_another_thread():
    assert list(prefetched(threading.get_ident() for _ in range(2))) != [threading.get_ident()] * 2


def test_an_error_of_the_producer_comes_at_its_place():
    def items():
        yield 1
        raise ValueError("row 2")

    taken = []
    with pytest.raises(ValueError, match="row 2"):
        for item in prefetched(items()):
            taken.append(item)
    assert taken == [1]


def test_the_thread_ends_when_the_consumer_stops():
    before = threading.active_count()
    source = prefetched(iter(range(1000)))
    assert next(source) == 0
    source.close()
    assert threading.active_count() == before
