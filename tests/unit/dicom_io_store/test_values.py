"""Small values: file meta information, peers, preferences and statuses."""

import hashlib
import io
import itertools
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import UID, UID_dictionary

from dicom_io.arriving import our_beginning
from dicom_io.errors import HeaderError
from dicom_io.file_meta import FileMeta, encode_file_meta, read_file_meta
from dicom_io.negotiation import preference
from dicom_io.scu import Peer, StoreStatus

CT, EXPLICIT, IMPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


@pytest.mark.parametrize("instance", ["1.2.3", "1.2.34", "1" * 64, ""])
def test_the_file_meta_is_what_pydicom_reads(instance: str) -> None:
    data = encode_file_meta(CT, instance, IMPLICIT)
    meta = pydicom.dcmread(io.BytesIO(data)).file_meta
    assert [element.tag & 0xFFFF for element in meta] == [0x0000, 0x0001, 0x0002, 0x0003, 0x0010, 0x0012, 0x0013]
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID or "") == (CT, instance)
    assert meta.TransferSyntaxUID == IMPLICIT
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.FileMetaInformationGroupLength == len(data) - 144
    assert meta.ImplementationClassUID.is_valid


def test_the_file_meta_never_changes() -> None:
    """A new release must give a stored dataset the digest that the old one gave it."""
    digest = hashlib.sha256(encode_file_meta(CT, "1.2.3", EXPLICIT)).hexdigest()
    assert digest == "c18d713c1255c553af905245821ec9794984cafbaede25bacb4f71bac7d8f396"


@pytest.mark.parametrize("junk", [b"", b"\0" * 132, bytes(128) + b"DICM", b"<html>", b"\x89PNG\r\n\x1a\n" + bytes(200)])
def test_what_is_no_dicom_file_is_a_header_error(junk: bytes) -> None:
    with pytest.raises(HeaderError, match="expected a DICOM file with its SOP Class UID"):
        read_file_meta(junk)


def test_a_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    data = encode_file_meta(CT, "1.2.3", "1.3.6.1.4.1.99999.2") + b"\xff" * 20
    (tmp_path / "one.dcm").write_bytes(data)
    expected = FileMeta(CT, "1.2.3", "1.3.6.1.4.1.99999.2", len(data) - 20)
    assert read_file_meta(data) == read_file_meta(tmp_path / "one.dcm") == expected
    with pytest.raises(HeaderError, match="expected a readable file"):
        read_file_meta(tmp_path)


@pytest.mark.parametrize("text", ["PACS@10.0.0.5:104", "PACS@[::1]:104", "MY PACS@pacs.hospital.example:11112"])
def test_a_peer_is_read_and_written_alike(text: str) -> None:
    assert str(Peer.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PACS",
        "PACS@host",
        "PACS@host:",
        "PACS@host:0",
        "PACS@host:65536",
        "@host:104",
        "PACS@:104",
        "PACS@h st:104",
        "A TITLE THAT IS TOO LONG@host:104",
        "BACK\\SLASH@host:104",
        "   @host:104",
        "UMLÄUT@host:104",
        "PACS@host:104:1",
    ],
)
def test_what_is_no_peer_is_a_value_error_for_people(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected .* Received: "):
        Peer.parse(text)


def test_the_preference_ranks_all_transfer_syntaxes_in_four_classes() -> None:
    """Uncompressed and deflated, then lossless, then lossy, then what nobody can decode."""
    native = {EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.98"}

    def kind(uid: UID) -> str:
        if uid in native:
            return "uncompressed"
        if uid not in UID_dictionary or "JPIP" in uid.name:
            return "unknown"
        is_lossless = "Lossless" in uid.name.replace("Near-Lossless", "") or "Deflated" in uid.name
        return "lossless" if is_lossless else "lossy"

    known = [UID(uid) for uid, (_, type_, *_) in UID_dictionary.items() if type_ == "Transfer Syntax"]
    ranked = sorted([*known, UID("1.3.6.1.4.1.99999.2"), UID("1.2.840.10008.1.2.999")], key=preference)
    kinds = [name for name, _ in itertools.groupby(kind(uid) for uid in ranked)]
    assert kinds == ["uncompressed", "lossless", "lossy", "unknown"]
    assert ranked[0] == EXPLICIT


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0x0000, "0000"),
        (0xB000, "B000 Coercion of data elements"),
        (0xA700, "A700 Refused: out of resources"),
        (0xA7FF, "A7FF Refused: out of resources"),
        (0xA901, "A901 Data set does not match SOP class"),
        (0xC123, "C123 Cannot understand"),
        (0x0111, "0111 Duplication SOP instance"),
        (0x9999, "9999 unknown status"),
    ],
)
def test_a_status_says_what_it_means(status: Any, text: str) -> None:
    said = StoreStatus(index=0, sop_class_uid=CT, sop_instance_uid="1.2", transfer_syntax_uid=EXPLICIT, status=status)
    assert said.text.lower() == text.lower()


def test_the_peers_comment_which_may_quote_the_patient_is_not_shown() -> None:
    status = StoreStatus(
        index=0,
        sop_class_uid=CT,
        sop_instance_uid="1.2",
        transfer_syntax_uid=EXPLICIT,
        status=0xA900,
        comment="DOE^JOHN",
    )
    assert "DOE" not in repr(status) + status.text


def test_a_file_that_ends_with_its_file_meta_information_is_none() -> None:
    head = encode_file_meta(CT, "1.2.3", EXPLICIT)
    meta, ours = our_beginning(head + b"\x08\x00")
    assert (meta.sop_instance_uid, ours) == ("1.2.3", head + b"\x08\x00")
    with pytest.raises(HeaderError, match="expected a dataset"):
        our_beginning(head)
