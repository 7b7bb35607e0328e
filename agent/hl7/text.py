"""Delimiters and escape sequences of HL7 v2 (v2.5.1 chapter 2, 2.5.4 and 2.7).

What cannot be an escape sequence is left as it is: many senders write backslashes that are none. Not python-hl7's:
its `escape` writes code points for bytes, its `unescape` drops such backslashes with what follows, and logs the value.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

NULL: Final = '""'
"""A field with this value was emptied; one without any value says nothing (2.5.3)."""

_CONTROLS: Final = (*range(0x20), 0x7F)
_NEW_LINES: Final = {"br": 1, "ce": 1, "sp": 1}
_DELIMITERS: Final = 5


@dataclass(frozen=True)
class Delimiters:
    """MSH-1 and MSH-2: the characters that divide a message, and the one that escapes them."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    @property
    def encoding_characters(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent

    @property
    def dividing(self) -> str:
        """All but the one that escapes."""
        return self.field + self.component + self.repetition + self.subcomponent

    def escaped(self, text: str) -> str:
        """Return a text that can stand in any field: delimiters and control characters become escape sequences."""
        return text.translate(self._escapes)

    def unescaped(self, text: str, codec: str = "ascii") -> str:
        r"""Return the text that an escaped one stands for; \X..\ are bytes of the message's character set `codec`.

        Line breaks of formatted text become "\n", highlighting goes, and what is local to two systems (\Z..\) or would
        switch character sets (\C..\, \M..\) is left as it is.
        """
        if self.escape not in text:
            return text
        return self._sequence.sub(self._reader(codec), text)

    @cached_property
    def _escapes(self) -> dict[int, str]:
        named = {
            self.field: "F",
            self.component: "S",
            self.repetition: "R",
            self.escape: "E",
            self.subcomponent: "T",
        }
        table = {code: f"{self.escape}X{code:02X}{self.escape}" for code in _CONTROLS}
        return table | {ord(letter): f"{self.escape}{name}{self.escape}" for letter, name in named.items()}

    @property
    def _sequence(self) -> re.Pattern[str]:
        return _pattern(self.escape)

    def _reader(self, codec: str) -> Callable[[re.Match[str]], str]:
        named = {
            "F": self.field,
            "S": self.component,
            "R": self.repetition,
            "E": self.escape,
            "T": self.subcomponent,
            "H": "",
            "N": "",
        }

        def read(match: re.Match[str]) -> str:
            if match["bytes"]:
                return _text(bytes.fromhex(re.sub(r"[^0-9A-Fa-f]", "", match["bytes"])), codec)
            if match["name"]:
                return named[match["name"]]
            if match["format"]:
                count = int(match["count"] or 1)
                space = " " * count if match["format"] == "sk" else ""
                return "\n" * (count if match["format"] == "sp" else _NEW_LINES.get(match["format"], 0)) or space
            return match[0]

        return read


STANDARD: Final = Delimiters()
"""Those that the standard recommends, and that this agent writes."""


def delimiters_of(start: str) -> Delimiters | None:
    """Return the delimiters that a message declares in its first nine characters; None if they cannot be."""
    letters = start[3:8]
    if start[:3] != "MSH" or len(letters) < _DELIMITERS:
        return None
    field, component, repetition, escape, subcomponent = tuple(letters)
    if subcomponent == field:  # old senders leave those out that they do not use
        subcomponent = STANDARD.subcomponent
    found = (field, component, repetition, escape, subcomponent)
    if len(set(found)) < _DELIMITERS or any(
        letter.isalnum() or letter.isspace() or not letter.isprintable() for letter in found
    ):
        return None
    return Delimiters(*found)


@lru_cache(maxsize=8)
def _pattern(escape: str) -> re.Pattern[str]:
    e = re.escape(escape)
    return re.compile(
        rf"(?P<bytes>(?:{e}X(?:[0-9A-Fa-f]{{2}})+{e})+)"
        rf"|{e}(?P<name>[FSRETHN]){e}"
        rf"|{e}\.(?P<format>br|sp|fi|nf|in|ti|sk|ce)[+-]?(?P<count>\d{{0,2}}){e}"
        rf"|{e}(?:Z[0-9A-Za-z.]*|C[0-9A-Fa-f]{{4}}|M[0-9A-Fa-f]{{4,6}}){e}"
    )


def _text(value: bytes, codec: str) -> str:
    try:
        return value.decode(codec)
    except UnicodeError:
        return value.decode("latin-1")
