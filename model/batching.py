"""Micro-batching: what waits when the network becomes free goes through it as one batch.

Nobody waits for company: a request that finds the network idle runs at once, and those that come meanwhile form the
next batch. There is no thread of its own, so nothing to shut down: one of the waiting callers runs the batch for all.
Patient requests, which nobody waits for, give way to all others.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.preprocess import INPUT_SHAPE, Input
from model.runtime import Execute, Floats


@dataclass(slots=True, eq=False)
class _Request:
    """One caller's images, and what became of them."""

    images: Input
    patient: bool = False
    roughly: bool = False
    outputs: tuple[Floats, Floats] | None = None
    error: Exception | None = None

    @property
    def settled(self) -> bool:
        return self.outputs is not None or self.error is not None


class Batcher:
    """Runs a compiled ensemble, whose batches have fixed sizes, for any number of callers and images at a time."""

    def __init__(
        self, executions: Sequence[Execute], batches: Sequence[int], rough: Sequence[Execute] | None = None
    ) -> None:
        """Wrap executions that go side by side, each called by one thread at a time, with the sizes `batches` only.

        `rough` are as many that are faster and less exact; where there are none they are the same.
        """
        self._idle = list(zip(executions, rough or executions, strict=True))
        self._batches = tuple(sorted(batches))
        self._condition = threading.Condition()
        self._waiting: deque[_Request] = deque()
        self._patient: deque[_Request] = deque()

    def run(self, images: Input, *, patient: bool = False, roughly: bool = False) -> tuple[Floats, Floats]:
        """Return logits [n] and activations [n, rows, columns] of images [n, 156, 156, 3], which must be valid ones.

        With `patient` they go batch by batch, each of them when nothing else waits; then also `roughly`.

        What the network raises for a batch of several callers is found out for each of them alone, so that each gets
        its own outputs or its own error.
        """
        size = self._batches[-1]
        if patient and len(images) > size:
            parts = [
                self.run(images[start : start + size], patient=True, roughly=roughly)
                for start in range(0, len(images), size)
            ]
            logits, activations = zip(*parts, strict=True)
            return np.concatenate(logits), np.concatenate(activations)
        request = _Request(images, patient, roughly)
        with self._condition:
            (self._patient if patient else self._waiting).append(request)
        while not request.settled:
            with self._condition:
                self._condition.wait_for(lambda: request.settled or (self._idle and self._anything_waits()))
                if request.settled:
                    break
                executions = self._idle.pop()
                taken = self._take()
            try:
                self._settle(executions[taken[0].roughly], taken)
            finally:
                with self._condition:
                    # whatever ended this thread, the others' requests go on
                    for other in reversed(taken):
                        if not other.settled:
                            (self._patient if other.patient else self._waiting).appendleft(other)
                    self._idle.append(executions)
                    self._condition.notify_all()
        if request.error is not None:
            raise request.error
        if request.outputs is None:
            message = "expected a settled request"
            raise AssertionError(message)
        return request.outputs

    def _anything_waits(self) -> bool:
        return bool(self._waiting or self._patient)

    def _take(self) -> list[_Request]:
        """Take waiting requests, the oldest first, up to the largest batch; at least one. A patient one goes alone."""
        if not self._waiting:
            return [self._patient.popleft()]
        taken = [self._waiting.popleft()]
        room = self._batches[-1] - len(taken[0].images)
        while self._waiting and len(self._waiting[0].images) <= room:
            taken.append(self._waiting.popleft())
            room -= len(taken[-1].images)
        return taken

    def _settle(self, execute: Execute, requests: list[_Request]) -> None:
        try:
            together = requests[0].images if len(requests) == 1 else np.concatenate([r.images for r in requests])
            logits, activations = self._outputs(execute, together)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller who caused it
            if len(requests) == 1:
                requests[0].error = error
                return
            for request in requests:
                self._settle(execute, [request])
            return
        start = 0
        for request in requests:
            end = start + len(request.images)
            request.outputs = logits[start:end], activations[start:end]
            start = end

    def _outputs(self, execute: Execute, images: Input) -> tuple[Floats, Floats]:
        parts = []
        start = 0
        while start < len(images):
            size = self._batch_for(len(images) - start)
            batch = images[start : start + size]
            if len(batch) < size:
                batch = np.concatenate([batch, np.zeros((size - len(batch), *INPUT_SHAPE), np.float32)])
            parts.append(tuple(output[: len(images) - start] for output in execute(batch)))
            start += size
        logits, activations = zip(*parts, strict=True)
        return np.concatenate(logits), np.concatenate(activations)

    def _batch_for(self, waiting: int) -> int:
        """Pick the largest shape that fills up, else the smallest that there is."""
        full = [size for size in self._batches if size <= waiting]
        return full[-1] if full else self._batches[0]
