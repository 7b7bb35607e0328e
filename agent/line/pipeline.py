"""One image from file to outcome: header gate -> frames -> pixel gate -> model.

The same lines serve a worker's job and `tibabu analyse`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from agent.line.gate import Decline, GateSettings, decide
from agent.watch.traits import age_of, manufacturer_of, sex_of, view_of
from db.drift_sample import ImageTraits
from db.outcome import Outcome
from dicom_io.errors import HeaderError, PixelError
from dicom_io.frames import read_frames
from dicom_io.header import Header, read_header
from dicom_io.image_files import read_picture
from dicom_io.rendering import thumbnail
from model.card import ModelCard
from model.errors import InputError
from model.input_statistics import CONTRAST, MEAN_GRAY, SHARPNESS, describe
from model.pixel_gate import PixelGate
from model.preprocess import from_gray, to_gray_square

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
    """What came of one image: outcome and reason; the scores if it was analysed; what was flagged, if it was.

    `flagged` is the most suspicious frame as the network saw it, float32 [156, 156, 3]: see `Pipeline.heat_map`.
    `thumbnail` is a JPEG of the first frame, where it was decoded.
    `traits` says to which groups it belongs, None where there was no header to say so; no patient is told by it.
    """

    outcome: Outcome
    reason: str = ""
    lateral: bool = False
    score: float | None = None
    probability: float | None = None
    flagged: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    thumbnail: bytes | None = field(default=None, repr=False)
    traits: ImageTraits | None = None


class Pipeline:
    """The pipeline with one model and its two gates."""

    def __init__(
        self,
        classifier: Classifier,
        gate: GateSettings,
        pixel_gate: PixelGate | None = None,
        frames: Callable[[Path], Sequence[Pixels]] = read_frames,
    ) -> None:
        """Keep the loaded model, the header gate's settings and the pixel gate; without one, pixels decline nothing.

        `frames` reads a DICOM file: in this process, or a decoder's in another.
        """
        self.card = classifier.card
        self._classifier = classifier
        self._gate = gate
        self._pixel_gate = pixel_gate
        self._frames = frames

    def analyse(self, path: Path, *, calling_ae_title: str = "") -> ImageAnalysis:
        """Analyse a DICOM file. Never raises for what the file holds: a broken one is FAILED with its reason."""
        try:
            header = read_header(path)
        except HeaderError as error:
            return ImageAnalysis(outcome=Outcome.FAILED, reason=f"the header cannot be read: {error}")
        found, traits = self._analyse(path, header, calling_ae_title), _traits(header)
        if found.traits is not None:  # what its pixels look like
            seen = found.traits
            traits = replace(traits, mean_gray=seen.mean_gray, contrast=seen.contrast, sharpness=seen.sharpness)
        return replace(found, traits=traits)

    def _analyse(self, path: Path, header: Header, calling_ae_title: str) -> ImageAnalysis:
        declined = decide(header, self._gate, calling_ae_title=calling_ae_title)
        if declined is not None and not declined.readmissible:
            return _declined(declined)
        try:
            frames = self._frames(path)
        except PixelError as error:
            return (
                ImageAnalysis(outcome=Outcome.FAILED, reason=error.reason) if declined is None else _declined(declined)
            )
        return self._gate_and_score(frames, declined)

    def analyse_picture(self, path: Path) -> ImageAnalysis:
        """Analyse a PNG or JPEG: it has no header, so the header gate says nothing about it."""
        try:
            return self._gate_and_score((read_picture(path),))
        except PixelError as error:
            return ImageAnalysis(outcome=Outcome.FAILED, reason=error.reason)

    def _gate_and_score(self, frames: Sequence[Pixels], declined: Decline | None = None) -> ImageAnalysis:
        """Score an image if every frame of it passes, and is sure enough to overrule what the header declined."""
        try:
            squares = [to_gray_square(frame) for frame in frames]
        except InputError as error:
            return ImageAnalysis(outcome=Outcome.FAILED, reason=f"the pixels are no input for the model: {error}")
        rows, columns = frames[0].shape[:2]
        return replace(self._judge(frames, squares, declined), thumbnail=thumbnail(squares[0], rows, columns))

    def _judge(self, frames: Sequence[Pixels], squares: Sequence[Pixels], declined: Decline | None) -> ImageAnalysis:
        if declined is not None and not self._readmits(frames, squares):
            return _declined(declined)
        if (refused := self._refused(frames, squares)) is not None:
            return ImageAnalysis(outcome=Outcome.NOT_ANALYSED, reason=refused)
        return self._score(squares)

    def _readmits(self, frames: Sequence[Pixels], squares: Sequence[Pixels]) -> bool:
        gate = self._pixel_gate
        return gate is not None and all(
            gate.may_readmit(frame, square=square) for frame, square in zip(frames, squares, strict=True)
        )

    def _refused(self, frames: Sequence[Pixels], squares: Sequence[Pixels]) -> str | None:
        """Return why the pixels must not be scored. Never as a lateral: pixels hide no image from a study's outcome."""
        if self._pixel_gate is None:
            return None
        for frame, square in zip(frames, squares, strict=True):
            if (refusal := self._pixel_gate.check(frame, square=square)) is not None:
                return refusal.reason
        return None

    def _score(self, squares: Sequence[Pixels]) -> ImageAnalysis:
        """Score every frame; the image is what its most suspicious frame is."""
        try:
            inputs = from_gray(np.stack(squares))
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
            flagged=inputs[worst] if flagged else None,
            traits=_looks(squares[worst]),
        )

    def heat_map(self, analysis: ImageAnalysis) -> Pixels | None:
        """Show where a flagged image speaks for its flag, None for any other: uint8 [156, 156].

        It takes many times as long as the score, and nobody has to wait for it to know that an image is flagged.
        """
        return None if analysis.flagged is None else self._classifier.explain(analysis.flagged)


def _traits(header: Header) -> ImageTraits:
    return ImageTraits(
        view=view_of(header), manufacturer=manufacturer_of(header), age_band=age_of(header), sex=sex_of(header)
    )


def _looks(square: Pixels) -> ImageTraits:
    found = describe(square[np.newaxis])
    return ImageTraits(
        mean_gray=float(found[MEAN_GRAY][0]), contrast=float(found[CONTRAST][0]), sharpness=float(found[SHARPNESS][0])
    )


def _declined(decline: Decline) -> ImageAnalysis:
    return ImageAnalysis(outcome=Outcome.NOT_ANALYSED, reason=decline.reason, lateral=decline.lateral)
