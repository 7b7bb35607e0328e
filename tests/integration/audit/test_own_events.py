"""What the product itself does stands in the audit trail: who sent which study, who got reports, who was refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.line.receive import Receiver, ReceiveSettings
from db.audit_search import AuditQuery, search
from db.audit_terms import EventId, EventOutcome, EventType
from db.closing import Timing
from db.database import Database
from db.outcome import Outcome
from db.priority import Allowances
from db.queue import open_queue
from dicom_io.folder_store import FolderStore
from dicom_io.received import AssociationSummary

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture
def ledger(database: Database, make_ledger: Callable[..., Any]) -> Any:
    return make_ledger(database, open_queue(database))


def test_who_sent_a_study_and_who_got_its_report_are_on_record_with_the_patient(ledger: Any) -> None:
    said = {"patient_id": "P1", "association_id": "a" * 32, "peer_address": "10.0.0.9"}
    image = ledger.receive("2.25.1", at=NOW, **said)
    ledger.score(image, Outcome.NOT_FLAGGED, at=NOW, probability=0.1)
    ledger.conclude(image.study_id, at=NOW + timedelta(minutes=1))
    ledger.deliver("2.25.1", at=NOW + timedelta(minutes=2))
    sent, came = search(ledger.database, AuditQuery(event=EventId.INSTANCES_TRANSFERRED)).rows
    assert (came.event.who.name, came.event.who.source, came.event.counterpart) == ("CR-ROOM-1", "10.0.0.9", "")
    assert (sent.event.who.name, sent.event.counterpart) == ("agent", "PACS")
    assert {(one.event.study_instance_uid, one.event.patient_id) for one in (sent, came)} == {("2.25.1", "P1")}


def test_a_refused_association_is_on_record_once_however_often_the_caller_comes(
    sqlite_database: Database, tmp_path: Path
) -> None:
    receiver = Receiver(
        sqlite_database,
        open_queue(sqlite_database),
        FolderStore(tmp_path / "store"),
        ReceiveSettings(timing=Timing(), allowances=Allowances()),
        lambda: NOW,
    )
    for number in range(3):
        summary = AssociationSummary(
            association_id=f"{number:032x}",
            calling_ae_title="STRANGER",
            called_ae_title="TIBABU",
            peer_address="10.6.6.6",
            opened_at=NOW,
            closed_at=NOW,
            how="rejected",
            stored=0,
            refused=0,
            bytes=0,
        )
        receiver.association_ended(summary)
    (row,) = search(sqlite_database, AuditQuery()).rows
    assert (row.event.event, row.event.type) == (EventId.SECURITY_ALERT, EventType.NODE_AUTHENTICATION)
    assert (row.event.who.name, row.event.who.source) == ("STRANGER", "10.6.6.6")
    assert row.event.outcome is EventOutcome.MINOR_FAILURE
