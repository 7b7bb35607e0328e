"""The second model's job alone: whatever happens to it becomes one row, or a parked job that can be resumed."""

import math
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from sqlalchemy import select

from agent.line.shadow import NOT_LOADED, ShadowScorer
from db import kinds
from db.analysis import ImageResult, record_image_result, score_task
from db.outcome import Outcome
from db.queue import Done, Job, Park
from db.schema.model import shadow_score
from dicom_io.folder_store import FolderStore
from dicom_io.image_files import CrIdentity, write_cr
from model.errors import WeightsError


@dataclass
class Meter:
    """Stands in for the second network: the probability is the mean brightness."""

    sha256: str = "d" * 64
    asked: int = 0
    error: Exception | None = None
    number: float | None = None

    @property
    def card(self) -> Any:
        point = SimpleNamespace(name="half", threshold=0.5)
        return SimpleNamespace(name="meter", version="2", sha256=self.sha256, operating_point=point)

    def score(self, images: Any) -> list[Any]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        found = [float(image.mean()) if self.number is None else self.number for image in images]
        return [SimpleNamespace(score=10 * one, probability=one) for one in found]

    def explain(self, image: Any) -> Any:
        raise NotImplementedError


@dataclass
class Shadow:
    """The handler with one image that the first model has scored, in a real store."""

    ledger: Any
    scorer: ShadowScorer
    meter: Meter
    instance_id: int
    file: Path
    load_errors: list[Exception] = field(default_factory=list)

    def run(self, *, attempt: int = 1, key: int | None = None) -> Any:
        name = str(self.instance_id if key is None else key)
        return self.scorer.score(Job(kind=kinds.SHADOW, key=name, attempt=attempt, due_at=self.ledger.now))

    def load(self) -> Any:
        if self.load_errors:
            raise self.load_errors.pop()
        return self.meter

    def rows(self) -> list[Any]:
        with self.ledger.database.read() as connection:
            return list(connection.execute(select(shadow_score).order_by(shadow_score.c.id)))


def radiograph(file: Path, frames: tuple[int, ...]) -> bytes:
    """Return a CR of as many frames, each of one brightness."""
    identity = CrIdentity(
        patient_id="P1",
        patient_name="",
        patient_birth_date="",
        patient_age="004Y",
        patient_sex="",
        accession_number="",
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    dataset = dcmread(write_cr(np.full((8, 8), frames[0], np.uint8), file, identity))
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = b"".join(bytes([frame]) * 64 for frame in frames)
    dataset.save_as(file)
    return file.read_bytes()


@pytest.fixture
def shadow(sqlite_ledger: Any, tmp_path: Path) -> Shadow:
    ledger, store, meter = sqlite_ledger, FolderStore(tmp_path / "store"), Meter()
    stored = store.put(radiograph(tmp_path / "one.dcm", (51, 204, 102)))
    image = ledger.receive(path=stored.path, sha256=stored.sha256).instance_id
    task = score_task(ledger.database, image)
    assert task is not None
    found = ImageResult(outcome=Outcome.NOT_FLAGGED, probability=0.1, started_at=ledger.now, finished_at=ledger.now)
    record_image_result(ledger.database, ledger.queue, task, found, allowances=ledger.allowances, shadowed=True)
    scorer = ShadowScorer(ledger.database, ledger.queue, store, lambda: made.load(), lambda: ledger.now)  # noqa: PLW0108 - made below
    made = Shadow(ledger, scorer, meter, image, store.path(stored.path))
    return made


def test_the_most_suspicious_frame_speaks_for_the_image(shadow: Shadow) -> None:
    assert shadow.run() == Done()
    (row,) = shadow.rows()
    assert row.probability == pytest.approx(0.8, abs=1e-6)
    assert row.score == pytest.approx(8.0, abs=1e-5)
    assert (row.is_flagged, row.threshold, row.reason) == (True, 0.5, "")


def test_a_job_that_is_delivered_again_asks_the_model_nothing(shadow: Shadow) -> None:
    assert [shadow.run(attempt=attempt) for attempt in (1, 2, 3)] == [Done()] * 3
    assert (shadow.meter.asked, len(shadow.rows())) == (1, 1)


def test_other_weights_score_the_same_image_once_more(shadow: Shadow) -> None:
    shadow.run()
    shadow.meter.sha256 = "e" * 64
    shadow.run()
    assert [row.model_sha256[0] for row in shadow.rows()] == ["d", "e"]


def test_an_image_that_is_not_on_record_is_done(shadow: Shadow) -> None:
    assert shadow.run(key=4711) == Done()
    assert (shadow.meter.asked, shadow.rows()) == (0, [])


@pytest.mark.parametrize("harm", [lambda file: file.unlink(), lambda file: file.write_bytes(b"no image")])
def test_a_file_that_is_gone_or_damaged_by_now_is_a_row_with_its_reason(harm: Any, shadow: Shadow) -> None:
    harm(shadow.file)
    assert shadow.run() == Done()
    (row,) = shadow.rows()
    assert (row.score, row.probability, row.is_flagged) == (None, None, None)
    assert row.reason


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_number_is_a_row_with_its_reason(number: float, shadow: Shadow) -> None:
    shadow.meter.number = number
    assert shadow.run() == Done()
    assert [(row.probability, row.reason) for row in shadow.rows()] == [(None, "the model gave no number")]


def test_a_network_that_refuses_the_image_is_a_row_with_its_reason(shadow: Shadow) -> None:
    shadow.meter.error = WeightsError("expected finite logits from meter. Received: nan")
    assert shadow.run() == Done()
    assert [row.reason for row in shadow.rows()] == ["expected finite logits from meter. Received: nan"]


def test_an_unforeseen_exception_is_left_to_the_queue(shadow: Shadow) -> None:
    shadow.meter.error = RuntimeError("out of luck")
    with pytest.raises(RuntimeError):
        shadow.run()
    assert shadow.rows() == []


def test_the_model_is_loaded_with_the_first_job_and_a_failure_is_tried_again_with_the_next(shadow: Shadow) -> None:
    shadow.load_errors.append(WeightsError("expected weights"))
    assert shadow.run() == Park(f"{NOT_LOADED}: expected weights")
    assert shadow.rows() == []
    assert shadow.run() == Done()
    assert len(shadow.rows()) == 1


def test_jobs_parked_since_the_model_did_not_load_are_resumed_and_others_are_left_to_people(shadow: Shadow) -> None:
    queue, database, now = shadow.ledger.queue, shadow.ledger.database, shadow.ledger.now
    stop = threading.Event()

    def park(job: Job) -> Park:
        if job.key == "999":
            stop.set()
            return Park("RuntimeError")
        return Park(f"{NOT_LOADED}: expected weights")

    with database.begin() as connection:
        queue.enqueue(connection, kinds.SHADOW, "999", due_at=now, run_at=now)
    queue.run({kinds.SHADOW: park}, stop=stop, concurrency=1)
    assert {job.key for job in queue.parked()} == {str(shadow.instance_id), "999"}
    assert shadow.scorer.resume() == 1
    assert [(job.key, job.reason) for job in queue.parked()] == [("999", "RuntimeError")]
    assert shadow.ledger.waiting()[kinds.SHADOW] == 1
