"""Augmentation that breaks what gives the class away in this data set without being disease.

The originals were squashed to a square from different aspect ratios and sizes, and exposed differently, per class. So
every training image gets its own stretch of each axis, blur of each axis, gamma, contrast, brightness and noise.

Random stretch alone leaves the classes' means apart: a network trained so still takes a narrowed normal image for
pneumonia. Therefore each class is first stretched back by its median: see `widen`. What that leaves empty at the edges
would tell the class in its turn, so every image also loses margins at random: see `margin`.
"""

import math
from dataclasses import dataclass

from model.preprocess import CHANNELS, SIDE
from model.runtime import Tensor, tensorflow

SOURCE_SIDE = 224  # images wait in memory at this size, so that a zoomed-in crop still has its pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far each property of a training image may move; zero turns one off.

    `stretch` is the largest factor by which an axis grows or shrinks, each axis on its own, log-uniform. `widen` is the
    factor by which the anatomy of a NORMAL and of a PNEUMONIA image is made wider relative to its height, which brings
    both classes to one median shape (their originals' width/height is 1.21 and 1.50). `rotation` is in degrees,
    `translation` a share of the image, `margin` the largest share of it blackened at each edge, at every other edge on
    average, as a collimator would, `blur_sigma` in pixels of the 224 x 224 image; `gamma` and `contrast` are the
    largest factors, log-uniform; `brightness` and `noise` are in units of the 0..1 range.
    """

    stretch: float = 1.4
    widen: tuple[float, float] = (1.21 / 1.35, 1.50 / 1.35)
    rotation: float = 10.0
    translation: float = 0.06
    margin: float = 0.14
    flip: bool = True
    blur_sigma: tuple[float, float] = (0.2, 2.2)
    gamma: float = 1.6
    contrast: float = 1.4
    brightness: float = 0.12
    noise: float = 0.03


class Augmenter:
    """Draws augmented network inputs from gray uint8 images; usable inside a compiled function."""

    def __init__(self, settings: Augmentation) -> None:
        """Keep the settings; importing TensorFlow happens here."""
        self._tf = tensorflow()
        self._settings = settings

    def __call__(self, images: Tensor, labels: Tensor, seed: Tensor) -> Tensor:
        """Augment uint8 [n, 224, 224] of labels [n] with a seed of shape [2]: float32 [n, 156, 156, 3] in 0..1."""
        tf = self._tf
        seeds = tf.unstack(tf.random.split(seed, 6), num=6)
        x = tf.cast(images, tf.float32)[..., tf.newaxis] / 255.0
        x = self._expose(self._warp(self._collimate(self._blur(x, seeds[0]), seeds[5]), labels, seeds[1]), seeds[2])
        amplitude = self._uniform(tf.shape(x)[:1], seeds[3], 0.0, self._settings.noise)
        x += amplitude[:, tf.newaxis, tf.newaxis, tf.newaxis] * tf.random.stateless_normal(tf.shape(x), seeds[4])
        return tf.repeat(tf.clip_by_value(x, 0.0, 1.0), CHANNELS, axis=-1)

    def _uniform(self, shape: Tensor, seed: Tensor, low: float, high: float) -> Tensor:
        return self._tf.random.stateless_uniform(shape, seed, low, high)

    def _blur(self, x: Tensor, seed: Tensor) -> Tensor:
        """Gaussian blur, a sigma of its own per image and axis: images as channels of two depthwise convolutions."""
        tf = self._tf
        low, high = self._settings.blur_sigma
        sigma = self._uniform((2, tf.shape(x)[0]), seed, low, high)
        radius = math.ceil(3 * high)
        distance = tf.range(-radius, radius + 1, dtype=tf.float32)
        kernel = tf.exp(-0.5 * (distance[:, tf.newaxis] / tf.maximum(sigma, 1e-3)[:, tf.newaxis]) ** 2)
        kernel /= tf.reduce_sum(kernel, axis=1, keepdims=True)  # [2, taps, n]
        x = tf.transpose(x, (3, 1, 2, 0))
        x = tf.pad(x, ((0, 0), (radius, radius), (radius, radius), (0, 0)), "SYMMETRIC")
        x = tf.nn.depthwise_conv2d(x, kernel[0, :, tf.newaxis, :, tf.newaxis], (1, 1, 1, 1), "VALID")
        x = tf.nn.depthwise_conv2d(x, kernel[1, tf.newaxis, :, :, tf.newaxis], (1, 1, 1, 1), "VALID")
        return tf.transpose(x, (3, 1, 2, 0))

    def _collimate(self, x: Tensor, seed: Tensor) -> Tensor:
        """Blacken a margin of its own width at each edge, at every other edge none."""
        tf, margin = self._tf, self._settings.margin
        widths = SOURCE_SIDE * tf.maximum(self._uniform((tf.shape(x)[0], 4), seed, -margin, margin), 0.0)
        position = tf.range(SOURCE_SIDE, dtype=tf.float32)[tf.newaxis]
        rows = (position >= widths[:, 0:1]) & (position < SOURCE_SIDE - widths[:, 1:2])
        columns = (position >= widths[:, 2:3]) & (position < SOURCE_SIDE - widths[:, 3:4])
        return x * tf.cast(rows[:, :, tf.newaxis, tf.newaxis] & columns[:, tf.newaxis, :, tf.newaxis], tf.float32)

    def _warp(self, x: Tensor, labels: Tensor, seed: Tensor) -> Tensor:
        """Stretch, turn, shift and flip around the centre while resampling to the network's size."""
        tf, settings = self._tf, self._settings
        draw = self._uniform((tf.shape(x)[0], 6), seed, -1.0, 1.0)
        reach = math.log(settings.stretch)
        mirror = tf.where(draw[:, 5] > 0.0, 1.0, -1.0) if settings.flip else 1.0
        # the transform maps output pixels to input pixels: dividing by a stretch enlarges what is seen
        ratio = SOURCE_SIDE / SIDE
        widen = tf.sqrt(tf.gather(tf.constant(settings.widen, tf.float32), labels))
        width = mirror * ratio / (tf.exp(reach * draw[:, 0]) * widen)
        height = ratio * widen / tf.exp(reach * draw[:, 1])
        angle = draw[:, 2] * math.radians(settings.rotation)
        centre = (SOURCE_SIDE - 1) / 2.0
        shift = settings.translation * SOURCE_SIDE * draw[:, 3:5]
        a, b = width * tf.cos(angle), -height * tf.sin(angle)
        c, d = width * tf.sin(angle), height * tf.cos(angle)
        middle = (SIDE - 1) / 2.0
        left = centre + shift[:, 0] - middle * (a + b)
        top = centre + shift[:, 1] - middle * (c + d)
        zero = tf.zeros_like(left)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=x,
            transforms=tf.stack((a, b, left, c, d, top, zero, zero), axis=1),
            output_shape=(SIDE, SIDE),
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
            fill_value=0.0,
        )

    def _expose(self, x: Tensor, seed: Tensor) -> Tensor:
        """Gamma, contrast around the image's mean, and brightness."""
        tf, settings = self._tf, self._settings
        draw = self._uniform((tf.shape(x)[0], 3, 1, 1, 1), seed, -1.0, 1.0)
        x = tf.clip_by_value(x, 1e-4, 1.0) ** tf.exp(math.log(settings.gamma) * draw[:, 0])
        mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
        x = (x - mean) * tf.exp(math.log(settings.contrast) * draw[:, 1]) + mean
        return x + settings.brightness * draw[:, 2]
