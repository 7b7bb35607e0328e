"""A CR image that is made of a picture is valid, says dicom3tools' validator."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from dicom_io.image_files import CrIdentity, write_cr

GRAY = np.arange(256, dtype=np.uint8).reshape(8, 32)
WHO = CrIdentity(patient_id="DEMO-1", patient_name="Иванов^Иван", made_at=datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC))


@pytest.mark.parametrize("ratio", [0.0, 12.34])
def test_a_made_cr_image_is_valid(tmp_path: Path, ratio: float) -> None:
    path = write_cr(GRAY, tmp_path / "cr.dcm", WHO, lossy_compression_ratio=ratio)
    validator = Path(sys.executable).with_name("dciodvfy")
    checked = subprocess.run([validator, path], capture_output=True, text=True, check=False)  # noqa: S603
    assert checked.stderr.strip().splitlines() == ["CRImage"]
