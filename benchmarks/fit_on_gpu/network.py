"""EfficientNet-Lite0 of `model.zoo.efficientnet_lite0` in PyTorch, over arrays named by their Keras paths."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from model.zoo.efficientnet_lite0 import STAGES

Array = npt.NDArray[Any]
Weights = dict[str, torch.Tensor]

_EPSILON = 1e-3
_MOMENTUM = 1 - 0.97  # PyTorch counts the other way
_DROPOUT = 0.2
_KERNEL_AXES = 4


def to_torch(member: Mapping[str, Array], device: str) -> Weights:
    """Turn Keras' arrays to PyTorch's layout: kernels [out, in, h, w], depthwise [channel, 1, h, w]."""
    return {name: torch.tensor(_turned(name, array), device=device) for name, array in member.items()}


def _turned(name: str, array: Array) -> Array:
    if array.ndim != _KERNEL_AXES:
        return array.astype(np.float32)
    axes = (2, 3, 0, 1) if "depthwise" in name else (3, 2, 0, 1)
    return np.ascontiguousarray(np.transpose(array.astype(np.float32), axes))


def to_keras(weights: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    """Turn them back."""
    arrays = {name: weight.detach().cpu().numpy() for name, weight in weights.items()}
    return {
        name: np.transpose(array, (2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0))
        if array.ndim == _KERNEL_AXES
        else array
        for name, array in arrays.items()
    }


class Pass:
    """One pass through the network: in training with dropout, and normalised by the batch's moments."""

    def __init__(self, weights: Weights, *, training: bool, generator: torch.Generator | None = None) -> None:
        """Keep what the pass needs; the generator draws the dropout."""
        self._weights, self._training, self._generator = weights, training, generator

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [n] of images [n, 3, 156, 156] in 0..1."""
        x = images * (255.0 / 128.0) - 127.0 / 128.0
        x = self._normalise(self._convolve(x, "conv_stem", 2), "bn0")
        number = 0
        for stage in STAGES:
            for repeat in range(stage.repeats):
                x = self._block(x, stage.expand, stage.stride if repeat == 0 else 1, f"blocks_{number}")
                number += 1
        x = self._normalise(self._convolve(x, "conv_head", 1), "bn1")
        if self._training:
            kept = torch.rand((*x.shape[:2], 1, 1), device=x.device, generator=self._generator) >= _DROPOUT
            x = x * kept / (1.0 - _DROPOUT)
        evidence = functional.conv2d(x, self._weights["evidence/kernel"], self._weights["evidence/bias"])
        return evidence.mean((1, 2, 3))

    def _block(self, x: torch.Tensor, expand: int, stride: int, name: str) -> torch.Tensor:
        inputs = x
        if expand > 1:
            x = self._normalise(self._convolve(x, f"{name}_expand_conv", 1), f"{name}_bn0")
        x = self._normalise(self._convolve(x, f"{name}_depthwise_conv", stride), f"{name}_bn1")
        x = self._normalise(self._convolve(x, f"{name}_project_conv", 1), f"{name}_bn2", activate=False)
        return x + inputs if x.shape == inputs.shape else x

    def _convolve(self, x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        """Pad as TensorFlow's "same" does: the odd pixel goes below and to the right."""
        kernel = self._weights[f"{name}/kernel"]
        size, taps = x.shape[-1], kernel.shape[-1]
        short = max((-(-size // stride) - 1) * stride + taps - size, 0)
        if short:
            before, after = short // 2, short - short // 2
            x = functional.pad(x, (before, after, before, after))
        groups = x.shape[1] if name.endswith("depthwise_conv") else 1
        return functional.conv2d(x, kernel, stride=stride, groups=groups)

    def _normalise(self, x: torch.Tensor, name: str, *, activate: bool = True) -> torch.Tensor:
        gamma, beta, mean, variance = (
            self._weights[f"{name}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        x = functional.batch_norm(x, mean, variance, gamma, beta, self._training, _MOMENTUM, _EPSILON)
        return functional.relu6(x) if activate else x
