"""The header: identity must be there and well-formed; everything else may be odd."""

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_io.errors import HeaderError, UidError
from dicom_io.header import Header, check_uid, is_candidate, read_header

Make = Callable[..., bytes]
CR, DX, DX_RAW = (f"1.2.840.10008.5.1.4.1.1.1{end}" for end in ("", ".1", ".1.1"))
CAPTURE, CT, SR = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("7", "2", "88.34"))
SOP_INSTANCE, STUDY, SERIES = 0x00080018, 0x0020000D, 0x0020000E


@pytest.mark.parametrize("uid", ["1", "1.2.840.10008.1.1", "0.0", "1.02", "1" * 64, "2.25." + "9" * 39])
def test_uids_pass(uid: str) -> None:
    assert check_uid(uid) == uid


@pytest.mark.parametrize(
    "uid", ["", ".", "1.", ".1", "1..2", "1" * 65, "../../etc", "1.2\n", "1.2 ", "1.2\0", "१.२", "1.2/3", "1.-2", "1e3"]
)
def test_what_is_no_uid_is_refused_without_being_quoted(uid: str) -> None:
    with pytest.raises(UidError) as caught:
        check_uid(uid)
    assert "etc" not in str(caught.value)


@pytest.mark.parametrize("tag", [SOP_INSTANCE, STUDY])
def test_an_instance_must_say_which_it_is_and_of_which_study(part10: Make, tag: int) -> None:
    with pytest.raises(HeaderError, match="UID"):
        read_header(part10({tag: (b"UI", b"")}))


@pytest.mark.parametrize("tag", [0x00080016, SOP_INSTANCE, STUDY, SERIES])
@pytest.mark.parametrize("uid", [b"../../etc/passwd", b"1" * 65, b"1.2.x"])
def test_a_uid_that_is_none_is_refused(part10: Make, tag: int, uid: bytes) -> None:
    with pytest.raises(UidError):
        read_header(part10({tag: (b"UI", uid)}))


@pytest.mark.parametrize("padding", [b"\0", b" ", b"\0\0", b"  "])
def test_a_padded_uid_is_read_without_its_padding(part10: Make, padding: bytes) -> None:
    assert read_header(part10({STUDY: (b"UI", b"1.2.9" + padding)})).study_instance_uid == "1.2.9"


def test_what_is_absent_is_empty(part10: Make) -> None:
    header = read_header(part10({}))
    assert header == Header(
        sop_class_uid=CR,
        sop_instance_uid="1.2.3.4",
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.3.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    assert (header.rows, header.number_of_frames, header.age_years, header.is_image) == (0, 1, None, False)


def test_what_no_database_keeps_is_left_out_and_the_instance_is_taken(part10: Make) -> None:
    """PostgreSQL refuses texts with NUL and integers of more than 31 bits, and would refuse the Instance for ever."""
    header = read_header(
        part10(
            {
                0x00080008: (b"CS", b"ORI\0GINAL\\PRIM\x01ARY"),
                0x00100010: (b"PN", b"Doe\0^John"),
                0x00181002: (b"UI", b"1.2\0.3\\1.2.4"),
                0x00280008: (b"IS", b"999999999999"),
            }
        )
    )
    assert (header.image_type, header.patient_name) == (("ORIGINAL", "PRIMARY"), "Doe^John")
    assert (header.device_uids, header.number_of_frames) == (("1.2.4",), 1)
    assert read_header(part10({0x00280008: (b"IS", b"2147483647")})).number_of_frames == (1 << 31) - 1


def test_codes_are_those_of_the_first_item(part10: Make, element: Make) -> None:
    first, second = (element(0x00080100, b"SH", code) + element(0x00080102, b"SH", b"SCT") for code in (b"11", b"22"))
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<L", len(item)) + item for item in (first, second))
    header = read_header(part10({0x00540220: (b"SQ", items), 0x00082218: (b"SQ", b"")}))
    assert (header.view_code, header.anatomic_region_code) == ("11", "")


def test_device_uids_are_those_of_the_equipment_and_of_all_that_contributed(part10: Make, element: Make) -> None:
    items = b"".join(
        b"\xfe\xff\x00\xe0" + struct.pack("<L", len(item)) + item
        for item in (element(0x00181002, b"UI", b"1.5"), element(0x00080070, b"LO", b"Maker"))
    )
    header = read_header(part10({0x00181002: (b"UI", b"1.4\\1.9"), 0x0018A001: (b"SQ", items)}))
    assert header.device_uids == ("1.4", "1.9", "1.5")


@pytest.mark.parametrize(
    ("sop_class", "modality", "expected"),
    [
        (CR, "CR", True),
        (CR, "", True),
        (DX, "DX", True),
        (DX_RAW, "DX", True),
        (CAPTURE, "CR", True),
        (CAPTURE, "DX", True),
        (CAPTURE, "OT", False),
        (CAPTURE, "CT", False),
        (CAPTURE, "", False),
        (CT, "CT", False),
        (CT, "CR", False),
        (SR, "SR", False),
        ("", "CR", False),
    ],
)
def test_candidates_are_radiographs_by_their_sop_class(sop_class: str, modality: str, *, expected: bool) -> None:
    assert is_candidate(Header(sop_class_uid=sop_class, modality=modality)) is expected


def test_a_file_that_cannot_be_opened_is_a_header_error_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(HeaderError) as caught:
        read_header(tmp_path / "Mueller^Hans.dcm")
    assert "Mueller" not in str(caught.value)


TAGS = [0x00080005, 0x00080008, 0x00080016, 0x00080060, 0x00082218, 0x00100010, 0x00101010, 0x0018A001, 0x00200020]


@given(st.dictionaries(st.sampled_from([*TAGS, 0x00280008, 0x00280010, 0x00540220]), st.binary(max_size=40)))
def test_no_value_of_any_attribute_makes_reading_fail(part10: Make, values: dict[int, bytes]) -> None:
    file = part10({tag: (b"LO" if tag != 0x00540220 else b"SQ", value) for tag, value in values.items()})
    try:
        header = read_header(file)
    except UidError:
        assert 0x00080016 in values
    else:
        assert header.study_instance_uid == "1.2.3"
        assert header.age_years is None or header.age_years >= 0


@given(st.data())
def test_damage_anywhere_is_read_or_refused_but_never_another_exception(part10: Make, data: st.DataObject) -> None:
    file = bytearray(part10({0x00100010: (b"PN", b"A^B"), 0x00082218: (b"SQ", b"\xfe\xff\x00\xe0" + b"\xff" * 4)}))
    for _ in range(data.draw(st.integers(1, 4))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(file)))
    with contextlib.suppress(HeaderError):
        read_header(bytes(file[:end]))


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(HeaderError):
        read_header(noise)
