"""Pipelines and measures in plain words, for people who do not build search."""

import re

from workbench.specs import PipelineSpec

MEASURES = {
    "nDCG": "how near the top the relevant documents stand, the more relevant ones counting more; 1 is the ideal order",
    "R": "the share of all relevant documents that was found",
    "R_cap": "the share of the relevant documents that was found, of as many as there is room for",
    "RR": "one over the rank of the first relevant document: 1 for the first place, 0.5 for the second",
    "AP": "the precision at each relevant document, averaged: finding all of them early gives 1",
    "P": "the share of the first documents that is relevant",
    "Success": "whether at least one relevant document was found",
    "Judged": "the share of the first documents that somebody judged",
    "Rprec": "the precision after as many documents as there are relevant ones",
}


def measure_words(name: str) -> str:
    """What a measure says; of unknown ones only that ir-measures defines them."""
    kind, cutoff = re.split(r"[@(]", name)[0], name.rpartition("@")[2] if "@" in name else ""
    said = MEASURES.get(kind, "as ir-measures defines it")
    return f"{said} (among the first {cutoff})." if cutoff.isdecimal() else f"{said}."


def pipeline_words(pipeline: PipelineSpec) -> str:
    """ "searches with bm25 and minilm, joins their lists by rrf, and has x order the first 50 again". Not escaped."""
    names = [
        each.encoder if each.index in ("", "exact") else f"{each.encoder} through the index {each.index}"
        for each in pipeline.retrievers
    ]
    listed = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    parts = [f"searches with {listed}"]
    if len(names) > 1:
        parts.append(f"joins their lists by {pipeline.fusion.method if pipeline.fusion else 'rrf'}")
    if pipeline.reranker:
        parts.append(f"has {pipeline.reranker.name} order the first {pipeline.reranker.depth} again")
    return ", ".join(parts)
