"""What came of an export of labels: the files to fetch, counts, warnings, the manifest; or what stopped it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ui.components.figures import duration, several, size
from ui.components.text import clip, escape
from ui.handlers import problem
from ui.session import Place

if TYPE_CHECKING:
    from workbench.workflows.export_preview import Contested

CLOSE = "<button class='icon' data-do='close' title='Close' aria-label='Close'>×</button>"


def exported_html(result: Mapping[str, Any], manifest: Mapping[str, Any], at: str) -> str:
    """The files of an export with their links, its counts, warnings and manifest. `at`: where exports are fetched."""
    name = PurePath(str(result["path"])).name
    inside = [each.partition("/")[2] for each in manifest.get("files", []) if each.startswith(f"{name}/")]
    links = [link(at, name, "Download as a ZIP archive" if inside else "Download", " class='btn small primary'")]
    links += [link(at, each, "ids of its rows") for each in manifest.get("files", []) if each.startswith(f"{name}.")]
    if manifest.get("choice", {}).get("images") == "copy" and result.get("images") and not inside:
        links.append(link(at, f"{PurePath(name).stem}.images", "its images as a ZIP archive"))
    links.append(link(at, f"{name}.manifest.json", "manifest"))
    facts = [several(result.get("queries", 0), "query/queries"), several(result.get("rows", 0), "row")]
    facts += [several(result["images"], "image")] if result.get("images") else []
    facts += [size(result.get("bytes", 0)), f"in {duration(result.get('seconds', 0))}"]
    notes = "".join(f"<div class='note warn'>{escape(clip(each, 600))}</div>" for each in result.get("warnings", []))
    told = escape(json.dumps(manifest, indent=1, ensure_ascii=False))
    holds = f"<p class='dim'>It holds {escape(', '.join(inside))}.</p>" if inside else ""
    return (
        f"<section class='panel xl-report'><header><span class='chip ok'><i></i>exported</span><b class='break'>"
        f"{escape(name)}</b><span class='facts'>{''.join(f'<span>{each}</span>' for each in facts)}</span>{CLOSE}"
        f"</header><div class='body'><div class='row'>{' · '.join(links)}</div>{holds}{notes}"
        f"<details><summary>Manifest</summary><pre class='log'>{told}</pre></details></div></section>"
    )


def failed_html(title: str, error: str, hint: str) -> str:
    """That an export ended without a file for another reason than contradictions."""
    return (
        f"<section class='panel xl-report'><header><span class='chip bad'><i></i>failed</span><b>{escape(title)}</b>"
        f"<span class='spring'></span>{CLOSE}</header><div class='body'>{problem(error, hint)}</div></section>"
    )


def link(at: str, name: str, words: str, more: str = "") -> str:
    return f"<a{more} href='{escape(at)}/{quote(name, safe='')}' download>{escape(words)}</a>"


def contested_html(found: "Sequence[Contested]", total: int, place: Place, query_set: str) -> str:
    """The pairs that are positive and negative, who said so, and where each is judged again."""
    rows = "".join(contested_row(each, place, query_set) for each in found)
    more = f"<p class='dim'>and {total - len(found):,} more</p>" if total > len(found) else ""
    return (
        "<div class='scroll xl-contested'><table class='grid'><thead><tr><th>query</th><th>document</th><th>said</th>"
        f"<th></th></tr></thead><tbody>{rows}</tbody></table></div>{more}"
    )


def contested_row(each: "Contested", place: Place, query_set: str) -> str:
    documents = "".join(
        f"<div class='break' dir='auto'><bdi class='dim'>{escape(clip(doc_id, 60))}</bdi> "
        f"{escape(clip(title, 90))}</div>"
        for doc_id, title in each.documents
    )
    same = "<div class='tag warn'>the same text</div>" if len(each.documents) > 1 else ""
    said = "".join(
        f"<div>{escape(clip(row.label_set, 40))} · {escape(clip(row.annotator, 40))} "
        f"<b>{verdict_words(row.verdict)}</b></div>"
        for row in each.said
    )
    first = each.documents[0][0] if each.documents else ""
    address = place.link("/label", set=query_set, q=each.query.query_id, also=first)
    return (
        f"<tr><td class='break' dir='auto'>{escape(clip(each.query.text or each.query.query_id, 120))}</td>"
        f"<td>{documents}{same}</td><td>{said}</td><td class='acts'><a class='btn small' target='_blank' "
        f"rel='noopener' href='{escape(address)}'>Judge it</a></td></tr>"
    )


def verdict_words(verdict: Any) -> str:
    """ "hard negative", "2", "skipped"."""
    if verdict.relevance is None:
        return escape(verdict.state)
    return "hard negative" if verdict.is_hard_negative else str(int(verdict.relevance))


def stopped_html(contested: str, total: int, sets: Sequence[str], job: str) -> str:
    """That contradictions stopped an export, and the label sets that could decide. `contested` is markup."""
    buttons = "".join(
        f"<button class='btn small' data-do='prefer' data-name='{escape(name)}' data-job='{escape(job)}'>"
        f"“{escape(clip(name, 40))}” decides</button>"
        for name in sets
    )
    choose = f"<div class='row'>Export all the same: {buttons}</div>" if len(sets) > 1 else ""
    return (
        f"<section class='panel xl-report'><header><span class='chip bad'><i></i>stopped</span><b>"
        f"{several(total, 'pair')} positive and negative at once: nothing was written</b><span class='spring'></span>"
        f"{CLOSE}</header><div class='body'><p>Judge them again, or let one label set decide wherever they "
        f"contradict each other.</p>{choose}{contested}</div></section>"
    )
