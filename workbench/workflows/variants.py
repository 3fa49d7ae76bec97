"""Variants of a query set: the same queries as people mistype or rephrase them, under the same ids and judgments.

A run over a variant is also listed under the query set it was made of, so that the Evaluate page compares the two.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from workbench import corpora, label_sets, query_sets, runs
from workbench.errors import BadInput
from workbench.judgments import Entry, stream
from workbench.project import Project, check_name
from workbench.query_sets import QuerySetInfo
from workbench.specs import EncodeSpec, VarySpec, fingerprint
from workbench.specs.test_sets import PARAPHRASE, QUERY
from workbench.types import Progress, Query, no_progress
from workbench.variations import PLAIN, with_typos
from workbench.workflows.deriving import link_or_copy
from workbench.workflows.made_sets import Making, made_before, report_values
from workbench.workflows.sources import sources_told

PAGE = 500
EXAMPLES = 5
Change = Callable[[Query], str]


@dataclass(frozen=True)
class Varied:
    """A variant. `changed` queries differ from the original's; the others are as they were, so all can be compared.

    `kept`: why a variation left a query as it was, with counts. `examples`: (before, after).
    """

    query_set: str
    corpus: str
    queries: int
    judgments: int
    changed: int
    variant_of: str
    kinds: list[str]
    origin: dict[str, Any]
    kept: dict[str, int] = field(default_factory=dict)
    examples: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def vary_queries(
    project: Project, query_set: str, name: str, spec: VarySpec, progress: Progress = no_progress
) -> Varied:
    """Make the query set `name`: the queries of another, changed, with the same ids, order, pictures and qrels.

    People's and mined judgments stay with the original. The same again is a no-op. Raises `NotFound` on the query set,
    `BadInput` where it has no queries, the name is taken, or no model was named for paraphrases.
    """
    name, info = check_name("query set", name), query_sets.find(project.db, query_set)
    if not info.queries:
        raise BadInput(f"The query set “{query_set}” has no queries.", "Choose another.")
    texts = [fingerprint([[each.query_id, each.text] for each in batch]) for batch in pages(project, info)]
    made_of = fingerprint("variant", info.name, texts, spec.to_dict())
    before = made_before(project, name, made_of)
    if before is not None:
        values = report_values(before, Varied.__dataclass_fields__)
        return Varied(**{**values, "examples": [(old, new) for old, new in values["examples"]]})
    corpus = corpora.find(project.db, info.corpus)
    source = f"{info.name}: {', '.join(spec.kinds)}"
    with sources_told(Path(name)), query_sets.begin(project.db, project.media, name, corpus.id, source) as draft:
        making = Making(project, draft, name, (corpus.name, corpus.id))
        varying = _Varying(spec, progress, info.queries)
        for batch in pages(project, info):
            changed = [varying.changed(each) for each in batch]
            making.add_queries([_with_picture(each, project.media, draft.media) for each in changed])
        left = _copy_judgments(making, info)
        report = Varied(
            query_set=name,
            corpus=corpus.name,
            queries=draft.queries,
            judgments=making.judgments,
            changed=varying.count,
            variant_of=info.name,
            kinds=list(spec.kinds),
            origin={**varying.origin, "rate": spec.rate, "seed": spec.seed},
            kept=varying.kept,
            examples=varying.examples,
            warnings=[*varying.warnings, *left],
        )
        making.finish(asdict(report), made_of)
    return report


def pages(project: Project, info: QuerySetInfo) -> Iterator[list[Query]]:
    for start in range(0, info.queries, PAGE):
        yield query_sets.page(project.db, info.id, start, PAGE)


class _Varying:
    """The variations of a spec, applied in order, with what they did."""

    def __init__(self, spec: VarySpec, progress: Progress, total: int) -> None:
        self._spec = spec
        self._progress, self._total, self._done = progress, total, 0
        self.count = 0
        self.kept: dict[str, int] = {}
        self.examples: list[tuple[str, str]] = []
        self.warnings: list[str] = []
        self.origin: dict[str, Any] = {"kinds": list(spec.kinds)}
        self._steps: list[tuple[str, Change]] = [(kind, self._step(kind)) for kind in spec.kinds]

    def _step(self, kind: str) -> Change:
        if kind == "typos":
            # By the query's id: its typos do not hang on the others.
            return lambda query: with_typos(query.text, f"{self._spec.seed}:{query.query_id}", self._spec.rate)
        if kind == "paraphrase":
            return self._paraphrase()
        plain = PLAIN[kind]
        return lambda query: plain(query.text)

    def _paraphrase(self) -> Change:
        # Imported here: the model's libraries are heavy, and the other variations need none.
        from workbench.rerankers.writers import SYSTEM, open_writer, read_answer

        given = self._spec.writer
        if given is None:
            raise BadInput("No model was named that could paraphrase.", "Name a local model, or an endpoint.")
        prompt = given.asking(QUERY, PARAPHRASE)
        writer = open_writer(given, EncodeSpec())
        self.warnings += writer.warnings
        self.origin |= {"system": SYSTEM, "prompt": prompt, **writer.describe()}
        return lambda query: read_answer(writer.write(prompt, QUERY, query.text, self._tick))

    def _tick(self) -> None:
        self._progress(self._done, self._total)

    def changed(self, query: Query) -> Query:
        """The query as it became; a variation that leaves nothing of its text leaves it as it was, counted."""
        self._tick()
        now = query
        for kind, change in self._steps:
            text = change(now).strip() if now.text else ""
            if text:
                now = replace(now, text=text)
            elif now.text:
                why = f"{kind} left nothing of the query"
                self.kept[why] = self.kept.get(why, 0) + 1
        self._done += 1
        if now.text != query.text:
            self.count += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append((query.text, now.text))
        return now


def _with_picture(query: Query, media: Path, folder: Path) -> Query:
    """The query with its picture under the new query set's `folder`."""
    if not query.image:
        return query
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / Path(query.image).name
    link_or_copy(media / query.image, target)
    return replace(query, image=f"{folder.name}/{target.name}")


def _copy_judgments(making: Making, info: QuerySetInfo) -> list[str]:
    """The imported judgments of `info`, who gave them included; a sentence about those that stay."""
    db = making.project.db
    known = label_sets.listed(db, info.id)
    for each in known:
        if each.kind not in ("qrels", "imported"):
            continue
        for annotator in label_sets.annotators(db, info.id, each.name):
            said = (row for row in stream(db, info.id, [each.name]) if row.annotator == annotator)
            entries = (Entry(row.query_id, row.doc_id, row.verdict, row.provenance) for row in said)
            making.add_judgments((each.name, each.kind), annotator, entries, f"copied from {info.name}")
    left = [f"“{each.name}”" for each in known if each.kind not in ("qrels", "imported")]
    if not left:
        return []
    return [f"{', '.join(left)} stay with “{info.name}”, where runs over this variant are measured by them too."]


def lend_run(project: Project, variant: QuerySetInfo, name: str, artifact_id: str) -> None:
    """List a run over a variant under the query set it was made of as well, if that still has the same queries."""
    original = variant.report.get("variant_of")
    found = next((each for each in query_sets.listed(project.db) if each.name == original), None)
    if found is None or found.corpus != variant.corpus:
        return
    ours, theirs = (query_sets.ids(project.db, each.id) for each in (variant, found))
    if theirs[: len(ours)] == ours:
        runs.add(project.db, f"{name}-variant", found.id, artifact_id)
