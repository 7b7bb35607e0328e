"""Whose layers a zoo module builds its network of: Keras', to train, or recorded ones (`model.plan`), to serve.

A zoo module says `layers.Conv2D(...)(x)` either way, so that the network that serves is written down once.
"""

from dataclasses import dataclass
from typing import Any

from model.fused_norm import fused_batch_normalization
from model.runtime import Network, tensorflow


@dataclass(frozen=True, slots=True)
class Toolkit:
    """`layers.Conv2D` and the like, `input` of a shape, and `network` of inputs, outputs and a name."""

    layers: Any
    input: Any
    network: Any


class _KerasLayers:
    """Keras' layers, but for the batch normalisation, which trains faster."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - Keras ships no types
        return fused_batch_normalization() if name == "BatchNormalization" else getattr(tensorflow().keras.layers, name)


def keras() -> Toolkit:
    """Return the toolkit that makes a Keras network. Imports TensorFlow."""
    module = tensorflow().keras
    return Toolkit(_KerasLayers(), module.Input, _keras_network)


def _keras_network(inputs: Any, outputs: Any, name: str) -> Network:  # noqa: ANN401 - Keras ships no types
    return tensorflow().keras.Model(inputs, outputs, name=name)
