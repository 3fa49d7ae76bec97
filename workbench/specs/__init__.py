"""Every setting a person can choose, as frozen dataclasses: range, choices and help live in the field metadata."""

from workbench.specs.base import Spec, canonical_json, check_limits, fingerprint, knob
from workbench.specs.encoder_labs import EncoderLabSpec
from workbench.specs.encoders import (
    ENCODER_SPECS,
    BM25Spec,
    BridgeSpec,
    DenseSpec,
    EncoderSpec,
    ImageSpec,
    ImageTextSpec,
    M3Spec,
    MultiVectorSpec,
    SparseSpec,
    encoder_spec,
)
from workbench.specs.exports import ExportSpec, LabelChoice
from workbench.specs.jobs import NO_COLUMN, EncodeSpec, ImportSpec, IndexSpec
from workbench.specs.labs import IndexLabSpec, Trial, read_trials
from workbench.specs.maps import MapSpec
from workbench.specs.mining import MiningSpec
from workbench.specs.pipeline import FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.specs.rerankers import (
    RERANKER_SPECS,
    CrossEncoderSpec,
    LateInteractionSpec,
    ListwiseSpec,
    LLMRerankerSpec,
    RerankerSpec,
    reranker_spec,
)
from workbench.specs.test_sets import RecipeSpec, VarySpec, WriterSpec

__all__ = [
    "ENCODER_SPECS",
    "NO_COLUMN",
    "RERANKER_SPECS",
    "BM25Spec",
    "BridgeSpec",
    "CrossEncoderSpec",
    "DenseSpec",
    "EncodeSpec",
    "EncoderLabSpec",
    "EncoderSpec",
    "ExportSpec",
    "FusionSpec",
    "ImageSpec",
    "ImageTextSpec",
    "ImportSpec",
    "IndexLabSpec",
    "IndexSpec",
    "LLMRerankerSpec",
    "LabelChoice",
    "LateInteractionSpec",
    "ListwiseSpec",
    "M3Spec",
    "MapSpec",
    "MiningSpec",
    "MultiVectorSpec",
    "PipelineSpec",
    "RecipeSpec",
    "RerankSpec",
    "RerankerSpec",
    "RetrieverSpec",
    "SparseSpec",
    "Spec",
    "Trial",
    "VarySpec",
    "WriterSpec",
    "canonical_json",
    "check_limits",
    "encoder_spec",
    "fingerprint",
    "knob",
    "read_trials",
    "reranker_spec",
]
