"""Which search settings a factory string takes, known before anything is built; and values worth trying."""

import math

from workbench.indices.bigranular import FACTOR, VERIFY
from workbench.indices.binary import BINARY
from workbench.indices.factories import parse, search_settings
from workbench.indices.hybrid import PATTERN, sizes

HI2 = "HI2_"


def settings_for(factory: str) -> dict[str, int | float]:
    """The settings that searching `factory` takes, with their defaults. Raises `BadInput` on an unknown string."""
    if factory.startswith(HI2):
        return {"nprobe": max(1, int(math.sqrt(sizes(factory)[0])))}
    codes = factory.removesuffix(VERIFY)
    own: dict[str, int | float] = {} if codes == BINARY else search_settings(codes)
    return {**own, "k_factor": FACTOR} if factory.endswith(VERIFY) else own


def most_of(factory: str, name: str) -> int | None:
    """The largest value of a setting that makes a difference: as many lists as there are; None = no limit."""
    if name != "nprobe":
        return None
    return sizes(factory)[0] if PATTERN.fullmatch(factory) else parse(factory.removesuffix(VERIFY)).lists or None


def curve(factory: str) -> dict[str, list[int | float]]:
    """Four values of the setting that trades speed for recall, about its default; empty where there is none.

    Of an index with several (IVF with Refine) the one that decides which documents are looked at.
    """
    known = settings_for(factory)
    if not known:
        return {}
    name, default = next(iter(known.items()))
    factors = (0.25, 0.5, 1, 2) if name == "k_factor" else (0.25, 1, 4) if name == "ef_search" else (0.25, 0.5, 1, 4)
    values = [max(1, int(default * factor)) for factor in factors]
    limit = most_of(factory, name)
    return {name: sorted({value if limit is None else min(value, limit) for value in values})}
