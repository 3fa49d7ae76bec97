"""Folders that hold a whole test set: which files are the corpus, the queries and the judgments of a split.

- BEIR: corpus.jsonl, queries.jsonl, qrels/{split}.tsv.
- MTEB v2: corpus, queries and qrels (or default) as folders of Parquet or JSONL files, or as one file each;
  a file's name is its split, shards are numbered (test-00000-of-00002.parquet).
- AIR-Bench, FlagEmbedding's custom evaluation: corpus.jsonl, {split}_queries.jsonl, {split}_qrels.jsonl.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import BadInput

SUFFIXES = (".jsonl", ".ndjson", ".parquet", ".tsv")
USUAL_SPLITS = ("test", "dev", "validation", "val", "train")
"""The split that is taken where none is named: the first of these that is there."""
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_HINT = "Give a folder as BEIR, MTEB or AIR-Bench lay it out: corpus, queries and qrels."


@dataclass(frozen=True)
class Layout:
    """The files of one split. `splits`: all that the folder has, none where it has only one, unnamed."""

    shape: str
    corpus: tuple[Path, ...]
    queries: tuple[Path, ...]
    qrels: tuple[Path, ...]
    split: str
    splits: tuple[str, ...] = ()
    top_ranked: tuple[Path, ...] = ()


def find_layout(folder: Path, split: str | None = None) -> Layout:
    """What is where in `folder`. Raises `BadInput` where a part is missing, or the split, naming those there are."""
    if not folder.is_dir():
        what = f"“{folder.name}” is a file." if folder.is_file() else f"There is no folder “{folder}”."
        raise BadInput(what, _HINT)
    corpus = corpus_files(folder)
    split_queries = {file.name.removesuffix("_queries.jsonl"): file for file in folder.glob("*_queries.jsonl")}
    if split_queries:
        name = chosen_split(folder, tuple(sorted(split_queries)), split)
        judged = folder / f"{name}_qrels.jsonl"
        qrels = (judged,) if judged.is_file() else ()
        return Layout("AIR-Bench", corpus, (split_queries[name],), qrels, name, tuple(sorted(split_queries)))
    queries, judgments = part(folder, "queries"), part(folder, "qrels") or part(folder, "default")
    if not queries:
        raise BadInput(f"The folder “{folder.name}” has no queries.", _HINT)
    splits = tuple(sorted({each for each, _ in judgments or queries} - {"", "queries"}))
    name = chosen_split(folder, splits, split)
    beir = all(file.suffix == ".tsv" for _, file in judgments) and corpus[0].name == "corpus.jsonl"
    return Layout(
        "BEIR" if beir else "MTEB",
        corpus,
        of_split(folder, "queries", queries, name),
        of_split(folder, "qrels", judgments, name) if judgments else (),
        name,
        splits,
        tuple(file for _, file in part(folder, "top_ranked")),
    )


def corpus_files(folder: Path) -> tuple[Path, ...]:
    """The files of the corpus, its shards in order. Raises `BadInput` where there is none, or more than one corpus."""
    found = part(folder, "corpus")
    if not found:
        raise BadInput(
            f"The folder “{folder.name}” has no corpus.jsonl and no other corpus.",
            "Give the folder of a BEIR, MTEB or AIR-Bench data set.",
        )
    splits = sorted({each for each, _ in found})
    if len(splits) > 1:
        raise BadInput(
            f"The folder “{folder.name}” holds several corpora ({', '.join(map(repr_split, splits))}).",
            "Copy the one you want into a folder of its own, with its queries and qrels.",
        )
    return tuple(file for _, file in found)


def has_corpus(folder: Path) -> bool:
    """Whether the folder looks like a test set's."""
    return bool(part(folder, "corpus"))


def part(folder: Path, name: str) -> list[tuple[str, Path]]:
    """(split, file) of a part of the data set, by name: the file `name`.* , else the files in the folder `name`."""
    for suffix in SUFFIXES:
        if (folder / f"{name}{suffix}").is_file():
            return [("", folder / f"{name}{suffix}")]
    inside = folder / name
    files = sorted(file for file in inside.glob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    return [(_SHARD.sub("", file.stem), file) for file in files if not file.name.startswith(".")]


def chosen_split(folder: Path, splits: Sequence[str], asked: str | None) -> str:
    """The split `asked` for, else the usual one. Raises `BadInput` naming those there are."""
    if asked and asked not in splits:
        known = f"Splits: {', '.join(splits)}." if splits else "It has only one, unnamed: name no split."
        raise BadInput(f"The folder “{folder.name}” has no split “{asked[:60]}”.", known)
    if asked:
        return asked
    return next((each for each in USUAL_SPLITS if each in splits), next(iter(splits), ""))


def of_split(folder: Path, name: str, found: Sequence[tuple[str, Path]], split: str) -> tuple[Path, ...]:
    """The files of `split`; else those that all splits share: named as the part is, or the only ones there are.

    Raises `BadInput` where none is the split's.
    """
    own = [file for each, file in found if each == split]
    shared = [file for each, file in found if each in ("", name)]
    if own or shared:
        return tuple(own or shared)
    others = sorted({each for each, _ in found})
    if len(others) == 1:
        return tuple(file for _, file in found)
    raise BadInput(
        f"The {name} of “{folder.name}” have no split “{split}”.", f"They have: {', '.join(map(repr_split, others))}."
    )


def repr_split(split: str) -> str:
    return split or "unnamed"
