"""Files written aside and put in their places together: all of them, or none."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import WorkbenchError


class Staged:
    """Where to write what will stand at a path once everything is whole."""

    def __init__(self) -> None:
        self.targets: dict[Path, Path] = {}

    def aside(self, target: Path) -> Path:
        """The path to write for `target`: beside it, under a name of this attempt's own."""
        target.parent.mkdir(parents=True, exist_ok=True)
        path = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.partial")
        self.targets[target] = path
        return path

    def commit(self) -> None:
        for path in self.targets.values():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        for target, path in self.targets.items():
            path.replace(target)

    def discard(self) -> None:
        for path in self.targets.values():
            path.unlink(missing_ok=True)


@contextmanager
def staged(what: str) -> Iterator[Staged]:
    """Files that are synced and renamed when the block ends, and of which nothing stays where it fails.

    Raises `WorkbenchError` naming `what` where the disk refuses.
    """
    files = Staged()
    try:
        yield files
        files.commit()
    except OSError as error:
        raise WorkbenchError(
            f"{what} could not be written: {error.strerror or error}.", "Make room, or choose another place."
        ) from error
    finally:
        files.discard()
