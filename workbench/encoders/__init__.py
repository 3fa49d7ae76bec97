"""Encoders: documents or queries → vectors, row i for text i."""

from workbench.registry import Registry

ENCODERS = Registry(
    "encoder family",
    {
        "dense": "workbench.encoders.dense:DenseEncoder",
        "bm25": "workbench.encoders.bm25:BM25Encoder",
    },
)
