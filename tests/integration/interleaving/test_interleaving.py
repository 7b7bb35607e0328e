"""Completion under any interleaving: what arrives, ends, is scored, dies or is withdrawn in whatever order.

Two receiving processes, a worker and a modality act on one database in the order that hypothesis thinks of; any of
their transactions may die before it commits. At the end nothing waits, and every study is what the rules say of its
images.
`TIBABU_INTERLEAVINGS=5000` looks for longer.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from arriving import incoming
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, delete, select

from db import kinds
from db.analysis import ImageResult, ScoreTask, record_image_result, score_task
from db.arrival import note_association_ended
from db.attributes import InstanceAttributes
from db.closing import Timing
from db.comparison import CompareTask, compare_task, record_comparison
from db.completion import close_due
from db.conclusion import Conclusion, ReportOrder, StudyToConclude, record_conclusion, study_to_conclude
from db.database import Database, Lock, open_database
from db.delivery import delivery_task
from db.delivery_attempt import acknowledge
from db.intake import record_instance
from db.lifecycle import State
from db.outcome import ImageOutcome, Outcome, study_outcome
from db.performed import StepState
from db.priority import Allowances
from db.queue import open_queue
from db.queue.job_table import job
from db.requeue import requeue_study
from db.roles import Role
from db.schema.domain import image_result, instance, result, study
from db.steps import NewStep, StepChange, StepLedger, Taken
from db.withdrawal import record_withdrawal, withdrawal_to_record
from db.worklist import study_record

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMING = Timing()
DOUBLINGS = 5  # of 30 s to 15 minutes
PACS = ReportOrder(kind="sr", media_type="application/dicom", destinations=("pacs",))
FOUND = (Outcome.NOT_FLAGGED, Outcome.FLAGGED, Outcome.NOT_ANALYSED, Outcome.FAILED)
STUDIES, IMAGES, STEPS, ASSOCIATIONS = 2, 5, 4, 4
WORK = (kinds.SCORE, kinds.COMPARE, kinds.CONCLUDE, kinds.WITHDRAW, kinds.deliver("pacs"))
# Made once: they are asked thousands of times.
WAITING = select(job).where(job.c.kind.in_(WORK)).order_by(job.c.id)
PRIORITIES = select(study.c.id, study.c.ai_priority)
REVISIONS = select(study.c.revision)

studies = st.integers(0, STUDIES - 1)
images = st.integers(0, IMAGES - 1)
steps = st.integers(0, STEPS - 1)
associations = st.integers(0, ASSOCIATIONS - 1)
deaths = st.sampled_from([False] * 9 + [True])


Write = Callable[[], object]


class DiedError(Exception):
    """The process ended before its transaction was committed."""


class Mortal(Database):
    """A process's database; its next transaction dies where `is_doomed`."""

    is_doomed = False

    @contextmanager
    def begin(self, lock: Lock | None = None) -> Iterator[Connection]:
        with super().begin(lock) as connection:
            yield connection
            if self.is_doomed:
                self.is_doomed = False
                raise DiedError


class Hospital(RuleBasedStateMachine):
    """Everything that can happen to a few studies."""

    template: Path

    @initialize(arrived=st.sets(st.tuples(studies, images), min_size=2))
    def open(self, arrived: set[tuple[int, int]]) -> None:
        shared_memory = Path("/dev/shm")  # noqa: S108 - a folder of this test's own is made in it
        place = shared_memory if os.access(shared_memory, os.W_OK) else None
        self.folder = tempfile.mkdtemp(dir=place)
        shutil.copy(self.template, f"{self.folder}/tibabu.db")
        url = open_database(f"sqlite:///{self.folder}/tibabu.db").url
        self.databases = [Mortal(url), Mortal(url)]
        self.database = self.databases[0]
        self.queue = open_queue(self.database)
        self.now = NOON
        self.allowances = Allowances()
        self.open_associations: dict[int, tuple[str, set[int]]] = {}
        self.suspended: list[Write] = []
        self.number = self.bound = 0
        self.ai_priority: dict[int, int | None] = {}
        for study_number, image in sorted(arrived):
            self.receive(study_number, image, association=image % 2, content=0, step=None, dies=False)

    # What arrives.

    @rule(
        study=studies,
        image=images,
        association=associations,
        content=st.sampled_from([0] * 9 + [1] * 2 + [2]),
        step=st.sampled_from([None, None, *range(STEPS)]),
        dies=deaths,
    )
    def receive(self, study: int, image: int, association: int, content: int, step: int | None, *, dies: bool) -> None:
        """Content 0 is the image, 1 the same in another transfer syntax, 2 something else under its UID."""
        if association not in self.open_associations:
            self.number += 1
            self.open_associations[association] = f"{self.number:032x}", set()
        name, brought = self.open_associations[association]
        arriving = incoming(
            f"1.2.{study}",
            image,
            sha256=f"{study:02x}{image:02x}{content:060x}",
            path=f"{study}-{image}-{content}",
            candidate=image < IMAGES - 1,  # the last one is a report or the like
            calling_ae_title=f"AE{association % 2}",
            received_at=self.now,
            patient_id="P",
            patient_name="N",
            attributes=InstanceAttributes(),
            association_id="" if study in brought else name,
            performed_step_uid="" if step is None else f"1.9.{step}",
        )
        database = self.databases[association % 2]
        with self.mortal(database, dies=dies):
            recorded = record_instance(database, self.queue, arriving, timing=TIMING, allowances=self.allowances)
            brought.add(study)
            if recorded.role is Role.CONFLICT and not recorded.known:
                self.bound += 1

    @rule(association=associations)
    def release(self, association: int) -> None:
        if association in self.open_associations:
            name, _ = self.open_associations.pop(association)
            closes_at = self.now + TIMING.after_release
            note_association_ended(self.databases[association % 2], name, closes_at=closes_at)

    @rule(process=st.integers(0, 1))
    def a_receiving_process_dies(self, process: int) -> None:
        for association in [one for one in self.open_associations if one % 2 == process]:
            del self.open_associations[association]

    # What the modality says.

    @rule(step=steps, dies=deaths)
    def begin_step(self, step: int, *, dies: bool) -> None:
        """Step n is for study n modulo their number."""
        new = NewStep(
            sop_instance_uid=f"1.9.{step}",
            study_instance_uids=(f"1.2.{step % STUDIES}",),
            named=(),
            calling_ae_title=f"AE{step % 2}",
            at=self.now,
        )
        with self.mortal(self.databases[step % 2], dies=dies):
            self.ledger(step).create(new)

    @rule(
        step=steps,
        state=st.sampled_from([None, StepState.COMPLETED, StepState.COMPLETED, StepState.DISCONTINUED]),
        named=st.sampled_from([None, set(range(IMAGES - 1))]) | st.sets(images),
        dies=deaths,
    )
    def change_step(self, step: int, state: StepState | None, named: set[int] | None, *, dies: bool) -> None:
        """Name images of the step, and end it; one that was not begun is begun before."""
        self.begin_step(step, dies=False)
        change = StepChange(
            sop_instance_uid=f"1.9.{step}",
            state=state,
            reason_code="110514",
            named=None if named is None else tuple(f"1.2.{step % STUDIES}.1.{image}" for image in sorted(named)),
            at=self.now,
        )
        with self.mortal(self.databases[step % 2], dies=dies):
            taken = self.ledger(step).change(change)
            if taken is Taken.RECORDED and state is not None:
                self.bound += 2  # an end for what it names, and one for a withdrawal
            if taken is Taken.RECORDED and state is StepState.DISCONTINUED:
                self.ai_priority.clear()  # only this may lower it

    @rule(step=steps)
    def the_modality_has_second_thoughts(self, step: int) -> None:
        """Discontinue a step when all is concluded."""
        self.all_is_worked_off(310)
        self.change_step(step, StepState.DISCONTINUED, set(range(IMAGES - 1)), dies=False)

    def ledger(self, process: int) -> StepLedger:
        return StepLedger(self.databases[process % 2], self.queue, TIMING, self.allowances)

    # What the worker does.

    @rule(seconds=st.sampled_from([0, 1, 2, 5, 31, 65, 310, 1000]), dies=deaths)
    def tick(self, seconds: float, *, dies: bool) -> None:
        self.now += timedelta(seconds=seconds)
        with self.mortal(self.database, dies=dies):
            close_due(self.database, self.queue, now=self.now)
            overdue = self.rows(
                select(study.c.id).where(
                    study.c.state == State.RECEIVING, study.c.started_at <= self.now - TIMING.forced
                )
            )
            assert not overdue, "closed by force"

    @rule(which=st.integers(0, 99), slow=deaths, dies=deaths)
    def work(self, which: int, *, slow: bool, dies: bool) -> None:
        """Run any of the waiting jobs; a worker that dies leaves it to be run again.

        A slow one has looked, is suspended, taken for dead, and writes at any time later.
        """
        if waiting := self.rows(WAITING):
            self.run(waiting[which % len(waiting)], slow=slow, dies=dies, notes_its_end=which % 7 != 0)

    def run(self, chosen: Any, *, slow: bool = False, dies: bool = False, notes_its_end: bool = True) -> None:
        """Run a job. Who does not note its end died after its work was committed, and before that."""
        write = self.handlers[chosen.kind](int(chosen.key))
        if slow:
            self.suspended.append(write)
            return
        with self.mortal(self.database, dies=dies):
            write()
            if notes_its_end:
                with self.database.begin() as connection:
                    connection.execute(delete(job).where(job.c.id == chosen.id))

    @rule(seconds=st.sampled_from([31, 310]))
    def all_is_worked_off(self, seconds: float) -> None:
        """Let what can be concluded now be concluded."""
        self.tick(seconds, dies=False)
        for _ in range(20):
            if not (waiting := self.rows(WAITING)):
                break
            self.run(waiting[1 % len(waiting)])

    @rule()
    def a_suspended_worker_goes_on(self) -> None:
        if self.suspended:
            self.suspended.pop(0)()

    @rule(study=studies)
    def put_back(self, study: int) -> None:
        """Have a concluded study analysed again, as a person may."""
        found = study_record(self.database, f"1.2.{study}")
        if found is not None and found.study.state in {State.CONCLUDED, State.DELIVERED}:
            requeue_study(self.database, self.queue, f"1.2.{study}", actor="test", now=self.now)
            self.bound += 1

    @property
    def handlers(self) -> dict[str, Callable[[int], Write]]:
        return {
            kinds.SCORE: self.score,
            kinds.COMPARE: self.compare,
            kinds.CONCLUDE: self.conclude,
            kinds.WITHDRAW: self.withdraw,
            kinds.deliver("pacs"): self.deliver,
        }

    def score(self, instance_id: int) -> Write:
        task = score_task(self.database, instance_id)
        return self.nothing if task is None else partial(self.record_score, task)

    def record_score(self, task: ScoreTask) -> None:
        found = ImageResult(
            outcome=outcome_of(task.sop_instance_uid), started_at=self.now, finished_at=self.now, reason="r"
        )
        is_first = record_image_result(self.database, self.queue, task, found, allowances=self.allowances)
        (row,) = self.rows(select(study).where(study.c.study_instance_uid == task.study_instance_uid))
        (image,) = self.rows(select(instance).where(instance.c.id == task.instance_id))
        if is_first and found.outcome is Outcome.FLAGGED and not row.conflict and image.withdrawn is None:
            assert row.ai_priority is not None, "raised in the transaction that records the flag"

    def compare(self, instance_id: int) -> Write:
        task = compare_task(self.database, instance_id)
        return self.nothing if task is None else partial(self.record_comparison, task)

    def record_comparison(self, task: CompareTask) -> None:
        same = task.path.rpartition("-")[2] != "2" and task.first_path.rpartition("-")[2] != "2"
        record_comparison(self.database, self.queue, task, same=same, at=self.now)
        self.bound += not same

    def conclude(self, study_id: int) -> Write:
        found = study_to_conclude(self.database, study_id)
        if found is None:
            return self.nothing
        return partial(record_conclusion, self.database, self.queue, self.conclusion(found))

    def withdraw(self, study_id: int) -> Write:
        found = withdrawal_to_record(self.database, study_id)
        if found is None:
            return self.nothing
        return partial(record_withdrawal, self.database, self.queue, self.conclusion(found))

    def deliver(self, delivery_id: int) -> Write:
        if delivery_task(self.database, delivery_id) is None:
            return self.nothing
        return lambda: acknowledge(self.database, delivery_id, detail="0000", at=self.now)

    def nothing(self) -> None:
        """Find that there is nothing to do."""

    def conclusion(self, found: StudyToConclude) -> Conclusion:
        return Conclusion(
            study_id=found.study_id,
            revision=found.revision,
            withdrawals=found.withdrawals,
            outcome=study_outcome(found.images, conflict=found.conflict, withdrawn=found.withdrawn),
            model_name="m",
            model_version="1",
            model_sha256="0" * 64,
            operating_point="p",
            threshold=0.5,
            device_uid="2.25.7",
            analysed_at=found.analysed_at or self.now,
            concluded_at=self.now,
            reports=() if found.conflict else (PACS,),
        )

    # What must hold.

    @contextmanager
    def mortal(self, database: Mortal, *, dies: bool) -> Iterator[None]:
        """Let the first transaction of the block die if it `dies`."""
        database.is_doomed = dies
        try:
            yield
        except DiedError:
            pass
        finally:
            database.is_doomed = False

    def rows(self, query: Any) -> Any:
        with self.database.read() as connection:
            return connection.execute(query).all()

    @invariant()
    def priority_never_falls_but_by_a_withdrawal(self) -> None:
        if not hasattr(self, "databases"):
            return
        for row in self.rows(PRIORITIES):
            before = self.ai_priority.get(row.id)
            assert before is None or row.ai_priority == before
            self.ai_priority[row.id] = row.ai_priority

    @invariant()
    def revisions_are_few(self) -> None:
        if not hasattr(self, "databases"):
            return
        for (revision,) in self.rows(REVISIONS):
            assert revision <= 2 + DOUBLINGS + (self.now - NOON) / TIMING.forced + self.bound

    def teardown(self) -> None:
        if not hasattr(self, "databases"):
            return
        try:
            self.settle()
            for row in self.rows(select(study)):
                self.check(row)
        finally:
            for database in self.databases:
                database.dispose()
            shutil.rmtree(self.folder)

    def settle(self) -> None:
        """Let time pass and the worker work until nothing is left to do."""
        while self.suspended:
            self.a_suspended_worker_goes_on()
        for _ in range(200):
            self.tick(1000, dies=False)
            waiting = self.rows(select(job.c.id))
            if not waiting:
                break
            for _ in waiting:
                self.work(1, slow=False, dies=False)
        assert not self.rows(select(job.c.id)), "nothing waits for ever"

    def check(self, row: Any) -> None:
        assert row.state == State.DELIVERED
        held = self.rows(select(instance).where(instance.c.study_id == row.id))
        assert not [one for one in held if one.role == Role.UNVERIFIED]
        candidates = [one for one in held if one.role == Role.CANDIDATE and one.withdrawn is None]
        found = []
        for one in candidates:
            results = self.rows(
                select(image_result).where(
                    image_result.c.instance_id == one.id, image_result.c.revision == one.analysis_revision
                )
            )
            assert len(results) == 1, "every candidate that counts has exactly one result"
            assert one.analysis_revision <= row.revision
            found.append(ImageOutcome(outcome=outcome_of(one.sop_instance_uid), reason="r"))
        (concluded,) = self.rows(select(result).where(result.c.study_id == row.id, result.c.revision == row.revision))
        # An image of a discontinued step that comes after the conclusion begins no revision: it changes nothing.
        known = [one for one in held if one.received_at <= concluded.concluded_at]
        withdrawn = [one.withdrawn for one in known if one.withdrawn is not None]
        expected = study_outcome(found, conflict=row.conflict, withdrawn=withdrawn[-1] if withdrawn else "")
        assert (concluded.outcome, concluded.reason) == (expected.outcome, expected.reason)
        assert (row.outcome, row.reason) == (expected.outcome, expected.reason)
        assert bool(row.conflict) == any(one.role == Role.CONFLICT for one in held)
        record = study_record(self.database, row.study_instance_uid)
        assert record is not None
        reports = {report["id"]: report["result_id"] for report in record.reports}
        for one in record.deliveries:
            is_current = reports[one["report_id"]] == concluded.id
            assert one["state"] == "ACKNOWLEDGED" or (one["state"] == "SUPERSEDED" and not is_current)


def outcome_of(sop_instance_uid: str) -> Outcome:
    """Return what always comes of an image."""
    return FOUND[int(sop_instance_uid.rpartition(".")[2]) % len(FOUND)]


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
def test_whatever_happens_in_whatever_order_every_study_ends_as_its_images_say(sqlite_template: Path) -> None:
    machine = type("Here", (Hospital,), {"template": sqlite_template})
    examples = int(os.environ.get("TIBABU_INTERLEAVINGS", "0"))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples or 50,
            stateful_step_count=40,
            derandomize=not examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
