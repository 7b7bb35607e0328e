"""The measurements of a card as Markdown tables; see `model.card_markdown`."""

from collections.abc import Sequence

import numpy as np

from model.card import ModelCard
from model.card_facts import EnsembleCheck, Histogram
from model.evaluation import Interval


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Lay out rows under a head."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def bullets(lines: Sequence[str]) -> str:
    """Lay out a list."""
    return "".join(f"- {line}\n" for line in lines)


def share(interval: Interval, digits: int = 4) -> str:
    """Write a value and its interval."""
    return f"{interval.value:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def reliability(card: ModelCard) -> str:
    """Compare what was said with what was so, bin by bin."""
    rows = [
        (f"{b.low:.3f} to {b.high:.3f}", str(b.images), f"{b.mean_probability:.3f}", f"{b.share_positive:.3f}")
        for b in card.reliability
    ]
    return f"""\
### Reliability

Fifteen bins of equal width of the calibrated probability, each fold by the calibration of the others; bins without an
image are left out. At the prevalence of the training data: elsewhere the probabilities have to be shifted first.

{table(("probability", "images", "mean probability", "share with pneumonia"), rows)}"""


def subgroups(card: ModelCard) -> str:
    """Give the rates of the groups that file names and patients tell."""
    rows = [(g.name, f"{g.images} of {g.patients}", g.rate, share(g.value), share(g.auc)) for g in card.subgroups]
    return f"""\
### Subgroups

What the file names tell. Each group holds one label only; its AUC is against all images of the other.

{table(("group", "images of patients", "rate", "value (95 % interval)", "AUC"), rows)}"""


def conditions(card: ModelCard) -> str:
    """Say what the confounds are worth to the model."""
    rows = [
        (
            c.name,
            c.description,
            f"{c.auc:.4f}",
            f"{c.auc_drop:+.4f} ({c.auc_drop_interval[0]:+.4f} to {c.auc_drop_interval[1]:+.4f})",
            f"{c.sensitivity:.2%}",
            f"{c.specificity:.2%}",
        )
        for c in card.conditions
    ]
    head = ("condition", "what was done", "AUC", "drop (95 % interval)", "sensitivity", "specificity")
    return f"""\
### Confounds: what was found, what was done, what is left

{bullets(card.confounds)}
The same images, out of fold, with a confound taken away or turned around, at the same threshold. The controls change
both classes alike: what an exchange of shapes costs beyond them is what the scores lean on the shape.

{table(head, rows)}"""


def flips_and_members(card: ModelCard) -> str:
    """Say what averaging over mirror images and over members does."""
    flips = card.flips
    rows = [_check(one) for one in card.ensemble]
    head = ("basis", "averaged", "deviation", "slope", "AUC", "sensitivity", "specificity", "ECE")
    return f"""\
### Averaging

Mirror images: averaging the logits of {flips.images} images with those of their mirror images takes the AUC from
{flips.auc_without:.4f} to {flips.auc_with:.4f}, a gain of {share(flips.gain)}, for twice the time.
{"It is served so." if flips.served else "It is not served so."}

Members: threshold and calibration were chosen on single members' scores, the members' mean ships. What averaging does
to scores at the same threshold (deviation: of one member from the mean, in log-odds; slope: of a logistic regression on
the averaged log-odds, above 1 where they are too cautious):

{table(head, rows)}
No further temperature is applied: probabilities that are too cautious stay on the safe side of both ends, and the
threshold, which lies between the classes, flags no fewer of the ill when scores move towards their class's mean.
"""


def _check(one: EnsembleCheck) -> tuple[str, ...]:
    return (
        one.basis,
        str(one.averaged),
        f"{one.deviation:.2f}",
        f"{one.slope:.3f}",
        f"{one.auc_single:.4f} to {one.auc_averaged:.4f}",
        f"{one.sensitivity_single:.2%} to {one.sensitivity_averaged:.2%}",
        f"{one.specificity_single:.2%} to {one.specificity_averaged:.2%}",
        f"{one.ece_single:.4f} to {one.ece_averaged:.4f}",
    )


def heat_maps(card: ModelCard) -> str:
    """Say whether the maps can be believed."""
    found, geometry = card.heat_maps, card.map_geometry
    rows = [
        ("images", str(found.images)),
        (f"blurring the hottest {found.masked_share:.0%} lowers the logit by, mean", f"{found.drop_hottest:.2f}"),
        ("blurring the same shape elsewhere, mean", f"{found.drop_random:.2f}"),
        ("images where the first lowers it more than the second", share(found.hottest_lowers_more, 3)),
        ("rank correlation with the maps of shuffled weights, mean", f"{found.correlation_shuffled:+.3f}"),
    ]
    return f"""\
### Heat maps

Occlusion maps: places centred on pixel {geometry.first:g} + {geometry.step:g} i of {card.input_shape[0]} along each
axis are hidden one after the other, and a place is as hot as the logit falls without it. All members of an ensemble
judge each place, in bfloat16 where OpenVINO and the processor have it: that moves a map by some 4 of 255 (scores are
always float32). Class-activation maps were tried and left: their cells see most of the image. A map is coarse: it
points at a region, not at an outline, and it says what the score rests on, not what is ill. Made for flagged images
only. Checked out of fold on flagged images of pneumonia, each by one member:

{table(("", ""), rows)}"""


def reference(card: ModelCard) -> str:
    """Give the middle and the ends of the reference histograms."""
    rows = [(h.quantity, h.group, *(f"{_quantile(h, q):.3g}" for q in (0.05, 0.5, 0.95))) for h in card.reference]
    return f"""\
### Reference for a watch on drift

The card's JSON holds histograms of these; approximate quantiles, scores out of fold:

{table(("quantity", "images", "5 %", "median", "95 %"), rows)}"""


def _quantile(histogram: Histogram, wanted: float) -> float:
    counts = np.cumsum(histogram.counts) / max(sum(histogram.counts), 1)
    edges = np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
    return float(np.interp(wanted, [0.0, *counts], edges))
