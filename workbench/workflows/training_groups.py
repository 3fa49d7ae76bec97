"""The judgments of a query set, settled, as groups of texts: streamed query after query, troubles counted."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.judged import Judged, judged
from workbench.judgments import Pair
from workbench.project import Project
from workbench.query_sets import QuerySetInfo
from workbench.types import Query, TrainingDocument, TrainingGroup
from workbench.workflows.resolving import Rules, is_positive, settle

LISTED = 20
Placed = Callable[[str | None], str | None]


@dataclass
class Listed:
    """Pairs of one kind: all counted, the first `LISTED` kept."""

    count: int = 0
    pairs: list[Pair] = field(default_factory=list)

    def add(self, pair: Pair) -> None:
        self.count += 1
        if self.count <= LISTED:
            self.pairs.append(pair)


class Contradicted(BadInput):
    """Pairs that are both positive and negative; `pairs` holds the first `LISTED` of `count`.

    `alike`: of a pair whose two sides are documents of the same text, their ids. `details`: "contradictions", their
    number, and "pairs", for each of the first [query id, [document ids]].
    """

    def __init__(self, found: Listed, alike: Mapping[Pair, Sequence[str]]) -> None:
        some = ", ".join(f"{pair.query_id} / {pair.doc_id}" for pair in found.pairs)
        more = f" and {found.count - len(found.pairs):,} more" if found.count > len(found.pairs) else ""
        are = "1 pair is" if found.count == 1 else f"{found.count:,} pairs are"
        super().__init__(
            f"{are} both positive and negative, by label set or by text: {some}{more}. Nothing was written.",
            "Judge them again, choose fewer label sets, or say which label set to prefer.",
            {
                "contradictions": found.count,
                "pairs": [[pair.query_id, list(alike.get(pair, [pair.doc_id]))] for pair in found.pairs],
            },
        )
        self.pairs, self.count = found.pairs, found.count


@dataclass
class Findings:
    """What was met on the way. `undecided`: people disagree evenly. `unknown`: documents the corpus does not have.

    `stale`: judgments of an earlier text of their document. `settled`: documents that gave way to the same text.
    `outranking`: negatives that scored higher than a positive of their query. `alike`: of each listed contradiction by
    text the documents.
    """

    contradictions: Listed = field(default_factory=Listed)
    undecided: Listed = field(default_factory=Listed)
    unknown: Listed = field(default_factory=Listed)
    stale: Listed = field(default_factory=Listed)
    outranking: Listed = field(default_factory=Listed)
    alike: dict[Pair, list[str]] = field(default_factory=dict)
    settled: int = 0


@dataclass(frozen=True)
class Wanted:
    """What the groups are made of; `with_texts` off: ids and grades only, and documents need not exist.

    `placed` turns a stored image into the path that is written. `hasty`: stop at the first contradiction instead of
    counting all of them.
    """

    queries: QuerySetInfo
    corpus: CorpusInfo
    rules: Rules
    with_texts: bool = True
    placed: Placed = lambda image: None
    hasty: bool = False


def training_groups(project: Project, wanted: Wanted, found: Findings) -> Iterator[TrainingGroup]:
    """A group for each query with a settled judgment, in the order of the set.

    Positives by grade; negatives hard ones first, then by score; ties by document id. Raises `Contradicted` at the end
    where there was a contradiction; nothing comes out after the first.
    """
    corpus_id = wanted.corpus.id if wanted.with_texts else None
    said = judged(project.db, wanted.queries.id, list(wanted.rules.kinds), corpus_id)
    for _, of_query in groupby(said, attrgetter("query_id")):
        group = _group(_settled(of_query, wanted, found), wanted, found)
        if found.contradictions.count and wanted.hasty:
            break
        if group is not None and not found.contradictions.count:
            yield group
    if found.contradictions.count:
        raise Contradicted(found.contradictions, found.alike)


def _settled(of_query: Iterable[Judged], wanted: Wanted, found: Findings) -> list[Judged]:
    """The final judgment of each pair of a query that has one and whose document is there."""
    kept = []
    for _, said in groupby(of_query, attrgetter("doc_id")):
        of_pair = list(said)
        value = settle(of_pair, wanted.rules)
        if value is None:
            continue
        pair = Pair(of_pair[0].query_id, of_pair[0].doc_id)
        if not isinstance(value, Judged):
            (found.undecided if value == "tie" else found.contradictions).add(pair)
        elif wanted.with_texts and value.text is None:
            found.unknown.add(pair)
        else:
            if wanted.with_texts and value.judged_hash and value.judged_hash != value.content_hash:
                found.stale.add(pair)
            kept.append(value)
    return kept


def _group(values: list[Judged], wanted: Wanted, found: Findings) -> TrainingGroup | None:
    """The judgments of a query as a group; None where there are none."""
    if wanted.with_texts:
        values = _one_side(values, wanted, found)
    if not values:
        return None
    positives: list[TrainingDocument] = []
    negatives: list[TrainingDocument] = []
    noted: float | None = None
    for value in values:
        noted = value.positive_score if noted is None else noted
        side = positives if is_positive(value) else negatives
        grade, hard = value.relevance or 0, bool(value.is_hard_negative)
        image = wanted.placed(value.image) if value.image else None
        side.append(TrainingDocument(value.doc_id, content(value), grade, hard, value.score, image))
    if len(positives) == 1 and positives[0].score is None and noted is not None:
        # The lowest score of a query's positives, which its miner noted, is that of its only one.
        positives[0] = positives[0]._replace(score=noted)
    _note_outranking(values, positives, found)
    positives.sort(key=lambda each: -each.relevance)
    negatives.sort(key=lambda each: (not each.is_hard_negative, -_or_lowest(each.score)))
    first = values[0]
    query = Query(first.query_id, first.query, wanted.placed(first.query_image))
    return TrainingGroup(query, tuple(positives), tuple(negatives))


def _note_outranking(values: list[Judged], positives: list[TrainingDocument], found: Findings) -> None:
    """Note each negative whose score is above that of a positive: the lowest its miner noted, else the lowest here."""
    scores = [each.score for each in positives if each.score is not None]
    lowest = min(scores) if scores else None
    for value in values:
        if value.score is None or is_positive(value):
            continue
        bar = lowest if value.positive_score is None else value.positive_score
        if bar is not None and value.score > bar:
            found.outranking.add(Pair(value.query_id, value.doc_id))


def content(value: Judged) -> str:
    """`Document.content` of the document; "" where it was not read."""
    return f"{value.title or ''} {value.text or ''}".strip()


def _one_side(values: list[Judged], wanted: Wanted, found: Findings) -> list[Judged]:
    """The judgments without those that give way: the same text stands on the other side, preferred there.

    Where `prefer` does not decide, the pair is noted as a contradiction.
    """
    positive = {(content(value), value.image) for value in values if is_positive(value)}
    both = {key for value in values if not is_positive(value) and (key := (content(value), value.image)) in positive}
    if not both:
        return values
    order = {name: place for place, name in enumerate(wanted.rules.prefer)}
    dropped: set[str] = set()
    for key in both:
        same = [value for value in values if (content(value), value.image) == key]
        best = min(order.get(value.label_set, len(order)) for value in same)
        sides = {is_positive(value) for value in same if order.get(value.label_set, len(order)) == best}
        if len(sides) > 1:
            ids = [value.doc_id for value in same]
            pair = Pair(same[0].query_id, " = ".join(ids))
            found.contradictions.add(pair)
            if found.contradictions.count <= LISTED:
                found.alike[pair] = ids
        else:
            dropped |= {value.doc_id for value in same if is_positive(value) not in sides}
    found.settled += len(dropped)
    return [value for value in values if value.doc_id not in dropped]


def _or_lowest(score: float | None) -> float:
    return float("-inf") if score is None else score
