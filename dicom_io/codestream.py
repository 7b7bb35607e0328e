"""What a compressed frame says about itself, read before a decoder may allocate by it.

JPEG and JPEG-LS: the frame header (ITU-T T.81 B.2.2, T.87 C.2.2); JPEG 2000: the SIZ segment (ITU-T T.800 A.5.1).
"""

from dataclasses import dataclass
from struct import unpack_from

_FRAME_HEADERS = frozenset(
    {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
)  # SOF0-15 and JPEG-LS, without DHT, JPG, DAC
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a segment: TEM, RST0-7, SOI
_START_OF_SCAN, _MARKER = 0xDA, 0xFF
_J2K_START = b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Codestream:
    """Size, samples and bits per sample of a compressed frame, and whether its end is there."""

    columns: int
    rows: int
    samples: int
    precision: int
    complete: bool


def read_codestream(frame: bytes) -> Codestream | None:
    """Read the beginning of a JPEG, JPEG-LS or JPEG 2000 frame; None if it is none of them."""
    start = frame.find(_J2K_START, 0, 4096) if not frame.startswith(b"\xff\xd8") else -1
    found = _read_j2k(frame, start) if start >= 0 else _read_jpeg(frame)
    if found is None:
        return None
    columns, rows, samples, precision = found
    return Codestream(columns, rows, samples, precision, complete=_has_end(frame))


def _has_end(frame: bytes) -> bool:
    """Tell whether nothing but padding stands behind the last end marker: decoders fill what is missing silently."""
    end = frame.rfind(_END)
    return end >= 0 and len(set(frame[end + len(_END) :])) <= 1


def _read_jpeg(frame: bytes) -> tuple[int, int, int, int] | None:
    position = 2
    while position + 4 <= len(frame) and frame[position] == _MARKER:
        marker = frame[position + 1]
        if marker == _MARKER:
            position += 1
        elif marker in _ALONE:
            position += 2
        elif marker == _START_OF_SCAN:
            return None
        elif marker in _FRAME_HEADERS:
            if position + 10 > len(frame):
                return None
            precision, rows, columns, samples = unpack_from(">BHHB", frame, position + 4)
            return columns, rows, samples, precision
        else:
            position += 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    return None


def _read_j2k(frame: bytes, start: int) -> tuple[int, int, int, int] | None:
    if start + 43 > len(frame):
        return None
    right, bottom, left, top = unpack_from(">4L", frame, start + 8)
    samples, depth = unpack_from(">HB", frame, start + 40)
    return right - left, bottom - top, samples, (depth & 0x7F) + 1
