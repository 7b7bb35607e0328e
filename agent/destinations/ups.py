"""A worklist manager such as a RIS, by UPS Push (PS3.4 annex CC): a task for each study that is to be read.

The first version of a task is made (N-CREATE). A later one changes it as long as nobody holds it (N-SET); of one
that is no longer to be done the cancellation is requested. What somebody reads, or has read, is left to that one.
"""

import json
from typing import Any, Final, Literal

from pydantic import Field

from agent.config.dimse import CalledOverDimse
from agent.destinations import NAME, DestinationSettings, Outgoing
from agent.errors import DeliveryError, DestinationDownError
from agent.line.statuses import of_dimse, refusal
from dicom_io.errors import NetworkError
from dicom_io.json_message import Model, text_of
from dicom_io.scu import echo
from dicom_io.statuses import (
    ALREADY_CANCELED,
    ATTRIBUTE_LIST_ERROR,
    DUPLICATE_SOP_INSTANCE,
    MADE_WITH_CHANGES,
    MEANINGS,
    NO_SUCH_STEP,
    NOT_IN_PROGRESS,
    OPTIONAL_ATTRIBUTES_NOT_SUPPORTED,
    STEP_IS_COMPLETED,
    STEP_IS_FINAL,
    SUCCESS,
    VALUE_OUT_OF_RANGE,
    VALUES_COERCED,
    WRONG_TRANSACTION_UID,
)
from dicom_io.ups_scu import UpsManager

MEDIA_TYPES: Final = frozenset({"application/dicom+json"})

_SOP_INSTANCE_UID: Final = "00080018"
_STATE: Final = "00741000"
_NOT_IN_CREATE: Final = frozenset({"00080005", "00080016", _SOP_INSTANCE_UID, "00404010"})
"""What the command says, or the worklist manager (PS3.4 table CC.2.5-3)."""
_IN_SET: Final = frozenset(
    {"00400400", "00404005", "00404011", "00404021", "00404041", "00741200", "00741202", "00741204"}
)
"""What may be changed of a SCHEDULED task (the same table): when, how urgent, what is to be read."""
_TRANSACTION_UID: Final = {"00081195": {"vr": "UI"}}
_WARNINGS: Final = frozenset(
    {
        OPTIONAL_ATTRIBUTES_NOT_SUPPORTED,
        ATTRIBUTE_LIST_ERROR,
        VALUE_OUT_OF_RANGE,
        MADE_WITH_CHANGES,
        VALUES_COERCED,
    }
)
"""Made or changed, if not all as it was asked."""
_LEFT_TO_ITS_READER: Final = frozenset({STEP_IS_FINAL, WRONG_TRANSACTION_UID, NOT_IN_PROGRESS})
_IS_OVER: Final = frozenset({SUCCESS, ALREADY_CANCELED, STEP_IS_COMPLETED, NO_SUCH_STEP})


class Settings(CalledOverDimse, DestinationSettings):
    """A UPS SCP."""

    name: str = Field(examples=["worklist"], pattern=NAME, description="Its name in the ledger and on the pages.")
    type: Literal["ups"] = Field(examples=["ups"], description="A UPS SCP such as a RIS: it gets tasks to read.")
    reports: tuple[str, ...] = Field(
        default=("workitem",), description="Which reports it gets: those of the type workitem."
    )


class Destination:
    """Tells each task over an association of its own."""

    def __init__(self, settings: Settings, calling_ae_title: str) -> None:
        """Keep the peer's address and our AE title; nothing is connected yet."""
        self._peer, self._timeouts = settings.peer, settings.timeouts
        self._calling_ae_title = calling_ae_title

    def send(self, outgoing: Outgoing) -> str:
        """Make, change or cancel the task; return the status. Raises DeliveryError if the peer does not have it."""
        *replaced, model = json.loads(outgoing.data)
        _, version, *_ = (*outgoing.identifier.split("/"), "1")
        manager = UpsManager(self._peer, calling_ae_title=self._calling_ae_title, timeouts=self._timeouts)
        try:
            with manager:
                for one in replaced:
                    self._tell(manager, one, is_first=False)
                return self._tell(manager, model, is_first=version == "1")
        except NetworkError as error:
            raise DestinationDownError(str(error), sent=manager.has_begun) from None

    def ping(self) -> None:
        """Ask with C-ECHO whether the peer is there. Raises DeliveryError if it is not."""
        try:
            echo(self._peer, calling_ae_title=self._calling_ae_title, timeouts=self._timeouts)
        except NetworkError as error:
            raise DestinationDownError(str(error)) from None

    def _tell(self, manager: UpsManager, model: Model, *, is_first: bool) -> str:
        uid = text_of(model, _SOP_INSTANCE_UID)
        if text_of(model, _STATE) == "CANCELED":
            information = {tag: element for tag, element in model.items() if tag not in {_SOP_INSTANCE_UID, _STATE}}
            return self._said(manager.request_cancel(uid, information), _IS_OVER)
        if not is_first and manager.takes_changes:
            changes = {tag: element for tag, element in model.items() if tag in _IN_SET}
            status = manager.update(uid, changes)
            if status != NO_SUCH_STEP:  # else no version has been there: the first ones were superseded
                return self._said(status, _WARNINGS | _LEFT_TO_ITS_READER | {SUCCESS})
        attributes: dict[str, Any] = {tag: element for tag, element in model.items() if tag not in _NOT_IN_CREATE}
        status = manager.create(uid, attributes | _TRANSACTION_UID)
        if status == DUPLICATE_SOP_INSTANCE:
            message = f"expected {self._peer} to make the task. Received: status=0111"
            raise DeliveryError(message, retry=False, status="0111", already_there=True)
        return self._said(status, _WARNINGS | {SUCCESS})

    def _said(self, status: int, settled: frozenset[int]) -> str:
        """Return what the peer said if that settles it; else raise DeliveryError."""
        code = f"{status:04X}"
        if status not in settled:
            message = f"expected {self._peer} to take the task. Received: status={code}"
            raise refusal(message, of_dimse(status), status=code)
        return code if status == SUCCESS else f"{code}: {MEANINGS[status]}"
