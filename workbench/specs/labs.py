"""Settings of laboratories: which indices are tried, with which search settings, by which queries."""

from dataclasses import dataclass
from itertools import product

from workbench.errors import BadInput
from workbench.specs.base import Spec, check_limits, knob
from workbench.specs.pipeline import RetrieverSpec

SETTINGS = ("nprobe", "ef_search", "k_factor")
MOST_TRIALS = 64
EXAMPLE = "IVF256,SQ8 nprobe=4,16,64"


@dataclass(frozen=True)
class Trial(Spec):
    """One index and one choice of search settings; what is None stays at the index's own default."""

    factory: str
    nprobe: int | None = None
    ef_search: int | None = None
    k_factor: float | None = None

    @property
    def settings(self) -> dict[str, int | float]:
        """The settings that are given."""
        given = {name: getattr(self, name) for name in SETTINGS}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def label(self) -> str:
        """ "IVF256,SQ8 · nprobe 16"."""
        return " · ".join([self.factory, *(f"{name} {value:g}" for name, value in self.settings.items())])


@dataclass(frozen=True)
class IndexLabSpec(Spec):
    """What an index laboratory measures. Each of `trials` is a line as `read_trials` takes it."""

    trials: tuple[str, ...]
    query_set: str = knob("", "Query set; empty: documents' own vectors, each left out of its own result")
    queries: int = knob(500, "Most queries that are asked, a seeded sample", low=5, high=20_000)
    k: int = knob(10, "Neighbours wanted of each query", low=1, high=1000)
    seed: int = knob(0, "Seed of the sample and of the order; another one measures again", low=0, high=2**31 - 1)


def read_trials(line: str) -> list[Trial]:
    """The trials of “FACTORY nprobe=4,16 k_factor=2”: every combination of the values, in the order written.

    Raises `BadInput` on an empty line, an unknown setting or a value that is no number or outside its limits.
    """
    factory, *parts = line.split()[:20] or [""]
    if not factory or "=" in factory:
        raise BadInput(f"“{line[:80]}” names no index.", f"Begin with a factory string, for example {EXAMPLE}.")
    values: dict[str, list[int | float]] = {}
    for part in parts:
        name, sign, text = part.partition("=")
        if name not in SETTINGS or not sign:
            raise BadInput(f"“{part[:40]}” in “{line[:80]}” is no search setting.", f"Write it like {EXAMPLE}.")
        values[name] = [_number(name, each, line) for each in text.split(",") if each]
        if not values[name]:
            raise BadInput(f"“{name}” in “{line[:80]}” has no value.", f"Write it like {EXAMPLE}.")
    chosen = [dict(zip(values, each, strict=True)) for each in product(*values.values())]
    if len(chosen) > MOST_TRIALS:
        raise BadInput(f"“{line[:80]}” makes {len(chosen)} trials.", f"Try at most {MOST_TRIALS} at once.")
    return [Trial.from_dict({"factory": factory, **settings}) for settings in chosen]


def _number(name: str, text: str, line: str) -> int | float:
    try:
        value: int | float = float(text) if name == "k_factor" else int(text)
    except ValueError as error:
        raise BadInput(f"{name} is “{text[:20]}” in “{line[:80]}”.", "Give a number of at least 1.") from error
    limits = RetrieverSpec.__dataclass_fields__[name]
    check_limits("search setting", limits, value)
    return value
