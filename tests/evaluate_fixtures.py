"""A corpus in which query q1 wants document d1, q2 wants d2 and so on, and runs that put it where a test says."""

import json
from collections.abc import Sequence
from pathlib import Path

from workbench.project import Project
from workbench.workflows.corpus import import_corpus, import_queries
from workbench.workflows.running import import_run

EVIL = "<script>window.broken = 1</script>\"'"
COUNT = 24


def make_pairs(project: Project, folder: Path, count: int = COUNT, judged: bool = True) -> Project:
    """The corpus “pairs” and its query set “wanted”; the first query and its document try to inject markup."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [EVIL if n == 1 else f"thing number {n}" for n in range(1, count + 1)]
    rows = [{"id": f"d{n}", "title": f"T{n}", "text": f"{text} ({n})"} for n, text in enumerate(texts, 1)]
    asked = [{"id": f"q{n}", "text": f"{text} {'please ' * (n % 5)}".strip()} for n, text in enumerate(texts, 1)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "wanted.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    (folder / "wanted.qrels").write_text("".join(f"q{n} 0 d{n} 1\n" for n in range(1, count + 1)))
    import_corpus(project, "pairs", folder / "pairs.jsonl")
    qrels = folder / "wanted.qrels" if judged else None
    import_queries(project, "wanted", folder / "wanted.jsonl", "pairs", qrels)
    return project


def place_run(project: Project, folder: Path, name: str, ranks: Sequence[int]) -> None:
    """A run that has the document of query n at `ranks[n − 1]` of five; others fill the rest."""
    count, lines = len(ranks), []
    for n, rank in enumerate(ranks, 1):
        others = [f"d{m}" for m in range(1, count + 1) if m != n][:4]
        listed = [*others[: rank - 1], f"d{n}", *others[rank - 1 :]]
        lines += [f"q{n} Q0 {doc} {place} {10 - place} x\n" for place, doc in enumerate(listed, 1)]
    path = folder / "placed.trec"
    path.write_text("".join(lines))
    import_run(project, name, path, "wanted")


def three_runs(project: Project, folder: Path) -> Project:
    """“second” has all at rank 2; “first” all at rank 1, so RR + 0.5 everywhere; “mixed” a third each at ranks 1, 4 and
    5, so that RR gains 0.5 once for each loss of 0.25 and of 0.3: no difference that a test shows."""
    make_pairs(project, folder)
    place_run(project, folder, "second", [2] * COUNT)
    place_run(project, folder, "first", [1] * COUNT)
    place_run(project, folder, "mixed", [1 if n % 3 == 0 else 4 if n % 3 == 1 else 5 for n in range(COUNT)])
    return project
