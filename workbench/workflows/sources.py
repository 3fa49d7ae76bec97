"""What the imports of corpora and of queries share: skipped rows, images, a full disk told in a sentence."""

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from workbench.errors import BadInput, WorkbenchError
from workbench.types import Progress, SkippedRow

LISTED = 1000
"""Skipped rows that are listed; the others are only counted."""
_BLOCK = 4 * 2**20


class Skips:
    """Skipped rows: all counted, the first `LISTED` kept."""

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[SkippedRow] = []

    def add(self, row: SkippedRow) -> None:
        self.count += 1
        if self.count <= LISTED:
            self.rows.append(row)

    def nothing_left(self, path: Path, what: str) -> BadInput:
        """The error for a source of which no row could be used."""
        if not self.count:
            return BadInput(f"“{path.name}” holds no {what}.", f"Give a source with at least one {what}.")
        first = "; ".join(f"{row.where}: {row.reason}" for row in self.rows[:3])
        rows = "the only row was" if self.count == 1 else f"all {self.count:,} rows were"
        return BadInput(f"No {what} of “{path.name}” can be used: {rows} skipped.", f"{first}.")


@contextmanager
def sources_told(path: Path) -> Iterator[None]:
    """Turn a full disk, and a source that cannot be read, into a sentence."""
    full = WorkbenchError(
        "The disk is full. Nothing of this import was kept.", "Free some space, then start the import again."
    )
    try:
        yield
    except sa.exc.OperationalError as error:
        if "full" in str(error.orig):
            raise full from error
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full from error
        reason = error.strerror or str(error)
        raise BadInput(
            f"“{path.name}” cannot be read: {reason}.", "Check that the file is there and may be read."
        ) from error


def hash_files(files: Sequence[Path], root: Path, progress: Progress) -> str:
    """sha256 of the names (below `root`) and bytes of files, 64 hex digits; progress in bytes."""
    digest = hashlib.sha256()
    total = sum(file.stat().st_size for file in files)
    done = 0
    for file in files:
        name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
        digest.update(f"{name}\0{file.stat().st_size}\0".encode("utf-8", "surrogateescape"))
        with file.open("rb") as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
                done += len(block)
                progress(0, total)
    return digest.hexdigest()


def store_images(images: Sequence[str], folder: Path) -> list[tuple[str, str]]:
    """Check each image and store it as WebP under the hash of its content in `folder`.

    One (path relative to the folder above, "") or ("", why it cannot be used) for each.
    """
    # Imported here: Pillow is not needed for texts.
    from workbench.readers.images import shrink_image

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        shrunk = list(pool.map(shrink_image, map(Path, images)))
    folder.mkdir(parents=True, exist_ok=True)
    stored = []
    for data, reason in shrunk:
        name = f"{hashlib.sha256(data).hexdigest()[:32]}.webp"
        if not reason:
            (folder / name).write_bytes(data)
        stored.append(("", reason) if reason else (f"{folder.name}/{name}", ""))
    return stored
