"""What late interaction costs: MaxSim of a query of 32 tokens with 1,000 documents of about 100 tokens × 128.

    python benchmarks/maxsim.py [--documents 1000] [--tokens 100] [--dim 128] [--query 32]

Ours is `workbench.scoring.maxsim` over ragged rows; the peers are sentence-transformers' `util.maxsim` over the same
rows as a list, and a padded einsum as PyLate does it, padding included in its time. They take turns, call by call.
Also the exhaustive index over the same documents. Target: at most 50 ms at the median. Prints a table and one line of
JSON.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from sentence_transformers.util import maxsim as library

from workbench.indices.maxsim import MaxSimIndex
from workbench.ragged import Ragged
from workbench.scoring import maxsim, normalize_rows
from workbench.vectors import MultiVectors, ShardFolder, ragged_arrays

LIMIT_MS = 50.0


def make_documents(count: int, tokens: int, dim: int) -> Ragged:
    """`count` rows of length-1 vectors, half to one and a half times `tokens` each."""
    random = np.random.default_rng(0)
    lengths = random.integers(tokens // 2, tokens + tokens // 2 + 1, count)
    return Ragged.of([normalize_rows(random.standard_normal((length, dim))) for length in lengths], dim)


def padded_einsum(query: torch.Tensor, rows: list[torch.Tensor]) -> torch.Tensor:
    """(n,) scores from one padded block, masked."""
    block = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    products = torch.einsum("qd,ntd->nqt", query, block)
    mask = torch.arange(block.shape[1])[None] < lengths[:, None]
    return products.masked_fill(~mask[:, None], float("-inf")).amax(dim=2).sum(dim=1)


def measure(asks: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each, in turns."""
    times: dict[str, list[float]] = {name: [] for name in asks}
    for ask in asks.values():
        ask()
    for _ in range(rounds):
        for name, ask in asks.items():
            started = time.perf_counter()
            ask()
            times[name].append(1000 * (time.perf_counter() - started))
    return {
        name: {"p50_ms": round(float(np.median(each)), 2), "best_ms": round(min(each), 2)}
        for name, each in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"documents": 1000, "tokens": 100, "dim": 128, "query": 32, "rounds": 15}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    documents = make_documents(asked.documents, asked.tokens, asked.dim)
    query = make_documents(1, asked.query, asked.dim).values[: asked.query]
    query = np.resize(query, (asked.query, asked.dim))
    rows, one = [torch.from_numpy(np.array(row)) for row in documents], torch.from_numpy(query)
    with tempfile.TemporaryDirectory() as folder:
        ShardFolder(Path(folder)).write(0, ragged_arrays(documents, "float16"), len(documents))
        index = MaxSimIndex(MultiVectors(Path(folder)))
        whole = Ragged(query, np.array([0, len(query)]))
        found = measure(
            {
                "ours": lambda: maxsim(query, documents),
                "sentence-transformers": lambda: library([one], rows),
                "padded einsum": lambda: padded_einsum(one, rows),
                "index, top 10": lambda: index.search(whole, 10),
            },
            asked.rounds,
        )
    difference = float(np.abs(maxsim(query, documents) - padded_einsum(one, rows).numpy()).max())
    print(f"{len(documents):,} documents, {len(documents.values):,} tokens × {asked.dim}, query of {asked.query}")
    for name, times in found.items():
        print(f"  {name:24} {times['p50_ms']:>9.2f} ms at the median {times['best_ms']:>9.2f} ms at best")
    met = found["ours"]["p50_ms"] <= LIMIT_MS
    print(f"  target ≤ {LIMIT_MS:.0f} ms: {'met' if met else 'missed'}; largest difference {difference:.1e}")
    print(json.dumps({"benchmark": "maxsim", **vars(asked), "times": found, "difference": difference, "met": met}))


if __name__ == "__main__":
    main()
