"""A test set made of a corpus's own documents: queries by a recipe, each judged, drawn, stored and reported."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench import corpora, query_sets
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.judgments import Entry, Verdict
from workbench.project import Project, check_name
from workbench.query_sets import QRELS
from workbench.specs import EncodeSpec, RecipeSpec, fingerprint
from workbench.specs.test_sets import DOCUMENT, WRITE
from workbench.types import Progress, Query, no_progress
from workbench.workflows.bridge import STEPS, share
from workbench.workflows.leaving_out import corpus_without
from workbench.workflows.made_sets import Making, made_before, report_values
from workbench.workflows.recipes import Drawn, check_recipe, draw, stands_in
from workbench.workflows.sources import sources_told

READ, DRAWN = 300, 600
"""Of `STEPS`: where the corpus without a part is made, and where the queries are drawn."""


@dataclass(frozen=True)
class MadeSet:
    """A test set made of a corpus. `corpus` is the one that is asked, `made_from` the one that the queries are from.

    `dropped`: why documents or answers gave no query, with counts. `verbatim`: queries that stand word for word in the
    document. `origin`: the recipe, and of written queries the model, its prompt and what it applied.
    """

    query_set: str
    corpus: str
    made_from: str
    queries: int
    judgments: int
    recipe: str
    origin: dict[str, Any]
    dropped: dict[str, int] = field(default_factory=dict)
    verbatim: int = 0
    warnings: list[str] = field(default_factory=list)


def make_test_set(
    project: Project,
    corpus: str | int,
    name: str,
    recipe: RecipeSpec,
    limit: int = 100,
    seed: int = 0,
    progress: Progress = no_progress,
) -> MadeSet:
    """Make the query set `name` of a corpus by a recipe: at most `limit` queries (0: all), drawn by `seed`.

    Each query is judged: its documents have relevance 1. Their provenance says how it was made. The same again is a
    no-op. Raises `NotFound` on the corpus, `BadInput` on a recipe that does not fit it, or where it gives no query.
    """
    name = check_name("query set", name)
    # Query sets belong to the newest version of their corpus.
    info = corpora.find(project.db, corpora.find(project.db, corpus).name)
    if limit < 0:
        raise BadInput(f"{limit} queries were asked for.", "Ask for 1 or more; 0 means all.")
    found = check_recipe(info, recipe)
    made_of = fingerprint("test set", info.fingerprint, recipe.to_dict(), limit, seed)
    before = made_before(project, name, made_of)
    if before is not None:
        return MadeSet(**report_values(before, MadeSet.__dataclass_fields__))
    reading, drawing = share(progress, 0, READ), share(progress, READ, DRAWN)
    target = corpus_without(project, info, found.part, reading) if recipe.leave_out else info
    source = f"{info.label} by {recipe.recipe}"
    with (
        sources_told(Path(info.name)),
        query_sets.begin(project.db, project.media, name, target.id, source) as draft,
    ):
        made = draw(project, info, recipe, (limit, seed), drawing)
        drawn, dropped, origin, told = made.drawn, made.dropped, {"recipe": recipe.recipe}, []
        if recipe.recipe == "column":
            origin["column"] = recipe.column
        if recipe.recipe == "written" and drawn:
            writing = _Written(recipe, share(progress, DRAWN, STEPS))
            drawn = writing.run(drawn)
            dropped, origin, told = dropped | writing.dropped, writing.origin, writing.warnings
        if not drawn:
            raise _nothing(info, recipe, dropped)
        making = Making(project, draft, name, (target.name, target.id))
        _store(making, drawn, origin)
        report = MadeSet(
            query_set=name,
            corpus=target.name,
            made_from=info.label,
            queries=len(drawn),
            judgments=making.judgments,
            recipe=recipe.recipe,
            origin={**origin, "seed": seed, "limit": limit, "leave_out": recipe.leave_out},
            dropped=dropped,
            verbatim=sum(each.verbatim for each in drawn),
            warnings=[*told, *_cautions(drawn, recipe, found.told)],
        )
        making.finish(asdict(report), made_of)
    return report


def _store(making: Making, drawn: list[Drawn], origin: dict[str, Any]) -> None:
    recipe = str(origin["recipe"])
    width = len(str(len(drawn)))
    ids = [f"{recipe}-{number:0{width}}" for number in range(1, len(drawn) + 1)]
    making.add_queries([Query(query_id, each.text) for query_id, each in zip(ids, drawn, strict=True)])
    mark: dict[str, Any] = {name: origin[name] for name in ("recipe", "column", "model") if name in origin}
    entries = (
        Entry(query_id, doc_id, Verdict(1), mark)
        for query_id, each in zip(ids, drawn, strict=True)
        for doc_id in each.doc_ids
    )
    making.add_judgments((QRELS, "qrels"), QRELS, entries, f"made: {recipe}")


def _cautions(drawn: list[Drawn], spec: RecipeSpec, usual: str) -> list[str]:
    told = [] if spec.leave_out else [usual]
    verbatim = sum(each.verbatim for each in drawn)
    if verbatim:
        told.append(f"{verbatim:,} of {len(drawn):,} queries stand word for word in their document.")
    several = [each for each in drawn if len(each.doc_ids) > 1]
    if several:
        most = max(len(each.doc_ids) for each in several)
        told.append(
            f"{len(several):,} queries are those of several documents (up to {most:,}); all of these are positives."
        )
    told.append("Other documents were not judged: some may answer a query too.")
    return told


def _nothing(info: CorpusInfo, spec: RecipeSpec, dropped: dict[str, int]) -> BadInput:
    why = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
    said = {"title": "titles", "caption": "captioned pictures", "column": f"values in “{spec.column}”"}
    what = said.get(spec.recipe, "queries")
    return BadInput(f"“{info.name}” gave no {what} to make queries of ({why or 'it is empty'}).", "Try another recipe.")


class _Written:
    """Queries that a language model writes, one for each document that was drawn."""

    def __init__(self, spec: RecipeSpec, progress: Progress) -> None:
        # Imported here: the model's libraries are heavy, and the other recipes need none.
        from workbench.rerankers.writers import SYSTEM, open_writer, read_answer

        if spec.writer is None:
            raise BadInput("No model was named that could write queries.", "Name a local model, or an endpoint.")
        self._read: Callable[[str], str] = read_answer
        self._prompt = spec.writer.asking(DOCUMENT, WRITE)
        self._writer = open_writer(spec.writer, EncodeSpec())
        self._progress = progress
        self.dropped: dict[str, int] = {}
        self.warnings = list(self._writer.warnings)
        self.origin: dict[str, Any] = {
            "recipe": spec.recipe, "system": SYSTEM, "prompt": self._prompt, **self._writer.describe()
        }  # fmt: skip

    def run(self, drawn: list[Drawn]) -> list[Drawn]:
        """The documents with the queries written; empty answers, and those that came before, are dropped."""
        made: list[Drawn] = []
        seen: set[str] = set()
        for number, each in enumerate(drawn):

            def tick(number: int = number) -> None:
                self._progress(number, len(drawn))

            tick()
            answer = self._read(self._writer.write(self._prompt, DOCUMENT, each.document.content, tick))
            key = answer.casefold()
            why = "empty answers" if not answer else "answers that came before" if key in seen else ""
            if why:
                self.dropped[why] = self.dropped.get(why, 0) + 1
                continue
            seen.add(key)
            made.append(Drawn(answer, each.doc_ids, each.document, stands_in(answer, each.document)))
        return made
