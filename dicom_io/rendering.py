"""Frames as pictures: PNG and JPEG, cut, flipped and scaled to a viewport (PS3.18 8.3.5.1.3)."""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG"}
MEDIA_TYPES: Final = tuple(_FORMATS)
"""What can be made, the default first."""


THUMBNAIL_SIDE: Final = 128
"""Pixels of a small picture's longer side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    """A place for a picture, and what of the image is shown there; a negative width or height flips it.

    `source_width` and `source_height` are None for all that lies right of and below the source's corner.
    """

    width: int
    height: int
    source_x: float = 0.0
    source_y: float = 0.0
    source_width: float | None = None
    source_height: float | None = None


def picture(frame: NDArray[np.uint8], media_type: str, *, viewport: Viewport | None = None, quality: int = 90) -> bytes:
    """Return a frame, [rows, columns] or [rows, columns, 3], as a picture; ValueError for a viewport of nothing."""
    image = Image.fromarray(frame)
    if viewport is not None:
        image = _fitted(image, viewport)
    file = io.BytesIO()
    options = {"quality": quality} if media_type == "image/jpeg" else {}
    image.save(file, format=_FORMATS[media_type], **options)
    return file.getvalue()


def thumbnail(pixels: NDArray[np.uint8], rows: int, columns: int) -> bytes:
    """Return a small JPEG of a frame of `rows` and `columns`, made of `pixels`, which may be the frame squeezed."""
    longest = max(rows, columns)
    size = tuple(max(round(side * THUMBNAIL_SIDE / longest), 1) for side in (columns, rows))
    image = Image.fromarray(pixels).resize((size[0], size[1]), Image.Resampling.BILINEAR, reducing_gap=3.0)
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=80)
    return file.getvalue()


def _fitted(image: Image.Image, viewport: Viewport) -> Image.Image:
    """Return the part of an image that a viewport shows, as large as fits in without another shape."""
    width = image.width - viewport.source_x if viewport.source_width is None else viewport.source_width
    height = image.height - viewport.source_y if viewport.source_height is None else viewport.source_height
    left, top = max(viewport.source_x, 0.0), max(viewport.source_y, 0.0)
    right, bottom = min(left + abs(width), image.width), min(top + abs(height), image.height)
    if right <= left or bottom <= top:
        message = "expected a viewport that shows some of the image. Received: one beside it"
        raise ValueError(message)
    scale = min(viewport.width / (right - left), viewport.height / (bottom - top))
    size = max(round((right - left) * scale), 1), max(round((bottom - top) * scale), 1)
    shown = image.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom), reducing_gap=3.0)
    if width < 0:
        shown = shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if height < 0:
        shown = shown.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return shown
