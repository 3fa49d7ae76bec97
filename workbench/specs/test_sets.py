"""Settings of test sets that are made here: the recipe, the model that writes, and what varies in a variant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from workbench.errors import BadInput
from workbench.specs.base import Spec, knob
from workbench.specs.encoders import REVISION, TRUST

RECIPES = ("title", "caption", "column", "written")
VARIATIONS = ("typos", "lowercase", "uppercase", "unpunctuated", "paraphrase")
DOCUMENT = "{document}"
QUERY = "{query}"
WRITE = (
    "Write one short search query or question to which the document below is the answer, as somebody would type it who "
    "has not read it. Use other words than the document where you can. Answer with the query alone.\n\n"
    f"Document: {DOCUMENT}"
)
PARAPHRASE = (
    f"Say the search query below in other words that mean the same. Answer with the new query alone.\n\nQuery: {QUERY}"
)


@dataclass(frozen=True)
class WriterSpec(Spec):
    """A causal language model that writes: one that runs here, or one behind an OpenAI-compatible endpoint."""

    model: str = knob("", "Local causal model (hub id or folder), or the endpoint's model name")
    endpoint: str = knob("", "Base address of an OpenAI-compatible service; empty: the model runs here")
    key_variable: str = knob("", "Environment variable that holds the endpoint's key; empty: none", advanced=True)
    prompt: str = knob("", "What is asked; {document} or {query} stands for the text. Empty: the recipe's own")
    document_tokens: int = knob(400, "Longest text in the prompt, in tokens (words at an endpoint)", low=8, high=8192)
    answer_tokens: int = knob(64, "Longest answer in tokens, of a model that runs here", low=4, high=1024)
    timeout: float = knob(60.0, "Seconds to wait for one answer of the endpoint", low=1, high=3600)
    gguf_file: str | None = knob(None, "Name of a GGUF file inside the folder; none: ordinary weights", advanced=True)
    revision: str | None = knob(None, REVISION, advanced=True)
    trust_remote_code: bool = knob(False, TRUST)

    def asking(self, place: str, usual: str) -> str:
        """The prompt, `usual` where none was given. Raises `BadInput` where the text has no place in it."""
        prompt = self.prompt.strip() or usual
        if prompt.count(place) != 1:
            raise BadInput(
                f"The prompt holds {place} {prompt.count(place)} times.", f"Write {place} once, where the text goes."
            )
        return prompt


@dataclass(frozen=True)
class RecipeSpec(Spec):
    """How queries come out of a corpus's own documents."""

    recipe: str = knob("title", "What becomes the query", choices=RECIPES)
    column: str = knob("", "Recipe column: the metadata column that holds the queries")
    leave_out: bool = knob(
        False, "Titles and captions: ask a new corpus whose documents lack what the queries were made of"
    )
    writer: WriterSpec | None = field(default=None, metadata={"help": "Recipe written: the model that writes them"})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raises `BadInput` on an unknown field, of the writer too."""
        return super().from_dict(with_writer(values))


@dataclass(frozen=True)
class VarySpec(Spec):
    """How queries are changed; several variations are applied one after the other."""

    kinds: tuple[str, ...] = knob(("typos",), "What is changed, in this order")
    rate: float = knob(0.3, "typos: share of the words of 4 letters and more that get one", low=0.01, high=1)
    seed: int = knob(0, "Same seed, same typos", low=0, high=2**31 - 1)
    writer: WriterSpec | None = field(default=None, metadata={"help": "paraphrase: the model that writes"})

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = [each for each in self.kinds if each not in VARIATIONS]
        if wrong or not self.kinds:
            told = f"There is no variation “{str(wrong[0])[:60]}”." if wrong else "No variation was chosen."
            raise BadInput(told, f"Choose among: {', '.join(VARIATIONS)}.")
        if len(set(self.kinds)) < len(self.kinds):
            raise BadInput("A variation was named twice.", "Name each once.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raises `BadInput` on an unknown field, of the writer too."""
        return super().from_dict(with_writer(values))


def with_writer(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with `writer` as a spec. Raises `BadInput` where it is no object."""
    writer = values.get("writer")
    if writer is not None and not isinstance(writer, Mapping):
        raise BadInput("“writer” is not an object.", 'Leave it out, or give for example {"model": "…"}.')
    return {**values, "writer": None if writer is None else WriterSpec.from_dict(writer)}
