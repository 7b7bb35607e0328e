"""What an agent does all day, each thing by the function that does it: what growth.py measures and explains."""

import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from growth_made import SECONDS_APART

from agent.complete import Completer
from agent.web.listing import PER_PAGE
from db import kinds
from db.addressed import About
from db.alerts import Rules as AlertRules
from db.alerts import claim_alerts
from db.archive import find_instances, find_series, find_studies, held_by_uid, held_instances, recent_syntaxes
from db.archive_columns import AnyOf, Between, Criteria, Like
from db.attributes import InstanceAttributes
from db.breaker import rests
from db.closing import Timing
from db.database import Database
from db.delivery_list import count_deliveries, listed_deliveries
from db.figures import figures
from db.group_commit import Intake
from db.incoming import IncomingInstance
from db.messages import ArrivedMessage, Books, MessageOutcome, Rules, carry_out
from db.patient_match import Demographics, Identifier
from db.priority import Allowances, Priority
from db.queue import Done, Queue, open_queue, utc_now
from db.queue.changes import ChangeCounter
from db.queue.policy import Policy
from db.queue.runner import Worker
from db.search import search_studies
from db.workitem_reading import TaskCriteria, reading_tasks
from db.worklist import study_record, worklist
from db.worklist_counts import worklist_counts
from db.worklist_view import Place, Show, Wanted, worklist_view

ENOUGH = 100
"""Answers of a search that are read."""
PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to measure: `call` does it once. `group` is the title under which it stands."""

    group: str
    name: str
    call: Callable[[], object]
    most: int = 1000
    """How often it can be done."""


@dataclass(slots=True)
class Site:
    """A generated database as the agent sees it; what is asked for is drawn from all that it holds."""

    database: Database
    studies: int
    chance: random.Random = field(default_factory=lambda: random.Random(6))  # noqa: S311 - which rows to look at
    queue: Queue = field(init=False)

    def __post_init__(self) -> None:
        """Open the queue."""
        self.queue = open_queue(self.database)

    def any_study(self) -> int:
        """Return the number of some study."""
        return self.chance.randint(1, self.studies)

    def uid(self, number: int, further: str = "") -> str:
        """Return the UID that growth_rows gives a study or what belongs to it."""
        return f"1.2.826.0.1.3680043.10.{number * 7919 % 9973}.{number}{further}"

    def patient_id(self, number: int) -> str:
        """Return a study's Patient ID."""
        return f"P{number * 7919 % max(self.studies // 4, 1)}"

    def accession_number(self, number: int) -> str:
        """Return a study's Accession Number."""
        return f"A{number * 104729 % 999999937}-{number}"

    def find(self, criteria: Criteria) -> object:
        """Search as QIDO-RS and C-FIND do; read no more than enough."""
        return list(islice(find_studies(self.database, criteria), ENOUGH))


def looking(site: Site) -> tuple[Operation, ...]:
    """Return what only reads."""
    database = site.database
    day = (utc_now() - timedelta(days=1)).strftime("%Y%m%d")
    before = (utc_now() - timedelta(seconds=site.studies * SECONDS_APART, days=2)).strftime("%Y%m%d")
    waiting = worklist(
        database, limit=PER_PAGE + 1, offset=max(worklist_counts(database, now=utc_now()).studies - 51, 0)
    )
    last = waiting[0].due_at, waiting[0].id
    before_all = utc_now() - timedelta(seconds=site.studies * SECONDS_APART // 2)

    def seen(wanted: Wanted, after: Place | None = None) -> object:
        return worklist_view(database, wanted, now=utc_now(), limit=PER_PAGE, after=after)

    def of(column: str, value: Callable[[int], str]) -> Callable[[], object]:
        return lambda: site.find({column: AnyOf((value(site.any_study()),))})

    def parts(find: Callable[[Database, Criteria], Iterator[object]]) -> Callable[[], object]:
        return lambda: list(find(database, {"study_instance_uid": AnyOf((site.uid(site.any_study()),))}))

    def held() -> object:
        return list(held_instances(database, {"sop_instance_uid": AnyOf((site.uid(site.any_study(), ".1.0"),))}))

    def tasks(**criteria: tuple[str, ...]) -> object:
        return list(islice(reading_tasks(database, TaskCriteria(**criteria)), ENOUGH))

    def some_name() -> str:
        return f"Family{site.any_study() % max(site.studies // 4, 1)}"

    def typed(further: str) -> Callable[[], object]:
        return lambda: search_studies(database, f"{further} {some_name()}")

    page, search, show, read = "the page", "search", "one study", "other lists"
    return (
        Operation(page, "counts", lambda: worklist_counts(database, now=utc_now())),
        Operation(page, "first page", lambda: seen(Wanted())),
        Operation(page, "last page", lambda: seen(Wanted(), last)),
        Operation(page, "flagged", lambda: seen(Wanted(outcome="flagged"))),
        Operation(page, "read, the latest", lambda: seen(Wanted(show=Show.READ))),
        Operation(page, "read, long ago", lambda: seen(Wanted(show=Show.READ), (before_all, site.studies // 2))),
        Operation(page, "quarantined", lambda: seen(Wanted(show=Show.QUARANTINED))),
        Operation(page, "with a delivery that failed", lambda: seen(Wanted(show=Show.UNDELIVERED))),
        Operation(search, "by Patient ID", of("patient_id", site.patient_id)),
        Operation(search, "by accession number", of("accession_number", site.accession_number)),
        Operation(search, "by UID", of("study_instance_uid", site.uid)),
        Operation(
            search, "by patient's name, that begins so", lambda: site.find({"patient_name": Like((some_name(),))})
        ),
        Operation(search, "by a part of it", lambda: site.find({"patient_name": Like((some_name()[2:],))})),
        Operation(search, "as typed: a name", typed("")),
        Operation(search, "as typed: what all have, and a name", typed("chest giv")),
        Operation(search, "as typed: what all have", lambda: search_studies(database, "chest giv")),
        Operation(
            search, "as typed: a Patient ID", lambda: search_studies(database, site.patient_id(site.any_study()))
        ),
        Operation(search, "a day before all others", lambda: site.find({"study_date": AnyOf((before,))})),
        Operation(search, "until that day", lambda: site.find({"study_date": Between("", before)})),
        Operation(search, "since yesterday", lambda: site.find({"study_date": Between(day, "")})),
        Operation(search, "the latest hundred", lambda: site.find({})),
        Operation(search, "the series of a study", parts(find_series)),
        Operation(search, "the Instances of a study", parts(find_instances)),
        Operation(search, "an Instance by its UID", held),
        Operation(show, "tibabu show", lambda: study_record(database, site.uid(site.any_study()))),
        Operation(show, "Storage Commitment", lambda: held_by_uid(database, [site.uid(site.any_study(), ".1.0")])),
        Operation(read, "reading tasks, open", lambda: tasks(states=("SCHEDULED",))),
        Operation(read, "reading tasks, of a patient", lambda: tasks(patient_ids=(site.patient_id(site.any_study()),))),
        Operation(read, "reading tasks, all, the first hundred", tasks),
        Operation(read, "deliveries, the latest", lambda: listed_deliveries(database)),
        Operation(read, "deliveries, parked", lambda: listed_deliveries(database, state="PARKED")),
        Operation(read, "deliveries, of a destination", lambda: listed_deliveries(database, destination="pacs")),
        Operation(read, "deliveries, counted", lambda: count_deliveries(database), 20),
        Operation(read, "destinations that rest", lambda: rests(database)),
        Operation(read, "what a scrape tells", lambda: figures(database)),
        Operation(read, "transfer syntaxes of late", lambda: recent_syntaxes(database)),
        Operation(read, "queue, depth", lambda: site.queue.depth(utc_now())),
        Operation(read, "queue, parked", site.queue.parked),
    )


def ticking(site: Site) -> tuple[Operation, ...]:
    """Return what is done every few seconds, where there is nothing to do."""
    completer = Completer(site.database, site.queue, Allowances(), utc_now)
    rules = AlertRules(channels=(), patience={"pacs": PATIENCE, "ris": None}, after=PATIENCE, repeat=PATIENCE)
    ticks = {"close": completer.close, "reap": completer.reap, "heal": completer.heal, "tidy": completer.tidy}
    named = {**ticks, "alert": lambda: claim_alerts(site.database, rules, now=utc_now())}
    return tuple(Operation("ticks", name, call, 100) for name, call in named.items())


@contextmanager
def working(site: Site) -> Iterator[tuple[Operation, ...]]:
    """Give what claims and ends jobs: the generated ones of the second model."""
    with _worker(site) as worker:
        claims: list[object] = []

        def claim() -> None:
            claims.append(worker.claim(alone=False))

        def settle() -> None:
            if (claimed := claims.pop()) is not None:
                worker.settle(claimed, Done(), 0)

        yield (Operation("queue", "claim", claim, 200), Operation("queue", "settle", settle, 200))


@contextmanager
def _worker(site: Site) -> Iterator[Worker]:
    from db.queue.announcements import Announcements  # noqa: PLC0415 - each with its own engine
    from db.queue.embedded import EmbeddedWorker  # noqa: PLC0415
    from db.queue.procrastinate_engine import ProcrastinateWorker  # noqa: PLC0415

    policy = Policy(lease=timedelta(minutes=10))
    if site.database.dialect == "sqlite":
        changes = ChangeCounter(site.database)
        yield EmbeddedWorker(site.database, [kinds.SHADOW], policy, utc_now, changes)
        changes.close()
        return
    worker = ProcrastinateWorker(
        site.database, [kinds.SHADOW], policy, utc_now, Announcements(site.database, [kinds.SHADOW])
    )
    yield worker
    worker.close()


def receiving(site: Site) -> tuple[Operation, ...]:
    """Return what writes: images, and messages of HL7."""
    intake = Intake(site.database, site.queue, Timing(quiet=timedelta(hours=1)), Allowances())
    uids: list[str] = []

    def first() -> None:
        uids.append(f"2.25.{uuid.uuid4().int}")
        intake.record(incoming(site, uids[-1]))

    def next_one() -> None:
        intake.record(incoming(site, uids.pop()))

    def message(kind: str, work: Callable[[Books], MessageOutcome]) -> object:
        arrived = ArrivedMessage(sender="RIS", control_id=uuid.uuid4().hex, sha256=uuid.uuid4().hex * 2, kind=kind)
        return carry_out(site.database, site.queue, arrived, Rules(), work, at=utc_now())

    return (
        Operation("ingest", "the first image of a study", first, 400),
        Operation("ingest", "the next image", next_one, 400),
        Operation("messages", "a final report (ORU)", lambda: message("ORU^R01", lambda books: _read(site, books)), 50),
        Operation("messages", "an order (ORM)", lambda: message("ORM^O01", lambda books: _ordered(site, books)), 50),
        Operation("messages", "a patient (ADT)", lambda: message("ADT^A08", lambda books: _corrected(site, books)), 50),
    )


def everything(site: Site, claims: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Return all operations: what reads first."""
    return (*looking(site), *ticking(site), *claims, *receiving(site))


_ACCEPTED = MessageOutcome(answer="AA", error_code=None, detail="")


def _about(site: Site) -> About:
    number = site.any_study()
    identifiers = (Identifier(site.patient_id(number)),)
    return About(
        study_instance_uid="",
        accession_number=site.accession_number(number),
        identifiers=identifiers,
        patient_name="",
    )


def _read(site: Site, books: Books) -> MessageOutcome:
    books.take_off(_about(site), how="reported (ORU^R01)")
    return _ACCEPTED


def _ordered(site: Site, books: Books) -> MessageOutcome:
    books.take_order(_about(site), Priority.ROUTINE, cancelled=False)
    return _ACCEPTED


def _corrected(site: Site, books: Books) -> MessageOutcome:
    patient_id = site.patient_id(site.any_study())
    said = Demographics(patient_name=f"Family{patient_id[1:]}^Given")
    books.correction.update_patient((Identifier(patient_id),), said)
    return _ACCEPTED


def incoming(site: Site, study_instance_uid: str) -> IncomingInstance:
    """Return an image of a study, of some patient."""
    number = site.any_study()
    return IncomingInstance(
        study_instance_uid=study_instance_uid,
        series_instance_uid=f"{study_instance_uid}.1",
        sop_instance_uid=f"2.25.{uuid.uuid4().int}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sha256=uuid.uuid4().hex * 2,
        path=f"ab/{uuid.uuid4().hex * 2}.dcm",
        size=8_200_000,
        candidate=True,
        is_image=True,
        device_uids=(),
        order_priority=Priority.ROUTINE,
        calling_ae_title="XRAY1",
        received_at=utc_now(),
        patient_id=f"N{study_instance_uid[-6:]}",
        issuer_of_patient_id="",
        patient_name="Doe^Jane",
        patient_birth_date="19700101",
        patient_sex="F",
        patient_age="",
        accession_number=f"N{number}-{study_instance_uid[-6:]}",
        study_date=utc_now().strftime("%Y%m%d"),
        study_time="101500",
        study_description="CHEST PA",
        attributes=InstanceAttributes(modality="DX", body_part_examined="CHEST"),
        association_id=study_instance_uid[-32:],
    )
