"""Execute plans with OpenVINO, built step by step: no conversion, no files, no TensorFlow.

OpenVINO reports its use to its maker as soon as it is imported, over the network and by a process that it forks from
whoever imports it. `_openvino` keeps it from that, so nothing leaves the machine.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from model.plan import Floats, Plan, Step, affine
from model.preprocess import INPUT_SHAPE
from model.runtime import Execute, Threads, cores

Node = Any
"""A node of an OpenVINO graph; the package's types do not say enough."""

_ROWS_AND_COLUMNS = [2, 3]


def compile_plans(plans: Sequence[Plan], batches: Sequence[int], threads: Threads | None = None) -> tuple[Execute, ...]:
    """Compile the mean of some plans' outputs for inputs of exactly these batch sizes, in float32 throughout.

    Returns as many executions that may go side by side as there are to be threads, each on one: two threads in one
    image cost half as much again in waiting for each other, and it is through hardly sooner.

    OpenVINO, an optional package, must be installed: see `model.runtime.chosen`.
    """
    return _compiled(plans, batches, threads, {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"})


def compile_roughly(
    plans: Sequence[Plan], batches: Sequence[int], threads: Threads | None = None
) -> tuple[Execute, ...] | None:
    """Compile the same in bfloat16, twice as fast; None for a processor without it."""
    if "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return None
    hints = {"INFERENCE_PRECISION_HINT": "bf16", "EXECUTION_MODE_HINT": "PERFORMANCE"}
    return _compiled(plans, batches, threads, hints)


def _compiled(
    plans: Sequence[Plan], batches: Sequence[int], threads: Threads | None, hints: Mapping[str, str]
) -> tuple[Execute, ...]:
    streams = (threads.intra_op if threads is not None else 0) or cores()
    settings: dict[str, Any] = {
        **hints,  # said each time: the default precision is bfloat16 where the processor has it
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        "ENABLE_CPU_PINNING": False,  # the cores are shared with the agent's other processes
    }
    compiled = {size: _core().compile_model(_model(plans, size), "CPU", settings) for size in batches}
    return tuple(
        _execution({size: model.create_infer_request() for size, model in compiled.items()}) for _ in range(streams)
    )


def _openvino() -> Any:  # noqa: ANN401 - the package's types do not say enough
    """Import OpenVINO without what reports its use: that is not found, and OpenVINO has a stub for that case."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # what Python takes for "there is none"
    import openvino  # noqa: PLC0415 - optional, and half a second for those who do not score
    import openvino.opset13  # noqa: PLC0415 - as above

    return openvino


@cache
def _core() -> Any:  # noqa: ANN401 - as above
    """Return the one core of this process, which stays.

    Each gives the thread that first uses it another stack for signals' handlers, and takes that away when it goes, with
    the last network that it compiled. When they go in another order than they came, the thread is left with one that is
    there no more, and the next signal to a handler of Python's, which runs on it, is the end of the process (SIGSEGV).
    """
    return _openvino().Core()


def _execution(requests: Mapping[int, Any]) -> Execute:
    def execute(images: Floats) -> tuple[Floats, Floats]:
        request = requests[len(images)]
        request.infer([np.ascontiguousarray(images)])
        return request.get_output_tensor(0).data.copy(), request.get_output_tensor(1).data.copy()

    return execute


def _model(plans: Sequence[Plan], size: int) -> Node:
    ov = _openvino()
    ops = ov.opset13
    images = ops.parameter([size, *INPUT_SHAPE], np.float32, name="images")
    planar = ops.transpose(images, ops.constant([0, 3, 1, 2]))
    logits, activations = zip(*(_emit(ops, plan, planar) for plan in plans), strict=True)
    outputs = [_mean(ops, members) for members in (logits, activations)]
    return ov.Model(outputs, [images], "ensemble")


def _mean(ops: Any, values: Sequence[Node]) -> Node:  # noqa: ANN401 - a module of functions
    total = values[0]
    for value in values[1:]:
        total = ops.add(total, value)
    return ops.multiply(total, np.float32(1 / len(values)))


def _emit(ops: Any, plan: Plan, images: Node) -> tuple[Node, Node]:  # noqa: ANN401 - a module of functions
    values: list[Node] = []
    for step in plan.steps:
        values.append(_value(ops, step, [values[number] for number in step.inputs]) if step.inputs else images)
    return values[plan.logit], values[plan.activation]


def _value(ops: Any, step: Step, inputs: list[Node]) -> Node:  # noqa: ANN401, C901, PLR0911 - a module; a case a kind
    """Emit one step; values are [n, channels, rows, columns] here."""
    x, settings = inputs[0], step.settings
    match step.kind:
        case "scale":
            return ops.add(ops.multiply(x, np.float32(settings["scale"])), np.float32(settings["offset"]))
        case "convolve":
            return _convolved(ops, ops.convolution, x, step, np.transpose(step.arrays["kernel"], (3, 2, 0, 1)))
        case "depthwise":
            kernel = np.transpose(step.arrays["kernel"], (2, 3, 0, 1))[:, :, np.newaxis]
            return _convolved(ops, ops.group_convolution, x, step, kernel)
        case "normalise":
            scale, offset = (_per_channel(part.astype(np.float32)) for part in affine(step))
            return ops.add(ops.multiply(x, scale), offset)
        case "clip":
            return ops.relu(x) if np.isinf(settings["high"]) else ops.clamp(x, 0.0, settings["high"])
        case "add":
            return ops.add(*inputs)
        case "concatenate":
            return ops.concat(inputs, axis=1)
        case "max_pool":
            size = [int(settings["size"])] * 2
            return ops.max_pool(x, size, [1, 1], [0, 0], [0, 0], size, auto_pad="same_upper").output(0)
        case "average_pool":
            size = [int(settings["size"])] * 2
            return ops.avg_pool(x, size, [0, 0], [0, 0], size, exclude_pad=True, auto_pad="same_upper")
        case "mean":
            return ops.reduce_mean(x, ops.constant(_ROWS_AND_COLUMNS), keep_dims=False)
        case "squeeze":
            return ops.squeeze(x, ops.constant([1]))
        case "input":
            return x


def _convolved(ops: Any, operation: Any, x: Node, step: Step, kernel: Floats) -> Node:  # noqa: ANN401 - a module
    stride = [int(step.settings["stride"])] * 2
    weights = ops.constant(np.ascontiguousarray(kernel))
    y = operation(x, weights, stride, [0, 0], [0, 0], [1, 1], auto_pad="same_upper")
    return ops.add(y, _per_channel(step.arrays["bias"])) if "bias" in step.arrays else y


def _per_channel(values: Floats) -> Floats:
    return values.reshape(1, -1, 1, 1)
