"""Both gates before one model: the pixels always may decline, and readmit what the header gate lets them."""

import dataclasses
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.line import pipeline as module
from agent.line.gate import GateSettings
from agent.line.pipeline import ImageAnalysis, Pipeline
from db.outcome import Outcome
from dicom_io.errors import PixelError
from dicom_io.header import Header
from model.pixel_gate import Category, Refusal, load_pixel_gate, refuse

FILE = Path("any.dcm")
CHILD = Header(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
    modality="CR",
    body_part_examined="CHEST",
    view_position="PA",
    patient_age="004Y",
)
CHEST, DOUBTFUL, LATERAL, BLANK = 1, 2, 3, 4
"""What the gate below takes a frame of that gray for."""


class Eye:
    """A pixel gate that goes by the gray of a frame."""

    def check(self, frame: np.ndarray, *, square: np.ndarray) -> Refusal | None:
        assert square.shape == (156, 156)
        return {LATERAL: refuse(Category.LATERAL), BLANK: refuse(Category.BLANK)}.get(int(frame.flat[0]))

    def may_readmit(self, frame: np.ndarray, *, square: np.ndarray) -> bool:
        assert square.shape == (156, 156)
        return bool(frame.flat[0] == CHEST)


class Network:
    """Flags everything, and remembers what it was asked."""

    def __init__(self) -> None:
        self.card: Any = SimpleNamespace(operating_point=SimpleNamespace(threshold=0.5))
        self.asked = 0

    def score(self, images: np.ndarray) -> list[Any]:
        self.asked += len(images)
        return [SimpleNamespace(score=1.0, probability=0.9) for _ in images]

    def explain(self, _image: np.ndarray) -> np.ndarray:
        return np.zeros((156, 156), np.uint8)


def analyse(
    monkeypatch: pytest.MonkeyPatch, *grays: int, readmit: str = "never", **changes: object
) -> tuple[ImageAnalysis, Network]:
    monkeypatch.setattr(module, "read_header", lambda _: dataclasses.replace(CHILD, **changes))
    network = Network()
    settings = GateSettings(readmit_by_pixels=readmit)  # type: ignore[arg-type]
    frames = tuple(np.full((9, 9), gray, np.uint8) for gray in grays)
    pipeline = Pipeline(network, settings, Eye(), lambda _: frames)  # type: ignore[arg-type]
    return pipeline.analyse(FILE), network


def test_a_chest_by_header_and_pixels_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    found, network = analyse(monkeypatch, CHEST)
    assert (found.outcome, network.asked) == (Outcome.FLAGGED, 1)


@pytest.mark.parametrize(("gray", "category"), [(LATERAL, Category.LATERAL), (BLANK, Category.BLANK)])
def test_the_pixels_decline_what_the_header_lets_pass(
    monkeypatch: pytest.MonkeyPatch, gray: int, category: Category
) -> None:
    found, network = analyse(monkeypatch, gray)
    assert (found.outcome, found.reason, network.asked) == (Outcome.NOT_ANALYSED, refuse(category).reason, 0)
    assert found.reason.startswith("pixels: ")


def test_a_lateral_by_its_pixels_alone_still_counts_for_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frontal view wrongly taken for a lateral must not be hidden by that."""
    assert not analyse(monkeypatch, LATERAL)[0].lateral


def test_one_frame_that_is_no_chest_declines_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    found, network = analyse(monkeypatch, CHEST, BLANK, CHEST)
    assert (found.outcome, network.asked) == (Outcome.NOT_ANALYSED, 0)


@pytest.mark.parametrize(
    ("readmit", "gray", "changes", "scored"),
    [
        ("never", CHEST, {"body_part_examined": ""}, False),
        ("unknown", CHEST, {"body_part_examined": ""}, True),
        ("unknown", DOUBTFUL, {"body_part_examined": ""}, False),
        ("unknown", CHEST, {"body_part_examined": "ABDOMEN"}, False),
        ("text", CHEST, {"body_part_examined": "ABDOMEN"}, True),
        ("text", DOUBTFUL, {"body_part_examined": "ABDOMEN"}, False),
        ("text", CHEST, {"view_position": "LL"}, True),
        ("text", CHEST, {"modality": "CT"}, True),
        ("text", CHEST, {"view_code": "399067008"}, False),
        ("text", CHEST, {"patient_age": "044Y"}, False),
        ("text", CHEST, {"body_part_examined": "", "patient_age": "044Y"}, False),
        ("text", CHEST, {"presentation_intent_type": "FOR PROCESSING"}, False),
        ("text", CHEST, {"patient_species_description": "Feline"}, False),
        ("text", CHEST, {"quality_control_image": "YES"}, False),
        ("text", DOUBTFUL, {}, True),
    ],
)
def test_what_pixels_readmit(
    monkeypatch: pytest.MonkeyPatch, readmit: str, gray: int, changes: dict[str, str], *, scored: bool
) -> None:
    found, network = analyse(monkeypatch, gray, readmit=readmit, **changes)
    assert (found.outcome is Outcome.FLAGGED, network.asked > 0) == (scored, scored)
    assert scored or not found.reason.startswith("pixels")


def test_a_lateral_by_its_header_that_is_not_readmitted_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert analyse(monkeypatch, DOUBTFUL, readmit="text", view_position="LL")[0].lateral


def test_an_image_declined_by_its_header_is_declined_and_not_failed_where_it_cannot_be_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: Path) -> tuple[np.ndarray, ...]:
        reason = "pixel data is truncated"
        raise PixelError(reason)

    analyse(monkeypatch, CHEST)
    monkeypatch.setattr(module, "read_header", lambda _: dataclasses.replace(CHILD, view_position="LL"))
    pipeline = Pipeline(Network(), GateSettings(readmit_by_pixels="text"), Eye(), broken)  # type: ignore[arg-type]
    found = pipeline.analyse(FILE)
    assert (found.outcome, found.lateral) == (Outcome.NOT_ANALYSED, True)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (2000, 90), (400, 400)])
def test_tiny_long_and_constant_frames_get_no_score(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]) -> None:
    monkeypatch.setattr(module, "read_header", lambda _: CHILD)
    network, frames = Network(), (np.full(shape, 130, np.uint8),)
    found = Pipeline(network, GateSettings(), load_pixel_gate(), lambda _: frames).analyse(FILE)
    assert (found.outcome, network.asked) == (Outcome.NOT_ANALYSED, 0)
    assert found.reason.startswith("pixels: ")


def test_a_picture_of_20000_by_20000_fails_without_being_decoded(tmp_path: Path) -> None:
    """400 million pixels, 390 kB as a file: the limit counts what decoding would take."""
    file = tmp_path / "huge.png"
    packer, size = zlib.compressobj(9, wbits=-15), 20_001 * 20_000
    rows = packer.compress(bytes(size // 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = b"\x78\xda" + rows * 20 + b"\x03\0" + (size % 65_521 << 16 | 1).to_bytes(4)  # RFC 1950, 1951
    header = (20_000).to_bytes(4) * 2 + bytes((8, 0, 0, 0, 0))
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(_chunk(*chunk) for chunk in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")))
    )
    tracemalloc.start()
    found = Pipeline(Network(), GateSettings(), load_pixel_gate()).analyse_picture(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.outcome, found.probability) == (Outcome.FAILED, None)
    assert "large" in found.reason
    assert peak < 20 * file.stat().st_size


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)
