"""Execute plans with TensorFlow: one graph for each batch shape, of plain operations, without Keras' layers."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from model.plan import Floats, Plan, Step, affine
from model.preprocess import INPUT_SHAPE
from model.runtime import Execute, Tensor, TensorFlow, Threads, tensorflow


def compile_plans(plans: Sequence[Plan], batches: Sequence[int], threads: Threads | None = None) -> tuple[Execute]:
    """Compile the mean of some plans' outputs for inputs of exactly these batch sizes.

    The graphs share one copy of the weights, immutable tensors: as constants inside each graph they were not faster,
    and three batch shapes took a gigabyte. Nothing is traced after this.
    """
    tf = tensorflow(threads)
    plans = [_shared(tf, plan) for plan in plans]

    def forward(images: Tensor) -> tuple[Tensor, Tensor]:
        logits, activations = zip(*(_emit(tf, plan, images) for plan in plans), strict=True)
        return tf.add_n(list(logits)) / len(plans), tf.add_n(list(activations)) / len(plans)

    graphs = {
        size: tf.function(forward, autograph=False).get_concrete_function(
            tf.TensorSpec((size, *INPUT_SHAPE), tf.float32)
        )
        for size in batches
    }

    def execute(images: Floats) -> tuple[Floats, Floats]:
        logit, activation = graphs[len(images)](tf.constant(images))
        return logit.numpy(), activation.numpy()

    return (execute,)


def compile_roughly(plans: Sequence[Plan], batches: Sequence[int], threads: Threads | None = None) -> None:
    """TensorFlow has nothing that is faster and less exact: see `model.openvino_runtime`."""


def _shared(tf: TensorFlow, plan: Plan) -> Plan:
    """Return the plan with its weights as tensors; a normalisation's few numbers stay."""
    steps = (
        step
        if step.kind == "normalise"
        else replace(step, arrays={part: tf.constant(array) for part, array in step.arrays.items()})
        for step in plan.steps
    )
    return replace(plan, steps=tuple(steps))


def _emit(tf: TensorFlow, plan: Plan, images: Tensor) -> tuple[Tensor, Tensor]:
    values: list[Tensor] = []
    for step in plan.steps:
        values.append(_value(tf, step, [values[number] for number in step.inputs]) if step.inputs else images)
    return values[plan.logit], values[plan.activation]


def _value(tf: TensorFlow, step: Step, inputs: list[Tensor]) -> Tensor:  # noqa: C901, PLR0911 - a case a kind of step
    x, settings = inputs[0], step.settings
    match step.kind:
        case "scale":
            return x * settings["scale"] + settings["offset"]
        case "convolve":
            return _biased(tf, tf.nn.conv2d(x, step.arrays["kernel"], int(settings["stride"]), "SAME"), step)
        case "depthwise":
            stride = int(settings["stride"])
            return _biased(tf, tf.nn.depthwise_conv2d(x, step.arrays["kernel"], (1, stride, stride, 1), "SAME"), step)
        case "normalise":
            scale, offset = affine(step)
            return x * scale.astype(np.float32) + offset.astype(np.float32)
        case "clip":
            return tf.nn.relu6(x) if settings["high"] == 6 else tf.minimum(tf.nn.relu(x), settings["high"])  # noqa: PLR2004 - it has a kernel
        case "add":
            return tf.add_n(inputs)
        case "concatenate":
            return tf.concat(inputs, axis=-1)
        case "max_pool":
            return tf.nn.max_pool2d(x, int(settings["size"]), int(settings["size"]), "SAME")
        case "average_pool":
            return tf.nn.avg_pool2d(x, int(settings["size"]), int(settings["size"]), "SAME")
        case "mean":
            return tf.reduce_mean(x, axis=(1, 2))
        case "squeeze":
            return tf.squeeze(x, axis=-1)
        case "input":
            return x


def _biased(tf: TensorFlow, x: Tensor, step: Step) -> Tensor:
    return tf.nn.bias_add(x, step.arrays["bias"]) if "bias" in step.arrays else x
