"""What a compressed frame says of itself, whatever markers come before it says so, and nothing where it is cut."""

import struct

import pytest

from dicom_io.codestream import Codestream, read_codestream

SIZE = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, 96, 80, 1) + b"\0" * 20
END = b"\xff\xd9"


@pytest.mark.parametrize(
    "before", [b"", b"\xff\xff", b"\xff\xff\xff\x01", b"\xff\xd0", b"\xff\xe0\0\x04ab", b"\xff\x01\xff\xdb\0\x03a"]
)
def test_fill_bytes_and_markers_without_a_segment_are_passed_over(before: bytes) -> None:
    """ITU-T T.81 B.1.1.2 and B.1.1.3."""
    found = read_codestream(b"\xff\xd8" + before + SIZE + END)
    assert found == Codestream(80, 96, 1, 8, complete=True, possible=True)


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff\xd8",
        b"\xff\xd8\xff\xda\0\x08" + SIZE + END,  # the scan begins, and no size was told
        b"\xff\xd8" + SIZE[:9],
        b"\xff\xd8\0\0" + SIZE,
        b"\xff\x4f\xff\x51" + bytes(38),
        b"nothing of the kind",
    ],
)
def test_a_frame_that_does_not_tell_its_size_says_nothing(frame: bytes) -> None:
    assert read_codestream(frame) is None
