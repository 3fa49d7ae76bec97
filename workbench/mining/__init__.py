"""Hard-negative mining: candidates of queries and rules in, negatives and counts of what each rule dropped out.

The order of the rules, and what the ranks of the range count, are those of mine_hard_negatives in
sentence-transformers 6.2.0; with the same rules and top sampling the negatives are the same.
"""

from workbench.mining.candidates import Candidates, Mark, first, marks_of, padded, rescored
from workbench.mining.joining import Joined, joined
from workbench.mining.rules import RULES, Mined, active_rules, apply_rules, considered_width
from workbench.mining.sweep import SweepPoint, sweep

__all__ = [
    "RULES",
    "Candidates",
    "Joined",
    "Mark",
    "Mined",
    "SweepPoint",
    "active_rules",
    "apply_rules",
    "considered_width",
    "first",
    "joined",
    "marks_of",
    "padded",
    "rescored",
    "sweep",
]
