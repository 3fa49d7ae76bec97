"""Public-domain clip art (Debian package `openclipart-svg`) → small WebP pictures with captions.

`openclipart.toml` beside this file holds the rules and what was decided by looking.
"""

import io
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from PIL import Image

from scripts.sample_factbook import write_jsonl

SMALLEST = 24  # pixels on the shorter side; below, nobody sees what it is
RULES = Path(__file__).with_name("openclipart.toml")
JUNK_KEYWORD = re.compile(r"hash|0x|openclipart|clip ?art|unsorted|\d|@|[^\w '&-]|_|^.?$|icon", re.I)


@dataclass(frozen=True)
class Picture:
    """One candidate: where it lies in the package, and what it says about itself."""

    source: str
    category: str
    title: str
    keywords: tuple[str, ...]
    artist: str
    named: str

    @property
    def keys(self) -> set[str]:
        """The shown title and the package's own, reduced to what tells two pictures apart."""
        return {title_key(self.title), title_key(self.named)}


def title_key(title: str) -> str:
    """Equal for titles that differ only in case, numbers, punctuation or "black and white"."""
    words = re.sub(r"\(?\bb(lack)?[ _]?(and|n)?[ _]?w(hite)?\b\)?|\(colou?r\)", " ", title.lower())
    return " ".join(re.findall(r"[^\W\d_]+", words))


def category_of(source: str, categories: dict[str, str]) -> str:
    """The category of the longest folder that fits; empty: leave it out."""
    parts = source.split("/")[:-1]
    folders = ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((categories[folder] for folder in folders if folder in categories), "")


def tidy_title(title: str, stem: str, sets: list[str]) -> str:
    """A title a person would type: without file endings, underscores, running numbers."""
    if not title or any(title.startswith(name) for name in sets):
        title = re.sub(r"_\d_symbol_.*$", "", stem)
    title = re.sub(r"\.svg$|[-_ ]aj$|\bclip ?art\b|#\d+|_(?=\s|$)", "", title.replace("_", " ").strip(), flags=re.I)
    title = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", title)
    title = re.sub(r"(?<=[A-Za-z])[ -]?\d{1,2}$", "", title.strip())
    title = " ".join(title.split())
    return title[:1].upper() + title[1:]


def read_picture(path: Path, root: Path, rules: dict[str, Any]) -> Picture | None:
    """The picture's own words, or None where it may not or should not be used."""
    source = path.relative_to(root).as_posix()
    category = category_of(source, rules["categories"])
    if not category or path.is_symlink():
        return None
    work = ElementTree.parse(path).getroot().find(".//{*}Work")  # noqa: S314 - files of a Debian package
    if work is None:
        return None

    def text(element: str) -> str:
        found = work.find(f"{{*}}{element}")
        return " ".join("".join(found.itertext()).split()) if found is not None else ""

    licence = work.find("{*}license")
    if licence is None or not any("publicdomain" in value.lower() for value in licence.attrib.values()):
        return None
    words = (" ".join((item.text or "").lower().split()) for item in work.iterfind("{*}subject//{*}li"))
    keywords = tuple(dict.fromkeys(word for word in words if not JUNK_KEYWORD.search(word)))
    artist = re.sub(r"<.*|\S+@\S+|HASH.*|https?:\S+|&\S*;", "", text("creator")).strip(" ,()")
    category = rules["artists"].get(artist, category)
    titles = rules["titles"]
    named = tidy_title(text("title"), path.stem.strip("_."), titles["of_sets"])
    title = titles["better"].get(source, named)
    suffix = titles["suffix"].get(category, "")
    if suffix not in title.lower():
        title = f"{title} {suffix}"
    return Picture(source, category, title, keywords, artist, named)


def unwanted(picture: Picture, rules: dict[str, Any]) -> bool:
    """True where a rule of the reject list names it."""
    reject = rules["reject"]
    said = " ".join((picture.named, *picture.keywords)).lower()
    return (
        min(map(len, picture.keys)) < 3
        or picture.artist in reject["artists"]
        or re.search(rf"\b({'|'.join(reject['words'])})\b", said) is not None
    )


def choose(root: Path, rules: dict[str, Any]) -> Iterator[Picture]:
    """Wanted pictures, one per title (the coloured one of a pair); a rejected picture takes its twins along."""
    found = [read_picture(path, root, rules) for path in sorted(root.rglob("*.svg"))]
    pictures = [picture for picture in found if picture is not None]
    taken = {title_key(each.named) for each in pictures if each.source in rules["reject"]["sources"]}
    wanted = [picture for picture in pictures if not unwanted(picture, rules)]
    for picture in sorted(
        wanted, key=lambda each: (bool(re.search(r"\bb(?: and )?w\b", each.named, re.I)), each.source)
    ):
        if not picture.keys & taken:
            taken |= picture.keys
            yield picture


def rasterise(path: Path, width: int) -> Image.Image | None:
    """The picture on white, cut to its ink, its longest side `width` pixels; None where nothing can be seen."""
    size = str(width * 2)
    command = ["rsvg-convert", "--unlimited", "--keep-aspect-ratio", "--background-color=white"]
    done = subprocess.run(
        [*command, f"--width={size}", f"--height={size}", str(path)], capture_output=True, check=False
    )
    if done.returncode != 0:
        return None
    image = Image.open(io.BytesIO(done.stdout)).convert("RGB")
    ink = image.convert("L").point(lambda value: 255 * (value < 250)).getbbox()
    if ink is None:
        return None
    margin = 6
    box = (max(ink[0] - margin, 0), max(ink[1] - margin, 0), ink[2] + margin, ink[3] + margin)
    image = image.crop((box[0], box[1], min(box[2], image.width), min(box[3], image.height)))
    image.thumbnail((width, width), Image.Resampling.LANCZOS)
    return image


def looks(image: Image.Image) -> bytes:
    """A coarse print of a picture: equal for the same drawing filed twice."""
    return image.convert("L").resize((12, 12)).point(lambda value: value // 32).tobytes()


def spread(values: list[Any], count: int) -> list[Any]:
    """At most `count` of `values`, evenly taken from the whole list."""
    return values if len(values) <= count else [values[at * len(values) // count] for at in range(count)]


def build_openclipart(root: Path, folder: Path, rules_file: Path = RULES) -> int:
    """Write `images/*.webp` and `captions.jsonl` into `folder`; returns the count of pictures."""
    rules = tomllib.loads(rules_file.read_text(encoding="utf-8"))
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for old in images.glob("*.webp"):
        old.unlink()
    shown: dict[str, dict[bytes, tuple[Picture, Image.Image]]] = {}
    for picture in choose(root, rules):
        image = rasterise(root / picture.source, rules["width"])
        if image is not None and min(image.size) >= SMALLEST:
            shown.setdefault(picture.category, {}).setdefault(looks(image), (picture, image))
    names: set[str] = set()
    rows = []
    for drawn in shown.values():
        kept: list[tuple[Picture, Image.Image]] = spread(list(drawn.values()), rules["per_category"])
        rows += [save(picture, image, images, names) for picture, image in kept]
    write_jsonl(folder / "captions.jsonl", sorted(rows, key=lambda row: (row["category"], row["file"])))
    return len(rows)


def save(picture: Picture, image: Image.Image, images: Path, names: set[str]) -> dict[str, str]:
    """Store the picture under a name made of its title; returns its caption row."""
    slug = re.sub(r"[^a-z0-9]+", "-", picture.title.lower()).strip("-")
    name = slug if slug not in names else f"{slug}-{sum(each.startswith(slug) for each in names)}"
    names.add(name)
    image.save(images / f"{name}.webp", quality=78, method=6)
    return {
        "id": name,
        "file": f"images/{name}.webp",
        "title": picture.title,
        "keywords": ", ".join(picture.keywords),
        "category": picture.category,
        "artist": picture.artist,
        "source": picture.source,
    }
