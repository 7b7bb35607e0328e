"""The public data set's folder layout, its patients, and folds that never share one.

Layout: `NORMAL/` and `PNEUMONIA/`, JPEG or PNG (Kermany et al. 2018; users get it from Kaggle in the same form).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from model.errors import DatasetError

LABELS = ("NORMAL", "PNEUMONIA")
_SUFFIXES = {".jpeg", ".jpg", ".png"}
_PERSON = re.compile(r"person(\d+)_")
_IM = re.compile(r"(?:NORMAL2-)?IM-(\d+)-")

Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sample:
    """One image: its file, label (0 NORMAL, 1 PNEUMONIA) and patient group."""

    path: Path
    label: int
    patient: str


def patient_of(name: str) -> str | None:
    """Find the patient group that a file name carries, or None where it carries none.

    `person<N>` whatever follows (one number occurs under both bacteria and virus), and the number after `IM-` with or
    without `NORMAL2-`: both forms of one number are one patient.
    """
    if match := _PERSON.match(name):
        return f"person{int(match[1])}"
    if match := _IM.match(name):
        return f"IM-{int(match[1]):04d}"
    return None


def find_samples(folder: Path, *, patients_required: bool = True) -> tuple[Sample, ...]:
    """List the images of `folder`/NORMAL and `folder`/PNEUMONIA in a stable order.

    Args:
        folder: holds the two class folders.
        patients_required: refuse a file name that carries no patient (folds could leak then); otherwise such an image
            counts as a patient of its own, which is good enough for an evaluation.

    Raises:
        DatasetError: a class folder is absent or empty, or a patient is required and not to be told.

    """
    samples = [
        _sample(path, label, patients_required=patients_required)
        for label, name in enumerate(LABELS)
        for path in sorted((folder / name).glob("*"))
        if path.suffix.lower() in _SUFFIXES
    ]
    counts = Counter(sample.label for sample in samples)
    if any(not counts[label] for label in range(len(LABELS))):
        found = {name: counts[label] for label, name in enumerate(LABELS)}
        msg = f"expected images in the folders NORMAL and PNEUMONIA. Received: {folder} with {found}"
        raise DatasetError(msg)
    return tuple(samples)


def _sample(path: Path, label: int, *, patients_required: bool) -> Sample:
    patient = patient_of(path.name)
    if patient is None and not patients_required:
        return Sample(path, label, f"{LABELS[label]}/{path.name}")
    if patient is None:
        msg = f"expected a name like person12_virus_3 or IM-0123-0001, which tells the patient. Received: {path.name}"
        raise DatasetError(msg)
    return Sample(path, label, patient)


def load_gray(samples: Iterable[Sample], convert: Callable[[Gray, Sample], Gray]) -> Gray:
    """Read every image and stack what `convert` (frame, sample) makes of it: uint8 [n, side, side].

    Raises:
        DatasetError: a file cannot be decoded.

    """
    return np.stack([convert(_read(sample.path), sample) for sample in samples])


def _read(path: Path) -> Gray:
    try:
        with Image.open(path) as image:
            return np.asarray(image if image.mode in {"L", "RGB"} else image.convert("L"))
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
        msg = f"expected a readable JPEG or PNG. Received: {path} ({type(error).__name__})"
        raise DatasetError(msg) from error


def assign_folds(samples: Sequence[Sample], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Give every sample a fold so that no patient is in two and every fold has about the same mix of labels.

    Greedy: patients in a seeded random order, those with most images first, each to the fold where the label counts
    stay most even.

    Raises:
        DatasetError: fewer than 2 folds, or fewer patients of a label than folds.

    """
    members: defaultdict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        members[sample.patient].append(index)
    labels = np.array([sample.label for sample in samples])
    fewest = min(len({s.patient for s in samples if s.label == label}) for label in range(len(LABELS)))
    if not 2 <= folds <= fewest:  # noqa: PLR2004 (one fold would leave nothing to hold out)
        msg = f"expected between 2 and {fewest} folds for this many patients. Received: folds={folds}"
        raise DatasetError(msg)
    patients = sorted(members)
    np.random.default_rng(seed).shuffle(patients)
    patients.sort(key=lambda patient: -len(members[patient]))
    total = np.bincount(labels, minlength=len(LABELS))
    counts = np.zeros((folds, len(LABELS)))
    assigned = np.zeros(len(samples), dtype=np.int64)
    for patient in patients:
        gain = np.bincount(labels[members[patient]], minlength=len(LABELS)) / total
        # the change of the sum of squares is least where the patient's labels are scarcest
        fold = int(np.argmin(((counts + gain) ** 2 - counts**2).sum(axis=1)))
        counts[fold] += gain
        assigned[members[patient]] = fold
    return assigned
