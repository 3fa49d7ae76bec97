"""Vectors → rankings. One class per way of searching; a kind of FAISS index is a factory string, not a class."""

from workbench.registry import Registry

INDICES = Registry(
    "index",
    {
        "faiss": "workbench.indices.faiss_index:FaissIndex",
        "inverted": "workbench.indices.inverted:InvertedIndex",
        "binary": "workbench.indices.binary:BinaryIndex",
        "bi-granular": "workbench.indices.bigranular:BiGranularIndex",
        "hi2": "workbench.indices.hi2:Hi2Index",
        "exact": "workbench.indices.exact:ExactIndex",
        "maxsim": "workbench.indices.maxsim:MaxSimIndex",
    },
)
