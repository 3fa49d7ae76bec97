"""Settings of files of judgments: training files and qrels."""

from dataclasses import dataclass

from workbench.specs.base import Spec, knob


@dataclass(frozen=True)
class ExportSpec(Spec):
    """How judgments become a file. A format takes what it has a place for and leaves the rest."""

    negatives: int | None = knob(
        None, "Negatives of a query at most, hard ones first; none: all (st-ntuple: 3, and exactly so many)", low=1,
        high=1000,
    )  # fmt: skip
    scores: bool = knob(False, "flagembedding: write pos_scores and neg_scores; queries that lack one are left out")
    labels: str = knob("binary", "st-pair, st-list: 0 and 1, or the grades", choices=("binary", "grades"))
    prompt: str | None = knob(None, "flagembedding: takes the place of the query instruction; none: no such column")
    query_prompt: str | None = knob(None, "flagembedding-reranker: before the query; none: no such column")
    passage_prompt: str | None = knob(None, "flagembedding-reranker: before each document; none: no such column")
    type: str = knob(
        "normal",
        "flagembedding: how groups are made of it",
        choices=("normal", "only_1neg", "symmetric_class", "symmetric_sts", "symmetric_clustering"),
    )
    split: str = knob("test", "beir: the name of the qrels")


@dataclass(frozen=True)
class LabelChoice(Spec):
    """Which judgments are exported, and what goes beside them."""

    label_sets: tuple[str, ...] = knob((), "Label sets; none: qrels, labels, and every imported or final one")
    include_unreviewed: bool = knob(False, "Also mined proposals that nobody has looked at")
    prefer: tuple[str, ...] = knob((), "Label sets in the order in which they settle a contradiction")
    encoder: str = knob("", "Encoder of the corpus whose prompts the file and its manifest name")
    images: str = knob("none", "Images of documents and queries", choices=("none", "reference", "copy"))
