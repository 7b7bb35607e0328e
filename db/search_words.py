"""What a study can be found by: the words of its patient's name and of its description, without accents and case. Pure.

Two texts that are alike but for accents and case have the same words. What one text has in itself of a word, the other
has of its own: so a search by words leaves out nothing that a comparison without case would find.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 64
"""A longer word is kept as pieces of so many characters that overlap by half: what is sought has at most that half."""

_STEP: Final = LONGEST // 2
_PLAIN: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}  # noqa: RUF001
)
"""Letters that Unicode does not take apart into a plain one and its accent."""

_WORD: Final = re.compile(r"\w+")


def folded(text: str) -> str:
    """Return a text without case and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold().translate(_PLAIN)


def words_of(*texts: str) -> tuple[str, ...]:
    """Return the different words of some texts, in order."""
    found = {piece for text in texts for word in _WORD.findall(folded(text)) for piece in _pieces(word)}
    return tuple(sorted(found))


def sought(text: str) -> tuple[str, ...]:
    """Return what is to be sought in words for a text: each has to be a part of a word."""
    return tuple(dict.fromkeys(word[:_STEP] for word in _WORD.findall(folded(text))))


def parts_of(word: str) -> tuple[str, ...]:
    """Return what a word can be found by, in order: its endings, for a part of it begins one of these."""
    return tuple(word[start:] for start in range(len(word)))


def behind(part: str) -> str:
    """Return a text that stands behind all that begin so, in the order of code points."""
    return f"{part}\U0010ffff"


def longest_first(parts: Iterable[str]) -> list[str]:
    """Return parts in the order in which they are likely to say more."""
    return sorted(parts, key=lambda part: (-len(part), part))


def _pieces(word: str) -> Iterable[str]:
    yield word[:LONGEST]
    for start in range(_STEP, len(word) - _STEP, _STEP):
        yield word[start : start + LONGEST]
