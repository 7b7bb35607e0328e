"""Text of DICOM elements: Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 section 6.1) to `str`, for any bytes.

pydicom's own decoding warns, and its warnings and log lines quote values; here nothing warns and nothing fails. Where
the declared character set cannot be right, the text is read as UTF-8 if it is that, else as Latin-1: a name is then
perhaps misspelt, but it is there, and the Instance is accepted.
"""

import re
from collections.abc import Iterator, Sequence

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

_ESC = b"\x1b"
_ASCII = "ascii"
_FRAGMENTS = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
_SELF_ESCAPED = frozenset({"iso2022_jp", "iso2022_jp_2"})  # Python's codecs want to see these escape sequences
_FOUR_BYTE_ESCAPES = (b"\x1b$(", b"\x1b$)")
_DELIMITERS = re.compile(rb"[\r\n\f\\^=]")  # each resets to the first character set (PS3.5 6.1.2.5.3)
_LATIN_9 = "iso8859_15"  # PS3.3 C.12.1.1.2 has it since 2020, pydicom 3.0 does not
_CODECS = {
    **{term: codec for term, codec in python_encoding.items() if term.startswith(("ISO_IR", "ISO 2022", "GB"))},
    **dict.fromkeys(("ISO_IR 6", "ISO 2022 IR 6"), _ASCII),
    **dict.fromkeys(("ISO_IR 203", "ISO 2022 IR 203"), _LATIN_9),
}
_ESCAPES = {**CODES_TO_ENCODINGS, _ESC + b"-b": _LATIN_9}  # PS3.3 table C.12-3
TERMS = tuple(sorted(_CODECS))
"""The defined terms of Specific Character Set whose text is read (PS3.3 C.12.1.1.2)."""
_NO_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))


def codec_names(terms: Sequence[str]) -> tuple[str, ...]:
    """Return Python's codecs for the defined terms of Specific Character Set; unknown terms count as ASCII."""
    names = tuple(_codec(term.strip()) for term in terms)
    return names or (_ASCII,)


def decode_text(value: bytes, codecs: Sequence[str]) -> str:
    """Return the text of an element's `value`, without padding and control characters. Never fails.

    `codecs` come from `codec_names`: the first is the default, the others may be switched to by escape sequences.
    """
    if value.isascii() and _ESC not in value:
        text = value.decode(_ASCII)
    else:
        text = "".join(_decode(piece, codec or codecs[0]) for piece, codec in _pieces(value, codecs[0]))
    return without_controls(text).strip()


def ascii_text(value: bytes) -> str:
    """Return a value of the default repertoire (VR CS, UI, DS, ...; PS3.5 6.1.2.1), without padding. Never fails."""
    return value.decode(_ASCII, "replace").strip("\0 ")


def without_controls(text: str) -> str:
    """Return a text without control characters: PostgreSQL cannot keep NUL, and the others break lines."""
    return text if text.isprintable() else text.translate(_NO_CONTROLS)


def is_as_declared(value: bytes, codecs: Sequence[str]) -> bool:
    """Tell whether `decode_text` takes the value for what it is declared to be, and has to guess nothing.

    A value that happens to be valid in the wrong character set cannot be told from a right one.
    """
    if value.isascii() and _ESC not in value:
        return True
    return all(_is_valid(piece, codec) for piece, codec in _pieces(value, codecs[0]))


def _codec(term: str) -> str:
    return _CODECS.get(term) or _CODECS.get(term.replace("ISO-IR", "ISO_IR").upper(), _ASCII)


def _pieces(value: bytes, default: str) -> Iterator[tuple[bytes, str]]:
    """Yield the parts of a value, each with its codec; "" for what follows an escape sequence that is none."""
    for fragment in _FRAGMENTS.findall(value):
        yield from _pieces_of(fragment, default)


def _pieces_of(fragment: bytes, default: str) -> Iterator[tuple[bytes, str]]:
    """Yield the parts of a part of a value that holds at most one escape sequence, at its beginning."""
    if not fragment.startswith(_ESC):
        yield fragment, default
        return
    length = 4 if fragment.startswith(_FOUR_BYTE_ESCAPES) else 3
    codec = _ESCAPES.get(fragment[:length])
    if codec in _SELF_ESCAPED:
        yield fragment, codec
        return
    if codec is None:
        yield fragment[1:], ""
        return
    body = fragment[length:]
    reset = _DELIMITERS.search(body)
    if reset is None:
        yield body, codec
        return
    yield body[: reset.start()], codec
    yield body[reset.start() :], default


def _is_valid(value: bytes, codec: str) -> bool:
    if not codec:
        return False
    try:
        value.decode(codec)
    except UnicodeError:
        return False
    return True


def _decode(value: bytes, codec: str) -> str:
    for name in (codec, "utf-8"):
        try:
            return value.decode(name)
        except UnicodeError:
            continue
    return value.decode("latin-1")
