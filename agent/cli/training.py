"""`tibabu train`."""

from dataclasses import replace
from pathlib import Path

import click

from model.crossvalidation import Progress, Settings
from model.training import train as train_model


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
@click.option("--epochs", type=click.IntRange(1), default=Settings().recipe.epochs, show_default=True, help="A fold's.")
@click.option("--seed", type=int, default=Settings().recipe.seed, show_default=True, help="Of everything random.")
@click.option(
    "--sensitivity",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=Settings().sensitivity,
    show_default=True,
    help="What the operating point is chosen for, out of fold.",
)
def train(data: Path, out: Path, name: str, folds: int, epochs: int, seed: int, sensitivity: float) -> None:
    """Train a model: cross-validation by patient, calibration and operating point out of fold, weights and card.

    An interrupted run goes on after its last finished fold when the same command is given again. To install the result,
    copy NAME.npz and NAME.json from the output folder into model/zoo/.
    """
    standard = Settings()
    settings = replace(
        standard,
        name=name,
        folds=folds,
        sensitivity=sensitivity,
        recipe=replace(standard.recipe, epochs=epochs, seed=seed),
    )
    with click.progressbar(length=folds * epochs, label="Training", show_pos=True, item_show_func=_epoch) as bar:
        card = train_model(data, out, settings, progress=lambda done: bar.update(1, done))
    point, auc = card.operating_point, card.out_of_fold.auc
    click.echo(f"AUC out of fold {auc.value:.4f} ({auc.low:.4f} to {auc.high:.4f})")
    click.echo(f"Flagged from {point.threshold:.3f} on: {point.sensitivity=:.3f}, {point.specificity=:.3f}")
    click.echo(f"Weights and card: {out / name}.npz, {out / name}.json")


def _epoch(done: Progress | None) -> str | None:
    return None if done is None else f"fold {done.fold + 1} of {done.folds}, loss {done.epoch.loss:.4f}"
