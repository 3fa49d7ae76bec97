"""What text encoders that sentence-transformers loads share: all of them prompts, the others than dense a base."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from workbench.catalogue import read_json
from workbench.checkpoints import Located, found_revision, hub_snapshot, resolve_dtype
from workbench.encoders.base import Role, TextEncoder, truncation
from workbench.encoders.forms import Form
from workbench.encoders.inference import Runner
from workbench.specs import DenseSpec, EncodeSpec, MultiVectorSpec, SparseSpec

PROMPT_NAMES: dict[Role, tuple[str, ...]] = {"query": ("query",), "document": ("document", "passage", "corpus")}
LIBRARIES = ("sentence-transformers", "transformers", "torch")


class PretrainedTextEncoder(TextEncoder):
    """A model with its runner. A family implements `open`, `describe`, `dim` and `_encode_texts`."""

    def __init__(self, spec: SparseSpec | MultiVectorSpec, model: Any, run: EncodeSpec, located: Located) -> None:
        """`model` is a model of sentence-transformers as loaded, its lengths set."""
        self._spec = spec
        self._model = model
        self._folder = located.folder or hub_snapshot(spec.model, spec.revision)
        self._prompts = {role: chosen_prompt(role, spec, model) for role in PROMPT_NAMES}
        self._dtype = resolve_dtype(run.dtype, model.device.type, str(model.dtype).removeprefix("torch."))
        self._revision = found_revision(located, self._folder, spec.revision)
        self._runner = Runner(model, str(model.device), self._dtype, run.batch_tokens, self._form())
        self.warnings = []
        if self._revision == "unknown":
            self.warnings.append(
                f"The revision of “{spec.model}” could not be found out: a newer one counts as the same."
            )

    def _form(self) -> Form:
        """What is kept of the model's output."""
        raise NotImplementedError

    def _longest(self, role: Role) -> int | None:
        """Tokens that are read of a text; None where the model has no limit."""
        length = self._model.max_seq_length
        return int(length) if length is not None and length < 1 << 30 else None

    @property
    def size_bytes(self) -> int:
        return sum(weight.numel() * weight.element_size() for weight in self._model.parameters())

    def effective_query(self, text: str) -> str:
        return self._prompts["query"] + text

    def truncated(self, text: str) -> str:
        limit = self._longest("query")
        whole = self.effective_query(text)
        # A token holds a character at least, and no model adds more than a few of its own.
        if limit is None or len(whole) + 8 <= limit:
            return ""
        return truncation(len(self._model.tokenizer(whole, truncation=False, verbose=False)["input_ids"]), limit)

    def _described(self) -> dict[str, Any]:
        """What every such encoder says of itself."""
        return {
            "family": self._spec.kind,
            "model": self._spec.model,
            "revision": self._revision,
            "modules": [type(module).__name__ for module in self._model],
            "query_prompt": self._prompts["query"],
            "document_prompt": self._prompts["document"],
            "max_length": self._longest("document"),
            "dim": self.dim,
            "dtype": self._dtype,
            "similarity": self._model.similarity_fn_name,
            "trust_remote_code": self._spec.trust_remote_code,
            "versions": {name: version(name) for name in LIBRARIES},
        }


def chosen_prompt(role: Role, spec: DenseSpec | SparseSpec | MultiVectorSpec, model: Any) -> str:
    """The text put before each input, exactly: the spec's, else the model's for the role, else its default one.

    A default prompt that is named after the other role is not taken.
    """
    given = getattr(spec, f"{role}_prompt", None)
    if given is not None:
        return str(given)
    own = next((model.prompts[name] for name in PROMPT_NAMES[role] if model.prompts.get(name)), "")
    default = model.default_prompt_name
    others = {name for other, names in PROMPT_NAMES.items() if other != role for name in names}
    if not own and default and default not in others:
        own = model.prompts.get(default) or ""
    return str(own)


def saved_as(folder: Path | None) -> str:
    """Which of sentence-transformers' classes saved the model in `folder`: its `model_type`; "" where none did."""
    if folder is None or not (folder / "modules.json").is_file():
        return ""
    return str(read_json(folder / "config_sentence_transformers.json").get("model_type") or "SentenceTransformer")


def architectures(folder: Path | None) -> list[str]:
    """The classes that the model's config.json names."""
    return list(read_json(folder / "config.json").get("architectures") or []) if folder is not None else []
