"""The comparison of encoders as a table, and of each its card: scores, curves, lengths, hubs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ui.components.figures import size
from ui.components.lab_encoder_charts import Axes, axes_of, curve_svg, histogram_html, legend_html
from ui.components.lab_encoder_view import EncoderLabView
from ui.components.text import clip, escape

if TYPE_CHECKING:
    from workbench.workflows.encoder_lab import EncoderCell

WARNING = (
    "Only the order of scores matters, and every encoder has its own range: unrelated texts score .7 by one and .1 "
    "by another. A threshold cannot be carried from one encoder, or one corpus, to the next: choose it from your data."
)
HEADS = (
    ("encoder", ""), ("dim", "dimensions of a vector"), ("nDCG@10", "all dimensions, float32"),
    ("int8", "its nDCG@10, or recall@10 of the float32 ranking where nothing is judged"),
    ("binary", "the same of sign bits, rescored"), ("AUC", "chance that a positive scores above a random pair"),
    ("best F1", "of positives against as many random pairs, at the best threshold"),
    ("alignment", "E‖q − d⁺‖², lower is closer (Wang & Isola 2020)"),
    ("uniformity", "log E exp(−2‖x − y‖²) of documents, lower is more even (Wang & Isola 2020)"),
    ("hubness", "skewness of N₁₀: how unevenly documents are found"),
    ("length ρ", "Spearman’s correlation of a document’s words and its score with random queries"),
    ("no prompt", "change of nDCG@10 without the query prompt"), ("docs/s", "encoded in batches"),
    ("ms/query", "median of one query alone"), ("vector", "bytes as stored"), ("model", "memory of its weights"),
)  # fmt: skip


def number(value: float | None, digits: int = 3, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.{digits}f}"


def at_full(curve: Sequence[Mapping[str, Any]], precision: str, quality: str) -> float | None:
    """The quality of a precision at all dimensions."""
    row = next(each for each in curve if each["precision"] == precision)
    value: float | None = row[quality]
    return value


def table_html(cells: "Sequence[EncoderCell]") -> str:
    """Encoders as rows."""
    heads = "".join(
        f"<th{'' if n == 0 else ' class=num'} title='{escape(help)}'>{name}</th>"
        for n, (name, help) in enumerate(HEADS)
    )
    rows = "".join(row_html(each) for each in cells)
    return (
        "<section class='panel scroll'><table class='grid le-table'><thead><tr>"
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def row_html(cell: "EncoderCell") -> str:
    told = cell.figures
    curve, speed, scores, prompt = told["curve"], told["speed"] or {}, told["scores"], told["prompt"]
    quality = "ndcg" if told["judged"] else "recall"
    best, lengths = scores["best"], told["lengths"] or {"correlation": [None, None]}
    values = (
        f"{told['size']['dim']:,}",
        number(at_full(curve, "float32", "ndcg"), 4),
        number(at_full(curve, "int8", quality), 4),
        number(at_full(curve, "rescored", quality), 4),
        number(scores["auc"], 4),
        number(best and best["f1"]),
        number(told["alignment"]),
        number(told["uniformity"], 2),
        number(told["hubness"]["skewness"], 2),
        number(lengths["correlation"][1], 2, "+"),
        number(prompt["without"] - prompt["with"], 4, "+") if prompt else "–",
        number(speed.get("documents_per_second"), 1),
        number(speed.get("milliseconds"), 1),
        size(told["size"]["bytes_per_vector"]),
        size(told["size"]["model_bytes"]) if told["size"]["model_bytes"] is not None else "–",
    )
    cut = "<span class='tag good' title='The catalogue notes that it was trained for it'>Matryoshka</span>"
    return (
        f"<tr data-key='row {escape(cell.id)}'><td><b>{escape(clip(cell.encoder, 40))}</b> "
        f"{cut if told['truncates'] else ''}</td>"
        + "".join(f"<td class='num'>{each}</td>" for each in values)
        + "</tr>"
    )


def grid_html(cells: "Sequence[EncoderCell]") -> str:
    """Encoders × corpora of the project: nDCG@10, else AUC or –; nothing where only one corpus was measured."""
    corpora = list(dict.fromkeys(each.corpus for each in cells))
    if len(corpora) < 2:
        return ""
    by = {(each.encoder, each.corpus): each for each in cells}
    encoders = list(dict.fromkeys(each.encoder for each in cells))
    heads = "".join(f"<th class='num'>{escape(clip(each, 40))}</th>" for each in corpora)
    rows = "".join(
        f"<tr data-key='grid {escape(name)}'><td><b>{escape(clip(name, 40))}</b></td>"
        + "".join(f"<td class='num'>{grid_cell(by.get((name, corpus)))}</td>" for corpus in corpora)
        + "</tr>"
        for name in encoders
    )
    return (
        "<h3 class='above'>Encoders × corpora</h3><section class='panel scroll'><table class='grid'><thead><tr>"
        f"<th>encoder</th>{heads}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def grid_cell(cell: "EncoderCell | None") -> str:
    if cell is None:
        return "<span class='dim'>not measured</span>"
    value = at_full(cell.figures["curve"], "float32", "ndcg")
    unjudged = f"<span class='dim'>unjudged</span> uniformity {number(cell.figures['uniformity'], 2)}"
    return unjudged if value is None else f"nDCG@10 {value:.4f}"


def cards_html(view: EncoderLabView, cells: "Sequence[EncoderCell]") -> str:
    """One card an encoder, all with the same axes."""
    judged = any(each.figures["judged"] for each in cells)
    quality = view.quality if judged else "recall"
    axes = axes_of([each.figures["curve"] for each in cells], quality)
    cards = "".join(card_html(each, view, quality, axes) for each in cells)
    chosen = "".join(
        f"<option value='{each}'{' selected' if each == quality else ''}>{words}</option>"
        for each, words in (("ndcg", "nDCG@10"), ("recall", "recall@10 of the whole float32 ranking"))
    )
    pick = f"<label class='pick'>curves show <select data-change='quality'>{chosen}</select></label>" if judged else ""
    return (
        f"<div class='row top le-bar'><h3>Scores and sizes</h3>{pick}<span class='spring'></span>{legend_html()}</div>"
        f"<div class='note'>{WARNING}</div><div class='le-cards'>{cards}</div>"
    )


def card_html(cell: "EncoderCell", view: EncoderLabView, quality: str, axes: Axes) -> str:
    told = cell.figures
    auc = told["scores"]["auc"]
    facts = [f"{told['documents']:,} documents", f"{told['queries']:,} queries", f"{told['judged']:,} judged"]
    facts += [f"AUC {auc:.4f}"] if auc is not None else []
    notes = "".join(f"<div class='note warn'>{escape(each)}</div>" for each in (*told["needs"], *told["warnings"]))
    return (
        f"<section class='panel le-card' data-key='card {escape(cell.id)}'><header><h3>{escape(clip(cell.encoder, 60))}"
        f"</h3><span class='facts'>{''.join(f'<span>{each}</span>' for each in facts)}</span></header>"
        f"{notes}<div class='le-two'><div>"
        f"{histogram_html(cell.encoder, told['scores'], view.at.get(cell.encoder))}{lengths_html(told)}"
        f"{hubs_html(told)}</div><div>{curve_svg(cell.encoder, told['curve'], quality, axes)}{curve_table(told)}"
        f"{truncation_html(told)}</div></div>{speed_html(told)}</section>"
    )


def truncation_html(told: Mapping[str, Any]) -> str:
    words = {True: "The catalogue notes that it was trained to be cut (Matryoshka).", None: ""}
    text = words.get(told["truncates"], "The catalogue does not say that it was trained to be cut.")
    return f"<p class='dim'>{text}</p>" if text else ""


def lengths_html(told: Mapping[str, Any]) -> str:
    """Scores and nDCG by the length of documents."""
    lengths = told["lengths"]
    if lengths is None:
        return ""
    rows = "".join(
        f"<tr><td>{each['low']:,} – {each['high']:,}</td><td class='num'>{number(each['positive_score'])}</td>"
        f"<td class='num'>{number(each['random_score'])}</td><td class='num'>{number(each['ndcg'], 4)}</td>"
        f"<td class='num'>{each['queries']:,}</td></tr>"
        for each in lengths["buckets"]
    )
    known = zip(("positives", "random pairs"), lengths["correlation"], strict=True)
    told_by = ", ".join(f"{name} {number(value, 2, '+')}" for name, value in known)
    return (
        f"<details><summary>Length of documents <span class='dim'>ρ with the score: {told_by}</span></summary>"
        "<table class='grid'><thead><tr><th>words</th><th class='num'>positives’ score</th><th class='num'>random</th>"
        f"<th class='num'>nDCG@10</th><th class='num'>queries</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )


def hubs_html(told: Mapping[str, Any]) -> str:
    """The documents found most often."""
    hubs = told["hubness"]
    rows = "".join(
        f"<tr><td class='num'>{count:,}</td><td class='break' dir='auto'>{escape(clip(title, 90))}</td></tr>"
        for _, title, count in hubs["hubs"]
    )
    return (
        f"<details><summary>Hubs <span class='dim'>skewness {hubs['skewness']:.2f}; {100 * hubs['never']:.0f}% of the "
        f"documents stand in no top {hubs['k']}</span></summary><table class='grid'><thead><tr><th class='num'>in top "
        f"{hubs['k']}</th><th>document</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )


def curve_table(told: Mapping[str, Any]) -> str:
    """The numbers of the curves."""
    rows = "".join(
        f"<tr><td class='num'>{each['dim']:,}</td><td>{each['precision']}</td><td class='num'>{each['bytes']:,}</td>"
        f"<td class='num'>{number(each['ndcg'], 4)}</td><td class='num'>{number(each['recall'], 4)}</td></tr>"
        for each in told["curve"]
    )
    return (
        "<details><summary>Numbers of the curves "
        "<span class='dim'>recall@10: of the whole float32 ranking</span></summary>"
        "<table class='grid'><thead><tr><th class='num'>dim</th><th>precision</th><th class='num'>bytes</th>"
        f"<th class='num'>nDCG@10</th><th class='num'>recall@10</th></tr></thead><tbody>{rows}</tbody>"
        "</table></details>"
    )


def speed_html(told: Mapping[str, Any]) -> str:
    """What was timed, on what; and the prompt."""
    speed, prompt = told["speed"], told["prompt"]
    text = "No model was timed."
    if speed is not None:
        parts = [f"{number(speed['documents_per_second'], 1)} documents/s ({speed['documents']:,} timed)"]
        if speed["queries"]:
            parts.append(f"{number(speed['queries_per_second'], 1)} queries/s ({speed['queries']:,})")
            parts.append(f"{number(speed['milliseconds'], 1)} ms for one alone")
        text = f"{', '.join(parts)}, on {escape(speed['device'])} in {escape(speed['dtype'])}."
    if prompt is not None:
        text += (
            f" Query prompt “{escape(clip(prompt['prompt'], 120))}”: nDCG@10 {number(prompt['with'], 4)} with it, "
            f"{number(prompt['without'], 4)} without."
        )
    return f"<p class='dim le-foot'>{text}</p>"
