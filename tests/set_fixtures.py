"""A corpus of numbered documents in several versions, for the tests of subsets, tags and exports."""

import json
from pathlib import Path

from workbench.project import Project
from workbench.workflows.corpus import ImportReport, import_corpus


def rows_of(numbers: range | list[int]) -> list[dict[str, object]]:
    """Document n is “d{n}”, with a word, a year, a weight and every third one wild."""
    words = ("bee", "wasp", "ant")
    return [
        {
            "id": f"d{n}",
            "title": f"Title {n}",
            "text": f"{words[n % 3]} number {n}",
            "year": 1900 + n,
            "weight": n / 4,
            "wild": n % 3 == 0,
        }
        for n in numbers
    ]


def import_numbers(project: Project, folder: Path, numbers: range | list[int], name: str = "bugs") -> ImportReport:
    """Import the documents with these numbers, in this order, as the next version of `name`."""
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(numbers)), encoding="utf-8")
    return import_corpus(project, name, path)
