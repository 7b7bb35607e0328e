"""The confounds of the training data, taken away or turned around, to see whether the scores lean on them.

In this data set NORMAL originals are narrower (width/height 1.21, PNEUMONIA 1.50), larger and otherwise exposed before
everything was squashed to one square. Each condition remakes the network's input from the source images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from model.dataset import Sample
from model.preprocess import to_gray_square

Gray = npt.NDArray[np.uint8]

STRETCH = 1.24  # 1.50 / 1.21, the ratio of the two classes' median width/height
_BLUR_SHARE = 0.008  # of the image's width: 1.8 pixels at 224, beyond the sharpness of either class
_MEAN, _SPREAD = 122.0, 50.0


@dataclass(frozen=True, slots=True)
class Stress:
    """A change of every image, by its label, that must not change how well the classes are told apart."""

    name: str
    description: str
    convert: Callable[[Gray, Sample], Gray]


def widen(frame: Gray) -> Gray:
    """Scale the width up by 1.24 and crop the middle: no borders appear that could tell the class."""
    margin = frame.shape[1] * (1 - 1 / STRETCH) / 2
    return to_gray_square(frame, box=(margin, 0, frame.shape[1] - margin, frame.shape[0]))


def narrow(frame: Gray) -> Gray:
    """Scale the height up by 1.24 and crop the middle."""
    margin = frame.shape[0] * (1 - 1 / STRETCH) / 2
    return to_gray_square(frame, box=(0, margin, frame.shape[1], frame.shape[0] - margin))


def widen_normal(frame: Gray, sample: Sample) -> Gray:
    """Widen NORMAL and narrow PNEUMONIA."""
    return narrow(frame) if sample.label else widen(frame)


def narrow_normal(frame: Gray, sample: Sample) -> Gray:
    """Narrow NORMAL and widen PNEUMONIA: the squashed originals' median shapes change places."""
    return widen(frame) if sample.label else narrow(frame)


def widen_both(frame: Gray, _: Sample) -> Gray:
    """Widen every image: crops as much as exchanging the shapes does, and tells no class."""
    return widen(frame)


def narrow_both(frame: Gray, _: Sample) -> Gray:
    """Narrow every image: the other control."""
    return narrow(frame)


def match_blur(frame: Gray, _: Sample) -> Gray:
    """Blur every image beyond the sharpness of either class."""
    image = Image.fromarray(frame).convert("L")
    return to_gray_square(np.asarray(image.filter(ImageFilter.GaussianBlur(_BLUR_SHARE * image.width))))


def match_exposure(frame: Gray, _: Sample) -> Gray:
    """Give every image the same mean and standard deviation of gray."""
    square = to_gray_square(frame).astype(np.float64)
    spread = max(float(square.std()), 1.0)
    matched = (square - square.mean()) * (_SPREAD / spread) + _MEAN
    return np.asarray(np.clip(matched.round(), 0, 255), np.uint8)


STRESSES = (
    Stress(
        "stretch swapped: NORMAL wider",
        "NORMAL widened and PNEUMONIA narrowed by 1.24, one axis scaled up and cropped",
        widen_normal,
    ),
    Stress(
        "stretch swapped: NORMAL narrower",
        "NORMAL narrowed and PNEUMONIA widened by 1.24, one axis scaled up and cropped: undoes, and turns around, the "
        "squash of the originals",
        narrow_normal,
    ),
    Stress(
        "control: both wider",
        "every image widened by 1.24 and cropped: what the stretch and the crop cost by themselves",
        widen_both,
    ),
    Stress("control: both narrower", "every image narrowed by 1.24 and cropped: the same, the other way", narrow_both),
    Stress("blur matched", "every image blurred by 0.8 % of its width", match_blur),
    Stress("exposure matched", "every image given the same mean and standard deviation of gray", match_exposure),
)
