"""A sample corpus that every machine has: the functions of Python's own standard library.

Documents are functions without their docstring, queries the docstrings' first sentences, so the gold pairs come from
the data itself: docstring → code. Made for trying things out; it is not a benchmark.
"""

import ast
import hashlib
import json
import re
import sysconfig
import textwrap
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Any, TextIO

from workbench.errors import NotFound
from workbench.types import Progress, no_progress

# Tests, code of other projects, demos and generated tables: not what a person means by the library.
SKIPPED_FOLDERS = frozenset(
    {"_bundled", "dist-packages", "encodings", "idlelib", "lib2to3", "lib-dynload", "pydoc_data", "site-packages"}
    | {"__pycache__", "test", "tests", "turtledemo"}
)
SMALLEST_DOCSTRING = 5  # words
SMALLEST_BODY = 4  # lines that are not blank
LARGEST_BODY = 200
PER_MODULE = 120


@dataclass(frozen=True)
class Function:
    """One function or method as it is searched: `code` without the docstring, `summary` its first sentence."""

    name: str
    kind: str
    summary: str
    code: str
    line: int


@dataclass(frozen=True)
class LibraryReport:
    """What was written: a BEIR folder with its counts."""

    folder: Path
    documents: int
    queries: int


def write_python_library(
    folder: Path, limit: int = 4000, root: Path | None = None, progress: Progress = no_progress
) -> LibraryReport:
    """Write `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv` about the library at `root` into `folder`.

    Without `root` it is the running interpreter's; nothing is imported, the source files are parsed. The same
    library gives the same files. Raises `NotFound` where the interpreter has no source files.
    """
    library = root or Path(sysconfig.get_paths()["stdlib"])
    files = source_files(library)
    if not files:
        raise NotFound(f"No Python source files under {library}.", "Use a Python that brings its library as .py files.")
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    with (
        open_text(folder / "corpus.jsonl") as corpus,
        open_text(folder / "queries.jsonl") as queries,
        open_text(folder / "qrels" / "test.tsv") as qrels,
    ):
        writer = BeirWriter(corpus, queries, qrels)
        for number, path in enumerate(files):
            progress(number, len(files))
            for function in chosen_of(path):
                writer.add(module_name(path, library), function)
                if writer.documents == limit:
                    return LibraryReport(folder, writer.documents, len(writer.queries))
    return LibraryReport(folder, writer.documents, len(writer.queries))


def open_text(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")


def source_files(library: Path) -> list[Path]:
    """The library's modules, whole packages taken in turn by the hash of their path: a limit cuts no corner off."""
    paths = (path for path in library.rglob("*.py") if not SKIPPED_FOLDERS & set(path.relative_to(library).parts))
    return sorted(paths, key=lambda path: hashlib.sha256(path.relative_to(library).as_posix().encode()).digest())


def module_name(path: Path, library: Path) -> str:
    parts = path.relative_to(library).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def chosen_of(path: Path) -> list[Function]:
    """At most `PER_MODULE` functions of a file, in its order; a file that does not parse has none."""
    try:
        with tokenize.open(path) as handle:
            source = handle.read()
        tree = ast.parse(source)
    except (SyntaxError, UnicodeDecodeError):
        return []
    lines = source.split("\n")  # splitlines() would also cut at the form feeds some files have
    found = (describe(node, name, lines) for name, node in definitions(tree))
    return [function for function in found if function is not None][:PER_MODULE]


def definitions(
    node: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """(qualified name, definition) of the functions and methods; not those inside functions."""
    for child in node.body:
        if isinstance(child, ast.ClassDef):
            yield from definitions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}", child


def describe(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, lines: list[str]) -> Function | None:
    """The function as a document, or None where it is too small, too large or gives its docstring away."""
    docstring = ast.get_docstring(node)
    if docstring is None or len(node.body) < 2:
        return None
    summary = first_sentence(docstring)
    quoted, rest = node.body[0], node.body[1]
    start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    last_quoted, end = quoted.end_lineno or quoted.lineno, node.end_lineno or rest.lineno
    body = list(dropwhile(lambda line: not line.strip(), lines[last_quoted:end]))
    alone = node.lineno < quoted.lineno and last_quoted < rest.lineno
    size = sum(bool(line.strip()) for line in body)
    if not alone or not SMALLEST_BODY <= size <= LARGEST_BODY or len(summary.split()) < SMALLEST_DOCSTRING:
        return None
    code = textwrap.dedent("\n".join([*lines[start - 1 : quoted.lineno - 1], *body])).strip()
    if squeeze(summary) in squeeze(code):
        return None
    return Function(name, "method" if "." in name else "function", summary, code, start)


def first_sentence(docstring: str) -> str:
    """The first sentence, on one line; the first paragraph where the sentence is short."""
    paragraph = " ".join(re.split(r"\n\s*\n", docstring.strip())[0].split())
    sentence = re.split(r"(?<=[.!?])\s", paragraph)[0]
    return sentence if len(sentence.split()) >= SMALLEST_DOCSTRING else paragraph


def squeeze(text: str) -> str:
    """Letters and digits only, in lower case: equal for texts that differ in layout and punctuation."""
    return re.sub(r"[\W_]+", "", text.lower())


class BeirWriter:
    """Writes functions as they come; a copy of a known function is left out, a known query gets one more answer."""

    def __init__(self, corpus: TextIO, queries: TextIO, qrels: TextIO) -> None:
        self.documents = 0
        self.queries: dict[str, str] = {}
        self._corpus, self._queries, self._qrels = corpus, queries, qrels
        self._codes: set[str] = set()
        self._ids: dict[str, int] = {}
        qrels.write("query-id\tcorpus-id\tscore\n")

    def add(self, module: str, function: Function) -> None:
        code = hashlib.sha256(squeeze(function.code).encode()).hexdigest()
        if code in self._codes:
            return
        self._codes.add(code)
        name = f"{module}.{function.name}"
        self._ids[name] = self._ids.get(name, 0) + 1
        doc_id = name if self._ids[name] == 1 else f"{name}#{self._ids[name]}"
        details = {"module": module, "kind": function.kind, "lines": function.code.count("\n") + 1}
        write_line(self._corpus, {"_id": doc_id, "title": name, "text": function.code, "metadata": details})
        self.documents += 1
        query = squeeze(function.summary)
        if query not in self.queries:
            self.queries[query] = f"q{len(self.queries) + 1}"
            write_line(self._queries, {"_id": self.queries[query], "text": function.summary})
        self._qrels.write(f"{self.queries[query]}\t{doc_id}\t1\n")


def write_line(file: TextIO, value: dict[str, Any]) -> None:
    file.write(json.dumps(value, ensure_ascii=False) + "\n")
