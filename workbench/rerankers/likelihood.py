"""Query likelihood: how probable a language model finds the query after the passage. Needs no training to rerank.

After UPR (Sachan et al. 2022, arXiv 2204.07496): the mean log-probability of the query's tokens. A general model that
answers “Yes” to anything can still rank this way.
"""

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.rerankers.causal import Causal, in_memory
from workbench.rerankers.prompts import Form, Prompt

QUESTION = "Question:"
NEEDED = ("logits_to_keep", "position_ids")
"""Arguments that a model's forward must take."""


class LikelihoodForm(Form):
    """`[bos] Passage: {passage}` + `\\n` + instruction + ` {query}`; score = mean log P of the query's tokens."""

    answers: ClassVar[tuple[str, ...]] = ()

    def around(self) -> int:
        return 2 + len(self.words.of("\n" + self.instruction))

    def prompts(self, query: str, passages: Sequence[str]) -> list[Prompt]:
        bos = self.words.tokenizer.bos_token_id
        begin = [] if bos is None else [bos]
        asked = self.words.of_data([f" {query}"], self.query_limit)[0]
        suffix = [*self.words.of("\n" + self.instruction), *asked]
        room = self.max_length - len(asked)
        made = self.words.of_data([f"Passage: {passage}" for passage in passages], room + 1)
        return [
            Prompt(
                [*begin, *ids[:room], *suffix],
                len(begin),
                len(begin) + len(ids[:room]),
                long or len(ids) > room,
                len(asked),
            )
            for ids, long in zip(made, map(self.too_long, passages), strict=True)
        ]


class LikelihoodScorer:
    """An ordinary language model that reads the pair once; only the query's places go through its output layer."""

    def __init__(self, causal: Causal) -> None:
        """Raises `BadInput` where the model cannot be asked for the last places alone."""
        accepted = inspect.signature(causal.model.forward).parameters
        if not all(name in accepted for name in NEEDED):
            raise BadInput(
                f"The query's likelihood cannot be read from “{causal.name}” ({type(causal.model).__name__}).",
                "Choose the form bge or qwen3.",
            )
        self.causal = causal

    def score(self, prompts: list[Prompt]) -> NDArray[np.float32]:
        """(m,) scores; the prompts end with the same query. Raises `DoesNotFit` where memory ran out."""
        asked, width = prompts[0].asked, max(len(each.ids) for each in prompts)
        # Padded on the left, so that the query stands at the same places in each row.
        rows = [[self.causal.words.pad] * (width - len(each.ids)) + each.ids for each in prompts]
        masks = [[0] * (width - len(each.ids)) + [1] * len(each.ids) for each in prompts]
        tokens = torch.tensor(rows, device=self.causal.device)
        mask = torch.tensor(masks, device=self.causal.device)

        def work() -> torch.Tensor:
            if not asked:
                return torch.zeros(len(prompts))
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            given = {"input_ids": tokens, "attention_mask": mask, "position_ids": positions}
            logits = self.causal.model(**given, use_cache=False, logits_to_keep=asked + 1).logits[:, -asked - 1 : -1]
            chances = logits.float().log_softmax(-1).gather(2, tokens[:, -asked:, None])
            mean: torch.Tensor = chances[:, :, 0].mean(1)
            return mean

        return in_memory(work, self.causal)

    def describe(self) -> dict[str, Any]:
        return {"cutoff_layer": None, "compress_layers": [], "compress_ratio": 1}
