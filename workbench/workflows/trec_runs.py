"""Runs in and out as TREC files: `query Q0 document rank score tag` a line.

In: the order is trec_eval's, by score (as float32) descending, equal scores by document id descending, whatever the
rank column says. Out: our order; equal scores are told apart by the smallest step of float32, so that trec_eval, which
would turn them round, keeps it.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora, query_sets, runs
from workbench.errors import BadInput, NotFound
from workbench.project import Project, check_name
from workbench.runs import Block
from workbench.types import Progress, SkippedRow, no_progress
from workbench.vectors import write_durably
from workbench.workflows.evaluating import measure_first
from workbench.workflows.sources import Skips, hash_files, sources_told

if TYPE_CHECKING:
    from workbench.workflows.running import RunReport

DEEPEST = 10_000
LISTED = 20
BLOCK = 512


@dataclass
class Findings:
    """What was odd about a file."""

    skips: Skips = field(default_factory=Skips)
    unknown_queries: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    cut: int = 0
    unsorted: int = 0
    level: int = 0

    def warnings(self, unknown: list[str], depth: int) -> list[str]:
        told = [
            (self.duplicates, "documents come twice for a query; the one with the higher score was kept."),
            (self.unsorted, "queries have ranks that contradict their scores; the scores count, as for trec_eval."),
            (self.level, "queries have the same score for all documents; equal scores are ordered by document id, "
             "descending, as trec_eval orders them, not by rank."),
            (self.cut, f"documents lie behind the first {depth:,} of their query; they were left out."),
            (len(self.unknown_queries), f"queries are not in the query set; left out: {_some(self.unknown_queries)}."),
            (len(unknown), f"documents are not in the corpus; they keep their places: {_some(unknown)}."),
        ]  # fmt: skip
        return [f"{count:,} {words}" for count, words in told if count]


def _some(names: Any) -> str:
    listed = [str(name)[:60] for name in names]
    return ", ".join(listed[:LISTED]) + (", …" if len(listed) > LISTED else "")


def import_run(
    project: Project, name: str, path: Path | str, query_set: str, progress: Progress = no_progress
) -> "RunReport":
    """Keep the rankings of a TREC file as a run of a query set. All or nothing; the same file again is a no-op.

    Lines that cannot be read are skipped and listed; documents unknown to the corpus keep their places, as they were
    found in those of the others. Raises `BadInput` where nothing of the file can be used, `NotFound` on the query set.
    """
    from workbench.workflows.running import RunReport, fingerprint_of

    started = time.monotonic()
    name, path = check_name("run", name), Path(path).expanduser()
    info = query_sets.find(project.db, query_set)
    corpus = corpora.find(project.db, info.corpus)
    with sources_told(path):
        if not path.is_file():
            raise NotFound(f"There is no file “{path}”.", "Give the path of a TREC run file.")
        spec = {
            "name": name,
            "source": hash_files([path], path.parent, progress),
            "queries": fingerprint_of(project, info),
        }
        draft = project.artifacts.begin("run", name, spec, [corpus.fingerprint], corpus.id)
        if draft.existing is None:
            try:
                manifest = _read(project, (info.id, corpus.id, info.queries), path, draft.folder, progress)
            except BaseException:
                draft.discard()
                raise
            seconds = {"seconds": round(time.monotonic() - started, 3), "source": path.name}
            told = {"corpus": {"name": corpus.name, "version": corpus.version, "id": corpus.id}}
            draft.commit(manifest | seconds | told | {"query_set": info.name, "queries": info.queries})
    found = runs.find(project.db, project.artifacts, runs.add(project.db, name, info.id, draft.id))
    measure_first(project, found)
    made = found.manifest
    known = ("queries", "seconds", "empty", "warnings", "skipped", "unknown_documents", "unknown_queries", "duplicates")
    skipped = [SkippedRow(**row) for row in made["skipped_rows"]]
    return RunReport(found.name, found.id, skipped_rows=skipped, **{each: made[each] for each in known})


def _read(
    project: Project, place: tuple[int, int, int], path: Path, folder: Path, progress: Progress
) -> dict[str, Any]:
    query_set_id, corpus_id, count = place
    found = Findings()
    rows = {query_id: row for row, query_id in enumerate(query_ids(project, query_set_id, count))}
    segments, depth = _segments(path, rows, found, progress)
    if not any(segments):
        raise (
            found.skips.nothing_left(path, "ranking")
            if found.skips.count
            else BadInput(
                f"{path.name} has no ranking of a query of this query set.", "Is it the run of another query set?"
            )
        )
    unknown: dict[str, int] = {}
    empty = 0
    with path.open("rb") as file:
        for number, start in enumerate(range(0, count, BLOCK)):
            lists = [_ranking(file, each, rows, found) for each in segments[start : start + BLOCK]]
            empty += sum(not each for each in lists)
            known = corpora.ordinals_of(project.db, corpus_id, (doc for each in lists for doc, _ in each))
            ordinals = np.full((len(lists), depth), runs.NONE, np.int32)
            scores = np.zeros((len(lists), depth), np.float32)
            for row, each in enumerate(lists):
                found.cut += max(0, len(each) - depth)
                for at, (doc, score) in enumerate(each[:depth]):
                    ordinals[row, at] = known[doc] if doc in known else -2 - unknown.setdefault(doc, len(unknown))
                    scores[row, at] = score
            runs.write_block(folder, number, Block(start, ordinals, scores), np.zeros(1))
            progress(min(start + BLOCK, count), count)
    write_durably(folder / runs.UNKNOWN, json.dumps(list(unknown), ensure_ascii=False).encode())
    return {
        "k": depth,
        "empty": empty,
        "warnings": found.warnings(list(unknown), depth),
        "skipped": found.skips.count,
        "skipped_rows": [{"where": each.where, "reason": each.reason} for each in found.skips.rows],
        "unknown_documents": len(unknown),
        "unknown_queries": len(found.unknown_queries),
        "duplicates": found.duplicates,
    }


def query_ids(project: Project, query_set_id: int, count: int) -> list[str]:
    """The ids of a set's queries in its order."""
    pages = (query_sets.page(project.db, query_set_id, start, 10_000) for start in range(0, count, 10_000))
    return [each.query_id for page in pages for each in page]


def _segments(
    path: Path, rows: dict[str, int], found: Findings, progress: Progress
) -> tuple[list[list[tuple[int, int]]], int]:
    """(where in the file each query's lines lie, (start, stop) in bytes; the longest ranking, at most `DEEPEST`)."""
    segments: list[list[tuple[int, int]]] = [[] for _ in rows]
    lengths = np.zeros(len(rows), np.int64)
    last, begin, place = "", 0, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            parsed = _parsed(line)
            if isinstance(parsed, str):
                if parsed:
                    found.skips.add(SkippedRow(f"line {number}", parsed))
                query = last
            else:
                query = parsed[0]
                row = rows.get(query)
                if row is None:
                    found.unknown_queries[query] = found.unknown_queries.get(query, 0) + 1
                else:
                    lengths[row] += 1
            if query != last:
                if last in rows:
                    segments[rows[last]].append((begin, place))
                last, begin = query, place
            place += len(line)
            if number % 100_000 == 0:
                progress(0, len(rows))
        if last in rows:
            segments[rows[last]].append((begin, place))
    return segments, int(min(max(lengths.max(initial=1), 1), DEEPEST))


def _parsed(line: bytes) -> tuple[str, str, float, float] | str:
    """(query, document, score, rank) of a line; what is wrong with it, "" where it is blank."""
    try:
        parts = line.decode("utf-8").split()
    except UnicodeDecodeError as error:
        return f"the line is not valid UTF-8 (byte {error.start + 1})"
    if not parts:
        return ""
    if len(parts) not in (5, 6):
        return f"{len(parts)} columns; a TREC run has 6: query Q0 document rank score tag"
    try:
        rank, score = float(parts[3]), float(np.float32(parts[4]))
    except ValueError:
        return f"“{parts[3][:20]}” and “{parts[4][:20]}” are not a rank and a score"
    if not math.isfinite(score):
        return f"the score is “{parts[4][:20]}”, which is no finite number"
    return parts[0], parts[2], score, rank


def _ranking(
    file: Any, segments: list[tuple[int, int]], rows: dict[str, int], found: Findings
) -> list[tuple[str, float]]:
    """The documents of one query with their scores, in trec_eval's order."""
    best: dict[str, tuple[float, float]] = {}
    for start, stop in segments:
        file.seek(start)
        for line in file.read(stop - start).splitlines():
            parsed = _parsed(line)
            if isinstance(parsed, str) or parsed[0] not in rows:
                continue
            _, document, score, rank = parsed
            found.duplicates += document in best
            if document not in best or score > best[document][0]:
                best[document] = (score, rank)
    ranked = sorted(best.items(), key=lambda item: (item[1][0], item[0]), reverse=True)
    scores, ranks = [score for _, (score, _) in ranked], [rank for _, (_, rank) in ranked]
    found.level += len(ranked) > 1 and scores[0] == scores[-1]
    pairs = zip(scores, scores[1:], ranks, ranks[1:], strict=False)
    found.unsorted += any(score > lower and rank > after for score, lower, rank, after in pairs)
    return [(document, score) for document, (score, _) in ranked]


def export_run(project: Project, run: str | int, path: Path | str) -> int:
    """Write a run as a TREC file; returns its lines. Raises `BadInput` on an id with a space: TREC cannot hold it."""
    info = runs.find(project.db, project.artifacts, run)
    folder, tag = info.artifact.folder, "-".join(info.name.split())
    unknown = runs.unknown_documents(folder)
    corpus_id = int(info.manifest["corpus"]["id"])
    ids = query_ids(project, info.query_set_id, int(info.manifest["queries"]))
    target, lines = Path(path).expanduser(), 0
    aside = target.with_name(f".{target.name}.partial")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            for block in runs.blocks(folder):
                for text in _lines(project, corpus_id, block, (ids, unknown, tag)):
                    file.write(text)
                    lines += 1
        aside.replace(target)
    except OSError as error:
        raise BadInput(f"{target} cannot be written: {error.strerror}.", "Choose another place.") from error
    finally:
        aside.unlink(missing_ok=True)
    return lines


def _lines(project: Project, corpus_id: int, block: Block, names: tuple[list[str], list[str], str]) -> Iterator[str]:
    ids, unknown, tag = names
    wanted = np.unique(block.ordinals[block.ordinals >= 0]).tolist()
    known = corpora.ids_of(project.db, corpus_id, wanted)
    for row, (ordinals, scores) in enumerate(zip(block.ordinals, told_apart(block.scores), strict=True), block.start):
        for at, (ordinal, score) in enumerate(zip(ordinals.tolist(), scores, strict=True), start=1):
            if ordinal == runs.NONE:
                break
            doc_id = known[ordinal] if ordinal >= 0 else unknown[-2 - ordinal]
            for text in (ids[row], doc_id):
                if text.split() != [text]:
                    raise BadInput(
                        f"The id “{text[:80]}” has a space in it; in a TREC file spaces separate the columns.",
                        "Rename it in the source and import again.",
                    )
            yield f"{ids[row]} Q0 {doc_id} {at} {np.format_float_positional(score, trim='0')} {tag}\n"


def told_apart(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores (q, k) of rankings, each lower than the one before: equal ones by the smallest step of float32."""
    apart = np.array(scores, np.float32)
    for at in range(1, apart.shape[1]):
        below = np.nextafter(apart[:, at - 1], np.float32(-np.inf))
        apart[:, at] = np.minimum(apart[:, at], below)
    return apart
