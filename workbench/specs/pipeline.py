"""A pipeline as data: retrievers → fusion → reranker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from workbench.errors import BadInput
from workbench.specs.base import Spec, knob

RAW = ("sum", "mean", "average", "raw", "interpolation")
"""Names under which people ask for the one fusion that is refused."""


@dataclass(frozen=True)
class RetrieverSpec(Spec):
    """One retriever of a pipeline: an encoder's embedding and how it is searched."""

    encoder: str = knob("", "Encoder of an embedding of the corpus")
    index: str = knob("exact", "exact, or the factory string of a built index")
    nprobe: int | None = knob(None, "IVF: lists looked into", low=1, high=1_000_000)
    ef_search: int | None = knob(None, "HNSW: candidates kept while searching", low=1, high=100_000)
    k_factor: float | None = knob(None, "Refine: candidates per result that are scored again", low=1, high=1000)
    image_weight: float | None = knob(
        None, "Image and text together: the image's share; none: the model's own sum", low=0.0, high=1.0
    )
    query_bank: str = knob(
        "", "QB-Norm: a query set, or “@titles” for the documents' own titles, that hubs are measured with; empty: off"
    )
    bank_beta: float = knob(20.0, "QB-Norm: inverse temperature", low=0.1, high=1000.0, advanced=True)


@dataclass(frozen=True)
class FusionSpec(Spec):
    """How several rankings become one. `weights` go with the retrievers, in their order; none = all equal."""

    method: str = knob("rrf", "How rankings are joined", choices=("rrf", "minmax", "dbsf", "combsum", "combmnz", "m3"))
    k: float = knob(60.0, "RRF: how little the first ranks count more than the next", low=0.0, high=10_000.0)
    origin: int = knob(1, "RRF: the number of the first rank (Qdrant and Chroma count from 0)", choices=(0, 1))
    weights: tuple[float, ...] | None = knob(None, "One weight for each retriever; none: all equal")

    def __post_init__(self) -> None:
        if self.method in RAW:
            raise BadInput(
                f"Raw scores are not averaged (fusion method “{self.method}”): scores of different encoders have "
                "different scales, so the one with the larger numbers would decide alone (BM25 over cosine).",
                "Choose rrf, minmax, dbsf, combsum or combmnz; m3 for the outputs of one BGE-M3 model.",
            )
        super().__post_init__()
        for weight in self.weights or ():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1000:
                raise BadInput(f"A fusion weight is “{weight}”.", "Weights are numbers from 0 to 1000.")
        if self.weights and not any(self.weights):
            raise BadInput("All fusion weights are 0.", "Give at least one retriever a weight.")


@dataclass(frozen=True)
class RerankSpec(Spec):
    """Which reranker looks at how many of the candidates. `options` override fields of the reranker's own spec."""

    name: str = knob("", "Catalogue name, hub id or folder of a reranker")
    depth: int = knob(50, "Candidates that are scored again", low=1, high=1000)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PipelineSpec(Spec):
    """Retrievers → fusion → reranker. Several retrievers without a fusion are joined by RRF."""

    retrievers: tuple[RetrieverSpec, ...]
    fusion: FusionSpec | None = None
    reranker: RerankSpec | None = None
    depth: int = knob(100, "Documents taken from each retriever where several are joined or reranked", low=1, high=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.retrievers:
            raise BadInput(
                "A pipeline needs at least one retriever.", 'For example {"retrievers": [{"encoder": "bm25"}]}.'
            )
        weights = self.fusion.weights if self.fusion else None
        if weights and len(weights) != len(self.retrievers):
            raise BadInput(
                f"There are {len(weights)} fusion weights for {len(self.retrievers)} retrievers.",
                "Give one for each, in the same order.",
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raises `BadInput` on a part that is not as it should be, naming the field."""
        given = dict(values)
        retrievers = given.get("retrievers", ())
        if not isinstance(retrievers, list | tuple) or not all(isinstance(each, Mapping) for each in retrievers):
            raise BadInput("“retrievers” is not a list of objects.", 'For example [{"encoder": "bm25"}].')
        given["retrievers"] = tuple(RetrieverSpec.from_dict(each) for each in retrievers)
        for name, kind in (("fusion", FusionSpec), ("reranker", RerankSpec)):
            part = given.get(name)
            if part is not None and not isinstance(part, Mapping):
                raise BadInput(f"“{name}” is not an object.", f"Leave it out, or give for example {EXAMPLES[name]}.")
            given[name] = kind.from_dict(part) if part else None
        return super().from_dict(given)


EXAMPLES = {"fusion": '{"method": "rrf", "k": 60}', "reranker": '{"name": "ms-marco-minilm-l12", "depth": 50}'}
