"""The command sets of C-STORE, read and written directly (PS3.7 9.3.1, 6.3.1: Implicit VR Little Endian).

They come and go with every Instance, and to make data sets of them and check each element took more processor time than
receiving and storing the Instance. Only the plain case is taken here; all else is left to pynetdicom.
"""

import struct
from collections.abc import Sequence
from typing import Final

_HEAD: Final = struct.Struct("<HHL")
_SHORT: Final = struct.Struct("<H")
_TAG: Final = struct.Struct("<HH")
_COMMAND_FIELD: Final = 0x0100
_DATA_SET_TYPE: Final = 0x0800
_STORE_REQUEST: Final = 0x0001
_STORE_RESPONSE: Final = 0x8001
_NO_DATA_SET: Final = 0x0101


class Argument:
    """One element of a command set, as far as pynetdicom looks at it when it makes a primitive."""

    VM: Final = 1
    tag: Final = None
    __slots__ = ("keyword", "value")

    def __init__(self, keyword: str, value: str | int) -> None:
        """Give an argument of the primitive its value."""
        self.keyword = keyword
        self.value = value


def read_store_request(data: bytes) -> dict[int, bytes] | None:
    """Return the raw elements of the command set of a C-STORE request with a dataset, by element number.

    None for whatever else it may be, or is not.
    """
    found: dict[int, bytes] = {}
    position, end = 0, len(data)
    while position < end:
        start = position + _HEAD.size
        if start > end:
            return None
        group, number, length = _HEAD.unpack_from(data, position)
        position = start + length
        if group != 0 or position > end or number in found:
            return None
        found[number] = data[start:position]
    kind, has_data = found.get(_COMMAND_FIELD, b""), found.get(_DATA_SET_TYPE, b"")
    if len(kind) != _SHORT.size or len(has_data) != _SHORT.size:
        return None
    is_one = _SHORT.unpack(kind)[0] == _STORE_REQUEST and _SHORT.unpack(has_data)[0] != _NO_DATA_SET
    return found if is_one else None


def write_store_response(  # the elements of the message
    sop_class_uid: str,
    sop_instance_uid: str,
    message_id: int,
    status: int,
    *,
    comment: str = "",
    offending: Sequence[int] = (),
) -> bytes:
    """Return the command set of a C-STORE response (PS3.7 table 9.3-2, C.4.2.1.12 and .13)."""
    elements = [
        (0x0002, _padded(sop_class_uid, "\0")),
        (_COMMAND_FIELD, _SHORT.pack(_STORE_RESPONSE)),
        (0x0120, _SHORT.pack(message_id)),
        (_DATA_SET_TYPE, _SHORT.pack(_NO_DATA_SET)),
        (0x0900, _SHORT.pack(status)),
        (0x1000, _padded(sop_instance_uid, "\0")),
    ]
    if offending:
        elements.insert(-1, (0x0901, b"".join(_TAG.pack(tag >> 16, tag & 0xFFFF) for tag in offending)))
    if comment:
        elements.insert(-1, (0x0902, _padded(comment, " ")))
    body = b"".join(_HEAD.pack(0, number, len(value)) + value for number, value in elements)
    return _HEAD.pack(0, 0, 4) + struct.pack("<L", len(body)) + body


def _padded(text: str, by: str) -> bytes:
    return (text + by * (len(text) % 2)).encode("latin-1")
