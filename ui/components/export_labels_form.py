"""What the form of an export of labels holds: read from what the browser sent, written as a job's arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ui.forms import entered as typed
from workbench.errors import BadInput
from workbench.specs import ExportSpec, LabelChoice

if TYPE_CHECKING:
    from workbench.workflows.export_preview import Exportable

LONGEST = 120
"""Characters of a file's name."""


class Format(NamedTuple):
    """A format in a person's words: what it is for, who reads it, and which settings it has a place for."""

    title: str
    use: str
    reader: str
    takes: tuple[str, ...] = ()


FORMATS = MappingProxyType(
    {
        "flagembedding": Format(
            "FlagEmbedding",
            "Fine-tune an embedder: query, pos, neg",
            "FlagEmbedding.finetune.embedder",
            ("negatives", "scores", "prompt", "type"),
        ),
        "flagembedding-reranker": Format(
            "FlagEmbedding reranker",
            "Fine-tune a reranker: the same, with its prompts",
            "FlagEmbedding.finetune.reranker",
            ("negatives", "scores", "query_prompt", "passage_prompt", "prompt", "type"),
        ),
        "st-triplet": Format(
            "Triplets",
            "Fine-tune an embedder: anchor, positive, negative",
            "sentence-transformers: MultipleNegativesRankingLoss, TripletLoss",
            ("negatives",),
        ),
        "st-ntuple": Format(
            "n-tuples",
            "The same, with exactly n negatives a row",
            "sentence-transformers: MultipleNegativesRankingLoss, also Cached",
            ("negatives",),
        ),
        "st-pair": Format(
            "Labelled pairs",
            "Train a cross-encoder: anchor, document, label",
            "sentence-transformers: BinaryCrossEntropyLoss, ContrastiveLoss",
            ("negatives", "labels"),
        ),
        "st-list": Format(
            "Labelled lists",
            "Train a cross-encoder listwise: anchor, documents, labels",
            "sentence-transformers: LambdaLoss, ListNetLoss",
            ("negatives", "labels"),
        ),
        "beir": Format(
            "BEIR folder", "Evaluate: the whole corpus, queries and qrels", "beir’s GenericDataLoader, MTEB", ("split",)
        ),
        "trec": Format("TREC qrels", "Evaluate: query, document, grade", "trec_eval, ranx, ir-measures"),
        "csv": Format("CSV", "Look at every judged pair in a spreadsheet", "spreadsheets, pandas", ("negatives",)),
    }
)


@dataclass(frozen=True)
class Asked:
    """An export as it is asked for; `label_sets` None: the usual ones."""

    query_set: str
    format: str = "flagembedding"
    name: str = ""
    label_sets: tuple[str, ...] | None = None
    unreviewed: bool = False
    prefer: str = ""
    encoder: str = ""
    images: str = "none"
    settings: Mapping[str, str] = field(default_factory=dict)

    def chosen(self, known: "Sequence[Exportable]") -> tuple[str, ...]:
        """The label sets to read: those asked for that there are, proposed ones only with the consent."""
        usual = tuple(each.name for each in known if each.usual and each.ready)
        wanted = usual if self.label_sets is None else self.label_sets
        return tuple(
            each.name
            for each in known
            if each.name in wanted and each.ready and (self.unreviewed or each.kind != "proposed")
        )

    def choice(self, known: "Sequence[Exportable]") -> LabelChoice:
        """Raises `BadInput` where no label set is chosen: none would mean all the usual ones."""
        names = self.chosen(known)
        if not names:
            raise BadInput("No label set is chosen.", "Tick at least one.")
        prefer = (self.prefer,) if self.prefer in names else ()
        return LabelChoice(names, self.unreviewed, prefer, self.encoder, self.images)

    def spec(self) -> ExportSpec:
        """The settings that the format has a place for. Raises `BadInput` on one that is out of range."""
        takes = FORMATS[self.format].takes
        given = {name: typed(ExportSpec, name, text) for name, text in self.settings.items() if name in takes and text}
        return ExportSpec.from_dict(given)

    def arguments(self, known: "Sequence[Exportable]", exports: str) -> dict[str, Any]:
        """The arguments of the job; `exports`: the folder that the file goes to. Raises `BadInput`."""
        name = checked_name(self.name)
        return {
            "query_set": self.query_set,
            "format": self.format,
            "out": str(PurePath(exports, name)) if name else None,
            "choice": self.choice(known).to_dict(),
            "spec": self.spec().to_dict(),
        }


def usual_name(query_set: str, format: str, suffixes: Sequence[str]) -> str:
    return f"{query_set}-{format}{''.join(suffixes[:1])}"


def read_asked(entered: Mapping[str, str], format: str = "") -> Asked:
    """The form as it was sent; `format`: the one that was clicked. Raises `BadInput` on one that is none."""
    wanted = format or entered.get("format", "flagembedding")
    if wanted not in FORMATS:
        raise BadInput(f"There is no format “{wanted[:40]}”.", f"Choose one of: {', '.join(FORMATS)}.")
    # Another query set has label sets of its own.
    same = entered.get("shown", "") == entered.get("query_set", "")
    ticked = [name.removeprefix("set:") for name, value in entered.items() if name[:4] == "set:" and value == "true"]
    # A name that nobody changed follows the format and the query set.
    own = "" if entered.get("name", "") == entered.get("usual", "") else entered.get("name", "")
    return Asked(
        entered.get("query_set", ""),
        wanted,
        own.strip(),
        tuple(ticked) if same and any(name[:4] == "set:" for name in entered) else None,
        entered.get("unreviewed") == "true",
        entered.get("prefer", ""),
        entered.get("encoder", ""),
        entered.get("images") or "none",
        {name.removeprefix("spec:"): value for name, value in entered.items() if name.startswith("spec:")},
    )


def asked_before(arguments: Mapping[str, Any]) -> Asked:
    """The form as `Asked.arguments` wrote it for a job; settings that rest are as empty as they were."""
    choice = LabelChoice.from_dict(arguments["choice"])
    usual = ExportSpec().to_dict()
    given = {name: value for name, value in arguments["spec"].items() if value != usual[name]}
    return Asked(
        arguments["query_set"],
        arguments["format"],
        PurePath(arguments["out"] or "").name,
        tuple(choice.label_sets),
        choice.include_unreviewed,
        "".join(choice.prefer[:1]),
        choice.encoder,
        choice.images,
        {name: "true" if value is True else str(value) for name, value in given.items()},
    )


def checked_name(name: str) -> str:
    """`name` itself. Raises `BadInput` unless it is a plain file name."""
    if name and (len(name) > LONGEST or name.startswith(".") or PurePath(name).name != name or "\\" in name):
        raise BadInput(
            f"“{name[:60]}” cannot be the name of a file.", f"Use at most {LONGEST} characters and no slashes."
        )
    return name
