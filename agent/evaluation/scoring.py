"""Read and score every labelled image, some at a time: readers in threads, the network in batches."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from agent.evaluation.entries import Entry
from agent.evaluation.reading import Gate, Image, Unreadable, read
from dicom_io.decoding import Decoder, DecoderSettings
from model.card import ModelCard
from model.preprocess import from_gray

_CHUNK: Final = 64
_BATCH: Final = 32
_READERS: Final = 4


class Scored(Protocol):
    """What the model says of one image."""

    @property
    def probability(self) -> float: ...  # noqa: D102 - see the class


class Classifier(Protocol):
    """The part of model.classifier.Classifier that an evaluation needs."""

    @property
    def card(self) -> ModelCard: ...  # noqa: D102 - see the class

    def score(self, images: npt.NDArray[np.float32]) -> Sequence[Scored]: ...  # noqa: D102 - see the class


@dataclass(frozen=True, slots=True)
class ScoredImage:
    """An image and the probability of its most suspicious frame."""

    image: Image
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Everything that was read and scored, in the order of the entries, and how fast that went."""

    scored: tuple[ScoredImage, ...]
    unreadable: tuple[Unreadable, ...]
    images_per_second: float


def score(
    classifier: Classifier, entries: Sequence[Entry], gate: Gate, progress: Callable[[int], None] = lambda _: None
) -> Scores:
    """Read and score every entry; `progress` is told after each part how many are done since the last time.

    A file that cannot be read is kept as such: it is neither scored nor dropped.
    """
    scored: list[ScoredImage] = []
    unreadable: list[Unreadable] = []
    started = time.perf_counter()
    with Decoder(DecoderSettings(processes=_READERS)) as decoder, ThreadPoolExecutor(_READERS) as readers:
        for start in range(0, len(entries), _CHUNK):
            chunk = entries[start : start + _CHUNK]
            found = list(readers.map(lambda entry: read(entry, gate, decoder.read_frames), chunk))
            images = [one for one in found if isinstance(one, Image)]
            unreadable += [one for one in found if isinstance(one, Unreadable)]
            scored += map(ScoredImage, images, _probabilities(classifier, images))
            progress(len(chunk))
    seconds = max(time.perf_counter() - started, 1e-9)
    return Scores(scored=tuple(scored), unreadable=tuple(unreadable), images_per_second=len(scored) / seconds)


def _probabilities(classifier: Classifier, images: Sequence[Image]) -> Iterator[float]:
    if not images:
        return
    squares = np.concatenate([image.squares for image in images])
    frames: list[float] = []
    for start in range(0, len(squares), _BATCH):
        batch = from_gray(squares[start : start + _BATCH])
        frames += [one.probability for one in classifier.score(batch)]
    start = 0
    for image in images:
        yield max(frames[start : start + len(image.squares)])
        start += len(image.squares)
