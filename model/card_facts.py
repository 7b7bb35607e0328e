"""What a model card states beside identity and operating point: measurements, each a frozen record."""

from dataclasses import dataclass
from typing import Any, Literal

from model.errors import CardError
from model.evaluation import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The same images under a change that must not matter: what is left, and how much AUC it costs.

    `auc_drop_interval` is 95 %, a paired bootstrap over patients.
    """

    name: str
    description: str
    auc: float
    auc_drop: float
    auc_drop_interval: tuple[float, float]
    sensitivity: float
    specificity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgroup:
    """Images of one label that something tells apart: how many are judged right, and their AUC against the other label.

    `rate` names what `value` is: the sensitivity of a group of PNEUMONIA, the specificity of one of NORMAL images.
    """

    name: str
    label: str
    images: int
    patients: int
    rate: Literal["sensitivity", "specificity"]
    value: Interval
    auc: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Images whose calibrated probability lies in [low, high): what was said of them and what was so."""

    low: float
    high: float
    images: int
    mean_probability: float
    share_positive: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Reference distribution of one quantity: counts of equal bins of [low, high].

    Values beyond an end count in the bin at that end. `group` is `all` or a label.
    """

    quantity: str
    group: str
    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipComparison:
    """Whether scoring an image and its mirror image, and averaging, tells the classes apart better. Out of fold.

    `gain` is AUC with less AUC without, with a 95 % interval by a paired bootstrap over patients.
    """

    images: int
    auc_without: float
    auc_with: float
    gain: Interval
    served: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleCheck:
    """What averaging members does to scores, since thresholds were chosen on single members' scores.

    `slope` is that of a logistic regression of the labels on the averaged calibrated log-odds: 1 where they are as well
    calibrated as single members', above 1 where they are too cautious.
    """

    basis: str
    images: int
    averaged: int
    deviation: float
    slope: float
    auc_single: float
    auc_averaged: float
    sensitivity_single: float
    sensitivity_averaged: float
    specificity_single: float
    specificity_averaged: float
    ece_single: float
    ece_averaged: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MapGeometry:
    """Where the cells of a heat map lie: cell i is centred on pixel `first + i * step` of each axis of the input."""

    first: float
    step: float

    def __post_init__(self) -> None:
        """Refuse cells that do not advance."""
        if not self.step > 0:
            msg = f"expected a positive step. Received: {self.step}"
            raise CardError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMapCheck:
    """Whether heat maps point at what the score rests on. Out of fold, on flagged pneumonia images.

    The hottest `masked_share` of each map is blurred away, and as a control the same shape elsewhere, at random.
    `hottest_lowers_more` is the share of images where the first lowers the logit by more than the mean of the second.
    `correlation_shuffled` is Spearman's, the mean over the images, of a map with that of a network whose weights were
    shuffled: near 0 if the map depends on what was learnt (Adebayo et al. 2018).
    """

    images: int
    masked_share: float
    hottest_lowers_more: Interval
    drop_hottest: float
    drop_random: float
    correlation_shuffled: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What the weights were trained on, how, with what, and at what expense.

    `kilowatt_hours` is an estimate, under the assumption that stands beside it.
    """

    data: str
    images: int
    patients: int
    folds: int
    seed: int
    epochs: int
    minutes: float
    processor: str
    cores: int
    kilowatt_hours: float
    energy_assumption: str
    software: dict[str, str]
    settings: dict[str, Any]
