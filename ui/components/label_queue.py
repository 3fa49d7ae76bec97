"""The queue of the Label page: its queries with how far they are, and how far everybody is."""

from math import isfinite
from types import MappingProxyType

from ui.components.text import clip, escape
from workbench.workflows.label_queue import Progress, Queue, Row

SORTS = MappingProxyType(
    {
        "file": ("as in the file", "the order of the query set's file"),
        "random": ("random, for an audit", "an order drawn from the seed: what is judged first is a fair sample"),
        "disagreement": ("encoders disagree", "1 − mean overlap of the pipelines' top 10, largest first"),
        "margin": ("small margin", "best positive's score less the best other document's in the first pipeline"),
        "gain": (
            "changes nDCG most",
            "unjudged documents of the top 10, by their nDCG discount and how far apart the pipelines rank them",
        ),
    }
)
STATES = MappingProxyType(
    {
        "all": "all queries",
        "untouched": "untouched",
        "started": "in progress",
        "done": "done",
        "later": "with something put off",
        "flagged": "flagged: a note, or unrateable",
    }
)


def rows_html(found: Queue) -> str:
    """The window of the queue."""
    return "".join(row_html(place, row) for place, row in enumerate(found.rows, found.start))


def row_html(place: int, row: Row) -> str:
    sign = "✓" if row.done else "◐" if row.said else "○"
    state = "done" if row.done else "started" if row.said else "untouched"
    marks = (f"<span class='tag warn'>{row.later} put off</span>" if row.later else "") + (
        f"<span class='tag'>{row.flagged} flagged</span>" if row.flagged else ""
    )
    value = f"<span class='lb-value'>{value_text(row.value)}</span>" if row.value is not None else ""
    counted = f"<span class='lb-count'>{row.said or ''}</span>"
    return (
        f"<li class='lb-q' data-query='{escape(row.query_id)}' data-place='{place}' data-state='{state}' "
        f"data-said='{row.said}' title='{escape(clip(row.text, 300))}'><i>{sign}</i>"
        f"<span class='lb-qtext' dir='auto'>{escape(clip(row.text, 160))}</span>{marks}{value}{counted}</li>"
    )


def value_text(value: float) -> str:
    """Three decimals; a positive that no pipeline found has the smallest margin of all."""
    return f"{value:.3f}" if isfinite(value) else "not found" if value < 0 else "alone"


def progress_html(found: Progress, annotator: str) -> str:
    """Own progress and the team's: “47 / 412” with a bar each; everybody by name one click away."""
    mine = next((each for each in found.people if each.annotator == annotator), None)
    begun, done = (mine.begun, mine.done) if mine else (0, 0)
    people = "".join(
        f"<tr><td>{escape(clip(each.annotator, 30))}</td><td class='num'>{each.begun:,}</td>"
        f"<td class='num'>{each.done:,}</td><td class='num'>{each.said:,}</td></tr>"
        for each in found.people
    )
    table = (
        "<table class='grid'><tr><th>who</th><th class='num'>queries</th><th class='num'>done</th>"
        f"<th class='num'>verdicts</th></tr>{people}</table>"
    )
    # A table says it better where there is more than one line.
    more = f"<details class='menu left lb-team'><summary class='btn small'>Team</summary><div class='pop'>{table}</div>"
    return (
        bar_html("you", begun, found.queries, f"{done:,} done")
        + bar_html("all", found.begun, found.queries, f"{len(found.people)} judging")
        + (more + "</details>" if people else "")
    )


def bar_html(who: str, done: int, total: int, more: str) -> str:
    share = 100 * done / total if total else 0
    return (
        f"<div class='lb-progress'><span>{who}</span><b>{done:,} / {total:,}</b>"
        f"<span class='meter'><i style='width:{share:.1f}%'></i></span><span class='dim'>{more}</span></div>"
    )
