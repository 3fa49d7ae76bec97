"""A causal language model asked about each (query, document) pair; the score is how much it leans to “yes”."""

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from workbench.batching import TokenBudget
from workbench.checkpoints import load_failure
from workbench.errors import BadInput
from workbench.rerankers.base import RUN, Reranked, Reranker
from workbench.rerankers.causal import LOAD_ERRORS, Causal, answer_logits, load_causal, placed, several_tokens
from workbench.rerankers.layers import LayeredScorer, has_heads_per_layer, raw_config
from workbench.rerankers.likelihood import QUESTION, LikelihoodForm, LikelihoodScorer
from workbench.rerankers.prompts import (
    BGE_PROMPT,
    LIGHTWEIGHT_PROMPT,
    QWEN3_INSTRUCTION,
    BGEForm,
    Form,
    Prompt,
    Qwen3Form,
)
from workbench.specs import EncodeSpec, LLMRerankerSpec, RerankerSpec
from workbench.torch_models import suitable_budget
from workbench.types import Content, Progress

FORMS: dict[str, tuple[type[Form], str]] = {
    "bge": (BGEForm, BGE_PROMPT),
    "qwen3": (Qwen3Form, QWEN3_INSTRUCTION),
    "likelihood": (LikelihoodForm, QUESTION),
}
SCORES = {
    "bge": "logit of “Yes”",
    "qwen3": "logit of “yes” − logit of “no”; its sigmoid is the published probability",
    "likelihood": "mean log-probability of the query's tokens",
}


class Scorer(Protocol):
    """A loaded model: prompts → scores."""

    causal: Causal

    def score(self, prompts: list[Prompt]) -> NDArray[np.float32]: ...

    def describe(self) -> dict[str, Any]: ...


class AnswerScorer:
    """An ordinary language model: the logit of the first answer at the last position, less that of the second."""

    def __init__(self, causal: Causal) -> None:
        self.causal = causal

    def score(self, prompts: list[Prompt]) -> NDArray[np.float32]:
        logits = answer_logits(self.causal, [each.ids for each in prompts])
        scores: NDArray[np.float32] = logits[:, 0] - logits[:, 1:].sum(1)
        return scores

    def describe(self) -> dict[str, Any]:
        return {"cutoff_layer": None, "compress_layers": [], "compress_ratio": 1}


class LLMReranker(Reranker):
    """Pairs through a language model in batches of like length, without a cache of keys and values.

    Layerwise and lightweight models (`rerankers/layers.py`) give the score of one of their heads.
    """

    def __init__(self, spec: LLMRerankerSpec, scorer: Scorer, instruction: str, run: EncodeSpec) -> None:
        """`instruction` stands where the spec gives none. Raises `BadInput` where the prompt does not fit the model."""
        self._spec = spec
        self._scorer = scorer
        causal = scorer.causal
        form = FORMS[spec.form][0]
        self._form = form(causal.words, spec.instruction or instruction, spec.max_length, causal.limit)
        self._budget = TokenBudget(run.batch_tokens or suitable_budget(causal.device))
        self.warnings = several_tokens(causal.words, form.answers) if isinstance(scorer, AnswerScorer) else []
        if self._form.max_length < spec.max_length:
            self.warnings.append(
                f"“{spec.model}” reads {causal.limit} tokens: query and passage together are cut to "
                f"{self._form.max_length}, not {spec.max_length}."
            )
        if causal.revision == "unknown":
            self.warnings.append(
                f"The revision of “{spec.model}” could not be found out: a newer one counts as the same."
            )

    @classmethod
    def open(cls, spec: RerankerSpec, run: EncodeSpec = RUN) -> Self:
        """Load the model. Raises `NotFound` or `BadInput` with a sentence where it cannot be, or lacks such layers."""
        if not isinstance(spec, LLMRerankerSpec):
            raise TypeError(f"an LLMRerankerSpec is needed, not {type(spec).__name__}")
        located = placed(spec)
        try:
            config = raw_config(spec, located)
        except LOAD_ERRORS as error:
            raise load_failure(spec.model, error) from error
        if has_heads_per_layer(config):
            if spec.form != "bge":
                raise BadInput(f"“{spec.model}” has heads per layer, and they answer the form bge.", "Choose bge.")
            instruction = LIGHTWEIGHT_PROMPT if config.get("layer_wise") else BGE_PROMPT
            return cls(spec, LayeredScorer(spec, run, located, config), instruction, run)
        if spec.cutoff_layer is not None or spec.compress_layers:
            raise BadInput(
                f"“{spec.model}” has one head, after its last layer: it cannot stop earlier or merge passage tokens.",
                "Leave cutoff_layer and compress_layers empty, or choose a layerwise or lightweight reranker, for "
                "example BAAI/bge-reranker-v2-minicpm-layerwise.",
            )
        form, instruction = FORMS[spec.form]
        causal = load_causal(spec, run, form.answers)
        return cls(spec, AnswerScorer(causal) if form.answers else LikelihoodScorer(causal), instruction, run)

    @property
    def size_bytes(self) -> int:
        return self._scorer.causal.size_bytes

    def describe(self) -> dict[str, Any]:
        layered = isinstance(self._scorer, LayeredScorer)
        return {
            "family": "llm",
            "model": self._spec.model,
            "gguf_file": self._spec.gguf_file,
            "form": self._spec.form,
            "score": "logit of the layer's head" if layered else SCORES[self._spec.form],
            "instruction": self._form.instruction,
            "max_length": self._form.max_length,
            "query_length": self._form.query_limit,
            "truncation": "passage only",
            "trust_remote_code": self._spec.trust_remote_code and not layered,
            **self._scorer.describe(),
            **self._scorer.causal.described(),
        }

    def _rerank(self, query: Content, documents: list[Content], progress: Progress) -> Reranked:
        prompts = self._form.prompts(query.text, [each.text for each in documents])
        lengths = np.fromiter((len(each.ids) for each in prompts), np.int64, len(prompts))
        scores = np.empty(len(prompts), np.float32)
        done = 0
        results = self._budget.run(lengths, lambda positions: self._scorer.score([prompts[n] for n in positions]))
        for positions, values in results:
            scores[positions] = values
            done += positions.size
            progress(done, scores.size)
        cut_query = self._form.query_cut(query.text)
        return Reranked(
            scores,
            warnings=["The query is longer than the reranker reads: its end did not count."] if cut_query else [],
            cut=[n for n, each in enumerate(prompts) if each.cut],
        )
