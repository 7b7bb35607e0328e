"""What a site may change about a model without training it: the prevalence, and the operating point.

Both give another card of the same weights. A site's operating point is a file bound to what it was chosen for: the
model's name, version and sha256, and its calibration, since the threshold is a probability.
"""

import json
import math
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from model.calibration import Calibration, choose_threshold
from model.card import ModelCard, OperatingPoint
from model.card_json import parse, plain
from model.errors import CardError, SitePointError
from model.evaluation import Floats, Labels, Metrics, measure

FORMAT = "tibabu site operating point 1"
_FOLDS = 5
_MISSES = 3  # positives that must lie beyond the threshold: with fewer, single images decide where it is
_FEWEST = 50  # patients of either class: with fewer, a share is known no better than within 14 percentage points
_MAX_BYTES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePoint:
    """A site's own operating point: what it was chosen on, and the model that it is bound to.

    `operating_point.threshold` is a probability at the model's own `calibration` and `prevalence`, whatever prevalence
    the site sets. Its sensitivity and specificity are cross-fitted: each fold of patients at the threshold that the
    other folds would have chosen. `data_sha256` is the digest of the evaluated images and labels.
    """

    format: str
    model_name: str
    model_version: str
    model_sha256: str
    calibration: Calibration
    prevalence: float
    operating_point: OperatingPoint
    wanted_sensitivity: float
    images: int
    patients: int
    positives: int
    data_sha256: str
    made_at: str
    made_with: str

    def __post_init__(self) -> None:
        """Refuse another format, and a time without a zone."""
        if self.format != FORMAT:
            msg = f"expected format={FORMAT!r}. Received: {self.format[:80]!r}"
            raise SitePointError(msg)
        try:
            made_at = datetime.fromisoformat(self.made_at)
        except ValueError:
            made_at = datetime.min  # noqa: DTZ901 (without a zone: refused below)
        if made_at.tzinfo is None:
            msg = f"expected made_at as a time with its zone. Received: {self.made_at[:40]!r}"
            raise SitePointError(msg)

    def as_text(self) -> str:
        """Return the file's content: JSON that `read_point` reads back as the same point."""
        return json.dumps(plain(self), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_point(text: str) -> SitePoint:
    """Read a site's operating point from a file's content.

    Raises:
        SitePointError: not JSON, a field missing, unknown or of the wrong type, or a value that makes no sense.

    """
    if len(text) > _MAX_BYTES:
        msg = f"expected an operating point of at most {_MAX_BYTES} characters. Received: {len(text)}"
        raise SitePointError(msg)
    try:
        point: SitePoint = parse(SitePoint, json.loads(text), "operating point")
    except (ValueError, RecursionError) as error:
        msg = f"expected an operating point in JSON. Received: {type(error).__name__}"
        raise SitePointError(msg) from error
    except CardError as error:
        raise SitePointError(str(error)) from error
    return point


def at_operating_point(card: ModelCard, point: SitePoint) -> ModelCard:
    """Return the card with a site's operating point in place of its own.

    Raises:
        SitePointError: the point is bound to another model, version, digest or calibration, or the card's prevalence
            has been shifted before.

    """
    bound = (point.model_name, point.model_version, point.model_sha256)
    if bound != (card.name, card.version, card.sha256):
        msg = (
            f"expected an operating point of {card.name} {card.version} with sha256={card.sha256}. "
            f"Received: one of {point.model_name} {point.model_version} with sha256={point.model_sha256}"
        )
        raise SitePointError(msg)
    theirs, ours = point.calibration, card.calibration
    if not all(map(math.isclose, (theirs.slope, theirs.intercept), (ours.slope, ours.intercept))):
        msg = (
            f"expected an operating point at the calibration of {card.name} ({ours.slope:g}, {ours.intercept:g}). "
            f"Received: one at ({theirs.slope:g}, {theirs.intercept:g})"
        )
        raise SitePointError(msg)
    return replace(card, operating_point=point.operating_point)


def at_prevalence(card: ModelCard, prevalence: float) -> ModelCard:
    """Return the card with its probabilities moved to another prevalence (Saerens, Latinne and Decaestecker 2002).

    With the likelihood ratio of an image unchanged, the logit of its probability moves by the difference of the logits
    of the two prevalences. Thresholds move with it: the same images are flagged. The name of the operating point says
    both prevalences; what the card says was measured stays as it was measured.

    Raises:
        SitePointError: the prevalence is not between 0 and 1.

    """
    if not 0.0 < prevalence < 1.0:
        msg = f"expected a prevalence between 0 and 1. Received: prevalence={prevalence}"
        raise SitePointError(msg)
    shift = _logit(prevalence) - _logit(card.prevalence)
    if shift == 0.0:
        return card
    calibration = Calibration(card.calibration.slope, card.calibration.intercept + shift)
    point = replace(
        _shifted(card.operating_point, shift),
        name=f"{card.operating_point.name}, at prevalence {prevalence:.3g} (calibrated at {card.prevalence:.3g})",
    )
    others = tuple(_shifted(other, shift) for other in card.operating_points)
    return replace(card, calibration=calibration, operating_point=point, operating_points=others, prevalence=prevalence)


def _logit(share: float) -> float:
    return math.log(share) - math.log1p(-share)


def _shifted(point: OperatingPoint, shift: float) -> OperatingPoint:
    """Move a threshold by `shift` on the scale of logits; 0 and 1 flag everything and nothing at any prevalence."""
    if not 0.0 < point.threshold < 1.0:
        return point
    return replace(point, threshold=float(1.0 / (1.0 + np.exp(-(_logit(point.threshold) + shift)))))


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteData:
    """Images of a site: labels 0/1 [n], probabilities at the model's own calibration [n], patients [n]."""

    labels: Labels
    probabilities: Floats
    patients: tuple[str, ...]
    sha256: str


def choose_point(
    card: ModelCard, data: SiteData, sensitivity: float, *, name: str, made_at: datetime, made_with: str
) -> SitePoint:
    """Choose a site's own operating point for `sensitivity`, bound to the model of `card`.

    The threshold lies half-way (in logits) between the last positive that must be flagged and the next image below it.

    Raises:
        SitePointError: too few patients of either class for such a sensitivity.

    """
    _check_support(data, sensitivity)
    threshold = _threshold(data.probabilities, data.labels, sensitivity)
    found = _cross_fitted(data, sensitivity)
    return SitePoint(
        format=FORMAT,
        model_name=card.name,
        model_version=card.version,
        model_sha256=card.sha256,
        calibration=card.calibration,
        prevalence=card.prevalence,
        operating_point=OperatingPoint(
            name=name,
            threshold=threshold,
            sensitivity=found.recall.value,
            sensitivity_interval=(found.recall.low, found.recall.high),
            specificity=found.specificity.value,
            specificity_interval=(found.specificity.low, found.specificity.high),
            chosen_on=f"{found.n} images of {found.patients} patients of the site; rates cross-fitted, {_FOLDS} folds",
        ),
        wanted_sensitivity=sensitivity,
        images=found.n,
        patients=found.patients,
        positives=found.positives,
        data_sha256=data.sha256,
        made_at=made_at.isoformat(),
        made_with=made_with,
    )


def _check_support(data: SiteData, sensitivity: float) -> None:
    names = np.asarray(data.patients, dtype=str)
    positive, negative = (len(np.unique(names[data.labels == label])) for label in (1, 0))
    needed = max(_FEWEST, math.ceil(_MISSES / (1.0 - sensitivity) - 1e-9))
    if positive < needed or negative < _FEWEST:
        msg = (
            f"expected accepted images of at least {needed} patients with pneumonia and {_FEWEST} without for a "
            f"sensitivity of {sensitivity:g}: with fewer, less than {_MISSES} patients would decide where the "
            f"threshold lies, or a rate would not be known. Received: {positive} and {negative}"
        )
        raise SitePointError(msg)


def _threshold(probabilities: Floats, labels: Labels, sensitivity: float) -> float:
    chosen = choose_threshold(probabilities, labels, sensitivity)
    below = probabilities[probabilities < chosen]
    if not len(below):
        return chosen
    middle = (_logit(_inside(chosen)) + _logit(_inside(float(below.max())))) / 2.0
    threshold = 1.0 / (1.0 + math.exp(-middle))
    return threshold if below.max() < threshold <= chosen else chosen


def _inside(probability: float) -> float:
    return min(max(probability, 1e-12), 1.0 - 1e-12)


def _cross_fitted(data: SiteData, sensitivity: float) -> Metrics:
    """Measure each fold of patients at the threshold of the other folds: what the choice gives on new patients."""
    names, index = np.unique(np.asarray(data.patients, dtype=str), return_inverse=True)
    ill = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(ill, index, data.labels)
    order = np.lexsort((np.random.default_rng(0).random(len(names)), ill))
    fold_of_patient = np.empty(len(names), dtype=np.int64)
    fold_of_patient[order] = np.arange(len(names)) % _FOLDS  # each fold gets its share of those with pneumonia
    fold = fold_of_patient[index]
    thresholds = np.empty(len(data.labels))
    for number in range(_FOLDS):
        others = fold != number
        thresholds[~others] = _threshold(data.probabilities[others], data.labels[others], sensitivity)
    return measure(data.labels, data.probabilities, data.patients, thresholds)
