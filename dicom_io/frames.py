"""Any image file as windowed frames, ready for a network or an eye."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dicom_io import colour, grayscale, reasons
from dicom_io.codecs import decode
from dicom_io.errors import PixelError
from dicom_io.image import PixelLimits, open_image

__all__ = ["PixelLimits", "pixels_equal", "read_frames"]

_DEFAULT_LIMITS = PixelLimits()
_COMPARED = PixelLimits(max_frames=100_000)  # a frame at a time: many need no more memory than one


def read_frames(path: Path, *, limits: PixelLimits = _DEFAULT_LIMITS) -> tuple[NDArray[np.uint8], ...]:
    """Return every frame of a DICOM file as it is displayed: uint8 [rows, columns], or [rows, columns, 3] in RGB.

    Grayscale frames went through modality LUT, VOI LUT or window, and inversion: 255 is white. Raises PixelError, with
    the reason, for whatever cannot be decoded whole; nothing is allocated that the file merely claims.
    """
    image = open_image(path, limits, grayscale.WANTED | colour.WANTED)
    description, attributes = image.description, image.attributes
    if description.is_gray:
        if description.samples_per_pixel != 1:
            raise PixelError(reasons.BAD_DESCRIPTION)
        transformations = grayscale.read_grayscale(attributes, description)
        return tuple(
            grayscale.to_display(frame.pixels, transformation)
            for frame, transformation in zip(decode(image), transformations, strict=True)
        )
    return tuple(colour.to_rgb(frame, attributes, description) for frame in decode(image))


def pixels_equal(first: Path, second: Path, *, limits: PixelLimits = _COMPARED) -> bool:
    """Tell whether two files hold the same stored values, whatever their transfer syntaxes.

    PixelError if either cannot be decoded.
    """
    images = [open_image(path, limits) for path in (first, second)]
    shapes = [(image.description.number_of_frames, image.description.signed) for image in images]
    if shapes[0] != shapes[1]:
        return False
    for one, other in zip(*(decode(image) for image in images), strict=True):
        if one.photometric_interpretation != other.photometric_interpretation:
            return False
        if not np.array_equal(one.pixels, other.pixels):
            return False
    return True
