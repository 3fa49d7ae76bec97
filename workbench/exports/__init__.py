"""Judged queries → the files that train and evaluate a model: one class per format, in a registry."""

from workbench.exports.base import Export
from workbench.registry import Registry
from workbench.specs import ExportSpec

EXPORTS = Registry(
    "export format",
    {
        "flagembedding": "workbench.exports.flagembedding:FlagEmbeddingExport",
        "flagembedding-reranker": "workbench.exports.flagembedding:FlagEmbeddingRerankerExport",
        "st-triplet": "workbench.exports.sentence_transformers:TripletExport",
        "st-ntuple": "workbench.exports.sentence_transformers:TupleExport",
        "st-pair": "workbench.exports.sentence_transformers:PairExport",
        "st-list": "workbench.exports.sentence_transformers:ListExport",
        "beir": "workbench.exports.qrels:BeirExport",
        "trec": "workbench.exports.qrels:TrecExport",
        "csv": "workbench.exports.judged:CsvExport",
    },
)


def open_export(format: str, spec: ExportSpec | None = None, *, images: bool = False) -> Export:
    """The export called `format`; `images`: with a place for them where it has one. Raises `NotFound`."""
    made: Export = EXPORTS.load(format)(spec or ExportSpec(), images=images)
    return made
