"""Callers that wait at the same time share a batch; each gets its own outputs or its own error, and nobody hangs."""

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from model.batching import Batcher
from model.preprocess import INPUT_SHAPE

Array = npt.NDArray[np.float32]


def _image(value: float, count: int = 1) -> Array:
    return np.full((count, *INPUT_SHAPE), value, np.float32)


class _Network:
    """Logit = the image's first value. The first batch waits until `release` is set."""

    def __init__(self, poison: float | None = None) -> None:
        self.sizes: list[int] = []
        self.started, self.release = threading.Event(), threading.Event()
        self.inside, self.most = 0, 0
        self.poison = poison

    def __call__(self, images: Array) -> tuple[Array, Array]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.sizes.append(len(images))
        self.started.set()
        assert self.release.wait(60)
        self.inside -= 1
        values = images[:, 0, 0, 0].copy()
        if self.poison is not None and (values == self.poison).any():
            message = "poisoned"
            raise RuntimeError(message)
        return values, values[:, np.newaxis, np.newaxis]


class _Caller(threading.Thread):
    """Runs one request and keeps what came of it."""

    def __init__(self, batcher: Batcher, images: Array, *, patient: bool = False) -> None:
        super().__init__(daemon=True)
        self.batcher, self.images, self.patient = batcher, images, patient
        self.logits: list[float] = []
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.logits = self.batcher.run(self.images, patient=self.patient)[0].tolist()
        except RuntimeError as error:
            self.error = error


def _crowd(network: _Network, eventually: Callable[..., None], requests: list[Array]) -> list[_Caller]:
    """Let the first request occupy the network, queue the others behind it, and let them all go."""
    batcher = Batcher([network], (1, 8))
    callers = [_Caller(batcher, requests[0])]
    assert network.started.wait(60)
    for number, images in enumerate(requests[1:], start=1):
        callers.append(_Caller(batcher, images))
        eventually(lambda number=number: len(batcher._waiting) == number)
    network.release.set()
    for caller in callers:
        caller.join(60)
        assert not caller.is_alive()
    return callers


def test_requests_that_wait_together_go_through_as_one_batch(eventually: Callable[..., None]) -> None:
    network = _Network()
    callers = _crowd(network, eventually, [_image(n / 10) for n in range(9)])
    assert network.sizes == [1, 8]
    assert [caller.logits for caller in callers] == [[pytest.approx(n / 10)] for n in range(9)]


def test_the_network_is_never_entered_twice_at_once(eventually: Callable[..., None]) -> None:
    network = _Network()
    _crowd(network, eventually, [_image(n / 20) for n in range(20)])
    assert network.most == 1


def test_a_request_of_several_images_stays_together_and_in_order(eventually: Callable[..., None]) -> None:
    network = _Network()
    stack = np.concatenate([_image(n / 10) for n in range(5)])
    callers = _crowd(network, eventually, [_image(0.9), stack, _image(0.7), stack[::-1]])
    assert callers[1].logits == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert callers[2].logits == pytest.approx([0.7])
    assert callers[3].logits == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])


def test_executions_that_may_go_side_by_side_do(eventually: Callable[..., None]) -> None:
    networks = [_Network(), _Network()]
    batcher = Batcher(networks, (1, 8))
    callers = [_Caller(batcher, _image(n / 10)) for n in range(2)]
    for network in networks:
        assert network.started.wait(60)
    callers.append(_Caller(batcher, _image(0.5)))
    eventually(lambda: len(batcher._waiting) == 1)
    networks[0].release.set()
    callers[2].join(60)
    assert callers[2].logits == [pytest.approx(0.5)]
    networks[1].release.set()
    for number, caller in enumerate(callers[:2]):
        caller.join(60)
        assert caller.logits == [pytest.approx(number / 10)]


def test_patient_images_go_batch_by_batch_and_give_way_to_whoever_comes_meanwhile(
    eventually: Callable[..., None],
) -> None:
    network = _Network()
    batcher = Batcher([network], (1, 8))
    patient = _Caller(batcher, np.concatenate([_image(n / 100) for n in range(26)]), patient=True)
    assert network.started.wait(60)
    others = [_Caller(batcher, _image(0.5)), _Caller(batcher, _image(0.6))]
    eventually(lambda: len(batcher._waiting) == len(others))
    network.release.set()
    for caller in (patient, *others):
        caller.join(60)
        assert not caller.is_alive()
    assert network.sizes[:3] == [8, 1, 1]
    assert patient.logits == pytest.approx([n / 100 for n in range(26)])


def test_what_fails_alone_fails_its_own_caller_only(eventually: Callable[..., None]) -> None:
    network = _Network(poison=0.5)
    callers = _crowd(network, eventually, [_image(0.9), _image(0.25), _image(0.5), _image(0.75)])
    assert [caller.logits for caller in callers] == [[pytest.approx(0.9)], [0.25], [], [0.75]]
    assert [str(caller.error) for caller in callers if caller.error] == ["poisoned"]
    assert callers[2].error is not None


def test_the_network_goes_on_after_an_error() -> None:
    network = _Network(poison=0.5)
    network.release.set()
    batcher = Batcher([network], (1, 8))
    with pytest.raises(RuntimeError):
        batcher.run(_image(0.5))
    assert batcher.run(_image(0.25))[0] == pytest.approx([0.25])


class _InterruptedError(BaseException):
    """What ends a thread from outside."""


def test_a_caller_that_is_interrupted_leaves_the_others_their_turn(eventually: Callable[..., None]) -> None:
    release, calls, ended = threading.Event(), [], []

    def network(images: Array) -> tuple[Array, Array]:
        calls.append(len(images))
        assert release.wait(60)
        if len(calls) == 2:  # of the batch of those who waited
            raise _InterruptedError
        return images[:, 0, 0, 0].copy(), images[:, :1, 0, 0].copy()[:, np.newaxis]

    def call(value: float) -> None:
        try:
            ended.append(batcher.run(_image(value))[0].tolist())
        except _InterruptedError:
            ended.append("interrupted")

    batcher = Batcher([network], (2,))
    callers = [threading.Thread(target=call, args=(value,), daemon=True) for value in (0.0, 0.25, 0.25)]
    callers[0].start()
    eventually(lambda: calls)
    for number, caller in enumerate(callers[1:], start=1):
        caller.start()
        eventually(lambda number=number: len(batcher._waiting) == number)
    release.set()
    for caller in callers:
        caller.join(60)
    assert sorted(map(str, ended)) == ["[0.0]", "[0.25]", "interrupted"]


def test_many_callers_for_a_while_all_get_their_own(eventually: Callable[..., None]) -> None:
    network = _Network()
    network.release.set()
    batcher = Batcher([network], (1, 8))
    wrong: list[float] = []

    def call(number: int) -> None:
        for repeat in range(25):
            value = np.float32((number * 25 + repeat) / 500)
            got = batcher.run(_image(float(value)))[0]
            wrong.extend(got[got != value])

    threads = [threading.Thread(target=call, args=(number,), daemon=True) for number in range(12)]
    for thread in threads:
        thread.start()
    eventually(lambda: not any(thread.is_alive() for thread in threads))
    assert wrong == []
    assert network.most == 1


def test_what_is_asked_roughly_goes_through_the_rough_network_and_shares_no_batch() -> None:
    exact, rough = _Network(), _Network()
    exact.release.set()
    rough.release.set()
    batcher = Batcher([exact], (4, 1), [rough])
    logits, _ = batcher.run(_image(0.5, 6), patient=True, roughly=True)
    assert logits.tolist() == [0.5] * 6
    assert batcher.run(_image(0.25))[0].tolist() == [0.25]
    assert (rough.sizes, exact.sizes) == ([4, 1, 1], [1])
