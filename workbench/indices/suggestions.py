"""Which FAISS factory strings to offer for a corpus, and about how many bytes they need."""

from dataclasses import dataclass

from workbench.indices.factories import dimensions, parse, recommended_lists


@dataclass(frozen=True)
class Suggestion:
    """A factory string that fits the corpus, why one would take it, and about how many bytes it needs."""

    factory: str
    why: str
    bytes: int


def estimate_bytes(text: str, n: int, dim: int) -> int:
    """About how large the index gets, on disk and in memory."""
    factory = parse(text)
    reached = dimensions(factory, dim)
    shared = factory.codes.table_bytes(reached) + 4 * reached * factory.lists
    shared += 4 * dim * reached if factory.transforms else 0
    per_vector = factory.codes.bytes(reached)
    if factory.refine is not None:
        per_vector += factory.refine.bytes(dim)
        shared += factory.refine.table_bytes(dim)
    if factory.lists:
        per_vector += 8
    elif factory.graph:
        # 2·M links of 4 bytes below, M above for one vector in M, level and offset (retrieval notes: 4·d + 8·M).
        per_vector += 8 * factory.graph + 16
    return n * per_vector + shared


def suggest_factories(n: int, dim: int, memory_mb: float = 4096) -> list[Suggestion]:
    """Factory strings that fit `n` vectors into `memory_mb`, the recommended first; the smallest where none fits."""
    choices = [_suggestion(text, why, n, dim) for text, why in _candidates(n, dim)]
    fitting = [each for each in choices if each.bytes <= memory_mb * 2**20]
    return fitting or [min(choices, key=lambda each: each.bytes)]


def _candidates(n: int, dim: int) -> list[tuple[str, str]]:
    lists = recommended_lists(n)
    parts = max((m for m in range(1, dim + 1) if dim % m == 0 and m * 4 <= max(dim, 4)), default=1)
    flat = ("Flat", "exact; compares with every document" + (", quick at this size" if n < 10_000 else ""))
    graph = ("HNSW32", "the quickest at high recall, and the largest; slow to build")
    scalar = (f"IVF{lists},SQ8", "a quarter of the memory, quick to build; nprobe trades speed for recall")
    product = (f"IVF{lists},PQ{parts}", "small; order is approximate")
    refined = (f"IVF{lists},RaBitQ,Refine(SQ8)", "one bit a dimension to choose candidates, 8 bits to score them")
    bits = (f"IVF{lists},RaBitQ", "the smallest: one bit a dimension, no training of codes")
    if n < 256:
        return [flat, graph]
    by_size = [graph, scalar, flat] if n < 1_000_000 else [scalar, graph, flat]
    ordered = [flat, graph, scalar] if n < 10_000 else by_size
    return [*ordered, refined, product, bits]


def _suggestion(text: str, why: str, n: int, dim: int) -> Suggestion:
    return Suggestion(text, why, estimate_bytes(text, n, dim))
