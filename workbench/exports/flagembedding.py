"""FlagEmbedding's fine-tuning JSONL, for embedders and for rerankers: one query a line, its documents in lists.

Read from FlagEmbedding/abc/finetune/{embedder,reranker}/AbsDataset.py (1.4.2): `pos` and `neg` must be lists; a query
without a negative divides by zero there; with knowledge distillation every score must be a number; a column that is
there at all takes the place of the instruction given to the trainer, so one without a value is not written. Columns it
does not know are not read, so the ids stay.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from workbench.exports.base import Line, TableExport, Written
from workbench.types import TrainingGroup


class FlagEmbeddingExport(TableExport):
    """query, pos, neg, pos_scores, neg_scores, prompt, type, and the ids of all three."""

    name = "flagembedding"
    suffixes = (".jsonl",)
    prompts: ClassVar[tuple[str, ...]] = ("prompt",)

    def columns(self) -> dict[str, str]:
        found = {"query": "text", "pos": "tags", "neg": "tags"}
        if self.spec.scores:
            found |= {"pos_scores": "numbers", "neg_scores": "numbers"}
        found |= {name: "text" for name, _ in self._given()}
        found |= {"type": "text", "query_id": "text", "pos_id": "tags", "neg_id": "tags"}
        if self.images:
            found |= {"query_image": "text", "pos_images": "tags", "neg_images": "tags"}
        return found

    def lines(self, group: TrainingGroup, written: Written) -> Iterator[Line]:
        query, positives = group.query, group.positives
        negatives = self.chosen(group, self.spec.negatives, written)
        row: list[Any] = [query.text, [each.text for each in positives], [each.text for each in negatives]]
        if self.spec.scores:
            scores = [[each.score for each in side] for side in (positives, negatives)]
            if any(score is None for side in scores for score in side):
                written.leave_out("a document without a score")
                return
            row += scores
        row += [value for _, value in self._given()]
        row += [self.spec.type, query.query_id]
        row += [[each.doc_id for each in positives], [each.doc_id for each in negatives]]
        if self.images:
            row += [query.image or "", *([each.image or "" for each in side] for side in (positives, negatives))]
        yield Line(row, size=len(positives) + len(negatives))

    def _given(self) -> list[tuple[str, str]]:
        """The prompts that were given, in the order of their columns."""
        return [(name, value) for name in self.prompts if (value := getattr(self.spec, name)) is not None]


class FlagEmbeddingRerankerExport(FlagEmbeddingExport):
    """The same with query_prompt and passage_prompt; `prompt` stands after the document, where a model takes one."""

    name = "flagembedding-reranker"
    prompts = ("query_prompt", "passage_prompt", "prompt")
