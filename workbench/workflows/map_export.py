"""A map as one HTML file that opens without a server: points, colours, names of clusters, words beside each point.

Nothing in it is loaded from anywhere: the renderer's modules lie in an import map as data: URLs, the points as base64,
the words as JSON with every “<” escaped, so that no text of a corpus can end the script it stands in.
"""

import base64
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.artifacts import Artifact
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.vectors import write_durably
from workbench.workflows.map_colourings import colouring
from workbench.workflows.map_colours import legend_values
from workbench.workflows.map_data import corpus_of, find_map, map_info, open_map
from workbench.workflows.map_hover import hover_texts
from workbench.workflows.map_labels import cluster_labels
from workbench.workflows.map_views import points

ASSETS = Path(__file__).resolve().parents[2] / "assets"
PAGE = "map_export.html"
RENDERER = "map.mjs"
STYLE = "map.css"
MOST_POINTS = 200_000
MOST_TEXT = 2000
_IMPORT = re.compile(r"""(\bfrom\s*|\bimport\s*)(["'])\./([\w.-]+\.mjs)\2""")


def export_html(
    project: Project,
    map: str,
    max_points: int = 50_000,
    texts: int = 200,
    colours: Sequence[str] = ("cluster",),
) -> Path:
    """Write a map to `exports/` as one file. `texts`: characters of each text; 0: titles alone, −1: no words.

    Above `max_points` the first ones of the wire's order go in, a fair sample. `colours`: names of colourings, the
    first is shown. One of the same name is replaced. Raises `NotFound`, `BadInput`, `WorkbenchError` on a full disk.
    """
    if not 1 <= max_points <= MOST_POINTS:
        raise BadInput(f"A file of {max_points:,} points was asked for.", f"Take 1 to {MOST_POINTS:,}.")
    if not -1 <= texts <= MOST_TEXT:
        raise BadInput(
            f"{texts:,} characters of each text were asked for.", f"Take 0 to {MOST_TEXT:,}, −1 for no words."
        )
    artifact = find_map(project, map)
    count = min(max_points, len(open_map(artifact)))
    content = page(artifact, content_of(project, artifact, count, texts, list(colours) or ["cluster"]))
    path = project.exports / f"map-{safe_name(artifact.name)}-{artifact.id[:8]}.html"
    try:
        write_durably(path, content)
    except OSError as error:
        raise WorkbenchError(f"The file could not be written: {error.strerror}.", "Free some space.") from error
    return path


def content_of(project: Project, artifact: Artifact, count: int, texts: int, colours: Sequence[str]) -> dict[str, Any]:
    """All that the page shows, as plain JSON; arrays are base64."""
    data, info, about = open_map(artifact), corpus_of(project, artifact), map_info(project, artifact)
    wire = np.frombuffer(points(project, artifact.id), np.uint8)
    planes = [wire[: 4 * len(data)], wire[4 * len(data) : 8 * len(data)]]
    made = []
    for name in colours:
        found, legend = colouring(project, artifact.id, name)
        made.append({"bytes": packed(np.frombuffer(found, np.uint8)[:count]), "legend": legend_values(legend)})
    words = [] if texts < 0 else [list(each) for each in hover_texts(project, info, data.order[:count], texts)]
    labels = [
        {"text": each.name, "x": each.x, "y": each.y, "size": each.size}
        for each in cluster_labels(project, artifact.id)
    ]
    return {
        "x": packed(planes[0][: 4 * count]),
        "y": packed(planes[1][: 4 * count]),
        "n": count,
        "total": len(data),
        "colours": made,
        "labels": labels,
        "words": words,
        "about": {
            "corpus": about.corpus,
            "encoder": about.encoder,
            "method": about.method,
            "k": about.k,
            "seed": about.seed,
            "trustworthiness": round(about.trustworthiness, 4),
            "continuity": round(about.continuity, 4),
            "reduction": about.reduction,
            "stale": about.stale,
        },
    }


def page(artifact: Artifact, content: dict[str, Any]) -> bytes:
    """The file: the template with the renderer, its style and the content put in."""
    modules = renderer_modules()
    parts = {
        "TITLE": html.escape(f"Map · {artifact.manifest['corpus']} · {artifact.name}"),
        "STYLE": (ASSETS / STYLE).read_text(encoding="utf-8").replace("</style", ""),
        "MODULES": in_script({"imports": {name: data_url(source) for name, source in modules.items()}}),
        "CONTENT": in_script(content),
    }
    template = (ASSETS / PAGE).read_text(encoding="utf-8")
    # One pass: what is put in is never looked at again.
    filled = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)
    return filled.encode("utf-8")


def renderer_modules() -> dict[str, str]:
    """Bare name → source of the renderer and all that it imports, with their imports by bare name."""
    found: dict[str, str] = {}
    waiting = [RENDERER]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        source = (ASSETS / name).read_text(encoding="utf-8")
        waiting += [match[3] for match in _IMPORT.finditer(source)]
        # A data: URL has no folder, so “./x.mjs” would name nothing in it.
        found[name] = _IMPORT.sub(lambda match: f"{match[1]}{match[2]}{match[3]}{match[2]}", source)
    return found


def data_url(source: str) -> str:
    return "data:text/javascript;base64," + base64.b64encode(source.encode("utf-8")).decode("ascii")


def in_script(value: Any) -> str:
    """JSON that may stand inside a script element: neither “</script” nor “<!--” can occur in it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def packed(values: NDArray[np.uint8]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def safe_name(name: str) -> str:
    """A name as a part of a file's: letters, digits, dot, dash."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "map"
