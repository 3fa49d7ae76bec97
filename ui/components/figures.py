"""Numbers and times as short text."""

import time

UNITS = ("B", "KB", "MB", "GB", "TB")


def size(amount: float) -> str:
    """ "0 B", "12 KB", "1.4 GB"; 1 KB = 1024 B."""
    value = float(amount)
    for unit in UNITS:
        if value < 1024 or unit == UNITS[-1]:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def duration(seconds: float | None) -> str:
    """ "0.3 s", "42 s", "3 min 20 s", "2 h 5 min"; "" where unknown."""
    if seconds is None or seconds < 0:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 and whole % 60 else f"{round(whole / 60)} min"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def ago(moment: float | None, now: float | None = None) -> str:
    """ "just now", "3 min ago", "2026-11-21" for what is older than two days; `moment` in Unix seconds."""
    if not moment:
        return ""
    past = (time.time() if now is None else now) - moment
    if past < 10:
        return "just now"
    if past < 172_800:
        return f"{duration(past)} ago" if past < 60 else f"{coarse(past)} ago"
    return time.strftime("%Y-%m-%d", time.localtime(moment))


def coarse(seconds: float) -> str:
    """ "12 min" or "5 h"."""
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"


def several(number: int, noun: str) -> str:
    """ "1 document", "5,728 documents"; irregular plurals are given as “index/indices”."""
    one, _, many = noun.partition("/")
    return f"{number:,} {one if number == 1 else many or one + 's'}"
