"""Pictures are read as they look, files are told apart by content, and a made CR image is true."""

import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicom_io import reasons
from dicom_io.errors import PixelError, UidError
from dicom_io.frames import PixelLimits, read_frames
from dicom_io.header import is_candidate, read_header
from dicom_io.image_files import CrIdentity, read_picture, sniff, write_cr

Write = Callable[..., Path]
GRAY = np.arange(256, dtype=np.uint8).reshape(8, 32)
WHO = CrIdentity(patient_id="DEMO-1", patient_name="Иванов^Иван", made_at=datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC))


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    """Write a picture, converted to `mode` if given."""
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path)
    return path


def test_a_gray_picture_is_read_as_it_is(tmp_path: Path) -> None:
    assert np.array_equal(read_picture(save(tmp_path / "a.png", GRAY)), GRAY)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_other_pictures_become_rgb(tmp_path: Path, mode: str) -> None:
    read = read_picture(save(tmp_path / "a.png", GRAY, mode))
    assert np.array_equal(read, np.stack([GRAY] * 3, axis=-1))


@pytest.mark.parametrize("mode", ["LA", "1"])
def test_gray_pictures_of_other_kinds_stay_gray(tmp_path: Path, mode: str) -> None:
    assert read_picture(save(tmp_path / "a.png", GRAY, mode)).shape == GRAY.shape


def test_a_deep_picture_is_shown_from_its_least_to_its_greatest_value(tmp_path: Path) -> None:
    deep = np.array([[1000, 1500, 2000]], dtype=np.uint16)
    assert read_picture(save(tmp_path / "a.png", deep)).tolist() == [[0, 128, 255]]
    flat = np.full((2, 2), 900, dtype=np.uint16)
    assert read_picture(save(tmp_path / "b.png", flat)).shape == (2, 2)


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GRAY).save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg").shape == (32, 8)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_truncated_picture_is_refused(tmp_path: Path, kind: str, kept: float) -> None:
    noise = np.random.default_rng(6).integers(0, 256, (64, 64), dtype=np.uint8)
    path = save(tmp_path / f"a.{kind}", noise)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(PixelError):
        read_picture(path)


def test_a_jpeg_whose_end_is_zeros_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpeg", np.random.default_rng(7).integers(0, 256, (64, 64), dtype=np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\0" * (len(data) // 2))
    with pytest.raises(PixelError) as caught:
        read_picture(path)
    assert caught.value.reason == reasons.TRUNCATED


def png_that_claims(rows: int, columns: int) -> bytes:
    """Return a PNG's header and the first few of its pixels."""
    chunks = (b"IHDR" + struct.pack(">LLBBBBB", columns, rows, 8, 0, 0, 0, 0), b"IDAT" + zlib.compress(b"\0" * 10))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(chunk) - 4) + chunk + struct.pack(">L", zlib.crc32(chunk)) for chunk in chunks
    )


@pytest.mark.parametrize(("rows", "columns"), [(30_000, 30_000), (10_001, 10_000), (2, 100_000_000)])
def test_a_picture_that_claims_too_many_pixels_is_refused(tmp_path: Path, rows: int, columns: int) -> None:
    (tmp_path / "a.png").write_bytes(png_that_claims(rows, columns))
    with pytest.raises(PixelError) as caught:
        read_picture(tmp_path / "a.png")
    assert caught.value.reason == reasons.TOO_LARGE


def test_a_picture_beyond_the_limits_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", GRAY)
    for limits in (PixelLimits(max_pixels_per_frame=255), PixelLimits(max_bytes=20)):
        with pytest.raises(PixelError) as caught:
            read_picture(path, limits=limits)
        assert caught.value.reason == reasons.TOO_LARGE


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"GIF89a" + b"\0" * 50, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0" * 99]
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PixelError):
        read_picture(tmp_path / "a.png")
    with pytest.raises(PixelError):
        read_picture(tmp_path / "absent.png")


def test_files_are_told_apart_by_content_and_not_by_name(write: Write, tmp_path: Path) -> None:
    dicom = write(GRAY)
    bare = tmp_path / "bare.png"
    bare.write_bytes(dicom.read_bytes()[dicom.read_bytes().index(b"\x08\x00\x16\x00") :])
    assert [sniff(dicom), sniff(bare)] == ["dicom", "dicom"]
    assert sniff(save(tmp_path / "picture.png", GRAY).rename(tmp_path / "picture.dcm")) == "picture"
    assert sniff(save(tmp_path / "picture.jpeg", GRAY)) == "picture"
    for content in (b"", b"<!DOCTYPE html>" * 20, b"\0" * 200, b"\x08\x00", b"PK\3\4" * 50):
        (tmp_path / "other.dcm").write_bytes(content)
        assert sniff(tmp_path / "other.dcm") == "unknown"
    assert sniff(tmp_path) == sniff(tmp_path / "absent") == "unknown"


@pytest.mark.parametrize("pixels", [GRAY, GRAY[:3, :5], np.stack([GRAY] * 3, axis=-1)])
def test_a_made_cr_image_shows_the_very_pixels_of_its_picture(tmp_path: Path, pixels: np.ndarray) -> None:
    (frame,) = read_frames(write_cr(pixels, tmp_path / "cr.dcm", WHO))
    assert np.array_equal(frame, pixels if pixels.ndim == 2 else GRAY)


def test_a_made_cr_image_says_whose_it_is(tmp_path: Path) -> None:
    who = CrIdentity(
        patient_id="7",
        patient_name="Ωμέγα^Άλφα",
        made_at=WHO.made_at,
        patient_age="004Y",
        patient_birth_date="20200304",
        patient_sex="F",
        accession_number="A1",
        study_description="Thorax",
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.4",
        sop_instance_uid="1.2.5",
    )
    header = read_header(write_cr(GRAY, tmp_path / "cr.dcm", who))
    assert (header.patient_id, header.patient_name, header.patient_sex) == ("7", "Ωμέγα^Άλφα", "F")
    assert (header.study_instance_uid, header.series_instance_uid, header.sop_instance_uid) == (
        "1.2.3",
        "1.2.4",
        "1.2.5",
    )
    assert (header.age_years, header.age_years_by_birth_date, header.accession_number) == (4.0, 5.0, "A1")
    assert header.study_description == "Thorax"
    assert (header.view_position, header.body_part_examined, header.study_date) == ("PA", "CHEST", "20250304")
    assert is_candidate(header)


def test_uids_are_made_up_where_none_are_given_and_refused_where_they_are_none(tmp_path: Path) -> None:
    first, second = (read_header(write_cr(GRAY, tmp_path / name, WHO)) for name in ("1.dcm", "2.dcm"))
    assert first.study_instance_uid != second.study_instance_uid
    bad = CrIdentity(patient_id="", patient_name="", made_at=WHO.made_at, sop_instance_uid="../x")
    with pytest.raises(UidError):
        write_cr(GRAY, tmp_path / "3.dcm", bad)
