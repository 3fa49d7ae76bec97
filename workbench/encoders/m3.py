"""BGE-M3: dense, sparse and token vectors of one model, in one pass where more than one is wanted."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, cast

from workbench.checkpoints import loaded
from workbench.encoders.base import Encoder, Matrix, Output, Role, TextEncoder, as_content, empty_matrix, truncation
from workbench.encoders.m3_model import OUTPUTS, M3Form, Trunk, open_trunk
from workbench.encoders.pretrained import LIBRARIES
from workbench.encoders.words import readable
from workbench.specs import EncoderSpec, EncodeSpec, M3Spec
from workbench.types import Content, Progress, no_progress

SIMILARITY = {"dense": "cosine", "sparse": "dot", "multi": "meanmaxsim"}
POOLING = {"dense": "cls", "sparse": "max", "multi": "token"}


class M3Encoder(TextEncoder):
    """One of the model's three outputs, as `spec.output` says; queries and documents are read alike, without prompts.

    Dense: the CLS state at length 1. Sparse: for each term of the vocabulary in the text, the largest of its weights.
    Multi: a vector at length 1 for each token but the first (CLS). Encoders of one model share it in memory.
    """

    def __init__(self, spec: M3Spec, run: EncodeSpec) -> None:
        self._spec = spec
        self._run = run
        self.output = cast(Output, spec.output)
        trunk = self._trunk()
        self._dim = trunk.dim(self.output)
        self._bytes = trunk.heads_bytes
        self._max_length = trunk.model.max_seq_length
        self._revision, self._dtype = trunk.revision, trunk.dtype
        self.warnings = []
        if self._revision == "unknown":
            self.warnings.append(
                f"The revision of “{spec.model}” could not be found out: a newer one counts as the same."
            )

    @classmethod
    def open(cls, spec: EncoderSpec, run: EncodeSpec, state: Path | None = None) -> Self:
        """Load the model, or share it. Raises `NotFound` or `BadInput` with a sentence where it cannot be loaded."""
        if not isinstance(spec, M3Spec):
            raise TypeError(f"an M3Spec is needed, not {type(spec).__name__}")
        return cls(spec, run)

    @classmethod
    def sibling_specs(cls, spec: EncoderSpec) -> list[EncoderSpec]:
        """All three outputs, `spec`'s own first: “name” for dense, “name:sparse”, “name:multi”."""
        if not isinstance(spec, M3Spec):
            raise TypeError(f"an M3Spec is needed, not {type(spec).__name__}")
        name = spec.name.removesuffix(f":{spec.output}")
        ordered = sorted(OUTPUTS, key=lambda output: output != spec.output)
        return [
            replace(spec, output=output, name=name if output == "dense" else f"{name}:{output}") for output in ordered
        ]

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def size_bytes(self) -> int:
        """The heads only: the trunk is an entry of its own in `loaded()`, shared by all encoders of the model."""
        return self._bytes

    def describe(self) -> dict[str, Any]:
        return {
            "family": "bge-m3",
            "output": self.output,
            "model": self._spec.model,
            "revision": self._revision,
            "pooling": POOLING[self.output],
            "query_prompt": "",
            "document_prompt": "",
            "max_length": self._max_length,
            "dim": self._dim,
            "normalize": self.output != "sparse",
            "dtype": self._dtype,
            "similarity": SIMILARITY[self.output],
            "versions": {name: version(name) for name in LIBRARIES},
        }

    def encode_parts(
        self,
        contents: Sequence[str | Content],
        outputs: Sequence[Output] = OUTPUTS,
        progress: Progress = no_progress,
        role: Role = "document",
    ) -> dict[Output, Matrix]:
        """The matrix of each of `outputs`, n rows each, from one pass over `contents`."""
        texts = [as_content(each).text for each in contents]
        trunk = self._trunk()
        if not texts:
            return {output: empty_matrix(output, trunk.dim(output)) for output in outputs}
        form = M3Form(tuple(outputs), trunk.dim("sparse"))
        with trunk.lock:
            found: dict[Output, Matrix] = trunk.runner.run(texts, "", role, progress, form)
        return found

    def encode_siblings(
        self, siblings: Sequence[Encoder], contents: Sequence[Content], progress: Progress = no_progress
    ) -> list[Matrix]:
        found = self.encode_parts(contents, [each.output for each in siblings], progress)
        return [found[each.output] for each in siblings]

    def truncated(self, text: str) -> str:
        if len(text) + 8 <= self._max_length:
            return ""
        trunk = self._trunk()
        with trunk.lock:
            ids = trunk.model.tokenizer(text, truncation=False, verbose=False)["input_ids"]
        return truncation(len(ids), self._max_length)

    def tokens(self, text: str, role: Role) -> list[str]:
        """One piece for each vector of the text: all but the first, the last is the end mark."""
        if self.output != "multi":
            return super().tokens(text, role)
        trunk = self._trunk()
        with trunk.lock:
            ids = trunk.runner.features(text, "", role)["input_ids"][0, 1:].tolist()
        return readable(trunk.model.tokenizer, ids)

    def terms(self, columns: Sequence[int]) -> list[str]:
        if self.output != "sparse":
            return super().terms(columns)
        return readable(self._trunk().model.tokenizer, columns)

    def _encode_texts(self, texts: list[str], role: Role, progress: Progress) -> Matrix:
        return self.encode_parts(texts, [self.output], progress, role)[self.output]

    def _trunk(self) -> Trunk:
        """The shared model, loaded again where it had to leave."""
        spec, run = self._spec, self._run
        settings = (spec.revision, spec.max_length, run.device, run.dtype, run.batch_tokens)
        return loaded().get(("model", spec.model, settings), lambda: open_trunk(spec, run), lambda it: it.size_bytes)
