"""What cannot be decoded whole is refused with its reason; nothing is allocated that a file merely claims."""

import logging
import struct
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian

from dicom_io import reasons
from dicom_io.errors import PixelError
from dicom_io.frames import PixelLimits, pixels_equal, read_frames
from dicom_io.scan import MAX_INFLATED

Write = Callable[..., Path]
PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)
JPEG, JPEG_LS, J2K = (f"1.2.840.10008.1.2.4.{end}" for end in ("50", "80", "90"))
RLE, DEFLATED_FRAMES = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"


def why(path: Path, limits: PixelLimits | None = None) -> str:
    """Return why a file is refused."""
    with pytest.raises(PixelError) as caught:
        read_frames(path, limits=limits or PixelLimits())
    return caught.value.reason


def encapsulated(write: Write, syntax: str, frame: bytes, **attributes: object) -> Path:
    """Return a file whose only encoded frame is `frame`."""
    path = write(PIXELS, **attributes)
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.98"
    dataset.save_as(path)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1.98", syntax.encode().ljust(22, b"\0")))
    return path


def jpeg(rows: int, columns: int, *, samples: int = 1, precision: int = 8, end: bytes = b"\xff\xd9") -> bytes:
    """Return the beginning and end of a JPEG with a frame header, and nothing between."""
    head = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0" + struct.pack(">HBHHB", 8, precision, rows, columns, samples)
    return head + b"\0" * 20 + end


def j2k(rows: int, columns: int, *, samples: int = 1, depth: int = 15) -> bytes:
    """Return the beginning and end of a JPEG 2000 codestream, and nothing between."""
    size = struct.pack(">HHLLLLLLLLHB", 41, 0, columns, rows, 0, 0, columns, rows, 0, 0, samples, depth)
    return b"\xff\x4f\xff\x51" + size + b"\1\1\xff\xd9"


def test_the_document_lists_every_reason_and_no_other() -> None:
    document = (Path(__file__).parents[3] / "docs" / "pixels.md").read_text()
    section = document.split("## Reasons")[1].split("##")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")]

    assert set(rows[1:]) == reasons.ALL


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path: Path) -> None:
    assert why(tmp_path / "absent.dcm") == why(tmp_path) == reasons.UNREADABLE


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>" * 20, b"\x89PNG\r\n\x1a\n" * 30, b"\0" * 500])
def test_what_is_no_dicom_is_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.dcm").write_bytes(content)
    assert why(tmp_path / "a.dcm") == reasons.UNREADABLE


def test_a_file_without_pixel_data_has_none(write: Write) -> None:
    assert why(write(PIXELS, PixelData=None)) == reasons.NO_PIXELS


def test_pixel_data_of_no_bytes_are_empty(write: Write) -> None:
    assert why(write(PIXELS, PixelData=b"")) == reasons.EMPTY


@pytest.mark.parametrize("kept", [0, 1, 12, 23])
def test_native_pixel_data_shorter_than_described_are_truncated(write: Write, kept: int) -> None:
    data = PIXELS.tobytes()
    path = write(PIXELS)
    path.write_bytes(path.read_bytes()[: -len(data) + kept])
    assert why(path) == reasons.TRUNCATED
    if kept and kept % 2 == 0:
        assert why(write(PIXELS, PixelData=data[:kept])) == reasons.TRUNCATED


@pytest.mark.parametrize("removed", [1, 8, 12, 30])
def test_encapsulated_pixel_data_without_their_end_are_truncated(write: Write, removed: int) -> None:
    path = write(PIXELS)
    dataset = dcmread(path)
    dataset.compress(RLE, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    dataset.save_as(path)
    path.write_bytes(path.read_bytes()[:-removed])
    assert why(path) == reasons.TRUNCATED


def test_capsules_under_an_uncompressed_transfer_syntax_are_not_taken_for_pixels(write: Write) -> None:
    path = encapsulated(write, ExplicitVRLittleEndian, b"x" * 1000)
    assert why(path) == reasons.BAD_DESCRIPTION


@pytest.mark.parametrize(
    "changes",
    [
        {"Rows": 0},
        {"Columns": None},
        {"BitsAllocated": None},
        {"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11},
        {"BitsStored": 17},
        {"SamplesPerPixel": 4},
        {"PlanarConfiguration": 7},
    ],
)
def test_descriptions_that_cannot_be_are_refused(write: Write, changes: dict[str, object]) -> None:
    path = write(PIXELS)
    dataset = dcmread(path)
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)
    assert why(path) == reasons.BAD_DESCRIPTION


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLE, JPEG, JPEG_LS, J2K, DEFLATED_FRAMES])
@pytest.mark.parametrize("limits", [PixelLimits(), PixelLimits(max_pixels_per_frame=1 << 40, max_bytes=1 << 40)])
def test_eight_gigabytes_that_are_only_claimed_are_never_allocated(
    write: Write, syntax: str, limits: PixelLimits
) -> None:
    claims = {"Rows": 65535, "Columns": 65535}
    path = (
        write(PIXELS, **claims)
        if syntax == ExplicitVRLittleEndian
        else (encapsulated(write, syntax, b"\xff\xd8" + b"x" * 100, **claims))
    )
    tracemalloc.start()
    reason = why(path, limits)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason in {reasons.TOO_LARGE, reasons.TRUNCATED, reasons.DAMAGED}
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("syntax", "frame"), [(JPEG, jpeg(65535, 65535)), (J2K, j2k(1 << 20, 1 << 20)), (JPEG_LS, jpeg(9, 9))]
)
def test_a_codestream_of_another_size_than_the_header_says_is_not_decoded(
    write: Write, syntax: str, frame: bytes
) -> None:
    assert why(encapsulated(write, syntax, frame)) == reasons.SIZE_DIFFERS


def test_a_codestream_of_other_samples_is_not_decoded(write: Write) -> None:
    assert why(encapsulated(write, JPEG, jpeg(3, 4, samples=3))) == reasons.SIZE_DIFFERS
    assert why(encapsulated(write, J2K, j2k(3, 4, samples=16384))) == reasons.SIZE_DIFFERS


def test_a_codestream_deeper_than_its_container_is_not_decoded(write: Write) -> None:
    assert why(encapsulated(write, J2K, j2k(3, 4, depth=31))) == reasons.BAD_DESCRIPTION


def test_a_codestream_without_its_end_is_truncated(write: Write) -> None:
    """Decoders would fill the missing part silently."""
    assert why(encapsulated(write, JPEG, jpeg(3, 4, end=b""))) == reasons.TRUNCATED
    assert why(encapsulated(write, JPEG, jpeg(3, 4, end=b"\xff\xd9\1\2"))) == reasons.TRUNCATED


@pytest.mark.parametrize("syntax", [JPEG, JPEG_LS, J2K, RLE, DEFLATED_FRAMES])
def test_rubbish_instead_of_a_codestream_is_damaged(write: Write, syntax: str) -> None:
    assert why(encapsulated(write, syntax, b"rubbish!" * 40)) in {reasons.DAMAGED, reasons.TRUNCATED}


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.92", "1.2.3.4.5", "nonsense"])
def test_a_transfer_syntax_without_a_decoder_is_named_as_the_reason(write: Write, syntax: str) -> None:
    assert why(encapsulated(write, syntax, b"x" * 100)) == reasons.NO_DECODER


def test_more_frames_or_pixels_or_bytes_than_configured_are_refused(write: Write) -> None:
    path = write(np.zeros((3, 10, 10), dtype=np.uint16))
    assert why(path, PixelLimits(max_frames=2)) == reasons.TOO_MANY_FRAMES
    assert why(path, PixelLimits(max_pixels_per_frame=99)) == reasons.TOO_LARGE
    padded = write(PIXELS, ImageComments="x" * 5000)
    assert why(padded, PixelLimits(max_bytes=4000)) == reasons.TOO_LARGE
    large = write(np.zeros((3, 100, 100), dtype=np.uint16))
    dataset = dcmread(large)
    dataset.compress(RLE, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    dataset.save_as(large)
    assert large.stat().st_size < 10_000
    assert why(large, PixelLimits(max_bytes=59_999)) == reasons.TOO_LARGE
    assert len(read_frames(large, limits=PixelLimits(max_bytes=60_000))) == 3
    assert len(read_frames(path, limits=PixelLimits(max_frames=3, max_pixels_per_frame=100, max_bytes=2000))) == 3


def test_fewer_frames_than_stated_are_truncated(write: Write) -> None:
    path = write(np.zeros((3, 4, 4), dtype=np.uint8))
    dataset = dcmread(path)
    dataset.compress(RLE, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    dataset.NumberOfFrames = 4
    dataset.save_as(path)
    assert why(path) in {reasons.TRUNCATED, reasons.DAMAGED}


def deflated(path: Path, ahead: bytes = b"", pixels: bytes | None = None) -> None:
    """Deflate the dataset of a file, with elements ahead of the pixel data, or with other pixel data."""
    plain = path.read_bytes()
    start, end = plain.index(b"\x08\x00\x16\x00"), plain.index(b"\xe0\x7f\x10\x00")
    value = plain[end:] if pixels is None else b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<L", len(pixels)) + pixels
    deflater = zlib.compressobj(1, wbits=-15)
    meta = plain[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    meta = meta.replace(b"\x02\x00\x10\x00UI\x14\x00", b"\x02\x00\x10\x00UI\x16\x00")
    path.write_bytes(meta + deflater.compress(plain[start:end] + ahead + value) + deflater.flush())


@pytest.mark.parametrize("place", ["pixels", "ahead"])
def test_a_deflated_file_that_expands_beyond_what_its_image_needs_is_refused_early(write: Write, place: str) -> None:
    """32 kB of file that would be 32 MB, in the pixel data or in an element ahead of them."""
    path = write(PIXELS)
    zeros = bytes(32 << 20)
    private = b"\x99\x00\x10\x10OB\0\0" + struct.pack("<L", len(zeros)) + zeros
    deflated(path, **{"pixels": {"pixels": zeros}, "ahead": {"ahead": private}}[place])
    del zeros, private
    tracemalloc.start()
    reason = why(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason == {"pixels": reasons.TRUNCATED, "ahead": reasons.TOO_LARGE}[place]
    assert peak < 24 << 20  # twice what a header may be inflated to


def test_a_deflated_file_is_inflated_as_far_as_its_pixels_need(write: Write) -> None:
    pixels = np.zeros((2200, 2000), dtype=np.uint16)
    pixels[::50] = np.arange(2000)
    pixels[-1] = np.arange(2000)[::-1]
    assert pixels.nbytes > MAX_INFLATED, "expected more than a header may take"
    path = write(pixels)
    expected = read_frames(path)
    deflated(path)
    assert np.array_equal(read_frames(path), expected)


@pytest.mark.parametrize("broken", ["first", "second"])
def test_pixels_that_cannot_be_decoded_are_never_called_equal(write: Write, broken: str) -> None:
    whole, cut = write(PIXELS), write(PIXELS, PixelData=b"")
    with pytest.raises(PixelError):
        pixels_equal(*((cut, whole) if broken == "first" else (whole, cut)))


def test_neither_a_damaged_image_nor_a_good_one_leaves_a_log_line(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        why(encapsulated(write, J2K, j2k(3, 4)))
        read_frames(write(PIXELS, PixelData=PIXELS.tobytes() + b"\0" * 6))
    assert caplog.records == []


def test_many_threads_may_decode_at_once(write: Write) -> None:
    paths = [write(np.full((4, 4), value, dtype=np.uint8)) for value in range(8)]
    found: dict[int, int] = {}

    def decode(value: int) -> None:
        for _ in range(20):
            found[value] = int(read_frames(paths[value])[0][0, 0])

    threads = [threading.Thread(target=decode, args=(value,)) for value in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {value: value for value in range(8)}


def is_frames_or_reason(path: Path) -> bool:
    """Tell whether a file becomes frames or is refused with one of the reasons; another exception fails the test."""
    try:
        frames = read_frames(path, limits=PixelLimits(max_pixels_per_frame=1 << 20, max_bytes=1 << 22))
    except PixelError as error:
        return error.reason in vars(reasons).values()
    return all(frame.dtype == np.uint8 for frame in frames)


SHORTS = ["Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"]


@given(st.data())
def test_no_description_over_native_pixels_makes_anything_but_frames_or_a_reason(
    write: Write, data: st.DataObject
) -> None:
    path = write(PIXELS)
    dataset = dcmread(path)
    for keyword in data.draw(st.lists(st.sampled_from([*SHORTS, "PlanarConfiguration"]), max_size=4)):
        setattr(dataset, keyword, data.draw(st.sampled_from([0, 1, 2, 3, 4, 7, 8, 12, 16, 32, 64, 255, 65535])))
    dataset.PhotometricInterpretation = data.draw(
        st.sampled_from(["MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR", "X"])
    )
    dataset.save_as(path)
    assert is_frames_or_reason(path)


@given(st.data())
def test_damage_anywhere_in_a_file_makes_anything_but_frames_or_a_reason(write: Write, data: st.DataObject) -> None:
    path = write(PIXELS, WindowCenter=5, WindowWidth=7)
    if data.draw(st.booleans()):
        dataset = dcmread(path)
        dataset.compress(RLE, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        dataset.save_as(path)
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(128, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged[: data.draw(st.integers(128, len(damaged)))])
    assert is_frames_or_reason(path)
