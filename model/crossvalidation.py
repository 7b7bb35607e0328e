"""Cross-validation over patients: one network a fold, and for every image the logit of the one that never saw it.

Those logits are computed from exactly the rounded weights that ship. A finished fold is kept and taken over by the next
run with the same settings, so an interrupted training loses one fold at most.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model import dataset, expense, weights, zoo
from model.augment import SOURCE_SIDE
from model.errors import DatasetError
from model.event_log import EventLog
from model.fitting import Epoch, HeldOut, Predictor, Recipe, fit
from model.preprocess import to_gray_square
from model.runtime import tensorflow

Gray = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]
Folds = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a training run depends on, beside its data.

    `recipe.seed` is the seed of everything; `sensitivity` is what the operating point is chosen for, out of fold.
    """

    name: str = "efficientnet_lite0"
    folds: int = 3
    recipe: Recipe = field(default_factory=Recipe)
    sensitivity: float = 0.97


@dataclass(frozen=True, slots=True)
class Progress:
    """An epoch of a fold has ended."""

    fold: int
    folds: int
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Step:
    """An optimiser step of a fold has ended: `done` of `of`."""

    fold: int
    folds: int
    done: int
    of: int


def ignore(_: object) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """The trained members, in fold order, and what each said about the patients it never saw."""

    predictor: Predictor
    samples: tuple[dataset.Sample, ...]
    folds: Folds
    members: tuple[weights.Member, ...]
    logits: Logits
    fitted: tuple[expense.Fitted, ...]

    def score(self, squares: Gray) -> Logits:
        """Logits [n] of other versions of the same images, uint8 [n, 156, 156], again out of fold."""
        return out_of_fold_logits(self.predictor, self.members, self.folds, squares)

    @property
    def labels(self) -> Folds:
        """0 NORMAL, 1 PNEUMONIA, of each image."""
        return np.array([sample.label for sample in self.samples])

    @property
    def patients(self) -> tuple[str, ...]:
        """The patient of each image."""
        return tuple(sample.patient for sample in self.samples)

    @property
    def fold_count(self) -> int:
        """How many folds, and so members, there are."""
        return len(self.members)


def cross_validate(
    data: Path,
    out: Path,
    settings: Settings,
    progress: Callable[[Progress], None],
    stepped: Callable[[Step], None] = ignore,
) -> CrossValidation:
    """Train one network a fold, or take over those that an earlier run with the same settings finished.

    Args:
        data: a folder with NORMAL and PNEUMONIA.
        out: where each fold's weights and history are kept; made if absent.
        settings: see Settings.
        progress: called after every epoch.
        stepped: called after every optimiser step.

    Raises:
        DatasetError: unusable data, or `out` holds a run with other settings or other data.
        PretrainedError: the ImageNet weights are not installed.

    """
    samples = dataset.find_samples(data)
    folds = dataset.assign_folds(samples, settings.folds, settings.recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    claim(out, samples, settings)
    members, fitted = [], []
    for fold in range(settings.folds):
        member, spent = _member(out, fold, samples, folds, settings, progress, stepped)
        members.append(member)
        fitted.append(spent)
    squares = dataset.load_gray(samples, lambda frame, _: to_gray_square(frame))
    predictor = Predictor(zoo.architecture(settings.name).build())
    logits = out_of_fold_logits(predictor, members, folds, squares)
    return CrossValidation(predictor, samples, folds, tuple(members), logits, tuple(fitted))


def out_of_fold_logits(predictor: Predictor, members: Sequence[weights.Member], folds: Folds, squares: Gray) -> Logits:
    """Logits [n] of gray squares uint8 [n, 156, 156], each by the member of its fold."""
    logits = np.zeros(len(squares), np.float32)
    for fold, member in enumerate(members):
        weights.assign(predictor.network, member)
        logits[folds == fold] = predictor.logits(squares[folds == fold])
    return logits


def keep_fold(out: Path, fold: int, member: weights.Member, history: Sequence[Epoch], machine: expense.Machine) -> None:
    """Write the files of a finished fold, which the next run with the same settings takes over."""
    epochs = [asdict(epoch) for epoch in history]
    content = {"fold": fold, "machine": asdict(machine), "epochs": epochs}
    (out / f"fold{fold}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    weights.save(out / f"fold{fold}.npz", [member])  # last: its presence says that the fold is finished


def _fingerprint(samples: Sequence[dataset.Sample], settings: Settings) -> dict[str, object]:
    names = "\n".join(f"{dataset.LABELS[sample.label]}/{sample.path.name}" for sample in samples)
    run = {"name": settings.name, "folds": settings.folds, "recipe": asdict(settings.recipe)}
    return {"settings": run, "images": len(samples), "files": hashlib.sha256(names.encode()).hexdigest()}


def claim(out: Path, samples: Sequence[dataset.Sample], settings: Settings) -> None:
    """Remember in `run.json` what a run is, and refuse to mix two runs in one folder.

    Raises:
        DatasetError: `out` holds a run with other settings or other data.

    """
    path, text = out / "run.json", json.dumps(_fingerprint(samples, settings), indent=2, sort_keys=True) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        msg = f"expected a folder without another run. Received: {path.parent}, trained with other settings or data"
        raise DatasetError(msg)
    path.write_text(text, encoding="utf-8")


def _member(
    out: Path,
    fold: int,
    samples: Sequence[dataset.Sample],
    folds: Folds,
    settings: Settings,
    progress: Callable[[Progress], None],
    stepped: Callable[[Step], None],
) -> tuple[weights.Member, expense.Fitted]:
    """Weights of one fold's network, from the files of a finished fold or trained now, and what that took."""
    path, history_path = out / f"fold{fold}.npz", out / f"fold{fold}.json"
    if path.exists():
        kept = json.loads(history_path.read_text(encoding="utf-8"))
        seconds = sum(epoch["seconds"] for epoch in kept["epochs"])
        return weights.load(path)[0], expense.Fitted(expense.Machine(**kept["machine"]), seconds)
    inside = folds == fold
    seed = settings.recipe.seed * 1000 + fold
    tensorflow().keras.utils.set_random_seed(seed)
    architecture = zoo.architecture(settings.name)
    network = architecture.build()
    architecture.initialise(network)
    chosen, held_out = (
        [sample for sample, wanted in zip(samples, which, strict=True) if wanted] for which in (~inside, inside)
    )
    history: list[Epoch] = []
    with EventLog(out / "logs" / f"fold{fold}") as log:

        def record(epoch: Epoch) -> None:
            history.append(epoch)
            log.write(epoch)
            progress(Progress(fold, settings.folds, epoch))

        fit(
            network,
            dataset.load_gray(chosen, lambda frame, _: to_gray_square(frame, side=SOURCE_SIDE)),
            np.array([sample.label for sample in chosen]),
            replace(settings.recipe, seed=seed),
            record,
            stepped=lambda done, of: stepped(Step(fold, settings.folds, done, of)),
            held_out=HeldOut(
                dataset.load_gray(held_out, lambda frame, _: to_gray_square(frame)),
                np.array([sample.label for sample in held_out]),
            ),
        )
    member, fitted = weights.collect(network), expense.this_machine()
    keep_fold(out, fold, member, history, fitted)
    return member, expense.Fitted(fitted, sum(epoch.seconds for epoch in history))
