"""Texts through a sentence-transformers model: tokens ahead in a thread, batches by token budget, mixed precision.

What is our own is the order and the size of batches and the precision. Modules, pooling and prompts are the model's.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.batching import DoesNotFit, TokenBudget, prefetched, windows
from workbench.encoders.base import Role
from workbench.types import Progress

WINDOW = 4096
"""Texts tokenised and sorted by length together."""
CPU_TOKENS_PER_THREAD = 512
"""Batch budget on a CPU: activations stay in the cache. Measured at 384 dimensions: 4,096 a thread take 1.3 × as long,
8,192 take 1.9 ×; at 768 and 1,024 the curve is flat between 512 and 2,048."""
CUDA_TOKENS = 32768
"""Batch budget on a GPU, halved where it does not fit. Not measured here; TEI's default is 16,384."""

T = TypeVar("T")
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
    def suits(module: Any) -> bool:
        """Whether `module`, a model's first one, only tokenises: no chat template, expansion or settings of its own."""
        from sentence_transformers.base.modules import Transformer
        from transformers import PreTrainedTokenizerFast

        return (
            type(module) is Transformer
            and isinstance(module.processor, PreTrainedTokenizerFast)
            and set(module.modality_config) == {"text"}
            and module.transformer_task == "feature-extraction"
            and not module.processing_kwargs
            and module.query_expansion is None
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
    """A loaded model with its feed, device, precision and token budget. `dtype`: float32, bfloat16 or float16."""

    def __init__(self, model: Any, device: str, dtype: str, batch_tokens: int | None) -> None:
        self._model = model.eval()
        self._device = torch.device(device)
        self._autocast = dtype == "bfloat16" and self._device.type == "cpu"
        if self._autocast:
            keep_linear_weights_in_bfloat16(model)
        elif dtype != "float32":
            model.to(getattr(torch, dtype))
        self._feed: Feed = TokenFeed(model[0]) if TokenFeed.suits(model[0]) else TextFeed(model)
        self.budget = TokenBudget(batch_tokens or self._suitable_budget())

    def run(self, texts: list[str], prompt: str, role: Role, progress: Progress) -> NDArray[np.float32]:
        """(n, d) float32, row i for `texts[i]`, as the model's last module gives it."""
        spans = [texts[span.start : span.stop] for span in windows(len(texts), WINDOW)]
        blocks = (self._feed.read(span, prompt, role) for span in spans)
        parts: list[NDArray[np.float32]] = []
        done = 0
        with torch.inference_mode(), self._precision():
            for block in blocks if len(spans) == 1 else prefetched(blocks):
                start = done

                def report(count: int, start: int = start) -> None:
                    progress(start + count, len(texts))

                parts.append(self._window(block, role, report))
                done += len(block.lengths)
        return np.concatenate(parts)

    def _window(self, block: Block, role: Role, report: Callable[[int], None]) -> NDArray[np.float32]:
        placed: list[NDArray[np.int64]] = []
        parts: list[NDArray[np.float32]] = []
        done = 0
        results = self.budget.run(block.lengths, lambda positions: self._forward(block.features(positions), role))
        # Fetched one batch late: on a GPU the next one is computing by then.
        for positions, vectors in one_late(results):
            placed.append(positions)
            parts.append(vectors.cpu().numpy())
            done += positions.size
            report(done)
        rows: NDArray[np.float32] = np.concatenate(parts)[np.argsort(np.concatenate(placed))]
        return rows

    def _forward(self, features: Features, role: Role) -> torch.Tensor:
        """(m, d) float32 on the device. Raises `DoesNotFit` where the device's memory ran out, and only then."""
        try:
            moved = {name: self._moved(value) for name, value in features.items()}
            vectors: torch.Tensor = self._model(moved, task=role)["sentence_embedding"]
            return vectors.float()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            message = str(error)
        # Raised out here, where the failed attempt's tensors are no longer held by the exception.
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        raise DoesNotFit(message)

    def _moved(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or self._device.type == "cpu":
            return value
        return value.pin_memory().to(self._device, non_blocking=True)

    def _precision(self) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = torch.autocast("cpu", dtype=torch.bfloat16)
        return context if self._autocast else nullcontext()

    def _suitable_budget(self) -> int:
        return CUDA_TOKENS if self._device.type == "cuda" else CPU_TOKENS_PER_THREAD * torch.get_num_threads()


def keep_linear_weights_in_bfloat16(model: torch.nn.Module) -> None:
    """What CPU autocast makes of them on each call, once for all; norms and residual sums stay in float32."""
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.to(torch.bfloat16)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether `error` says that memory ran out, on the GPU or the CPU."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text


def one_late(items: Iterable[T]) -> Iterator[T]:
    """`items` in order, each given only after the next has been made."""
    held: list[T] = []
    for item in items:
        held.append(item)
        if len(held) > 1:
            yield held.pop(0)
    yield from held
