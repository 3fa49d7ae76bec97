"""What a listwise reranker asks about a window of documents: a model that runs here, or one at an endpoint."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from workbench.batching import DoesNotFit
from workbench.errors import BadInput, WorkbenchError
from workbench.rerankers.causal import Causal, answer_logits, cleaned, load_causal
from workbench.rerankers.endpoint import Endpoint, chat_address
from workbench.rerankers.ordering import LETTERS, SYSTEM, Order, one_line, read_order, window_prompt
from workbench.rerankers.writing import Framing, Tick, written
from workbench.specs import EncodeSpec, ListwiseSpec

QUERY_TOKENS = 256
"""Most tokens (at an endpoint: words) of a query; it stands in the prompt twice."""
NAME_TOKENS = 6
"""Tokens of an identifier in the answer, with its brackets and the sign to the next."""
JOIN_TOKENS = 2
"""Tokens more that a text may take inside of the prompt than alone."""


class Asker(Protocol):
    """What orders the passages of one window."""

    warnings: list[str]
    passage_tokens: int
    size_bytes: int

    def cut(self, texts: Sequence[str], limit: int) -> list[str]:
        """Each text on one line, in no more than `limit` tokens, without what could be taken for the prompt's own."""
        ...

    def ask(self, query: str, passages: list[str], tick: Tick) -> tuple[str, str, Order]:
        """(prompt, answer, order) for passages that were cut. Raises `WorkbenchError` where there is no answer."""
        ...

    def describe(self) -> dict[str, Any]: ...


class RemoteModel:
    """A model behind an OpenAI-compatible endpoint. Texts are cut by words, as its tokens are not known."""

    def __init__(self, spec: ListwiseSpec) -> None:
        if spec.first_token:
            raise BadInput(
                "FIRST needs the logits of a model that runs here; an endpoint gives its text only.",
                "Switch first_token off, or leave the endpoint empty and name a local model.",
            )
        if not spec.model.strip():
            raise BadInput("The endpoint's model has no name.", "Give the name under which the service knows it.")
        self._endpoint = Endpoint(chat_address(spec.endpoint), spec.model, spec.key_variable, spec.timeout)
        self.passage_tokens = spec.passage_tokens
        self.size_bytes = 0
        self.warnings: list[str] = []

    def cut(self, texts: Sequence[str], limit: int) -> list[str]:
        return [" ".join(one_line(cleaned(text, limit)).split(" ")[:limit]) for text in texts]

    def ask(self, query: str, passages: list[str], tick: Tick) -> tuple[str, str, Order]:
        prompt = window_prompt(self.cut([query], QUERY_TOKENS)[0], passages)
        answer = self._endpoint.ask(SYSTEM, prompt)
        return f"{SYSTEM}\n\n{prompt}", answer, read_order(answer, len(passages))

    def describe(self) -> dict[str, Any]:
        return {"endpoint": self._endpoint.address, "passage_words": self.passage_tokens, "versions": {}}


class LocalModel:
    """A causal model that runs here: it writes the order, or (FIRST) tells how likely each identifier comes first."""

    def __init__(self, spec: ListwiseSpec, run: EncodeSpec) -> None:
        """Raises `NotFound` or `BadInput` where it cannot be loaded, or cannot read such a window."""
        if spec.first_token and spec.window > len(LETTERS):
            raise BadInput(
                f"The window is {spec.window}; FIRST names documents by letters, of which there are {len(LETTERS)}.",
                f"Choose a window of {len(LETTERS)} or less.",
            )
        self._first = spec.first_token
        self.causal: Causal = load_causal(spec, run, LETTERS[: spec.window] if spec.first_token else ())
        self.size_bytes = self.causal.size_bytes
        words = self.causal.words
        if spec.first_token and any(len(words.of(letter)) > 1 for letter in LETTERS[: spec.window]):
            raise BadInput(f"The tokenizer of “{spec.model}” cuts letters up.", "Switch first_token off.")
        self.warnings: list[str] = []
        self._framing = Framing(words)
        if not self._framing.chat:
            self.warnings.append(f"“{spec.model}” has no chat template: the question is put to it as plain text.")
        self.passage_tokens = self._fitting(spec)

    def _fitting(self, spec: ListwiseSpec) -> int:
        """Tokens of a passage such that a whole window and its answer fit the model. Raises `BadInput` below 8."""
        limit = self.causal.limit
        if limit is None:
            return spec.passage_tokens
        empty = len(self.causal.words.of(self._framed(window_prompt("", [""] * spec.window, self._first))))
        answer = 1 if self._first else answer_tokens(spec.window)
        asked = 2 * (self._query_tokens() + JOIN_TOKENS)
        room = (limit - empty - asked - answer) // spec.window - JOIN_TOKENS
        if room < min(8, spec.passage_tokens):
            raise BadInput(
                f"A window of {spec.window} documents does not fit “{spec.model}”, which reads {limit} tokens.",
                "Choose a smaller window, or a model that reads more.",
            )
        if room < spec.passage_tokens:
            self.warnings.append(
                f"“{spec.model}” reads {limit} tokens: passages are cut to {room} tokens, not {spec.passage_tokens}."
            )
        return min(room, spec.passage_tokens)

    def _query_tokens(self) -> int:
        """Most tokens of a query: at most an eighth of what the model reads, as it stands in the prompt twice."""
        return QUERY_TOKENS if self.causal.limit is None else min(QUERY_TOKENS, self.causal.limit // 8)

    def cut(self, texts: Sequence[str], limit: int) -> list[str]:
        return self._framing.cut(texts, limit)

    def ask(self, query: str, passages: list[str], tick: Tick) -> tuple[str, str, Order]:
        query = self.cut([query], self._query_tokens())[0]
        prompt = self._framed(window_prompt(query, passages, self._first))
        try:
            if self._first:
                return self._first_answer(f"{prompt}[", len(passages))
            answer = written(self.causal, prompt, answer_tokens(len(passages)), tick)
        except DoesNotFit as error:
            raise WorkbenchError(
                f"The device has no memory for a window of {len(passages)} documents.",
                "Choose a smaller window, shorter passages, or a smaller model.",
            ) from error
        return prompt, answer, read_order(answer, len(passages))

    def _framed(self, prompt: str) -> str:
        return self._framing.framed(SYSTEM, prompt)

    def _first_answer(self, prompt: str, count: int) -> tuple[str, str, Order]:
        """FIRST: the letters by the logit that each has as the first one of the answer."""
        logits = answer_logits(self.causal, [self.causal.words.of(prompt)])[0][:count]
        order = tuple(int(place) for place in np.argsort(-logits, kind="stable"))
        answer = " > ".join(f"{LETTERS[place]} {logits[place]:.3f}" for place in order)
        return prompt, answer, Order(order, ())

    def describe(self) -> dict[str, Any]:
        return {
            "chat_template": self._framing.chat,
            "passage_tokens": self.passage_tokens,
            "decoding": "first token" if self._first else "greedy",
            **self.causal.described(),
        }


def answer_tokens(count: int) -> int:
    """Tokens that an order of `count` documents may take."""
    return NAME_TOKENS * count + 8
