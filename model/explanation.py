"""Where an image speaks for pneumonia: from the network's activation maps to a heat map (class activation, Zhou 2016).

The maps come from the same forward pass as the score and need no gradients, so every runtime can make them.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.card import ModelCard
from model.preprocess import SIDE, Input

Map = npt.NDArray[np.float32]
HeatMap = npt.NDArray[np.uint8]
Activations = Callable[[Input], Map]
"""Maps images [n, 156, 156, 3] to activation maps [n, rows, columns], the mean of each being the image's logit."""


def explain(image: Input, activations: Activations, card: ModelCard) -> HeatMap:
    """Show where one image float32 [156, 156, 3] speaks for a flag: uint8 [156, 156].

    The map's values before scaling are exact: their mean is the calibrated logit less that of the threshold. So 255 is
    the place that speaks for a flag most, 0 is everywhere that speaks against one, a flagged image always has a place
    that speaks for it, and an image without any gives zeros.
    """
    activation = activations(image[np.newaxis])[0]
    calibration, threshold = card.calibration, np.clip(card.operating_point.threshold, 1e-9, 1 - 1e-9)
    needed = np.log(threshold / (1.0 - threshold))
    evidence = np.maximum(calibration.slope * activation + calibration.intercept - needed, 0.0)
    peak = float(evidence.max())
    if peak <= 0.0:
        return np.zeros((SIDE, SIDE), np.uint8)
    smooth = Image.fromarray(evidence / peak).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(np.clip(np.asarray(smooth), 0.0, 1.0) * 255.0).round().astype(np.uint8)
