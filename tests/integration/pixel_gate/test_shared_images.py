"""The targets of the pixel gate on real images of patients that it was neither fitted to nor tuned on."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicom_io.frames import read_frames
from model.dataset import find_samples
from model.pixel_gate import Category, PixelGate, load_pixel_gate
from model.pixel_gate_parts import Part, part_of_adult, part_of_child, part_of_file

pytestmark = pytest.mark.shared
EVERY = 4
"""Every fourth of the children's test images: 380 of them are enough for these bounds."""


@pytest.fixture(scope="module")
def gate() -> PixelGate:
    return load_pixel_gate()


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


@pytest.fixture(scope="module")
def children(shared: Path) -> list[np.ndarray]:
    samples = find_samples(shared / "data" / "cxr-train")
    return [read(sample.path) for sample in samples if part_of_child(sample.patient) is Part.TEST][::EVERY]


@pytest.fixture(scope="module")
def adults(shared: Path) -> list[np.ndarray]:
    folder = shared / "data" / "cxr-adult"
    with (folder / "labels.csv").open(encoding="utf-8") as rows:
        files = [row["file"] for row in csv.DictReader(rows) if part_of_adult(row["patient_id"]) is Part.TEST]
    return [read(folder / "images" / file) for file in files]


def share_declined(gate: PixelGate, frames: list[np.ndarray]) -> float:
    return sum(gate.check(np.ascontiguousarray(frame)) is not None for frame in frames) / len(frames)


@pytest.mark.parametrize("source", ["children", "adults"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_at_most_2_percent_of_frontal_chests_are_declined(
    gate: PixelGate, request: pytest.FixtureRequest, source: str, *, mirrored: bool
) -> None:
    frames = request.getfixturevalue(source)
    assert len(frames) > 200
    assert share_declined(gate, [frame[:, ::-1] if mirrored else frame for frame in frames]) <= 0.02


SPOILT: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Category]] = {
    "on its right side": (lambda frame: np.rot90(frame, 1), Category.ROTATED),
    "upside down": (lambda frame: np.rot90(frame, 2), Category.ROTATED),
    "on its left side": (lambda frame: np.rot90(frame, 3), Category.ROTATED),
    "inverted": (lambda frame: 255 - frame, Category.INVERTED),
    "left half": (lambda frame: frame[:, :112], Category.CROPPED),
    "right half": (lambda frame: frame[:, 112:], Category.CROPPED),
}


@pytest.mark.parametrize("spoilt", SPOILT)
@pytest.mark.parametrize("source", ["children", "adults"])
def test_spoilt_chests_are_declined_and_called_what_they_are(
    gate: PixelGate, request: pytest.FixtureRequest, source: str, spoilt: str
) -> None:
    spoil, expected = SPOILT[spoilt]
    frames = [np.ascontiguousarray(spoil(frame)) for frame in request.getfixturevalue(source)[:100]]
    refusals = [gate.check(frame) for frame in frames]
    assert sum(refusal is not None for refusal in refusals) >= 95
    assert sum(refusal is not None and refusal.category is expected for refusal in refusals) >= 85


@pytest.mark.parametrize(("kind", "least"), [("lateral_cxr", 0.9), ("ct_slices", 0.9)])
def test_laterals_and_chest_ct_of_other_patients_are_declined(
    gate: PixelGate, shared: Path, kind: str, least: float
) -> None:
    files = sorted((shared / "data" / "not-frontal-chest").glob(f"{kind}_*.jpg"))
    frames = [read(file) for file in files if part_of_file(file.stem) is Part.TEST]
    assert len(frames) >= 10
    assert share_declined(gate, frames) >= least


FRONTAL = (
    "barre_CR-MONO1-10-chest",
    "nih_udacity_test1",
    "nih_udacity_test2",
    "nih_udacity_test5",
    "pylibjpeg_966_fixed_dx_pa",
    "rsna_009eb222-eabc-4150-8121-d5a6d06b8ebf",
    "rsna_00a85be6-6eb0-421d-8acf-ff2dc0007e8a",
    "rsna_00aecb01-a116-45a2-956c-08d2fa55433f",
    "rsna_02099738-7465-4786-b71c-de8cdac477c3",
    "siim_1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819",
)


@pytest.mark.parametrize("name", FRONTAL)
def test_real_frontal_radiographs_pass_as_they_come_from_their_dicom_files(
    gate: PixelGate, shared: Path, name: str
) -> None:
    (frame,) = read_frames(shared / "data" / "dicom" / "chest" / f"{name}.dcm")
    assert gate.check(frame) is None


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("chest/siim_same_pixels_tagged_MONOCHROME1.dcm", {Category.INVERTED}),
        ("chest/lidc_0005_lateral.dcm", set(Category)),
        ("not-chest/cat_thorax_lat_dx.dcm", set(Category)),
        ("not-chest/dog_thorax_dx_169x211_mono1.dcm", set(Category)),
        ("not-chest/cookie_photo_ybr422.dcm", {Category.NOT_A_CHEST}),
        ("not-chest/ct_head_ybr422_jpeg.dcm", set(Category)),
    ],
)
def test_real_images_of_other_things_are_declined_by_their_pixels(
    gate: PixelGate, shared: Path, file: str, expected: set[Category]
) -> None:
    (frame,) = read_frames(shared / "data" / "dicom" / file)
    refusal = gate.check(frame)
    assert refusal is not None
    assert refusal.category in expected
    assert not gate.may_readmit(frame)
