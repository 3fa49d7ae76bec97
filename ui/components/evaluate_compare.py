"""Runs against a baseline: intervals drawn, tests, wins and losses, and in words whether it is a difference."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui.components.evaluate_charts import axis, scale_of, whisker
from ui.components.text import escape

if TYPE_CHECKING:
    from workbench.workflows.evaluate import Comparison

BETTER, WORSE, OPEN, SAME = "significantly better", "significantly worse", "not significant", "no difference"


def word(compared: "Comparison") -> str:
    """The outcome in two words."""
    if not compared.wins and not compared.losses:
        return SAME
    if not compared.significant:
        return OPEN
    return BETTER if compared.mean > 0 else WORSE


def sentence(compared: "Comparison", family: int) -> str:
    """What was found and how sure it is, for somebody who was not there. `family`: comparisons corrected for."""
    c = compared
    pair = f"“{c.run}” and “{c.baseline}”"
    counts = f"{c.wins:,} queries are better, {c.losses:,} worse, {c.ties:,} equal"
    if word(c) == SAME:
        return f"{pair} have the same {c.measure} on all {c.ties:,} queries."
    interval = f"95% interval {signed(c.low)} to {signed(c.high)}"
    tested = p_text(c.p_holm) + (f", corrected for {family} comparisons" if family > 1 else "")
    if c.significant:
        side = "better" if c.mean > 0 else "worse"
        return (
            f"“{c.run}” is significantly {side} than “{c.baseline}” in {c.measure}: {signed(c.mean)} on average "
            f"({interval}; {tested}). {counts}."
        )
    inside = c.low <= 0 <= c.high
    why = (
        "the interval holds zero"
        if inside
        else "the interval alone does not hold zero, but the test, corrected for all comparisons, does not confirm it"
    )
    return (
        f"No significant difference between {pair} in {c.measure} was shown: {signed(c.mean)} on average ({interval}; "
        f"{tested}), and {why}. {counts}. That is not proof that they are equally good."
    )


def compare_table(found: "Sequence[Comparison]") -> str:
    """One row a run: the difference, its interval drawn on one axis for all, p, counts, and the outcome in words."""
    if not found:
        return ""
    scale = scale_of([value for each in found for value in (each.low, each.high)])
    rows = "".join(
        f"<tr data-key='compared {escape(each.run)}'><td class='break'>{escape(each.run)}</td>"
        f"<td class='num'>{signed(each.mean)}</td><td class='ec-cell'>"
        f"{whisker(each.low, each.mean, each.high, scale, kind_of(each))}</td>"
        f"<td class='num'>{signed(each.low)} … {signed(each.high)}</td><td class='num'>{bare_p(each.p)}</td>"
        f"<td class='num'>{bare_p(each.p_holm)}</td><td class='num'>{each.wins:,} / {each.ties:,} / {each.losses:,}"
        "</td>"
        f"<td>{outcome(each)}</td></tr>"
        for each in found
    )
    return (
        "<div class='scroll'><table class='grid ec-compare'><thead><tr><th>run</th><th class='num'>difference</th>"
        f"<th class='ec-cell'>{axis(scale)}</th><th class='num'>95% interval</th><th class='num'>p</th>"
        "<th class='num' title='corrected by Holm for all comparisons made here'>p, corrected</th>"
        f"<th class='num'>better / equal / worse</th><th>outcome</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def kind_of(compared: "Comparison") -> str:
    return {BETTER: "up", WORSE: "down"}.get(word(compared), "level")


def outcome(compared: "Comparison") -> str:
    """The words with a sign of their own."""
    said = word(compared)
    sign, kind = {BETTER: ("▲", " good"), WORSE: ("▼", " bad"), OPEN: ("○", ""), SAME: ("=", "")}[said]
    return f"<span class='tag{kind}'>{sign} {said}</span>"


def p_text(p: float) -> str:
    """ "p = 0.012" or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def bare_p(p: float) -> str:
    """ "0.0120", "&lt; 0.0002"; as HTML."""
    return "&lt; 0.0002" if p < 0.0002 else f"{p:.4f}"


def signed(value: float) -> str:
    """ "+0.0520", "−0.0410": a minus as wide as the plus."""
    text = f"{value:+.4f}"
    return text.replace("-", "−")
