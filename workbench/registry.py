"""Lazy name → class tables for plug-ins."""

import difflib
import importlib
from collections.abc import Iterable, Mapping

from workbench.errors import NotFound


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> NotFound:
    """The error for a name that is not among `choices`: names the closest and lists them all."""
    known = sorted(choices)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean “{close[0]}”? " if close else ""
    return NotFound(f"There is no {kind} called “{name}”.", f"{hint}Choices: {', '.join(known) or 'none yet'}.")


class Registry:
    """Plug-ins of one kind: a literal mapping of name to "module:Class", imported on first use.

    Raises `ValueError` on a malformed target when made, `NotFound` from `load` on an unknown name.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        for name, target in entries.items():
            if target.count(":") != 1:
                raise ValueError(f"{kind} {name}: “{target}” is not “module:Class”")
        self.kind = kind
        self._entries = dict(entries)

    def names(self) -> list[str]:
        return sorted(self._entries)

    def load(self, name: str) -> type:
        """The class called `name`."""
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        module, attribute = self._entries[name].split(":")
        found: type = getattr(importlib.import_module(module), attribute)
        return found
