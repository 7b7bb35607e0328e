"""Every DIMSE status that this agent answers or knows, each under one name.

PS3.7 annex C has those of all services; PS3.4 those of Storage (B.2.3), Query/Retrieve (C.4), Modality Performed
Procedure Step (F.7.2.2), Storage Commitment (J.3.2.1.4) and Unified Procedure Step (CC.2).
"""

from typing import Final

SUCCESS: Final = 0x0000
OPTIONAL_ATTRIBUTES_NOT_SUPPORTED: Final = 0x0001
INVALID_ATTRIBUTE_VALUE: Final = 0x0106
ATTRIBUTE_LIST_ERROR: Final = 0x0107
PROCESSING_FAILURE: Final = 0x0110
DUPLICATE_SOP_INSTANCE: Final = 0x0111
NO_SUCH_SOP_INSTANCE: Final = 0x0112
NO_SUCH_EVENT_TYPE: Final = 0x0113
NO_SUCH_ARGUMENT: Final = 0x0114
INVALID_ARGUMENT: Final = 0x0115
VALUE_OUT_OF_RANGE: Final = 0x0116
INVALID_SOP_INSTANCE: Final = 0x0117
NO_SUCH_SOP_CLASS: Final = 0x0118
CLASS_INSTANCE_CONFLICT: Final = 0x0119
MISSING_ATTRIBUTE: Final = 0x0120
MISSING_ATTRIBUTE_VALUE: Final = 0x0121
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
NO_SUCH_ACTION_TYPE: Final = 0x0123
NOT_AUTHORISED: Final = 0x0124
UNRECOGNISED_OPERATION: Final = 0x0211
MISTYPED_ARGUMENT: Final = 0x0212
RESOURCE_LIMITATION: Final = 0x0213
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_COUNT: Final = 0xA701
TOO_LARGE: Final = 0xA701
CANNOT_SEND: Final = 0xA702
MAY_NO_LONGER_BE_UPDATED: Final = 0xA710
MOVE_DESTINATION_UNKNOWN: Final = 0xA801
DATA_SET_DOES_NOT_MATCH: Final = 0xA900
COERCED: Final = 0xB000
SUBOPERATIONS_FAILED: Final = 0xB000
ELEMENTS_DISCARDED: Final = 0xB006
CLASS_DOES_NOT_FIT: Final = 0xB007
MADE_WITH_CHANGES: Final = 0xB300
LOCK_NOT_GRANTED: Final = 0xB301
ALREADY_CANCELED: Final = 0xB304
VALUES_COERCED: Final = 0xB305
ALREADY_COMPLETED: Final = 0xB306
CANNOT_UNDERSTAND: Final = 0xC000
UNEXPECTED: Final = 0xC0FF
STEP_IS_FINAL: Final = 0xC300
WRONG_TRANSACTION_UID: Final = 0xC301
ALREADY_IN_PROGRESS: Final = 0xC302
SCHEDULED_BY_CREATION_ONLY: Final = 0xC303
FINAL_STATE_NOT_MET: Final = 0xC304
NO_SUCH_STEP: Final = 0xC307
RECEIVING_AE_UNKNOWN: Final = 0xC308
NOT_IN_PROGRESS: Final = 0xC310
STEP_IS_COMPLETED: Final = 0xC311
PERFORMER_UNREACHABLE: Final = 0xC312
PERFORMER_GOES_ON: Final = 0xC313
ACTION_NOT_APPROPRIATE: Final = 0xC314
NO_EVENT_REPORTS: Final = 0xC315
CANCELLED: Final = 0xFE00
PENDING: Final = 0xFF00
PENDING_WITHOUT_SOME_KEYS: Final = 0xFF01

STORED_WITH_WARNING: Final = frozenset({COERCED, ELEMENTS_DISCARDED, CLASS_DOES_NOT_FIT})
"""Warnings of C-STORE: the peer has the object all the same (PS3.4 table B.2-1)."""
MATCHES: Final = frozenset({PENDING, PENDING_WITHOUT_SOME_KEYS})
"""Statuses of C-FIND that come with a match (PS3.4 table C.4-1)."""

MEANINGS: Final = {
    SUCCESS: "Success",
    OPTIONAL_ATTRIBUTES_NOT_SUPPORTED: "Warning: requested optional attributes are not supported",
    INVALID_ATTRIBUTE_VALUE: "Invalid attribute value",
    ATTRIBUTE_LIST_ERROR: "Warning: attribute list error",
    PROCESSING_FAILURE: "Processing failure",
    DUPLICATE_SOP_INSTANCE: "Duplicate SOP Instance",
    NO_SUCH_SOP_INSTANCE: "No such SOP Instance",
    NO_SUCH_EVENT_TYPE: "No such event type",
    NO_SUCH_ARGUMENT: "No such argument",
    INVALID_ARGUMENT: "Invalid argument value",
    VALUE_OUT_OF_RANGE: "Warning: attribute value out of range",
    INVALID_SOP_INSTANCE: "Invalid SOP Instance",
    NO_SUCH_SOP_CLASS: "No such SOP Class",
    CLASS_INSTANCE_CONFLICT: "Class/instance conflict",
    MISSING_ATTRIBUTE: "Missing attribute",
    MISSING_ATTRIBUTE_VALUE: "Missing attribute value",
    SOP_CLASS_NOT_SUPPORTED: "SOP Class not supported",
    NO_SUCH_ACTION_TYPE: "No such action type",
    NOT_AUTHORISED: "Not authorised",
    UNRECOGNISED_OPERATION: "Unrecognised operation",
    MISTYPED_ARGUMENT: "Mistyped argument",
    RESOURCE_LIMITATION: "Resource limitation",
    OUT_OF_RESOURCES: "Refused: out of resources",
    TOO_LARGE: "Refused: out of resources (too large; cannot count the matches)",
    CANNOT_SEND: "Refused: out of resources, no sub-operation succeeded",
    MAY_NO_LONGER_BE_UPDATED: "Error ID of 0110: the step may no longer be updated",
    MOVE_DESTINATION_UNKNOWN: "Refused: move destination unknown",
    DATA_SET_DOES_NOT_MATCH: "Error: data set or Identifier does not match SOP Class",
    COERCED: "Warning: coercion of data elements; sub-operations failed",
    ELEMENTS_DISCARDED: "Warning: elements discarded",
    CLASS_DOES_NOT_FIT: "Warning: data set does not match SOP Class",
    MADE_WITH_CHANGES: "Warning: the UPS was created with modifications",
    LOCK_NOT_GRANTED: "Warning: deletion lock not granted",
    ALREADY_CANCELED: "Warning: the UPS is already in the requested state of CANCELED",
    VALUES_COERCED: "Warning: invalid values were coerced",
    ALREADY_COMPLETED: "Warning: the UPS is already in the requested state of COMPLETED",
    CANNOT_UNDERSTAND: "Error: cannot understand, unable to process",
    UNEXPECTED: "Error: cannot understand, an unexpected condition",
    STEP_IS_FINAL: "The UPS may no longer be updated",
    WRONG_TRANSACTION_UID: "The correct Transaction UID was not provided",
    ALREADY_IN_PROGRESS: "The UPS is already IN PROGRESS",
    SCHEDULED_BY_CREATION_ONLY: "The UPS may only become SCHEDULED via N-CREATE",
    FINAL_STATE_NOT_MET: "The UPS has not met final state requirements",
    NO_SUCH_STEP: "The UPS does not exist or is not managed by this SCP",
    RECEIVING_AE_UNKNOWN: "Receiving AE title is unknown to this SCP",
    NOT_IN_PROGRESS: "The UPS is not yet IN PROGRESS",
    STEP_IS_COMPLETED: "The UPS is already COMPLETED",
    PERFORMER_UNREACHABLE: "The performer cannot be contacted",
    PERFORMER_GOES_ON: "The performer chooses not to cancel",
    ACTION_NOT_APPROPRIATE: "The action is not appropriate for the specified instance",
    NO_EVENT_REPORTS: "The SCP does not support event reports",
    CANCELLED: "Cancel",
    PENDING: "Pending",
    PENDING_WITHOUT_SOME_KEYS: "Pending, optional keys not supported",
}
"""What each says; a code that two services use says both."""
