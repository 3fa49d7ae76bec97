"""Typos, letters and punctuation: exact strings, and what each typo may do to a word."""

import random

import pytest

from workbench.errors import BadInput
from workbench.specs import VarySpec
from workbench.variations import NEIGHBOURS, PLAIN, _mistyped, unpunctuated, with_typos

TEXT = "Which insects dance to tell where flowers are?"


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        ("0:q1", "Whoch insects dancs to tell where flowerss are?"),
        ("1:q1", "Which insects daance to tell whee flowers are?"),
        ("2:q1", "Wnich inects dance to tell wjere floweers are?"),
        ("3:q1", "Which isects dance to tel where flowers are?"),
    ],
)
def test_seeded_typos(seed, expected):
    assert with_typos(TEXT, seed, 0.5) == expected == with_typos(TEXT, seed, 0.5)


def test_rates():
    assert with_typos(TEXT, "s", 0.0) == TEXT
    words = zip(TEXT.split(), with_typos(TEXT, "s", 1.0).split(), strict=True)
    # Words of fewer than four letters stay, all others change.
    assert [before != after for before, after in words] == [True, True, True, False, True, True, True, False]
    long = "alpha " * 4000
    changed = sum(word != "alpha" for word in with_typos(long, "s", 0.3).split())
    assert 1100 < changed < 1300  # 1,200 ± 3 standard deviations of 29


def test_every_typo_is_one_of_four():
    word = "Keyboard"
    drops = {word[:n] + word[n + 1 :] for n in range(1, 8)}
    doubles = {word[:n] + word[n] + word[n:] for n in range(1, 8)}
    swaps = {word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in range(1, 7)}
    keys = {word[:n] + key + word[n + 1 :] for n in range(1, 8) for key in NEIGHBOURS[word[n]]}
    made = {_mistyped(word, random.Random(seed)) for seed in range(4000)}
    assert made == drops | doubles | swaps | keys and word not in made


def test_letters_without_a_keyboard_and_capitals():
    made = {_mistyped("ГОРЫ", random.Random(seed)) for seed in range(400)}
    # First letter kept; swaps, drops and doubles only.
    assert made == {"ГРОЫ", "ГОЫР", "ГРЫ", "ГОЫ", "ГОР", "ГООРЫ", "ГОРРЫ", "ГОРЫЫ"}
    assert all(word.isupper() for word in (_mistyped("BEES", random.Random(seed)) for seed in range(100)))
    assert "aaaa" not in {_mistyped("aaaa", random.Random(seed)) for seed in range(100)}


def test_neighbours_on_the_keyboard():
    assert {key: set(NEIGHBOURS[key]) for key in "qgmp"} == {
        "q": set("wa"),
        "g": set("fhtyvb"),
        "m": set("njk"),
        "p": set("ol"),
    }
    assert all(key in NEIGHBOURS[other] for key, others in NEIGHBOURS.items() for other in others)


def test_plain_variations():
    assert PLAIN["lowercase"]("Öl IM See") == "öl im see"
    assert PLAIN["uppercase"]("straße") == "STRASSE"
    assert unpunctuated("What's the state-of-the-art, (really)?") == "Whats the state of the art really"
    assert unpunctuated("«größe» 3.5% of $5") == "größe 3 5 of $5"
    assert unpunctuated("?!") == ""


def test_specs():
    with pytest.raises(BadInput, match="no variation “shout”"):
        VarySpec(("shout",))
    with pytest.raises(BadInput, match="No variation was chosen"):
        VarySpec(())
    with pytest.raises(BadInput, match="named twice"):
        VarySpec(("typos", "typos"))
    with pytest.raises(BadInput, match="must lie between"):
        VarySpec(rate=0.0)
    spec = VarySpec.from_dict({"kinds": ["paraphrase"], "writer": {"model": "m", "endpoint": "http://h"}})
    assert spec.writer is not None and spec.writer.model == "m" and VarySpec.from_dict(spec.to_dict()) == spec
    with pytest.raises(BadInput, match="WriterSpec has no field “modell”"):
        VarySpec.from_dict({"writer": {"modell": "m"}})
