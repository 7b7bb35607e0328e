"""What of a file is handed out raw: frames that are there and begin with a byte, and numbers as its pixels say."""

import json
import struct
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from dicom_io.errors import PixelError
from dicom_io.json_model import json_model
from dicom_io.opened import open_dataset
from dicom_io.raw_frames import raw_frames
from dicom_io.scan import MAX_INFLATED


def known(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert path is not None, name
    return Path(str(path))


@pytest.mark.parametrize(("signed", "expected"), [(None, 65533), (1, -3)])
def test_numbers_whose_vr_the_pixels_decide_are_as_they_say(tmp_path: Path, signed: int | None, expected: int) -> None:
    """PS3.6: US or SS, by Pixel Representation; where that is missing, unsigned."""
    dataset = dcmread(known("MR_small_implicit.dcm"))
    del dataset.PixelRepresentation, dataset.PixelData
    if signed is not None:
        dataset.PixelRepresentation = signed
    dataset.add_new(0x00280106, "OB", struct.pack("<h", -3))
    dataset.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    with open_dataset(tmp_path / "one.dcm", max_inflated=MAX_INFLATED) as opened:
        element = json.loads(json.dumps(json_model(opened, str)))["00280106"]
    assert element["Value"] == [expected]


@pytest.mark.parametrize(("entries", "expected"), [(None, None), (2, {"vr": "OW", "InlineBinary": "AQIDBA=="})])
def test_a_table_is_as_its_descriptor_says_and_left_out_where_nobody_can_tell(
    tmp_path: Path, entries: int | None, expected: dict[str, str] | None
) -> None:
    """PS3.6: LUT Data are US or OW, which implicit VR does not say."""
    dataset = dcmread(known("MR_small_implicit.dcm"))
    dataset.add_new(0x00283006, "OW", b"\1\2\3\4")
    if entries is not None:
        dataset.add_new(0x00283002, "US", [entries, 0, 16])
    dataset.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    with open_dataset(tmp_path / "one.dcm", max_inflated=MAX_INFLATED) as opened:
        assert json_model(opened, str).get("00283006") == expected


def test_frames_that_are_not_there_or_begin_within_a_byte_are_refused(tmp_path: Path) -> None:
    path = known("CT_small.dcm")
    with raw_frames(path, encapsulated=False) as frames:
        assert len(frames.frame(1)) == 128 * 128 * 2
        for number in (0, 2):
            with pytest.raises(PixelError):
                frames.frame(number)
    bits = dcmread(path)
    bits.NumberOfFrames, bits.Rows, bits.Columns, bits.BitsAllocated = 2, 3, 3, 1
    bits.PixelData = b"\xff\x01\x02\x00"
    bits.save_as(tmp_path / "bits.dcm")
    with raw_frames(tmp_path / "bits.dcm", encapsulated=False) as frames, pytest.raises(PixelError):
        frames.frame(2)
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(path.read_bytes()[:-4000])
    with raw_frames(cut, encapsulated=False) as frames, pytest.raises(PixelError):
        frames.frame(1)
