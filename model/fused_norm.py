"""Batch normalisation that trains with TensorFlow's fused kernel.

Keras 3 normalises with separate passes over the activations; the fused kernel makes a training step of
EfficientNet-Lite0 a quarter shorter on a CPU. Inference, weights and their names are those of Keras' own layer.
"""

from functools import cache

from model.runtime import Network, Tensor, tensorflow


@cache
def fused_batch_normalization() -> Network:
    """Make the layer's class, on first use because its base class needs TensorFlow."""
    tf = tensorflow()

    class FusedBatchNormalization(tf.keras.layers.BatchNormalization):  # type: ignore[misc,name-defined] # Keras has no types
        """Keras' BatchNormalization over the last axis with a fused training pass."""

        def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:  # noqa: FBT001 (the base class's signature)
            """Normalise; in training by the batch's moments, which also move the running ones."""
            if not training or not self.trainable:
                return super().call(inputs, training=False, mask=mask)
            empty = tf.constant([], tf.float32)
            result = tf.raw_ops.FusedBatchNormV3(
                x=inputs, scale=self.gamma, offset=self.beta, mean=empty, variance=empty, epsilon=self.epsilon
            )
            keep = self.momentum
            self.moving_mean.assign(self.moving_mean * keep + result.batch_mean * (1.0 - keep))
            self.moving_variance.assign(self.moving_variance * keep + result.batch_variance * (1.0 - keep))
            return result.y

    return FusedBatchNormalization
