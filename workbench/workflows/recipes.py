"""Recipes for test sets: what of a document becomes a query to which that document is the answer."""

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from workbench import corpora, ingest
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.project import Project
from workbench.readers.queries import QUERY_LIMIT
from workbench.specs import RecipeSpec
from workbench.types import Document, Progress

Asks = Callable[[Document, RecipeSpec], str]


@dataclass(frozen=True)
class Recipe:
    """`asks`: the query in a document, "" where it has none. `part`: what of the documents it is made of.

    `told`: what somebody who reads the figures should know.
    """

    asks: Asks
    told: str
    part: str = ""


def title(document: Document, spec: RecipeSpec) -> str:
    return document.title


def caption(document: Document, spec: RecipeSpec) -> str:
    """The words that go with a picture."""
    return (document.text.strip() or document.title) if document.image else ""


def column(document: Document, spec: RecipeSpec) -> str:
    value = document.metadata.get(spec.column)
    return value if isinstance(value, str) else ""


def itself(document: Document, spec: RecipeSpec) -> str:
    """Its id, if it has words: a model writes the query afterwards, one for each document."""
    return document.doc_id if document.content else ""


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "title": Recipe(
            title, "Encoders read a document's title with its text, so its own title finds it easily.", "titles"
        ),
        "caption": Recipe(
            caption, "Encoders of texts read the caption in the document, so it finds its picture easily.", "captions"
        ),
        "column": Recipe(column, "The queries are values of a metadata column, which encoders do not read."),
        "written": Recipe(itself, "The queries were written by a language model that had read the document."),
    }
)


def reduced(document: Document, part: str) -> Document | None:
    """The document without its “titles” or “captions” (title and text of a picture); None where nothing is left."""
    if part == "titles":
        return replace(document, title="") if document.text.strip() or document.image else None
    if part == "captions":
        return replace(document, title="", text="") if document.image else None
    return document


def check_recipe(info: CorpusInfo, spec: RecipeSpec) -> Recipe:
    """The recipe of `spec`. Raises `BadInput` where the corpus or the settings do not fit it."""
    recipe = RECIPES[spec.recipe]
    if spec.leave_out and not recipe.part:
        raise BadInput(
            f"The recipe “{spec.recipe}” takes nothing that an encoder reads, so there is nothing to leave out.",
            "Switch leave_out off.",
        )
    if spec.recipe == "caption" and not info.has_images:
        raise BadInput(f"“{info.name}” has no pictures.", "Choose another recipe.")
    if spec.recipe == "column" and info.columns.get(spec.column) != "text":
        texts = [name for name, kind in info.columns.items() if kind == "text"]
        raise BadInput(
            f"“{info.name}” has no text column “{spec.column[:60]}”.",
            f"Text columns: {', '.join(texts)}." if texts else "It has none; choose another recipe.",
        )
    if spec.recipe == "written" and spec.writer is None:
        raise BadInput("No model was named that could write queries.", "Name a local model, or an endpoint.")
    return recipe


@dataclass
class Drawn:
    """A query that was drawn: the documents that answer it, the first one, and whether it stands in that one's text."""

    text: str
    doc_ids: list[str]
    document: Document
    verbatim: bool = False


class Sample:
    """At most `limit` (0: all) of the keys that are offered, by seeded hashes, each with all that came under it.

    One pass, memory of `limit` keys. A key that fell out never comes back: the bar only rises.
    """

    def __init__(self, limit: int, seed: int) -> None:
        self.kept: dict[str, Drawn] = {}
        self.seen = 0
        self._limit = limit
        self._seed = str(seed).encode()
        self._worst: list[tuple[int, str]] = []

    def offer(self, key: str, document: Document) -> None:
        if key in self.kept:
            self.kept[key].doc_ids.append(document.doc_id)
            return
        # Many documents of one text that fell out count several times; only the message says so.
        rank = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, key=self._seed).digest())
        self.seen += 1
        if self._limit and len(self.kept) == self._limit:
            if rank >= -self._worst[0][0]:
                return
            del self.kept[heapq.heapreplace(self._worst, (-rank, key))[1]]
        else:
            heapq.heappush(self._worst, (-rank, key))
        self.kept[key] = Drawn(key, [document.doc_id], document)


@dataclass(frozen=True)
class Draw:
    """What came of a draw: queries in the order of their first documents, and why documents gave none."""

    drawn: list[Drawn]
    dropped: dict[str, int]


def draw(project: Project, info: CorpusInfo, spec: RecipeSpec, size: tuple[int, int], progress: Progress) -> Draw:
    """Draw `size` = (limit, seed) queries from a corpus. Documents with the same query are all its answers."""
    recipe = RECIPES[spec.recipe]
    part = recipe.part if spec.leave_out else ""
    sample = Sample(*size)
    dropped = {"without a query": 0, "too long": 0, "nothing left of the document": 0}
    for document in documents(project, info, progress):
        text = recipe.asks(document, spec)
        words = text if spec.recipe == "written" else " ".join(text.split())
        if not words:
            dropped["without a query"] += 1
        elif len(words) > QUERY_LIMIT:
            dropped["too long"] += 1
        elif reduced(document, part) is None:
            dropped["nothing left of the document"] += 1
        else:
            sample.offer(words, document)
    for each in sample.kept.values():
        each.verbatim = stands_in(each.text, reduced(each.document, part))
    return Draw(list(sample.kept.values()), {why: count for why, count in dropped.items() if count})


def stands_in(text: str, document: Document | None) -> bool:
    """Whether the query stands word for word in what an encoder of texts reads of the document."""
    content = "" if document is None else document.content
    return " ".join(text.casefold().split()) in " ".join(content.casefold().split())


def documents(project: Project, info: CorpusInfo, progress: Progress) -> Iterator[Document]:
    """All documents of a corpus in order, some hundreds in memory."""
    for start in range(0, info.documents, ingest.BATCH):
        progress(start, info.documents)
        yield from corpora.documents(project.db, info.id, range(start, min(start + ingest.BATCH, info.documents)))
    progress(info.documents, info.documents)
