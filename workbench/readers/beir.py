"""A BEIR folder: corpus.jsonl, queries.jsonl and qrels/*.tsv. The corpus is read here; see `queries` for the rest."""

from pathlib import Path

from workbench.errors import BadInput
from workbench.readers.jsonl import JsonlReader
from workbench.specs import ImportSpec


class BeirReader(JsonlReader):
    """The corpus of a BEIR folder. Raises `BadInput` where the folder has no corpus.jsonl."""

    name = "beir"
    needs_folder = True

    def __init__(self, path: Path, spec: ImportSpec) -> None:
        super().__init__(path, spec)
        self.path = path / "corpus.jsonl"
        if not self.path.is_file():
            raise BadInput(f"The folder “{path.name}” has no corpus.jsonl.", "Give the folder of a BEIR data set.")
        if self.path.stat().st_size == 0:
            raise BadInput("corpus.jsonl is empty.", "Give a file that holds at least one document.")
