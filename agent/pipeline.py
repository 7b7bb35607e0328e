"""One image from file to outcome: gate -> frames -> model. The same lines serve a worker's job and `tibabu analyse`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from agent.gate import GateSettings, decide
from db.outcome import Outcome
from dicom_io.errors import HeaderError, PixelError
from dicom_io.frames import read_frames
from dicom_io.header import Header, read_header
from dicom_io.image_files import read_picture
from model.card import ModelCard
from model.errors import InputError
from model.preprocess import to_input

Pixels = npt.NDArray[np.uint8]


class Scored(Protocol):
    """What the model says of one image: its raw score (logit) and the calibrated probability, 0 to 1."""

    @property
    def score(self) -> float: ...  # noqa: D102 - see the class

    @property
    def probability(self) -> float: ...  # noqa: D102 - see the class


class Classifier(Protocol):
    """The part of model.classifier.Classifier that the pipeline needs."""

    @property
    def card(self) -> ModelCard: ...  # noqa: D102 - see the class

    def score(self, images: npt.NDArray[np.float32]) -> Sequence[Scored]: ...  # noqa: D102 - see the class

    def explain(self, image: npt.NDArray[np.float32]) -> Pixels: ...  # noqa: D102 - see the class


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAnalysis:
    """What came of one image: outcome and reason; the scores if it was analysed; a heat map if it was flagged."""

    outcome: Outcome
    reason: str = ""
    lateral: bool = False
    score: float | None = None
    probability: float | None = None
    heat_map: Pixels | None = None


class Pipeline:
    """The pipeline with one model and one gate."""

    def __init__(self, classifier: Classifier, gate: GateSettings) -> None:
        """Keep the loaded model and the gate's settings."""
        self.card = classifier.card
        self._classifier = classifier
        self._gate = gate

    def analyse(self, path: Path, *, calling_ae_title: str = "") -> ImageAnalysis:
        """Analyse a DICOM file. Never raises for what the file holds: a broken one is FAILED with its reason."""
        try:
            header = read_header(path)
        except HeaderError as error:
            return ImageAnalysis(outcome=Outcome.FAILED, reason=f"the header cannot be read: {error}")
        if (declined := self._declined(header, calling_ae_title)) is not None:
            return declined
        try:
            frames = read_frames(path)
        except PixelError as error:
            return ImageAnalysis(outcome=Outcome.FAILED, reason=error.reason)
        return self._score(frames)

    def analyse_picture(self, path: Path) -> ImageAnalysis:
        """Analyse a PNG or JPEG: it has no header, so the header gate says nothing about it."""
        try:
            return self._score((read_picture(path),))
        except PixelError as error:
            return ImageAnalysis(outcome=Outcome.FAILED, reason=error.reason)

    def _declined(self, header: Header, calling_ae_title: str) -> ImageAnalysis | None:
        decline = decide(header, self._gate, calling_ae_title=calling_ae_title)
        if decline is None:
            return None
        return ImageAnalysis(outcome=Outcome.NOT_ANALYSED, reason=decline.reason, lateral=decline.lateral)

    def _score(self, frames: Sequence[Pixels]) -> ImageAnalysis:
        """Score every frame; the image is what its most suspicious frame is."""
        try:
            inputs = np.stack([to_input(frame) for frame in frames])
            scored = self._classifier.score(inputs)
        except InputError as error:
            return ImageAnalysis(outcome=Outcome.FAILED, reason=f"the pixels are no input for the model: {error}")
        if not all(math.isfinite(one.probability) for one in scored):  # compared with a threshold it would not flag
            return ImageAnalysis(outcome=Outcome.FAILED, reason="the model gave no number")
        worst = max(range(len(scored)), key=lambda index: scored[index].probability)
        flagged = scored[worst].probability >= self.card.operating_point.threshold
        return ImageAnalysis(
            outcome=Outcome.FLAGGED if flagged else Outcome.NOT_FLAGGED,
            score=scored[worst].score,
            probability=scored[worst].probability,
            heat_map=self._classifier.explain(inputs[worst]) if flagged else None,
        )
