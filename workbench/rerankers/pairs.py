"""(query, document) pairs as the input of a cross-encoder: joined by the tokenizer, cut in the document only."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

QUERY_SHARE = 0.75
"""Of a pair's length, the most that a query may take (as FlagEmbedding has it); the rest is the document's."""
CHARACTERS_PER_TOKEN = 64
"""A text is cut to so many characters for each token that can be read, before it is tokenised: a text of 10 MB costs
what a long one does. Texts with fewer tokens are nearly all spaces."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of one query in tokens, unpadded: `ids[i]`, and `types[i]`, which tells the two texts apart.

    `cut` holds the positions of documents of which the end is not in `ids`; `query_cut` says it of the query.
    """

    ids: list[NDArray[np.int64]]
    types: list[NDArray[np.int64]]
    cut: list[int]
    query_cut: bool

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) tokens of each pair, separators included."""
        return np.fromiter(map(len, self.ids), np.int64, len(self.ids))


class PairFeed:
    """A fast tokenizer that joins and cuts pairs, without touching the model's own."""

    def __init__(self, tokenizer: Any, max_length: int | None) -> None:
        """`max_length`: tokens of the longest pair, None = no limit."""
        # A copy of our own: the original's padding and truncation are switched by whoever else uses the model.
        self._backend = copy.deepcopy(tokenizer.backend_tokenizer)
        self._backend.no_padding()
        self._max_length = max_length
        self._pad_id = int(tokenizer.pad_token_id or 0)
        self._pad_type = int(getattr(tokenizer, "pad_token_type_id", 0) or 0)
        self._left = tokenizer.padding_side == "left"
        self._with_types = "token_type_ids" in tokenizer.model_input_names
        self._direction = tokenizer.truncation_side

    @staticmethod
    def suits(model: Any) -> bool:
        """Whether `model`, a CrossEncoder, is one plain text classifier: no chat template or settings of its own."""
        from sentence_transformers.base.modules import Transformer
        from transformers import PreTrainedTokenizerFast

        module = model[0]
        return (
            len(model) == 1
            and type(module) is Transformer
            and module.transformer_task == "sequence-classification"
            and set(module.modality_config) == {"text"}
            and isinstance(module.processor, PreTrainedTokenizerFast)
            and not module.processing_kwargs
        )

    def read(self, query: str, documents: list[str]) -> Pairs:
        """The pairs of `query`, prompt included, in the order of `documents`."""
        query, query_cut = self._fitting(query)
        long: set[int] = set()
        if self._max_length is None:
            self._backend.no_truncation()
        else:
            room = self._max_length * CHARACTERS_PER_TOKEN
            long = {position for position, each in enumerate(documents) if len(each) > room}
            documents = [each[:room] for each in documents] if long else documents
            self._backend.enable_truncation(self._max_length, strategy="only_second", direction=self._direction)
        made = self._backend.encode_batch_fast([(query, each) for each in documents])
        return Pairs(
            ids=[np.asarray(each.ids, dtype=np.int64) for each in made],
            types=[np.asarray(each.type_ids, dtype=np.int64) for each in made],
            cut=[position for position, each in enumerate(made) if each.overflowing or position in long],
            query_cut=query_cut,
        )

    def features(self, pairs: Pairs, positions: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """The model's input for the pairs at `positions`, padded to the longest of them: (m, width) each."""
        width = max(len(pairs.ids[n]) for n in positions)
        tokens = np.full((positions.size, width), self._pad_id, dtype=np.int64)
        types = np.full_like(tokens, self._pad_type)
        mask = np.zeros_like(tokens)
        for row, n in enumerate(positions):
            length = len(pairs.ids[n])
            span = slice(width - length, width) if self._left else slice(0, length)
            tokens[row, span], types[row, span], mask[row, span] = pairs.ids[n], pairs.types[n], 1
        made = {"input_ids": torch.from_numpy(tokens), "attention_mask": torch.from_numpy(mask)}
        return made | ({"token_type_ids": torch.from_numpy(types)} if self._with_types else {})

    def _fitting(self, query: str) -> tuple[str, bool]:
        """(the query, at most its share of a pair; whether something of it was left out)."""
        if self._max_length is None:
            return query, False
        self._backend.no_truncation()
        given = query[: self._max_length * CHARACTERS_PER_TOKEN]
        made = self._backend.encode(given, add_special_tokens=False)
        room = self._max_length - self._backend.num_special_tokens_to_add(True) - 1
        share = max(1, min(int(self._max_length * QUERY_SHARE), room))
        if len(made.ids) > share:
            given = given[: made.offsets[share - 1][1]]
        return given, len(given) < len(query)
