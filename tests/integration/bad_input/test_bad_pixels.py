"""Images that must never get a score, through the real pipeline: the shipped model behind both gates."""

import struct
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless

from agent.config.file import Config
from agent.line.pipeline import ImageAnalysis, Pipeline
from agent.process.inference import make_decoder, make_pipeline
from db.outcome import Outcome
from dicom_io import reasons
from dicom_io.image_files import CrIdentity, write_cr

SIDE = 20_000
CHILD = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1",
    "Modality": "CR",
    "BodyPartExamined": "CHEST",
    "ViewPosition": "PA",
    "PatientAge": "004Y",
    "StudyInstanceUID": "1.2.3",
}
SCORED = {Outcome.FLAGGED, Outcome.NOT_FLAGGED}


@pytest.fixture(scope="session")
def pipeline() -> Iterator[Pipeline]:
    """Load what a worker loads, and decode as it does."""
    with make_decoder(Config()) as decoder:
        yield make_pipeline(Config(), (), decoder.read_frames)


@pytest.fixture
def chest(tmp_path: Path) -> Any:
    """Return `chest(pixels, change)`: a file whose header is that of a child's chest radiograph."""

    def make(pixels: np.ndarray, **attributes: object) -> Path:
        identity = CrIdentity(
            patient_id="1", patient_name="A^B", made_at=datetime(2026, 1, 1, tzinfo=UTC), patient_age="004Y"
        )
        target = write_cr(np.zeros((2, 2), np.uint8), tmp_path / "image.dcm", identity)
        dataset = dcmread(target)
        dataset.Rows, dataset.Columns = pixels.shape
        del dataset.WindowCenter, dataset.WindowWidth
        if pixels.dtype.kind == "f":
            dataset.BitsAllocated = 32
            for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
                delattr(dataset, keyword)
            dataset.FloatPixelData = pixels.astype(np.float32).tobytes()
        else:
            dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
            dataset.HighBit = dataset.BitsStored - 1
            dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
            dataset["PixelData"].VR = "OW" if pixels.itemsize > 1 else "OB"
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(target, enforce_file_format=True)
        return target

    return make


def _refused(analysis: ImageAnalysis) -> None:
    assert analysis.outcome not in SCORED
    assert analysis.reason
    assert analysis.score is analysis.probability is analysis.flagged is None


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_constant_image_gets_no_score(pipeline: Pipeline, chest: Any, value: int) -> None:
    _refused(pipeline.analyse(chest(np.full((500, 400), value, np.uint8))))


def test_a_constant_image_of_16_bits_gets_no_score(pipeline: Pipeline, chest: Any) -> None:
    _refused(pipeline.analyse(chest(np.full((500, 400), 3000, np.uint16))))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 2)])
def test_an_image_of_hardly_any_pixels_gets_no_score(pipeline: Pipeline, chest: Any, shape: tuple[int, int]) -> None:
    _refused(pipeline.analyse(chest(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_without_a_finite_value_gets_no_score(pipeline: Pipeline, chest: Any, value: float) -> None:
    _refused(pipeline.analyse(chest(np.full((300, 300), value, np.float32))))


def test_an_image_full_of_nan_in_places_is_no_radiograph(pipeline: Pipeline, chest: Any) -> None:
    pixels = np.random.default_rng(0).random((300, 300)).astype(np.float32)
    pixels[pixels < 0.5] = np.nan
    _refused(pipeline.analyse(chest(pixels)))


@pytest.mark.parametrize("kind", ["native", "RLE", "JPEG 2000 that is smaller than its header claims"])
def test_an_image_of_20000_x_20000_is_refused_without_its_memory(pipeline: Pipeline, chest: Any, kind: str) -> None:
    path = chest(np.zeros((64, 64), np.uint8))
    dataset = dcmread(path)
    if kind.startswith("JPEG"):
        dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    elif kind == "RLE":
        row = bytes([129, 0]) * 156 + bytes([225, 0])  # 156 runs of 128 zeros and one of 32 (PS3.5 G.3.1)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + row * SIDE])
    else:
        dataset.PixelData = b"\0\0"
    dataset.Rows = dataset.Columns = SIDE
    dataset.save_as(path, enforce_file_format=True)
    if kind == "native":
        _lengthen_last_value(path, SIDE * SIDE)
    tracemalloc.start()
    _refused(pipeline.analyse(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size + 50_000_000  # the file as it lies there, at most; never what it would decode to


def _lengthen_last_value(path: Path, size: int) -> None:
    """Let the pixel data be as long as they claim, all zeros: a sparse file."""
    with path.open("r+b") as file:
        content = file.read()
        start = content.rindex(b"\xe0\x7f\x10\x00OB\0\0") + 8
        file.seek(start)
        file.write(size.to_bytes(4, "little"))
        file.truncate(start + 4 + size)


def test_an_image_that_crashes_its_decoder_fails_and_those_beside_it_are_what_they_are(
    pipeline: Pipeline, chest: Any, tmp_path: Path, small_chest: np.ndarray
) -> None:
    """JPEG with a damaged table, at which GDCM ends its process; a hostile image between good ones, all at once."""
    hostile, good = tmp_path / "hostile.dcm", tmp_path / "good.dcm"
    chest(small_chest).rename(good)
    expected = pipeline.analyse(good)
    assert expected.outcome in SCORED
    dataset = dcmread(str(get_testdata_file("SC_rgb_dcmtk_+eb+cy+s2.dcm", download=False)))
    for keyword, value in CHILD.items():
        setattr(dataset, keyword, value)
    dataset.save_as(hostile)
    hostile.write_bytes(hostile.read_bytes().replace(b"\xff\xc4", b"\xb8\xc4", 2).replace(b"\xb8\xc4", b"\xff\xc4", 1))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(pipeline.analyse, [good, hostile, good, hostile, good, good]))
    assert [one.reason for one in found if one.outcome is Outcome.FAILED] == [reasons.CRASHED] * 2
    others = [one for one in found if one.outcome is not Outcome.FAILED]
    assert [(one.outcome, one.reason, one.probability) for one in others] == [
        (expected.outcome, expected.reason, pytest.approx(expected.probability, abs=1e-6))
    ] * 4


def test_after_all_that_the_worker_still_scores(pipeline: Pipeline) -> None:
    assert len(pipeline._classifier.score(np.full((1, 156, 156, 3), 0.5, np.float32))) == 1
