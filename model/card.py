"""A model's card: what it is, what it was measured to do, and where it may speak. JSON beside the weights.

The card names the sha256 of the weights it speaks for; a model without a card, or without an operating point, does not
load. Importing this module needs no TensorFlow.
"""

import json
import math
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from model.calibration import Calibration
from model.errors import CardError
from model.evaluation import Metrics
from model.preprocess import INPUT_SHAPE

_SHA256_DIGITS = 64


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
class Condition:
    """The same images under a change that must not matter: what is left, and how much AUC it costs."""

    name: str
    description: str
    auc: float
    auc_drop: float
    sensitivity: float
    specificity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What the weights were trained on and how."""

    data: str
    images: int
    patients: int
    folds: int
    seed: int
    epochs: int
    minutes: float
    tensorflow: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The identity, limits and measured performance of one model.

    `age_range_years` is half-open: (1.0, 6.0) is from the first birthday to the day before the sixth ("1 to 5 years").
    `prevalence` is the share of pneumonia that the probabilities are calibrated at.
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
    operating_point: OperatingPoint
    calibration: Calibration
    age_range_years: tuple[float, float]
    prevalence: float
    training: TrainingRun
    out_of_fold: Metrics
    conditions: tuple[Condition, ...]
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

    def covers_age(self, years: float) -> bool:
        """Whether a patient of this age belongs to the population the model was validated on."""
        low, high = self.age_range_years
        return low <= years < high


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
    card: ModelCard = _parse(ModelCard, content, path.stem)
    return card


def write_card(card: ModelCard, path: Path) -> None:
    """Write a card as JSON that `read_card` reads back as the same card; an undefined number is null."""
    text = json.dumps(_plain(asdict(card)), indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
    return value


def _parse(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 (a type and a JSON value; one return a kind)
    """Turn a JSON value into `kind`, or say where it does not fit."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return _parse_fields(kind, value, where)
    if origin is tuple and isinstance(value, list):
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) == len(value):
            return tuple(_parse(k, item, f"{where}[{i}]") for i, (k, item) in enumerate(zip(kinds, value, strict=True)))
    if origin is Literal and value in arguments:
        return value
    if kind is float and value is None:
        return math.nan
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    plain = origin if origin is not None and not isinstance(origin, UnionType) else kind
    if plain in {int, str, dict} and isinstance(value, plain) and not isinstance(value, bool):
        return value
    msg = f"expected {getattr(kind, '__name__', kind)} at {where}. Received: {type(value).__name__}"
    raise CardError(msg)


def _parse_fields(kind: Any, value: dict[str, Any], where: str) -> Any:  # noqa: ANN401 (a dataclass of this file)
    hints = get_type_hints(kind)
    expected = [field.name for field in fields(kind)]
    if set(value) != set(expected):
        missing, unknown = sorted(set(expected) - set(value)), sorted(set(value) - set(expected))
        msg = f"expected the fields of {kind.__name__} at {where}. Received: missing={missing} unknown={unknown}"
        raise CardError(msg)
    return kind(**{name: _parse(hints[name], value[name], f"{where}.{name}") for name in expected})
