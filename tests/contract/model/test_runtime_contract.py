"""What every runtime promises of every trained model of the zoo: the numbers of the network that was trained."""

import threading
from functools import cache
from importlib import import_module

import numpy as np
import pytest

from model import weights, zoo
from model.plan import with_weights
from model.recorder import record
from model.runtime import Execute, Threads

RUNTIMES = ("tensorflow", "openvino")
SIZES = (1, 4)


@cache
def _compiled(name: str, runtime: str) -> tuple[Execute, ...]:
    architecture = zoo.architecture(name)
    plan = record(architecture.build)
    plans = [with_weights(plan, member, name) for member in weights.load(architecture.weights_path)[:2]]
    executions: tuple[Execute, ...] = import_module(f"model.{runtime}_runtime").compile_plans(
        plans, SIZES, Threads(intra_op=2, inter_op=1)
    )
    return executions


@cache
def _trained(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what Keras makes of the images: the mean of two members."""
    network = zoo.architecture(name).build()
    outputs = []
    for member in weights.load(zoo.architecture(name).weights_path)[:2]:
        weights.assign(network, member)
        outputs.append([np.asarray(part) for part in network(_images(), training=False)])
    logits, activations = zip(*outputs, strict=True)
    return np.mean(logits, axis=0), np.mean(activations, axis=0)


def _images() -> np.ndarray:
    rng = np.random.default_rng(0)
    smooth = rng.random((4, 13, 13, 1), np.float32).repeat(12, axis=1).repeat(12, axis=2)
    gray = 0.7 * smooth + 0.3 * rng.random((4, 156, 156, 1), np.float32)
    return np.repeat(gray, 3, axis=-1).astype(np.float32)


@pytest.fixture(params=zoo.loadable())
def name(request: pytest.FixtureRequest) -> str:
    """Every trained model."""
    return str(request.param)


@pytest.fixture(params=RUNTIMES)
def executions(request: pytest.FixtureRequest, name: str) -> tuple[Execute, ...]:
    """Every trained model on every runtime."""
    return _compiled(name, request.param)


@pytest.fixture
def execute(executions: tuple[Execute, ...]) -> Execute:
    """Any of those that may go side by side."""
    return executions[-1]


def test_logits_and_activations_are_those_of_the_trained_network(execute: Execute, name: str) -> None:
    logits, activations = execute(_images())
    expected_logits, expected_activations = _trained(name)
    assert np.abs(logits - expected_logits).max() < 1e-4
    assert np.abs(activations - expected_activations).max() < 1e-3
    assert np.ptp(expected_logits) > 0.01  # the images are told apart at all


def test_every_batch_size_gives_the_same_numbers(execute: Execute) -> None:
    images = _images()
    together, _ = execute(images)
    alone = np.concatenate([execute(image[np.newaxis])[0] for image in images])
    assert np.abs(together - alone).max() < 1e-4


def test_outputs_are_arrays_that_the_next_call_leaves_alone(execute: Execute) -> None:
    first = execute(_images()[:1])
    kept = [part.copy() for part in first]
    execute(_images()[1:2])
    assert [part.dtype for part in first] == [np.float32, np.float32]
    assert [part.ndim for part in first] == [1, 3]
    assert all((part == old).all() for part, old in zip(first, kept, strict=True))


def test_executions_that_go_side_by_side_give_the_outputs_of_their_own_images(executions: tuple[Execute, ...]) -> None:
    images, execute = _images(), executions[0]
    expected = [execute(image[np.newaxis])[0][0] for image in images]
    wrong: list[float] = []

    def call(number: int) -> None:
        one = executions[number]
        for _ in range(3):
            wrong.extend(got for got in one(images[number : number + 1])[0] if abs(got - expected[number]) > 1e-4)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(len(executions))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []
