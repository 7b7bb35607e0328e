"""Small files that claim huge images are refused before anything is allocated: measured in a decoding process."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from dicom_io import reasons
from dicom_io.decoding import Decoder
from dicom_io.errors import PixelError

MOST_BYTES = 40 << 20
"""What refusing one may take: a header of 8 MB inflated, twice, and what Python puts beside it."""
ENCAPSULATED = "1.2.840.10008.1.2.1.98"
PREFIX = "1.2.840.10008.1.2"
Bomb = Callable[..., Path]


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """Give a decoder of one process, which has decoded an image."""
    with Decoder() as found:
        found.read_frames(Path(str(get_testdata_file("MR_small_RLE.dcm", download=False))))
        yield found


@pytest.fixture
def bomb(tmp_path: Path) -> Bomb:
    """Return `bomb(**attributes)`: a small MR image that says so of itself; with `frame`, encoded as in `syntax`."""

    def make(frame: bytes | None = None, syntax: str = "", **attributes: object) -> Path:
        path = tmp_path / "bomb.dcm"
        dataset: Dataset = dcmread(str(get_testdata_file("MR_small.dcm", download=False)))
        del dataset.DataSetTrailingPadding
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        if frame is not None:
            dataset.PixelData = encapsulate([frame])
            dataset["PixelData"].is_undefined_length = True
            dataset.file_meta.TransferSyntaxUID = ENCAPSULATED
        dataset.save_as(path)
        if frame is not None:
            stated = syntax.encode().ljust(len(ENCAPSULATED), b"\0")
            path.write_bytes(path.read_bytes().replace(ENCAPSULATED.encode(), stated))
        return path

    return make


def peak(decoder: Decoder) -> int:
    """Return the most memory that the decoding process ever held (proc(5): VmHWM)."""
    process: Any = decoder._idle.queue[0]._process
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def refusal(decoder: Decoder, path: Path) -> str:
    """Return why a file is refused; refusing it takes little memory and ends no process."""
    process, before = decoder._idle.queue[0]._process, peak(decoder)
    with pytest.raises(PixelError) as caught:
        decoder.read_frames(path)
    assert decoder._idle.queue[0]._process is process
    assert peak(decoder) - before < MOST_BYTES
    return caught.value.reason


def jpeg(marker: int, rows: int, columns: int, precision: int = 8) -> bytes:
    """Return a JPEG or JPEG-LS of one component that has a frame header and hardly more."""
    frame = struct.pack(">HBHHB3B", 11, precision, rows, columns, 1, 1, 0x11, 0)
    scan = struct.pack(">HB2B3B", 8, 1, 1, 0, 0, 0, 0)
    return b"\xff\xd8\xff%c" % marker + frame + b"\xff\xda" + scan + bytes(40) + b"\xff\xd9"


def j2k(rows: int, columns: int, tile: tuple[int, int] | None = None) -> bytes:
    """Return a JPEG 2000 codestream that has its size and hardly more; `tile` is a tile's size."""
    size = struct.pack(">HH8LH3B", 41, 0, columns, rows, 0, 0, *(tile or (columns, rows)), 0, 0, 1, 15, 1, 1)
    coding = b"\xff\x52\0\x0c\0\0\0\x01\0\x01\x04\x04\0\x01" + b"\xff\x5c\0\x07\x40\x40\x48\x48\x50"
    return b"\xff\x4f\xff\x51" + size + coding + bytes(30) + b"\xff\xd9"


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"Rows": 65535, "Columns": 65535}, reasons.TOO_LARGE),
        ({"NumberOfFrames": 2_000_000_000}, reasons.TOO_MANY_FRAMES),
        ({"NumberOfFrames": "9" * 12}, reasons.TOO_MANY_FRAMES),
        ({"Rows": 10_000, "Columns": 10_000}, reasons.TRUNCATED),
        (
            {"Rows": 9_000, "Columns": 9_000, "NumberOfFrames": 250}
            | {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelRepresentation": 0},
            reasons.TOO_LARGE,  # 2.5 GB as packed bits, eight times that as a display shows them
        ),
        (
            {"Rows": 10_000, "Columns": 10_000, "NumberOfFrames": 9, "PhotometricInterpretation": "PALETTE COLOR"}
            | {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0},
            reasons.TOO_LARGE,  # 0.9 GB as indices, 2.7 GB in RGB
        ),
    ],
)
def test_what_rows_columns_and_frames_claim(
    decoder: Decoder, bomb: Bomb, attributes: dict[str, object], reason: str
) -> None:
    assert refusal(decoder, bomb(**attributes)) == reason


@pytest.mark.parametrize(
    ("end", "frame", "reason"),
    [
        (".4.50", jpeg(0xC0, 65535, 65535), reasons.SIZE_DIFFERS),
        (".4.50", jpeg(0xC0, 10_000, 10_000), reasons.TRUNCATED),
        (".4.51", jpeg(0xC1, 10_000, 10_000, 12), reasons.TRUNCATED),
        (".4.55", jpeg(0xC2, 10_000, 10_000, 12), reasons.TRUNCATED),
        (".4.70", jpeg(0xC3, 10_000, 10_000, 16), reasons.TRUNCATED),
        (".4.80", jpeg(0xF7, 65535, 65535, 16), reasons.SIZE_DIFFERS),
        (".4.80", jpeg(0xF7, 10_000, 10_000, 16), reasons.TRUNCATED),
        (".4.90", j2k(1 << 31, 1 << 31), reasons.SIZE_DIFFERS),
        (".4.90", j2k(10_000, 10_000, (1, 1)), reasons.TRUNCATED),
        (".4.91", j2k(10_000, 10_000, (40, 40)), reasons.TRUNCATED),
        (".5", struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\0" * 100, reasons.TRUNCATED),
        (".8.1", zlib.compress(bytes(1000), wbits=-15), reasons.TRUNCATED),
        (ENCAPSULATED.removeprefix(PREFIX), bytes(1000), reasons.TRUNCATED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_compressed_frame_claims(decoder: Decoder, bomb: Bomb, end: str, frame: bytes, reason: str) -> None:
    assert refusal(decoder, bomb(frame, PREFIX + end, Rows=10_000, Columns=10_000)) == reason


def test_a_frame_of_a_small_image_is_inflated_no_further_than_the_image(decoder: Decoder, bomb: Bomb) -> None:
    """128 MB of zeros in 130 kB: only the 8,192 bytes that 64 x 64 pixels take are inflated."""
    deflater = zlib.compressobj(wbits=-15)
    zeros = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(128)) + deflater.flush()
    before = peak(decoder)
    (frame,) = decoder.read_frames(bomb(zeros, f"{PREFIX}.8.1"))
    assert frame.shape == (64, 64)
    assert peak(decoder) - before < MOST_BYTES


@pytest.mark.parametrize("place", ["pixels", "ahead of them"])
def test_a_deflated_dataset_that_expands_a_thousandfold(decoder: Decoder, bomb: Bomb, place: str) -> None:
    path = bomb()
    plain = path.read_bytes()
    start, end = 144 + int.from_bytes(plain[140:144], "little"), plain.index(b"\xe0\x7f\x10\x00OW")
    tag = b"\xe0\x7f\x10\x00" if place == "pixels" else b"\x99\x00\x10\x10"
    deflater = zlib.compressobj(wbits=-15)
    body = deflater.compress(plain[start:end] + tag + b"OB\0\0" + struct.pack("<L", 128 << 20))
    body += b"".join(deflater.compress(bytes(1 << 20)) for _ in range(128))
    meta = plain[:start].replace(f"{PREFIX}.1\0".encode(), f"{PREFIX}.1.99".encode())
    meta = meta.replace(b"\x02\x00\x10\x00UI\x14\x00", b"\x02\x00\x10\x00UI\x16\x00")
    path.write_bytes(meta + body + deflater.compress(plain[end:]) + deflater.flush())
    assert path.stat().st_size < 1 << 20
    expected = {"pixels": reasons.TRUNCATED, "ahead of them": reasons.TOO_LARGE}[place]
    assert refusal(decoder, path) == expected


def test_an_uncompressed_image_of_20000_x_20000_is_refused_by_its_header_and_not_read(
    decoder: Decoder, bomb: Bomb
) -> None:
    """It is all there: 800 MB, of which the file system keeps the holes for itself."""
    path = bomb(Rows=20_000, Columns=20_000)
    with path.open("r+b") as file:
        content = file.read()
        start = content.rindex(b"\xe0\x7f\x10\x00OW\0\0") + 8
        file.seek(start)
        file.write((2 * 20_000 * 20_000).to_bytes(4, "little"))
        file.truncate(start + 4 + 2 * 20_000 * 20_000)
    assert refusal(decoder, path) == reasons.TOO_LARGE
