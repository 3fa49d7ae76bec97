"""Settings of hard-negative mining: which candidates of a query become proposed negatives."""

from dataclasses import dataclass

from workbench.errors import BadInput
from workbench.specs.base import Spec, knob


@dataclass(frozen=True)
class MiningSpec(Spec):
    """The rules, applied in the order of `workbench.mining.RULES`. None (or empty) switches a rule off.

    Ranks, margins and sampling mean what they mean in sentence_transformers.util.mine_hard_negatives 6.2.0: the range
    counts only the candidates that every other rule leaves, best first, `range_min` of them passed over.
    """

    range_min: int = knob(
        0, "Candidates passed over at the top, of those that the other rules leave", low=0, high=9_999
    )
    range_max: int = knob(100, "Last candidate looked at, of those that the other rules leave", low=1, high=10_000)
    min_score: float | None = knob(None, "Lowest score of a negative")
    max_score: float | None = knob(None, "Highest score of a negative")
    absolute_margin: float | None = knob(None, "A negative scores at least this much below the lowest positive")
    relative_margin: float | None = knob(
        None, "A negative scores at least this share of the lowest positive's score below it; 0.05 is usual", low=0.0
    )
    per_query: int = knob(5, "Negatives of each query, of all miners together", low=1, high=1000)
    sampling: str = knob("top", "The best that are left, or drawn from them by the seed", choices=("top", "random"))
    seed: int = knob(0, "Same seed, same negatives", low=0, high=2**31 - 1)
    near_duplicate: float | None = knob(
        None, "Leave out documents with at least this cosine to a positive; needs dense vectors", low=-1.0, high=1.0
    )
    same_text: bool = knob(True, "Leave out documents with the same text as a positive")
    source_field: str = knob(
        "", "Column naming what a chunk comes from: leave out chunks that share it with a positive"
    )
    drop_judged: bool = knob(False, "Leave out documents that were judged not relevant already")
    reranker: str = knob("", "Reranker that scores the candidates and the positives again, before the rules of scores")
    rerank_depth: int | None = knob(
        None, "Candidates that are scored again; none: as many as the range needs", low=1, high=10_000
    )
    depth: int = knob(200, "Candidates kept of each query; more where the range needs them", low=1, high=20_000)
    label_sets: tuple[str, ...] = knob(
        ("qrels", "labels"), "Label sets that say which documents are positive", advanced=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        room = self.range_max - self.range_min
        if room < 1:
            raise BadInput(
                f"The range begins after {self.range_min} candidates and ends at {self.range_max}.",
                "Its end must be the larger number.",
            )
        if self.per_query > room:
            raise BadInput(
                f"{self.per_query} negatives a query were asked for, and the range {self.range_min}–{self.range_max} "
                f"holds {room}.",
                "Ask for fewer, or widen the range.",
            )
        if self.min_score is not None and self.max_score is not None and self.min_score > self.max_score:
            raise BadInput(f"The lowest score, {self.min_score}, lies above the highest, {self.max_score}.")
        if not self.label_sets:
            raise BadInput("No label set was named, so nothing says which documents are positive.", "Name “qrels”.")

    @property
    def uses_margin(self) -> bool:
        return self.absolute_margin is not None or self.relative_margin is not None
