"""Every real file has a JSON model, or a reason why not."""

import json
from pathlib import Path

import pytest

from dicom_io.errors import HeaderError
from dicom_io.json_model import json_model
from dicom_io.opened import open_dataset
from dicom_io.scan import MAX_INFLATED


@pytest.mark.shared
def test_every_shared_file_is_a_model_or_refused(shared: Path) -> None:
    files = [path for path in (shared / "data/dicom").rglob("*.dcm") if path.is_file()]
    refused = 0
    for path in files:
        try:
            with open_dataset(path, max_inflated=MAX_INFLATED) as opened:
                json.dumps(json_model(opened, lambda where: f"u/{where}"), allow_nan=False)
        except HeaderError:
            refused += 1
    assert len(files) > 100
    assert refused < 10
