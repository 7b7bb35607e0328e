"""`model.augment` in PyTorch: the same changes in the same order, drawn alike by another generator."""

import math

import torch
from torch.nn import functional

from model.augment import SOURCE_SIDE, Augmentation
from model.preprocess import CHANNELS, SIDE


class Augmenter:
    """Draws augmented network inputs from gray uint8 images; can be captured in a CUDA graph."""

    def __init__(self, settings: Augmentation, device: str, generator: torch.Generator) -> None:
        """Keep the settings, and on the device what does not change."""
        self._settings, self._device, self._generator = settings, device, generator
        radius = math.ceil(3 * settings.blur_sigma[1])
        self._distance = torch.arange(-radius, radius + 1, dtype=torch.float32, device=device)
        inside = list(range(SOURCE_SIDE))
        symmetric = [*reversed(inside[:radius]), *inside, *reversed(inside[len(inside) - radius :])]
        self._symmetric = torch.tensor(symmetric, device=device)
        self._position = torch.arange(SOURCE_SIDE, dtype=torch.float32, device=device)
        self._widen = torch.tensor(settings.widen, device=device)
        grid = torch.arange(SIDE, dtype=torch.float32, device=device)
        self._rows, self._columns = grid[None, :, None], grid[None, None, :]

    def __call__(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Augment uint8 [n, 224, 224] of labels [n]: float32 [n, 3, 156, 156] in 0..1."""
        x = images.float() / 255.0
        x = self._expose(self._warp(self._collimate(self._blur(x)), labels))
        amplitude = self._uniform((len(x), 1, 1), 0.0, self._settings.noise)
        x = x + amplitude * torch.randn(x.shape, device=self._device, generator=self._generator)
        return x.clamp(0.0, 1.0)[:, None].expand(-1, CHANNELS, -1, -1)

    def _uniform(self, shape: tuple[int, ...], low: float, high: float) -> torch.Tensor:
        return torch.rand(shape, device=self._device, generator=self._generator) * (high - low) + low

    def _blur(self, x: torch.Tensor) -> torch.Tensor:
        sigma = self._uniform((2, len(x), 1), *self._settings.blur_sigma).clamp(min=1e-3)
        kernel = torch.exp(-0.5 * (self._distance / sigma) ** 2)
        kernel = kernel / kernel.sum(2, keepdim=True)  # [2, n, taps]
        x = x[:, self._symmetric][:, :, self._symmetric][None]
        x = functional.conv2d(x, kernel[0][:, None, :, None], groups=x.shape[1])
        return functional.conv2d(x, kernel[1][:, None, None, :], groups=x.shape[1])[0]

    def _collimate(self, x: torch.Tensor) -> torch.Tensor:
        margin, position = self._settings.margin, self._position[None]
        widths = SOURCE_SIDE * self._uniform((len(x), 4), -margin, margin).clamp(min=0.0)
        rows = (position >= widths[:, 0:1]) & (position < SOURCE_SIDE - widths[:, 1:2])
        columns = (position >= widths[:, 2:3]) & (position < SOURCE_SIDE - widths[:, 3:4])
        return x * (rows[:, :, None] & columns[:, None, :])

    def _warp(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        settings = self._settings
        draw = self._uniform((len(x), 6), -1.0, 1.0)
        reach, ratio = math.log(settings.stretch), SOURCE_SIDE / SIDE
        mirror = torch.where(draw[:, 5] > 0.0, 1.0, -1.0) if settings.flip else 1.0
        widen = self._widen[labels].sqrt()
        width = mirror * ratio / (torch.exp(reach * draw[:, 0]) * widen)
        height = ratio * widen / torch.exp(reach * draw[:, 1])
        angle = draw[:, 2] * math.radians(settings.rotation)
        a, b = width * torch.cos(angle), -height * torch.sin(angle)
        c, d = width * torch.sin(angle), height * torch.cos(angle)
        centre, middle = (SOURCE_SIDE - 1) / 2.0, (SIDE - 1) / 2.0
        shift = settings.translation * SOURCE_SIDE * draw[:, 3:5]
        left = centre + shift[:, 0] - middle * (a + b)
        top = centre + shift[:, 1] - middle * (c + d)
        a, b, c, d, left, top = (value[:, None, None] for value in (a, b, c, d, left, top))
        across = a * self._columns + b * self._rows + left
        down = c * self._columns + d * self._rows + top
        grid = torch.stack((across, down), -1) / centre - 1.0  # grid_sample counts from -1 to 1
        return functional.grid_sample(x[:, None], grid, "bilinear", "zeros", align_corners=True)[:, 0]

    def _expose(self, x: torch.Tensor) -> torch.Tensor:
        settings = self._settings
        draw = self._uniform((3, len(x), 1, 1), -1.0, 1.0)
        x = x.clamp(1e-4, 1.0) ** torch.exp(math.log(settings.gamma) * draw[0])
        mean = x.mean((1, 2), keepdim=True)
        x = (x - mean) * torch.exp(math.log(settings.contrast) * draw[1]) + mean
        return x + settings.brightness * draw[2]
