"""Files that ask for far more memory than they have bytes, where the DICOM JSON Model is made of them."""

import resource
import struct
from pathlib import Path

import pytest

from dicom_io.errors import HeaderError
from dicom_io.opened import open_dataset
from dicom_io.scan import MAX_INFLATED

SYNTAX = struct.pack("<HH2sH", 2, 0x10, b"UI", 20) + b"1.2.840.10008.1.2.1\0"
HEAD = bytes(128) + b"DICM" + struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(SYNTAX)) + SYNTAX
UID = struct.pack("<HH2sH", 8, 0x18, b"UI", 6) + b"1.2.3\0"
ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)
EMPTY_ITEMS = ITEM * 700_000


@pytest.mark.parametrize(
    "dataset",
    [
        struct.pack("<HH2sHL", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF) + EMPTY_ITEMS + SEQUENCE_END,
        struct.pack("<HH2sHL", 8, 0x1140, b"SQ", 0, len(EMPTY_ITEMS)) + EMPTY_ITEMS,
        struct.pack("<HH2sHL", 9, 0x1140, b"UN", 0, len(EMPTY_ITEMS)) + EMPTY_ITEMS,
    ],
    ids=["of undefined length", "of defined length", "of unknown VR"],
)
def test_a_sequence_that_grows_a_hundredfold_in_memory_is_refused(tmp_path: Path, dataset: bytes) -> None:
    (tmp_path / "bomb.dcm").write_bytes(HEAD + UID + dataset)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(HeaderError), open_dataset(tmp_path / "bomb.dcm", max_inflated=MAX_INFLATED):
        pytest.fail("expected no dataset")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # KiB
