"""FAISS factory strings, read before any work starts: which fit, what they cost, which settings they take.

A string is `[transform,]… structure[,codes][,refine]`, as in the FAISS wiki's "The index factory". What FAISS accepts
but cannot build here, or crashes on, is refused by name.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import BadInput

if TYPE_CHECKING:
    import faiss

EXAMPLES = "Flat · HNSW32 · IVF256,SQ8 · OPQ16_64,IVF256,PQ16 · IVF256,RaBitQ · PQ16,RFlat · PCA64,Flat"
POINTS_PER_CENTROID = 39
"""Below this many training vectors per centroid FAISS's k-means warns (ClusteringParameters::min_points…)."""
TRAIN_LIMIT = 262_144

_REFUSED = {
    "LSH": "its Hamming distances are no measure of a document's score; RaBitQ or PQ are as small and better",
    "IDMap": "documents are known by their ordinal, so there is nothing to map",
    "NSG": "its graph cannot be built block by block; HNSW32 is as fast to search",
    "ITQ": "its rotation is made for binary codes; use OPQ or RR",
    "NNDescent": "its graph cannot be built block by block; HNSW32 is as fast to search",
    "IMI": "it knows neither cosine nor dot product; use IVF",
    "SQ8_direct": "it stores whole numbers from 0 to 255 only; use SQ8",
    "B": "binary indices need packed bits, not vectors; use RaBitQ",
}
_TRANSFORM = re.compile(r"(?P<kind>PCAWR|PCAW|PCAR|PCA|OPQ|RR|L2norm)(?P<a>\d+)?(_(?P<b>\d+))?")
_CODES = re.compile(
    r"(?P<kind>Flat|SQ4|SQ6|SQ8|SQfp16|SQbf16|RaBitQ|RQ|LSQ|PQ)(?P<m>\d+)?(x(?P<bits>\d+))?(?P<fast>fsr|fs)?"
)
_SCALAR_BITS = {"SQ4": 4, "SQ6": 6, "SQ8": 8, "SQfp16": 16, "SQbf16": 16, "Flat": 32}


@dataclass(frozen=True)
class Codes:
    """How a vector is stored: `kind` with `m` parts of `bits` bits; `fast` = the 4-bit SIMD layout."""

    text: str
    kind: str
    m: int
    bits: int
    fast: bool

    def bytes(self, dim: int) -> int:
        """Bytes of one vector of `dim` components."""
        if self.kind in _SCALAR_BITS:
            return math.ceil(_SCALAR_BITS[self.kind] * dim / 8)
        if self.kind == "RaBitQ":
            return math.ceil(dim * self.bits / 8) + (8 if self.bits == 1 else 20)
        return math.ceil(self.m * self.bits / 8)

    def table_bytes(self, dim: int) -> int:
        """Bytes of its code books, which every vector shares."""
        books = self.m if self.kind in ("RQ", "LSQ") else 1
        return 4 * books * self.centroids * dim

    @property
    def centroids(self) -> int:
        """Centroids of each of its code books, 0 where it has none."""
        return 2**self.bits if self.kind in ("PQ", "RQ", "LSQ") else 0


@dataclass(frozen=True)
class Factory:
    """A factory string in its parts. `lists` = IVF's, `graph` = HNSW's M (of IVF's own search where both are set)."""

    text: str
    transforms: tuple[re.Match[str], ...]
    lists: int
    graph: int
    codes: Codes
    refine: Codes | None

    @property
    def is_flat(self) -> bool:
        """Nothing but the vectors themselves."""
        return self.text == "Flat"


def parse(text: str) -> Factory:
    """The parts of a factory string. Raises `BadInput` with examples on one that is not understood."""
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", text.strip())]
    for part in parts:
        for name, reason in _REFUSED.items():
            if part.startswith(name):
                raise BadInput(f"“{part}” in “{text}” cannot be used here: {reason}.", f"For example {EXAMPLES}.")
    refine = _take_refine(parts)
    transforms = []
    while parts and (match := _TRANSFORM.fullmatch(parts[0])):
        transforms.append(match)
        parts.pop(0)
    lists, graph = _take_structure(parts, text)
    codes = _codes(parts.pop(0)) if parts else (_codes("Flat") if graph and not lists else None)
    if codes is None or parts:
        raise _unknown(text)
    canonical = text.strip().replace(" ", "")
    return Factory(canonical, tuple(transforms), lists, graph, codes, refine)


def dimensions(factory: Factory, dim: int) -> int:
    """The dimension that reaches the codes. Raises `BadInput` where a transform does not fit."""
    for step in factory.transforms:
        kind, first, second = step["kind"], step["a"], step["b"]
        name = step.group(0)
        target = int(second or 0) if kind == "OPQ" else int(first or 0)
        if kind == "OPQ" and not first:
            raise BadInput(f"{name} needs its number of parts.", f"For example OPQ8_{dim}.")
        target = target or dim
        if target > dim and kind != "OPQ":
            raise BadInput(f"{name} asks for {target} dimensions, there are {dim}.", f"Use at most {kind}{dim}.")
        if kind == "OPQ":
            _check_parts(name, int(first), target)
        dim = target
    return dim


def search_settings(text: str) -> dict[str, int | float]:
    """The search settings that have a meaning for a factory string, with their defaults."""
    factory = parse(text)
    knobs: dict[str, int | float] = {}
    if factory.lists:
        knobs["nprobe"] = max(1, math.isqrt(factory.lists))
    if factory.graph:
        knobs["ef_search"] = 64
    if factory.refine is not None:
        knobs["k_factor"] = 4.0
    return knobs


def check_factory(text: str, n: int, dim: int, metric: str = "cosine", train_limit: int = TRAIN_LIMIT) -> list[str]:
    """Warnings about building `text` over `n` vectors of `dim` dimensions, of which at most `train_limit` train.

    Raises `BadInput` where it cannot be built, with what would fit. FAISS itself has the last word.
    """
    factory = parse(text)
    reached = dimensions(factory, dim)
    for codes, width in ((factory.codes, reached), (factory.refine, dim)):
        if codes is not None:
            _check_codes(codes, width)
    sample = min(n, train_limit)
    warnings = [_check_training(*need, sample) for need in _training_needs(factory, dim)]
    if factory.codes.kind == "PQ" and factory.graph and not factory.lists and metric != "l2":
        raise BadInput(
            f"FAISS builds “{factory.text}” for L2 distance only, not for {metric}.",
            "Choose the metric l2, or an IVF index with PQ.",
        )
    make_index(factory, dim, metric)
    return [warning for warning in warnings if warning]


def make_index(factory: Factory, dim: int, metric: str) -> "faiss.Index":
    """FAISS's empty index. Raises `BadInput` in one sentence where FAISS refuses."""
    import faiss

    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    try:
        return faiss.index_factory(dim, factory.text, kind)
    except RuntimeError as error:
        # FAISS's text: "Error in <C++ signature> at <file>:<line>: Error: '<test>' failed: <reason>"
        reason = str(error).splitlines()[0].rsplit("failed:", 1)[-1].rsplit(".cpp:", 1)[-1].strip(" .'")
        reason = re.sub(r"^\d+:\s*", "", reason)
        raise BadInput(f"FAISS cannot build “{factory.text}”: {reason}.", f"For example {EXAMPLES}.") from error


def training_size(factory: Factory, dim: int) -> int:
    """Vectors that training makes use of: FAISS's k-means takes at most 256 for a centroid, PCA 1,000 a dimension."""
    centroids = max((count for _, count, _ in _training_needs(factory, dim)), default=0)
    return max(65_536, 256 * centroids, 1000 * dim if factory.transforms else 0)


def recommended_lists(n: int) -> int:
    """About 4·√n lists (FAISS wiki, "Guidelines"), and at least 39 vectors for each."""
    return max(1, min(round(4 * math.sqrt(n)), n // POINTS_PER_CENTROID))


def _unknown(text: str) -> BadInput:
    return BadInput(f"“{text}” is not a FAISS factory string this workbench knows.", f"For example {EXAMPLES}.")


def _take_refine(parts: list[str]) -> Codes | None:
    if parts and parts[-1] == "RFlat":
        parts.pop()
        return _codes("Flat")
    if parts and (match := re.fullmatch(r"Refine\((.+)\)", parts[-1])) and (codes := _codes(match[1])):
        parts.pop()
        return codes
    return None


def _take_structure(parts: list[str], text: str) -> tuple[int, int]:
    """(IVF lists, HNSW M), 0 = none; taken off the front of `parts`."""
    if parts and (match := re.fullmatch(r"IVF(\d+)(_HNSW(\d*))?", parts[0])):
        parts.pop(0)
        lists, graph = int(match[1]), int(match[3] or 32) if match[2] else 0
        if lists < 1 or not parts:
            raise BadInput(f"“{text}” lacks its lists or codes.", f"For example IVF{max(lists, 1)},Flat.")
    elif parts and (match := re.fullmatch(r"HNSW(\d*)", parts[0])):
        parts.pop(0)
        lists, graph = 0, int(match[1] or 32)
    else:
        return 0, 0
    if graph and not 2 <= graph <= 256:
        raise BadInput(f"HNSW{graph} keeps {graph} links a document.", "Use 2 to 256; 32 is usual.")
    return lists, graph


def _codes(text: str) -> Codes | None:
    match = _CODES.fullmatch(text)
    if match is None:
        return None
    kind, m, bits = match["kind"], match["m"], match["bits"]
    if kind in ("PQ", "RQ", "LSQ"):
        valid = m is not None and int(m) > 0 and (kind == "PQ" or bits is not None)
    elif kind == "RaBitQ":
        valid, bits, m = bits is None and (m is None or 1 <= int(m) <= 9), m or "1", "0"
    else:
        valid = m is None and bits is None
    if not valid or (match["fast"] and kind not in ("PQ", "RaBitQ")):
        return None
    return Codes(text, kind, int(m or 0), int(bits or 8), bool(match["fast"]))


def _check_codes(codes: Codes, dim: int) -> None:
    if codes.kind == "PQ":
        _check_parts(codes.text, codes.m, dim)
    if codes.centroids and not 1 <= codes.bits <= 12:
        raise BadInput(f"{codes.text} uses {codes.bits} bits for each part.", "Use 4 to 12; 8 is usual.")
    if codes.fast and codes.kind == "PQ" and codes.bits != 4:
        raise BadInput(f"{codes.text} is not possible: the fast layout is for 4 bits.", f"Use PQ{codes.m}x4fs.")


def _check_parts(name: str, parts: int, dim: int) -> None:
    if parts < 1 or dim % parts:
        divisors = [m for m in range(1, dim + 1) if dim % m == 0]
        near = sorted(sorted(divisors, key=lambda m: abs(m - parts))[:6])
        raise BadInput(
            f"{name} cannot split {dim} dimensions into {parts} equal parts.",
            f"Use a divisor of {dim}: {', '.join(map(str, near))}.",
        )


Repair = Callable[[int], str]


def _training_needs(factory: Factory, dim: int) -> list[tuple[str, int, Repair]]:
    """(part, training vectors it cannot do without, what to do when there are only so many) of each trained part."""
    needs: list[tuple[str, int, Repair]] = []
    for step in factory.transforms:
        name, kind = step.group(0), step["kind"]
        if kind == "OPQ":
            needs.append((name, 256, lambda n: "Leave OPQ out, or use Flat."))
        elif kind.startswith("PCA"):
            # PCA has no centroids: it only needs as many vectors as dimensions that it keeps.
            needs.append((name, -int(step["a"] or dim), lambda n: f"Use at most PCA{n}, or none."))
    if factory.lists:
        needs.append((f"IVF{factory.lists}", factory.lists, _repair_lists))
    for codes in (factory.codes, factory.refine):
        if codes is not None and codes.centroids:
            needs.append((codes.text, codes.centroids, _repair_codes))
    return needs


def _repair_lists(n: int) -> str:
    if n < 1:
        return "Use Flat."
    return f"The largest that fits is IVF{n}; recommended is about 4·√N: IVF{recommended_lists(n)}."


def _repair_codes(n: int) -> str:
    return f"The largest codes that fit have {n.bit_length() - 1} bits; or use SQ8 or Flat." if n > 3 else "Use Flat."


def _check_training(name: str, need: int, repair: Repair, sample: int) -> str:
    """A warning, or nothing. Raises `BadInput` where `sample` vectors cannot train the part."""
    if sample < abs(need):
        raise BadInput(f"{name} needs at least {abs(need):,} vectors to train and has {sample:,}.", repair(sample))
    if need > 0 and sample < POINTS_PER_CENTROID * need:
        return (
            f"{name} is trained on {sample:,} vectors; from {POINTS_PER_CENTROID * need:,} on"
            f" ({POINTS_PER_CENTROID} a centroid) the result is better."
        )
    return ""
