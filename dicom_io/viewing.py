"""One frame as somebody wants to see it: with a window of their own, without decoding the other frames."""

import dataclasses
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate

from dicom_io import colour, grayscale, reasons
from dicom_io.attributes import Attributes
from dicom_io.codecs import StoredFrame, decode, split_frames
from dicom_io.errors import PixelError
from dicom_io.grayscale import Grayscale
from dicom_io.image import Image, PixelDescription, PixelLimits, open_image
from dicom_io.syntaxes import NATIVE
from dicom_io.voi import Window

VIEW_LIMITS: Final = PixelLimits(max_frames=100_000)
"""Of many frames only one is decoded."""


def read_view(
    path: Path, index: int, window: Window | None = None, *, limits: PixelLimits = VIEW_LIMITS
) -> NDArray[np.uint8]:
    """Return frame `index`, the first is 0, as it is displayed: as `read_frames` does, or with another window.

    A window counts for grayscale only. PixelError, with the reason, where there is no such frame.
    """
    frame, attributes, description, transformation = one_frame(path, index, limits=limits)
    if transformation is None:
        return colour.to_rgb(frame, attributes, description)
    if window is not None:
        transformation = dataclasses.replace(transformation, voi=window)
    return grayscale.to_display(frame.pixels, transformation)


def one_frame(
    path: Path, index: int, *, limits: PixelLimits = VIEW_LIMITS, wanted: Collection[int] = ()
) -> tuple[StoredFrame, Attributes, PixelDescription, Grayscale | None]:
    """Return frame `index` as it is stored, and what shows it: no transformation is there of colours.

    The attributes are those that these need, and those `wanted`. PixelError, with the reason, where there is no such
    frame.
    """
    image = open_image(path, limits, grayscale.WANTED | colour.WANTED | set(wanted))
    description, attributes = image.description, image.attributes
    if not 0 <= index < description.number_of_frames:
        raise PixelError(reasons.TRUNCATED)
    frame = next(iter(decode(_only(image, index))) if _is_whole_bytes(image) else islice(decode(image), index, None))
    if not description.is_gray:
        return frame, attributes, description, None
    if description.samples_per_pixel != 1:
        raise PixelError(reasons.BAD_DESCRIPTION)
    transformation = next(islice(grayscale.read_grayscale(attributes, description), index, None))
    return frame, attributes, description, transformation


def _is_whole_bytes(image: Image) -> bool:
    """Tell whether every frame begins at a byte of its own (PS3.5 8.1.1 lets bits of two share one)."""
    return image.description.bits_allocated > 1 or image.description.transfer_syntax_uid not in NATIVE


def _only(image: Image, index: int) -> Image:
    """Return the image that has only that frame."""
    description = dataclasses.replace(image.description, number_of_frames=1)
    if image.description.transfer_syntax_uid in NATIVE:
        size = image.description.frame_bytes
        if image.description.photometric_interpretation == "YBR_FULL_422":
            size = size // 3 * 2
        pixel_data = image.pixel_data[index * size : (index + 1) * size]
    else:
        pixel_data = encapsulate([split_frames(image)[index]], has_bot=False)
    return dataclasses.replace(image, description=description, pixel_data=pixel_data, extended_offsets=None)
