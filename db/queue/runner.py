"""Running jobs: threads, the heartbeat and the drain, the same for both engines."""

import logging
import threading
import traceback
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import PurePath
from typing import Protocol, TypeAlias

from db.errors import DatabaseBusyError, DatabaseError, DatabaseUnavailableError
from db.queue import Clock, Handler, Job, Park, RetryAt, Settlement
from db.queue.policy import Policy
from db.queue.room import Guest, Room

logger = logging.getLogger(__name__)

_LONGEST_PAUSE = 1.0  # seconds: what nobody announces (a key set free on another machine) is found this late at worst
_RECOVERY = 1.0  # seconds between two tries to reach the database
_PATIENCE = 30.0  # seconds for which a job that is to run alone keeps others from starting, and then lets them
_SLOT_POLL = 0.1  # seconds until a worker with all hands full looks at `stop` again


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker has, under an id of its own; `failures` unexpected exceptions came before this run."""

    id: int
    job: Job
    failures: int


class LastChance(Exception):  # noqa: N818 - no error: the transaction that took the job is rolled back by it
    """The next job may run only alone: if its worker dies once more, it is parked."""


class Worker(Protocol):
    """One run's presence in the database. Its methods raise `DatabaseError`; the presence survives that."""

    def claim(self, *, alone: bool) -> Claim | None:
        """Take the next job whose time has come. Raises `LastChance` and takes none if that one is to be `alone`."""

    def settle(self, claim: Claim, settlement: Settlement, failures: int) -> bool:
        """Let a claim end; False if it was lost."""

    def give_back(self, claim: Claim, *, blame: str) -> bool:
        """Let a claim go as this process ends: as its worker's death if `blame` says why, else as if it had not run."""

    def renew(self) -> None:
        """Tell that this worker lives, and so prolong its claims."""

    def wait(self, stop: threading.Event, timeout: float) -> None:
        """Return when there may be jobs to claim: on news, when a planned one is due, after `timeout` seconds."""


Running: TypeAlias = tuple[Worker, Claim]


class Runner:
    """Runs the jobs that one worker claims."""

    def __init__(
        self,
        worker: Worker,
        handlers: Mapping[str, Handler],
        policy: Policy,
        clock: Clock,
        room: Room[Running],
        longest: timedelta | None = None,
    ) -> None:
        """Keep what `run` needs; nothing starts yet. `room` is shared by all runners of the process."""
        self._room = room
        self._longest = (longest or policy.longest).total_seconds()
        self._worker = worker
        self._handlers = handlers
        self._policy = policy
        self._clock = clock
        self._defects: list[BaseException] = []

    def run(self, *, stop: threading.Event, concurrency: int) -> None:
        """Claim and run until `stop` is set and the running jobs have ended; their claims are renewed until then."""
        drained = threading.Event()
        heartbeat = threading.Thread(target=self._beat, args=(drained,), name="queue-heartbeat", daemon=True)
        heartbeat.start()
        try:
            with ThreadPoolExecutor(concurrency, thread_name_prefix="queue-job") as pool:
                self._claim_until(stop, pool, threading.BoundedSemaphore(concurrency))
        finally:
            drained.set()
            heartbeat.join()
        if self._defects:
            raise self._defects[0]

    def _claim_until(self, stop: threading.Event, pool: ThreadPoolExecutor, slots: threading.BoundedSemaphore) -> None:
        while not stop.is_set() and not self._defects:
            if slots.acquire(timeout=_SLOT_POLL) and not self._start(stop, pool, slots):
                slots.release()

    def _start(self, stop: threading.Event, pool: ThreadPoolExecutor, slots: threading.BoundedSemaphore) -> bool:
        """Start the next job in the pool, or run it here alone, or wait for one; tell whether it has the slot."""
        if not self._room.enter(_SLOT_POLL):
            return False
        claim, instead = None, self._wait
        try:
            claim = self._worker.claim(alone=False)
        except LastChance:
            instead = self._run_alone
        except DatabaseError as error:
            instead = partial(_recover, error)
        finally:
            if claim is None:
                self._room.leave()
        if claim is None:
            instead(stop)
            return False
        pool.submit(self._work, claim, stop).add_done_callback(partial(self._worked, slots))
        return True

    def _wait(self, stop: threading.Event) -> None:
        try:
            self._worker.wait(stop, _LONGEST_PAUSE)
        except DatabaseError as error:
            _recover(error, stop)

    def _run_alone(self, stop: threading.Event) -> None:
        """Run one job with nothing beside it: the one on its last chance, if no other process was faster."""
        with self._room.alone(stop, poll=_SLOT_POLL, patience=_PATIENCE) as is_alone:
            try:
                claim = self._worker.claim(alone=True) if is_alone else None
            except DatabaseError as error:
                _recover(error, stop)
            else:
                if claim is not None:
                    self._work(claim, stop)
        if not is_alone:  # another lane is at something long: let the others go on for a while
            stop.wait(_PATIENCE)

    def _worked(self, slots: threading.BoundedSemaphore, work: Future[None]) -> None:
        if (defect := work.exception()) is not None:
            self._defects.append(defect)
        self._room.leave()
        slots.release()

    def _work(self, claim: Claim, stop: threading.Event) -> None:
        settlement, failures = self._call(claim)
        while True:
            try:
                kept = self._worker.settle(claim, settlement, failures)
            except (DatabaseUnavailableError, DatabaseBusyError) as error:
                logger.warning("job_not_settled", extra={"error": type(error).__name__, **_identity(claim)})
                if stop.wait(_RECOVERY):  # its claim runs out, and the job comes back
                    return
            else:
                break
        if not kept:
            logger.warning("job_claim_lost", extra=_identity(claim))

    def _call(self, claim: Claim) -> tuple[Settlement, int]:
        """Call the handler. This is the job runner's edge: whatever it raises becomes a row that says so."""
        try:
            with self._room.running((self._worker, claim), self._longest):
                settlement = self._handlers[claim.job.kind](claim.job)
            if not isinstance(settlement, Settlement):
                raise TypeError  # noqa: TRY301 - a handler's wrong answer is treated like its exception
        except BaseException as error:  # noqa: BLE001 - the edge; a SystemExit must not leave the job claimed
            # Not `logger.exception`: messages and chained exceptions may quote patient data.
            seen = {"error": type(error).__name__, "where": _where(error)}
            logger.error("job_raised", extra={**seen, **_identity(claim)})  # noqa: TRY400 - as above
            return self._after(error, claim.failures)
        return settlement, 0

    def _after(self, error: BaseException, failures: int) -> tuple[Settlement, int]:
        reason = type(error).__name__
        if failures >= len(self._policy.backoff):
            if isinstance(error, DatabaseUnavailableError | DatabaseBusyError):  # nor its fault: it waits for the end
                return RetryAt(self._clock() + self._policy.backoff[-1], reason), failures
            return Park(reason), failures + 1
        return RetryAt(self._clock() + self._policy.backoff[failures], reason), failures + 1

    def _beat(self, drained: threading.Event) -> None:
        while not drained.wait(self._policy.lease.total_seconds() / 3):
            try:
                self._worker.renew()
            except DatabaseError as error:
                logger.warning("queue_heartbeat_failed", extra={"error": type(error).__name__})
            except Exception as defect:  # noqa: BLE001 - raised by `run`; what runs until then keeps its claims
                self._defects.append(defect)
            self._end_if_one_hangs()

    def _end_if_one_hangs(self) -> None:
        """End the process if a job of any of its runners hangs: that one is blamed, and the others go back."""
        hung = self._room.close_on_hung()
        if hung is None:
            return
        try:
            facts = {"seconds": round(hung.seconds, 3), "where": hung.place, **_identity(hung.job[1])}
            logger.error("job_hung", extra=facts)
            _give_back(hung.job, blame=_hung(hung))
            for guest in self._room.left(self._policy.grace.total_seconds()):
                if guest is not hung:
                    _give_back(guest.job, blame=_hung(guest) if guest.hangs else "")
        finally:  # though a defect is in the way: nobody comes into this process's room any more
            self._room.end()


def _hung(guest: Guest[Running]) -> str:
    return f"hung for more than {guest.longest:g} s"


def _give_back(running: Running, *, blame: str) -> None:
    worker, claim = running
    try:
        worker.give_back(claim, blame=blame)
    except DatabaseError as error:  # its lease runs out
        logger.warning("job_not_settled", extra={"error": type(error).__name__, **_identity(claim)})


def _recover(error: DatabaseError, stop: threading.Event) -> None:
    logger.warning("queue_unavailable", extra={"error": type(error).__name__})
    stop.wait(_RECOVERY)


def kinds_of(handlers: Mapping[str, Handler]) -> tuple[str, ...]:
    """Return the kinds that have a handler; `ValueError` if none has."""
    if not handlers:
        msg = "expected a handler for at least one kind. Received: handlers={}"
        raise ValueError(msg)
    return tuple(handlers)


def _identity(claim: Claim) -> dict[str, object]:
    return {"kind": claim.job.kind, "key": claim.job.key, "attempt": claim.job.attempt}


def _where(error: BaseException) -> str:
    """Return the innermost frames as file:line, without messages or values."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
