"""An association request made digestible: what is wrong with one presentation context must not cost the others.

pynetdicom aborts the association over a proposed UID of 65 characters, and fails on a context without any transfer
syntax. Such a context is given a SOP Class that nobody accepts before the request is decoded, so that it alone is
refused (PS3.8 9.3.2.2), and negotiations about UIDs that are none are left out. AE titles that are padded with NUL
instead of spaces, as old devices do, are those of PS3.8 table 9-11.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

from pynetdicom.association import Association

_FIXED_BYTES: Final = 74  # PS3.8 table 9-11: what stands before the variable items
_CALLED, _CALLING = slice(10, 26), slice(26, 42)
_CONTEXT: Final = 0x20
_CONTEXT_BYTES: Final = 4
_ABSTRACT_SYNTAX: Final = 0x30
_TRANSFER_SYNTAX: Final = 0x40
_USER_INFORMATION: Final = 0x50
_WITH_UID: Final = frozenset({0x54, 0x56, 0x57})  # role selection, extended and common extended negotiation
_IMPLEMENTATION_CLASS_UID: Final = 0x52
_LONGEST_UID: Final = 64
_REFUSED_CLASS: Final = b"1.2.840.10008.1.3.10"  # Media Storage Directory Storage, never on a network
_DEFAULT_SYNTAX: Final = b"1.2.840.10008.1.2"


def mend_request(association: Association) -> None:
    """Mend the request of an association that has not started; it is the first PDU, and no other is touched."""
    dul: Any = association.dul
    decode = dul._decode_pdu  # noqa: SLF001  # there is no public place for it

    def mend_and_decode(data: bytearray) -> object:
        del dul._decode_pdu  # noqa: SLF001
        return decode(bytearray(mended(bytes(data))))

    dul._decode_pdu = mend_and_decode  # noqa: SLF001


def mended(pdu: bytes) -> bytes:
    """Return an A-ASSOCIATE-RQ PDU that can be decoded; one that is malformed, or no such PDU, comes back as it is."""
    if pdu[:1] != b"\x01" or len(pdu) < _FIXED_BYTES:
        return pdu
    try:
        items = b"".join(_mended_item(kind, value) for kind, value in _items(pdu[_FIXED_BYTES:]))
    except struct.error:
        return pdu
    titles = (pdu[place].rstrip(b"\0 ").ljust(16) for place in (_CALLED, _CALLING))
    body = b"".join((pdu[6 : _CALLED.start], *titles, pdu[_CALLING.stop : _FIXED_BYTES], items))
    return struct.pack(">BBL", 0x01, 0, len(body)) + body


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each item; raises struct.error where lengths lie."""
    position = 0
    while position < len(data):
        kind, _, length = struct.unpack_from(">BBH", data, position)
        position += 4
        yield kind, struct.unpack_from(f"{length}s", data, position)[0]
        position += length


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def _mended_item(kind: int, value: bytes) -> bytes:
    if kind == _CONTEXT:
        return _item(kind, _mended_context(value))
    if kind == _USER_INFORMATION:
        kept = (_item(sub, inner) for sub, inner in _items(value) if _is_negotiable(sub, inner))
        return _item(kind, b"".join(kept))
    return _item(kind, value)


def _mended_context(value: bytes) -> bytes:
    items = list(_items(value[_CONTEXT_BYTES:]))
    classes = [inner for kind, inner in items if kind == _ABSTRACT_SYNTAX]
    syntaxes = [inner for kind, inner in items if kind == _TRANSFER_SYNTAX and _can_be_uid(inner)]
    if len(classes) == 1 and _can_be_uid(classes[0]) and syntaxes:
        wanted = classes[0]
    else:
        wanted, syntaxes = _REFUSED_CLASS, [_DEFAULT_SYNTAX]
    return b"".join(
        (
            value[:_CONTEXT_BYTES],
            _item(_ABSTRACT_SYNTAX, wanted),
            *(_item(_TRANSFER_SYNTAX, syntax) for syntax in syntaxes),
        )
    )


def _is_negotiable(kind: int, value: bytes) -> bool:
    if kind == _IMPLEMENTATION_CLASS_UID:
        return _can_be_uid(value)
    if kind in _WITH_UID:
        (length,) = struct.unpack_from(">H", value)
        return _can_be_uid(value[2 : 2 + length])
    return True


def _can_be_uid(value: bytes) -> bool:
    """Tell whether pynetdicom takes it for a UID; whether it is one is for the negotiation to say."""
    return 0 < len(value.rstrip(b"\0")) <= _LONGEST_UID and value.isascii()
