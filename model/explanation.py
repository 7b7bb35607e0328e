"""Where an image speaks for a flag: what the score loses when a part of it is hidden (Zeiler and Fergus 2014).

Hiding asks the network itself, of every member and on every runtime, and needs no gradients. It may be asked roughly:
bfloat16 moves a logit by some hundredths, and the map by 4 of 255 (correlation with the exact one 0.99). One member
alone, asked exactly, draws another map than all of them (0.75). The class-activation map
(Zhou et al. 2016), which would come free with the score, was measured and left: a cell of its 5 x 5 sees most of the
image, so blurring its hottest tenth away lowered the logit by no more than blurring any other.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from model.preprocess import SIDE, Input

Map = npt.NDArray[np.float32]
HeatMap = npt.NDArray[np.uint8]
Logits = Callable[[Input], Map]
"""Maps images [n, 156, 156, 3] to their logits [n]."""

CELLS = 5
"""Places along each axis that are hidden one after the other: 25 more images to score, for a flagged image only."""
FIRST, STEP = SIDE / CELLS / 2 - 0.5, SIDE / CELLS
"""Centre of the first place and distance of the next, in pixels of the input."""
_REACH = 17.0  # half of a place's side: neighbours overlap a little
_LEAST = 1e-3  # of a logit: below it, nothing in the image matters more than anything else


def explain(image: Input, logits: Logits) -> HeatMap:
    """Show where one image float32 [156, 156, 3] speaks for a flag: uint8 [156, 156].

    255 is the place without which the logit would be lowest; 0 is every place that matters no more than the middling
    one (the median), and all of an image where no place matters more than another.
    """
    left = _placed(logits(hidden(image)))  # what the image itself scores makes no difference between two places
    evidence = np.maximum(np.median(left) - left, 0.0)
    peak = float(evidence.max())
    if peak <= _LEAST:
        return np.zeros((SIDE, SIDE), np.uint8)
    return np.asarray(evidence / peak * 255.0).round().astype(np.uint8)


def occlusion_map(image: Input, logits: Logits) -> Map:
    """By how much the logit of one image float32 [156, 156, 3] falls when a place is hidden: [156, 156].

    A place is given the image's mean gray with soft edges, since a hard edge would be a finding of its own.
    """
    found = np.asarray(logits(np.concatenate([image[np.newaxis], hidden(image)])), np.float32)
    return _placed(found[0] - found[1:])


def hidden(image: Input) -> Input:
    """Copy one image float32 [156, 156, 3], each time with another place hidden: [25, 156, 156, 3], row by row."""
    centres = FIRST + STEP * np.arange(CELLS)
    distance = (np.arange(SIDE) - centres[:, np.newaxis]) / _REACH
    along = np.exp(-0.5 * distance**4).astype(np.float32)
    mean = np.float32(image.mean())
    copies = [image + (mean - image) * np.outer(down, right)[..., np.newaxis] for down in along for right in along]
    return np.asarray(np.clip(np.stack(copies), 0.0, 1.0), np.float32)


def _placed(values: Map) -> Map:
    """Lay one value a place over the image, float32 [25] to [156, 156]."""
    placing = _placing()
    return np.asarray(placing @ np.asarray(values, np.float32).reshape(CELLS, CELLS) @ placing.T, np.float32)


def _placing() -> Map:
    """Linear interpolation from the places to the image's pixels: [156, 5]."""
    position = np.clip((np.arange(SIDE) - FIRST) / STEP, 0, CELLS - 1)
    distance = np.abs(position[:, np.newaxis] - np.arange(CELLS))
    return np.asarray(np.maximum(1.0 - distance, 0.0), np.float32)
