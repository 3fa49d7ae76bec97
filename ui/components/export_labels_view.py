"""Markup of the export of labels: formats, label sets, settings, preview, what came out. All text is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from ui.components.column_editor import named_options
from ui.components.export_labels_form import FORMATS, LONGEST, Asked, usual_name
from ui.components.figures import several
from ui.components.subset_bar import export_link
from ui.components.text import clip, escape

if TYPE_CHECKING:
    from workbench.workflows.encode import EmbeddingInfo
    from workbench.workflows.export_preview import Exportable, Preview

OPEN = "export-labels"
"""What a page's button asks for: its `data-do`; `data-set` is the query set."""
UNREVIEWED = (
    "A proposed label set holds mined negatives that nobody has to have looked at. Some of them are positives that "
    "were never judged, and a model trained on those learns to push right answers away."
)
KINDS = MappingProxyType(
    {
        "qrels": "came with the queries",
        "person": "judged by people",
        "imported": "from a file",
        "final": "settled",
        "proposed": "mined, not reviewed",
    }
)
IMAGES = MappingProxyType(
    {"none": "leave them out", "reference": "name them where they are", "copy": "copy them beside the file"}
)
TYPES = ("normal", "only_1neg", "symmetric_class", "symmetric_sts", "symmetric_clustering")
PROMPTS = MappingProxyType({"prompt": "prompt", "query_prompt": "query prompt", "passage_prompt": "passage prompt"})


@dataclass(frozen=True)
class Setup:
    """What can be chosen, and what was exported before (name, bytes, Unix seconds), fetched under `at`."""

    query_sets: Sequence[str]
    known: "Sequence[Exportable]"
    encoders: "Sequence[EmbeddingInfo]"
    suffixes: Mapping[str, Sequence[str]]
    has_images: bool
    exports: Sequence[tuple[str, int, float]] = ()
    at: str = ""


def export_button(query_set: str) -> str:
    """A page's button that opens the form."""
    title = "Write these judgments as a file that trains or evaluates a model"
    return f"<button class='btn small' data-do='{OPEN}' data-set='{escape(query_set)}' title='{title}'>Export…</button>"


def panel_html(asked: Asked, setup: Setup, preview: str) -> str:
    """The whole form; `preview` is markup. A dialog, though it lies in the page: so the pages' keys rest beside it."""
    sets = named_options({name: name for name in setup.query_sets}, asked.query_set)
    return (
        "<dialog open class='xl panel' data-form aria-label='Export labels'><header><h2>Export labels</h2>"
        f"<label class='pick'>of the queries<select name='query_set' data-change='change'>{sets}</select></label>"
        "<span class='spring'></span><button class='icon' data-do='close' title='Close' aria-label='Close'>×</button>"
        f"</header><div class='xl-three'><section class='xl-formats'>{formats_html(asked)}</section>"
        f"<section class='xl-form'>{sets_html(asked, setup.known)}{settings_html(asked, setup)}"
        f"{go_html(asked, setup)}</section><section class='xl-preview'>{preview}</section></div></dialog>"
    )


def formats_html(asked: Asked) -> str:
    buttons = "".join(
        f"<button class='xl-format' role='radio' data-do='format' data-format='{name}' "
        f"aria-checked='{'true' if name == asked.format else 'false'}'><b>{escape(each.title)}</b>"
        f"<span>{escape(each.use)}</span><i>{escape(each.reader)}</i></button>"
        for name, each in FORMATS.items()
    )
    hidden = f"<input type='hidden' name='format' value='{asked.format}'>"
    hidden += f"<input type='hidden' name='shown' value='{escape(asked.query_set)}'>"
    return f"<h3>Format</h3><div role='radiogroup' aria-label='Format'>{buttons}</div>{hidden}"


def sets_html(asked: Asked, known: "Sequence[Exportable]") -> str:
    """The label sets with their kinds and counts; proposed ones rest until unreviewed ones are asked for."""
    chosen = asked.chosen(known)
    rows = "".join(
        f"<label class='xl-set'{'' if usable(each, asked) else ' data-off'}><input type='checkbox' "
        f"name='set:{escape(each.name)}' data-change='change'{' checked' if each.name in chosen else ''}"
        f"{'' if usable(each, asked) else ' disabled'}><b>{escape(clip(each.name, 50))}</b>"
        f"<span class='tag' title='{escape(KINDS[each.kind])}'>{escape(each.kind)}</span>"
        f"<span class='num'>{each.judgments:,}</span></label>"
        for each in known
    )
    proposed = any(each.kind == "proposed" for each in known)
    consent = (
        "<label class='xl-consent'><input type='checkbox' name='unreviewed' data-change='change'"
        f"{' checked' if asked.unreviewed else ''}>include unreviewed</label>"
        f"<p class='dim'>{escape(UNREVIEWED)}</p>"
        if proposed
        else ""
    )
    nothing = "<p class='dim'>Nobody has judged these queries yet, and no label set came with them.</p>"
    return f"<h3>Label sets</h3><div class='xl-sets'>{rows or nothing}</div>{consent}"


def usable(each: "Exportable", asked: Asked) -> bool:
    return each.ready and (asked.unreviewed or each.kind != "proposed")


def settings_html(asked: Asked, setup: Setup) -> str:
    """The settings that the format has a place for."""
    takes = FORMATS[asked.format].takes
    names = asked.chosen(setup.known)
    prefer = named_options(
        {"": "stop, and list the pairs", **{name: f"{name} decides" for name in names}}, asked.prefer
    )
    encoders = {"": "no encoder", **{each.encoder: encoder_label(each) for each in reversed(setup.encoders)}}
    rows = [row("Label sets that contradict", f"<select name='prefer' data-change='change'>{prefer}</select>")]
    rows.append(
        row(
            "Prompts of",
            f"<select name='encoder' data-change='change'>{named_options(encoders, asked.encoder)}</select>",
            "“prompt” in the file" if asked.format == "flagembedding" else "named in the manifest",
        )
    )
    if "negatives" in takes:
        usual = "3" if asked.format == "st-ntuple" else "all"
        rows.append(row("Negatives a query", box(asked, "negatives", "number", usual, " min='1' max='1000'")))
    for name, label in PROMPTS.items():
        if name in takes:
            rows.append(row(label.capitalize(), box(asked, name, "text", "none: the trainer’s own")))
    if "type" in takes:
        rows.append(row("Type", select(asked, "type", {name: name for name in TYPES}), "how groups are made of it"))
    if "labels" in takes:
        rows.append(row("Labels", select(asked, "labels", {"binary": "0 and 1", "grades": "the grades"})))
    if "split" in takes:
        rows.append(row("Split", box(asked, "split", "text", "test")))
    if "scores" in takes:
        ticked = " checked" if asked.settings.get("scores") == "true" else ""
        scores = f"<input type='checkbox' name='spec:scores' data-change='change'{ticked}>"
        rows.append(row("Scores", scores, "for distillation; queries that lack one are left out"))
    if setup.has_images:
        rows.append(
            row(
                "Images",
                f"<select name='images' data-change='change'>{named_options(dict(IMAGES), asked.images)}</select>",
            )
        )
    return f"<h3>Settings</h3><div class='xl-settings'>{''.join(rows)}</div>"


def encoder_label(each: "EmbeddingInfo") -> str:
    return f"{each.encoder} · “{clip(each.query_prompt, 30)}”" if each.query_prompt else f"{each.encoder} · no prompt"


def row(label: str, control: str, note: str = "") -> str:
    """A labelled control; `control` is markup."""
    told = f"<i class='dim'>{escape(note)}</i>" if note else ""
    return f"<label><span>{escape(label)}</span>{control}{told}</label>"


def box(asked: Asked, name: str, kind: str, placeholder: str, more: str = "") -> str:
    value = escape(asked.settings.get(name, ""))
    return (
        f"<input type='{kind}' name='spec:{name}' value='{value}' placeholder='{escape(placeholder)}' "
        f"data-change='change' autocomplete='off'{more}>"
    )


def select(asked: Asked, name: str, choices: dict[str, str]) -> str:
    inner = named_options(choices, asked.settings.get(name, ""))
    return f"<select name='spec:{name}' data-change='change'>{inner}</select>"


def go_html(asked: Asked, setup: Setup) -> str:
    """The file's name, the button, and the files there are."""
    suffixes = setup.suffixes[asked.format]
    usual = usual_name(asked.query_set, asked.format, suffixes)
    endings = " or ".join(suffixes) if suffixes else "a folder"
    files = "".join(export_link(*each, setup.at) for each in setup.exports)
    listed = f"<details class='xl-files'><summary>Files exported before</summary>{files}</details>" if files else ""
    return (
        f"<div class='xl-go'><label><span>{'File' if suffixes else 'Folder'}</span><input name='name' "
        f"value='{escape(asked.name or usual)}' maxlength='{LONGEST}' autocomplete='off'><i class='dim'>{endings}; one "
        f"of that name is replaced</i></label><input type='hidden' name='usual' value='{escape(usual)}'>"
        "<button class='btn primary' data-do='export' data-default>Export</button></div>"
        f"{listed}"
    )


def preview_html(preview: "Preview") -> str:
    """The first lines of each file, and which queries of those looked at would have none."""
    files = "".join(
        f"<figure><figcaption class='mono'>{escape(name)}</figcaption>"
        f"{''.join(f'<pre dir=auto>{escape(line)}</pre>' for line in lines)}</figure>"
        for name, lines in preview.files
    )
    left = ", ".join(f"{count:,} ({reason})" for reason, count in preview.left_out.items())
    first = several(preview.queries, "judged query/judged queries")
    told = f"<p class='dim'>Left out of the first {first}: {escape(left)}.</p>" if left else ""
    return f"<h3>First rows, as they would be written <span class='dim'>(long texts cut)</span></h3>{told}{files}"


def prompts_html(prompts: Mapping[str, str]) -> str:
    """The prompts of an encoder as it applied them."""
    if not prompts:
        return ""
    shown = " · ".join(
        f"{name.removesuffix('_prompt')} <code>{escape(repr(prompts.get(name, '')))}</code>"
        for name in ("query_prompt", "document_prompt")
    )
    return f"<p class='dim'>Prompts of {escape(prompts.get('encoder', ''))}: {shown}</p>"
