"""Identifiers from and to their bytes, as pydicom reads them too."""

import io
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset

from dicom_io.errors import MatchingError
from dicom_io.identifier import encode_answer, encode_failed_uids, read_identifier

SYNTAXES = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
NAME = "M\u00fcller^J\u00f6rg=\u5c71\u7530^\u592a\u90ce"


def by_pydicom(data: bytes, syntax: str) -> Dataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    head = io.BytesIO()
    head.write(bytes(128) + b"DICM")
    from pydicom.filewriter import write_file_meta_info  # noqa: PLC0415 - of this one place

    write_file_meta_info(head, meta, enforce_standard=False)
    return dcmread(io.BytesIO(head.getvalue() + data))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_answer_is_read_back_by_us_and_by_pydicom(syntax: str) -> None:
    values: dict[str, Any] = {"patient_name": NAME, "rows": 512, "modalities_in_study": ("CR", "SR"), "study_id": "S"}
    data = encode_answer("IMAGE", "TIBABU", values, tuple(values), syntax)
    ours, theirs = read_identifier(data, syntax), by_pydicom(data, syntax)
    assert dict(ours.values) == values | {"rows": "512", "modalities_in_study": "CR\\SR"}
    assert (ours.level, ours.has_others) == ("IMAGE", False)
    assert (str(theirs.PatientName), theirs.Rows, list(theirs.ModalitiesInStudy)) == (NAME, 512, ["CR", "SR"])
    assert theirs.RetrieveAETitle == "TIBABU"


def test_a_number_that_nobody_has_read_is_empty() -> None:
    data = encode_answer("IMAGE", "A", {"rows": 0, "number_of_frames": 0}, ("rows", "number_of_frames"), SYNTAXES[1])
    assert dict(read_identifier(data, SYNTAXES[1]).values) == {"rows": "", "number_of_frames": ""}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_list_of_failed_uids_may_be_longer_than_its_vr_allows(syntax: str) -> None:
    """PS3.5 6.2.2: it goes as UN then."""
    uids = [f"1.2.3.{number}" for number in range(20_000)]
    theirs = by_pydicom(encode_failed_uids(uids, syntax), syntax)
    found = theirs.get_item(0x00080058)
    assert found is not None
    assert bytes(found.value).rstrip(b"\0") == "\\".join(uids).encode()


@pytest.mark.parametrize("data", [b"\xff" * 9, b"\x08\x00\x52\x00CS\x06\x00STU", b""])
def test_bytes_that_make_no_sense_make_no_level(data: bytes) -> None:
    assert read_identifier(data, SYNTAXES[1]).level == ""


def test_a_deflated_identifier_that_is_none_is_an_error() -> None:
    with pytest.raises(MatchingError):
        read_identifier(b"\xff\xff\xff", SYNTAXES[3])
