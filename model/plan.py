"""The network as plain steps with their numbers, whatever executes them; needs NumPy only.

A zoo module's `build` is recorded (`model.recorder`), the weights are put in by their Keras path, and every batch
normalisation is folded into the convolution before it: the same function in fewer passes. Runtimes execute the steps
(`model.tensorflow_runtime`, `model.openvino_runtime`), so serving needs no Keras, and the fast one no TensorFlow.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from model.errors import WeightsError

Kind = Literal[
    "input",
    "scale",
    "convolve",
    "depthwise",
    "normalise",
    "clip",
    "add",
    "concatenate",
    "max_pool",
    "average_pool",
    "mean",
    "squeeze",
]
Floats = npt.NDArray[np.float32]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation on values [n, rows, columns, channels]; `inputs` are the numbers of earlier steps.

    `settings`, by kind: scale: scale, offset. convolve, depthwise: size, stride. normalise: epsilon. clip: high (from 0
    to it). max_pool, average_pool: size (also the stride; the edge is padded and the padding not averaged). `arrays`:
    convolve: kernel [size, size, in, out] and bias; depthwise: kernel [size, size, channels, 1] and bias; normalise:
    gamma, beta, moving_mean, moving_variance. A recorded step has the arrays' names and shapes in `expected` only.
    """

    kind: Kind
    name: str
    inputs: tuple[int, ...]
    shape: Shape
    settings: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    expected: Mapping[str, Shape] = field(default_factory=lambda: MappingProxyType({}))
    arrays: Mapping[str, Floats] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Plan:
    """A network: its steps in the order of execution, and which of them are the logit [n] and the activation."""

    steps: tuple[Step, ...]
    logit: int
    activation: int


def with_weights(plan: Plan, member: Mapping[str, npt.NDArray[np.generic]], name: str) -> Plan:
    """Put one member's weights into a recorded plan and fold every normalisation that follows a convolution into it.

    Raises:
        WeightsError: names or shapes differ from the network's, or a value is not finite.

    """
    wanted = {f"{step.name}/{part}": shape for step in plan.steps for part, shape in step.expected.items()}
    if set(wanted) != set(member):
        odd = sorted(set(wanted) ^ set(member))
        msg = f"expected {len(wanted)} weights of {name}. Received: {len(member)}, differing in {odd[0]}"
        raise WeightsError(msg)
    for path, shape in wanted.items():
        if member[path].shape != shape or not np.isfinite(member[path]).all():
            msg = f"expected finite {path} of shape {shape}. Received: shape={member[path].shape}"
            raise WeightsError(msg)
    steps = tuple(
        replace(step, arrays={part: member[f"{step.name}/{part}"].astype(np.float32) for part in step.expected})
        for step in plan.steps
    )
    return _folded(replace(plan, steps=steps))


def _folded(plan: Plan) -> Plan:
    """Fold every normalisation into the convolution before it, if nothing else reads that."""
    readers = Counter(number for step in plan.steps for number in step.inputs)
    kept: list[Step] = []
    moved: list[int] = []  # from a step's number in the plan to its number in `kept`
    for step in plan.steps:
        source = kept[moved[step.inputs[0]]] if step.inputs else step
        if step.kind == "normalise" and source.kind in {"convolve", "depthwise"} and readers[step.inputs[0]] == 1:
            moved.append(moved[step.inputs[0]])
            kept[moved[-1]] = _normalised(source, step)
        else:
            moved.append(len(kept))
            kept.append(replace(step, inputs=tuple(moved[number] for number in step.inputs)))
    return Plan(tuple(kept), moved[plan.logit], moved[plan.activation])


def _normalised(convolution: Step, normalisation: Step) -> Step:
    """Return the convolution whose output is normalised already."""
    kernel = convolution.arrays["kernel"].astype(np.float64)
    scale, offset = affine(normalisation)
    per_output = scale if convolution.kind == "convolve" else scale[:, np.newaxis]  # [..., in, out], [..., channels, 1]
    bias = convolution.arrays.get("bias", np.zeros(1, np.float32)) * scale + offset
    arrays = {"kernel": (kernel * per_output).astype(np.float32), "bias": bias.astype(np.float32)}
    return replace(convolution, arrays=arrays)


def affine(normalisation: Step) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return what a normalisation with fixed statistics multiplies each channel by, and what it adds then."""
    arrays = {part: array.astype(np.float64) for part, array in normalisation.arrays.items()}
    scale = arrays["gamma"] / np.sqrt(arrays["moving_variance"] + normalisation.settings["epsilon"])
    return scale, arrays["beta"] - arrays["moving_mean"] * scale
