"""Where an image speaks for pneumonia: from the network's activation maps to a heat map (class activation, Zhou 2016).

The maps come from the same forward pass as the score and need no gradients, so every runtime can make them. Their cells
are coarse, a fifth of the image, so the image is also looked at shifted by parts of a cell, and what each copy says is
put back to where it was seen and averaged. A cell is drawn where it looks, see `model.receptive_field`.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from model.card import ModelCard
from model.card_facts import MapGeometry
from model.preprocess import SIDE, Input

Map = npt.NDArray[np.float32]
HeatMap = npt.NDArray[np.uint8]
Activations = Callable[[Input], Map]
"""Maps images [n, 156, 156, 3] to activation maps [n, rows, columns], the mean of each being the image's logit."""

COPIES = 3
"""Positions of the image along each axis; an odd number, so that one copy is the image as it is."""


def explain(image: Input, activations: Activations, card: ModelCard) -> HeatMap:
    """Show where one image float32 [156, 156, 3] speaks for a flag: uint8 [156, 156].

    The mean of the values before scaling is the calibrated logit less that of the threshold. So 255 is the place that
    speaks for a flag most, 0 is everywhere that speaks against one, a flagged image always has a place that speaks for
    it, and an image without any gives zeros.
    """
    calibration, threshold = card.calibration, np.clip(card.operating_point.threshold, 1e-9, 1 - 1e-9)
    needed = np.log(threshold / (1.0 - threshold))
    found = activation_map(image, activations, card.map_geometry)
    evidence = np.maximum(calibration.slope * found + calibration.intercept - needed, 0.0)
    peak = float(evidence.max())
    if peak <= 0.0:
        return np.zeros((SIDE, SIDE), np.uint8)
    return np.asarray(evidence / peak * 255.0).round().astype(np.uint8)


def activation_map(image: Input, activations: Activations, geometry: MapGeometry, *, copies: int = COPIES) -> Map:
    """Resolve the activation of one image float32 [156, 156, 3] to its pixels: [156, 156], its mean the logit."""
    shifts = shift_pixels(geometry, copies)
    pairs = [(down, right) for down in shifts for right in shifts]
    found = activations(np.stack([shifted(image, down, right) for down, right in pairs]))
    rows, columns = ({shift: _placing(geometry, side, shift) for shift in shifts} for side in found.shape[1:])
    placed = [rows[down] @ cells @ columns[right].T for (down, right), cells in zip(pairs, found, strict=True)]
    mean = np.mean(np.stack(placed), axis=0)
    return np.asarray(mean - mean.mean() + found[pairs.index((0, 0))].mean(), np.float32)


def shift_pixels(geometry: MapGeometry, copies: int) -> tuple[int, ...]:
    """By how many pixels an axis is moved: `copies` positions spread over one cell, 0 among them."""
    return tuple(round((number - copies // 2) * geometry.step / copies) for number in range(copies))


def shifted(image: Input, down: int, right: int) -> Input:
    """Move one image [156, 156, 3] by whole pixels; its edge is repeated where nothing was."""
    place = np.arange(SIDE)
    return image[np.clip(place - down, 0, SIDE - 1)][:, np.clip(place - right, 0, SIDE - 1)]


def _placing(geometry: MapGeometry, cells: int, shift: int) -> Map:
    """Linear interpolation from cells to pixels of the image before it was shifted: [156, cells]."""
    position = np.clip((np.arange(SIDE) + shift - geometry.first) / geometry.step, 0, cells - 1)
    distance = np.abs(position[:, np.newaxis] - np.arange(cells))
    return np.asarray(np.maximum(1.0 - distance, 0.0), np.float32)
