"""Encoders that read texts, images, or both into one space: which of the two stands for a document, and their sum."""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.encoders.base import Encoder, Output, Role
from workbench.scoring import normalize_rows
from workbench.types import Content, Progress

Rows = NDArray[np.float32]
Report = Callable[[int], None]
"""`report(done)`: how many of the texts or images handed over are ready."""
RULES = {
    "image": "the image; the text where there is none",
    "text": "the text; the image where there is none",
    "both": "the sum of image and text; the one there is where the other is missing",
}


class JointEncoder(Encoder):
    """Base of the families with images. A family implements `_text_rows` and `_image_rows`, and sets `documents`.

    Text: norm(T). Image: norm(I). Both, by `joined`. Neither: zeros, which are found by no query.
    """

    output: Output = "dense"
    documents: str = "image"
    """What stands for a document that has both; see `RULES`. A query is always read whole."""

    @abstractmethod
    def _text_rows(self, texts: list[str], role: Role, report: Report) -> Rows:
        """(n, dim), row i for `texts[i]`, not normalised."""

    @abstractmethod
    def _image_rows(self, images: list[Path], report: Report) -> Rows:
        """(n, dim), row i for `images[i]`, not normalised. Raises `BadInput` naming a file that is no image."""

    def _pair_rows(self, pairs: list[Content], report: Report) -> Rows | None:
        """(n, dim) of the model's own reading of text and image at once; None where it has none of its own."""
        return None

    def _encode(self, contents: list[Content], role: Role, progress: Progress) -> Rows:
        chosen = [self._chosen(each, role) for each in contents]
        pairs = [n for n, each in enumerate(chosen) if each.image and each.text and each.image_weight is None]
        whole = self._pair_rows([chosen[n] for n in pairs], _nothing) if pairs else None
        done_whole = set(pairs) if whole is not None else set()
        left = [n for n in range(len(chosen)) if n not in done_whole]
        texts = [n for n in left if chosen[n].text]
        images = [n for n in left if chosen[n].image is not None]
        units = max(1, len(texts) + len(images))

        def reporter(before: int) -> Report:
            return lambda done: progress(len(contents) * (before + done) // units, len(contents))

        rows = np.zeros((len(contents), self.dim), np.float32)
        text_rows = self._text_rows([chosen[n].text for n in texts], role, reporter(0)) if texts else rows[:0]
        paths = [image for n in images if (image := chosen[n].image) is not None]
        image_rows = self._image_rows(paths, reporter(len(texts))) if paths else rows[:0]
        by_text, by_image = dict(zip(texts, text_rows, strict=True)), dict(zip(images, image_rows, strict=True))
        for n in left:
            rows[n] = joined(by_text.get(n), by_image.get(n), contents[n].image_weight, self.dim)
        if whole is not None:
            rows[pairs] = normalize_rows(whole)
        progress(len(contents), len(contents))
        return rows

    def _chosen(self, content: Content, role: Role) -> Content:
        """What is read of a content: all of a query; of a document what `documents` says, and this model can read."""
        has = content.modalities & self.modalities
        if role == "document" and self.documents != "both" and len(has) == 2:
            has = has & {self.documents}
        return Content(
            content.text if "text" in has else "", content.image if "image" in has else None, content.image_weight
        )


def joined(text: Rows | None, image: Rows | None, weight: float | None, dim: int) -> Rows:
    """(dim,) of unit length from (dim,) rows T and I, either of which may be missing.

    Without a weight norm(T + I), of the projected features as they come (BGE-VL, MegaPairs); with one, 0 … 1,
    norm(weight · norm(I) + (1 − weight) · norm(T)), for models that were not trained on sums.
    """
    if text is None or image is None:
        given = image if text is None else text
        return np.zeros(dim, np.float32) if given is None else _unit(given)
    if weight is None:
        return _unit(text + image)
    return _unit(weight * _unit(image) + (1 - weight) * _unit(text))


def _unit(row: Rows) -> Rows:
    unit: Rows = normalize_rows(row[None])[0]
    return unit


def _nothing(done: int) -> None:
    """Reports to nobody: pairs are few."""
