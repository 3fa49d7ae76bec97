"""Texts through a sentence-transformers model: tokens ahead in a thread, batches by token budget, mixed precision.

What is our own is the order and the size of batches and the precision. Modules, pooling and prompts are the model's;
what is kept of their output is the form's (`workbench.encoders.forms`).
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.batching import TokenBudget, prefetched, windows
from workbench.encoders.base import Role
from workbench.encoders.forms import DENSE, Form, joined, reordered
from workbench.torch_models import if_it_fits, one_late, precision, set_precision, suitable_budget
from workbench.types import Progress

WINDOW = 4096
"""Texts tokenised and sorted by length together."""
Features = dict[str, Any]


@dataclass(frozen=True)
class Block:
    """A window of texts made ready: the length of each in tokens, and the model's input for chosen ones."""

    lengths: NDArray[np.int64]
    features: Callable[[NDArray[np.int64]], Features]


class Feed(Protocol):
    """How texts, prompt included, become a model's input."""

    def read(self, texts: list[str], prompt: str, role: Role) -> Block: ...


class TokenFeed:
    """For a plain transformer with a fast tokenizer: a whole window at once, outside of Python's lock, unpadded."""

    def __init__(self, module: Any) -> None:
        tokenizer = module.tokenizer
        # A copy of our own: the original's padding and truncation are switched by whoever else uses the model.
        self._backend = copy.deepcopy(tokenizer.backend_tokenizer)
        self._backend.no_padding()
        self._module = module
        self._pad_id = int(tokenizer.pad_token_id or 0)
        self._left = tokenizer.padding_side == "left"
        self._specials = set(tokenizer.all_special_ids)
        self._type_id: int | None = None
        if "token_type_ids" in tokenizer.model_input_names:
            self._type_id = int(max(self._backend.encode("a").type_ids, default=0))
        self._truncation: int | None = -1
        self._truncate(None)

    @staticmethod
    def suits(module: Any, role: Role) -> bool:
        """Whether `module`, a model's first one, only tokenises: no chat template, expansion or settings of its own."""
        from sentence_transformers.base.modules import Transformer
        from transformers import PreTrainedTokenizerFast

        return (
            type(module) is Transformer
            and isinstance(module.processor, PreTrainedTokenizerFast)
            and set(module.modality_config) == {"text"}
            and module.transformer_task in ("feature-extraction", "fill-mask")
            and not module.processing_kwargs
            and (module.query_expansion is None or role == "document")
            and not module.can_flatten_inputs
            and len(set(module.processor.backend_tokenizer.encode("a").type_ids)) <= 1
        )

    def read(self, texts: list[str], prompt: str, role: Role) -> Block:
        self._truncate(self._module.query_length if role == "query" else self._module.document_length)
        given = [prompt + text for text in texts] if prompt else texts
        ids = [np.asarray(each.ids, dtype=np.int64) for each in self._backend.encode_batch_fast(given)]
        extra: Features = {"modality": "text"}
        if prompt:
            extra["prompt_length"] = self._prompt_length(prompt)
        return Block(
            np.fromiter(map(len, ids), np.int64, len(ids)),
            lambda positions: self._padded([ids[n] for n in positions]) | extra,
        )

    def _padded(self, ids: list[NDArray[np.int64]]) -> Features:
        width = max(1, max(map(len, ids)))
        tokens = np.full((len(ids), width), self._pad_id, dtype=np.int64)
        mask = np.zeros_like(tokens)
        for row, each in enumerate(ids):
            span = slice(width - len(each), width) if self._left else slice(0, len(each))
            tokens[row, span] = each
            mask[row, span] = 1
        features = {"input_ids": torch.from_numpy(tokens), "attention_mask": torch.from_numpy(mask)}
        if self._type_id is not None:
            features["token_type_ids"] = torch.from_numpy(mask * self._type_id)
        return features

    def _prompt_length(self, prompt: str) -> int:
        """Tokens of the prompt, without the closing special one: what poolings that skip the prompt leave out."""
        ids = self._backend.encode(prompt).ids
        return len(ids) - 1 if ids and ids[-1] in self._specials else len(ids)

    def _truncate(self, length: int | None) -> None:
        wanted = length or self._module.tokenizer.model_max_length
        # Tokenizers without a limit carry a huge number.
        wanted = int(wanted) if wanted < 1 << 30 else None
        if wanted == self._truncation:
            return
        if wanted is None:
            self._backend.no_truncation()
        else:
            side = self._module.tokenizer.truncation_side
            self._backend.enable_truncation(wanted, strategy="longest_first", direction=side)
        self._truncation = wanted


class TextFeed:
    """For every other first module (static vectors, routers, chat templates): its own `preprocess`, batch by batch."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def read(self, texts: list[str], prompt: str, role: Role) -> Block:
        def features(positions: NDArray[np.int64]) -> Features:
            chosen = [texts[n] for n in positions]
            made: Features = self._model.preprocess(chosen, prompt=prompt or None, task=role)
            return made

        limit = getattr(self._model, "max_seq_length", None) or math.inf
        # Only to sort and to bound batches: about four characters make a token.
        guesses = (min(limit, 2 + (len(prompt) + len(text)) // 4) for text in texts)
        return Block(np.fromiter(guesses, np.int64, len(texts)), features)


class Runner:
    """A loaded model with its feeds, device, precision and token budget. `dtype`: float32, bfloat16 or float16."""

    def __init__(self, model: Any, device: str, dtype: str, batch_tokens: int | None, form: Form = DENSE) -> None:
        self._model = model.eval()
        self._device = torch.device(device)
        self._dtype = dtype
        set_precision(model, self._device, dtype)
        self._form = form
        # Expansion is of queries only, so documents of such a model still take the quick way.
        quick = TokenFeed(model[0]) if TokenFeed.suits(model[0], "document") else None
        roles: tuple[Role, ...] = ("query", "document")
        self._feeds: dict[Role, Feed] = {
            role: quick if quick is not None and TokenFeed.suits(model[0], role) else TextFeed(model) for role in roles
        }
        self.budget = TokenBudget(batch_tokens or suitable_budget(self._device))

    def run(self, texts: list[str], prompt: str, role: Role, progress: Progress, form: Form | None = None) -> Any:
        """n rows, row i for `texts[i]`, as `form` (else the runner's own) keeps them of the model's output."""
        chosen = form or self._form
        spans = [texts[span.start : span.stop] for span in windows(len(texts), WINDOW)]
        blocks = (self._feeds[role].read(span, prompt, role) for span in spans)
        parts: list[Any] = []
        done = 0
        with torch.inference_mode(), precision(self._device, self._dtype):
            for block in blocks if len(spans) == 1 else prefetched(blocks):
                start = done

                def report(count: int, start: int = start) -> None:
                    progress(start + count, len(texts))

                parts.append(self._window(block, role, chosen, report))
                done += len(block.lengths)
        return joined(parts)

    def features(self, text: str, prompt: str, role: Role) -> Features:
        """The model's input for one text."""
        return self._feeds[role].read([text], prompt, role).features(np.zeros(1, np.int64))

    def _window(self, block: Block, role: Role, form: Form, report: Callable[[int], None]) -> Any:
        placed: list[NDArray[np.int64]] = []
        parts: list[Any] = []
        done = 0
        results = self.budget.run(block.lengths, lambda positions: self._forward(block.features(positions), role, form))
        # Fetched one batch late: on a GPU the next one is computing by then.
        for positions, kept in one_late(results):
            placed.append(positions)
            parts.append(form.fetch(kept))
            done += positions.size
            report(done)
        return reordered(joined(parts), np.argsort(np.concatenate(placed)))

    def _forward(self, features: Features, role: Role, form: Form) -> Any:
        """What `form` keeps, on the device. Raises `DoesNotFit` where the device's memory ran out, and only then."""

        def run() -> Any:
            moved = {name: self._moved(value) for name, value in features.items()}
            return form.keep(self._model(moved, task=role, **form.options()))

        return if_it_fits(self._device, run)

    def _moved(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or self._device.type == "cpu":
            return value
        return value.pin_memory().to(self._device, non_blocking=True)
