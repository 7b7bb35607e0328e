"""Stored values come out bit for bit, however they are laid out (PS3.5 section 8, PS3.3 C.7.6.3)."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from dicom_io.codecs import decode
from dicom_io.frames import pixels_equal, read_frames
from dicom_io.image import PixelLimits, open_image

Write = Callable[..., Path]
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
ENCAPSULATED = "1.2.840.10008.1.2.1.98"


def stored(path: Path) -> list[np.ndarray]:
    """Return the stored values of every frame."""
    return [frame.pixels for frame in decode(open_image(path, PixelLimits()))]


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8"])
def test_whole_numbers_of_every_size_and_sign_in_every_byte_order(write: Write, syntax: str, kind: str) -> None:
    limits = np.iinfo(kind)
    pixels = np.array([[limits.min, limits.max, 1], [2, 3, limits.max // 2]], dtype=kind)
    (found,) = stored(write(pixels, syntax))
    assert np.array_equal(found, pixels)


@pytest.mark.parametrize("syntax", NATIVE)
def test_every_frame_comes_in_order(write: Write, syntax: str) -> None:
    pixels = np.arange(3 * 3 * 5, dtype=np.uint8).reshape(3, 3, 5)  # 15 bytes each: frames begin at odd bytes
    assert np.array_equal(stored(write(pixels, syntax)), pixels)


def test_eight_bits_written_as_big_endian_words_are_swapped_back(write: Write) -> None:
    pixels = np.array([[1, 2, 3, 4]], dtype=np.uint8)
    path = write(pixels, ExplicitVRBigEndian)
    dataset = dcmread(path)
    dataset.add_new(0x7FE00010, "OW", b"\x02\x01\x04\x03")
    dataset.save_as(path)
    assert np.array_equal(stored(path), [pixels])


@pytest.mark.parametrize("syntax", NATIVE[:2])
def test_single_bits_are_unpacked_across_frames_that_end_within_a_byte(write: Write, syntax: str) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (3, 3, 7), dtype=np.uint8)
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    path = write(bits, syntax, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=packed + b"\0" * (len(packed) % 2))
    assert np.array_equal(stored(path), bits)


@pytest.mark.parametrize(("kind", "value"), [("u2", 0x0ABC), ("i2", -1000), ("i2", 1000)])
def test_bits_that_are_not_stored_are_ignored_wherever_they_are(write: Write, kind: str, value: int) -> None:
    low = (value & 0x0FFF) | 0x5000
    high = (value & 0x0FFF) << 4 | 0x5
    for raw, high_bit in ((low, 11), (high, 15)):
        pixels = np.array([[raw, raw]], dtype=np.uint16)
        path = write(pixels, BitsStored=12, HighBit=high_bit, PixelRepresentation=int(kind == "i2"))
        assert np.array_equal(stored(path), [np.full((1, 2), value, dtype=kind)])


@pytest.mark.parametrize("missing", ["HighBit", "BitsStored", "PixelRepresentation", "PhotometricInterpretation"])
def test_what_old_files_leave_out_is_what_it_usually_is(write: Write, missing: str) -> None:
    pixels = np.array([[1, 60000]], dtype=np.uint16)
    assert np.array_equal(stored(write(pixels, **{missing: None})), [pixels])


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("syntax", NATIVE)
def test_samples_may_lie_by_pixel_or_by_plane(write: Write, planar: int, syntax: str) -> None:
    colours = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(1, 2, 3, 3)
    laid = colours if planar == 0 else colours.transpose(0, 3, 1, 2).reshape(colours.shape)
    path = write(np.ascontiguousarray(laid), syntax, SamplesPerPixel=3, PlanarConfiguration=planar)
    assert np.array_equal(stored(path), colours)


@pytest.mark.parametrize("kind", ["u1", "u2", "i2"])
def test_rle_gives_back_what_was_compressed(write: Write, kind: str) -> None:
    pixels = np.random.default_rng(2).integers(0, 100, (2, 9, 11)).astype(kind)
    path = write(pixels)
    dataset = dcmread(path)
    dataset.compress(RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    dataset.save_as(path)
    assert np.array_equal(stored(path), pixels)


@pytest.mark.parametrize("kind", ["u1", "i2"])
@pytest.mark.parametrize("syntax", [DEFLATED_FRAMES, ENCAPSULATED])
def test_deflated_and_uncompressed_frames_are_taken_out_of_their_capsules(write: Write, syntax: str, kind: str) -> None:
    pixels = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(kind)
    path = write(pixels)
    dataset = dcmread(path)
    frames = [frame.tobytes() for frame in pixels]
    if syntax == DEFLATED_FRAMES:
        frames = [zlib.compress(frame, wbits=-15) for frame in frames]
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = ENCAPSULATED
    dataset.save_as(path)
    path.write_bytes(path.read_bytes().replace(ENCAPSULATED.encode(), syntax.encode().ljust(len(ENCAPSULATED), b"\0")))
    assert np.array_equal(stored(path), pixels)


def test_a_frame_in_several_fragments_is_one_frame(write: Write) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = write(pixels)
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([pixels.tobytes()], fragments_per_frame=3, has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = ENCAPSULATED
    dataset.save_as(path)
    assert np.array_equal(stored(path), [pixels])


def test_the_dataset_itself_tells_how_it_is_encoded_where_the_file_meta_lies(write: Write) -> None:
    pixels = np.array([[1, 2, 3]], dtype=np.uint16)
    data = write(pixels, ImplicitVRLittleEndian).read_bytes()
    lying = data.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2\0"[:-1] + b"\0", 1)
    path = write(pixels)
    path.write_bytes(data[:128] + lying[128:])
    assert np.array_equal(stored(path), [pixels])
    bare = path.with_suffix(".bare")
    start = data.index(b"\x08\x00\x16\x00")
    bare.write_bytes(data[start:])
    assert np.array_equal(stored(bare), [pixels])


def test_equal_pixels_are_equal_under_any_transfer_syntax(write: Write) -> None:
    pixels = np.random.default_rng(3).integers(0, 4096, (5, 6), dtype=np.uint16)
    paths = [write(pixels, syntax, BitsStored=12, HighBit=11) for syntax in NATIVE]
    packed = write(pixels, BitsStored=12, HighBit=11)
    dataset = dcmread(packed)
    dataset.compress(RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    dataset.save_as(packed)
    assert all(pixels_equal(paths[0], other) for other in [*paths[1:], packed])


@pytest.mark.parametrize(
    "changes",
    [{"PhotometricInterpretation": "MONOCHROME1"}, {"PixelRepresentation": 1}, {"BitsStored": 12, "HighBit": 11}],
)
def test_pixels_that_mean_something_else_are_not_equal(write: Write, changes: dict[str, object]) -> None:
    pixels = np.array([[1, 5000]], dtype=np.uint16)
    assert not pixels_equal(write(pixels), write(pixels, **changes))


def test_other_values_shapes_and_numbers_of_frames_are_not_equal(write: Write) -> None:
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    original = write(pixels)
    changed = pixels.copy()
    changed[2, 3] += 1
    for other in (changed, pixels.T.copy(), pixels[:2].copy(), np.stack([pixels, pixels])):
        assert not pixels_equal(original, write(other))


def test_images_of_more_frames_than_are_analysed_can_be_compared(write: Write) -> None:
    pixels = np.arange(300 * 4, dtype=np.uint16).reshape(300, 2, 2)
    assert pixels_equal(write(pixels), write(pixels, ImplicitVRLittleEndian))


def test_frames_are_shown_the_same_under_any_transfer_syntax(write: Write) -> None:
    pixels = np.random.default_rng(4).integers(-2000, 2000, (2, 5, 6), dtype=np.int16)
    shown = [read_frames(write(pixels, syntax, WindowCenter=0, WindowWidth=3000)) for syntax in NATIVE]
    assert all(np.array_equal(shown[0], other) for other in shown[1:])
