"""Which words of a query a text holds, for highlighting."""

import re
import unicodedata

# Combining accents belong to the letter before them.
_WORD = re.compile(r"(?:\w[\u0300-\u036f]*)+")
_UNSPACED = re.compile(r"[\u2e80-\uffef]")
# Lucene's English list, the one BM25 leaves out.
_STOPWORDS = {
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of",
    "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with",
}  # fmt: skip


def matched_terms(query: str, text: str) -> list[str]:
    """Words of `query` that `text` holds, in the query's order; case and composition of accents make no difference.

    Words of one letter and stop words count only where the query has no others. A word of a script without spaces
    matches inside a longer run. Where the text writes a word otherwise (STRASSE, Straße), its own form is given.
    """
    words: dict[str, str] = {}
    for word in _WORD.findall(query):
        words.setdefault(_key(word), word)
    telling = {key: word for key, word in words.items() if len(key) > 1 and key not in _STOPWORDS}
    wanted = telling or words
    forms: dict[str, set[str]] = {}
    for form in set(_WORD.findall(text)):
        forms.setdefault(_key(form), set()).add(form)
    whole = _key(text) if any(_UNSPACED.search(key) for key in wanted) else ""
    found: list[str] = []
    for key, word in wanted.items():
        if key in forms:
            same_letters = {form for form in forms[key] if form.lower() == word.lower()}
            others = {form.lower(): form for form in sorted(forms[key] - same_letters)}
            found += [word] * bool(same_letters) + list(others.values())
        elif _UNSPACED.search(key) and key in whole:
            found.append(word)
    return found


def _key(word: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
