"""The rules of mining in words: what each dropped as a table in their order, and the yield that is left."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ui.components.figures import several
from ui.components.text import clip, escape
from ui.session import Place
from workbench.specs import MiningSpec
from workbench.workflows.mine import RULES, MinerPreview, Preview

MEANING = MappingProxyType(
    {
        "positive": "Known positives are never negatives.",
        "query": "The query itself, by its id or its very text: duplicate questions are no negatives.",
        "judged": "Somebody judged it not relevant already.",
        "same_text": "The same text as a positive, but for spaces and case: it would be a false negative.",
        "same_source": "A chunk of the same source as a positive often answers the query too.",
        "near_duplicate": "Its vector nearly coincides with a positive’s.",
        "absolute_margin": "Its score comes too near to the query’s lowest positive, or passes it.",
        "relative_margin": "Its score comes too near to the query’s lowest positive, as a share of that score.",
        "max_score": "What scores this high is often relevant.",
        "min_score": "What scores this low is too easy to teach anything.",
        "range": "Places are counted among what the other rules leave, best first.",
    }
)


SHORT = MappingProxyType(
    {
        "positive": "a known positive",
        "query": "the query itself",
        "judged": "judged already",
        "same_text": "same text",
        "same_source": "same source",
        "near_duplicate": "near-duplicate",
        "absolute_margin": "inside the margin",
        "relative_margin": "inside the margin",
        "max_score": "score too high",
        "min_score": "score too low",
        "range": "outside the range",
    }
)


def percent(share: float) -> str:
    """ "95 %", "97.5 %"."""
    return f"{100 * share:.4g} %"


def rule_texts(spec: MiningSpec) -> dict[str, str]:
    """Each rule that is on → what a candidate is that it drops: “nearer than 95 % of the positive’s score”."""
    found = {"positive": "known positives", "query": "the query itself"}
    if spec.drop_judged:
        found["judged"] = "judged not relevant already"
    if spec.same_text:
        found["same_text"] = "the same text as a positive"
    if spec.source_field:
        found["same_source"] = f"the same “{clip(spec.source_field, 40)}” as a positive"
    if spec.near_duplicate is not None:
        found["near_duplicate"] = f"at a cosine of {spec.near_duplicate:g} or more to a positive"
    if spec.absolute_margin is not None:
        found["absolute_margin"] = f"less than {spec.absolute_margin:g} below the positive’s score"
    if spec.relative_margin is not None:
        found["relative_margin"] = f"nearer than {percent(1 - spec.relative_margin)} of the positive’s score"
    if spec.max_score is not None:
        found["max_score"] = f"scored above {spec.max_score:g}"
    if spec.min_score is not None:
        found["min_score"] = f"scored below {spec.min_score:g}"
    found["range"] = f"outside the places {spec.range_min + 1:,} to {spec.range_max:,}"
    return found


OFF = MappingProxyType(
    {
        "judged": "judged not relevant already",
        "same_text": "the same text as a positive",
        "same_source": "the same source as a positive",
        "near_duplicate": "a near-duplicate of a positive",
        "absolute_margin": "too near to the positive’s score",
        "relative_margin": "too near to the positive’s score, as a share of it",
        "max_score": "scored too high",
        "min_score": "scored too low",
    }
)


def rules_html(found: Preview, spec: MiningSpec) -> str:
    """One row a rule, one column a miner: how many candidates the rule was the first to drop."""
    texts = rule_texts(spec)
    heads = "".join(f"<th>{escape(clip(each.miner, 40))}</th>" for each in found.miners)
    rows = total_row("candidates looked at", found.miners, [each.candidates for each in found.miners], "mi-all")
    rows += "".join(rule_row(rule, texts.get(rule, ""), found.miners) for rule in RULES)
    rows += total_row("left by all rules", found.miners, [each.eligible for each in found.miners], "mi-left")
    rows += total_row("taken as negatives", found.miners, [each.negatives for each in found.miners], "mi-taken")
    return (
        "<section class='panel mi-rules'><header><h3>What each rule drops</h3><span class='facts'>in their order; a "
        "candidate counts for the first rule that drops it</span></header><div class='scroll'><table class='grid'>"
        f"<thead><tr><th>rule</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def rule_row(rule: str, text: str, miners: Sequence[MinerPreview]) -> str:
    if not text:
        cells = f"<td colspan='{len(miners)}' class='dim'>off</td>"
        return f"<tr class='mi-off' data-key='{rule}' title='{MEANING[rule]}'><td>{OFF[rule]}</td>{cells}</tr>"
    cells = "".join(
        bar_cell(each.dropped[rule], each.candidates, sentence(each.dropped[rule], each.candidates, text, each.miner))
        for each in miners
    )
    return f"<tr data-key='{rule}' data-rule='{rule}'><td title='{MEANING[rule]}'>{escape(text)}</td>{cells}</tr>"


def total_row(text: str, miners: Sequence[MinerPreview], numbers: Sequence[int], kind: str) -> str:
    cells = "".join(
        bar_cell(number, each.candidates, f"{each.miner}: {number:,} {text}")
        for each, number in zip(miners, numbers, strict=True)
    )
    return f"<tr class='mi-total {kind}' data-key='{kind}' data-rule='{kind}'><td>{text}</td>{cells}</tr>"


def bar_cell(number: int, of: int, told: str) -> str:
    share = 100 * number / of if of else 0.0
    return (
        f"<td class='mi-cell' title='{escape(told)}'><span><b>{number:,}</b>"
        f"<i style='width:{share:.2f}%'></i></span></td>"
    )


def sentence(number: int, of: int, text: str, miner: str) -> str:
    """ "minilm: 487 of 10,000 candidates are nearer than 95 % of the positive’s score". Not escaped."""
    what = text if text.startswith(("known", "the query")) else f"{'is' if number == 1 else 'are'} {text}"
    return f"{miner}: {number:,} of {of:,} candidates {what}"


def headline(found: Preview, spec: MiningSpec) -> str:
    """What the margin (else the rule that dropped most) does, as sentences; empty where no rule dropped anything."""
    texts = rule_texts(spec)
    rules = [rule for rule in RULES if rule in texts and rule not in ("positive", "query")]
    margins = [rule for rule in rules if rule.endswith("margin")]
    most = sorted(rules, key=lambda rule: -sum(each.dropped[rule] for each in found.miners))
    rule = (margins or most)[0]
    told = [sentence(each.dropped[rule], each.candidates, texts[rule], each.miner) for each in found.miners]
    return "; ".join(told) + "." if any(each.dropped[rule] for each in found.miners) else ""


def yield_html(found: Preview, spec: MiningSpec, place: Place, query_set: str) -> str:
    """How many negatives there would be, whom they lack, and what queries without a positive need."""
    asked = found.queries * spec.per_query
    judge = escape(place.link("/label", set=query_set))
    load = escape(place.link("/corpus"))
    needs = (
        f"not mined: <a href='{judge}'>judge a relevant document</a> of each, or <a href='{load}'>import qrels</a>"
        if found.queries_without_positives
        else "every query can be mined"
    )
    short = f"{several(found.missing, 'negative')} lacking, never filled up" if found.short else "none goes short"
    scope = f"of the first {found.queries:,} of" if found.queries < found.of_queries else "of"
    facts = (
        ("negatives", f"{found.negatives:,}", f"of {asked:,} asked for: {spec.per_query} a query", "negatives"),
        ("queries mined", f"{found.queries:,}", f"{scope} {found.of_queries:,} with a positive", "queries"),
        ("short queries", f"{found.short:,}", short, "short"),
        ("without a positive", f"{found.queries_without_positives:,}", needs, "without"),
    )
    cells = "".join(
        f"<div data-figure='{key}'{' data-bad' if key in ('short', 'without') and number != '0' else ''}>"
        f"<small>{name}</small><b>{number}</b><small>{note}</small></div>"
        for name, number, note, key in facts
    )
    told = headline(found, spec)
    return f"<div class='mi-figures'>{cells}</div>" + (f"<p class='mi-told'>{escape(told)}</p>" if told else "")


def rules_line(rules: Sequence[str], spec: MiningSpec | None) -> str:
    """The settings of a mined set in one line. Not escaped."""
    if spec is None:
        return "settings not known"
    texts: Mapping[str, str] = rule_texts(spec)
    names = [rule.partition(" ")[0] for rule in rules]
    dropped = [texts[name] for name in names if name in texts and name not in ("positive", "query", "range")]
    how = "the best" if spec.sampling == "top" else f"drawn with seed {spec.seed}"
    line = f"{spec.per_query} a query, {how}, places {spec.range_min + 1:,}–{spec.range_max:,}"
    line += f"; scored by {spec.reranker}" if spec.reranker else ""
    return line + (f"; left out: {', '.join(dropped)}" if dropped else "")
