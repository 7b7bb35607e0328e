"""Heat maps as bytes: small enough for a row of a database, and readable by anything."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

HeatMap = npt.NDArray[np.uint8]


def to_png(heat_map: HeatMap) -> bytes:
    """Return a heat map, uint8 [h, w], as a lossless 8-bit gray PNG."""
    file = io.BytesIO()
    Image.fromarray(heat_map).save(file, format="PNG")
    return file.getvalue()


def from_png(png: bytes) -> HeatMap:
    """Return the heat map, uint8 [h, w], that `to_png` was given."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        return np.asarray(image)
