"""What an agent does all day, each thing by the function that does it: what growth.py measures and explains."""

import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from string import ascii_lowercase

from growth_looking import looking
from growth_site import Operation, Site

from agent.line.complete import Completer
from db import kinds
from db.addressed import About
from db.alerts import Rules as AlertRules
from db.alerts import claim_alerts
from db.attributes import InstanceAttributes
from db.closing import Timing
from db.group_commit import Intake
from db.incoming import IncomingInstance
from db.messages import ArrivedMessage, Books, MessageOutcome, Rules, carry_out
from db.patient_match import Demographics, Identifier
from db.priority import Allowances, Priority
from db.queue import Done, utc_now
from db.queue.changes import ChangeCounter
from db.queue.policy import Policy
from db.queue.runner import Worker
from db.search_index import take_apart

PATIENCE = timedelta(minutes=30)


def ticking(site: Site) -> tuple[Operation, ...]:
    """Return what is done every few seconds, where there is nothing to do."""
    completer = Completer(site.database, site.queue, Allowances(), utc_now)
    rules = AlertRules(channels=(), patience={"pacs": PATIENCE, "ris": None}, after=PATIENCE, repeat=PATIENCE)
    ticks = {"close": completer.close, "reap": completer.reap, "heal": completer.heal, "tidy": completer.tidy}
    named = {
        **ticks,
        "words": partial(take_apart, site.database),
        "alert": lambda: claim_alerts(site.database, rules, now=utc_now()),
    }
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

    def first(patient_name: str = "Doe^Jane") -> None:
        uids.append(f"2.25.{uuid.uuid4().int}")
        intake.record(incoming(site, uids[-1], patient_name))

    def next_one() -> None:
        intake.record(incoming(site, uids.pop()))

    def message(kind: str, work: Callable[[Books], MessageOutcome]) -> object:
        arrived = ArrivedMessage(sender="RIS", control_id=uuid.uuid4().hex, sha256=uuid.uuid4().hex * 2, kind=kind)
        return carry_out(site.database, site.queue, arrived, Rules(), work, at=utc_now())

    return (
        Operation("ingest", "the first image of a study", first, 400),
        Operation("ingest", "the next image", next_one, 400),
        Operation("ingest", "the first, of new names", lambda: first(f"{_letters(10)}^{_letters(8)}"), 400),
        Operation("ingest", "the first, of a pseudonym", lambda: first(_letters(25)), 400),
        Operation("messages", "a final report (ORU)", lambda: message("ORU^R01", lambda books: _read(site, books)), 50),
        Operation("messages", "an order (ORM)", lambda: message("ORM^O01", lambda books: _ordered(site, books)), 50),
        Operation("messages", "a patient (ADT)", lambda: message("ADT^A08", lambda books: _corrected(site, books)), 50),
    )


def everything(site: Site, claims: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Return all operations: what reads first."""
    return (*looking(site), *ticking(site), *claims, *receiving(site))


def _letters(number: int) -> str:
    return "".join(random.choices(ascii_lowercase, k=number))  # noqa: S311 - a name that nobody has


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


def incoming(site: Site, study_instance_uid: str, patient_name: str = "Doe^Jane") -> IncomingInstance:
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
        patient_name=patient_name,
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
