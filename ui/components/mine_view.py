"""What the Mine page shows, as its address: the query set, the miners, every rule, and which margin is dragged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlencode

from ui.forms import entered
from ui.session import Place
from workbench.errors import BadInput
from workbench.specs import MiningSpec
from workbench.workflows.mining_kept import MinerChoice

KINDS = ("relative", "absolute")
START = MiningSpec(relative_margin=0.05)
"""Rules of a first visit: negatives below 95 % of the positive's score, as NV-Retriever does."""
LONGEST = 2000
"""Characters of a value in the address at most."""


@dataclass(frozen=True)
class MineView:
    """The page's address, read. `miners`: keys of `MinerChoice`; `kind`: the margin that is dragged and swept.

    `start`: the first example query.
    """

    query_set: str = ""
    miners: tuple[str, ...] = ()
    spec: MiningSpec = field(default_factory=MiningSpec)
    kind: str = "relative"
    start: int = 0

    def chosen(self, choices: Sequence[MinerChoice]) -> list[MinerChoice]:
        """The miners in the order of the choices. Raises `BadInput` where none is chosen."""
        found = [each for each in choices if each.key in self.miners]
        if not found:
            raise BadInput("No miner is chosen.", "Tick at least one encoder or pipeline.")
        return found


@dataclass(frozen=True)
class Shown:
    """What the page shows beside its form: the kept candidates, the margin that is dragged, the first example."""

    artifacts: tuple[str, ...] = ()
    kind: str = KINDS[0]
    start: int = 0


def read_mine_view(values: Mapping[str, str], fallback: "MineView") -> MineView:
    """The view of an address; `fallback` has the query set, the miners and, for a bare address, the rules.

    Raises `BadInput` on a rule that cannot be read or that does not fit the others.
    """
    given = {name: str(value)[:LONGEST] for name, value in values.items()}
    rules = {each.name: given[each.name] for each in fields(MiningSpec) if each.name in given}
    spec = fallback.spec
    if rules or "set" in given:
        spec = MiningSpec.from_dict({name: entered(MiningSpec, name, text) for name, text in rules.items()})
    miners = tuple(filter(None, given.get("miners", "").split(","))) or fallback.miners
    start = given.get("start", "")
    return MineView(
        given.get("set") or fallback.query_set,
        miners,
        spec,
        given["by"] if given.get("by") in KINDS else "relative",
        int(start) if start.isdecimal() and len(start) < 10 else 0,
    )


def address(place: Place, view: MineView) -> str:
    """The address that reads as `view`: only what differs from the defaults."""
    values = {"project": place.project, "corpus": place.corpus, "set": view.query_set, "miners": ",".join(view.miners)}
    values |= rule_values(view.spec)
    values |= {"by": view.kind} if view.kind != KINDS[0] else {}
    values |= {"start": str(view.start)} if view.start else {}
    return f"/mine?{urlencode(values)}"


def rule_values(spec: MiningSpec) -> dict[str, str]:
    """The rules that differ from their defaults, as an address holds them."""
    plain = MiningSpec().to_dict()
    return {name: told(value) for name, value in spec.to_dict().items() if value != plain[name]}


def told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list | tuple) else str(value)


def first_miners(choices: Sequence[MinerChoice]) -> tuple[str, ...]:
    """What a first visitor mines with: one dense encoder that reads texts, and BM25, as far as they are there."""
    dense = next((each.key for each in choices if each.output == "dense" and each.reads_text), "")
    words = next((each.key for each in choices if each.miner == "bm25"), "")
    return tuple(filter(None, (words, dense))) or tuple(each.key for each in choices[:1])
