"""The codes of audit messages: PS3.16 CID 400 (events), CID 401 (types), CID 402 (roles), and PS3.15 A.5.1.2."""

from typing import Final, NamedTuple

from db.audit_terms import EventId, EventType


class Code(NamedTuple):
    """A coded value: CodedValueType of PS3.15 A.5.1."""

    value: str
    system: str
    meaning: str


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


EVENTS: Final = {
    EventId.APPLICATION_ACTIVITY: _dcm("110100", "Application Activity"),
    EventId.AUDIT_LOG_USED: _dcm("110101", "Audit Log Used"),
    EventId.INSTANCES_ACCESSED: _dcm("110103", "DICOM Instances Accessed"),
    EventId.INSTANCES_TRANSFERRED: _dcm("110104", "DICOM Instances Transferred"),
    EventId.STUDY_DELETED: _dcm("110105", "DICOM Study Deleted"),
    EventId.EXPORT: _dcm("110106", "Export"),
    EventId.NETWORK_ENTRY: _dcm("110108", "Network Entry"),
    EventId.ORDER_RECORD: _dcm("110109", "Order Record"),
    EventId.PATIENT_RECORD: _dcm("110110", "Patient Record"),
    EventId.PROCEDURE_RECORD: _dcm("110111", "Procedure Record"),
    EventId.QUERY: _dcm("110112", "Query"),
    EventId.SECURITY_ALERT: _dcm("110113", "Security Alert"),
    EventId.USER_AUTHENTICATION: _dcm("110114", "User Authentication"),
}

TYPES: Final = {
    EventType.APPLICATION_START: _dcm("110120", "Application Start"),
    EventType.APPLICATION_STOP: _dcm("110121", "Application Stop"),
    EventType.LOGIN: _dcm("110122", "Login"),
    EventType.LOGOUT: _dcm("110123", "Logout"),
    EventType.NODE_AUTHENTICATION: _dcm("110126", "Node Authentication"),
    EventType.NETWORK_CONFIGURATION: _dcm("110128", "Network Configuration"),
    EventType.SECURITY_CONFIGURATION: _dcm("110129", "Security Configuration"),
    EventType.SOFTWARE_CONFIGURATION: _dcm("110131", "Software Configuration"),
    EventType.USE_OF_RESTRICTED_FUNCTION: _dcm("110132", "Use of Restricted Function"),
    EventType.AUDIT_RECORDING_STOPPED: _dcm("110133", "Audit Recording Stopped"),
    EventType.AUDIT_RECORDING_STARTED: _dcm("110134", "Audit Recording Started"),
    EventType.SECURITY_ROLES_CHANGED: _dcm("110136", "Security Roles Changed"),
    EventType.USER_ATTRIBUTES_CHANGED: _dcm("110137", "User Security Attributes Changed"),
}

APPLICATION: Final = _dcm("110150", "Application")
DESTINATION: Final = _dcm("110152", "Destination Role ID")
SOURCE: Final = _dcm("110153", "Source Role ID")

STUDY_INSTANCE_UID: Final = _dcm("110180", "Study Instance UID")
PATIENT_NUMBER: Final = Code("2", "RFC-3881", "Patient Number")
URI: Final = Code("12", "RFC-3881", "URI")

APPLICATION_SERVER: Final = "4"
"""AuditSourceTypeCode: an application server process (A.5.1.2.1)."""
