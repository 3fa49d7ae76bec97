"""Why a document was found: the matched terms of a sparse encoder, or the matched tokens of a multi-vector one."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ui.components.figures import several
from ui.components.heat import heat_html
from ui.components.text import clip, escape

if TYPE_CHECKING:
    from workbench.workflows.explaining import Explanation, TermWeight

CHIPS = 60
"""Terms of an expansion that are shown as chips at once; the others unfold."""

NO_PARTS = "This encoder gives one vector for a text: its score has no parts to show."


def explanation_html(explanation: "Explanation", query: str = "") -> str:
    """The panel “why this hit”. `query`, the text that was asked, tells a term of the query from one added to it."""
    note = f'<p class="wb-whynote">{escape(explanation.note)}</p>' if explanation.note else ""
    if explanation.kind == "terms":
        body = terms_html(explanation, query)
    elif explanation.kind == "tokens" and explanation.similarities is not None and explanation.similarities.size:
        body = heat_html(
            explanation.query_tokens, explanation.document_tokens, explanation.similarities, explanation.score
        )
    else:
        body = "" if note else f'<p class="wb-whynote">{NO_PARTS}</p>'
    return f'<div class="wb-explain">{body}{note}</div>'


def terms_html(explanation: "Explanation", query: str) -> str:
    """The table of matched terms, and the whole query as the encoder weights it."""
    matched = {each.term for each in explanation.terms}
    parts = []
    if explanation.terms:
        parts.append(matches_table(explanation.terms, explanation.score))
    elif not explanation.note:
        parts.append('<p class="wb-whynote">No term of the query occurs in this document.</p>')
    if explanation.query_terms:
        parts.append(expansion_html(explanation.query_terms, matched, query))
    return "".join(parts)


def matches_table(terms: Sequence["TermWeight"], score: float) -> str:
    """term | query × document = product | share of the score, which is also the bar behind the row."""
    total = score if score > 0 else sum(each.product for each in terms)
    rows = "".join(term_row(each, 100.0 * each.product / total if total > 0 else 0.0) for each in terms)
    return (
        f"<p>The score is a sum over {several(len(terms), 'shared term')}: weight in the query × weight in the "
        'document.</p><table class="wb-terms"><thead><tr><th>term</th><th class="wb-num">query × document</th>'
        f'<th class="wb-num">product</th><th class="wb-num">share</th></tr></thead><tbody>{rows}</tbody><tfoot><tr>'
        f'<td>score</td><td></td><td class="wb-num"><b>{number(score)}</b></td><td></td></tr></tfoot></table>'
    )


def term_row(each: "TermWeight", share: float) -> str:
    width = max(0.0, min(100.0, share))
    percent = "< 1 %" if 0 < share < 0.5 else f"{share:.0f} %"
    told = escape(f"{clip(each.term, 80)}: {each.query:.4g} × {each.document:.4g} = {each.product:.4g}")
    return (
        f'<tr style="--w:{width:.1f}%" title="{told}"><td><bdi>{escape(clip(each.term, 60))}</bdi></td>'
        f'<td class="wb-num wb-dim">{number(each.query)} × {number(each.document)}</td>'
        f'<td class="wb-num"><b>{number(each.product)}</b></td><td class="wb-num">{escape(percent)}</td></tr>'
    )


def expansion_html(terms: Sequence["TermWeight"], matched: set[str], query: str) -> str:
    """Every term of the encoded query, strongest first: solid where it matched, dashed where the encoder added it."""
    heaviest = max((each.query for each in terms), default=0.0)
    words = words_of(query)
    added = sum(not asked(each.term, words) for each in terms) if query else 0
    chips = [
        term_chip(each, heaviest, each.term in matched, bool(query) and not asked(each.term, words)) for each in terms
    ]
    more = (
        f"<details><summary>{len(chips) - CHIPS:,} weaker terms</summary><div>{''.join(chips[CHIPS:])}</div></details>"
        if len(chips) > CHIPS
        else ""
    )
    counts = [several(len(terms), "term"), f"{sum(each.term in matched for each in terms):,} matched"]
    counts += [f"{added:,} added by the encoder"] if added else []
    legend = '<span class="wb-term wb-hit">✓ matched</span><span class="wb-term">no match</span>'
    legend += '<span class="wb-term wb-added">+ added</span>' if added else ""
    return (
        f'<div class="wb-expansion"><h4>The query as it was encoded <span>{" · ".join(counts)}</span></h4>'
        f'<div class="wb-terms-all">{"".join(chips[:CHIPS])}{more}</div><p class="wb-legend">{legend}</p></div>'
    )


def term_chip(each: "TermWeight", heaviest: float, hit: bool, added: bool) -> str:
    signs = ("✓" if hit else "") + ("+" if added else "")
    kinds = "wb-term" + (" wb-hit" if hit else "") + (" wb-added" if added else "")
    told = f"{clip(each.term, 80)}: weight {each.query:.4g}, {'in the document' if hit else 'not in the document'}"
    told += ", not in the text of the query: added by the encoder" if added else ""
    share = each.query / heaviest if heaviest > 0 else 0.0
    return (
        f'<span class="{kinds}" style="--w:{100 * max(0.0, share):.0f}%" title="{escape(told)}">'
        f"{f'<i>{signs}</i>' if signs else ''}<bdi>{escape(clip(each.term, 40))}</bdi>"
        f"<b>{number(each.query)}</b></span> "
    )


def words_of(text: str) -> str:
    """The words of a text in lower case, between spaces."""
    return " " + " ".join(re.findall(r"\w+", text.lower())) + " "


def asked(term: str, words: str) -> bool:
    """Whether the query's text has this term: as the beginning of a word, or inside one for a piece that continues.

    A stem that ends in i may stand for a y (Porter makes “happi” of “happy”).
    """
    plain = term.removeprefix("##").removeprefix("▁").lower()
    stems = [plain, f"{plain[:-1]}y"] if plain.endswith("i") else [plain]
    return any((stem if term.startswith("##") else f" {stem}") in words for stem in stems)


def number(value: float) -> str:
    """Two decimals, more where the value is small."""
    return f"{value:,.2f}" if abs(value) >= 0.095 or np.isclose(value, 0) else f"{value:.2g}"
