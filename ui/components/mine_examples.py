"""Example queries of mining: their candidates, who found each at which rank and score, which rule dropped it."""

from collections.abc import Mapping, Sequence

from ui.components.figures import several
from ui.components.mine_rules import MEANING, SHORT, rule_texts
from ui.components.results import score_text
from ui.components.text import clip, escape
from ui.session import Place
from workbench.specs import MiningSpec
from workbench.types import Document
from workbench.workflows.mining_examples import Example, ExampleCandidate, Sighting


def examples_html(found: Sequence[Example], spec: MiningSpec, place: Place, query_set: str) -> str:
    """A few queries; a document's name leads to its query on the Label page."""
    texts = rule_texts(spec)
    parts = "".join(example_html(each, texts, place, query_set) for each in found)
    return (
        "<section class='panel mi-examples'><header><h3>Examples</h3><span class='facts'>a name opens the query on the "
        "Label page</span><span class='spring'></span><button class='btn small' data-do='more'>Other queries</button>"
        f"</header>{parts}</section>"
    )


def example_html(found: Example, texts: Mapping[str, str], place: Place, query_set: str) -> str:
    link = escape(place.link("/label", set=query_set, q=found.query.query_id))
    text = found.query.text or "(a picture)"
    rows = "".join(candidate_html(each, texts, place, (query_set, found.query.query_id)) for each in found.candidates)
    positives = ", ".join(name_html(each) for each in found.positives[:3])
    positives += f" and {len(found.positives) - 3:,} more" if len(found.positives) > 3 else ""
    more = (
        f"<p class='mi-more dim'>{several(found.more, 'candidate')} further down not shown.</p>" if found.more else ""
    )
    return (
        f"<div class='mi-example' data-key='example {found.place}'><div class='mi-query'>"
        f"<a href='{link}' dir='auto'><b>{escape(clip(text, 200))}</b></a>"
        f"<span class='facts'>{found.taken:,} taken</span>"
        f"<span class='dim'>positive: {positives}</span></div><div class='scroll'><table class='grid'><tbody>{rows}"
        f"</tbody></table></div>{more}</div>"
    )


def candidate_html(each: ExampleCandidate, texts: Mapping[str, str], place: Place, query: tuple[str, str]) -> str:
    """One candidate: its fate first, then its name and text, then what every miner says."""
    query_set, query_id = query
    document = each.document
    link = escape(place.link("/label", set=query_set, q=query_id, also=document.doc_id))
    known = any(sighting.dropped == "positive" for sighting in each.sightings)
    state = "taken" if each.taken else "known" if known else "kept" if kept(each) else "dropped"
    return (
        f"<tr class='mi-{state}' data-doc='{escape(document.doc_id)}'>"
        f"<td class='mi-fate'>{fate_html(each, texts, state)}</td>"
        f"<td class='mi-what'><a href='{link}'>{name_html(document)}</a>"
        f"<span class='dim' dir='auto'>{escape(clip(' '.join(document.text[:600].split()), 240))}</span></td>"
        f"<td class='mi-who'>{''.join(sighting_html(one) for one in each.sightings)}</td></tr>"
    )


def kept(each: ExampleCandidate) -> bool:
    return any(not sighting.dropped for sighting in each.sightings)


def fate_html(each: ExampleCandidate, texts: Mapping[str, str], state: str) -> str:
    """What becomes of a candidate, and by which rule."""
    if state == "taken":
        return "<span class='tag mi-tag-taken'>negative</span>"
    if state == "known":
        return "<span class='tag good'>positive</span>"
    if state == "kept":
        return "<span class='tag' title='No rule drops it; better ones, or the draw, come first'>left over</span>"
    rules: dict[str, str] = {}
    for sighting in each.sightings:
        told = f"{texts.get(sighting.dropped, sighting.dropped)}. {MEANING[sighting.dropped]}"
        rules.setdefault(SHORT[sighting.dropped], told)
    return "".join(f"<span class='mi-why' title='{escape(told)}'>{rule}</span>" for rule, told in rules.items())


def sighting_html(one: Sighting) -> str:
    gap = "the positive was not found"
    if one.positive_score is not None:
        gap = f"the positive scored {score_text(one.positive_score)}"
    fate = f"; dropped: {SHORT[one.dropped]}" if one.dropped else "; left by all rules"
    title = escape(f"{one.miner}: rank {one.rank}, score {score_text(one.score)}; {gap}{fate}")
    return (
        f"<span class='mi-by{' mi-gone' if one.dropped else ''}' title='{title}'>{escape(clip(one.miner, 30))} "
        f"<b>#{one.rank:,}</b> {score_text(one.score)}</span>"
    )


def name_html(document: Document) -> str:
    return f"<bdi>{escape(clip(document.title or document.doc_id, 120))}</bdi>"
