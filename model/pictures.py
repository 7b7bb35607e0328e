"""Pictures of a training: curves, confusion matrix, ROC curve, reliability. Needs Matplotlib (extra `train`)."""

import json
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from model.card import ModelCard
from model.crossvalidation import CrossValidation

Axes = Any
"""Matplotlib's axes."""
_LOG = logging.getLogger(__name__)
_SIDE_INCHES = 5.0
_DPI = 120
NAMES = ("curves.png", "confusion.png", "roc.png", "reliability.png")


def write(run: CrossValidation, card: ModelCard, out: Path) -> tuple[Path, ...]:
    """Draw the pictures of a finished run into its folder; none, and a warning, where Matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        _LOG.warning("training_pictures_left_out", extra={"reason": "matplotlib is not installed"})
        return ()
    _draw(out / "curves.png", lambda left, right: _curves(left, right, out, run.fold_count), columns=2)
    _draw(out / "confusion.png", lambda axes: _confusion(axes, card))
    _draw(out / "roc.png", lambda axes: _roc(axes, run, card))
    _draw(out / "reliability.png", lambda axes: _reliability(axes, card))
    return tuple(out / name for name in NAMES)


def _draw(path: Path, draw: Any, *, columns: int = 1) -> None:  # noqa: ANN401 (takes as many axes as there are columns)
    """Make one figure without a display and without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (an extra, and slow to import)
    from matplotlib.figure import Figure  # noqa: PLC0415 (as above)

    figure = Figure(figsize=(_SIDE_INCHES * columns, _SIDE_INCHES), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    draw(*(figure.add_subplot(1, columns, number + 1) for number in range(columns)))
    figure.savefig(path, metadata={"Software": None})


def _curves(losses: Axes, aucs: Axes, out: Path, folds: int) -> None:
    for fold in range(folds):
        epochs = json.loads((out / f"fold{fold}.json").read_text(encoding="utf-8"))["epochs"]
        numbers, colour = [epoch["number"] for epoch in epochs], f"C{fold}"
        losses.plot(numbers, [e["loss"] for e in epochs], colour, label=f"fold {fold + 1}, training")
        held_out = [e for e in epochs if e.get("held_out_loss") is not None]
        if held_out:
            numbers = [epoch["number"] for epoch in held_out]
            losses.plot(
                numbers, [e["held_out_loss"] for e in held_out], f"{colour}--", label=f"fold {fold + 1}, held out"
            )
            aucs.plot(numbers, [e["held_out_auc"] for e in held_out], f"{colour}--", label=f"fold {fold + 1}")
    losses.set(xlabel="epoch", ylabel="loss", title="Loss (held out: watched only)")
    aucs.set(xlabel="epoch", ylabel="AUC", title="AUC on held-out patients (watched only)")
    losses.legend(fontsize="small")
    if aucs.lines:
        aucs.legend(fontsize="small")


def _confusion(axes: Axes, card: ModelCard) -> None:
    found = card.out_of_fold.confusion
    counts = np.array([[found.true_negative, found.false_positive], [found.false_negative, found.true_positive]])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"  # noqa: PLR2004 (half of the shade)
        axes.text(column, row, f"{count}\n{shares[row, column]:.1%}", ha="center", va="center", color=colour)
    axes.set(
        xticks=(0, 1),
        yticks=(0, 1),
        xticklabels=("not flagged", "flagged"),
        yticklabels=("NORMAL", "PNEUMONIA"),
        title=f"Out of fold, {card.operating_point.name}",
    )


def _roc(axes: Axes, run: CrossValidation, card: ModelCard) -> None:
    labels = run.labels[np.argsort(-run.logits, kind="stable")]
    sensitivity = np.concatenate([[0.0], np.cumsum(labels) / max(labels.sum(), 1)])
    false_alarms = np.concatenate([[0.0], np.cumsum(1 - labels) / max((1 - labels).sum(), 1)])
    axes.plot(false_alarms, sensitivity)
    point, auc = card.operating_point, card.conditions[0].auc
    axes.plot(1 - point.specificity, point.sensitivity, "o", label=f"operating point, {point.name}")
    axes.plot((0, 1), (0, 1), ":", color="gray")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title=f"ROC, out of fold: AUC {auc:.4f}", aspect="equal")
    axes.legend(loc="lower right", fontsize="small")


def _reliability(axes: Axes, card: ModelCard) -> None:
    said = [b.mean_probability for b in card.reliability]
    axes.plot((0, 1), (0, 1), ":", color="gray")
    axes.plot(said, [b.share_positive for b in card.reliability], "o-")
    for one in card.reliability:
        axes.annotate(str(one.images), (one.mean_probability, one.share_positive), fontsize="x-small")
    error = card.out_of_fold.ece.value
    axes.set(
        xlabel="calibrated probability, mean of bin",
        ylabel="share with pneumonia",
        title=f"Reliability, out of fold: ECE {error:.4f}",
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
    )
