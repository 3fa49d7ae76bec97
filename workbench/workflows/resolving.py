"""What a pair is worth where several people, label sets and miners spoke of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.judged import Judged
from workbench.label_sets import Kind

Trouble = Literal["contradiction", "tie"]


@dataclass(frozen=True)
class Rules:
    """`kinds`: the chosen label sets, by name; `prefer`: those that settle a contradiction, the strongest first."""

    kinds: Mapping[str, Kind]
    prefer: tuple[str, ...] = ()


_TIERS: tuple[tuple[Kind, ...], ...] = (("final",), ("person",), ("qrels", "imported"), ("proposed",))


def settle(said: Sequence[Judged], rules: Rules) -> Judged | Trouble | None:
    """The final value of one pair of which `said` tells everything; None where nobody judged it.

    Within a label set the most frequent grade counts; of grades equally frequent the lowest, unless they stand on both
    sides (relevant and not), which is a tie. Between label sets: the first of `prefer` that has a value; else a final
    one; else people's, qrels' and imported ones, which must be of one side (else: a contradiction), people's before the
    others. A mined proposal counts only while no person has judged the pair, and must agree too. A tie among people
    leaves the pair undecided unless `prefer` or a final one decides.
    """
    if len(said) == 1:
        return said[0] if said[0].relevance is not None else None
    sets: dict[str, list[Judged]] = {}
    for each in said:
        sets.setdefault(each.label_set, []).append(each)
    values = {name: value for name, own in sets.items() if (value := _value(own)) is not None}
    decided = {name: value for name, value in values.items() if isinstance(value, Judged)}
    for name in rules.prefer:
        if name in decided:
            return _with_scores(decided[name], said)
    final, people, given, proposed = ([name for name in values if rules.kinds[name] in kinds] for kinds in _TIERS)
    counted = final or [*people, *given, *(() if people or _refused(said) else proposed)]
    if any(name not in decided for name in counted):
        return "tie"
    if len({is_positive(decided[name]) for name in counted}) > 1:
        return "contradiction"
    return _with_scores(decided[counted[0]], said) if counted else None


def is_positive(value: Judged) -> bool:
    return value.relevance is not None and value.relevance > 0


def _refused(said: Sequence[Judged]) -> bool:
    """Whether a person found that the pair cannot be judged."""
    return any(each.state == "unrateable" for each in said)


def _value(own: Sequence[Judged]) -> Judged | Literal["tie"] | None:
    """What one label set says of a pair; None where nobody in it has judged it."""
    judged = [each for each in own if each.relevance is not None]
    if len(judged) < 2:
        return judged[0] if judged else None
    votes = Counter(each.relevance for each in judged)
    most = max(votes.values())
    first = [each for each in judged if votes[each.relevance] == most]
    if len({is_positive(each) for each in first}) > 1:
        return "tie"
    # The lowest of the grades; of those who gave it, one who says hard negative tells more.
    return min(first, key=lambda each: (each.relevance or 0, not each.is_hard_negative))


def _with_scores(value: Judged, said: Sequence[Judged]) -> Judged:
    """The value with the scores that another judgment of the pair notes, where its own notes none."""
    if value.score is None:
        noted = next((each for each in said if each.score is not None), None)
        return value if noted is None else value._replace(score=noted.score, positive_score=noted.positive_score)
    return value
