"""The element scanner: any encoding, anything nested, nothing read that was not asked for."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import BinaryIO

import pytest

from dicom_io.errors import HeaderError
from dicom_io.header import read_header
from dicom_io.scan import MAX_DEPTH, Syntax, open_stream, read_elements

Make = Callable[..., bytes]
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
UNDEFINED = b"\xff\xff\xff\xff"
NAME, AGE = 0x00100010, 0x00101010
EXPLICIT = Syntax(explicit=True, little_endian=True)


def undefined_sequence(tag: int, content: bytes, vr: bytes = b"SQ") -> bytes:
    """Return a sequence of undefined length."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    return head + (vr + b"\0\0" if vr else b"") + UNDEFINED + content + SEQUENCE_END + b"\0\0\0\0"


def undefined_item(content: bytes) -> bytes:
    """Return an item of undefined length."""
    return ITEM + UNDEFINED + content + ITEM_END + b"\0\0\0\0"


def read(stream: bytes, *tags: int) -> dict[int, bytes]:
    """Return the values of `tags` in an explicit little endian dataset."""
    return read_elements(io.BytesIO(stream), EXPLICIT, set(tags), stop=0x7FE00000).values


@pytest.mark.parametrize("implicit", [False, True])
def test_explicit_and_implicit_vr_are_told_by_the_dataset_itself(part10: Make, *, implicit: bool) -> None:
    lying = part10({NAME: (b"PN", b"A^B")}, implicit=implicit, meta=b"")
    assert read_header(lying).patient_name == "A^B"


def test_a_bare_big_endian_dataset_is_read(element: Make) -> None:
    dataset = b"".join(
        element(tag, b"UI", value, order=">") for tag, value in ((0x00080018, b"1.2"), (0x0020000D, b"1.3"))
    ) + element(0x00280010, b"US", struct.pack(">H", 258), order=">")
    assert read_header(dataset).rows == 258


def test_a_file_without_preamble_is_read(part10: Make) -> None:
    assert read_header(part10({})[132:]).sop_instance_uid == "1.2.3.4"


def test_an_element_behind_nested_sequences_of_undefined_length_is_found(element: Make) -> None:
    inner = undefined_sequence(0x00081111, undefined_item(element(NAME, b"PN", b"inner")))
    stream = undefined_sequence(0x00081110, undefined_item(inner)) + element(NAME, b"PN", b"outer")
    assert read(stream, NAME) == {NAME: b"outer\0"}


def test_an_item_whose_length_looks_like_a_vr_is_an_item(element: Make) -> None:
    length = int.from_bytes(b"UN\0\0", "little")
    fragment = ITEM + b"UN\0\0" + b"\x01" * length
    stream = undefined_sequence(0x00090010, fragment, b"OB") + element(NAME, b"PN", b"A^BC")
    assert read(stream, NAME) == {NAME: b"A^BC"}


def test_the_content_of_a_sequence_of_unknown_vr_is_implicit(element: Make) -> None:
    long = element(NAME, b"", b"x" * int.from_bytes(b"ST", "little"))  # a length that looks like a VR
    unknown = undefined_sequence(0x00091010, undefined_item(long), b"UN")
    nested = undefined_sequence(0x00081110, undefined_item(unknown))
    for sequence in (unknown, nested):
        assert read(sequence + element(NAME, b"PN", b"outer!"), NAME) == {NAME: b"outer!"}


def test_an_explicit_dataset_that_switches_to_implicit_is_read(element: Make) -> None:
    stream = element(NAME, b"", b"A^B!") + element(AGE, b"AS", b"004Y")
    assert read(stream, NAME, AGE) == {NAME: b"A^B!", AGE: b"004Y"}


def test_ten_thousand_items_are_passed_over(element: Make) -> None:
    items = undefined_item(element(NAME, b"PN", b"inner")) * 10_000
    assert read(undefined_sequence(0x00081110, items) + element(NAME, b"PN", b"last"), NAME) == {NAME: b"last"}


def test_sequences_nested_beyond_reason_are_refused(element: Make) -> None:
    level = undefined_sequence(0x00081110, ITEM + UNDEFINED)[:-8]
    with pytest.raises(HeaderError, match="nested"):
        read_header(element(0x00080018, b"UI", b"1.2") + level * (MAX_DEPTH + 1))


def test_of_a_tag_that_stands_twice_the_last_value_counts(element: Make) -> None:
    assert read(element(NAME, b"PN", b"1st!") + element(NAME, b"PN", b"2nd!"), NAME) == {NAME: b"2nd!"}


def test_a_value_cut_short_is_missed_and_never_taken_in_part(element: Make) -> None:
    stream = element(AGE, b"AS", b"004Y")[:-1]
    elements = read_elements(io.BytesIO(stream), EXPLICIT, {AGE}, stop=0x7FE00000)
    assert (elements.values, elements.missed) == ({}, {AGE})


def test_a_value_that_claims_four_gigabytes_is_not_allocated(element: Make) -> None:
    stream = element(0x00090010, b"UN", b"", length=0xFFFFFFF0)
    tracemalloc.start()
    elements = read_elements(io.BytesIO(stream), EXPLICIT, {0x00090010}, stop=0x7FE00000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert elements.missed == {0x00090010}
    assert peak < 1_000_000


class Watched(io.BytesIO):
    """A source that remembers how many bytes were read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_neither_pixel_data_nor_unwanted_values_are_read(part10: Make) -> None:
    file = part10({0x00090010: (b"UN", b"x" * 100_000), 0x7FE00010: (b"OW", b"x" * 1_000_000)})
    source: BinaryIO = Watched(file)
    stream = open_stream(source)
    read_elements(stream.source, stream.syntax, {NAME}, stop=0x7FE00000)
    assert isinstance(source, Watched)
    assert source.taken < 600


def test_a_deflated_dataset_is_inflated_only_as_far_as_a_header_may_reach(part10: Make, element: Make) -> None:
    plain = part10({NAME: (b"PN", b"A^B")})[132 + 28 :]
    huge = plain + element(0x7FE00010, b"OW", b"\0" * (32 << 20))
    compressor = zlib.compressobj(1, wbits=-15)
    deflated = compressor.compress(huge) + compressor.flush()
    meta = element(0x00020010, b"UI", b"1.2.840.10008.1.2.1.99")
    tracemalloc.start()
    header = read_header(b"\0" * 128 + b"DICM" + meta + deflated)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert header.patient_name == "A^B"
    assert peak < 24 << 20


@pytest.mark.parametrize("stream", [b"", b"DICM", b"\0" * 132, b"\x89PNG\r\n\x1a\n" * 20, b"<!DOCTYPE html>" * 20])
def test_what_is_no_dicom_is_refused(stream: bytes) -> None:
    with pytest.raises(HeaderError):
        read_header(stream)
