"""Pictures beside DICOM: telling files apart, reading PNG and JPEG, and making CR Instances for demonstrations."""

import io
import struct
import zlib
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dicom_io import reasons
from dicom_io.codestream import read_codestream
from dicom_io.cr_writer import CrIdentity, write_cr
from dicom_io.errors import HeaderError, PixelError
from dicom_io.image import PixelLimits
from dicom_io.scan import open_stream
from dicom_io.silence import quiet_pydicom

__all__ = ["CrIdentity", "read_picture", "sniff", "write_cr"]

_SIGNATURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_PREAMBLE: Final = 128
_FIRST_GROUPS: Final = frozenset(
    {b"\x02\x00", b"\x08\x00", b"\x00\x08"}
)  # file meta, or a dataset of either byte order
_PILLOW_ERRORS: Final = (
    *(EOFError, OSError, SyntaxError, ValueError, MemoryError, OverflowError, struct.error, zlib.error),
    *(Image.DecompressionBombError, UnidentifiedImageError),
)
_GRAY_MODES: Final = frozenset({"1", "L", "LA", "La"})
_DEEP_MODES: Final = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_DEFAULT_LIMITS: Final = PixelLimits()


def sniff(path: Path) -> Literal["dicom", "picture", "unknown"]:
    """Tell what a file is by its first bytes, whatever its name: a PNG or JPEG is a "picture"."""
    try:
        with path.open("rb") as file:
            head = file.read(_PREAMBLE + 4)
    except OSError:
        return "unknown"
    if head[_PREAMBLE:] == b"DICM":
        return "dicom"
    if head.startswith(_SIGNATURES):
        return "picture"
    return "dicom" if _is_bare_dataset(head) else "unknown"


def read_picture(path: Path, *, limits: PixelLimits = _DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Return a PNG or JPEG as uint8 [rows, columns] if it is gray, else [rows, columns, 3] in RGB.

    Pictures of more than 8 bits are shown from their least to their greatest value, as deep DICOM images without a
    window are. PixelError if it is neither, is cut short, or is larger than the limits.
    """
    try:
        if path.stat().st_size > limits.max_bytes:
            raise PixelError(reasons.TOO_LARGE)
        data = path.read_bytes()
        with quiet_pydicom(), Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > limits.max_pixels_per_frame:
                raise PixelError(reasons.TOO_LARGE)
            _check_end(data, picture.format)
            return _as_array(ImageOps.exif_transpose(picture))
    except Image.DecompressionBombError as error:
        raise PixelError(reasons.TOO_LARGE) from error
    except _PILLOW_ERRORS as error:
        raise PixelError(reasons.NOT_A_PICTURE) from error


def _is_bare_dataset(head: bytes) -> bool:
    if head[:2] not in _FIRST_GROUPS:
        return False
    try:
        open_stream(io.BytesIO(head))
    except HeaderError:
        return False
    return True


def _check_end(data: bytes, kind: str | None) -> None:
    if kind != "JPEG":
        return
    codestream = read_codestream(data)
    if codestream is not None and not codestream.complete:
        raise PixelError(reasons.TRUNCATED)


def _as_array(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode in _DEEP_MODES:
        return _stretched(np.asarray(picture, dtype=np.float64))
    mode = "L" if picture.mode in _GRAY_MODES else "RGB"
    return np.asarray(picture.convert(mode), dtype=np.uint8)


def _stretched(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255.0 / max(high - low, 1.0))
    return np.floor(scaled + 0.5).astype(np.uint8)
