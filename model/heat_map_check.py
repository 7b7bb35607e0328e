"""Do heat maps point at what the score rests on, and do they depend on what was learnt? Measured out of fold.

Two checks: blurring the hottest part away must lower the logit more than blurring a part of the same shape elsewhere
(maps come from hiding places under the image's mean gray, so this is another question than theirs), and a network with
shuffled weights must draw other maps (Adebayo et al. 2018, arXiv:1810.03292).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from model import explanation, weights
from model.card_facts import HeatMapCheck
from model.crossvalidation import CrossValidation
from model.evaluation import bootstrap
from model.fitting import Predictor
from model.preprocess import SIDE, Input, from_gray

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MASKED_SHARE = 0.1
_BLUR = 14.0  # pixels of 156: leaves the local mean and no lung marking
_CONTROLS = 8
_FEATHER = 3.0  # a hard edge would be a finding of its own


@dataclass(frozen=True, slots=True)
class _Seen:
    """One image: how much its logit fell under each mask, and how its map correlates with a shuffled network's."""

    patient: str
    drop_hottest: float
    drop_random: float
    correlation: float


def check(run: CrossValidation, squares: Gray, threshold: float, images: int) -> HeatMapCheck:
    """Check the maps of pneumonia images that score at least `threshold` (a logit), evenly over the folds.

    Args:
        run: the cross-validation; each image is explained by the member that never saw its patient.
        squares: uint8 [n, 156, 156], the run's images.
        threshold: the logit that flags.
        images: at most how many to look at.

    """
    seen: list[_Seen] = []
    rng = np.random.default_rng(0)
    for fold, member in enumerate(run.members):
        candidates = np.flatnonzero((run.folds == fold) & (run.labels == 1) & (run.logits >= threshold))
        chosen = rng.permutation(candidates)[: -(-images // run.fold_count)]
        weights.assign(run.predictor.network, shuffled(member, rng))
        others = [_map(run.predictor, from_gray(squares[index])) for index in chosen]
        weights.assign(run.predictor.network, member)
        seen += [
            _look(run, squares[index], run.patients[index], other, rng)
            for index, other in zip(chosen, others, strict=True)
        ]
    wins = np.array([one.drop_hottest > one.drop_random for one in seen], np.float64)
    found = bootstrap(
        [one.patient for one in seen], lambda w: {"wins": float(w @ wins / w.sum()) if w.sum() else float("nan")},
        replicates=500, seed=0,
    )  # fmt: skip
    return HeatMapCheck(
        images=len(seen),
        masked_share=MASKED_SHARE,
        hottest_lowers_more=found["wins"],
        drop_hottest=_mean([one.drop_hottest for one in seen]),
        drop_random=_mean([one.drop_random for one in seen]),
        correlation_shuffled=_mean([one.correlation for one in seen]),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def shuffled(member: weights.Member, rng: np.random.Generator) -> weights.Member:
    """Put the values of each kernel in another order: nothing learnt is left but their spread."""
    return {
        name: rng.permutation(array.reshape(-1)).reshape(array.shape) if array.ndim > 1 else array
        for name, array in member.items()
    }


def _map(predictor: Predictor, image: Input) -> explanation.Map:
    return explanation.occlusion_map(image, lambda images: predictor.run(images)[0])


def _look(
    run: CrossValidation,
    square: Gray,
    patient: str,
    other: explanation.Map,
    rng: np.random.Generator,
) -> _Seen:
    heat = _map(run.predictor, from_gray(square))
    hottest = hottest_part(heat, MASKED_SHARE)
    masks = [hottest, *elsewhere(hottest, _CONTROLS, rng)]
    masked = np.stack([square, *(without(square, mask) for mask in masks)])
    logits = run.predictor.run(from_gray(masked))[0].astype(np.float64)
    drops = logits[0] - logits[1:]
    return _Seen(patient, float(drops[0]), float(drops[1:].mean()), rank_correlation(heat, other))


def hottest_part(heat: explanation.Map, share: float) -> Mask:
    """Mark the given share of the pixels, those with the highest values."""
    return np.asarray(heat >= np.quantile(heat, 1.0 - share))


def elsewhere(mask: Mask, number: int, rng: np.random.Generator) -> list[Mask]:
    """Make masks of the same shape and area at random places (what leaves at an edge comes back at the other)."""
    return [np.roll(mask, tuple(rng.integers(0, SIDE, 2)), axis=(0, 1)) for _ in range(number)]


def without(square: Gray, mask: Mask) -> Gray:
    """Replace the masked part of a gray square by its local mean, softly."""
    blurred = np.asarray(Image.fromarray(square).filter(ImageFilter.GaussianBlur(_BLUR)), np.float64)
    soft = Image.fromarray(np.asarray(mask * 255, np.uint8)).filter(ImageFilter.GaussianBlur(_FEATHER))
    share = np.asarray(soft, np.float64) / 255.0
    return np.asarray((blurred * share + square * (1.0 - share)).round(), np.uint8)


def rank_correlation(one: explanation.Map, other: explanation.Map) -> float:
    """Spearman's correlation of two maps; 0 where one is constant."""
    ranks = [np.argsort(np.argsort(part.reshape(-1), kind="stable"), kind="stable") for part in (one, other)]
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
