"""Datasets that are hostile or broken by their structure: a header or a stated reason, in bounded time and memory."""

import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_io import reasons
from dicom_io.decoding import Decoder, DecoderSettings
from dicom_io.errors import HeaderError, PixelError
from dicom_io.header import Header, read_header

SECONDS = 60.0
"""Far more than any of these takes, far less than one that goes astray."""
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = (b"\xfe\xff" + struct.pack("<H", element) for element in (0xE000, 0xE00D, 0xE0DD))
META = bytes(128) + b"DICM\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
HEAD = (
    b"\x08\0\x16\0UI\x1a\x001.2.840.10008.5.1.4.1.1.7\0"
    b"\x08\0\x18\0UI\x06\x001.2.3\0"
    b"\x10\0\x10\0PN\x04\0Doe "
    b"\x20\0\x0d\0UI\x06\x001.2.4\0"
)


def short(tag: int, value: int) -> bytes:
    return struct.pack("<HH2sHH", 0x28, tag, b"US", 2, value)


IMAGE = (
    short(2, 1)
    + b"\x28\0\x04\0CS\x0c\0MONOCHROME2 "
    + b"".join(
        short(tag, value) for tag, value in ((0x10, 2), (0x11, 2), (0x100, 8), (0x101, 8), (0x102, 7), (0x103, 0))
    )
)
PIXELS = b"\xe0\x7f\x10\0OB\0\0\x04\0\0\0\1\2\3\4"


def long(group: int, element: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HH2sHL", group, element, vr, 0, len(value) if length is None else length) + value


def nested(depth: int, end: bytes = b"") -> bytes:
    """Return sequences of undefined length inside one another."""
    opened = long(0x40, 0x275, b"SQ", ITEM + struct.pack("<L", UNDEFINED), UNDEFINED)
    closed = ITEM_END + bytes(4) + SEQUENCE_END + bytes(4)
    return opened * depth + end + closed * depth


def items(count: int, *, defined: bool) -> bytes:
    """Return a sequence of so many items."""
    element = b"\x08\0\0\x01SH\x02\0T "
    if defined:
        return long(0x40, 0x275, b"SQ", (ITEM + struct.pack("<L", len(element)) + element) * count)
    item = ITEM + struct.pack("<L", UNDEFINED) + element + ITEM_END + bytes(4)
    return long(0x40, 0x275, b"SQ", item * count + SEQUENCE_END + bytes(4), UNDEFINED)


GOOD = {
    "sequences nested 60 deep": nested(60),
    "10,000 items of defined length": items(10_000, defined=True),
    "10,000 items of undefined length": items(10_000, defined=False),
    "an empty sequence of undefined length": items(0, defined=False),
    "a private element of a VR that does not exist": b"\x29\0\x10\x10ZZ\x02\0ab",
    "a private sequence of VR UN and undefined length, implicit inside": long(
        *(0x29, 0x1010, b"UN", ITEM + struct.pack("<L", 10) + b"\x08\0\0\x01\x02\0\0\0T " + SEQUENCE_END + bytes(4)),
        UNDEFINED,
    ),
    "100,000 private elements": b"".join(
        struct.pack("<HH2sH", 0x29, 0x1000 | n % 4096, b"LO", 0) for n in range(100_000)
    ),
    "a private value of 8 MB": long(0x29, 0x1010, b"OB", bytes(8 << 20)),
    "an odd length": b"\x29\0\x10\x10LO\x03\0abc",
}
"""What is odd but whole, each between header and pixels."""
BAD = {
    "sequences nested 100,000 deep": (nested(100_000), {reasons.UNREADABLE}),
    "sequences without an end": (
        long(0x40, 0x275, b"SQ", ITEM + struct.pack("<L", UNDEFINED), UNDEFINED),
        {reasons.NO_PIXELS},
    ),
    "a length beyond the end of the file": (long(0x29, 0x1010, b"OB", b"", 0xFFFFFFF0), {reasons.NO_PIXELS}),
    "a length that ends within the next element": (long(0x29, 0x1010, b"OB", b"", 3), {reasons.NO_PIXELS}),
}
"""What cannot be read to its end, and why it is then refused for analysis; the header is known up to there."""


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """Give a decoder that gives up early and may not take much memory."""
    with Decoder(DecoderSettings(seconds=SECONDS, memory_bytes=1 << 30)) as found:
        found.wait_until_ready()
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    """Return `file(between)`: an image with something between its header and its pixels."""

    def write(between: bytes, head: bytes = HEAD) -> Path:
        path = tmp_path / "odd.dcm"
        path.write_bytes(META + head + IMAGE + between + PIXELS)
        return path

    return write


def why(decoder: Decoder, path: Path) -> str:
    """Return why a file is refused, "" if it becomes frames."""
    try:
        decoder.read_frames(path)
    except PixelError as error:
        return error.reason
    return ""


def header_of(path: Path) -> Header:
    """Read a header, in little time and no more memory than twice a value that a header may have."""
    tracemalloc.start()
    started = time.monotonic()
    try:
        return read_header(path)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.monotonic() - started < SECONDS
        assert peak < 4 << 20


@pytest.mark.parametrize("between", GOOD.values(), ids=GOOD)
def test_what_is_odd_but_whole_has_its_header_and_its_pixels(
    decoder: Decoder, file: Callable[[bytes], Path], between: bytes
) -> None:
    path = file(between)
    assert header_of(path).patient_name == "Doe"
    (frame,) = decoder.read_frames(path)
    assert frame.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(("between", "expected"), BAD.values(), ids=BAD)
def test_what_is_broken_is_refused_with_a_reason(
    decoder: Decoder, file: Callable[[bytes], Path], between: bytes, expected: set[str]
) -> None:
    path = file(between)
    if expected == {reasons.UNREADABLE}:
        with pytest.raises(HeaderError, match="nested at most 64 deep"):
            header_of(path)
    else:
        assert header_of(path).sop_instance_uid == "1.2.3"
    with pytest.raises(PixelError) as caught:
        decoder.read_frames(path)
    assert caught.value.reason in expected


@pytest.mark.parametrize(
    ("declared", "name", "read"),
    [
        (b"ISO_IR 192", "Müller".encode("latin-1"), "Müller"),  # says UTF-8, is Latin-1
        (b"ISO_IR 100", "Müller".encode(), "MÃ¼ller"),  # says Latin-1, is UTF-8: every byte is valid Latin-1
        (b"ISO_IR 999", "Müller".encode(), "Müller"),  # no such character set
        (b"\\ISO 2022 IR 87", b"\x1b$B\x3b\x33", None),  # an escape sequence that is not switched back
        (b"\\ISO 2022 IR 87", b"\x1b$B\x3b", None),  # half a character
        (b"ISO 2022 IR 149\\" * 200, b"\x1b$)C\xb1\xe8", None),  # 200 character sets
        (b"\xff\xfe\xfd ", b"Doe ", "Doe"),
    ],
)
def test_a_wrong_character_set_costs_letters_and_never_the_header(
    decoder: Decoder, file: Callable[..., Path], declared: bytes, name: bytes, read: str | None
) -> None:
    declared, name = (value + b" " * (len(value) % 2) for value in (declared, name))
    character_set = struct.pack("<HH2sH", 8, 5, b"CS", len(declared)) + declared
    named = HEAD.replace(b"PN\x04\0Doe ", b"PN" + struct.pack("<H", len(name)) + name)
    path = file(b"", character_set + named)
    found = header_of(path).patient_name
    assert found == read if read is not None else found.isprintable()
    assert len(decoder.read_frames(path)) == 1


@pytest.mark.parametrize("length", [0, 1, 2, 3, 0x7FFFFFFE, 0xFFFFFFFE, UNDEFINED])
def test_a_wrong_length_of_the_pixel_data_is_refused(
    decoder: Decoder, file: Callable[[bytes], Path], length: int
) -> None:
    path = file(b"")
    content = path.read_bytes()
    path.write_bytes(content[: -len(PIXELS)] + long(0x7FE0, 0x10, b"OB", PIXELS[-4:], length))
    assert header_of(path).sop_instance_uid == "1.2.3"
    with pytest.raises(PixelError) as caught:
        decoder.read_frames(path)
    assert caught.value.reason in {reasons.EMPTY, reasons.TRUNCATED}


@pytest.mark.shared
def test_malformed_files_end_in_time_and_leave_the_process_alive(decoder: Decoder, shared: Path) -> None:
    """Which reasons they get is in dicom_io_pixels/test_shared_images."""
    process = decoder._idle.queue[0]._process
    paths = sorted((shared / "data" / "dicom" / "malformed").glob("*"))
    found = {why(decoder, path) for path in paths}
    assert found.isdisjoint({reasons.CRASHED, reasons.TOO_SLOW, reasons.OUT_OF_MEMORY, reasons.UNFORESEEN})
    assert len(paths) == 17
    assert decoder._idle.queue[0]._process is process
