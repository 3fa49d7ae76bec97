"""EfficientNet-Lite0 in plain torch: it comes as a file of weights without code, so its layers are written out here.

Tan & Le, "EfficientNet", ICML 2019; the Lite variant has no squeeze-and-excite, and ReLU6. Parameters are named
as in the packaged file, so that it loads strictly.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu6

from workbench.errors import BadInput

FEATURES = 1280
CLASSES = 1000
STAGES = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5))
"""(expansion, channels, blocks, stride of the first, kernel) of each stage but the last."""
LAST_STAGE = (6, 320, 1, 1, 3)


class SamePadding(nn.Conv2d):  # type: ignore[misc]
    """A convolution without bias whose output has ⌈size / stride⌉ pixels, as TensorFlow pads: the odd one goes last."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        missing = [
            max((-(-size // self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - size, 0)
            for size in (pixels.shape[-1], pixels.shape[-2])
        ]
        edges = [part for each in missing for part in (each // 2, each - each // 2)]
        return super().forward(pad(pixels, edges) if any(edges) else pixels)


class Block(nn.Module):  # type: ignore[misc]
    """Expand (1 × 1), look around (each channel alone), project (1 × 1), add where the shape is the same."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.expands = expansion != 1
        self.adds = stride == 1 and channels == out
        if self.expands:
            self._expand_conv, self._bn0 = SamePadding(channels, wide, 1), norm(wide)
        self._depthwise_conv, self._bn1 = SamePadding(wide, wide, kernel, stride, wide), norm(wide)
        self._project_conv, self._bn2 = SamePadding(wide, out, 1), norm(out)

    def forward(self, given: Tensor) -> Tensor:
        wide = relu6(self._bn0(self._expand_conv(given))) if self.expands else given
        made: Tensor = self._bn2(self._project_conv(relu6(self._bn1(self._depthwise_conv(wide)))))
        return given + made if self.adds else made


class EfficientNetLite0(nn.Module):  # type: ignore[misc]
    """(n, 3, h, w) normalised pixels → (n, 1280) features; `classifier` makes logits of ImageNet's classes of them."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SamePadding(3, 32, 3, 2), norm(32)
        blocks, channels = [], 32
        for expansion, out, count, stride, kernel in (*STAGES, LAST_STAGE):
            for number in range(count):
                blocks.append(Block(channels, out, kernel, stride if number == 0 else 1, expansion))
                channels = out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SamePadding(channels, FEATURES, 1), norm(FEATURES)
        self._fc = nn.Linear(FEATURES, CLASSES)

    @property
    def classifier(self) -> nn.Linear:
        return self._fc

    def forward(self, pixels: Tensor) -> Tensor:
        made = relu6(self._bn0(self._conv_stem(pixels)))
        for block in self._blocks:
            made = block(made)
        return relu6(self._bn1(self._conv_head(made))).mean((2, 3))


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def load_efficientnet(file: Path) -> EfficientNetLite0:
    """The model with the weights of the packaged `.pth`, read as tensors only. Raises `BadInput` where they differ."""
    model = EfficientNetLite0()
    try:
        model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, AttributeError) as error:
        raise BadInput(
            f"The weights in {file.name} are not those of EfficientNet-Lite0: {str(error)[:200]}.",
            "Install the pinned package again.",
        ) from error
    model.eval()
    return model
