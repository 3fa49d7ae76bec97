"""The end of a blind round: names, a ranking with intervals, who beat whom, the sides, every query."""

import math
from collections.abc import Sequence

from ui.components.blind_board import SAID
from ui.components.blind_setup import pipeline_text
from ui.components.empty import empty
from ui.components.figures import several
from ui.components.text import clip, escape
from ui.session import Place
from workbench.workflows.revealing import Interval, Logged, PositionBias, Results, Strength

CHANCE = 0.05
METHOD = (
    "Bradley–Terry strengths: the chance to win against a system of average strength, and the same as Elo-like points "
    "(400 points are odds of ten to one, 0 is the average). A tie and “both bad” are half a win to each side. One tied "
    "vote a system is added, so that one that never lost stays finite. Bars: 2.5 % to 97.5 % of 1,000 resamples."
)


def results_html(place: Place, title: str, facts: Sequence[str], found: Results, go_on: str = "") -> str:
    """The whole reveal. `go_on`: the address of the round where it was not voted to its end."""
    told = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    more = f"<a class='btn' href='{escape(go_on)}'>Go on voting</a>" if go_on else ""
    everything = f"<a class='btn' href='{escape(place.link('/blind', all='1'))}'>Ranking from all votes</a>"
    if place.query.get("all"):
        everything = ""
    head = (
        f"<div class='row bl-title'><h2>{escape(title)}</h2><span class='facts'>{told}</span>"
        f"<span class='spring'></span>{more}{everything}"
        f"<a class='btn' href='{escape(place.link('/search'))}'>Search</a>"
        f"<a class='btn primary' href='{escape(place.link('/blind'))}'>New round</a></div>"
    )
    if not found.strengths:
        return head + empty("No vote yet", "Once pairs are voted on, the ranking stands here.")
    return (
        f"<div class='bl-reveal'>{head}<p class='note bl-verdict'>{escape(verdict(found))}</p>"
        f"{ranking_html(found)}<div class='bl-two'>{matrix_html(found)}{sides_html(found.position)}</div>"
        f"{log_html(place, found)}</div>"
    )


def verdict(found: Results) -> str:
    """The ranking in one sentence. Not escaped."""
    if not found.log:
        return "Nothing was voted on yet, so nothing is known."
    first, second = found.strengths[:2]
    votes = several(len(found.log), "vote")
    if math.isclose(first.points.value, second.points.value, abs_tol=0.5):
        return f"“{first.name}” and “{second.name}” are level after {votes}."
    if first.win.low > second.win.high:
        return f"“{first.name}” is ahead of “{second.name}”, and their intervals do not overlap after {votes}."
    return f"“{first.name}” is ahead of “{second.name}”, but their intervals overlap: {votes} do not settle it."


def ranking_html(found: Results) -> str:
    rows = "".join(strength_row(rank, each, found) for rank, each in enumerate(found.strengths, 1))
    return (
        "<section class='panel'><header><h2>Ranking</h2></header><div class='scroll'><table class='grid bl-ranking'>"
        "<tr><th class='num'>#</th><th>system</th><th><div class='bl-scale'><span>0 %</span>"
        "<span>50 % · chance to win against the average</span><span>100 %</span></div></th>"
        "<th class='num'>chance</th><th class='num'>points</th>"
        "<th class='num'>won</th><th class='num'>lost</th><th class='num'>tied</th><th class='num'>both bad</th></tr>"
        f"{rows}</table></div><p class='bl-method dim'>{METHOD}</p></section>"
    )


def strength_row(rank: int, each: Strength, found: Results) -> str:
    counts = "".join(f"<td class='num'>{number}</td>" for number in (each.wins, each.losses, each.ties, each.bad))
    text = pipeline_text(found.pipelines[each.name])
    told = f"<div class='dim mono break'>{escape(clip(text, 200))}</div>" if text != each.name else ""
    return (
        f"<tr><td class='num'>{rank}</td><td><b>{escape(each.name)}</b>{told}</td><td>{bar_html(each.win)}</td>"
        f"<td class='num'>{percent(each.win.value)} <span class='dim'>{percent(each.win.low)}–{percent(each.win.high)}"
        f"</span></td><td class='num'>{points_text(each.points)}</td>{counts}</tr>"
    )


def bar_html(win: Interval) -> str:
    """The interval as a bar from 0 to 100 %, the estimate as a mark on it, a line at 50 %."""
    told = f"{percent(win.value)}, between {percent(win.low)} and {percent(win.high)}"
    return (
        f"<div class='bl-bar' role='img' aria-label='{told}' title='{told}'>"
        f"<i style='left:{100 * win.low:.1f}%;width:{100 * (win.high - win.low):.1f}%'></i>"
        f"<b style='left:{100 * win.value:.1f}%'></b></div>"
    )


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def points_text(points: Interval) -> str:
    """ "+87 −20…+190", the bounds dim."""
    if not math.isfinite(points.low):
        return signed(points.value)
    return f"{signed(points.value)} <span class='dim'>{signed(points.low)}…{signed(points.high)}</span>"


def signed(value: float) -> str:
    whole = round(value)
    return f"{'+' if whole > 0 else '−' if whole < 0 else ''}{abs(whole):,}"


def matrix_html(found: Results) -> str:
    """Who beat whom: the row's wins against the column's system, with ties and both bad under them."""
    names = [each.name for each in found.strengths]
    head = "".join(f"<th class='num'>{escape(clip(name, 24))}</th>" for name in names)
    rows = "".join(
        f"<tr><th>{escape(clip(name, 40))}</th>{''.join(cell_html(found, i, j) for j in range(len(names)))}</tr>"
        for i, name in enumerate(names)
    )
    return (
        "<section class='panel'><header><h2>Who beat whom</h2><span class='facts'>rows against columns</span></header>"
        f"<div class='scroll'><table class='grid bl-matrix'><tr><th></th>{head}</tr>{rows}</table></div></section>"
    )


def cell_html(found: Results, i: int, j: int) -> str:
    if i == j:
        return "<td class='num bl-self'>·</td>"
    won, ties, bad = (int(counts[i, j]) for counts in (found.tally.wins, found.tally.ties, found.tally.bad))
    met = won + int(found.tally.wins[j, i]) + ties + bad
    if not met:
        return "<td class='num dim'>–</td>"
    notes = [f"{ties} tied"] * bool(ties) + [f"{bad} bad"] * bool(bad)
    extra = f"<small class='dim'>{', '.join(notes)}</small>" if notes else ""
    share = 100 * (won + (ties + bad) / 2) / met
    return f"<td class='num' style='--share:{share:.0f}%'><b>{won}</b> <span class='dim'>of {met}</span>{extra}</td>"


def sides_html(position: PositionBias) -> str:
    return (
        "<section class='panel'><header><h2>Did a side win more often?</h2></header>"
        f"<div class='body'><p class='bl-bias'>{escape(bias_text(position))}</p>"
        f"{bar_html(Interval(position.share, position.low, position.high))}"
        "<p class='dim'>Share of votes won by the left list (A). Systems are dealt to the sides at random, so without "
        "a habit of the voter both win equally often.</p></div></section>"
    )


def bias_text(position: PositionBias) -> str:
    """Position bias in plain words. Not escaped."""
    if not position.decisive:
        return "No list has won a vote yet, so a leaning to one side cannot be measured."
    won = (
        f"The left list won {position.left} of {several(position.decisive, 'decided vote')} "
        f"({percent(position.share)}; 95 % interval {percent(position.low)} to {percent(position.high)})."
    )
    p = "p < 0.001" if position.p_value < 0.001 else f"p = {position.p_value:.2g}"
    if position.p_value >= CHANCE:
        return f"{won} Chance alone explains that ({p}): no sign of a leaning to one side."
    side = "left" if position.share > 0.5 else "right"
    return f"{won} Chance hardly explains that ({p}): the votes lean to the {side} list, whatever stood there."


def log_html(place: Place, found: Results) -> str:
    if not found.log:
        return ""
    rows = "".join(log_row(place, each) for each in found.log)
    return (
        "<section class='panel'><header><h2>Every vote</h2><span class='facts'>a query opens in Search</span></header>"
        "<div class='scroll tall bl-log'><table class='grid'><tr><th class='num'>#</th><th>query</th><th>A was</th>"
        f"<th>B was</th><th>vote</th><th>by</th></tr>{rows}</table></div></section>"
    )


def log_row(place: Place, each: Logged) -> str:
    link = escape(place.link("/search", q=each.query))
    query = f"<a href='{link}' dir='auto'>{escape(clip(each.query or 'a picture', 160))}</a>"
    sides = "".join(
        f"<td{' class=bl-won' if each.choice == side else ''}>{escape(clip(name, 60))}</td>"
        for side, name in (("left", each.left), ("right", each.right))
    )
    said = f"<span class='tag{' good' if each.winner else ''}'>{SAID[each.choice]}</span>"
    return (
        f"<tr><td class='num'>{each.number}</td><td class='break'>{query}</td>{sides}"
        f"<td>{said}</td><td class='dim'>{escape(each.annotator)}</td></tr>"
    )
