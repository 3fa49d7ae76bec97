"""Queries as people really type them: with typos, in other letters, without punctuation. Seeded and pure.

A typo is one of four, as in studies of typo-robust retrieval (Zhuang & Zuccon 2021): two neighbouring letters swapped,
one dropped, one doubled, or one replaced by its neighbour on a QWERTY keyboard.
"""

import random
import re
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType

SHORTEST = 4
"""Letters of a word that can get a typo; its first letter stays, as it does when people mistype."""
_WORD = re.compile(rf"[^\W\d_]{{{SHORTEST},}}")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> Mapping[str, str]:
    """Letter → the letters beside it and, half a key apart, above and below it."""
    place = {letter: (y, x + 0.5 * y) for y, row in enumerate(_ROWS) for x, letter in enumerate(row)}
    return MappingProxyType(
        {
            letter: "".join(
                other
                for other, (v, u) in place.items()
                if other != letter and abs(v - y) <= 1 and abs(u - x) <= (1 if v == y else 0.5)
            )
            for letter, (y, x) in place.items()
        }
    )


NEIGHBOURS = _neighbours()


def with_typos(text: str, seed: str, rate: float) -> str:
    """`text` where each word of at least `SHORTEST` letters got one typo with the probability `rate`.

    The same text, seed and rate give the same typos.
    """
    chance = random.Random(seed)
    return _WORD.sub(lambda found: _mistyped(found[0], chance) if chance.random() < rate else found[0], text)


def _mistyped(word: str, chance: random.Random) -> str:
    """`word` with one typo; never itself."""
    kinds = ["drop", "double"]
    swaps = [n for n in range(1, len(word) - 1) if word[n] != word[n + 1]]
    keys = [n for n in range(1, len(word)) if word[n].lower() in NEIGHBOURS]
    kinds += ["swap"] if swaps else []
    kinds += ["neighbour"] if keys else []
    kind = chance.choice(kinds)
    if kind == "swap":
        at = chance.choice(swaps)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == "neighbour":
        at = chance.choice(keys)
        letter = chance.choice(NEIGHBOURS[word[at].lower()])
        return word[:at] + (letter.upper() if word[at].isupper() else letter) + word[at + 1 :]
    at = chance.randrange(1, len(word))
    return word[:at] + word[at + 1 :] if kind == "drop" else word[:at] + word[at] + word[at:]


def unpunctuated(text: str) -> str:
    """`text` without punctuation: apostrophes vanish, other marks become spaces.

    >>> unpunctuated("What's the state-of-the-art?")
    'Whats the state of the art'
    """
    bare = re.sub("['’ʼ`]", "", text)
    return " ".join("".join(" " if unicodedata.category(each)[0] == "P" else each for each in bare).split())


def lowercase(text: str) -> str:
    return text.lower()


def uppercase(text: str) -> str:
    return text.upper()


PLAIN: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"lowercase": lowercase, "uppercase": uppercase, "unpunctuated": unpunctuated}
)
"""The variations that need neither chance nor a model."""
