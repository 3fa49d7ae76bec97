"""The errors a person can act on."""

from collections.abc import Mapping
from typing import Any


class WorkbenchError(Exception):
    """Something the user can mend.

    `message` says what was wrong and where; `hint` says what to do about it. `details`, plain values, tell a page
    what it can offer; a job that fails keeps them as its result.
    """

    def __init__(self, message: str, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        self.details = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class NotFound(WorkbenchError):
    """A name or id that does not exist in the project."""


class BadInput(WorkbenchError):
    """A file, field or setting that cannot be used as it is."""


class Cancelled(Exception):
    """Raised by `progress` when the person asked the job to stop."""
