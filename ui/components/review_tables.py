"""Agreement of annotators as tables, with what the figures mean and how much stayed unjudged beside each."""

import math
from collections.abc import Mapping

from ui.components.figures import several
from ui.components.text import clip, escape
from workbench.workflows.review import Agreement

LISTED = 200
"""Queries listed, the least agreed on first."""
MEANING = (
    ("Same", "the share of documents on which two said the same; says nothing of how much of that is luck"),
    ("Cohen’s κ", "agreement of two beyond chance: 1 perfect, 0 as good as dice; a gap of grades counts fully"),
    ("weighted κ", "the same with gaps weighed by their square: 3 against 2 is little, 3 against 0 is much"),
    ("Fleiss’s κ", "for several at once; only documents with equally many judgments can take part"),
    ("Krippendorff’s α", "for several, with gaps in who judged what; ordinal knows that 2 lies between 1 and 3. "
     "From 0.8 on labels are reliable, below 0.667 conclusions are not safe (Krippendorff)"),
)  # fmt: skip


def agreement_html(found: Agreement, texts: Mapping[str, str]) -> str:
    """Everything; `texts`: of the queries listed."""
    if not found.units:
        return nobody_html(found)
    return (
        f"<div class='rv-tables'>{overall_html(found)}<div>{people_html(found)}"
        "<section class='panel'><header><h3>What the figures mean</h3></header><dl class='facts-list body rv-meaning'>"
        f"{''.join(f'<dt>{name}</dt><dd>{what}</dd>' for name, what in MEANING)}</dl></section></div>"
        f"{queries_html(found, texts)}</div>"
    )


def nobody_html(found: Agreement) -> str:
    judged = several(found.single, "document") + (" was" if found.single == 1 else " were")
    return (
        "<div class='empty'><h2>Nothing was judged by two people yet</h2><p>Agreement compares what several annotators "
        f"say of the same documents. In “{escape(found.label_set)}” {judged} judged by one person only. Let a second "
        "person choose a name on the Label page and judge the same queries.</p></div>"
    )


def overall_html(found: Agreement) -> str:
    facts = (
        ("Same", percent(found.percent), f"{several(found.units, 'document')} with two or more judgments"),
        ("Krippendorff’s α, ordinal", figure(found.alphas["ordinal"]), "grades in their order"),
        ("α, nominal", figure(found.alphas["nominal"]), "any two grades differ alike"),
        ("α, interval", figure(found.alphas["interval"]), "grades as numbers"),
        (
            "Fleiss’s κ",
            figure(found.fleiss),
            f"{several(found.fleiss_units, 'document')} of {found.fleiss_ratings} judgments",
        ),
    )
    cells = "".join(
        f"<div><small>{name}</small><b>{value}</b><small>{note}</small></div>" for name, value, note in facts
    )
    left = f"{found.single:,} judged by one only · {found.unjudged:,} seen and not judged"
    return (
        f"<section class='panel'><header><h3>Overall</h3><span class='facts'>{left}</span></header>"
        f"<div class='rv-figures'>{cells}</div></section>"
    )


def people_html(found: Agreement) -> str:
    rows = "".join(
        f"<tr><td>{escape(clip(each.a, 40))}</td><td>{escape(clip(each.b, 40))}</td><td class='num'>{each.both:,}</td>"
        f"<td class='num'>{percent(each.percent)}</td><td class='num'>{figure(each.kappa)}</td>"
        f"<td class='num'>{figure(each.weighted)}</td>"
        f"<td class='num dim'>{each.only_a:,} / {each.only_b:,}</td></tr>"
        for each in found.pairs
    )
    judged = " · ".join(f"{escape(clip(name, 40))} {count:,}" for name, count in found.annotators.items())
    return (
        f"<section class='panel'><header><h3>Two by two</h3><span class='facts'>judged: {judged}</span></header>"
        "<div class='scroll'><table class='grid'><thead><tr><th>annotator</th><th>and</th><th class='num'>both judged"
        "</th><th class='num'>same</th><th class='num'>Cohen’s κ</th><th class='num'>weighted κ</th>"
        f"<th class='num'>only one judged</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def queries_html(found: Agreement, texts: Mapping[str, str]) -> str:
    shown = found.queries[:LISTED]
    rows = "".join(
        f"<tr><td class='clip' dir='auto'>{escape(clip(texts.get(each.query_id) or each.query_id, 160))}</td>"
        f"<td class='num'>{each.both:,}</td><td class='num'>{percent(each.percent)}</td>"
        f"<td class='num'>{figure(each.alpha)}</td><td class='num dim'>{each.single:,}</td></tr>"
        for each in shown
    )
    more = f"the first {len(shown):,} of {len(found.queries):,}" if len(found.queries) > len(shown) else ""
    return (
        f"<section class='panel'><header><h3>By query, the least agreed on first</h3><span class='facts'>{more}</span>"
        "</header><div class='scroll tall'><table class='grid rv-queries'><thead><tr><th>query</th>"
        "<th class='num'>judged twice or more</th><th class='num'>same</th><th class='num'>α, ordinal</th>"
        f"<th class='num'>judged once</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0%}"
