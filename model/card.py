"""A model's card: what it is, what it was measured to do, and where it may speak. JSON beside the weights.

The card names the sha256 of the weights it speaks for; a model without a card, or without an operating point, does not
load. Importing this module needs no TensorFlow.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.calibration import Calibration
from model.card_facts import (
    Condition,
    EnsembleCheck,
    FlipComparison,
    HeatMapCheck,
    Histogram,
    MapGeometry,
    ReliabilityBin,
    Subgroup,
    TrainingRun,
)
from model.card_json import parse, plain
from model.errors import CardError
from model.evaluation import Metrics
from model.preprocess import INPUT_SHAPE

_SHA256_DIGITS = 64
_LIST_OF_NUMBERS = re.compile(r"\[\s+[-\d][-+.\deE,\s]*\]")


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: value, coding scheme designator (PS3.16), meaning."""

    value: str
    scheme: str
    meaning: str


PNEUMONIA = Code("233604007", "SCT", "Pneumonia")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """Where the line between flagged and not flagged lies, and what it was measured to give.

    An image is flagged where its calibrated probability is at least `threshold`. Sensitivity and specificity (with 95 %
    intervals) are those of the images named by `chosen_on` at this very threshold.
    """

    name: str
    threshold: float
    sensitivity: float
    sensitivity_interval: tuple[float, float]
    specificity: float
    specificity_interval: tuple[float, float]
    chosen_on: str

    def __post_init__(self) -> None:
        """Refuse a threshold or a rate outside 0..1."""
        shares = (self.threshold, self.sensitivity, self.specificity)
        if not all(0.0 <= share <= 1.0 for share in shares):
            msg = f"expected threshold, sensitivity and specificity in 0..1. Received: {shares}"
            raise CardError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The identity, limits and measured performance of one model.

    `age_range_years` is half-open: (1.0, 6.0) is from the first birthday to the day before the sixth ("1 to 5 years").
    `prevalence` is the share of pneumonia that the probabilities are calibrated at. `operating_points` are others that
    could be chosen, `reference` what inputs and scores looked like out of fold, for a later watch on drift, and
    `prediction` what was expected of the data set's official test split before anybody scored it.
    """

    name: str
    version: str
    sha256: str
    architecture: str
    members: int
    label: Literal["pneumonia"]
    finding: Code
    input_shape: tuple[int, int, int]
    preprocessing: str
    map_geometry: MapGeometry
    intended_use: str
    not_intended: tuple[str, ...]
    operating_point: OperatingPoint
    calibration: Calibration
    age_range_years: tuple[float, float]
    prevalence: float
    training: TrainingRun
    out_of_fold: Metrics
    operating_points: tuple[OperatingPoint, ...]
    reliability: tuple[ReliabilityBin, ...]
    subgroups: tuple[Subgroup, ...]
    conditions: tuple[Condition, ...]
    confounds: tuple[str, ...]
    flips: FlipComparison
    ensemble: tuple[EnsembleCheck, ...]
    heat_maps: HeatMapCheck
    reference: tuple[Histogram, ...]
    prediction: str
    caveats: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse what no loadable model can have."""
        if len(self.sha256) != _SHA256_DIGITS or set(self.sha256) - set("0123456789abcdef"):
            msg = f"expected sha256 as {_SHA256_DIGITS} lower-case hexadecimal digits. Received: {self.sha256!r:.80}"
            raise CardError(msg)
        if self.input_shape != INPUT_SHAPE:
            msg = f"expected input_shape={INPUT_SHAPE}. Received: {self.input_shape}"
            raise CardError(msg)
        if not 0.0 <= self.age_range_years[0] < self.age_range_years[1]:
            msg = f"expected a rising age range in years. Received: {self.age_range_years}"
            raise CardError(msg)
        if not 0.0 < self.prevalence < 1.0:
            msg = f"expected a prevalence between 0 and 1. Received: {self.prevalence}"
            raise CardError(msg)


def read_card(path: Path) -> ModelCard:
    """Read a card from JSON.

    Raises:
        CardError: absent, not JSON, a field missing, unknown or of the wrong type, or a value that makes no sense.

    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"expected a model card in JSON. Received: {path.name} ({type(error).__name__})"
        raise CardError(msg) from error
    card: ModelCard = parse(ModelCard, content, path.stem)
    return card


def write_card(card: ModelCard, path: Path) -> None:
    """Write a card as JSON that `read_card` reads back as the same card; an undefined number is null."""
    text = _LIST_OF_NUMBERS.sub(_on_one_line, json.dumps(plain(card), indent=2, allow_nan=False))
    path.write_text(text + "\n", encoding="utf-8")


def _on_one_line(numbers: re.Match[str]) -> str:
    return re.sub(r"\s+", " ", numbers[0]).replace("[ ", "[").replace(" ]", "]")
