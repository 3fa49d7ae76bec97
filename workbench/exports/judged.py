"""Every judged pair as a row of a spreadsheet."""

from collections.abc import Iterator
from typing import Any

from workbench.exports.base import Line, TableExport, Written
from workbench.types import TrainingGroup


class CsvExport(TableExport):
    """query_id, query, doc_id, text, relevance, hard_negative, score; texts as `CSV_SAFETY` says."""

    name = "csv"
    suffixes = (".csv",)
    needs = ()

    def columns(self) -> dict[str, str]:
        images = {"query_image": "text", "image": "text"} if self.images else {}
        return {
            "query_id": "text",
            "query": "text",
            "doc_id": "text",
            "text": "text",
            "relevance": "integer",
            "hard_negative": "boolean",
            "score": "number",
            **images,
        }

    def lines(self, group: TrainingGroup, written: Written) -> Iterator[Line]:
        query = group.query
        for each in (*group.positives, *self.chosen(group, self.spec.negatives, written)):
            row: list[Any] = [query.query_id, query.text, each.doc_id, each.text]
            row += [each.relevance, each.is_hard_negative, each.score]
            row += [query.image, each.image] if self.images else []
            yield Line(row)
