"""EfficientNet-Lite0, started from ImageNet, with a head that is its own class-activation map.

Tan and Le 2019 (arXiv:1905.11946); the Lite variant drops squeeze-and-excitation, uses ReLU6, and fixes stem and head.
"""

from dataclasses import dataclass

import numpy as np

from model import imagenet
from model.augment import Augmentation
from model.errors import PretrainedError
from model.layers import Toolkit, keras
from model.preprocess import INPUT_SHAPE
from model.runtime import Network, Tensor

SUMMARY = "EfficientNet-Lite0 (depthwise-separable inverted residuals, ReLU6), ImageNet start, 156x156x3"

# further apart than the defaults, and the classes' shapes exchanged a little rather than made equal: they weigh less so
RECIPE = {"epochs": 30, "augmentation": Augmentation(stretch=1.6, widen=((1.21 / 1.35) ** 1.5, (1.50 / 1.35) ** 1.5))}

_STEM = 32
_HEAD = 1280
_DROPOUT = 0.2
_BN_EPSILON = 1e-3
_BN_MOMENTUM = 0.97  # a fold has some 110 steps an epoch; Keras' 0.99 would lag by one


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one shape: how often, the kernel, the first one's stride, the expansion, and the filters."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class _Builder:
    """The few layer patterns of the network, named after the ImageNet checkpoint's parameters."""

    def __init__(self, toolkit: Toolkit) -> None:
        self.layers = toolkit.layers

    def convolve(self, x: Tensor, filters: int, kernel: int, stride: int, name: str) -> Tensor:
        return self.layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)

    def normalise(self, x: Tensor, name: str, *, activate: bool = True) -> Tensor:
        x = self.layers.BatchNormalization(momentum=_BN_MOMENTUM, epsilon=_BN_EPSILON, name=name)(x)
        return self.layers.ReLU(max_value=6.0, name=f"{name}_relu6")(x) if activate else x

    def block(self, x: Tensor, stage: Stage, stride: int, name: str) -> Tensor:
        """One inverted residual: expand, depthwise, project, add where the shapes allow it."""
        inputs, channels = x, x.shape[-1]
        if stage.expand > 1:
            x = self.convolve(x, channels * stage.expand, 1, 1, f"{name}_expand_conv")
            x = self.normalise(x, f"{name}_bn0")
        depthwise = self.layers.DepthwiseConv2D(
            stage.kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
        )
        x = self.normalise(depthwise(x), f"{name}_bn1")
        x = self.convolve(x, stage.filters, 1, 1, f"{name}_project_conv")
        x = self.normalise(x, f"{name}_bn2", activate=False)
        return self.layers.Add(name=f"{name}_add")([x, inputs]) if stride == 1 and channels == stage.filters else x


def build(toolkit: Toolkit | None = None) -> Network:
    """Build the untrained network: input [n, 156, 156, 3] in 0..1, outputs (logit [n], activation [n, 5, 5]).

    The last layer is a 1x1 convolution to one channel and the logit is the mean of that map: the same arithmetic as
    global average pooling and a dense layer, so the map explains the logit exactly (Zhou et al. 2016, CAM).
    """
    toolkit = toolkit or keras()
    make = _Builder(toolkit)
    inputs = toolkit.input(INPUT_SHAPE, name="image")
    x = make.layers.Rescaling(255.0 / 128.0, offset=-127.0 / 128.0, name="rescale")(inputs)
    x = make.normalise(make.convolve(x, _STEM, 3, 2, "conv_stem"), "bn0")
    number = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            x = make.block(x, stage, stage.stride if repeat == 0 else 1, f"blocks_{number}")
            number += 1
    x = make.normalise(make.convolve(x, _HEAD, 1, 1, "conv_head"), "bn1")
    # one mask a channel, the same at every position: dropout on the pooled features, written before the pooling
    x = make.layers.SpatialDropout2D(_DROPOUT, name="dropout")(x)
    x = make.layers.Conv2D(1, 1, name="evidence")(x)
    activation = make.layers.Reshape(x.shape[1:3], name="activation")(x)
    logit = make.layers.Reshape((), name="logit")(make.layers.GlobalAveragePooling2D(name="pool")(x))
    return toolkit.network(inputs, (logit, activation), "efficientnet_lite0")


def initialise(network: Network) -> None:
    """Put the ImageNet weights into every layer but the last.

    Raises:
        PretrainedError: the weights are not installed, or do not fit this network one to one.

    """
    state = imagenet.efficientnet_lite0()
    unused = {name for name in state if not name.endswith("num_batches_tracked")} - {"_fc.weight", "_fc.bias"}
    for layer in network.layers:
        if not layer.weights or layer.name == "evidence":
            continue
        arrays = _converted(state, layer.name)
        unused -= set(arrays)
        layer.set_weights(list(arrays.values()))
    if unused:
        msg = f"expected every ImageNet weight to be used. Received: {len(unused)} unused, {min(unused)} first"
        raise PretrainedError(msg)


def _converted(state: dict[str, imagenet.Array], layer: str) -> dict[str, imagenet.Array]:
    """Pick the arrays of one Keras layer, in Keras' order and layout, by their PyTorch names."""
    prefix = f"_{layer}"
    if layer.startswith("blocks_"):
        _, number, part = layer.split("_", 2)
        prefix = f"_blocks.{number}._{part}"
    try:
        if "conv" not in layer:
            names = [f"{prefix}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
            return {name: state[name] for name in names}
        name = f"{prefix}.weight"
        # PyTorch [out, in, h, w] -> Keras [h, w, in, out]; depthwise [channel, 1, h, w] -> [h, w, channel, 1]
        axes = (2, 3, 0, 1) if "depthwise" in layer else (2, 3, 1, 0)
        return {name: np.transpose(state[name], axes)}
    except KeyError as error:
        msg = f"expected the ImageNet weight {error.args[0]}. Received: a checkpoint without it"
        raise PretrainedError(msg) from error
