"""Radiographs to send: real children's chests, each as a CR study of one image of 1.4 MB under an invented identity."""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.uid import generate_uid

from dicom_io.file_meta import read_file_meta
from dicom_io.image_files import CrIdentity, read_picture, write_cr

ROWS, COLUMNS = 1334, 1050
"""8 bits each: 1.4 MB."""


@dataclass(frozen=True, slots=True)
class Study:
    """A study of one image: its file and UIDs."""

    path: Path
    study_instance_uid: str
    sop_instance_uid: str

    def dataset(self) -> bytes:
        """Return what a sender sends of its file: all but the file meta information."""
        data = self.path.read_bytes()
        return data[read_file_meta(data).dataset_offset :]


def make_studies(pictures: Path, folder: Path, count: int, *, share: float, seed: int) -> list[Study]:
    """Write `count` studies, a `share` of them of pictures of pneumonia (which the model flags, almost always).

    `pictures` has folders NORMAL and PNEUMONIA.
    """
    chance = random.Random(seed)  # noqa: S311 - repeatable
    sick, well = (sorted((pictures / name).iterdir()) for name in ("PNEUMONIA", "NORMAL"))
    folder.mkdir()
    chosen = [chance.choice(sick if number < round(count * share) else well) for number in range(count)]
    chance.shuffle(chosen)
    return [_write(picture, folder, number) for number, picture in enumerate(chosen)]


def _write(picture: Path, folder: Path, number: int) -> Study:
    pixels = Image.fromarray(read_picture(picture)).convert("L").resize((COLUMNS, ROWS), Image.Resampling.BICUBIC)
    study, instance = generate_uid(), generate_uid()
    now = datetime.now(UTC)
    identity = CrIdentity(
        patient_id=f"BENCH-{number:05d}",
        patient_name=f"Bench^Number {number:05d}",
        patient_birth_date=f"{date.today().year - 4}0101",  # noqa: DTZ011 - a local date
        patient_age="004Y",
        study_instance_uid=study,
        sop_instance_uid=instance,
        made_at=now,
        accession_number=f"B{number:05d}",
    )
    path = write_cr(np.asarray(pixels), folder / f"{number:05d}.dcm", identity)
    return Study(path, study, instance)
