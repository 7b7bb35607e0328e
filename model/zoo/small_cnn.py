"""A small network trained from scratch: convolution, pooling and dense blocks. The yardstick for transfer learning.

Dense block as in Huang et al. 2017 (arXiv:1608.06993): each layer sees the concatenation of all before it.
"""

from model.layers import Toolkit, keras
from model.preprocess import INPUT_SHAPE
from model.runtime import Network, Tensor

SUMMARY = "small CNN (convolution, pooling and dense blocks), trained from scratch, 156x156x3"
RECIPE = {"epochs": 5, "learning_rate": 3e-3, "averaging": 0.99}
"""From scratch it takes a larger step, and its average follows sooner."""

_BN_MOMENTUM = 0.97  # a fold has some 110 steps an epoch; Keras' 0.99 would lag by one
_STEM = 24
_GROWTH = 16
_LAYERS = (2, 3, 4, 4)  # of each dense block; between blocks the channels are halved and the map is pooled
_DROPOUT = 0.2


class _Builder:
    """The three kinds of block."""

    def __init__(self, toolkit: Toolkit) -> None:
        self.layers = toolkit.layers

    def convolve(self, x: Tensor, filters: int, kernel: int, name: str, *, stride: int = 1) -> Tensor:
        """Convolution, normalisation, ReLU."""
        x = self.layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
        x = self.layers.BatchNormalization(momentum=_BN_MOMENTUM, name=f"{name}_bn")(x)
        return self.layers.ReLU(name=f"{name}_relu")(x)

    def dense(self, x: Tensor, layers: int, name: str) -> Tensor:
        """Dense block: every layer adds `_GROWTH` channels to what it was given."""
        for number in range(layers):
            new = self.convolve(x, _GROWTH, 3, f"{name}_{number}")
            x = self.layers.Concatenate(name=f"{name}_{number}_concat")([x, new])
        return x

    def pool(self, x: Tensor, name: str) -> Tensor:
        """Halve the channels and each side of the map."""
        x = self.convolve(x, x.shape[-1] // 2, 1, name)
        return self.layers.AveragePooling2D(2, padding="same", name=f"{name}_pool")(x)


def build(toolkit: Toolkit | None = None) -> Network:
    """Build the untrained network: input [n, 156, 156, 3] in 0..1, outputs (logit [n], activation [n, 5, 5])."""
    toolkit = toolkit or keras()
    make = _Builder(toolkit)
    inputs = toolkit.input(INPUT_SHAPE, name="image")
    x = make.layers.Rescaling(2.0, offset=-1.0, name="rescale")(inputs)
    x = make.convolve(x, _STEM, 3, "stem", stride=2)
    x = make.layers.MaxPooling2D(2, padding="same", name="stem_pool")(x)
    for number, layers in enumerate(_LAYERS):
        x = make.dense(x, layers, f"block{number}")
        if number < len(_LAYERS) - 1:
            x = make.pool(x, f"transition{number}")
    x = make.layers.SpatialDropout2D(_DROPOUT, name="dropout")(make.convolve(x, x.shape[-1], 1, "head"))
    x = make.layers.Conv2D(1, 1, name="evidence")(x)
    activation = make.layers.Reshape(x.shape[1:3], name="activation")(x)
    logit = make.layers.Reshape((), name="logit")(make.layers.GlobalAveragePooling2D(name="pool")(x))
    return toolkit.network(inputs, (logit, activation), "small_cnn")


def initialise(network: Network) -> None:
    """Leave the random initial weights as they are."""
