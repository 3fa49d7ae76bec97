"""What the tests of labelling share: twelve notes, ten queries that all of them answer, two settings of BM25."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.project import Project, Workspace
from workbench.workflows import corpus
from workbench.workflows.encode import encode_corpus

QUERIES = ["bird", "fish", "river", "small bird", "song", "town", "garden", "night", "tall bird", "<i>blue</i> bird"]
WORDS = "a bird by the river with fish in a small garden of the town sings a song at night, tall and blue"
NOW = ".lb-card[data-now]"


@contextmanager
def notes_project(workspace: Path, name: str, folder: Path) -> Iterator[Project]:
    """A project with the corpus “aviary” and its query set “ten”, with more than five candidates for each query."""
    rows = [{"id": f"n{n}", "title": f"Note {n}", "text": f"{WORDS} note{n} " + "and " * n} for n in range(12)]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "q.jsonl").write_text(
        "".join(json.dumps({"id": f"q{n}", "text": text}) + "\n" for n, text in enumerate(QUERIES))
    )
    made = Workspace(workspace).create(name)
    corpus.import_corpus(made, "aviary", folder / "c.jsonl")
    corpus.import_queries(made, "ten", folder / "q.jsonl", "aviary")
    for encoder, b in (("bm25", 0.75), ("flat", 0.0)):
        encode_corpus(made, "aviary", {"kind": "bm25", "name": encoder, "b": b})
    yield made
    made.close()
    Workspace(workspace).delete(name)


def open_label(page, site, project: str, annotator: str, **values: str) -> None:
    """The Label page as `annotator` uses it, with its first card ready."""
    page.add_init_script(f"localStorage.setItem('wb.annotator', '{annotator}')")
    page.goto(site.page("/label", project=project, **values))
    page.wait_for_selector(NOW)
    page.wait_for_selector(".lb-q[data-now]")


def press(page, key: str) -> None:
    """A key, and the time a hand needs at least between two."""
    page.keyboard.press("Space" if key == " " else key)
    page.wait_for_timeout(160)


def saved(page) -> None:
    page.wait_for_function("document.querySelector('.lb-saved')?.dataset.state === 'saved'")
