"""One image from file to outcome, with a network that says what the test tells it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.line import pipeline as module
from agent.line.gate import GateSettings
from agent.line.pipeline import ImageAnalysis, Pipeline
from agent.watch.traits import decline_group
from db.drift_sample import ImageTraits
from db.outcome import Outcome
from dicom_io.errors import HeaderError, PixelError
from dicom_io.header import Header
from model.errors import InputError

THRESHOLD = 0.5
FILE = Path("any.dcm")
CHILD = Header(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
    modality="CR",
    body_part_examined="CHEST",
    view_position="PA",
    patient_age="004Y",
)


class Network:
    """Gives the probabilities it was told, and shows which image it was asked to explain."""

    def __init__(self, *probabilities: float) -> None:
        self.card: Any = SimpleNamespace(operating_point=SimpleNamespace(threshold=THRESHOLD))
        self.asked: list[np.ndarray] = []
        self.explained: list[np.ndarray] = []
        self._probabilities = probabilities

    def score(self, images: np.ndarray) -> Sequence[Any]:
        self.asked.append(images)
        return [SimpleNamespace(score=10 * p, probability=p) for p in self._probabilities]

    def explain(self, image: np.ndarray) -> np.ndarray:
        self.explained.append(image)
        return np.full((156, 156), 7, np.uint8)


@dataclasses.dataclass
class Bench:
    """What the pipeline finds in the file: set it, then `analyse`."""

    header: Header | Exception = CHILD
    frames: Sequence[np.ndarray] | Exception = (np.zeros((4, 4), np.uint8),)

    def read_header(self, path: Path) -> Header:
        assert path == FILE
        if isinstance(self.header, Exception):
            raise self.header
        return self.header

    def read_frames(self, _path: Path) -> Sequence[np.ndarray]:
        if isinstance(self.frames, Exception):
            raise self.frames
        return self.frames

    def read_picture(self, path: Path) -> np.ndarray:
        return self.read_frames(path)[0]

    def pipeline(self, network: Network, gate: GateSettings | None = None) -> Pipeline:
        return Pipeline(network, gate or GateSettings(), frames=self.read_frames)

    def analyse(self, network: Network, gate: GateSettings | None = None, **options: Any) -> ImageAnalysis:
        return self.pipeline(network, gate).analyse(FILE, **options)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    found = Bench()
    for name in ("read_header", "read_picture"):
        monkeypatch.setattr(module, name, getattr(found, name))
    return found


def gray(value: int) -> np.ndarray:
    return np.full((5, 3), value, np.uint8)


def test_an_image_at_the_operating_point_is_flagged_and_explained_only_when_asked(bench: Bench) -> None:
    network = Network(THRESHOLD)
    pipeline = bench.pipeline(network)
    found = pipeline.analyse(FILE)
    assert (found.outcome, found.reason, found.probability, found.score) == (Outcome.FLAGGED, "", 0.5, 5.0)
    assert network.explained == []
    assert pipeline.heat_map(found) is not None
    assert len(network.explained) == 1


def test_an_image_below_the_operating_point_is_not_flagged_and_has_no_heat_map(bench: Bench) -> None:
    network = Network(0.4999)
    pipeline = bench.pipeline(network)
    found = pipeline.analyse(FILE)
    assert (found.outcome, found.probability) == (Outcome.NOT_FLAGGED, 0.4999)
    assert pipeline.heat_map(found) is None
    assert network.explained == []


@pytest.mark.parametrize("worst", [0, 1, 2])
def test_the_most_suspicious_frame_decides_and_is_the_one_explained(bench: Bench, worst: int) -> None:
    bench.frames = [gray(0), gray(100), gray(200)]
    probabilities = [0.1, 0.1, 0.1]
    probabilities[worst] = 0.9
    network = Network(*probabilities)
    pipeline = bench.pipeline(network)
    found = pipeline.analyse(FILE)
    pipeline.heat_map(found)
    assert (found.outcome, found.probability, found.score) == (Outcome.FLAGGED, 0.9, 9.0)
    assert network.asked[0].shape == (3, 156, 156, 3)
    np.testing.assert_allclose(network.explained[0], worst * 100 / 255, atol=1e-6)


def test_a_header_that_cannot_be_read_is_a_failure(bench: Bench) -> None:
    bench.header = HeaderError("expected DICOM. Received: length=3")
    network = Network(0.9)
    found = bench.analyse(network)
    assert (found.outcome, found.probability) == (Outcome.FAILED, None)
    assert found.reason == "the header cannot be read: expected DICOM. Received: length=3"
    assert network.asked == []


def test_what_the_gate_declines_is_never_decoded_nor_scored(bench: Bench) -> None:
    bench.header = dataclasses.replace(CHILD, patient_age="063Y")
    bench.frames = AssertionError("decoded")
    network = Network(0.9)
    found = bench.analyse(network)
    assert (found.outcome, found.probability, found.lateral) == (Outcome.NOT_ANALYSED, None, False)
    assert "age 63 years" in found.reason
    assert network.asked == []


def test_a_lateral_view_is_marked_as_one(bench: Bench) -> None:
    bench.header = dataclasses.replace(CHILD, view_position="LL")
    assert bench.analyse(Network(0.9)).lateral


def test_the_gate_hears_who_sent_the_image(bench: Bench) -> None:
    bench.header = dataclasses.replace(CHILD, patient_age="")
    gate = GateSettings(paediatric_ae_titles=("KIDS",))
    assert bench.analyse(Network(0.9), gate).reason == "age unknown"
    assert bench.analyse(Network(0.9), gate, calling_ae_title="KIDS").outcome is Outcome.FLAGGED


def test_pixels_that_cannot_be_decoded_are_a_failure_with_their_reason(bench: Bench) -> None:
    bench.frames = PixelError("pixel data is truncated")
    found = bench.analyse(Network(0.9))
    assert (found.outcome, found.reason) == (Outcome.FAILED, "pixel data is truncated")


def test_frames_that_are_no_input_for_the_model_are_a_failure(bench: Bench) -> None:
    bench.frames = [np.zeros((0, 4), np.uint8)]
    found = bench.analyse(Network(0.9))
    assert found.outcome is Outcome.FAILED
    assert found.reason.startswith("the pixels are no input for the model: expected")


def test_input_that_the_model_refuses_is_a_failure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()

    def refuse(_images: np.ndarray) -> Sequence[Any]:
        message = "expected values in 0..1. Received: nan"
        raise InputError(message)

    monkeypatch.setattr(network, "score", refuse)
    found = bench.analyse(network)
    assert (found.outcome, found.probability) == (Outcome.FAILED, None)


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 1])
def test_a_model_that_gives_no_number_is_a_failure_and_never_not_flagged(
    bench: Bench, nonsense: float, place: int
) -> None:
    bench.frames = [gray(0), gray(0)]
    probabilities = [0.1, 0.1]
    probabilities[place] = nonsense
    found = bench.analyse(Network(*probabilities))
    assert (found.outcome, found.reason, found.probability) == (Outcome.FAILED, "the model gave no number", None)


def test_a_picture_has_no_header_and_passes_no_gate(bench: Bench) -> None:
    bench.header = AssertionError("asked")
    assert Pipeline(Network(0.9), GateSettings()).analyse_picture(FILE).outcome is Outcome.FLAGGED


def test_a_broken_picture_is_a_failure(bench: Bench) -> None:
    bench.frames = PixelError("file is not a readable PNG or JPEG")
    found = Pipeline(Network(0.9), GateSettings()).analyse_picture(FILE)
    assert (found.outcome, found.reason) == (Outcome.FAILED, "file is not a readable PNG or JPEG")


def test_an_analysed_image_says_to_which_groups_it_belongs_and_what_it_looks_like(bench: Bench) -> None:
    bench.header = dataclasses.replace(CHILD, manufacturer=" ACME ", patient_sex="F", patient_name="Secret^Sally")
    bench.frames = [gray(0), gray(200)]
    found = bench.analyse(Network(0.1, 0.9)).traits
    assert found == ImageTraits(
        view="PA",
        manufacturer="ACME",
        age_band="3 to 5 years",
        sex="female",
        mean_gray=200.0,
        contrast=0.0,
        sharpness=0.0,
    )


def test_a_declined_image_has_its_groups_and_no_looks_and_one_without_a_header_has_none(bench: Bench) -> None:
    bench.header = dataclasses.replace(CHILD, modality="CT")
    declined = bench.analyse(Network(0.9))
    assert declined.outcome is Outcome.NOT_ANALYSED
    assert declined.traits == ImageTraits(view="PA", manufacturer="unknown", age_band="3 to 5 years", sex="unknown")
    bench.header = HeaderError("broken")
    assert bench.analyse(Network(0.9)).traits is None


@pytest.mark.parametrize(
    ("reason", "group"),
    [
        ("age 45 years is outside the validated range 1 to 5 years", "age outside the validated range"),
        ("body part: ABDOMEN, expected CHEST", "body part"),
        ("modality CT, expected CR or DX", "modality CT"),
        ("not a frontal view: LL", "not a frontal view"),
        ("pixels: looks inverted", "pixels: looks inverted"),
        ("", "unknown"),
        ("x" * 500, "x" * 64),
    ],
)
def test_reasons_of_a_kind_are_one_group_without_their_values(reason: str, group: str) -> None:
    assert decline_group(reason) == group
