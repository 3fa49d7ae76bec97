"""The states of the Mine page around its charts: which candidates are kept, what is missing, what was mined before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ui.components.empty import empty
from ui.components.figures import ago, several
from ui.components.mine_rules import rules_line
from ui.components.mine_view import MineView, address
from ui.components.text import clip, escape, listed
from ui.handlers import problem
from ui.session import Place
from workbench.workflows.mined_sets import MinedSet
from workbench.workflows.mining_kept import Kept, MinerChoice

FIND = "<button class='btn primary' data-do='find'>{}</button>"
SAFE = "Nothing mined is exported before a person reviewed it, unless asked for."


def heading_html(place: Place) -> str:
    return (
        f"<div class='row top'><h2>Mine hard negatives of {escape(place.corpus)}</h2><span class='dim'>Documents that "
        f"score close to a query’s positives and are none teach a model most. {SAFE}</span></div>"
    )


def found_html(kept: Kept, miners: Sequence[MinerChoice], depth: int) -> str:
    """Under the search settings: the miners that have their candidates, and the button for those that have not."""
    rows = "".join(
        f"<span class='tag{' good' if artifact else ''}'>{escape(clip(each.label, 40))}{' ✓' * bool(artifact)}</span>"
        for each, artifact in zip(miners, kept.artifacts, strict=True)
    )
    if kept.complete:
        told = "<span class='dim'>kept: every rule below is tried without searching again</span>"
        return f"<div class='row mi-found' data-complete>{rows}{told}</div>"
    lacking = sum(artifact is None for artifact in kept.artifacts)
    word = "Find candidates" if lacking == len(miners) else f"Find candidates of {several(lacking, 'more miner')}"
    told = f"<span class='dim'>{depth:,} a query, for {several(kept.total - kept.without, 'query/queries')}</span>"
    return f"<div class='row mi-found'>{FIND.format(word)}{rows}{told}</div>"


def before_html(kept: Kept, miners: Sequence[MinerChoice]) -> str:
    """In place of the charts, before there are candidates."""
    lacking = [each.label for each, artifact in zip(miners, kept.artifacts, strict=True) if artifact is None]
    queries = several(kept.total - kept.without, "query/queries")
    left = f" {several(kept.without, 'query/queries')} without a positive are passed over." if kept.without else ""
    return (
        "<div class='empty'><h2>No candidates yet</h2><p>First each miner searches the nearest documents of "
        f"{queries} with a known positive ({escape(listed([clip(each, 40) for each in lacking]))} still to search)."
        f"{left} That is kept: afterwards every rule can be tried at once, with counts, scores and examples.</p>"
        f"{FIND.format('Find candidates')}</div>"
    )


def again_html(message: str, hint: str) -> str:
    """Where the kept candidates cannot answer the rules."""
    return f"<div class='row mi-again'>{problem(message, hint)}{FIND.format('Search again')}</div>"


def no_positives(needs: tuple[str, str], place: Place, query_set: str) -> str:
    """Where no query can be mined: what is needed, and the two ways to it."""
    message, hint = needs
    judge, load = place.link("/label", set=query_set), place.link("/corpus")
    return (
        f"<div class='empty'><h2>No query can be mined yet</h2><p>{escape(message)} {escape(hint)}</p>"
        f"<span class='row'><a class='btn primary' href='{escape(judge)}'>Judge on the Label page</a>"
        f"<a class='btn' href='{escape(load)}'>Import qrels</a></span></div>"
    )


def no_queries(place: Place) -> str:
    return empty(
        f"“{place.corpus}” has no query set yet",
        "Mining finds documents that score close to the positives of queries and are none. It needs queries, and for "
        "each at least one document known to be relevant: load them with their qrels on the Corpus page.",
        place.link("/corpus"),
        "Load queries",
    )


def nothing_encoded(place: Place) -> str:
    return empty(
        f"“{place.corpus}” is not encoded yet",
        "A miner is an encoder, BM25 or a pipeline that ranks the documents. BM25 takes seconds; a dense encoder also "
        "tells near-duplicates of positives.",
        place.link("/encode"),
        "Encode the corpus",
    )


def no_dense(place: Place) -> str:
    link = escape(place.link("/encode"))
    return (
        "<div class='note'>No miner chosen has dense vectors, so near-duplicates of positives cannot be told by "
        f"cosine. Add a dense encoder, or <a href='{link}'>encode the corpus</a> with one.</div>"
    )


# ── what was mined before ────────────────────────────────────────────────────────────────────────────────────────────


def mined_html(found: Sequence[MinedSet], place: Place, view: MineView, choices: Sequence[MinerChoice]) -> str:
    """The proposed label sets of the query set, the newest first."""
    if not found:
        return ""
    open_ = any(each.reviewed < each.negatives for each in found)
    rows = "".join(mined_row(each, place, view, choices) for each in found)
    return (
        f"<details class='panel mi-sets'{' open' if open_ else ''}><summary>"
        f"<b>{several(len(found), 'proposed set')}</b> "
        "<span class='dim'>for a person to accept, reject or relabel</span>"
        "</summary>"
        "<div class='scroll'>"
        "<table class='grid'><thead><tr><th>Set</th><th>Miners</th><th>Settings</th><th>Reviewed</th>"
        "<th>Made</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def made_html(result: Mapping[str, Any], place: Place, query_set: str) -> str:
    """What a mining just stored, and the way to its review."""
    name = str(result.get("label_set", ""))
    number = int(result.get("negatives", 0))
    link = escape(review_link(place, query_set, name))
    return (
        f"<div class='note good row mi-made'><b>“{escape(name)}” is made: {several(number, 'proposed negative')}.</b>"
        f"<a class='btn small primary' href='{link}'>Review them</a></div>"
    )


def mined_row(each: MinedSet, place: Place, view: MineView, choices: Sequence[MinerChoice]) -> str:
    name = escape(each.name)
    share = 100 * each.reviewed / each.negatives if each.negatives else 0.0
    same = ""
    if each.spec is not None:
        keys = tuple(one.key for one in choices if {one.key, one.label} & set(each.miners))
        again = address(place, replace(view, spec=each.spec, miners=keys or view.miners, start=0))
        same = f"<a class='btn small' href='{escape(again)}' title='Open these rules and miners above'>Settings</a> "
    return (
        f"<tr data-key='set {name}' data-set='{name}'><td><b>{name}</b></td>"
        f"<td>{escape(clip(', '.join(each.miners) or 'not known', 80))}</td>"
        f"<td class='dim'>{escape(rules_line(each.rules, each.spec))}</td><td><span class='mono'>{each.reviewed:,} / "
        f"{each.negatives:,} reviewed</span><span class='meter'><i style='width:{share:.1f}%'></i></span></td>"
        f"<td class='dim'>{ago(each.created_at)}</td><td class='acts'><a class='btn small primary' "
        f"href='{escape(review_link(place, view.query_set, each.name))}'>Review</a> {same}{delete_menu(name)}</td></tr>"
    )


def review_link(place: Place, query_set: str, name: str) -> str:
    return place.link("/review", set=query_set, proposed=name, part="proposals")


def delete_menu(name: str) -> str:
    """The button that asks once before it deletes; `name` is escaped."""
    return (
        "<details class='menu'><summary class='btn small danger'>Delete</summary><div class='pop'>"
        f"<b>Delete the proposals of {name}?</b><span class='dim'>What people decided of them stays. The same settings "
        "make it again.</span><span class='row'><button class='btn danger' data-do='delete' "
        f"data-name='{name}'>Delete</button></span></div></details>"
    )
