"""The model card as a page for people: `docs/model-card.md`, written from the card's JSON and nothing else.

Run `python -m model.card_markdown > docs/model-card.md` after a new model was installed.
"""

import sys
from collections.abc import Sequence

from model import zoo
from model.card import ModelCard, read_card
from model.evaluation import RATES, Interval

_PREVALENCES = (0.02, 0.05, 0.10, 0.30)
_NAMES = {"auc": "AUC", "recall": "recall (sensitivity)", "f1": "F1", "brier": "Brier score", "ece": "ECE (15 bins)"}
_HEAD = """\
# Model card

Generated from the cards beside the weights (`model/zoo/*.json`) by `python -m model.card_markdown`; do not edit.

Intended use: to order a reading worklist, so that children whose frontal chest radiograph suggests pneumonia are read
sooner. Not intended: diagnosis, clearance, any use without a radiologist, adults, infants under one, lateral views.
"""


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Positive and negative predictive value at a prevalence (Bayes); NaN where nothing would be flagged or left."""
    true_positive, false_positive = sensitivity * prevalence, (1.0 - specificity) * (1.0 - prevalence)
    false_negative, true_negative = (1.0 - sensitivity) * prevalence, specificity * (1.0 - prevalence)
    flagged, left = true_positive + false_positive, true_negative + false_negative
    return (
        true_positive / flagged if flagged else float("nan"),
        true_negative / left if left else float("nan"),
    )


def render(card: ModelCard) -> str:
    """One card as a Markdown section."""
    parts = (_identity(card), _operating_point(card), _figures(card), _conditions(card), _training(card), _limits(card))
    return "\n".join((f"## {card.name} {card.version}", "", *parts))


def page() -> str:
    """Every loadable model's card as one Markdown page."""
    cards = [read_card(zoo.architecture(name).card_path) for name in zoo.loadable()]
    return "\n".join((_HEAD, *map(render, cards)))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _share(interval: Interval) -> str:
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def _identity(card: ModelCard) -> str:
    low, high = card.age_range_years
    rows = [
        ("looks for", f"{card.finding.meaning} ({card.finding.value}, {card.finding.scheme}), nothing else"),
        ("network", f"{card.architecture}; mean of {card.members} members' logits"),
        ("input", f"{' x '.join(map(str, card.input_shape))}: {card.preprocessing}"),
        ("ages", f"from {low:g} up to, but not including, {high:g} years"),
        ("weights, sha256", f"`{card.sha256}`"),
    ]
    return _table(("", ""), rows)


def _operating_point(card: ModelCard) -> str:
    point, calibration = card.operating_point, card.calibration
    pairs = [(p, predictive_values(point.sensitivity, point.specificity, p)) for p in _PREVALENCES]
    rows = [(f"{p:.0%}", f"{positive:.1%}", f"{negative:.2%}") for p, (positive, negative) in pairs]
    low, high = point.sensitivity_interval
    low_specificity, high_specificity = point.specificity_interval
    return f"""\
### Operating point: {point.name}

Flagged where the calibrated probability is at least **{point.threshold:.4f}**. Chosen on {point.chosen_on}.
At this threshold, on the same images: sensitivity {point.sensitivity:.2%} ({low:.2%} to {high:.2%}), specificity
{point.specificity:.2%} ({low_specificity:.2%} to {high_specificity:.2%}).
Calibration: probability = sigmoid({calibration.slope:.4f} x logit {calibration.intercept:+.4f}), at the training data's
prevalence of {card.prevalence:.1%}. What a flag, or none, would mean at other prevalences if these rates held there:

{_table(("prevalence", "positive predictive value", "negative predictive value"), rows)}"""


def _figures(card: ModelCard) -> str:
    found, counts = card.out_of_fold, card.out_of_fold.confusion
    rows = [(_NAMES.get(name, name), _share(getattr(found, name))) for name in RATES]
    confusion = [
        ("pneumonia", str(counts.true_positive), str(counts.false_negative)),
        ("normal", str(counts.false_positive), str(counts.true_negative)),
    ]
    return f"""\
### Measured out of fold

{found.n} images of {found.patients} patients, {found.positives} of them pneumonia. Each image was scored by the member
that never saw its patient, with the rounded weights that ship, and judged by the calibration and the threshold chosen
on the other folds. Intervals: 95 %, bootstrap over patients.

{_table(("", "value (95 % interval)"), rows)}
{_table(("", "flagged", "not flagged"), confusion)}"""


def _conditions(card: ModelCard) -> str:
    rows = [
        (c.name, c.description, f"{c.auc:.4f}", f"{c.auc_drop:+.4f}", f"{c.sensitivity:.2%}", f"{c.specificity:.2%}")
        for c in card.conditions
    ]
    head = ("condition", "what was done", "AUC", "drop", "sensitivity", "specificity")
    return f"""\
### Does it lean on the confounds?

The classes' originals differ in shape, sharpness and exposure. The same images, out of fold, with that taken away or
turned around, at the same threshold:

{_table(head, rows)}"""


def _training(card: ModelCard) -> str:
    run = card.training
    return f"""\
### Training

{run.data}. {run.images} images of {run.patients} patients in {run.folds} folds that share no patient, {run.epochs}
epochs a fold, seed {run.seed}, {run.minutes:g} minutes in all, TensorFlow {run.tensorflow}.
Settings: `{run.settings}`
"""


def _limits(card: ModelCard) -> str:
    return "### Limits\n\n" + "\n".join(f"- {caveat}" for caveat in card.caveats) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
