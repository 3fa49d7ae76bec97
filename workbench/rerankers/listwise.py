"""A language model orders a window of documents at a time, from the bottom of the list to its top."""

from typing import Any, Self

import numpy as np

from workbench.rerankers.askers import Asker, LocalModel, RemoteModel
from workbench.rerankers.base import RUN, Reranked, Reranker, Window
from workbench.rerankers.ordering import window_spans
from workbench.specs import EncodeSpec, ListwiseSpec, RerankerSpec
from workbench.types import Content, Progress

KEPT_ANSWER = 20_000
"""Characters of an answer that are kept for the inspector."""


class ListwiseReranker(Reranker):
    """Scores are places: n − 1 for the first of n documents, 0 for the last. Every question and answer is kept."""

    pointwise = False

    def __init__(self, spec: ListwiseSpec, asker: Asker) -> None:
        self._spec = spec
        self._asker = asker
        self.warnings = asker.warnings

    @classmethod
    def open(cls, spec: RerankerSpec, run: EncodeSpec = RUN) -> Self:
        """Load the model, or make ready to ask the endpoint (it is not asked yet). Raises `NotFound` or `BadInput`."""
        if not isinstance(spec, ListwiseSpec):
            raise TypeError(f"a ListwiseSpec is needed, not {type(spec).__name__}")
        return cls(spec, RemoteModel(spec) if spec.endpoint.strip() else LocalModel(spec, run))

    @property
    def size_bytes(self) -> int:
        return self._asker.size_bytes

    def describe(self) -> dict[str, Any]:
        return {
            "family": "listwise",
            "model": self._spec.model,
            "gguf_file": self._spec.gguf_file,
            "score": "place in the list: n − 1 … 0",
            "window": self._spec.window,
            "stride": self._spec.stride,
            "trust_remote_code": self._spec.trust_remote_code,
            **self._asker.describe(),
        }

    def _rerank(self, query: Content, documents: list[Content], progress: Progress) -> Reranked:
        count = len(documents)
        passages = self._asker.cut([each.text for each in documents], self._asker.passage_tokens)
        places = list(range(count))
        """Documents by their number, in the order as it stands."""
        windows: list[Window] = []
        done = 0
        for start, stop in window_spans(count, self._spec.window, self._spec.stride):
            here = places[start:stop]

            def tick(done: int = done) -> None:
                progress(done, count)

            tick()
            prompt, answer, order = self._asker.ask(query.text, [passages[n] for n in here], tick)
            places[start:stop] = [here[place] for place in order.order]
            windows.append(Window(start, stop, prompt, answer[:KEPT_ANSWER], order.order, order.repairs))
            done = count - start
        progress(count, count)
        scores = np.empty(count, np.float32)
        scores[places] = np.arange(count - 1, -1, -1, dtype=np.float32)
        return Reranked(scores, windows, repair_notes(windows))


def repair_notes(windows: list[Window]) -> list[str]:
    """A sentence where answers had to be mended."""
    mended = sum(bool(each.repairs) for each in windows)
    if not mended:
        return []
    answers = "answer" if len(windows) == 1 else "answers"
    return [f"{mended} of {len(windows)} {answers} of the model had to be repaired: see the windows."]
