"""The words of the audit trail: those of DICOM's audit messages (PS3.15 A.5), under names that are kept in rows."""

from enum import IntEnum, StrEnum


class EventId(StrEnum):
    """What happened: EventID (PS3.16 CID 400)."""

    APPLICATION_ACTIVITY = "application_activity"
    AUDIT_LOG_USED = "audit_log_used"
    INSTANCES_ACCESSED = "instances_accessed"
    INSTANCES_TRANSFERRED = "instances_transferred"
    STUDY_DELETED = "study_deleted"
    EXPORT = "export"
    NETWORK_ENTRY = "network_entry"
    ORDER_RECORD = "order_record"
    PATIENT_RECORD = "patient_record"
    PROCEDURE_RECORD = "procedure_record"
    QUERY = "query"
    SECURITY_ALERT = "security_alert"
    USER_AUTHENTICATION = "user_authentication"


class EventType(StrEnum):
    """More exactly what happened: EventTypeCode (PS3.16 CID 401)."""

    APPLICATION_START = "application_start"
    APPLICATION_STOP = "application_stop"
    LOGIN = "login"
    LOGOUT = "logout"
    NODE_AUTHENTICATION = "node_authentication"
    NETWORK_CONFIGURATION = "network_configuration"
    SECURITY_CONFIGURATION = "security_configuration"
    SOFTWARE_CONFIGURATION = "software_configuration"
    USE_OF_RESTRICTED_FUNCTION = "use_of_restricted_function"
    AUDIT_RECORDING_STARTED = "audit_recording_started"
    AUDIT_RECORDING_STOPPED = "audit_recording_stopped"
    SECURITY_ROLES_CHANGED = "security_roles_changed"
    USER_ATTRIBUTES_CHANGED = "user_attributes_changed"


class EventAction(StrEnum):
    """What was done to it: EventActionCode."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


class EventOutcome(IntEnum):
    """How it went: EventOutcomeIndicator."""

    SUCCESS = 0
    MINOR_FAILURE = 4  # the action was refused, as for a wrong password
    SERIOUS_FAILURE = 8
    MAJOR_FAILURE = 12  # what was acted on is not available any more
