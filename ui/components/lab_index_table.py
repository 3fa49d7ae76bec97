"""The trials of an index laboratory as a table that can be sorted, with what each costs and the button that adopts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ui.components.figures import ago, duration, several, size
from ui.components.lab_chart import chart_html, colours_of
from ui.components.lab_index_view import LabView, retriever_of, search_link
from ui.handlers import escape
from ui.session import Place

if TYPE_CHECKING:
    from workbench.specs import RetrieverSpec
    from workbench.workflows.index_lab import LabReport, TrialRow

HEADS = (
    ("number", "Trial", "Index and search settings"),
    ("recall", "Recall", "Share of the k found that score no less than the exact k-th, within 0.001 (ann-benchmarks)"),
    ("p50", "p50 ms", "Median of one query alone, on one thread"),
    ("p95", "p95", "One query in 20 takes longer"),
    ("p99", "p99", "One query in 100 takes longer"),
    ("qps", "Queries/s", "All queries at once, on every core"),
    ("build_seconds", "Built in", "Training and adding"),
    ("memory_bytes", "Memory", "Held, or mapped from disk and read by searches"),
    ("disk_bytes", "Disk", "Files of the index, and the vectors it verifies by"),
    ("scored", "Scored", "Share of documents that a query is compared with"),
    ("changed", "Changed", "Queries whose neighbours differ from the exact ones"),
)


@dataclass(frozen=True)
class Shown:
    """What the result is drawn from; `adopted`: by encoder, the index that Search begins with."""

    place: Place
    view: LabView
    report: "LabReport"
    adopted: "Mapping[str, RetrieverSpec]"


def result_html(shown: Shown, labs: "Sequence[LabReport]", detail: str) -> str:
    """Everything about one laboratory: which, notes, chart, table, and the chosen trial."""
    report = shown.report
    chart = chart_html(report.rows, shown.view.trial, lambda n: view_query(shown.view, trial=n, start=0))
    return (
        f"<div data-address='{escape(shown.view.link(shown.place))}'>{top_html(shown, labs)}{notes_html(report)}"
        f"<div class='lab-result'>{chart}{table_html(shown)}{detail}</div></div>"
    )


def view_query(view: LabView, **changes: object) -> str:
    """The view with changes, as a part of an address: what a click sends back."""
    return "?" + urlencode(replace(view, **changes).values())  # type: ignore[arg-type]


def top_html(shown: Shown, labs: "Sequence[LabReport]") -> str:
    """Which laboratory is shown, the others, and what it measured."""
    report = shown.report
    options = "".join(
        f"<option value='{escape(each.lab)}'{' selected' if each.lab == report.lab else ''}>"
        f"{escape(each.encoder)} · {several(len(each.rows) - 1, 'trial')} · {escape(ago(each.created_at))}</option>"
        for each in labs
    )
    asked = f"of {report.query_set}" if report.query_set else "documents’ own vectors"
    facts = (
        f"<b>{report.documents:,}</b> × <b>{report.dim}</b> vectors",
        f"<b>{report.queries:,}</b> queries, {escape(asked)}",
        f"k = <b>{report.k}</b>",
        f"took {duration(report.seconds)}",
    )
    return (
        "<div class='lab-top'><h3>Measured</h3><select data-change='lab' aria-label='Laboratory'>"
        f"{options}</select><span class='facts'>{''.join(f'<span>{each}</span>' for each in facts)}</span>"
        "<span class='spring'></span><details class='menu'><summary class='btn small danger'>Delete</summary>"
        "<div class='pop'><b>Delete these measurements?</b><span class='dim'>The indices stay.</span><span class='row'>"
        f"<button class='btn danger' data-do='delete' data-lab='{escape(report.lab)}'>Delete</button></span></div>"
        "</details></div>"
    )


def notes_html(report: "LabReport") -> str:
    refused = "".join(
        f"<div class='note bad'><b>Not tried: {escape(each.trial)}.</b> {escape(each.message)} "
        f"<span class='hint'>{escape(each.hint)}</span></div>"
        for each in report.refused
    )
    return refused + "".join(f"<div class='note warn'>{escape(text)}</div>" for text in report.warnings)


def table_html(shown: Shown) -> str:
    view, rows = shown.view, shown.report.rows
    heads = "".join(head_html(view, *each) for each in HEADS)
    order = list(range(len(rows)))
    if view.sort != "number":
        order.sort(key=lambda n: (value := getattr(rows[n], view.sort)) is None or value, reverse=False)
    if view.down:
        order.reverse()
    body = "".join(row_html(shown, n) for n in order)
    return (
        "<section class='panel lab-table'><table class='grid'><thead><tr>"
        f"{heads}<th></th></tr></thead><tbody>{body}</tbody></table></section>"
    )


def head_html(view: LabView, name: str, title: str, told: str) -> str:
    """A column's head: a click sorts by it, a second one the other way."""
    mine = view.sort == name
    down = not view.down if mine else name in ("recall", "qps")
    sign = (" ▾" if view.down else " ▴") if mine and (name != "number" or view.down) else ""
    state = f" aria-sort='{'descending' if view.down else 'ascending'}'" if mine else ""
    kind = "" if name == "number" else " class='num'"
    target = escape(view_query(view, sort=name, down=down))
    return (
        f"<th{kind}{state}><button data-do='show' data-view='{target}' title='{escape(told)}'>{title}{sign}"
        "</button></th>"
    )


def row_html(shown: Shown, n: int) -> str:
    """One trial; a click shows what it changed."""
    view, row = shown.view, shown.report.rows[n]
    colour = colours_of(shown.report.rows)[row.factory]
    most = max(each.memory_bytes for each in shown.report.rows) or 1
    front = " <span class='tag good' title='No other trial is better in recall and latency at once'>front</span>"
    disk = row.disk_bytes + row.vector_bytes
    cells = (
        ("", f"<span class='lab-no' style='background:{colour}'>{n}</span><code>{escape(row.trial)}</code>"
             f"{front if row.front else ''}"),
        ("num", f"<b>{row.recall:.4f}</b>"),
        *(("num", milliseconds(each)) for each in (row.p50, row.p95, row.p99)),
        ("num", f"{row.qps:,.0f}"),
        ("num", duration(row.build_seconds) if row.index else "–"),
        ("num", f"{size(row.memory_bytes)}{bar(row.memory_bytes / most)}"),
        ("num", size(disk)),
        ("num", "–" if row.scored is None else share(row.scored)),
        ("num", f"{row.changed:,}"),
    )  # fmt: skip
    mark = " class='chosen'" if n == view.trial else ""
    tds = "".join(f"<td class='{kind}'>{text}</td>" for kind, text in cells)
    return (
        f"<tr data-key='trial {n}'{mark} data-do='show' data-view='{escape(view_query(view, trial=n, start=0))}' "
        f"role='button' tabindex='0' title='What {escape(row.trial)} changed'>{tds}"
        f"<td class='acts'>{adopt_html(shown, n, row)}</td></tr>"
    )


def adopt_html(shown: Shown, n: int, row: "TrialRow") -> str:
    """The button that makes Search begin with this trial, or that it does, with the way there."""
    report = shown.report
    known = shown.adopted.get(report.encoder)
    mine = known == retriever_of(report.encoder, row) if known else row.factory == "exact"
    link = escape(search_link(shown.place, report.encoder, row))
    if mine:
        return f"<span class='tag good'>in use</span> <a class='btn small' href='{link}'>Search</a>"
    return (
        f"<button class='btn small' data-do='adopt' data-lab='{escape(report.lab)}' data-trial='{n}' "
        f"title='Search with this index and these settings from now on'>Adopt</button> "
        f"<a class='btn small' href='{link}'>Search</a>"
    )


def milliseconds(value: float) -> str:
    """ "0.083", "1.24", "12.4", "1,240": with three figures, thousandths at most."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:,.{value < 100:d}f}"


def bar(part: float) -> str:
    return f"<span class='lab-bar' aria-hidden='true'><i style='width:{100 * part:.1f}%'></i></span>"


def share(value: float) -> str:
    """ "100 %", "12.3 %", "0.45 %"."""
    percent = 100 * value
    return f"{percent:.0f} %" if percent >= 99.95 else f"{percent:.1f} %" if percent >= 1 else f"{percent:.2f} %"
