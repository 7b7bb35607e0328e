"""One event of the audit trail as an audit message: XML of the schema of PS3.15 A.5.1."""

import base64
import ipaddress
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element, SubElement

from agent.audit import codes
from agent.audit.codes import Code
from db.audit import AGENT, AuditEvent
from db.audit_terms import EventId

_MACHINE, _IP_ADDRESS = "1", "2"
_PERSON, _SYSTEM_OBJECT = "1", "2"
_PATIENT, _REPORT, _SECURITY_RESOURCE, _QUERY = "1", "3", "13", "24"
_ABOUT_SECURITY: Final = frozenset({EventId.AUDIT_LOG_USED, EventId.SECURITY_ALERT})
"""Events that have a security resource as their object (A.5.3.2, A.5.3.11)."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: this installation, where it is, and on which host."""

    source: str  # AuditSourceID
    site: str = ""  # AuditEnterpriseSiteID
    host: str = "localhost"


def audit_message(event: AuditEvent, reporter: Reporter) -> bytes:
    """Return the message, in UTF-8, on one line."""
    root = Element("AuditMessage")
    _event(root, event)
    _participants(root, event, reporter)
    site = {"AuditEnterpriseSiteID": reporter.site} if reporter.site else {}
    source = SubElement(root, "AuditSourceIdentification", site | {"AuditSourceID": reporter.source})
    SubElement(source, "AuditSourceTypeCode", {"csd-code": codes.APPLICATION_SERVER})
    _objects(root, event)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text.replace(b"\n", b"")


def _event(root: Element, event: AuditEvent) -> None:
    found = SubElement(
        root,
        "EventIdentification",
        {
            "EventActionCode": event.action.value,
            "EventDateTime": event.at.isoformat(timespec="milliseconds"),
            "EventOutcomeIndicator": str(event.outcome.value),
        },
    )
    _coded(found, "EventID", codes.EVENTS[event.event])
    if event.type is not None:
        _coded(found, "EventTypeCode", codes.TYPES[event.type])
    if event.detail:
        SubElement(found, "EventOutcomeDescription").text = _text(event.detail)


def _participants(root: Element, event: AuditEvent, reporter: Reporter) -> None:
    """Name who acts and the other end, and this installation as the application where neither is it."""
    transfers = event.event is EventId.INSTANCES_TRANSFERRED
    who = {"UserID": _text(event.who.name or AGENT), "UserIsRequestor": "true"}
    ours = event.who.name == AGENT
    roles = [codes.APPLICATION] if ours else []
    roles += [codes.SOURCE] if transfers else []
    _participant(root, who, roles, event.who.source or (reporter.host if ours else ""))
    if event.counterpart:
        other = {"UserID": _text(event.counterpart), "UserIsRequestor": "false"}
        _participant(root, other, [codes.DESTINATION], "")
    if not ours:
        own = {"UserID": _text(reporter.source), "UserIsRequestor": "false"}
        receives = transfers and not event.counterpart
        _participant(root, own, [codes.APPLICATION, *([codes.DESTINATION] if receives else [])], reporter.host)


def _participant(root: Element, attributes: dict[str, str], roles: list[Code], address: str) -> None:
    if address:
        attributes |= {"NetworkAccessPointID": _text(address), "NetworkAccessPointTypeCode": _kind(address)}
    found = SubElement(root, "ActiveParticipant", attributes)
    for role in roles:
        _coded(found, "RoleIDCode", role)


def _kind(address: str) -> str:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return _MACHINE
    return _IP_ADDRESS


def _objects(root: Element, event: AuditEvent) -> None:
    if event.event in _ABOUT_SECURITY:
        found = _object(root, "audit trail", codes.URI, _SYSTEM_OBJECT, _SECURITY_RESOURCE)
        SubElement(found, "ParticipantObjectName").text = "Security Audit Log"
    if event.event is EventId.QUERY:
        found = _object(root, event.detail or "query", codes.URI, _SYSTEM_OBJECT, _QUERY)
        SubElement(found, "ParticipantObjectQuery").text = base64.b64encode(
            event.detail.encode(errors="replace")
        ).decode()
    if event.study_instance_uid:
        uid = event.study_instance_uid
        found = _object(root, uid, codes.STUDY_INSTANCE_UID, _SYSTEM_OBJECT, _REPORT)
        SubElement(found, "ParticipantObjectName").text = "Study"
    if event.patient_id:
        found = _object(root, event.patient_id, codes.PATIENT_NUMBER, _PERSON, _PATIENT)
        SubElement(found, "ParticipantObjectName").text = ""  # names are kept with the studies alone


def _object(root: Element, identifier: str, code: Code, kind: str, role: str) -> Element:
    found = SubElement(
        root,
        "ParticipantObjectIdentification",
        {
            "ParticipantObjectID": _text(identifier),
            "ParticipantObjectTypeCode": kind,
            "ParticipantObjectTypeCodeRole": role,
        },
    )
    _coded(found, "ParticipantObjectIDTypeCode", code)
    return found


def _coded(parent: Element, name: str, code: Code) -> None:
    SubElement(parent, name, {"csd-code": code.value, "codeSystemName": code.system, "originalText": code.meaning})


def _text(value: str) -> str:
    """Return text that XML can carry (XML 1.0 section 2.2): what it cannot is shown as a replacement character."""
    return "".join(letter if _is_xml(ord(letter)) else "\ufffd" for letter in value)


def _is_xml(code: int) -> bool:
    return code >= 0x20 and not 0xD800 <= code <= 0xDFFF and code not in {0xFFFE, 0xFFFF}  # noqa: PLR2004 - XML's
