"""The form of the index laboratory: over what, which indices with which settings, asked by which queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ui.components.figures import size
from ui.handlers import escape, problem
from workbench.errors import BadInput
from workbench.specs import IndexLabSpec

if TYPE_CHECKING:
    from workbench.workflows.index import Suggestion
    from workbench.workflows.index_lab import Plan

TRY, WITH = "try ", "with "
"""Begin the names of a suggestion's checkbox and of its settings."""
MEMORY = 1024.0
PLAIN = ("Flat",)
"""Not ticked at first: the exact search is always measured."""


@dataclass(frozen=True)
class Offer:
    """What the form can offer: dense embeddings, query sets with their counts, suggestions with their settings."""

    encoders: Sequence[str]
    encoder: str
    sets: Mapping[str, int]
    query_set: str
    found: "Sequence[tuple[Suggestion, str]]"
    memory: float = MEMORY
    terms: bool = True


def form_html(offer: Offer) -> str:
    """The form; its inputs are read by `lab_spec`."""
    sets = {"": "documents’ own vectors, each left out of its own result"}
    sets |= {name: f"{name} ({count:,} queries)" for name, count in offer.sets.items()}
    knobs = (
        knob("Embedding", select("encoder", dict.fromkeys(offer.encoders, ""), offer.encoder, "encoder"))
        + knob("Memory budget, MB", number("memory", offer.memory, 1, "redraw"))
        + knob("Queries", select("query_set", sets, offer.query_set))
        + knob("At most", number("queries", 500, 5))
        + knob("Neighbours, k", number("k", 10, 1))
        + knob("Seed", number("seed", 0, 0))
    )
    rows = "".join(suggestion_row(each, settings, offer.encoder) for each, settings in offer.found)
    head = "<th></th><th>Index</th><th>Search settings to try</th><th class='num'>In memory, about</th>"
    head += "<th class='num'>Vectors on disk</th><th></th>"
    lacking = "" if offer.terms else "<span class='dim'>Encode the corpus with bm25 too, and HI² is offered.</span>"
    return (
        f"<section class='panel' data-key='form {escape(offer.encoder)}'><header><h3>What to try</h3>{lacking}"
        "<span class='facts'><span>the exact search is always measured beside them</span></span></header>"
        f"<div class='lab-form' data-form><div class='lab-knobs'>{knobs}</div>"
        f"<div class='scroll'><table class='grid'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        "<label class='lab-knob'>Further indices, one a line, with settings: several values make a curve"
        "<textarea name='own' data-change='check' spellcheck='false' placeholder='IVF256,SQ8 nprobe=4,16,64&#10;"
        "Binary,Verify k_factor=2,10,50'></textarea></label>"
        "<div class='lab-foot'><button class='btn primary' data-do='start'>Build and measure</button>"
        "<span class='dim'>Indices that exist are not built again. Trials take turns, query by query, on one thread; "
        "then all queries at once on every core.</span></div></div></section>"
    )


def suggestion_row(each: "Suggestion", settings: str, encoder: str) -> str:
    """A suggestion with its tick and its settings."""
    factory = escape(each.factory)
    ticked = "" if each.factory in PLAIN else " checked"
    field = (
        f"<input class='lab-with' name='{WITH}{factory}' value='{escape(settings)}' data-change='check' "
        f"aria-label='Search settings of {factory}'>"
        if settings
        else "<span class='dim'>none</span>"
    )
    return (
        f"<tr data-key='{escape(encoder)} {factory}'><td><input type='checkbox' name='{TRY}{factory}'{ticked} "
        f"aria-label='Try {factory}'></td><td><code><b>{factory}</b></code></td><td>{field}</td>"
        f"<td class='num'>{size(each.bytes)}</td>"
        f"<td class='num'>{size(each.vector_bytes) if each.vector_bytes else '–'}</td>"
        f"<td class='dim'>{escape(each.why)}</td></tr>"
    )


def knob(label: str, control: str) -> str:
    return f"<label class='lab-knob'>{label}{control}</label>"


def number(name: str, value: float, low: float, change: str = "") -> str:
    change = f" data-change='{change}'" if change else ""
    return f"<input type='number' name='{name}' value='{value:g}' min='{low:g}'{change}>"


def select(name: str, choices: Mapping[str, str], chosen: str, change: str = "") -> str:
    """A drop-down list; `choices`: value → what is shown, the value itself where that is empty."""
    options = "".join(
        f"<option value='{escape(value)}'{' selected' if value == chosen else ''}>{escape(shown or value)}</option>"
        for value, shown in choices.items()
    )
    change = f" data-change='{change}'" if change else ""
    return f"<select name='{name}'{change}>{options}</select>"


def lab_spec(entered: Mapping[str, str]) -> IndexLabSpec:
    """What the form says. Raises `BadInput` where it names no index, or on a number outside its limits."""
    ticked = [name.removeprefix(TRY) for name, value in entered.items() if name.startswith(TRY) and value == "true"]
    lines = [f"{factory} {entered.get(WITH + factory, '')}".strip() for factory in ticked]
    lines += [line.strip() for line in entered.get("own", "").splitlines() if line.strip()]
    if not lines:
        raise BadInput("There is nothing to try.", "Tick a suggestion, or write a factory string.")
    numbers = {name: whole(name, entered.get(name, "")) for name in ("queries", "k", "seed")}
    return IndexLabSpec(trials=tuple(lines), query_set=entered.get("query_set", ""), **numbers)


def whole(name: str, text: str) -> int:
    """Raises `BadInput` on what is no whole number."""
    try:
        return int(text)
    except ValueError as error:
        raise BadInput(f"“{name}” is “{text[:20]}”.", "Give a whole number.") from error


def checked_html(planned: "Plan") -> str:
    """What cannot be built or searched so, each with what to do; how many trials are left."""
    refused = "".join(problem(f"{each.trial}: {each.message}", each.hint) for each in planned.refused)
    notes = "".join(f"<div class='note warn'>{escape(text)}</div>" for text in planned.warnings)
    left = len(planned.trials) - 1
    if refused:
        notes += f"<div class='note warn'>The other {left} trials can be measured.</div>" if left else ""
    return refused + notes
