"""BM25 in Lucene's form: term weights of documents, term counts of queries; their inner product is the score."""

import json
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.encoders.base import Output, Role, TextEncoder
from workbench.errors import BadInput, NotFound
from workbench.specs import BM25Spec, EncoderSpec, EncodeSpec
from workbench.types import Progress
from workbench.vectors import save_array, write_durably

BLOCK = 1000
"""Documents between two reports of progress."""
STATE_FILE = "bm25.json"


class BM25Encoder(TextEncoder):
    """weight(t, d) = ln(1 + (N − df + ½) / (df + ½)) · tf / (k1 · (1 − b + b · |d| / avg|d|) + tf).

    Kamphuis et al., ECIR 2020, "Lucene (accurate)"; equal to bm25s with method="lucene". |d| counts the words kept.
    """

    output: Output = "sparse"
    needs_fit: ClassVar[bool] = True

    def __init__(self, spec: BM25Spec) -> None:
        from bm25s.tokenization import Tokenizer

        self._spec = spec
        # bm25s needs a list, an empty one keeps every word.
        self._tokenizer = Tokenizer(stopwords=[] if spec.stopwords == "none" else spec.stopwords)
        self._documents = 0
        self._average = 0.0
        self._idf: NDArray[np.float32] = np.empty(0, np.float32)
        self.warnings: list[str] = []

    @classmethod
    def open(cls, spec: EncoderSpec, run: EncodeSpec, state: Path | None = None) -> Self:
        """Raises `NotFound` where `state` holds nothing that `save_state` wrote."""
        if not isinstance(spec, BM25Spec):
            raise TypeError(f"a BM25Spec is needed, not {type(spec).__name__}")
        encoder = cls(spec)
        if state is not None:
            encoder._load_state(state)
        return encoder

    @property
    def dim(self) -> int:
        """Terms of the fitted vocabulary; 0 before `fit`."""
        return int(self._idf.size)

    @property
    def size_bytes(self) -> int:
        # About 100 bytes for a word, its number and its place in the table.
        return self._idf.nbytes + 100 * self.dim

    def describe(self) -> dict[str, Any]:
        return {
            "family": "bm25",
            "k1": self._spec.k1,
            "b": self._spec.b,
            "stopwords": self._spec.stopwords,
            "tokens": r"lower case, \w\w+, no stemming",
            "formula": "lucene",
            "similarity": "dot",
            "fitted": {"documents": self._documents, "terms": self.dim, "average_length": self._average},
            "versions": {"bm25s": version("bm25s")},
        }

    def effective_query(self, text: str) -> str:
        """The words that are searched for: those of `text` that occur in the corpus."""
        return " ".join(word for word in self._tokenizer.splitter(text.lower()) if word in self._tokenizer.word_to_id)

    def terms(self, columns: Sequence[int]) -> list[str]:
        """The words of these columns of the vocabulary."""
        words = list(self._tokenizer.word_to_id)
        return [words[column] for column in columns]

    def fit(self, contents: Iterable[Sequence[str]]) -> None:
        """Count the terms of a corpus, block by block; nothing of a block is kept but the counts.

        Raises `BadInput` where no document has a word.
        """
        self._tokenizer.reset_vocab()
        frequency = np.zeros(0, np.int64)
        self._documents = words = 0
        for block in contents:
            counts = self._counts(block, learn=True)
            found = np.bincount(counts.indices, minlength=counts.shape[1])
            found[: frequency.size] += frequency
            frequency = found
            self._documents += len(block)
            words += int(counts.data.sum())
        if not words:
            raise BadInput("No document of the corpus has a word that BM25 can count.", "Encode its images instead.")
        self._average = words / self._documents
        self._idf = np.log(1 + (self._documents - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)

    def save_state(self, folder: Path) -> None:
        """Vocabulary and sizes as JSON, the idf as .npy; the JSON is written last."""
        folder.mkdir(parents=True, exist_ok=True)
        save_array(folder / "idf.npy", self._idf)
        state = {
            "documents": self._documents,
            "average_length": self._average,
            "vocabulary": list(self._tokenizer.word_to_id),
        }
        write_durably(folder / STATE_FILE, json.dumps(state, ensure_ascii=False).encode())

    def _load_state(self, folder: Path) -> None:
        if not (folder / STATE_FILE).is_file():
            raise NotFound(f"The fitted state of BM25 is missing in {folder.name}.", "Encode the corpus again.")
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        self._documents, self._average = state["documents"], state["average_length"]
        self._tokenizer.word_to_id = {word: number for number, word in enumerate(state["vocabulary"])}
        self._idf = np.load(folder / "idf.npy", allow_pickle=False)

    def _encode_texts(self, texts: list[str], role: Role, progress: Progress) -> sparse.csr_matrix:
        if not self.dim:
            raise BadInput("BM25 was not fitted to a corpus yet.", "Encode the corpus first.")
        if role == "query":
            return self._counts(texts, learn=False)
        parts = []
        for start in range(0, len(texts), BLOCK):
            parts.append(self._weights(texts[start : start + BLOCK]))
            progress(min(start + BLOCK, len(texts)), len(texts))
        return sparse.vstack(parts, format="csr")

    def _weights(self, texts: Sequence[str]) -> sparse.csr_matrix:
        counts = self._counts(texts, learn=False)
        lengths = np.asarray(counts.sum(axis=1)).ravel()
        saturation = self._spec.k1 * (1 - self._spec.b + self._spec.b * lengths / self._average)
        own = np.repeat(saturation, np.diff(counts.indptr))
        # All zero only at k1 = 0 for no term; a stored count is at least 1.
        weights = self._idf[counts.indices] * counts.data / (own + counts.data)
        return sparse.csr_matrix((weights.astype(np.float32), counts.indices, counts.indptr), shape=counts.shape)

    def _counts(self, texts: Sequence[str], learn: bool) -> sparse.csr_matrix:
        """(n, terms) CSR of word counts, float32, columns ascending; `learn` takes new words into the vocabulary."""
        ids: list[int] = []
        bounds = [0]
        for row in self._tokenizer.streaming_tokenize(texts, update_vocab=learn, allow_empty=False):
            ids.extend(row)
            bounds.append(len(ids))
        terms = len(self._tokenizer.word_to_id)
        ones = np.ones(len(ids), dtype=np.float32)
        counts = sparse.csr_matrix((ones, np.asarray(ids, np.int32), bounds), shape=(len(texts), terms))
        counts.sum_duplicates()
        return counts
