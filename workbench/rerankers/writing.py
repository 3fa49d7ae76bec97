"""A causal language model that runs here, made to write: its prompt framed by its chat template, greedy decoding."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch

from workbench.rerankers.causal import Causal, Words, cleaned
from workbench.rerankers.ordering import one_line
from workbench.torch_models import if_it_fits, precision

Tick = Callable[[], None]
"""Called now and then while a model writes; what it raises stops it."""


class Framing:
    """How one model is spoken to: the chat template, and texts cut so that nothing in them ends a turn."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self.chat = bool(getattr(words.tokenizer, "chat_template", None))
        specials = sorted(set(words.tokenizer.all_special_tokens), key=len, reverse=True)
        self._specials = re.compile("|".join(map(re.escape, specials)) or r"(?!)")

    def cut(self, texts: Sequence[str], limit: int) -> list[str]:
        """Each text on one line, in no more than `limit` tokens, without special tokens."""
        # Nothing of a text may count as the end of a turn.
        flat = [one_line(self._specials.sub(" ", cleaned(text, limit))) for text in texts]
        kept = self._words.of_data(flat, limit + 1)
        return [
            text if len(ids) <= limit else one_line(self._words.text(ids[:limit]))
            for text, ids in zip(flat, kept, strict=True)
        ]

    def framed(self, system: str, prompt: str) -> str:
        """The prompt as the model's chat template has it, up to where its answer begins."""
        if not self.chat:
            return f"{system}\n\n{prompt}\n\nAnswer: "
        turns = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
        apply = self._words.tokenizer.apply_chat_template
        from jinja2 import TemplateError

        try:
            return str(apply(turns, tokenize=False, add_generation_prompt=True))
        except TemplateError:
            # Some templates (Gemma's, Mistral's first ones) know no system turn.
            joined = [{"role": "user", "content": f"{system}\n\n{prompt}"}]
            return str(apply(joined, tokenize=False, add_generation_prompt=True))


def written(causal: Causal, prompt: str, limit: int, tick: Tick) -> str:
    """What the model writes after a framed prompt, each token the likeliest, `limit` tokens at most.

    Raises `DoesNotFit` where the device's memory ran out.
    """
    from transformers import GenerationConfig

    words = causal.words
    tokens = torch.tensor([words.of(prompt)], device=causal.device)
    own = getattr(causal.model, "generation_config", None)
    end = getattr(own, "eos_token_id", None) or words.tokenizer.eos_token_id
    config = GenerationConfig(do_sample=False, max_new_tokens=limit, eos_token_id=end, pad_token_id=words.pad)

    def watch(ids: torch.Tensor, scores: Any, **more: Any) -> torch.Tensor:
        tick()
        return torch.zeros(ids.shape[0], dtype=torch.bool, device=ids.device)

    def run() -> Any:
        with torch.inference_mode(), precision(causal.device, causal.dtype):
            return causal.model.generate(
                tokens, attention_mask=torch.ones_like(tokens), generation_config=config, stopping_criteria=[watch]
            )

    made = if_it_fits(causal.device, run)
    return str(words.tokenizer.decode(made[0, tokens.shape[1] :], skip_special_tokens=True))
