"""Which radiographs the pixel gate is fitted to, tuned on and tested on: a patient belongs to one part, for good."""

import hashlib
from enum import StrEnum
from typing import Final


class Part(StrEnum):
    """What a picture is used for."""

    FIT = "fit"
    VALIDATE = "validate"
    TEST = "test"


FIRST_TEST_FILE: Final = {"ct_slices": 40, "lateral_cxr": 22}
"""Pictures that are no frontal chest, from this number on, are for testing: neighbours may show one patient."""
TESTED_ADULTS: Final = frozenset({"17006", "9520", "3465", "27464"})
"""NIH patients of whom there are DICOM files as well, which are all for testing."""


def part_of_child(patient: str) -> Part:
    """Return the part of a patient of the training data (`model.dataset.patient_of`): 55, 15 and 30 %."""
    return _part(patient, fit=55, validate=15)


def part_of_adult(patient: str) -> Part:
    """Return the part of an NIH patient number: 40, 10 and 50 %."""
    return Part.TEST if patient in TESTED_ADULTS else _part(f"adult {patient}", fit=40, validate=10)


def part_of_file(stem: str) -> Part:
    """Return the part of a file of not-frontal-chest, such as ct_slices_012."""
    kind, _, number = stem.rpartition("_")
    return Part.TEST if int(number) >= FIRST_TEST_FILE[kind] else Part.FIT


def _part(patient: str, *, fit: int, validate: int) -> Part:
    share = int(hashlib.sha256(patient.encode()).hexdigest(), 16) % 100
    return Part.FIT if share < fit else Part.VALIDATE if share < fit + validate else Part.TEST
