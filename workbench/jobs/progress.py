"""Progress of a running job: at most two writes a second, with rate and time left, and the sign to stop."""

import time
from collections import deque
from collections.abc import Callable

from workbench.errors import Cancelled

INTERVAL = 0.5
WINDOW = 30.0

Write = Callable[[int, int, float | None, float | None], bool]


class Reporter:
    """`reporter(done, total)`: `write(done, total, rate, eta)` at most every `INTERVAL` seconds.

    `rate` is units per second over the last `WINDOW` seconds, counted from the first report: what an earlier attempt
    had finished says nothing about the speed of this one. Raises `Cancelled` where `write` returns False.
    """

    def __init__(self, write: Write, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self._written = float("-inf")
        self.done = 0
        self.total = 0

    def __call__(self, done: int, total: int) -> None:
        now = self._clock()
        if total != self.total or done < self.done:
            # Another stage of the work began: its units are others.
            self._samples.clear()
        self.done, self.total = done, total
        if not self._samples:
            self._samples.append((now, done))
        if now - self._written < INTERVAL:
            return
        self._written = now
        rate = self._rate(now)
        eta = (total - done) / rate if rate and total else None
        if not self._write(done, total, rate, eta):
            raise Cancelled

    def _rate(self, now: float) -> float | None:
        """Units per second over the window, or None before there is a second moment."""
        if now > self._samples[-1][0]:
            self._samples.append((now, self.done))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()
        then, before = self._samples[0]
        return (self.done - before) / (now - then) if now > then else None
