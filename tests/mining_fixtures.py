"""sentence-transformers' own mine_hard_negatives on given vectors, with neither a model nor the package `datasets`."""

import importlib
import sys
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np


class Table:
    """The part of datasets.Dataset that mine_hard_negatives uses: columns in, columns out."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self._columns = columns

    @classmethod
    def from_dict(cls, columns: dict[str, list[Any]]) -> "Table":
        return cls(columns)

    @property
    def column_names(self) -> list[str]:
        return list(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]

    def to_pandas(self) -> Any:
        import pandas

        return pandas.DataFrame(self._columns)


class GivenVectors:
    """In place of a SentenceTransformer: the text “q7” is row 7 of the queries, “d7” of the documents."""

    device = "cpu"

    def __init__(self, queries: np.ndarray, documents: np.ndarray) -> None:
        self._queries, self._documents = queries, documents

    def encode_query(self, texts: list[str], **_: Any) -> np.ndarray:
        return chosen(self._queries, texts)

    def encode_document(self, texts: list[str], **_: Any) -> np.ndarray:
        return chosen(self._documents, texts)

    @staticmethod
    def similarity(left: Any, right: Any) -> Any:
        """Inner products: what cosines of rows of length 1 are, without normalising them once more."""
        import torch

        return torch.as_tensor(left) @ torch.as_tensor(right).T

    @staticmethod
    def similarity_pairwise(left: Any, right: Any) -> Any:
        import torch

        return (torch.as_tensor(left) * torch.as_tensor(right)).sum(dim=1)


def chosen(rows: np.ndarray, texts: list[str]) -> np.ndarray:
    """The rows that the texts name; without a copy where that is all of them in order."""
    wanted = np.array([int(text[1:]) for text in texts])
    return rows if np.array_equal(wanted, np.arange(len(rows))) else rows[wanted]


def mined_by_sentence_transformers(
    queries: np.ndarray, documents: np.ndarray, positives: list[list[int]], options: dict[str, Any]
) -> dict[int, list[int]]:
    """Query → its negatives, best first, by mine_hard_negatives itself; `positives[i]` of query i."""
    code = importlib.import_module("sentence_transformers.util.hard_negatives")
    pairs = [(f"q{row}", f"d{each}") for row, own in enumerate(positives) for each in own]
    table = Table({"query": [query for query, _ in pairs], "positive": [positive for _, positive in pairs]})
    names = [f"d{each}" for each in range(len(documents))]
    module = ModuleType("datasets")
    module.Dataset = Table  # type: ignore[attr-defined]
    with (
        mock.patch.dict(sys.modules, {"datasets": module}),
        mock.patch.object(code, "is_datasets_available", return_value=True),
    ):
        mined = code.mine_hard_negatives(
            table, GivenVectors(queries, documents), corpus=names, verbose=False, **options
        )
    found: dict[int, dict[int, None]] = {}
    for query, negative in zip(mined["query"], mined["negative"], strict=True):
        found.setdefault(int(query[1:]), {})[int(negative[1:])] = None
    return {query: list(own) for query, own in found.items()}
