"""Encoders: documents or queries → vectors, row i for text i."""

from workbench.registry import Registry

ENCODERS = Registry(
    "encoder family",
    {
        "dense": "workbench.encoders.dense:DenseEncoder",
        "bm25": "workbench.encoders.bm25:BM25Encoder",
        "sparse": "workbench.encoders.sparse:SparseTextEncoder",
        "multi-vector": "workbench.encoders.multi_vector:MultiVectorTextEncoder",
        "bge-m3": "workbench.encoders.m3:M3Encoder",
        "image-text": "workbench.encoders.image_text:ImageTextEncoder",
        "image": "workbench.encoders.image:ImageEncoder",
        "bridge": "workbench.encoders.bridge:BridgeEncoder",
    },
)
