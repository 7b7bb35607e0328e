"""Recording what serves: every number of a network in its place, and nothing recorded that would not be executed."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from model.errors import PlanError, WeightsError
from model.layers import Toolkit
from model.plan import Plan, with_weights
from model.recorder import record

Member = dict[str, npt.NDArray[np.generic]]


def _build(toolkit: Toolkit) -> Any:
    layers = toolkit.layers
    inputs = toolkit.input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, 2, padding="same", use_bias=False, name="first")(inputs)
    x = layers.BatchNormalization(momentum=0.9, epsilon=0.01, name="first_bn")(x)
    x = layers.ReLU(max_value=6.0, name="first_relu")(x)
    y = layers.DepthwiseConv2D(3, 1, padding="same", use_bias=False, name="deep")(x)
    y = layers.BatchNormalization(name="deep_bn")(y)
    x = layers.SpatialDropout2D(0.2, name="dropout")(layers.Add(name="sum")([x, y]))
    x = layers.Conv2D(1, 1, name="evidence")(x)
    activation = layers.Reshape(x.shape[1:3], name="activation")(x)
    logit = layers.Reshape((), name="logit")(layers.GlobalAveragePooling2D(name="pool")(x))
    return toolkit.network(inputs, (logit, activation), "tiny")


def _member(plan: Plan) -> Member:
    rng = np.random.default_rng(0)
    shapes = {f"{step.name}/{part}": shape for step in plan.steps for part, shape in step.expected.items()}
    return {
        path: rng.random(shape).astype(np.float16 if len(shape) > 1 else np.float32) for path, shape in shapes.items()
    }


def test_a_network_is_recorded_with_its_shapes_and_weights() -> None:
    plan = record(_build)
    kinds = "input convolve normalise clip depthwise normalise add convolve squeeze mean squeeze"
    assert [step.kind for step in plan.steps] == kinds.split()
    assert plan.steps[plan.activation].shape == (4, 4)
    assert plan.steps[plan.logit].shape == ()
    assert plan.steps[1].expected == {"kernel": (3, 3, 3, 4)}
    assert plan.steps[7].expected == {"kernel": (1, 1, 4, 1), "bias": (1,)}


def test_normalisations_disappear_into_the_convolutions_before_them() -> None:
    plan = with_weights(record(_build), _member(record(_build)), "tiny")
    assert [step.kind for step in plan.steps].count("normalise") == 0
    assert [step.inputs for step in plan.steps] == [(), (0,), (1,), (2,), (2, 3), (4,), (5,), (5,), (7,)]
    assert (plan.steps[plan.logit].name, plan.steps[plan.activation].name) == ("logit", "activation")


def test_a_folded_convolution_is_the_convolution_normalised() -> None:
    recorded = record(_build)
    member = _member(recorded)
    step = with_weights(recorded, member, "tiny").steps[1]
    gain = member["first_bn/gamma"] / np.sqrt(member["first_bn/moving_variance"] + 0.01)
    assert step.arrays["kernel"] == pytest.approx(member["first/kernel"].astype(np.float32) * gain, rel=1e-5)
    expected = member["first_bn/beta"] - member["first_bn/moving_mean"] * gain
    assert step.arrays["bias"] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_normalisation_of_something_that_others_read_stays() -> None:
    def build(toolkit: Toolkit) -> Any:
        x = toolkit.layers.Conv2D(1, 1, name="conv")(toolkit.input((4, 4, 3), name="image"))
        y = toolkit.layers.BatchNormalization(name="bn")(x)
        both = toolkit.layers.Add(name="both")([x, y])
        activation = toolkit.layers.Reshape((4, 4), name="activation")(both)
        return toolkit.network(None, (activation, activation), "tiny")

    recorded = record(build)
    assert "normalise" in [step.kind for step in with_weights(recorded, _member(recorded), "tiny").steps]


@pytest.mark.parametrize("change", ["absent", "unknown", "shape", "nan", "inf"])
def test_weights_of_another_network_are_refused(change: str) -> None:
    plan = record(_build)
    member = _member(plan)
    if change == "absent":
        del member["deep_bn/beta"]
    elif change == "unknown":
        member["other/kernel"] = np.zeros(3)
    elif change == "shape":
        member["first/kernel"] = member["first/kernel"][..., :1]
    else:
        member["evidence/bias"] = np.array([float(change)], np.float32)
    with pytest.raises(WeightsError, match="Received"):
        with_weights(plan, member, "tiny")


def _with(layer: str, *arguments: Any, **settings: Any) -> Any:
    def build(toolkit: Toolkit) -> Any:
        x = getattr(toolkit.layers, layer)(*arguments, **settings)(toolkit.input((8, 8, 3), name="image"))
        return toolkit.network(None, (x, x), "tiny")

    return build


def test_a_layer_that_no_runtime_executes_is_an_error_that_names_it() -> None:
    with pytest.raises(PlanError, match="Received: LayerNormalization"):
        record(_with("LayerNormalization", name="norm"))


@pytest.mark.parametrize(
    ("layer", "arguments", "settings"),
    [
        ("Conv2D", (4, 3), {"name": "c", "padding": "valid"}),
        ("Conv2D", (4, 3), {"name": "c", "padding": "same", "dilation_rate": 2}),
        ("Conv2D", (4, 3), {"name": "c", "padding": "same", "activation": "relu"}),
        ("DepthwiseConv2D", (3,), {"name": "c", "padding": "same", "depth_multiplier": 2}),
        ("ReLU", (), {"name": "r", "negative_slope": 0.1}),
        ("BatchNormalization", (), {"name": "b", "scale": False}),
        ("MaxPooling2D", (2,), {"name": "p", "padding": "same", "strides": 1}),
        ("Reshape", ((64, 3),), {"name": "r"}),
    ],
)
def test_a_setting_that_would_change_the_result_is_not_overlooked(
    layer: str, arguments: tuple[Any, ...], settings: dict[str, Any]
) -> None:
    with pytest.raises(PlanError, match="Received"):
        record(_with(layer, *arguments, **settings))
