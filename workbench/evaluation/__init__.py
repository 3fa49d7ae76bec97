"""How good rankings are: measures under judgments, the share that is judged, and the bounds of what is not."""

from workbench.evaluation.bounds import bounds
from workbench.evaluation.judged import NONE, Judged, Qrels, judge, rolled_up, without_own
from workbench.evaluation.measures import DEFAULT, Measure, judged_share, measured, parse_measures

__all__ = [
    "DEFAULT",
    "NONE",
    "Judged",
    "Measure",
    "Qrels",
    "bounds",
    "judge",
    "judged_share",
    "measured",
    "parse_measures",
    "rolled_up",
    "without_own",
]
