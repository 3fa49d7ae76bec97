"""Which FAISS factory strings to offer for a corpus, and about how many bytes they need."""

from dataclasses import dataclass

from workbench.indices.factories import dimensions, parse, recommended_lists

TERMS = 15
"""Terms of each document in HI²'s lists: the paper's number where they are chosen by BM25 (MS MARCO)."""


@dataclass(frozen=True)
class Suggestion:
    """A factory string that fits the corpus, why one would take it, and about how many bytes of memory it needs.

    `vector_bytes`: of the stored vectors, which stay on disk, that it reads its candidates from; 0 = none.
    """

    factory: str
    why: str
    bytes: int
    vector_bytes: int = 0


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
    parts = _parts(dim)
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


def suggest_two_stage(n: int, dim: int, stored: int, vocabulary: int = 0, memory_mb: float = 4096) -> list[Suggestion]:
    """Indices whose candidates the stored vectors (of `stored` bytes) score, as far as they fit into `memory_mb`.

    HI² only where term weights with a `vocabulary` are there. None below 256 documents, where nothing is worth it.
    """
    if n < 256:
        return []
    lists = recommended_lists(n)
    codes = f"IVF{lists},PQ{_parts(dim)}"
    found = [
        Suggestion(
            "Binary,Verify",
            "signs in memory, the stored vectors score the best: nearly exact with a large k_factor",
            8 * n * -(-dim // 64),
            stored,
        ),
        Suggestion(
            f"{codes},Verify",
            "small codes in memory choose quickly, the stored vectors put them in order",
            estimate_bytes(codes, n, dim),
            stored,
        ),
    ]
    if vocabulary:
        # Centroids; an ordinal for each document in a cluster and in 15 term lists; where each list begins.
        size = 4 * lists * dim + 4 * n * (1 + TERMS) + 8 * (lists + vocabulary)
        why = "clusters and salient words together: scores few documents, and words find what clusters miss"
        found.append(Suggestion(f"HI2_{lists}x{TERMS}", why, size, stored))
    return [each for each in found if each.bytes <= memory_mb * 2**20]


def _parts(dim: int) -> int:
    """PQ's parts: the largest divisor of `dim` with four dimensions or more in each."""
    return max((m for m in range(1, dim + 1) if dim % m == 0 and m * 4 <= max(dim, 4)), default=1)
