"""The model card as a page for people: `docs/model-card.md`, written from the card's JSON and nothing else.

Run `python -m model.card_markdown > docs/model-card.md` after a new model was installed.
"""

import sys

from model import card_tables as tables
from model import zoo
from model.card import ModelCard, read_card
from model.card_tables import bullets, share, table
from model.evaluation import RATES

_PREVALENCES = (0.02, 0.05, 0.10, 0.30)
_NAMES = {"auc": "AUC", "recall": "recall (sensitivity)", "f1": "F1", "brier": "Brier score", "ece": "ECE (15 bins)"}
_HEAD = """\
# Model card

Generated from the cards beside the weights (`model/zoo/*.json`) by `python -m model.card_markdown`; do not edit.
Outputs are a triage aid, not a diagnosis, and no regulatory clearance is implied.
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
    parts = (
        _identity(card),
        _use(card),
        _operating_point(card),
        _figures(card),
        tables.reliability(card),
        tables.subgroups(card),
        tables.conditions(card),
        tables.flips_and_members(card),
        tables.heat_maps(card),
        tables.reference(card),
        _training(card),
        _limits(card),
    )
    return "\n".join((f"## {card.name} {card.version}", "", *parts))


def page() -> str:
    """Every loadable model's card as one Markdown page."""
    cards = [read_card(zoo.architecture(name).card_path) for name in zoo.loadable()]
    return "\n".join((_HEAD, *map(render, cards)))


def _identity(card: ModelCard) -> str:
    low, high = card.age_range_years
    rows = [
        ("looks for", f"{card.finding.meaning} ({card.finding.value}, {card.finding.scheme}), nothing else"),
        ("network", f"{card.architecture}; mean of {card.members} members' logits"),
        ("input", f"{' x '.join(map(str, card.input_shape))}: {card.preprocessing}"),
        ("ages", f"from {low:g} up to, but not including, {high:g} years"),
        ("weights, sha256", f"`{card.sha256}`"),
    ]
    return table(("", ""), rows)


def _use(card: ModelCard) -> str:
    return f"### Use\n\n{card.intended_use}\n\nNot intended for:\n\n{bullets(card.not_intended)}"


def _operating_point(card: ModelCard) -> str:
    point, calibration = card.operating_point, card.calibration
    low, high = point.sensitivity_interval
    low_specificity, high_specificity = point.specificity_interval
    others = [
        (p.name, f"{p.threshold:.4f}", _rate(p.sensitivity, p.sensitivity_interval),
         _rate(p.specificity, p.specificity_interval))
        for p in card.operating_points
    ]  # fmt: skip
    return f"""\
### Operating point: {point.name}

Flagged where the calibrated probability is at least **{point.threshold:.4f}**. Chosen on {point.chosen_on}.
At this threshold, on the same images: sensitivity {point.sensitivity:.2%} ({low:.2%} to {high:.2%}), specificity
{point.specificity:.2%} ({low_specificity:.2%} to {high_specificity:.2%}).
Calibration: probability = sigmoid({calibration.slope:.4f} x logit {calibration.intercept:+.4f}), at the training data's
prevalence of {card.prevalence:.1%}. What a flag, or none, would mean at other prevalences if these rates held there
(in brackets: with both rates at the lower, and at the upper, ends of their intervals):

{table(("prevalence", "positive predictive value", "negative predictive value"), _predictive(card))}
Other points that could be chosen, on the same images:

{table(("chosen for", "threshold", "sensitivity", "specificity"), others)}"""


def _predictive(card: ModelCard) -> list[tuple[str, str, str]]:
    point, rows = card.operating_point, []
    ends = tuple(zip(point.sensitivity_interval, point.specificity_interval, strict=True))
    for prevalence in _PREVALENCES:
        positive, negative = predictive_values(point.sensitivity, point.specificity, prevalence)
        (low, low_negative), (high, high_negative) = (predictive_values(*end, prevalence) for end in ends)
        rows.append((
            f"{prevalence:.0%}",
            f"{positive:.1%} ({low:.1%} to {high:.1%})",
            f"{negative:.2%} ({low_negative:.2%} to {high_negative:.2%})",
        ))  # fmt: skip
    return rows


def _rate(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.2%} ({interval[0]:.2%} to {interval[1]:.2%})"


def _figures(card: ModelCard) -> str:
    found, counts = card.out_of_fold, card.out_of_fold.confusion
    rows = [(_NAMES.get(name, name), share(getattr(found, name))) for name in RATES]
    confusion = [
        ("pneumonia", str(counts.true_positive), str(counts.false_negative)),
        ("normal", str(counts.false_positive), str(counts.true_negative)),
    ]
    return f"""\
### Measured out of fold

{found.n} images of {found.patients} patients, {found.positives} of them pneumonia. Each image was scored by the member
that never saw its patient, with the rounded weights that ship, and judged by the calibration and the threshold chosen
on the other folds. Intervals: 95 %, bootstrap over patients.

{table(("", "value (95 % interval)"), rows)}
{table(("", "flagged", "not flagged"), confusion)}
{card.prediction}
"""


def _training(card: ModelCard) -> str:
    run = card.training
    versions = ", ".join(f"{name} {version}" for name, version in run.software.items())
    return f"""\
### Training

{run.data}. {run.images} images of {run.patients} patients in {run.folds} folds that share no patient, {run.epochs}
epochs a fold, seed {run.seed}.
Time and energy: {run.minutes:g} minutes on {run.cores} cores ({run.processor}), about {run.kilowatt_hours:.3f} kWh,
taking {run.energy_assumption}.
Versions: {versions}.
Settings: `{run.settings}`
"""


def _limits(card: ModelCard) -> str:
    return f"### Limits\n\n{bullets(card.caveats)}"


if __name__ == "__main__":
    sys.stdout.write(page())
