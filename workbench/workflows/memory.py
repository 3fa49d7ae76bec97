"""What this process keeps loaded: a list, a limit that a person sets, and what happens where there is no room."""

import json
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.checkpoints import loaded, memory_ran_out
from workbench.errors import BadInput, WorkbenchError
from workbench.vectors import write_durably
from workbench.workflows.kept import kept

LIMIT = "memory_mb"
LEAST_MB, MOST_MB = 64, 1 << 20


def in_memory() -> list[tuple[str, int]]:
    """(name, bytes) of the models and indices this process keeps loaded, the last used first."""
    entries = reversed(loaded().contents())
    return [(named(entry.key), entry.bytes) for entry in entries if entry.bytes]


def named(key: Hashable) -> str:
    """A cache key as people read it: what it is, and of which encoder or index."""
    return " · ".join(map(str, key[:2])) if isinstance(key, tuple) else str(key)


def empty_memory() -> int:
    """Drop all of them and the kept rankings, which gives their bytes back; the next search loads what it needs."""
    freed = sum(size for _, size in in_memory())
    loaded().clear()
    kept().clear()
    return freed


def memory_limit() -> int:
    """Megabytes that loaded models and indices may take before the least recently used leaves."""
    return loaded().limit >> 20


def set_memory_limit(workspace_folder: Path, mb: int) -> None:
    """Set the limit, at once and for every later start in this workspace. Raises `BadInput` on a useless number."""
    if isinstance(mb, bool) or not isinstance(mb, int | float) or not LEAST_MB <= mb <= MOST_MB:
        raise BadInput(f"The memory limit is “{mb}”.", f"Give megabytes, from {LEAST_MB} to {MOST_MB:,}.")
    path = settings_file(workspace_folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, json.dumps(read_settings(workspace_folder) | {LIMIT: int(mb)}, indent=1).encode())
    loaded().limit = int(mb) << 20


def apply_settings(workspace_folder: Path) -> None:
    """Take over what the workspace's settings say. For the start of a process; without settings nothing changes."""
    mb = read_settings(workspace_folder).get(LIMIT)
    if isinstance(mb, int) and LEAST_MB <= mb <= MOST_MB:
        loaded().limit = mb << 20


def read_settings(workspace_folder: Path) -> dict[str, object]:
    """The settings of a workspace. A damaged file counts as none: it must not keep the app from starting."""
    try:
        values = json.loads(settings_file(workspace_folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def settings_file(workspace_folder: Path) -> Path:
    return workspace_folder / ".workbench" / "settings.json"


@contextmanager
def room_for(what: str, belongs: Callable[[Hashable], bool]) -> Iterator[None]:
    """Turn "out of memory" into a sentence; what of `what` is loaded leaves, so that its memory is free again.

    `belongs` tells the cache's keys of `what`. Every other error passes through.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not memory_ran_out(error):
            raise
        loaded().drop(belongs)
        raise WorkbenchError(
            f"There was not enough memory for {what}.",
            "Choose a smaller model, fewer documents (depth), or empty the memory on the Jobs page.",
        ) from error
