"""What a compressed frame says about itself, read before a decoder may allocate by it.

JPEG and JPEG-LS: the frame header (ITU-T T.81 B.2.2, T.87 C.2.2); JPEG 2000: the SIZ segment (ITU-T T.800 A.5.1).
"""

from dataclasses import dataclass
from struct import unpack_from

_FRAME_HEADERS = frozenset(
    {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
)  # SOF0-15 and JPEG-LS, without DHT, JPG, DAC
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a segment: TEM, RST0-7, SOI
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_JPEG_LS = 0xF7
_TILE_BITS = 8 * 12  # a tile's SOT segment (T.800 A.4.2): decoders make room for every tile that SIZ speaks of
_START_OF_SCAN, _MARKER = 0xDA, 0xFF
_J2K_START = b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Codestream:
    """Size, samples and bits per sample of a compressed frame, and whether its end is there.

    `possible` tells whether the frame has bytes enough for an image of that size, however smooth.
    """

    columns: int
    rows: int
    samples: int
    precision: int
    complete: bool
    possible: bool


def read_codestream(frame: bytes) -> Codestream | None:
    """Read the beginning of a JPEG, JPEG-LS or JPEG 2000 frame; None if it is none of them."""
    start = frame.find(_J2K_START, 0, 4096) if not frame.startswith(b"\xff\xd8") else -1
    found = _read_j2k(frame, start) if start >= 0 else _read_jpeg(frame)
    if found is None:
        return None
    columns, rows, samples, precision, least_bits = found
    possible = len(frame) * 8 >= least_bits
    return Codestream(columns, rows, samples, precision, complete=_has_end(frame), possible=possible)


def _has_end(frame: bytes) -> bool:
    """Tell whether nothing but padding stands behind the last end marker: decoders fill what is missing silently."""
    end = frame.rfind(_END)
    return end >= 0 and len(set(frame[end + len(_END) :])) <= 1


def _least_bits(marker: int, rows: int, columns: int, samples: int) -> int:
    """Return how many bits an image of that size has at least, by the marker of its frame header.

    Lossless JPEG has one for each value, JPEG-LS one for each line (which is one run). Of DCT, one component at least
    has a block for each 256 pixels, whatever the sampling factors, and each block has a bit (T.81 F.1.2.1).
    """
    if marker in _LOSSLESS:
        return rows * columns * samples
    return rows if marker == _JPEG_LS else rows * columns // 256


def _read_jpeg(frame: bytes) -> tuple[int, int, int, int, int] | None:
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
            return columns, rows, samples, precision, _least_bits(marker, rows, columns, samples)
        else:
            position += 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    return None


def _read_j2k(frame: bytes, start: int) -> tuple[int, int, int, int, int] | None:
    if start + 43 > len(frame):
        return None
    right, bottom, left, top = unpack_from(">4L", frame, start + 8)
    samples, depth = unpack_from(">HB", frame, start + 40)
    tile_columns, tile_rows, tile_left, tile_top = unpack_from(">4L", frame, start + 24)
    tiles = -((tile_left - right) // max(tile_columns, 1)) * -((tile_top - bottom) // max(tile_rows, 1))
    return right - left, bottom - top, samples, (depth & 0x7F) + 1, tiles * _TILE_BITS
