"""Run a zoo module's `build` with layers that only write down what is to be done: the plan of its network.

The recorder knows the layers, and the settings of them, that every runtime executes; anything else is an error that
names it, never a network that serves something else than was trained.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.errors import PlanError
from model.layers import Toolkit
from model.plan import Kind, Plan, Shape, Step


@dataclass(frozen=True, slots=True)
class _Value:
    """What a recorded layer is given and returns. `shape` starts with None, the batch, as in Keras."""

    number: int
    shape: tuple[int | None, ...]


def record(build: Callable[[Toolkit], Any]) -> Plan:
    """Run a zoo module's `build` and note the steps, still without weights.

    Raises:
        PlanError: it uses a layer, or a setting of one, that is not among those of this module.

    """
    recorder = _Recorder()
    plan = build(Toolkit(recorder, recorder.input, recorder.network))
    if not isinstance(plan, Plan):
        msg = f"expected build(toolkit) to return toolkit.network(...). Received: {type(plan).__name__}"
        raise PlanError(msg)
    return plan


class _Recorder:
    """Stands in for `keras.layers`: the same names and arguments, but only what serving knows to execute."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __getattr__(self, layer: str) -> Callable[..., Callable[[Any], _Value]]:
        makers: dict[str, Callable[..., Callable[[Any], _Value]]] = {
            "Rescaling": self._rescaling,
            "Conv2D": self._conv2d,
            "DepthwiseConv2D": self._depthwise_conv2d,
            "BatchNormalization": self._batch_normalization,
            "ReLU": self._relu,
            "Add": self._add,
            "Concatenate": self._concatenate,
            "MaxPooling2D": lambda size, *, padding, name: self._pool("max_pool", size, padding, name),
            "AveragePooling2D": lambda size, *, padding, name: self._pool("average_pool", size, padding, name),
            "GlobalAveragePooling2D": self._global_average_pooling,
            "SpatialDropout2D": lambda _rate, *, name: lambda x: x,  # noqa: ARG005 - Keras' argument; nothing in serving
            "Reshape": self._reshape,
        }
        if layer not in makers:
            msg = f"expected one of the layers {', '.join(makers)}. Received: {layer}"
            raise PlanError(msg)

        def checked(*arguments: Any, **settings: Any) -> Callable[[Any], _Value]:  # noqa: ANN401 - as Keras takes them
            try:
                return makers[layer](*arguments, **settings)
            except TypeError as error:
                msg = f"expected the settings of {layer} that serving knows. Received: {error}"
                raise PlanError(msg) from None

        return checked

    def input(self, shape: Shape, *, name: str) -> _Value:
        return self._note("input", name, (), shape)

    def network(self, _inputs: _Value, outputs: tuple[_Value, _Value], _name: str) -> Plan:
        logit, activation = outputs
        return Plan(tuple(self.steps), logit.number, activation.number)

    def _note(
        self,
        kind: Kind,
        name: str,
        inputs: Sequence[_Value],
        shape: Shape,
        settings: Mapping[str, float] | None = None,
        expected: Mapping[str, Shape] | None = None,
    ) -> _Value:
        numbers = tuple(value.number for value in inputs)
        self.steps.append(
            Step(kind=kind, name=name, inputs=numbers, shape=shape, settings=settings or {}, expected=expected or {})
        )
        return _Value(len(self.steps) - 1, (None, *shape))

    def _rescaling(self, scale: float, *, offset: float, name: str) -> Callable[[_Value], _Value]:
        settings = {"scale": scale, "offset": offset}
        return lambda x: self._note("scale", name, (x,), _sizes(x), settings)

    def _conv2d(
        self, filters: int, size: int, stride: int = 1, *, name: str, padding: str = "valid", use_bias: bool = True
    ) -> Callable[[_Value], _Value]:
        _check_padding(padding if size > 1 else "same", name)

        def call(x: _Value) -> _Value:
            rows, columns, channels = _sizes(x)
            expected: dict[str, Shape] = {"kernel": (size, size, channels, filters)}
            if use_bias:
                expected["bias"] = (filters,)
            shape = (*_strided((rows, columns), stride), filters)
            return self._note("convolve", name, (x,), shape, {"size": size, "stride": stride}, expected)

        return call

    def _depthwise_conv2d(
        self, size: int, stride: int = 1, *, name: str, padding: str = "valid", use_bias: bool = True
    ) -> Callable[[_Value], _Value]:
        _check_padding(padding, name)

        def call(x: _Value) -> _Value:
            rows, columns, channels = _sizes(x)
            expected: dict[str, Shape] = {"kernel": (size, size, channels, 1)}
            if use_bias:
                expected["bias"] = (channels,)
            shape = (*_strided((rows, columns), stride), channels)
            return self._note("depthwise", name, (x,), shape, {"size": size, "stride": stride}, expected)

        return call

    def _batch_normalization(
        self, *, name: str, epsilon: float = 1e-3, momentum: float = 0.99
    ) -> Callable[[_Value], _Value]:
        del momentum  # of the training

        def call(x: _Value) -> _Value:
            names = ("gamma", "beta", "moving_mean", "moving_variance")
            expected: dict[str, Shape] = dict.fromkeys(names, _sizes(x)[-1:])
            return self._note("normalise", name, (x,), _sizes(x), {"epsilon": epsilon}, expected)

        return call

    def _relu(self, *, name: str, max_value: float = math.inf) -> Callable[[_Value], _Value]:
        return lambda x: self._note("clip", name, (x,), _sizes(x), {"high": max_value})

    def _add(self, *, name: str) -> Callable[[Sequence[_Value]], _Value]:
        return lambda values: self._note("add", name, values, _sizes(values[0]))

    def _concatenate(self, *, name: str) -> Callable[[Sequence[_Value]], _Value]:
        def call(values: Sequence[_Value]) -> _Value:
            channels = sum(_sizes(value)[-1] for value in values)
            return self._note("concatenate", name, values, (*_sizes(values[0])[:-1], channels))

        return call

    def _pool(self, kind: Kind, size: int, padding: str, name: str) -> Callable[[_Value], _Value]:
        _check_padding(padding, name)

        def call(x: _Value) -> _Value:
            rows, columns, channels = _sizes(x)
            return self._note(kind, name, (x,), (*_strided((rows, columns), size), channels), {"size": size})

        return call

    def _global_average_pooling(self, *, name: str) -> Callable[[_Value], _Value]:
        return lambda x: self._note("mean", name, (x,), _sizes(x)[-1:])

    def _reshape(self, shape: Shape, *, name: str) -> Callable[[_Value], _Value]:
        def call(x: _Value) -> _Value:
            if _sizes(x) != (*shape, 1):
                msg = f"expected {name} to drop a last axis of one channel. Received: {_sizes(x)} to {shape}"
                raise PlanError(msg)
            return self._note("squeeze", name, (x,), tuple(shape))

        return call


def _sizes(value: _Value) -> Shape:
    return tuple(size for size in value.shape if size is not None)


def _strided(sizes: Shape, stride: int) -> Shape:
    return tuple(-(-size // stride) for size in sizes)


def _check_padding(padding: str, name: str) -> None:
    if padding != "same":
        msg = f"expected padding='same' at {name}. Received: {padding!r}"
        raise PlanError(msg)
