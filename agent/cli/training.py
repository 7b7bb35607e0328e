"""`tibabu train`."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import click

from model.crossvalidation import Progress, Settings, Step
from model.fitting import Recipe
from model.training import recommended
from model.training import train as train_model

_DETAILS = ("epochs", "batch", "learning_rate", "weight_decay", "label_smoothing", "averaging")


@click.command(short_help="Train a model.")
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with NORMAL/ and PNEUMONIA/, file names as in the public data set.",
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where to write.")
@click.option("--model", "name", default=Settings().name, show_default=True, help="An architecture of model/zoo.")
@click.option("--folds", type=click.IntRange(2), default=Settings().folds, show_default=True, help="Cross-validation.")
@click.option("--seed", type=int, default=Recipe().seed, show_default=True, help="Of everything random.")
@click.option(
    "--sensitivity",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=Settings().sensitivity,
    show_default=True,
    help="What the operating point is chosen for, out of fold.",
)
@click.option("--epochs", type=click.IntRange(1), help="A fold's.  [default: the model's own]")
@click.option("--batch", type=click.IntRange(1), help="Images of a step.  [default: the model's own]")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="Its peak.  [default: the model's own]")
@click.option("--weight-decay", type=click.FloatRange(0), help="Of AdamW.  [default: the model's own]")
@click.option("--label-smoothing", type=click.FloatRange(0, 1), help="0 for none.  [default: the model's own]")
@click.option("--averaging", type=click.FloatRange(0, 1), help="Decay of averaged weights.  [default: the model's own]")
def train(data: Path, out: Path, name: str, folds: int, seed: int, sensitivity: float, **details: Any) -> None:  # noqa: ANN401 (click passes every option)
    """Train a model: cross-validation by patient, calibration and operating point out of fold, weights and card.

    A model's own defaults are those that it was shipped with: `--model small_cnn` alone trains the small one again. An
    interrupted run goes on after its last finished fold when the same command is given again, and gives the same
    weights. A GPU is used where TensorFlow sees one. Beside weights and card, the output folder gets curves, confusion
    matrix, ROC curve and reliability as pictures, and logs/ for TensorBoard.

    To install the result, copy NAME.npz and NAME.json from the output folder into model/zoo/.
    """
    standard = recommended(name)
    chosen = {key: details[key] for key in _DETAILS if details[key] is not None}
    recipe = replace(standard.recipe, seed=seed, **chosen)
    settings = replace(standard, folds=folds, sensitivity=sensitivity, recipe=recipe)
    with _Bar(recipe.epochs * folds) as bar:
        card = train_model(data, out, settings, progress=bar.epoch, stepped=bar.step)
    point, auc = card.operating_point, card.out_of_fold.auc
    click.echo(f"AUC out of fold {auc.value:.4f} ({auc.low:.4f} to {auc.high:.4f})")
    click.echo(f"Flagged from {point.threshold:.3f} on: {point.sensitivity=:.3f}, {point.specificity=:.3f}")
    click.echo(f"Weights and card: {out / name}.npz, {out / name}.json")


_UNITS = 1000  # of the bar, for each epoch


class _Bar:
    """One bar over all folds, moved by every step, with the time that is left; and a line for each epoch."""

    def __init__(self, epochs: int) -> None:
        self._folds_epochs = epochs
        self._bar = click.progressbar(length=epochs * _UNITS, label="Training", show_eta=True, show_percent=True)

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(None, None, None)

    def step(self, done: Step) -> None:
        """Move to where the training is: folds that were taken over from an earlier run count as done."""
        share = (done.fold + done.done / done.of) / done.folds
        self._bar.update(int(share * self._folds_epochs * _UNITS) - self._bar.pos)

    def epoch(self, done: Progress) -> None:
        """Say how an epoch went."""
        one = done.epoch
        held_out = (
            "" if one.held_out_auc is None else f", held out: loss {one.held_out_loss:.4f} AUC {one.held_out_auc:.4f}"
        )
        click.echo(
            f"\nfold {done.fold + 1} of {done.folds}, epoch {one.number} of {one.of}: loss {one.loss:.4f}{held_out}, "
            f"{one.seconds:.0f} s"
        )
