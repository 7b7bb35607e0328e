"""The second model at work, slow, missing, damaged or broken: the first one's results are what they are without it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

import agent.process.inference
from agent.line.shadow import NOT_LOADED
from db import kinds
from db.database import Database
from db.queue import open_queue
from db.schema.model import shadow_score
from db.stored_scores import stored_scores
from model.errors import UnknownModelError, WeightsError

SHADOW = {"model": {"shadow": "dark_meter"}}


@dataclass
class DarkMeter:
    """Stands in for the second network: the probability is the mean darkness; it waits for `go` with every image."""

    sha256: str = "d" * 64
    go: threading.Event = field(default_factory=threading.Event)
    asked: int = 0
    error: Exception | None = None

    @property
    def card(self) -> Any:
        point = SimpleNamespace(name="half", threshold=0.5)
        return SimpleNamespace(name="dark_meter", version="2", sha256=self.sha256, operating_point=point)

    def score(self, images: Any) -> list[Any]:
        self.asked += 1
        assert self.go.wait(60)
        if self.error is not None:
            raise self.error
        dark = 1.0 - images.mean(axis=(1, 2, 3))
        return [SimpleNamespace(score=float(one), probability=float(one)) for one in dark]

    def explain(self, image: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def meter() -> Iterator[DarkMeter]:
    """Give a second model that scores at once unless `go` is cleared."""
    found = DarkMeter()
    found.go.set()
    yield found
    found.go.set()


@pytest.fixture
def second(meter: DarkMeter, monkeypatch: pytest.MonkeyPatch) -> DarkMeter:
    """Let the agent load that model."""
    monkeypatch.setattr(agent.process.inference, "load_shadow", lambda *_: meter)
    return meter


def rows(database: Database) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(shadow_score).order_by(shadow_score.c.id)))


def parked(database: Database) -> list[tuple[str, str]]:
    return [(job.kind, job.reason) for job in open_queue(database).parked()]


def seen(agent: Any, study: Any) -> dict[str, Any]:
    """Tell what is on record of a study, but for times, and for the numbers that a new one gets."""
    record = agent.record(study)
    return {
        "outcome": (record.study.outcome, record.study.reason, record.study.probability, record.study.priority),
        "images": [(row["outcome"], row["model_name"], row["probability"]) for row in record.image_results],
        "results": [(row["outcome"], row["model_name"], row["threshold"]) for row in record.results],
        "reports": [(row["kind"], row["version"]) for row in record.reports],
        "deliveries": [row["state"] for row in record.deliveries],
        "events": [(row["event"], row["to_state"]) for row in record.events],
    }


def test_every_image_that_the_first_model_scored_gets_a_second_score_and_nobody_is_told(
    start: Any, radiograph: Any, pacs: Any, second: DarkMeter, eventually: Any
) -> None:
    agent = start(**SHADOW)
    bright, dark, adult = radiograph(200), radiograph(20), radiograph(20, PatientAge="040Y", PatientBirthDate="")
    for study in (bright, dark, adult):
        agent.send(study)
    eventually(lambda: all(agent.is_in(study, "DELIVERED") for study in (bright, dark, adult)))
    eventually(lambda: len(rows(agent.database)) == 2)
    stored = stored_scores(agent.database, "dark_meter")
    flagged = {score.sop_instance_uid: score.flagged for score in stored.scores.values()}
    assert flagged == {bright.SOPInstanceUID: False, dark.SOPInstanceUID: True}
    assert second.asked == 2, "an image that the gate declined is none of the second model's"
    assert [agent.row(study).outcome for study in (bright, dark, adult)] == ["flagged", "not_flagged", "not_analysed"]
    for row in rows(agent.database):
        assert (row.model_name, row.model_version, row.model_sha256) == ("dark_meter", "2", "d" * 64)
        assert (row.revision, row.threshold, row.reason) == (1, 0.5, "")
        assert row.started_at <= row.finished_at
    assert pacs.received_instances
    assert not any(b"dark_meter" in one.data or b"d" * 64 in one.data for one in pacs.received_instances)


def test_while_the_second_model_hangs_studies_are_scored_concluded_and_delivered(
    start: Any, radiograph: Any, second: DarkMeter, eventually: Any
) -> None:
    second.go.clear()
    agent = start(**SHADOW)
    studies = [radiograph(value) for value in (20, 200, 220)]
    agent.send(studies[0])
    eventually(lambda: second.asked == 1)
    for study in studies[1:]:
        agent.send(study)
    eventually(lambda: all(agent.is_in(study, "DELIVERED") for study in studies))
    assert (second.asked, rows(agent.database)) == (1, [])
    second.go.set()
    eventually(lambda: len(rows(agent.database)) == 3)


@pytest.mark.parametrize(
    "error",
    [
        UnknownModelError("expected one of the models a, b. Received: name='dark_meter'"),
        WeightsError("expected weights of dark_meter with sha256=1. Received: sha256=2"),
    ],
    ids=["missing", "damaged"],
)
def test_a_second_model_that_does_not_load_parks_its_own_job_and_nothing_else_changes(
    error: Exception, start: Any, radiograph: Any, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    def load(*_: object) -> None:
        raise error

    monkeypatch.setattr(agent.process.inference, "load_shadow", load)
    found = start(**SHADOW)
    study = radiograph(200)
    found.send(study)
    eventually(lambda: found.is_in(study, "DELIVERED") and parked(found.database))
    assert parked(found.database) == [("shadow", f"{NOT_LOADED}: {error}")]
    assert rows(found.database) == []
    assert found.row(study).outcome == "flagged"


def test_with_a_second_model_that_breaks_a_study_is_what_it_is_without_one(
    start: Any, radiograph: Any, second: DarkMeter, database: Database, eventually: Any
) -> None:
    second.error = RuntimeError("out of luck")
    agent = start(**SHADOW)
    with_shadow, queue = radiograph(200), open_queue(database)
    agent.send(with_shadow)
    eventually(lambda: agent.is_in(with_shadow, "DELIVERED") and second.asked)

    def states() -> dict[str, tuple[int, int]]:
        depths = queue.depth(datetime.now(UTC))
        return {depth.kind: (depth.waiting + depth.later + depth.running, depth.parked) for depth in depths}

    # It is tried again, with growing pauses, and only then parked.
    eventually(lambda: states() == {"shadow": (1, 0)})
    second.error = None
    without = radiograph(200, StudyDate="20260101")
    agent.send(without)
    eventually(lambda: agent.is_in(without, "DELIVERED") and len(rows(database)) == 2)
    assert seen(agent, with_shadow) == seen(agent, without)


def test_jobs_left_from_a_second_model_that_is_gone_are_forgotten(
    start: Any, database: Database, eventually: Any
) -> None:
    queue, now = open_queue(database), datetime.now(UTC)
    with database.begin() as connection:
        queue.enqueue(connection, kinds.SHADOW, "1", due_at=now, run_at=now)
    start()
    eventually(lambda: queue.depth(now) == ())
