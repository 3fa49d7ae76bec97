"""Files → documents, queries and qrels: one reader per format, in a registry."""

from pathlib import Path

from workbench.errors import BadInput
from workbench.readers.base import Reader
from workbench.readers.layouts import has_corpus
from workbench.registry import Registry
from workbench.specs import ImportSpec

READERS = Registry(
    "reader",
    {
        "jsonl": "workbench.readers.jsonl:JsonlReader",
        "csv": "workbench.readers.tables:CsvReader",
        "tsv": "workbench.readers.tables:TsvReader",
        "parquet": "workbench.readers.parquet:ParquetReader",
        "beir": "workbench.readers.beir:BeirReader",
        "texts": "workbench.readers.files:TextsReader",
        "images": "workbench.readers.images:ImagesReader",
        "vectors": "workbench.readers.arrays:VectorsReader",
    },
)

BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".npy": "vectors",
}
TEXT_SUFFIXES = frozenset({".txt", ".text", ".md", ".markdown", ".rst"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
_LOOK_AT_FILES = 2000


def guess_reader(path: Path) -> str:
    """The reader's name for a file (by its suffix, else its first bytes) or a folder (by what is in it).

    Raises `BadInput` where the path is missing or no reader fits.
    """
    if path.is_dir():
        return _guess_folder(path)
    if not path.is_file():
        raise BadInput(f"There is no file or folder “{path}”.", "Check the path; relative ones start at the program.")
    suffix = path.suffix.lower()
    if suffix in BY_SUFFIX:
        return BY_SUFFIX[suffix]
    if suffix in TEXT_SUFFIXES | IMAGE_SUFFIXES:
        kind = "image" if suffix in IMAGE_SUFFIXES else "text"
        raise BadInput(f"“{path.name}” is a single {kind}.", f"Give the folder that holds the {kind}s.")
    with path.open("rb") as handle:
        found = _guess_bytes(handle.read(4096))
    if not found:
        raise BadInput(f"The format of “{path.name}” is not known.", f"Choose a reader: {', '.join(READERS.names())}.")
    return found


def _guess_bytes(head: bytes) -> str:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"\x93NUMPY"):
        return "vectors"
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    if first.startswith(b"{"):
        return "jsonl"
    if b"\0" in first:
        return ""
    return "tsv" if b"\t" in first else "csv" if b"," in first else ""


def _guess_folder(folder: Path) -> str:
    if has_corpus(folder):
        return "beir"
    suffixes: dict[str, int] = {}
    for count, file in enumerate(folder.rglob("*")):
        if count == _LOOK_AT_FILES:
            break
        suffixes[file.suffix.lower()] = suffixes.get(file.suffix.lower(), 0) + 1
    if ".npy" in suffixes:
        return "vectors"
    images = sum(suffixes.get(suffix, 0) for suffix in IMAGE_SUFFIXES)
    texts = sum(suffixes.get(suffix, 0) for suffix in TEXT_SUFFIXES)
    if images and images >= texts:
        return "images"
    if texts:
        return "texts"
    raise BadInput(
        f"The folder “{folder.name}” holds nothing that a reader knows.",
        "Give a BEIR or MTEB folder (with a corpus), a folder of texts, images or .npy vectors, or one file.",
    )


def open_reader(path: Path, spec: ImportSpec | None = None) -> Reader:
    """The reader that `spec` names, or the guessed one, on `path`. Raises `BadInput`, `NotFound` on a wrong name."""
    spec = spec or ImportSpec()
    path = Path(path).expanduser()
    name = spec.reader or guess_reader(path)
    reader: Reader = READERS.load(name)(path, spec)
    return reader
