"""Problems of a corpus as lists: how many of each kind, and the groups of one with its documents. Pure, escaped markup.

The buttons belong to a `live` region: `do` is `problem` (open the list `data-kind`, at `data-offset`), `problem-show`
(light its documents up), `problem-save` (keep them as a subset; with `data-redundant` all but one of each group) and
`open` (the document `data-ordinal`).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ui.components.figures import several
from ui.components.text import clip, escape
from workbench.types import Document

if TYPE_CHECKING:
    from workbench.workflows.problems import Group, Problem

GROUPS = 20
"""Groups shown at once."""
MEMBERS = 8
"""Documents of one group that are named; the others are counted."""


def problems_html(problems: "Sequence[Problem]", chosen: str = "") -> str:
    """The kinds with their counts; the `chosen` one is marked."""
    rows = "".join(
        f'<button class="wb-set" data-do="problem" data-kind="{escape(each.kind)}" '
        f'aria-pressed="{"true" if each.kind == chosen else "false"}" title="{escape(each.explanation)}"'
        f"{'' if each.count else ' disabled'}>{escape(each.title)}</button>"
        f'<span class="facts">{each.count:,}</span><span class="dim">{groups_text(each)}</span>'
        for each in problems
    )
    return f'<div class="wb-setlist wb-problems">{rows}</div>' if rows else ""


def groups_text(problem: "Problem") -> str:
    """ "in 12 groups"; nothing for lists of single documents."""
    grouped = len(problem) and problem.count > len(problem)
    return f"in {several(len(problem), 'group')}" if grouped else ""


def problem_html(problem: "Problem", documents: Mapping[int, Document], offset: int = 0, name: str = "") -> str:
    """One list: what it means, what can be done with it, and its groups from `offset` on, the worst first.

    `documents`: those of `shown_ordinals`; one that is missing is named by its number. `name`: suggested for a subset.
    """
    told = f'<p class="dim">{escape(problem.explanation)}</p>'
    if not problem.count:
        return f'<div class="wb-problem"><h3>{escape(problem.title)}</h3>{told}<p>There are none.</p></div>'
    rows = "".join(group_row(each, problem, documents) for each in problem.groups(offset, GROUPS))
    head = f'<th class="num">{escape(problem.measure)}</th><th>documents</th>'
    return (
        f'<div class="wb-problem"><h3>{escape(problem.title)} '
        f'<span class="dim">{several(problem.count, "document")} {groups_text(problem)}</span></h3>{told}'
        f"{actions(problem, name)}"
        f'<div class="scroll"><table class="grid"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"{turns(problem, offset)}</div>"
    )


def shown_ordinals(problem: "Problem", offset: int = 0) -> list[int]:
    """The documents that `problem_html` names."""
    return [ordinal for group in problem.groups(offset, GROUPS) for ordinal in group.ordinals[:MEMBERS]]


def group_row(group: "Group", problem: "Problem", documents: Mapping[int, Document]) -> str:
    named = "".join(document_button(ordinal, documents.get(ordinal)) for ordinal in group.ordinals[:MEMBERS])
    rest = len(group.ordinals) - MEMBERS
    more = f'<div class="dim">and {rest:,} more</div>' if rest > 0 else ""
    key = f"{problem.kind} {group.ordinals[0]}"
    return f'<tr data-key="{escape(key)}"><td class="num">{number(group.value)}</td><td>{named}{more}</td></tr>'


def document_button(ordinal: int, document: Document | None) -> str:
    said = f"document {ordinal}" if document is None else document.title or document.text or document.doc_id
    id = "" if document is None else f' <span class="dim"><bdi>{escape(clip(document.doc_id, 40))}</bdi></span>'
    shown = escape(clip(" ".join(said[:300].split()), 90))
    return f'<div dir="auto"><button class="wb-set" data-do="open" data-ordinal="{ordinal}">{shown}</button>{id}</div>'


def actions(problem: "Problem", name: str) -> str:
    """Light up, and keep as a subset."""
    kind = escape(problem.kind)
    groups = problem.count > len(problem)
    redundant = (
        f'<button class="btn small" data-do="problem-save" data-kind="{kind}" data-redundant="1" '
        'title="What could go so that one of each group is left">Save all but one of each</button>'
        if groups
        else ""
    )
    return (
        f'<div class="row" data-form><button class="btn small" data-do="problem-show" data-kind="{kind}">Show</button>'
        f'<input name="name" value="{escape(name or problem.kind)}" maxlength="64" aria-label="Name of the subset" '
        f'autocomplete="off"><button class="btn small" data-do="problem-save" data-kind="{kind}" data-default>'
        f"Save as subset</button>{redundant}</div>"
    )


def turns(problem: "Problem", offset: int) -> str:
    """ "1–20 of 340", with buttons to the page before and after."""
    if len(problem) <= GROUPS:
        return ""
    end = min(offset + GROUPS, len(problem))
    kind = escape(problem.kind)

    def turn(sign: str, title: str, to: int, enabled: bool) -> str:
        off = "" if enabled else " disabled"
        where = f'data-do="problem" data-kind="{kind}" data-offset="{to}"'
        return f'<button class="btn small" {where} title="{title}"{off}>{sign}</button>'

    before = turn("‹", "Previous", max(0, offset - GROUPS), offset > 0)
    after = turn("›", "Next", offset + GROUPS, end < len(problem))
    return f'<div class="row">{before}<span class="dim">{offset + 1:,}–{end:,} of {len(problem):,}</span>{after}</div>'


def number(value: float) -> str:
    """Whole numbers as such, others with three digits."""
    return f"{value:,.0f}" if value == round(value) else f"{value:.3g}"
