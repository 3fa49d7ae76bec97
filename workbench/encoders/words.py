"""A tokenizer's pieces as people read them."""

from collections.abc import Sequence
from typing import Any

BYTE_LEVEL, METASPACE = "Ġ", "▁"
CONTINUES = "##"


def readable(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """One word or piece for each id, of any kind of tokenizer; a piece that continues a word begins with ##.

    Special tokens stay as they are. Bytes that are no character by themselves are shown as the replacement character.
    """
    pieces = tokenizer.convert_ids_to_tokens([int(each) for each in ids])
    mark = beginning_mark(tokenizer)
    if not mark:
        return [str(piece) for piece in pieces]
    specials = set(tokenizer.all_special_tokens)
    return [str(piece) if piece in specials else marked(str(piece), mark, tokenizer) for piece in pieces]


def beginning_mark(tokenizer: Any) -> str:
    """What stands before a piece that begins a word: byte-level BPE's Ġ, SentencePiece's ▁, or nothing (WordPiece)."""
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("a bc de", add_special_tokens=False)["input_ids"])
    return next((mark for mark in (METASPACE, BYTE_LEVEL) if any(piece.startswith(mark) for piece in pieces)), "")


def marked(piece: str, mark: str, tokenizer: Any) -> str:
    """`piece` without its mark; with ## where it continues a word. Punctuation alone is no continuation."""
    begins = piece.startswith(mark)
    text = piece.removeprefix(mark)
    if mark == BYTE_LEVEL:
        text = tokenizer.convert_tokens_to_string([text])
    if not text:
        return piece
    return text if begins or not text[:1].isalnum() else f"{CONTINUES}{text}"
