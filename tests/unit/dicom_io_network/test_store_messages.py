"""The command sets of C-STORE are read and written as pynetdicom writes and reads them, and nothing breaks them."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_ECHO, C_STORE

from dicom_io.store_messages import read_store_request, write_store_response

CR = "1.2.840.10008.5.1.4.1.1.1"


def request(**given: Any) -> bytes:
    primitive = C_STORE()
    primitive.MessageID, primitive.Priority = 7, 2
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = CR, "1.2.3"
    primitive.DataSet = given.get("dataset", BytesIO(b"\x08\x00"))
    return encoded(C_STORE_RQ(), primitive)


def encoded(message: Any, primitive: Any) -> bytes:
    message.primitive_to_message(primitive)
    (first, *_) = message.encode_msg(1, 0)
    return bytes(first.presentation_data_value_list[0][1][1:])


@pytest.mark.parametrize("status", [0x0000, 0xA700, 0xC000])
@pytest.mark.parametrize("uid", ["1.2.3", "1.2.34", "1." + "2" * 62])
@pytest.mark.parametrize(("comment", "offending"), [("", ()), ("Odd", (0x00080018, 0x00080016)), ("Even", ())])
def test_a_response_is_written_as_pynetdicom_writes_it(
    uid: str, status: int, comment: str, offending: tuple[int, ...]
) -> None:
    primitive: Any = C_STORE()
    primitive.MessageIDBeingRespondedTo, primitive.Status = 4711, status
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = CR, uid
    primitive.ErrorComment, primitive.OffendingElement = comment or None, list(offending) or None
    written = write_store_response(CR, uid, 4711, status, comment=comment, offending=offending)
    assert written == encoded(C_STORE_RSP(), primitive)


def test_a_request_that_pynetdicom_writes_is_read() -> None:
    elements = read_store_request(request())
    assert elements is not None
    assert {number: elements[number] for number in (0x0002, 0x0110, 0x1000)} == {
        0x0002: CR.encode() + b"\0",
        0x0110: b"\7\0",
        0x1000: b"1.2.3\0",
    }


def test_other_messages_requests_without_a_dataset_and_what_is_cut_short_are_left_alone() -> None:
    echo = C_ECHO()
    echo.MessageID, echo.AffectedSOPClassUID = 1, "1.2.840.10008.1.1"
    assert read_store_request(encoded(C_ECHO_RQ(), echo)) is None
    assert read_store_request(request(dataset=None)) is None
    whole = request()
    assert all(read_store_request(whole[:-cut]) is None for cut in range(1, 8))
    assert read_store_request(whole + whole) is None, "expected what says a thing twice to be left alone"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_left_alone(data: bytes) -> None:
    found = read_store_request(data)
    assert found is None or sum(8 + len(value) for value in found.values()) == len(data)
