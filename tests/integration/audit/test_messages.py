"""Audit messages are what the schema of PS3.15 A.5.1 says, whatever happened and whatever stands in it."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from agent.audit.message import Reporter, audit_message
from db.audit import THE_AGENT, AuditEvent, Who
from db.audit_terms import EventAction, EventId, EventOutcome, EventType

NOW = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)
SCHEMA = etree.RelaxNG(etree.parse(str(Path(__file__).parent / "audit_message.rng")))
REPORTER = Reporter("Tibabu", "General Hospital", "triage-1")
ADA = Who("ada", "reader", "10.0.0.7")


def parsed(event: AuditEvent, reporter: Reporter = REPORTER) -> etree._Element:
    found = etree.fromstring(audit_message(event, reporter))
    SCHEMA.assertValid(found)
    return found


def participants(root: etree._Element) -> list[tuple[str, str, list[str]]]:
    return [
        (
            one.get("UserID"),
            one.get("UserIsRequestor"),
            [role.get("originalText") for role in one.findall("RoleIDCode")],
        )
        for one in root.findall("ActiveParticipant")
    ]


@pytest.mark.parametrize("event", EventId)
def test_every_event_is_a_message_of_the_schema_with_or_without_study_and_for_all_who_may_act(event: EventId) -> None:
    types = itertools.cycle(EventType)
    for action, outcome, who, uid in itertools.product(EventAction, EventOutcome, (ADA, THE_AGENT), ("", "2.25.1")):
        parsed(
            AuditEvent(
                event=event,
                type=next(types),
                action=action,
                outcome=outcome,
                who=who,
                at=NOW,
                study_instance_uid=uid,
                patient_id=uid and "P1",
                detail="what exactly",
                counterpart="PACS",
            )
        )


def test_the_schema_refuses_what_is_no_audit_message() -> None:
    root = parsed(AuditEvent(event=EventId.QUERY, action=EventAction.EXECUTE, who=ADA, at=NOW))
    root.find("EventIdentification").set("EventOutcomeIndicator", "1")
    assert not SCHEMA.validate(root)


def test_a_view_says_who_saw_which_study_of_which_patient_from_where() -> None:
    root = parsed(
        AuditEvent(
            event=EventId.INSTANCES_ACCESSED,
            action=EventAction.READ,
            who=ADA,
            at=NOW,
            study_instance_uid="2.25.1",
            patient_id="P1",
        )
    )
    event = root.find("EventIdentification")
    assert (event.get("EventDateTime"), event.get("EventActionCode")) == ("2026-03-01T08:30:00.123+00:00", "R")
    assert event.find("EventID").get("csd-code") == "110103"
    assert participants(root) == [("ada", "true", []), ("Tibabu", "false", ["Application"])]
    assert root.find("ActiveParticipant").get("NetworkAccessPointID") == "10.0.0.7"
    assert root.find("ActiveParticipant").get("NetworkAccessPointTypeCode") == "2"
    assert [one.get("ParticipantObjectID") for one in root.findall("ParticipantObjectIdentification")] == [
        "2.25.1",
        "P1",
    ]
    assert root.find("AuditSourceIdentification").get("AuditEnterpriseSiteID") == "General Hospital"


def test_a_transfer_says_which_end_is_the_source_and_which_the_destination() -> None:
    came = AuditEvent(
        event=EventId.INSTANCES_TRANSFERRED,
        action=EventAction.CREATE,
        who=Who("CR-ROOM-1", source="10.0.0.9"),
        at=NOW,
        study_instance_uid="2.25.1",
    )
    assert participants(parsed(came)) == [
        ("CR-ROOM-1", "true", ["Source Role ID"]),
        ("Tibabu", "false", ["Application", "Destination Role ID"]),
    ]
    went = AuditEvent(
        event=EventId.INSTANCES_TRANSFERRED, action=EventAction.READ, who=THE_AGENT, at=NOW, counterpart="PACS"
    )
    assert participants(parsed(went)) == [
        ("agent", "true", ["Application", "Source Role ID"]),
        ("PACS", "false", ["Destination Role ID"]),
    ]


@given(st.text(), st.text(), st.text())
def test_whatever_stands_in_an_event_its_message_is_one_line_of_the_schema(
    name: str, patient: str, detail: str
) -> None:
    event = AuditEvent(
        event=EventId.QUERY,
        action=EventAction.EXECUTE,
        who=Who(name, source=name),
        at=NOW,
        study_instance_uid="2.25.1",
        patient_id=patient,
        detail=detail,
        counterpart=detail,
    )
    message = audit_message(event, REPORTER)
    assert b"\n" not in message
    SCHEMA.assertValid(etree.fromstring(message))
