"""Rerankers: (query, documents) → scores. One class per family; a variant of a model is a spec."""

from workbench.registry import Registry

RERANKERS = Registry(
    "reranker family",
    {
        "cross-encoder": "workbench.rerankers.cross_encoder:CrossEncoderReranker",
        "llm": "workbench.rerankers.llm:LLMReranker",
        "late-interaction": "workbench.rerankers.late_interaction:LateInteractionReranker",
        "listwise": "workbench.rerankers.listwise:ListwiseReranker",
    },
)
