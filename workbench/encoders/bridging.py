"""A bridge from an image encoder's space to a text encoder's: closed-form ridge on captioned pictures; how good it is.

All vectors are of unit length. Image x: norm(norm(W′(x − x̄)) + 0.6 · norm(l)), where l is the mean of the text vectors
of the ten likeliest class names, weighted by their probability (ConSE, Norouzi et al., ICLR 2014), if the image encoder
names classes; else norm(W′(x − x̄)). Text t: norm(t − t̄), t̄ the mean over the captions of vectors in the same role.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput, NotFound
from workbench.scoring import normalize_rows
from workbench.vectors import save_array, write_durably

Rows = NDArray[np.float32]
RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""λ that are tried, on vectors of unit length; the one of the least generalised cross-validation error is taken."""
LABEL_WEIGHT = 0.6
LIKELIEST = 10
HELD_OUT = 0.2
FILE, FORMAT = "bridge.json", 1
ARRAYS = ("weights", "image_mean", "caption_mean", "query_mean")


@dataclass(frozen=True)
class Bridge:
    """`weights` (images' dim, texts' dim); the means of images, captions as documents and as queries; `labels`
    (classes, texts' dim) or None."""

    weights: Rows
    image_mean: Rows
    caption_mean: Rows
    query_mean: Rows
    labels: Rows | None = None
    ridge: float = 1.0

    def images(self, features: Rows, probabilities: Rows | None = None) -> Rows:
        """(n, texts' dim) of unit length, from unit features (n, images' dim) and probabilities (n, classes)."""
        mapped = normalize_rows((features - self.image_mean) @ self.weights)
        if self.labels is None or probabilities is None:
            return mapped
        return normalize_rows(mapped + LABEL_WEIGHT * label_rows(probabilities, self.labels))

    def texts(self, vectors: Rows, role: str) -> Rows:
        """(n, texts' dim) of unit length, from the text encoder's unit vectors of the same role."""
        return normalize_rows(vectors - (self.query_mean if role == "query" else self.caption_mean))


@dataclass(frozen=True)
class Measured:
    """How a bridge fitted on the other pictures ranks the held-out ones, asked by their captions.

    A question counts by the best rank of a picture with its caption. `chance_at_1`: the same for a random order.
    """

    pictures: int
    held_out: int
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    median_rank: float
    chance_at_1: float
    chance_at_5: float
    chance_at_10: float


@dataclass(frozen=True)
class Captioned:
    """What a bridge is fitted on: n pictures. All vectors of unit length, `probabilities` (n, classes) or None."""

    captions: Sequence[str]
    features: Rows
    documents: Rows
    queries: Rows
    probabilities: Rows | None = None

    def take(self, chosen: NDArray[np.bool_]) -> "Captioned":
        """The pictures of a mask (n,)."""
        captions = [each for each, kept in zip(self.captions, chosen, strict=True) if kept]
        some = None if self.probabilities is None else self.probabilities[chosen]
        return Captioned(captions, self.features[chosen], self.documents[chosen], self.queries[chosen], some)


def fit(given: Captioned, labels: Rows | None = None) -> Bridge:
    """The bridge over all pictures of `given`; `labels` (classes, texts' dim) are text vectors of class names.

    W = (X′X + λI)⁻¹X′Y over centred X and Y, through the smaller of XX′ and X′X.
    """
    image_mean, caption_mean = given.features.mean(0), given.documents.mean(0)
    x = (given.features - image_mean).astype(np.float64)
    y = (given.documents - caption_mean).astype(np.float64)
    wide = len(x) <= x.shape[1]
    values, basis = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    values = np.maximum(values, 0)
    # Coordinates of Y, and of its fitted part, along the directions of X.
    along = basis.T @ y if wide else basis.T @ (x.T @ y)
    ridge = min(RIDGES, key=lambda each: validation_error(values, along, y, each, wide))
    shrunk = basis @ (along / (values + ridge)[:, None])
    weights = x.T @ shrunk if wide else shrunk
    return Bridge(weights.astype(np.float32), image_mean, caption_mean, given.queries.mean(0), labels, ridge)


def validation_error(values: NDArray[Any], along: NDArray[Any], y: NDArray[Any], ridge: float, wide: bool) -> float:
    """Generalised cross-validation: squared residuals over (1 − tr(H)/n)² (Golub, Heath, Wahba, 1979)."""
    kept = values / (values + ridge)
    total = float((y**2).sum())
    # ‖Y − HY‖² = ‖Y‖² − Σ (2h − h²)‖u′Y‖², with u the left singular vectors of X.
    squares = (along**2).sum(1)
    if not wide:
        squares = np.divide(squares, values, out=np.zeros_like(squares), where=values > 1e-12)
    left = total - float(((2 * kept - kept**2) * squares).sum())
    freedom = 1 - kept.sum() / len(y)
    return left / freedom**2 if freedom > 1e-9 else float("inf")


def label_rows(probabilities: Rows, labels: Rows) -> Rows:
    """(n, texts' dim) of unit length: the likeliest classes' text vectors, weighted by their probability."""
    count = min(LIKELIEST, labels.shape[0])
    chosen = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    weights = np.take_along_axis(probabilities, chosen, axis=1)
    return normalize_rows((weights[:, :, None] * labels[chosen]).sum(axis=1))


def measure(given: Captioned, labels: Rows | None = None, seed: int = 0) -> Measured:
    """Fit on four fifths and ask for the rest, whose captions occur in none of those.

    Raises `BadInput` where there are fewer than two different captions.
    """
    held = hold_out(given.captions, seed)
    bridge = fit(given.take(~held), labels)
    asked = given.take(held)
    scores = bridge.texts(asked.queries, "query") @ bridge.images(asked.features, asked.probabilities).T
    keys = np.array([key_of(each) for each in asked.captions])
    right = keys[:, None] == keys[None, :]
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    ranks = 1 + (np.where(right, -np.inf, scores) > best).sum(axis=1)
    counts = right.sum(axis=1)
    recall = {k: float((ranks <= k).mean()) for k in (1, 5, 10)}
    luck = {k: float(np.mean([chance(len(keys), int(count), k) for count in counts])) for k in (1, 5, 10)}
    return Measured(
        pictures=len(given.captions),
        held_out=len(keys),
        recall_at_1=round(recall[1], 4),
        recall_at_5=round(recall[5], 4),
        recall_at_10=round(recall[10], 4),
        median_rank=float(np.median(ranks)),
        chance_at_1=round(luck[1], 4),
        chance_at_5=round(luck[5], 4),
        chance_at_10=round(luck[10], 4),
    )


def hold_out(captions: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """(n,) bool: a fifth of the pictures or little more; equal captions (but for case and spaces) on one side.

    Raises `BadInput` where all captions are equal.
    """
    keys = np.array([key_of(each) for each in captions])
    different = np.unique(keys)
    if different.size < 2:
        raise BadInput("All pictures have the same caption.", "A bridge is learned from different captions.")
    held = np.zeros(keys.size, dtype=np.bool_)
    for key in np.random.default_rng(seed).permutation(different)[:-1]:
        held |= keys == key
        if held.sum() >= HELD_OUT * keys.size:
            break
    return held


def key_of(caption: str) -> str:
    """A caption without what makes no difference: case and spaces."""
    return " ".join(caption.casefold().split())


def chance(pictures: int, right: int, k: int) -> float:
    """That at least one of `right` pictures stands among the first `k` of `pictures` in random order."""
    missed = 1.0
    for n in range(min(k, pictures)):
        missed *= max(0, pictures - right - n) / (pictures - n)
    return 1 - missed


def save_bridge(folder: Path, bridge: Bridge, notes: dict[str, Any]) -> None:
    """Arrays as .npy (the map and labels as float16), then `bridge.json` with `notes` and their names, last."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(bridge, name) for name in ARRAYS}
    arrays["weights"] = bridge.weights.astype(np.float16)
    if bridge.labels is not None:
        arrays["labels"] = bridge.labels.astype(np.float16)
    hashes = {name: save_array(folder / f"{name}.npy", array) for name, array in arrays.items()}
    found = {**notes, "format": FORMAT, "ridge": bridge.ridge, "label_weight": LABEL_WEIGHT, "hashes": hashes}
    write_durably(folder / FILE, json.dumps(found, indent=1, ensure_ascii=False).encode())


def read_notes(folder: Path) -> dict[str, Any]:
    """What `save_bridge` noted. Raises `NotFound` where there is none, `BadInput` where it is damaged."""
    try:
        found: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(f"The folder {folder.name} holds no bridge.", "Fit one on the Encode page.") from error
    except (OSError, ValueError) as error:
        raise BadInput(f"The bridge in {folder.name} cannot be read: {error}.", "Fit it again.") from error
    if found.get("format") != FORMAT:
        raise BadInput(f"The bridge in {folder.name} is of another version.", "Fit it again.")
    return found


def load_bridge(folder: Path) -> Bridge:
    """What `save_bridge` wrote, as float32. Raises `NotFound` or `BadInput` with a sentence."""
    notes = read_notes(folder)
    try:
        arrays = {
            name: np.load(folder / f"{name}.npy", allow_pickle=False).astype(np.float32) for name in notes["hashes"]
        }
        return Bridge(**arrays, ridge=float(notes["ridge"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"The bridge in {folder.name} is damaged: {error}.", "Fit it again.") from error
