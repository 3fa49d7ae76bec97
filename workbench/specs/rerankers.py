"""Settings of the reranker families. None in an optional field = as the model itself says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import BadInput
from workbench.specs.base import Spec, family_spec, knob
from workbench.specs.encoders import MODEL, REVISION, TRUST


@dataclass(frozen=True)
class CrossEncoderSpec(Spec):
    """A cross-encoder that sentence-transformers' CrossEncoder loads: (query, document) → one score."""

    name: str = knob("", "Name shown in lists")
    model: str = knob("", MODEL)
    kind: str = knob("cross-encoder", "Family", choices=("cross-encoder",))
    revision: str | None = knob(None, REVISION, advanced=True)
    max_length: int | None = knob(None, "Longest pair in tokens; none: the model's own", low=8, high=131072)
    trust_remote_code: bool = knob(False, TRUST)


@dataclass(frozen=True)
class LLMRerankerSpec(Spec):
    """A causal language model asked whether a document answers a query; the score is the logit of its “yes”.

    Layerwise models take `cutoff_layer`; lightweight (Matryoshka) ones also `compress_layers` and `compress_ratio`.
    """

    name: str = knob("", "Name shown in lists")
    model: str = knob("", MODEL)
    kind: str = knob("llm", "Family", choices=("llm",))
    form: str = knob(
        "bge",
        "Prompt and score: bge (A: query, B: passage, logit of Yes), qwen3 (chat, log-odds of yes over no), or "
        "likelihood (how probable the query is after the passage; for models never trained to rerank)",
        choices=("bge", "qwen3", "likelihood"),
    )
    revision: str | None = knob(None, REVISION, advanced=True)
    gguf_file: str | None = knob(None, "Name of a GGUF file inside the folder; none: ordinary weights", advanced=True)
    instruction: str | None = knob(None, "What is asked about the pair; none: the form's own text")
    max_length: int = knob(
        1024, "Query and passage in tokens, the prompt's own on top; only the passage is cut", low=64, high=131072
    )
    cutoff_layer: int | None = knob(None, "Layerwise: stop after this layer; none: the last", low=1, high=1000)
    compress_layers: tuple[int, ...] = knob((), "Lightweight: layers before which passage tokens are merged")
    compress_ratio: int = knob(1, "Lightweight: so many passage tokens become one", choices=(1, 2, 4, 8))
    trust_remote_code: bool = knob(False, TRUST)

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = [each for each in self.compress_layers if isinstance(each, bool) or not isinstance(each, int)]
        if wrong:
            raise BadInput(f"compress_layers holds “{wrong[0]}”.", "Give layer numbers, for example 24 40.")


@dataclass(frozen=True)
class LateInteractionSpec(Spec):
    """MaxSim of a multi-vector encoder over the candidates."""

    name: str = knob("", "Name shown in lists")
    encoder: str = knob("", "Multi-vector encoder: catalogue name, hub id or folder")
    kind: str = knob("late-interaction", "Family", choices=("late-interaction",))


@dataclass(frozen=True)
class ListwiseSpec(Spec):
    """A language model that orders a window of documents at a time, from the bottom of the list to its top."""

    name: str = knob("", "Name shown in lists")
    model: str = knob("", "Local causal model (hub id or folder), or the endpoint's model name")
    kind: str = knob("listwise", "Family", choices=("listwise",))
    endpoint: str = knob("", "Base address of an OpenAI-compatible service; empty: the model runs here")
    key_variable: str = knob("", "Environment variable that holds the endpoint's key; empty: none", advanced=True)
    window: int = knob(20, "Documents in one prompt", low=2, high=100)
    stride: int = knob(10, "Documents the window moves up by", low=1, high=100)
    passage_tokens: int = knob(120, "Longest passage in a prompt, in tokens (words at an endpoint)", low=8, high=4096)
    first_token: bool = knob(False, "FIRST: order by the logits of the first answer token, one step a window")
    timeout: float = knob(60.0, "Seconds to wait for one answer of the endpoint", low=1, high=3600)
    gguf_file: str | None = knob(None, "Name of a GGUF file inside the folder; none: ordinary weights", advanced=True)
    revision: str | None = knob(None, REVISION, advanced=True)
    trust_remote_code: bool = knob(False, TRUST)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stride > self.window:
            raise BadInput(
                f"The stride is {self.stride} and the window {self.window}: documents between two windows would never "
                "be looked at.",
                "Choose a stride of at most the window; half of it is usual.",
            )


RerankerSpec = CrossEncoderSpec | LLMRerankerSpec | LateInteractionSpec | ListwiseSpec
RERANKER_SPECS: dict[str, type[Any]] = {
    "cross-encoder": CrossEncoderSpec,
    "llm": LLMRerankerSpec,
    "late-interaction": LateInteractionSpec,
    "listwise": ListwiseSpec,
}


def reranker_spec(values: Mapping[str, Any]) -> RerankerSpec:
    """The spec of the family named by `kind`; cross-encoder where it is left out. Raises `BadInput`."""
    spec: RerankerSpec = family_spec("reranker", RERANKER_SPECS, values)
    return spec
