"""What encoders and rerankers share around a loaded torch model: precision, batch budgets, limits, missing weights."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch

from workbench.batching import DoesNotFit
from workbench.checkpoints import memory_ran_out
from workbench.errors import BadInput

T = TypeVar("T")
CPU_TOKENS_PER_THREAD = 512
"""Batch budget on a CPU: activations stay in the cache. Measured at 384 dimensions: 4,096 a thread take 1.3 × as long,
8,192 take 1.9 ×; at 768 and 1,024 the curve is flat between 512 and 2,048."""
CUDA_TOKENS = 32768
"""Batch budget on a GPU, halved where it does not fit. Not measured here; TEI's default is 16,384."""
OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl"}
"""Architectures whose position table begins with two entries that no token uses."""


def suitable_budget(device: torch.device) -> int:
    """Tokens of a batch, padding counted, that suit `device`."""
    return CUDA_TOKENS if device.type == "cuda" else CPU_TOKENS_PER_THREAD * torch.get_num_threads()


def set_precision(model: torch.nn.Module, device: torch.device, dtype: str) -> None:
    """Bring `model` to `dtype`, to be run inside of `precision`. On a CPU only the products are bfloat16."""
    if dtype == "bfloat16" and device.type == "cpu":
        keep_linear_weights_in_bfloat16(model)
    elif dtype != "float32":
        model.to(getattr(torch, dtype))


def precision(device: torch.device, dtype: str) -> AbstractContextManager[Any]:
    """The context in which a model of `set_precision` runs."""
    if dtype == "bfloat16" and device.type == "cpu":
        context: AbstractContextManager[Any] = torch.autocast("cpu", dtype=torch.bfloat16)
        return context
    return nullcontext()


def keep_linear_weights_in_bfloat16(model: torch.nn.Module) -> None:
    """What CPU autocast makes of them on each call, once for all; norms and residual sums stay in float32."""
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.to(torch.bfloat16)


def if_it_fits(device: torch.device, work: Callable[[], T]) -> T:
    """`work()`. Raises `DoesNotFit` where the memory of `device` ran out, and only then; else what `work` raises."""
    try:
        return work()
    except RuntimeError as error:
        if not memory_ran_out(error):
            raise
        message = str(error)
    # Raised out here, where the failed attempt's tensors are no longer held by the exception.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    raise DoesNotFit(message)


def one_late(items: Iterable[T]) -> Iterator[T]:
    """`items` in order, each given only after the next has been made: a GPU computes while the last is fetched."""
    held: list[T] = []
    for item in items:
        held.append(item)
        if len(held) > 1:
            yield held.pop(0)
    yield from held


def position_limit(config: Any) -> int | None:
    """Tokens that a model's position table can hold; None where it has none (or says nothing)."""
    limit = getattr(config, "max_position_embeddings", None)
    if limit is not None and getattr(config, "model_type", "") in OFFSET_POSITIONS:
        limit -= 2
    return int(limit) if limit is not None and limit > 0 else None


def checked_length(model: str, asked: int, limit: int | None) -> int:
    """`asked`, a max_length. Raises `BadInput` where it is more than the `limit` of tokens that `model` can read."""
    if limit is not None and limit < asked:
        raise BadInput(
            f"max_length is {asked}, but “{model}” reads at most {limit} tokens.", f"Choose {limit} or less."
        )
    return asked


def untrained(model: torch.nn.Module) -> list[str]:
    """Parameters that the files of a just loaded transformers model lack, so that they hold random numbers.

    transformers marks each parameter that it read; adapters are put in afterwards and are not meant.
    """
    named = list(model.named_parameters())
    return [name for name, weight in named if not getattr(weight, "_is_hf_initialized", False) and ".lora_" not in name]
