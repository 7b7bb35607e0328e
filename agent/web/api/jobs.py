"""The queue: what waits, runs and is parked. Jobs go by the UIDs of their studies; no patient is named."""

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Body
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from agent.web.api.model import Line, Model, Moment, Uid
from agent.web.api.paging import MOST
from agent.web.api.security import Operator, Watcher
from agent.web.services import services_of
from agent.web.trail import who_asks
from db.job_subjects import studies_of_jobs
from db.operated import note_operated
from db.queue import ParkedJob, RunningJob

router: Final = APIRouter(tags=["Jobs"])

Told = TypeVar("Told", bound=Model)

NO_JOB: Final = "There is no such parked job any more."


class KindTold(Model):
    """How many jobs of a kind there are."""

    kind: str = Field(examples=["score"])
    waiting: int = Field(ge=0, description="To run now.")
    later: int = Field(ge=0, description="Planned for later.")
    running: int = Field(ge=0)
    parked: int = Field(ge=0, description="Waiting for a person.")
    oldest_run_at: Moment | None = Field(description="Since when the one that has waited longest might have run.")
    first_due_at: Moment | None = Field(description="The earliest time at which one that waits is due.")


class Kinds(Model):
    """All kinds of which there are any."""

    items: tuple[KindTold, ...]


class RunningTold(Model):
    """A job that a worker has."""

    kind: str
    key: str
    study_instance_uid: Uid | None = Field(description="Of the study that it is about; null: of none on record.")
    attempt: int
    due_at: Moment
    worker: str
    claimed_until: Moment = Field(description="Past this its worker counts as dead, unless it renews it.")


class Running(Model):
    """All that run, those due first at the beginning."""

    items: tuple[RunningTold, ...]


class ParkedTold(Model):
    """A job that waits for a person."""

    kind: str
    key: str
    study_instance_uid: Uid | None = Field(description="Of the study that it is about; null: of none on record.")
    reason: str
    attempts: int
    parked_at: Moment


class Parked(Model):
    """What is parked, the latest first."""

    items: tuple[ParkedTold, ...] = Field(max_length=MOST)
    more: int = Field(ge=0, description="How many are parked beyond these.")


class JobName(Model):
    """Which job is meant."""

    kind: Line = Field(examples=["score"])
    key: Line = Field(examples=["42"])


class Retried(Model):
    """The job waits again."""

    kind: str
    key: str


@router.get("/jobs", summary="Count the jobs of each kind")
def count_jobs(request: Request, _watcher: Watcher) -> Kinds:
    """Count what waits to run now, is planned for later, runs, and is parked."""
    services = services_of(request)
    return Kinds(items=tuple(KindTold.model_validate(one) for one in services.queue.depth(services.clock())))


@router.get("/jobs/running", summary="List the jobs that run")
def list_running(request: Request, _watcher: Watcher) -> Running:
    """List the jobs that workers have; there are as many at most as the site has workers."""
    rows = services_of(request).queue.running()
    studies = _studies(request, ((row.kind, row.key) for row in rows))
    return Running(items=tuple(_told(RunningTold, row, studies) for row in rows))


@router.get("/jobs/parked", summary="List parked jobs, the latest first")
def list_parked(request: Request, _watcher: Watcher) -> Parked:
    """List the latest that wait for a person, and say how many more there are."""
    rows = services_of(request).queue.parked()
    shown = rows[:MOST]
    studies = _studies(request, ((row.kind, row.key) for row in shown))
    return Parked(items=tuple(_told(ParkedTold, row, studies) for row in shown), more=len(rows) - len(shown))


@router.post("/jobs/retry", summary="Let a parked job run again")
def retry(request: Request, _operator: Operator, wanted: Annotated[JobName, Body()]) -> Retried:
    """Let a parked job wait again, as if it were new. 404 where it is parked no more: a repeat does no harm."""
    services = services_of(request)
    now, detail = services.clock(), f"parked job {wanted.kind} {wanted.key} requeued"
    also = partial(note_operated, who=who_asks(request), detail=detail, at=now)
    if not services.queue.requeue(wanted.kind, wanted.key, now, also=also):
        raise HTTPException(404, NO_JOB)
    return Retried(kind=wanted.kind, key=wanted.key)


def _studies(request: Request, jobs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    return studies_of_jobs(services_of(request).database, jobs)


def _told(kind: type[Told], row: RunningJob | ParkedJob, studies: dict[tuple[str, str], str]) -> Told:
    values = {name: getattr(row, name) for name in kind.model_fields if name != "study_instance_uid"}
    return kind.model_validate(values | {"study_instance_uid": studies.get((row.kind, row.key))})
