"""Character sets of HL7 messages: MSH-18 (v2.5.1 2.15.9.18, table 0211), read for any bytes and written without loss.

What MSH-18 leaves out or declares wrongly is read as UTF-8 if it is that, else as Latin-1: a name is then perhaps
misspelt, but the message is read, and it is told that its character set was guessed. python-hl7 does not read MSH-18.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

ASCII: Final = "ASCII"
UTF_8: Final = "UNICODE UTF-8"
WRITTEN: Final = {
    UTF_8: "utf-8",
    ASCII: "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
}
"""The character sets that are written: in none of them is a byte of a delimiter part of another character."""

_ESC: Final = b"\x1b"
_JAPANESE: Final = "iso2022_jp_ext"
_READ: Final = {
    **WRITTEN,
    "ISO IR6": "ascii",
    "ISO IR13": "shift_jis",
    "ISO IR14": "shift_jis",
    "ISO IR87": _JAPANESE,
    "ISO IR159": _JAPANESE,
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "UNICODE": "utf-8",
}
_CASUAL: Final = (  # what senders write instead, and Python's codec for it
    (re.compile(r"(?:UNICODE[ _-]?)?UTF[ _-]?8()"), "utf-8"),
    (re.compile(r"(?:ISO[ _-]?)?8859[ _/-]0?(\d\d?)"), "iso8859_"),
    (re.compile(r"(?:WINDOWS|CP)[ _-]?(125\d)"), "cp"),
    (re.compile(r"US[ _-]?ASCII()"), "ascii"),
)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MSH_18: Final = 17  # of what stands between the field separators


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a message, the codec it was read with, and whether that is what the message declares."""

    text: str
    codec: str
    as_declared: bool


def decode(message: bytes, *, default: str = ASCII) -> Decoded:
    """Return the text of a message in the character set that it declares, `default` if it declares none."""
    body = message.removeprefix(_BYTE_ORDER_MARK)
    codec = codec_of(_declared(body, default))
    for name in dict.fromkeys((codec, "utf-8")):
        if name:
            try:
                return Decoded(body.decode(name), name, as_declared=name == codec)
            except UnicodeError:
                continue
    return Decoded(body.decode("latin-1"), "latin-1", as_declared=False)


def codec_of(term: str) -> str:
    """Return Python's codec for a term of table 0211, or for what senders write instead; "" for any other."""
    name = " ".join(term.upper().split())
    if name in _READ:
        return _READ[name]
    for pattern, codec in _CASUAL:
        if (match := pattern.fullmatch(name)) and _exists(codec + match[1]):
            return codec + match[1]
    return ""


def encode(text: str, term: str) -> bytes:
    """Return a text in a character set of `WRITTEN`; never fails.

    A letter that it lacks is written without its marks ("o" for "ö"), else as "?": the message gets there, and its
    identifiers are what tells whose it is.
    """
    codec = WRITTEN[term]
    try:
        return text.encode(codec)
    except UnicodeError:
        return "".join(_closest(letter, codec) for letter in text).encode(codec)


def _declared(body: bytes, default: str) -> str:
    fields = re.split(rb"[\r\n]", body, maxsplit=1)[0].split(body[3:4] or b"|")
    value = fields[_MSH_18] if len(fields) > _MSH_18 else b""
    terms = [term for term in value.decode("latin-1").split(chr(body[5]) if value else "~") if term.strip()]
    if len(terms) > 1 and _ESC in body and _JAPANESE in map(codec_of, terms):
        return "ISO IR87"  # code extension: the alternatives are switched to by escape sequences (MSH-20)
    return terms[0] if terms else default


def _exists(codec: str) -> bool:
    try:
        "".encode(codec)
    except LookupError:
        return False
    return True


def _closest(letter: str, codec: str) -> str:
    for candidate in (letter, _without_marks(letter)):
        try:
            candidate.encode(codec)
        except UnicodeError:
            continue
        return candidate
    return "?"


def _without_marks(letter: str) -> str:
    parts = unicodedata.normalize("NFKD", letter)
    return "".join(part for part in parts if not unicodedata.combining(part))
