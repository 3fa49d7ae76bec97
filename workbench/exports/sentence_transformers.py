"""sentence-transformers' training tables. The order of the columns binds them to a loss, not their names.

Only a column called label, labels, score or scores is the target, and every other one is an input: so ids have no place
in the table and stand beside it, row by row, in `<file>.ids.jsonl`.
"""

from collections.abc import Iterator

from workbench.exports.base import Line, TableExport, Written
from workbench.types import TrainingDocument, TrainingGroup

TUPLE = 3
"""Negatives of an n-tuple where none are asked for, as `mine_hard_negatives` has it."""


class _TrainingTable(TableExport):
    suffixes = (".jsonl", ".parquet")
    has_ids = False

    def label(self, document: TrainingDocument) -> int:
        """1 or 0, or the grade; a negative grade counts as 0."""
        return max(0, document.relevance) if self.spec.labels == "grades" else int(document.relevance > 0)


class TripletExport(_TrainingTable):
    """anchor, positive, negative: each positive of a query with each of its negatives."""

    name = "st-triplet"

    def columns(self) -> dict[str, str]:
        return {"anchor": "text", "positive": "text", "negative": "text"}

    def lines(self, group: TrainingGroup, written: Written) -> Iterator[Line]:
        negatives = self.chosen(group, self.spec.negatives, written)
        for positive in group.positives:
            for negative in negatives:
                yield Line((group.query.text, positive.text, negative.text), (positive, negative))


class TupleExport(_TrainingTable):
    """anchor, positive, negative_1 … negative_n: a row for each positive; queries with fewer negatives are left out."""

    name = "st-ntuple"

    @property
    def count(self) -> int:
        return self.spec.negatives or TUPLE

    def columns(self) -> dict[str, str]:
        negatives = [f"negative_{n}" for n in range(1, self.count + 1)]
        return dict.fromkeys(["anchor", "positive", *negatives], "text")

    def lines(self, group: TrainingGroup, written: Written) -> Iterator[Line]:
        negatives = group.negatives[: self.count]
        if len(negatives) < self.count:
            written.leave_out(f"fewer than {self.count} negatives")
            return
        for positive in group.positives:
            texts = (each.text for each in negatives)
            yield Line((group.query.text, positive.text, *texts), (positive, *negatives))


class PairExport(_TrainingTable):
    """anchor, document, label: every judged document of a query, the positives first."""

    name = "st-pair"
    needs = ()

    def columns(self) -> dict[str, str]:
        return {"anchor": "text", "document": "text", "label": "integer"}

    def lines(self, group: TrainingGroup, written: Written) -> Iterator[Line]:
        for each in (*group.positives, *self.chosen(group, self.spec.negatives, written)):
            yield Line((group.query.text, each.text, self.label(each)), (each,))


class ListExport(_TrainingTable):
    """anchor, documents, labels: a query a row, its documents and their labels as lists, the positives first."""

    name = "st-list"

    def columns(self) -> dict[str, str]:
        return {"anchor": "text", "documents": "tags", "labels": "integers"}

    def lines(self, group: TrainingGroup, written: Written) -> Iterator[Line]:
        listed = (*group.positives, *self.chosen(group, self.spec.negatives, written))
        texts, labels = [each.text for each in listed], [self.label(each) for each in listed]
        yield Line((group.query.text, texts, labels), listed, len(listed))
