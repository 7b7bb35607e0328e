"""The first line: an Instance becomes a synced file and a synced row, and only then is answered 0x0000."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

import structlog

from agent.forwarding.fields import facts_of
from agent.forwarding.router import Router
from agent.line.described import instance_attributes, plain_date
from agent.watch.associations import AssociationBook
from agent.watch.probes import Probes, is_probe
from db.arrival import note_association_ended
from db.closing import Timing
from db.database import Database
from db.errors import DatabaseError
from db.forwarding import Forward
from db.group_commit import Intake
from db.intake import IncomingInstance
from db.priority import Allowances, Standing, ordered
from db.queue import Queue
from db.roles import NO_WORK
from dicom_io.errors import HeaderError, StoreError, TooLargeError, UidError
from dicom_io.header import Header, check_uid, is_candidate, read_header
from dicom_io.negotiation import is_storage
from dicom_io.rejection import KEY_OBJECT_SELECTION, read_rejection_note
from dicom_io.scp import AssociationSummary, ReceivedInstance
from dicom_io.statuses import CANNOT_UNDERSTAND, DATA_SET_DOES_NOT_MATCH, OUT_OF_RESOURCES, SUCCESS, TOO_LARGE
from dicom_io.store import Store, StoredFile

log = structlog.get_logger(__name__)
_plain_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveSettings:
    """How arrival turns into studies: see config.toml [complete], [priority] and [store]."""

    timing: Timing
    allowances: Allowances
    asks_orders: bool = False
    standing: Standing = field(default_factory=Standing)
    """What the studies of senders without one of their own stand for."""
    standings: Mapping[str, Standing] = field(default_factory=dict)
    """That of the others, by AE title."""
    rejecters: frozenset[str] | None = frozenset()
    """AE titles whose rejection notes are heeded; None: whoever may store is known."""


@dataclass(slots=True)
class Receiver:
    """The sink of the Storage SCP. Called from many threads at once."""

    database: Database
    queue: Queue
    store: Store
    settings: ReceiveSettings
    clock: Callable[[], datetime]
    router: Router = field(default_factory=Router)
    as_priors: bool = False  # what comes is kept for comparison, and makes no work
    _intake: Intake = field(init=False)
    _probes: Probes = field(default_factory=Probes)
    _book: AssociationBook = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # The studies (UIDs) that each open association is on record for: a cache that saves a statement for each Instance.
    _brought: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make what commits the rows."""
        self._book = AssociationBook(self.database, self.clock)
        self._intake = Intake(self.database, self.queue, self.settings.timing, self.settings.allowances)

    def received(self, instance: ReceivedInstance) -> int:
        """Store one Instance; return the C-STORE status. 0x0000 means that file and row have been synced to disk."""
        identifiers = {
            "association_id": instance.association_id,
            "calling_ae_title": instance.calling_ae_title,
            "sop_class_uid": _identifier(instance.affected_sop_class_uid),
            "sop_instance_uid": _identifier(instance.affected_sop_instance_uid),
        }
        try:
            return self._take(instance)
        except HeaderError as error:
            log.warning("instance_refused", status="C000", reason=str(error), **identifiers)
            return CANNOT_UNDERSTAND
        except TooLargeError as error:
            log.warning("instance_refused", status="A701", reason=str(error), **identifiers)
            return TOO_LARGE
        except (StoreError, DatabaseError) as error:
            log.error(  # noqa: TRY400 - the reason says it; a traceback helps nobody here
                "instance_refused", status="A700", reason=str(error), **identifiers
            )
            return OUT_OF_RESOURCES

    def association_ended(self, summary: AssociationSummary) -> None:
        """Let the studies of a released association close soon, unless another open association brings them too."""
        with self._lock:
            brought = self._brought.pop(summary.association_id, None)
        in_vain = is_probe(summary)
        lines = self._probes.note(summary, self.clock()) if in_vain else self._probes.due(self.clock())
        for line in lines:
            log.info("connections_in_vain", **asdict(line))
        if summary.how == "rejected":
            self._book.refused(summary)
        if in_vain:
            return
        log.info(
            "association",
            association_id=summary.association_id,
            calling_ae_title=summary.calling_ae_title,
            called_ae_title=summary.called_ae_title,
            peer_address=summary.peer_address,
            how=summary.how,
            stored=summary.stored,
            refused=summary.refused,
            bytes=summary.bytes,
            seconds=round((summary.closed_at - summary.opened_at).total_seconds(), 3),
            studies=len(brought or ()),
            trouble=summary.trouble,
        )
        if brought is not None:
            self._let_close(summary)
        self._book.ended(summary)

    def _let_close(self, summary: AssociationSummary) -> None:
        timing = self.settings.timing
        # One that broke off says nothing of the study's end: its peer comes again, and until then it is to be quiet.
        closes_at = self.clock() + (timing.after_release if summary.how == "released" else timing.quiet)
        try:
            note_association_ended(self.database, summary.association_id, closes_at=closes_at)
        except DatabaseError as error:  # the quiet time-out still closes them
            log.warning("association_end_not_recorded", association_id=summary.association_id, reason=str(error))

    def _take(self, instance: ReceivedInstance) -> int:
        with instance.spool.open_file() as file:
            header = read_header(file)
        affected = (instance.affected_sop_class_uid, instance.affected_sop_instance_uid)
        if affected != (header.sop_class_uid, header.sop_instance_uid):
            log.warning(
                "instance_refused",
                status="A900",
                reason="the command and the data set name different Instances",
                association_id=instance.association_id,
                calling_ae_title=instance.calling_ae_title,
            )
            return DATA_SET_DOES_NOT_MATCH
        stored = self.store.keep(instance.spool)
        with self._lock:
            brought = self._brought.setdefault(instance.association_id, set())
        standing = self.settings.standings.get(instance.calling_ae_title.strip(), self.settings.standing)
        incoming = _incoming(header, stored, instance, self.clock(), self._forwards(header, instance), standing)
        if self.as_priors:
            incoming = replace(incoming, is_prior=True)
        elif header.sop_class_uid == KEY_OBJECT_SELECTION:
            incoming = replace(incoming, rejects=self._rejects(incoming))
        if header.study_instance_uid in brought:
            incoming = replace(incoming, association_id="")
        elif self.settings.asks_orders:
            incoming = replace(incoming, asks_order=True)
        recorded = self._intake.record(incoming)
        if recorded.again:
            self._look_again(stored)
        if recorded.role not in NO_WORK:
            brought.add(header.study_instance_uid)
        if _plain_log.isEnabledFor(logging.DEBUG):  # structlog would find out at the end of its work
            log.debug(
                "instance",
                association_id=instance.association_id,
                sop_instance_uid=header.sop_instance_uid,
                study_instance_uid=header.study_instance_uid,
                role=str(recorded.role),
                known=recorded.known,
            )
        return SUCCESS

    def _look_again(self, stored: StoredFile) -> None:
        """Make sure that a file is there whose deletion by retention may have met its coming again.

        It is read back from the store: another host's deletion leaves this one its copy, or what it remembers of it.
        """
        if not self.store.is_intact(stored.path, stored.sha256):
            message = "expected the file that was stored a moment ago. Received: retention was just deleting it"
            raise StoreError(message)

    def _rejects(self, incoming: IncomingInstance) -> bool:
        """Tell whether it is a rejection note that is to be heeded: it takes images back, so not everyone may."""
        try:
            with self.store.local(incoming.path) as path:
                note = read_rejection_note(path)
        except HeaderError:
            note = None
        if note is None:
            return False
        rejecters = self.settings.rejecters
        if rejecters is None or incoming.calling_ae_title.strip() in rejecters:
            return True
        log.warning(
            "rejection_note_refused",
            reason="it does not come from a listed peer",
            calling_ae_title=incoming.calling_ae_title,
            study_instance_uid=incoming.study_instance_uid,
            sop_instance_uid=incoming.sop_instance_uid,
        )
        return False

    def _forwards(self, header: Header, instance: ReceivedInstance) -> tuple[Forward, ...]:
        """Return where the Instance goes on to, by the rules of the site."""
        if not self.router.rules:
            return ()
        return self.router.forwards(
            facts_of(
                header,
                transfer_syntax_uid=instance.transfer_syntax_uid,
                calling_ae_title=instance.calling_ae_title,
                called_ae_title=instance.called_ae_title,
                peer_address=instance.peer_address,
            )
        )


def _identifier(affected_uid: str) -> str:
    """Return a UID that a peer sent if it is one: anything else is the peer's text, and could name a patient."""
    try:
        return check_uid(affected_uid)
    except UidError:
        return "not a UID"


def _incoming(
    header: Header,
    stored: StoredFile,
    instance: ReceivedInstance,
    at: datetime,
    forwards: tuple[Forward, ...],
    standing: Standing,
) -> IncomingInstance:
    return IncomingInstance(
        study_instance_uid=header.study_instance_uid,
        series_instance_uid=header.series_instance_uid,
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        sha256=stored.sha256,
        path=stored.path,
        size=stored.size,
        candidate=is_candidate(header),
        is_image=header.is_image,
        device_uids=header.device_uids,
        order_priority=ordered(header.requested_procedure_priority),
        calling_ae_title=instance.calling_ae_title,
        received_at=at,
        patient_id=header.patient_id,
        issuer_of_patient_id=header.issuer_of_patient_id,
        patient_name=header.patient_name,
        patient_birth_date=header.patient_birth_date,
        patient_sex=header.patient_sex,
        patient_age=header.patient_age,
        accession_number=header.accession_number,
        study_date=plain_date(header.study_date),
        study_time=header.study_time,
        study_description=header.study_description,
        study_id=header.study_id,
        referring_physician_name=header.referring_physician_name,
        attributes=instance_attributes(header),
        association_id=instance.association_id,
        peer_address=instance.peer_address,
        performed_step_uid=header.performed_step_uid,
        misread_text=header.misread_text,
        unknown_class=not is_storage(header.sop_class_uid),
        forwards=forwards,
        standing=standing,
    )
