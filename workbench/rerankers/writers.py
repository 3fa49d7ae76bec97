"""A language model answers a prompt about one text: a model that runs here, or one at an endpoint. No chance in it."""

import re
from typing import Any, Protocol

from workbench.batching import DoesNotFit
from workbench.errors import BadInput, WorkbenchError
from workbench.rerankers.causal import Causal, cleaned, load_causal
from workbench.rerankers.endpoint import Endpoint, chat_address
from workbench.rerankers.ordering import one_line
from workbench.rerankers.writing import Framing, Tick, written
from workbench.specs import EncodeSpec, WriterSpec

SYSTEM = "You help to test a search engine. You write search queries, and nothing else."
JOIN_TOKENS = 2
"""Tokens more that a text may take inside of the prompt than alone."""
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_LABEL = re.compile(
    r"^(?:[-*•]|\d{1,2}[.)])?\s*(?:(?:new |search |short )*(?:query|question|answer)\s*:)?\s*", re.IGNORECASE
)
_QUOTES = "\"'“”„«»`*_ \t"


def read_answer(answer: str) -> str:
    """The query in an answer: its first line, without what a model thought aloud, labels, list marks and quotes.

    >>> read_answer('<think>Hm.</think>\\n\\nQuery: "how do bees dance"\\nI chose it because …')
    'how do bees dance'
    """
    lines = (line.strip() for line in _THOUGHT.sub("", answer).splitlines())
    first = next((line for line in lines if line), "")
    return " ".join(_LABEL.sub("", first.strip(_QUOTES)).strip(_QUOTES).split())


class Writer(Protocol):
    """What writes an answer."""

    warnings: list[str]

    def write(self, prompt: str, place: str, text: str, tick: Tick) -> str:
        """The answer to `prompt`, in which `text` stands at `place`. Raises `WorkbenchError` where there is none."""
        ...

    def describe(self) -> dict[str, Any]: ...


def open_writer(spec: WriterSpec, run: EncodeSpec) -> Writer:
    """Load the model, or make ready to ask the endpoint (it is not asked yet). Raises `NotFound` or `BadInput`."""
    if not spec.model.strip():
        raise BadInput(
            "No model was named that could write.",
            "Name a causal language model (hub id or folder), or an endpoint and the model's name there.",
        )
    return RemoteWriter(spec) if spec.endpoint.strip() else LocalWriter(spec, run)


class RemoteWriter:
    """A model behind an OpenAI-compatible endpoint. Texts are cut by words, as its tokens are not known."""

    def __init__(self, spec: WriterSpec) -> None:
        self._endpoint = Endpoint(chat_address(spec.endpoint), spec.model, spec.key_variable, spec.timeout)
        self._limit = spec.document_tokens
        self.warnings: list[str] = []

    def write(self, prompt: str, place: str, text: str, tick: Tick) -> str:
        tick()
        cut = " ".join(one_line(cleaned(text, self._limit)).split(" ")[: self._limit])
        return self._endpoint.ask(SYSTEM, prompt.replace(place, cut))

    def describe(self) -> dict[str, Any]:
        return {"model": self._endpoint.model, "endpoint": self._endpoint.address, "document_words": self._limit}


class LocalWriter:
    """A causal model that runs here; each token the likeliest."""

    def __init__(self, spec: WriterSpec, run: EncodeSpec) -> None:
        """Raises `NotFound` or `BadInput` where it cannot be loaded."""
        self._causal: Causal = load_causal(spec, run)
        self._framing = Framing(self._causal.words)
        self._spec = spec
        self.warnings: list[str] = []
        if not self._framing.chat:
            self.warnings.append(f"“{spec.model}” has no chat template: the question is put to it as plain text.")

    def write(self, prompt: str, place: str, text: str, tick: Tick) -> str:
        cut = self._framing.cut([text], self._room(prompt, place))[0]
        framed = self._framing.framed(SYSTEM, prompt.replace(place, cut))
        try:
            return written(self._causal, framed, self._spec.answer_tokens, tick)
        except DoesNotFit as error:
            raise WorkbenchError(
                "The device has no memory for this prompt.", "Choose fewer document tokens, or a smaller model."
            ) from error

    def _room(self, prompt: str, place: str) -> int:
        """Tokens of the text such that prompt and answer fit the model. Raises `BadInput` below 8."""
        wanted, limit = self._spec.document_tokens, self._causal.limit
        if limit is None:
            return wanted
        empty = len(self._causal.words.of(self._framing.framed(SYSTEM, prompt.replace(place, ""))))
        room = min(wanted, limit - empty - self._spec.answer_tokens - JOIN_TOKENS)
        if room < min(8, wanted):
            raise BadInput(
                f"The prompt does not fit “{self._spec.model}”, which reads {limit} tokens.",
                "Write a shorter prompt, ask for a shorter answer, or choose a model that reads more.",
            )
        return room

    def describe(self) -> dict[str, Any]:
        return {
            "model": self._spec.model,
            "gguf_file": self._spec.gguf_file,
            "chat_template": self._framing.chat,
            "decoding": "greedy",
            "document_tokens": self._spec.document_tokens,
            "answer_tokens": self._spec.answer_tokens,
            **self._causal.described(),
        }
