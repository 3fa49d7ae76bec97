"""The encode loop's pure part: length-sorted batches under a token budget, and work prepared one step ahead."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from workbench.errors import WorkbenchError

T = TypeVar("T")
_END = object()


class DoesNotFit(Exception):
    """Raised by the function that runs one batch where the device has no memory for it; nothing else is retried."""


class TokenBudget:
    """How many tokens a batch may hold, padding counted; halved when a batch did not fit, and it stays so."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def run(
        self, lengths: NDArray[np.integer], work: Callable[[NDArray[np.int64]], T]
    ) -> Iterator[tuple[NDArray[np.int64], T]]:
        """(positions, `work(positions)`) for batches that cover each of (n,) `lengths` once.

        Longest first, ties in input order. A batch holds texts × longest ≤ budget, or one text that alone is longer.
        On `DoesNotFit` the rest goes on under half the budget. Raises `WorkbenchError` where one text alone does not
        fit; every other exception of `work` passes through.
        """
        order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
        start = 0
        while start < order.size:
            count = max(1, self.tokens // max(1, int(lengths[order[start]])))
            positions = order[start : start + count]
            try:
                result = work(positions)
            except DoesNotFit as error:
                self._halve(lengths[positions], error)
                continue
            start += positions.size
            yield positions, result

    def _halve(self, lengths: NDArray[np.integer], error: DoesNotFit) -> None:
        longest = int(lengths.max())
        if lengths.size == 1:
            raise WorkbenchError(
                f"The device has no memory for a single text of {longest} tokens.",
                "Choose a smaller model, a shorter max_length, a lower precision or another device.",
            ) from error
        # Halved from what was really asked: a budget above the batch's own size would only fail again.
        self.tokens = max(longest, min(self.tokens, lengths.size * longest) // 2)


def windows(count: int, size: int) -> list[range]:
    """Consecutive ranges of at most `size` that cover 0 … count − 1."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def prefetched(items: Iterable[T], ahead: int = 1) -> Generator[T, None, None]:
    """`items`, produced in a thread that runs at most `ahead` steps in front of the consumer.

    An exception of the producer is raised here, at its place in the order. The thread ends when the consumer stops.
    """
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(maxsize=ahead)
    stopped = threading.Event()

    def put(entry: tuple[Any, BaseException | None]) -> bool:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        failure: BaseException | None = None
        try:
            for item in items:
                if not put((item, None)):
                    return
        except BaseException as error:  # noqa: BLE001 — carried over to the consumer, which raises it
            failure = error
        put((_END, failure))

    thread = threading.Thread(target=produce, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield cast(T, item)
    finally:
        stopped.set()
        thread.join()
