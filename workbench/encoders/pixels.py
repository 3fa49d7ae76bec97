"""Images through a vision model: opened and resized in a thread ahead of it, in batches that fit the device."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from workbench.batching import TokenBudget, prefetched, windows
from workbench.images import read_image
from workbench.torch_models import if_it_fits, precision, set_precision

WINDOW = 32
"""Images made ready together; three windows at most are in memory."""
CPU_IMAGES = 4
"""Images in a batch on a CPU. Measured on two cores with EfficientNet-Lite0, images a second: 1 → 99, 4 → 191, 16 → 88,
32 → 59 (activations leave the cache); a ViT-S in bfloat16 is about equal from 2 to 32."""
CUDA_IMAGES = 64

Features = dict[str, torch.Tensor]
Prepare = Callable[[list[Image.Image]], Features]
Forward = Callable[[Features], torch.Tensor]


class Precision:
    """Where and in what precision a model runs: moves it there once, and says how to call it."""

    def __init__(self, model: torch.nn.Module, device: str, dtype: str) -> None:
        self.device = torch.device(device)
        self.dtype = dtype
        model.eval().to(self.device)
        set_precision(model, self.device, dtype)

    def moved(self, features: Features) -> Features:
        """The tensors on the device; those of floats in the model's precision."""
        kind = torch.float32 if self.device.type == "cpu" else getattr(torch, self.dtype)
        return {
            name: value.to(self.device, kind if value.is_floating_point() else None) for name, value in features.items()
        }

    def call(self, forward: Forward, features: Features) -> torch.Tensor:
        """(m, d) float32 of `forward`. Raises `DoesNotFit` where the device's memory ran out, and only then."""

        def run() -> torch.Tensor:
            with torch.inference_mode(), precision(self.device, self.dtype):
                return forward(self.moved(features)).float().cpu()

        return if_it_fits(self.device, run)


class ImageRunner:
    """A vision model with its preparation of pixels. `tokens`: what one image counts against the batch budget."""

    def __init__(self, precision: Precision, prepare: Prepare, forward: Forward, batch: tuple[int | None, int]) -> None:
        """`batch` = (tokens in a batch or None for what suits the device, tokens of an image)."""
        budget, self._tokens = batch
        suitable = CUDA_IMAGES if precision.device.type == "cuda" else CPU_IMAGES
        self._budget = TokenBudget(budget or suitable * self._tokens)
        self._precision = precision
        self._prepare = prepare
        self._forward = forward

    def run(self, images: list[Path], report: Callable[[int], None]) -> NDArray[np.float32]:
        """(n, d) float32, row i for `images[i]`. Raises `BadInput` naming a file that is no image."""
        parts: list[NDArray[np.float32]] = []
        done = 0
        with closing(prefetched(self._made_ready(images))) as blocks:
            for count, features in blocks:
                lengths = np.full(count, self._tokens)
                # All are equally long, so that the batches come in input order.
                for positions, rows in self._budget.run(lengths, lambda at, block=features: self._batch(block, at)):  # type: ignore[misc]
                    parts.append(rows.numpy())
                    done += positions.size
                    report(done)
        return np.concatenate(parts)

    def _made_ready(self, images: list[Path]) -> Iterator[tuple[int, Features]]:
        for span in windows(len(images), WINDOW):
            yield len(span), self._prepare([read_image(path) for path in images[span.start : span.stop]])

    def _batch(self, features: Features, positions: NDArray[np.int64]) -> torch.Tensor:
        return self._precision.call(self._forward, {name: value[positions] for name, value in features.items()})


def preparation(processor: Any) -> dict[str, Any]:
    """What decides the pixels a model sees, as plain JSON."""
    known = processor.to_dict()
    names = (
        "size",
        "crop_size",
        "resample",
        "image_mean",
        "image_std",
        "do_center_crop",
        "patch_size",
        "max_num_patches",
    )
    kept = {name: known[name] for name in names if known.get(name) is not None}
    plain: dict[str, Any] = json.loads(json.dumps({"class": type(processor).__name__, **kept}, default=dict))
    return plain
