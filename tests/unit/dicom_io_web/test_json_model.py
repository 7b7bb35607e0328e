"""The DICOM JSON Model says what pydicom reads in the same file, whatever the file, and never fails for a value."""

import base64
import json
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_io.errors import HeaderError, PixelError
from dicom_io.json_model import json_model
from dicom_io.opened import open_dataset
from dicom_io.raw_frames import bulk_value, raw_frames
from dicom_io.scan import MAX_INFLATED

KNOWN = (
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "image_dfl.dcm",
    "reportsi.dcm",
    "rtplan.dcm",
    "waveform_ecg.dcm",
    "JPEG2000.dcm",
    "nested_priv_SQ.dcm",
)


def known(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert path is not None, name
    return Path(str(path))


def model(path: Path) -> dict[str, Any]:
    """Return the model of a file, as a peer reads it: JSON without NaN."""
    with open_dataset(path, max_inflated=MAX_INFLATED) as opened:
        found: dict[str, Any] = json.loads(json.dumps(json_model(opened, lambda where: f"u/{where}"), allow_nan=False))
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Let pydicom complain of odd values in the tests' own reading."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", KNOWN)
def test_it_says_what_pydicom_reads(name: str) -> None:
    found = model(known(name))
    with quiet():
        dataset = dcmread(known(name), force=True)
        expected = {f"{tag:08X}" for tag in dataset.keys() if tag.element and 2 < tag.group < 0xFFFC}  # noqa: SIM118 - it yields elements
        assert set(found) - {"00080005"} == expected - {"00080005"}
        for key, element in found.items():
            reference = dataset.get(int(key, 16))
            if key == "00080005" or "BulkDataURI" in element or element["vr"] in {"SQ", "OW"}:
                continue
            read = Dataset.from_json({key: element})[int(key, 16)]
            if element["vr"] in {"DS", "FD", "FL"} and "Value" in element:
                said, expected_numbers = (np.atleast_1d(one.value).astype(float) for one in (read, reference))
                assert np.array_equal(said, expected_numbers), key
            else:
                assert str(read.value) == str(reference.value), key


def test_every_long_value_can_be_had_by_its_address_and_is_that_value() -> None:
    path = known("waveform_ecg.dcm")
    found = model(path)
    channel = found["54000100"]["Value"][0]["54001010"]
    assert channel == {"vr": "OW", "BulkDataURI": "u/54000100/1/54001010"}
    where = (0x54000100, 1, 0x54001010)
    assert b"".join(bulk_value(path, where)) == dcmread(path).WaveformSequence[0].WaveformData


def dataset_of(syntax: str, **attributes: Any) -> Dataset:
    """Return a dataset that was read in that transfer syntax."""
    names = {ImplicitVRLittleEndian: "MR_small_implicit.dcm", ExplicitVRBigEndian: "MR_small_bigendian.dcm"}
    dataset = dcmread(known(names.get(syntax, "CT_small.dcm")))
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_numbers_names_and_empty_values_are_as_annex_f_has_them(syntax: str, tmp_path: Path) -> None:
    dataset = dataset_of(
        syntax, PatientName="Yamada^Tarou=山田^太郎", SpecificCharacterSet="ISO_IR 192", AccessionNumber=""
    )
    dataset.OtherPatientIDs = ["A", "", "C"]
    dataset.SmallestImagePixelValue, dataset.PixelRepresentation = -3, 1
    dataset["SmallestImagePixelValue"].VR = "SS"
    dataset.FrameIncrementPointer = 0x00181063
    dataset.PatientWeight, dataset.InstanceNumber = "1.50", "7"
    path = tmp_path / "one.dcm"
    dataset.save_as(path, enforce_file_format=True)
    found = model(path)
    assert found["00100010"]["Value"] == [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]
    assert found["00080050"] == {"vr": "SH"}
    assert found["00101000"]["Value"] == ["A", None, "C"]
    assert found["00280106"] == {"vr": "SS", "Value": [-3]}
    assert found["00280009"] == {"vr": "AT", "Value": ["00181063"]}
    assert (found["00101030"]["Value"], found["00200013"]["Value"]) == ([1.5], [7])
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": "u/7FE00010"}
    assert not [key for key in found if key.startswith("0002") or key.endswith("0000")]


def test_binary_values_are_little_endian(tmp_path: Path) -> None:
    dataset = dataset_of(ExplicitVRBigEndian)
    dataset.add_new(0x00281201, "OW", b"\x01\x02\x03\x04")
    dataset.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    assert base64.b64decode(model(tmp_path / "one.dcm")["00281201"]["InlineBinary"]) == b"\x02\x01\x04\x03"


def test_an_odd_value_is_left_out_and_the_rest_is_there(tmp_path: Path) -> None:
    data = known("CT_small.dcm").read_bytes()
    path = tmp_path / "odd.dcm"
    path.write_bytes(data.replace(b"0.661468\\0.661468", b"DOE^JOHN\\DOE^JOHN"))
    assert path.read_bytes() != data
    found = model(path)
    assert "DOE" not in json.dumps(found.get("00280030", {}).get("Value", []))
    assert found["00100020"]["Value"] == ["1CT1"]


@given(name=st.sampled_from(("CT_small.dcm", "reportsi.dcm", "JPEG2000.dcm", "nested_priv_SQ.dcm")), data=st.data())
def test_any_damage_is_a_model_or_refused(name: str, data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(known(name).read_bytes()[:6000])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(128, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.dcm"
    path.write_bytes(content)
    with suppress(HeaderError):
        model(path)
    for encapsulated in (True, False):
        with suppress(PixelError), raw_frames(path, encapsulated=encapsulated) as frames:
            frames.frame(1)
    with suppress(HeaderError):
        list(bulk_value(path, (0x7FE00010,)))


def _file(dataset: bytes) -> bytes:
    """Return a Part 10 file in explicit VR, little endian."""
    syntax = struct.pack("<HH2sH", 2, 0x10, b"UI", 20) + b"1.2.840.10008.1.2.1\0"
    length = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(syntax))
    return bytes(128) + b"DICM" + length + syntax + struct.pack("<HH2sH", 8, 0x18, b"UI", 6) + b"1.2.3\0" + dataset


def test_a_file_that_ends_within_a_length_is_no_defect_of_ours(tmp_path: Path) -> None:
    (tmp_path / "cut.dcm").write_bytes(_file(struct.pack("<HH2sH", 9, 0x10, b"OB", 0) + b"\1"))
    with pytest.raises(HeaderError):
        model(tmp_path / "cut.dcm")
