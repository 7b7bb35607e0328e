"""From a frame of any size to the network's input, identical in training, evaluation and serving.

The square is reached by stretching, not by padding, because the training data was stretched; the resize is antialiased
(Pillow's bilinear filter, whose support grows with the reduction), so that a detector's full resolution and a thumbnail
of it give nearly the same input.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.errors import InputError

SIDE = 156
CHANNELS = 3
INPUT_SHAPE = (SIDE, SIDE, CHANNELS)
DESCRIPTION = (
    "luminance, antialiased bilinear resize stretched to 156 x 156, repeated over three channels, scaled to 0..1"
)

Frame = npt.NDArray[np.uint8]
Input = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]

_GRAY = 2
_COLOUR = 3


def to_gray_square(frame: Frame, *, side: int = SIDE, box: Box | None = None) -> Frame:
    """Resize one frame to a gray square of `side` pixels, uint8.

    Args:
        frame: uint8 [rows, columns] or [rows, columns, 3], white is 255.
        side: pixels of the square's edge.
        box: the part of the frame to use: left, upper, right, lower in pixels of the frame; all of it by default.

    Raises:
        InputError: not a non-empty uint8 array of such a shape.

    """
    colour = frame.ndim == _COLOUR and frame.shape[-1] == CHANNELS
    if frame.dtype != np.uint8 or not (frame.ndim == _GRAY or colour) or 0 in frame.shape:
        msg = f"expected uint8 [rows, columns] or [rows, columns, 3]. Received: {frame.dtype} shape={frame.shape}"
        raise InputError(msg)
    image = Image.fromarray(np.ascontiguousarray(frame))
    if colour:
        image = image.convert("L")
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))


def to_input(frame: Frame) -> Input:
    """Turn one frame into the network's input: float32 [156, 156, 3] in 0..1.

    Colour frames are reduced to their luminance: a radiograph has no colour, and a tint must not move the score.

    Raises:
        InputError: not a non-empty uint8 array [rows, columns] or [rows, columns, 3].

    """
    return from_gray(to_gray_square(frame))


def from_gray(squares: Frame) -> Input:
    """Scale gray uint8 squares [..., 156, 156] to float32 [..., 156, 156, 3] in 0..1."""
    scaled = squares.astype(np.float32) / np.float32(255.0)
    return np.repeat(scaled[..., np.newaxis], CHANNELS, axis=-1)


def check_inputs(images: npt.NDArray[np.generic]) -> Input:
    """Return the batch unchanged if it may be scored: float32 [n, 156, 156, 3], finite, in 0..1.

    Raises:
        InputError: anything else; it must never get a score.

    """
    if images.dtype != np.float32 or images.ndim != len(INPUT_SHAPE) + 1 or images.shape[1:] != INPUT_SHAPE:
        msg = f"expected float32 [n, {SIDE}, {SIDE}, {CHANNELS}]. Received: {images.dtype} shape={images.shape}"
        raise InputError(msg)
    batch: Input = images.astype(np.float32, copy=False)
    if batch.size and not (np.isfinite(batch).all() and batch.min() >= 0.0 and batch.max() <= 1.0):
        msg = f"expected finite values in 0..1. Received: min={batch.min()} max={batch.max()}"
        raise InputError(msg)
    return batch
