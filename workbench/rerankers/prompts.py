"""Prompts that ask a language model about one (query, passage) pair, in tokens. Only the passage is ever cut.

“bge”: FlagEmbedding's `inference/reranker/decoder_only` (ids of the parts joined, not the ids of the joined text).
“qwen3”: the model card of Qwen3-Reranker; sigmoid(score) is the probability that it publishes.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from workbench.errors import BadInput
from workbench.rerankers.causal import CHARACTERS_PER_TOKEN, Words, cleaned

BGE_PROMPT = (
    "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a "
    "prediction of either 'Yes' or 'No'."
)
LIGHTWEIGHT_PROMPT = "Predict whether passage B contains an answer to query A."
QWEN3_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
QWEN3_PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
QWEN3_SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
LEAST_PASSAGE = 8
"""Tokens that a passage must be able to keep."""


@dataclass(frozen=True)
class Prompt:
    """The ids of one pair; the passage's are `ids[start:stop]`. `cut`: the passage's end is not in it.

    `asked`: how many of the last ids are the query, where its likelihood is the score.
    """

    ids: list[int]
    start: int
    stop: int
    cut: bool
    asked: int = 0


class Form(ABC):
    """A way of asking. `answers`: the words of which the logits are read; the score is the first less the second."""

    answers: ClassVar[tuple[str, ...]]

    def __init__(self, words: Words, instruction: str, max_length: int, limit: int | None) -> None:
        """`max_length` tokens for query and passage, less where the model's `limit` leaves less.

        What the form puts around them comes on top. Raises `BadInput` where nothing is left for a passage.
        """
        self.words = words
        self.instruction = instruction
        around = self.around()
        self.max_length = max_length if limit is None else min(max_length, limit - around)
        self.query_limit = self.max_length * 3 // 4
        if self.max_length - self.query_limit < LEAST_PASSAGE:
            raise BadInput(
                f"The model reads {limit} tokens and the prompt itself takes {around} of them.",
                "Choose a model that reads longer texts, or a shorter instruction.",
            )

    @abstractmethod
    def around(self) -> int:
        """Tokens of what is put around query and passage."""

    @abstractmethod
    def prompts(self, query: str, passages: Sequence[str]) -> list[Prompt]:
        """One prompt for each passage."""

    def query_cut(self, query: str) -> bool:
        """Whether the query's end is left out."""
        return len(self.words.of_data([query], self.query_limit + 1)[0]) > self.query_limit

    def too_long(self, passage: str) -> bool:
        """Whether a passage is cut before it is tokenised."""
        return len(passage) > CHARACTERS_PER_TOKEN * self.max_length


class BGEForm(Form):
    """`[bos] A: {query}` + `\\n` + `B: {passage}` + `\\n` + instruction; score = logit of “Yes” at the last place."""

    answers = ("Yes",)

    def around(self) -> int:
        return len(self._suffix())

    def _suffix(self) -> list[int]:
        return [*self.words.of("\n"), *self.words.of(self.instruction)]

    def prompts(self, query: str, passages: Sequence[str]) -> list[Prompt]:
        bos, pad = self.words.tokenizer.bos_token_id, self.words.tokenizer.pad_token_id
        # As FlagEmbedding: a bos that is also the padding (Qwen) is none.
        begin = [] if bos is None or bos == pad else [bos]
        head = [*begin, *self.words.of_data([f"A: {query}"], self.query_limit)[0], *self.words.of("\n")]
        room, suffix = self.max_length - len(head), self._suffix()
        made = self.words.of_data([f"B: {passage}" for passage in passages], room + 1)
        return [
            Prompt([*head, *ids[:room], *suffix], len(head), len(head) + len(ids[:room]), long or len(ids) > room)
            for ids, long in zip(made, map(self.too_long, passages), strict=True)
        ]


class Qwen3Form(Form):
    """Qwen3-Reranker's chat; score = log-odds, logit of “yes” − logit of “no”, after an empty think block."""

    answers = ("yes", "no")

    def around(self) -> int:
        instruction = f"<Instruct>: {self.instruction}\n<Query>: \n<Document>: "
        return sum(len(self.words.of(part)) for part in (QWEN3_PREFIX, instruction, QWEN3_SUFFIX))

    def prompts(self, query: str, passages: Sequence[str]) -> list[Prompt]:
        prefix, suffix = self.words.of(QWEN3_PREFIX), self.words.of(QWEN3_SUFFIX)
        asked = self._head(query)
        head, empty = self.words.of_data([asked.rstrip(" "), self._head("")], 10**9)
        room = len(empty) + self.max_length
        # Tokenised together, as published: the blank before the document belongs to its first token.
        texts = [asked + cleaned(passage, self.max_length) for passage in passages]
        start = len(prefix) + len(head)
        made = self.words.of_data(texts, 10**9)
        return [
            Prompt([*prefix, *ids[:room], *suffix], start, len(prefix) + len(ids[:room]), long or len(ids) > room)
            for ids, long in zip(made, map(self.too_long, passages), strict=True)
        ]

    def _head(self, query: str) -> str:
        short = cleaned(query, self.query_limit + 1)
        kept = self.words.of_data([short], self.query_limit + 1)[0]
        if len(kept) > self.query_limit:
            short = self.words.text(kept[: self.query_limit])
        return f"<Instruct>: {self.instruction}\n<Query>: {short}\n<Document>: "
