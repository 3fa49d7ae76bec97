"""Cross-encoders that sentence-transformers' CrossEncoder loads: the model reads query and document together.

What is our own is the order and the size of batches, the precision, and where a long pair is cut. Scores are those of
`CrossEncoder.predict`: the model's logit under the activation that its files name (sigmoid where they name none).
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.batching import TokenBudget, windows
from workbench.checkpoints import (
    Located,
    found_revision,
    hub_snapshot,
    load_pretrained,
    locate,
    memory_ran_out,
    resolve_dtype,
)
from workbench.errors import BadInput, WorkbenchError
from workbench.rerankers.base import RUN, Reranked, Reranker
from workbench.rerankers.pairs import PairFeed, Pairs
from workbench.specs import CrossEncoderSpec, EncodeSpec, RerankerSpec
from workbench.torch_models import (
    checked_length,
    if_it_fits,
    one_late,
    position_limit,
    precision,
    set_precision,
    suitable_budget,
    untrained,
)
from workbench.types import Content, Modality, Progress

CHUNK = 16
"""Pairs given at once to `CrossEncoder.predict`, where the model's batches cannot be made here."""


class CrossEncoderReranker(Reranker):
    """One score per pair, from a model with one output."""

    def __init__(self, spec: CrossEncoderSpec, model: Any, run: EncodeSpec, located: Located) -> None:
        """`model` is a CrossEncoder as loaded. Raises `BadInput` where it gives no score, or a random one."""
        check_gives_one_score(spec.model, model)
        self._spec = spec
        self._model = model.eval()
        self._device = torch.device(model.device)
        self._prompt = str((model.default_prompt_name and model.prompts.get(model.default_prompt_name)) or "")
        self._max_length = applied_max_length(spec, model)
        self._feed = PairFeed(model[0].tokenizer, self._max_length) if PairFeed.suits(model) else None
        self._dtype = resolve_dtype(run.dtype, self._device.type, str(model.dtype).removeprefix("torch."))
        if self._dtype != "float32":
            # Scores lie close together: bfloat16 keeps 8 bits, so that near ones would become ties.
            model.set_keep_in_fp32_modules(sorted({*model.keep_in_fp32_modules, *head_layers(model)}))
        set_precision(model, self._device, self._dtype)
        self._budget = TokenBudget(run.batch_tokens or suitable_budget(self._device))
        folder = located.folder or hub_snapshot(spec.model, spec.revision)
        self._revision = found_revision(located, folder, spec.revision)
        self.modalities = frozenset[Modality](each for each in ("text", "image") if model.supports(each))
        self.warnings = self._find_warnings()

    @classmethod
    def open(cls, spec: RerankerSpec, run: EncodeSpec = RUN) -> Self:
        """Load the model. Raises `NotFound` or `BadInput` with a sentence where it cannot be."""
        if not isinstance(spec, CrossEncoderSpec):
            raise TypeError(f"a CrossEncoderSpec is needed, not {type(spec).__name__}")
        located = locate(spec.model)
        return cls(spec, load_pretrained("CrossEncoder", spec, located, run), run, located)

    @property
    def size_bytes(self) -> int:
        return sum(weight.numel() * weight.element_size() for weight in self._model.parameters())

    def describe(self) -> dict[str, Any]:
        return {
            "family": "cross-encoder",
            "model": self._spec.model,
            "revision": self._revision,
            "modules": [type(module).__name__ for module in self._model],
            "score": type(self._model.activation_fn).__name__,
            "prompt": self._prompt,
            "max_length": self._max_length,
            "truncation": "document only" if self._feed else "the model's own",
            "dtype": self._dtype,
            "trust_remote_code": self._spec.trust_remote_code,
            "versions": {name: version(name) for name in ("sentence-transformers", "transformers", "torch")},
        }

    def _rerank(self, query: Content, documents: list[Content], progress: Progress) -> Reranked:
        with torch.inference_mode(), precision(self._device, self._dtype):
            if self._feed is None:
                return Reranked(self._predicted(query, documents, progress))
            pairs = self._feed.read(self._prompt + query.text, [each.text for each in documents])
            scores = self._scored(self._feed, pairs, progress)
        notes = ["The query is longer than the reranker reads: its end did not count."] if pairs.query_cut else []
        return Reranked(scores, warnings=notes, cut=pairs.cut)

    def _scored(self, feed: PairFeed, pairs: Pairs, progress: Progress) -> NDArray[np.float32]:
        """(n,) scores of `pairs`, in batches of about the same length."""
        scores = np.empty(len(pairs.ids), np.float32)
        done = 0
        results = self._budget.run(pairs.lengths, lambda positions: self._forward(feed.features(pairs, positions)))
        for positions, values in one_late(results):
            scores[positions] = values.cpu().numpy()
            done += positions.size
            progress(done, scores.size)
        return scores

    def _forward(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        """(m,) float32 on the device. Raises `DoesNotFit` where the device's memory ran out, and only then."""

        def run() -> torch.Tensor:
            moved = {name: self._moved(value) for name, value in features.items()}
            logits: torch.Tensor = self._model({**moved, "modality": "text"})["scores"]
            scores: torch.Tensor = self._model.activation_fn(logits.float()).reshape(-1)
            return scores

        return if_it_fits(self._device, run)

    def _moved(self, value: torch.Tensor) -> torch.Tensor:
        return value if self._device.type == "cpu" else value.pin_memory().to(self._device, non_blocking=True)

    def _predicted(self, query: Content, documents: list[Content], progress: Progress) -> NDArray[np.float32]:
        """(n,) scores by the model's own batching, for chat templates, images and models of several modules."""
        asked = self._as_input(query)
        parts = []
        for span in windows(len(documents), CHUNK):
            pairs = [[asked, self._as_input(documents[n])] for n in span]
            try:
                parts.append(self._model.predict(pairs, batch_size=CHUNK, show_progress_bar=False))
            except RuntimeError as error:
                if not memory_ran_out(error):
                    raise
                raise WorkbenchError(
                    f"The device has no memory for {len(span)} pairs of “{self._spec.model}”.",
                    "Choose a smaller model, a shorter max_length, a lower precision or another device.",
                ) from error
            progress(span.stop, len(documents))
        return np.concatenate(parts).astype(np.float32)

    def _as_input(self, content: Content) -> Any:
        """A side of a pair as sentence-transformers takes it: a text, an image, or both; unreadable parts left out."""
        if content.image is None or "image" not in self.modalities:
            return content.text
        from PIL import Image

        with Image.open(content.image) as opened:
            image = opened.convert("RGB")
        return {"text": content.text, "image": image} if content.text.strip() else image

    def _find_warnings(self) -> list[str]:
        found = []
        if self._revision == "unknown":
            found.append(
                f"The revision of “{self._spec.model}” could not be found out: a newer one counts as the same."
            )
        kinds = [type(module).__name__ for module in self._model]
        if "LogitScore" in kinds and not self._prompt and not getattr(self._model[0].tokenizer, "chat_template", None):
            found.append(
                f"“{self._spec.model}” is a language model without a prompt for reranking: its scores say little. "
                "Open it as an LLM reranker (kind llm) instead."
            )
        return found


def check_gives_one_score(name: str, model: Any) -> None:
    """Raise `BadInput` where `model` gives several labels, or a score from weights that its files lack."""
    if model.num_labels != 1:
        raise BadInput(
            f"“{name}” gives {model.num_labels} labels for a pair, not one score, so it cannot order documents.",
            "Choose a cross-encoder with one output.",
        )
    trunk = getattr(model[0], "model", None)
    missing = untrained(trunk) if trunk is not None else []
    if missing:
        raise BadInput(
            f"“{name}” is no cross-encoder: its files lack {listed(missing)}, so its scores would be random.",
            "Choose a model that was trained for reranking.",
        )


def listed(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more weights" if len(names) > 4 else shown


def applied_max_length(spec: CrossEncoderSpec, model: Any) -> int | None:
    """Tokens that are read of a pair; None where the model has no limit. Raises `BadInput` above what it can read."""
    limit = position_limit(getattr(model, "config", None))
    if spec.max_length is not None:
        model.max_seq_length = checked_length(spec.model, spec.max_length, limit)
    own = model.max_seq_length
    # Tokenizers without a limit carry a huge number.
    lengths = [each for each in (own, limit) if each is not None and each < 1 << 30]
    return int(min(lengths)) if lengths else None


def head_layers(model: Any) -> Iterator[str]:
    """Names of the plain linear layers after the trunk: pooler, classifier, those of later modules."""
    whole = getattr(model[0], "model", None)
    part = getattr(whole, "base_model_prefix", "")
    trunk = f"0.model.{part}." if part and hasattr(whole, part) else "0.model."
    for name, module in model.named_modules():
        if type(module) is torch.nn.Linear and (".pooler." in name or not name.startswith(trunk)):
            yield name
