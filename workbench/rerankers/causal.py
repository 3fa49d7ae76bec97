"""Causal language models of transformers, loaded for reranking: the model, its tokenizer, and single answer logits."""

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.checkpoints import (
    Located,
    check_memory,
    folder_revision,
    hub_snapshot,
    load_failure,
    locate,
    resolve_device,
    resolve_dtype,
)
from workbench.errors import BadInput
from workbench.rerankers.gguf import gguf_folder
from workbench.specs import EncodeSpec, ListwiseSpec, LLMRerankerSpec, WriterSpec
from workbench.torch_models import if_it_fits, position_limit, precision, set_precision, untrained

CausalSpec = LLMRerankerSpec | ListwiseSpec | WriterSpec
LOAD_ERRORS = (OSError, ValueError, KeyError, ImportError, RuntimeError, AttributeError, TypeError)
CHARACTERS_PER_TOKEN = 16
"""A text is cut to so many characters for each token that can be read, before it is tokenised: 10 MB cost nothing.
Hardly any text has longer tokens on average."""


class Words:
    """A model's tokenizer: `of_data` for texts from a corpus, in which nothing is a special token, `of` for our own.

    Safe under threads: the settings of the fast tokenizer's copies never change, another one is used under a lock.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._lock = threading.Lock()
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self._plain = copy.deepcopy(backend) if backend is not None else None
        if self._plain is not None:
            self._plain.no_padding()
            self._plain.no_truncation()
            # A document that contains “<|im_end|>” must not end the turn that quotes it.
            self._plain.encode_special_tokens = True

    def of(self, text: str) -> list[int]:
        """Token ids of a text of ours, in which special tokens count as such; none are added."""
        with self._lock:
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def of_data(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        """Token ids of each text, cut to `limit` tokens."""
        cut = [cleaned(text, limit) for text in texts]
        if self._plain is not None:
            return [each.ids[:limit] for each in self._plain.encode_batch_fast(cut, add_special_tokens=False)]
        with self._lock:
            return [list(each)[:limit] for each in self.tokenizer(cut, add_special_tokens=False)["input_ids"]]

    def text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    @property
    def pad(self) -> int:
        """An id to fill rows with; any will do, as nothing attends to what follows it."""
        return int(self.tokenizer.pad_token_id or 0)


def cleaned(text: str, limit: int) -> str:
    """`text` short enough for `limit` tokens, without lone surrogates, which no tokenizer takes."""
    return text[: CHARACTERS_PER_TOKEN * limit].encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True)
class Causal:
    """A loaded model. `limit`: tokens that its positions reach, None = no limit; `revision`: hub commit or hash."""

    name: str
    model: Any
    words: Words
    device: torch.device
    dtype: str
    revision: str
    limit: int | None

    @property
    def size_bytes(self) -> int:
        return sum(weight.numel() * weight.element_size() for weight in self.model.parameters())

    def described(self) -> dict[str, Any]:
        """What every family that uses such a model records."""
        names = ("transformers", "torch", "tokenizers")
        return {
            "revision": self.revision,
            "architecture": type(self.model).__name__,
            "dtype": self.dtype,
            "versions": {name: version(name) for name in names},
        }


def placed(spec: CausalSpec) -> Located:
    """Where the model of `spec` is; a GGUF file is dequantised first."""
    if spec.gguf_file is None:
        return locate(spec.model)
    folder = gguf_folder(spec.model, spec.gguf_file)
    return Located(str(folder), folder)


def load_words(spec: CausalSpec, located: Located) -> Words:
    """The tokenizer of `spec`. Raises what `load_failure` makes of an error."""
    from transformers import AutoTokenizer

    try:
        return Words(AutoTokenizer.from_pretrained(located.source, **arguments(spec, located)))
    except LOAD_ERRORS as error:
        raise load_failure(spec.model, error) from error


def load_causal(spec: CausalSpec, run: EncodeSpec, answers: Sequence[str] = ()) -> Causal:
    """The model that `spec` names, on the run's device, in the run's precision.

    With `answers` its head keeps the rows of these words' tokens only: (…, len(answers)) logits, in float32.
    Raises `NotFound`, `BadInput` or `WorkbenchError` with a sentence where it cannot be loaded whole.
    """
    from transformers import AutoModelForCausalLM

    located = placed(spec)
    words = load_words(spec, located)
    ids = [answer_id(words, each, spec.model) for each in answers]
    if len(set(ids)) < len(ids):
        raise BadInput(
            f"The tokenizer of “{spec.model}” begins {' and '.join(f'“{each}”' for each in answers)} with the same "
            "token, so they cannot be told apart.",
            "Choose another model.",
        )
    model = load_model(AutoModelForCausalLM, spec, run, located)
    return finished(spec, run, located, words, with_answers(model, ids) if ids else model)


def load_model(loader: Any, spec: CausalSpec, run: EncodeSpec, located: Located, **more: Any) -> Any:
    """`loader.from_pretrained` for `spec`, on the run's device, all weights from the files. Raises as `load_causal`."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    device = torch.device(resolve_device(run.device))
    if located.folder is not None:
        check_memory(located.folder, spec.model, str(device), 2.0 if device.type == "cpu" else 1.0)
    logging.disable_progress_bar()
    full = device.type == "cpu" or run.dtype == "float32"
    dtype = torch.float32 if full else "auto"
    try:
        model = loader.from_pretrained(located.source, dtype=dtype, **arguments(spec, located), **more)
        model = model.eval().requires_grad_(False).to(device)
    except (*LOAD_ERRORS, SafetensorError) as error:
        raise load_failure(spec.model, error) from error
    lacking = untrained(model)
    if lacking:
        raise BadInput(
            f"The files of “{spec.model}” lack {len(lacking)} of its weights ({lacking[0]}, …), which would be random.",
            "It is no whole causal language model: check which family it belongs to, or download it again.",
        )
    return model


def finished(spec: CausalSpec, run: EncodeSpec, located: Located, words: Words, model: Any) -> Causal:
    """`model` brought to the run's precision, with what is known about it."""
    device = next(model.parameters()).device
    dtype = resolve_dtype(run.dtype, device.type, str(model.dtype).removeprefix("torch."))
    head = model.get_output_embeddings()
    answers = copy.deepcopy(head) if isinstance(head, AnswerHead) else None
    if answers is None and head is not None:
        # Untied, so that a head in bfloat16 leaves the embeddings, and all that is added to them, in float32.
        head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)
    set_precision(model, device, dtype)
    if answers is not None:
        model.set_output_embeddings(answers)
    folder = located.folder or hub_snapshot(spec.model, spec.revision)
    revision = spec.revision or (folder.name if folder is not None else "unknown")
    if located.folder is not None:
        revision = folder_revision(located.folder)
    return Causal(spec.model, model, words, device, dtype, revision, position_limit(model.config))


def arguments(spec: CausalSpec, located: Located) -> dict[str, Any]:
    """What every `from_pretrained` of `spec` is given."""
    here = located.folder is not None
    return {
        "revision": None if here else spec.revision,
        "trust_remote_code": spec.trust_remote_code,
        "local_files_only": here,
    }


def answer_id(words: Words, word: str, model: str) -> int:
    """The token that an answer of `word` begins with.

    The first one where the tokenizer cuts the word in several, as FlagEmbedding's inference does (its training takes
    the last: see `several_tokens`). Raises `BadInput` where there is none that tells something.
    """
    ids = words.of(word)
    if not ids or ids[0] == words.tokenizer.unk_token_id or not words.text(ids[:1]).strip():
        raise BadInput(
            f"The tokenizer of “{model}” ({type(words.tokenizer).__name__}) has no token for “{word}”, so its logit "
            "cannot be read.",
            "Choose another form, or another model.",
        )
    return ids[0]


def several_tokens(words: Words, answers: Sequence[str]) -> list[str]:
    """A warning for each answer that is more than one token."""
    return [
        f"“{word}” is {len(words.of(word))} tokens in this model; the logit of the first is the score."
        for word in answers
        if len(words.of(word)) > 1
    ]


class AnswerHead(torch.nn.Module):  # type: ignore[misc]
    """A language model's output layer with a few of its rows, computed in float32 whatever the rest runs in.

    In bfloat16 a logit of 20 is a multiple of 1/8: near documents would tie. What the model does to its logits
    afterwards (soft-cap, scale) is done as before.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        """`weight` (rows, hidden), `bias` (rows,)."""
        super().__init__()
        self.weight = torch.nn.Parameter(weight.detach().float().clone(), requires_grad=False)
        self.bias = None if bias is None else torch.nn.Parameter(bias.detach().float().clone(), requires_grad=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            return torch.nn.functional.linear(hidden.float(), self.weight, self.bias)


def with_answers(model: Any, ids: list[int]) -> Any:
    """`model` with an `AnswerHead` of the rows `ids` for its output layer."""
    head = model.get_output_embeddings()
    if getattr(head, "weight", None) is None:
        raise BadInput(f"The model {type(model).__name__} has no output layer to read answers from.")
    bias = getattr(head, "bias", None)
    model.set_output_embeddings(AnswerHead(head.weight[ids], None if bias is None else bias[ids]))
    return model


def padded(ids: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(input ids, attention mask), (m, width) int64 each, padded on the right: positions are then as unpadded."""
    width = max(map(len, ids))
    tokens = np.full((len(ids), width), pad, dtype=np.int64)
    mask = np.zeros_like(tokens)
    for row, each in enumerate(ids):
        tokens[row, : len(each)] = each
        mask[row, : len(each)] = 1
    return torch.from_numpy(tokens).to(device), torch.from_numpy(mask).to(device)


def answer_logits(causal: Causal, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """(m, answers) float32: the logits of the answer tokens after each prompt, in one forward pass.

    `causal` was loaded with answers. Raises `DoesNotFit` where the device's memory ran out.
    """
    tokens, mask = padded(prompts, causal.words.pad, causal.device)
    last = mask.sum(1) - 1

    def work() -> torch.Tensor:
        logits = causal.model(input_ids=tokens, attention_mask=mask, use_cache=False).logits
        chosen: torch.Tensor = logits[torch.arange(len(prompts), device=last.device), last]
        return chosen

    return in_memory(work, causal)


def in_memory(work: Any, causal: Causal) -> NDArray[np.float32]:
    """`work()`, a tensor, as float32, run in the model's precision. Raises `DoesNotFit` where memory ran out."""

    def run() -> NDArray[np.float32]:
        with torch.inference_mode(), precision(causal.device, causal.dtype):
            result: NDArray[np.float32] = work().float().cpu().numpy()
            return result

    return if_it_fits(causal.device, run)
