"""Listwise reranking without a model: which windows are asked, what is asked, and what an answer says.

The sliding window and the form of the answer are RankGPT's (Sun et al. 2023, arXiv 2304.09542), letters for one-token
answers FIRST's (Reddy et al. 2024, arXiv 2406.15657); the wording is our own.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass

SYSTEM = "You order passages by how well they answer a query."
LETTERS = string.ascii_uppercase
ANSWER = re.compile(r"\[[0-9]{1,9}\](?:\s*>\s*\[[0-9]{1,9}\])*")
BRACKETED = re.compile(r"\[\s*([0-9]{1,9})\s*\]")
BARE = re.compile(r"(?<![0-9])[0-9]{1,9}(?![0-9])")
END_OF_THOUGHT = "</think>"
WRONG_FORM, REPETITION, OUT_OF_RANGE, MISSING = "wrong form", "repetition", "out of range", "missing documents"


@dataclass(frozen=True)
class Order:
    """`order`: the places 0 … n − 1 of a window, best first; `repairs`: what had to be mended in the answer."""

    order: tuple[int, ...]
    repairs: tuple[str, ...]


def window_spans(count: int, window: int, stride: int) -> list[tuple[int, int]]:
    """(start, stop) of each window over `count` documents, from the bottom of the list to its top.

    Each lies `stride` higher than the one before; the last begins at 0, and may be shorter.
    """
    spans = []
    stop = count
    while stop > 0:
        start = max(0, stop - window)
        spans.append((start, stop))
        if start == 0:
            break
        stop -= stride
    return spans


def identifiers(count: int, letters: bool) -> list[str]:
    """The names of a window's documents: 1 … n, or A, B, …"""
    return list(LETTERS[:count]) if letters else [str(n) for n in range(1, count + 1)]


def one_line(text: str) -> str:
    """A passage that cannot be taken for several: line breaks become blanks, “[3]” becomes “(3)”."""
    flat = " ".join(text.replace("\0", " ").split())
    return re.sub(r"\[\s*(\w{1,9})\s*\]", r"(\1)", flat)


def window_prompt(query: str, passages: Sequence[str], letters: bool = False) -> str:
    """What the model is asked about one window; passages as `one_line` makes them."""
    names = identifiers(len(passages), letters)
    listed = "\n".join(f"[{name}] {passage}" for name, passage in zip(names, passages, strict=True))
    example = " > ".join(f"[{name}]" for name in (*names[1:2], *names[:1], *names[2:3]))
    return (
        f"Query: {query}\n\nHere are {len(passages)} passages, each with its identifier in square brackets.\n\n"
        f"{listed}\n\nQuery: {query}\n\n"
        f"Put all {len(passages)} passages in order, the one that answers the query best first. Answer with their "
        f"identifiers only, in the form {example}{' > …' if len(names) > 3 else ''}, each exactly once, nothing else."
    )


def read_order(answer: str, count: int) -> Order:
    """The order that an answer gives to `count` documents, mended where it must be.

    Strict form: `[2] > [1] > [3]`. Otherwise the identifiers are taken as they come (bare numbers where none is in
    brackets). Repeated ones count once, those out of range not at all, and missing documents follow in their old order.
    """
    # What a thinking model thinks on the way is no answer.
    text = answer.rpartition(END_OF_THOUGHT)[2].strip()
    repairs = [] if ANSWER.fullmatch(text) else [WRONG_FORM]
    found = [int(each) - 1 for each in BRACKETED.findall(text)]
    if not found:
        found = [int(each) - 1 for each in BARE.findall(text)]
    inside = [place for place in found if 0 <= place < count]
    order = list(dict.fromkeys(inside))
    if len(order) < len(inside):
        repairs.append(REPETITION)
    if len(inside) < len(found):
        repairs.append(OUT_OF_RANGE)
    if len(order) < count:
        repairs.append(MISSING)
        named = set(order)
        order += [place for place in range(count) if place not in named]
    return Order(tuple(order), tuple(repairs))
