"""The command set of a C-STORE request made digestible, so that whatever stands in it gets a status (PS3.7 9.1.1).

pynetdicom aborts an association over a UID of 65 characters or a strange Priority, and answers nothing to an empty
Affected SOP Instance UID. So the command set is rewritten before pynetdicom looks at it, through its public
notification of DIMSE messages: the affected UIDs are kept aside under a UID made up for this request, which is looked
up when the request is served. The response bears the UIDs as they came.
"""

import itertools
from dataclasses import dataclass
from typing import Final

from pydicom import config
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage

from dicom_io.store_messages import Argument

_AFFECTED_SOP_CLASS_UID: Final = 0x00000002
_COMMAND_FIELD: Final = 0x00000100
_MESSAGE_ID: Final = 0x00000110
_PRIORITY: Final = 0x00000700
_DATA_SET_TYPE: Final = 0x00000800
_AFFECTED_SOP_INSTANCE_UID: Final = 0x00001000
_STORAGE_SERVICE_CLASS: Final = "1.2.840.10008.4.2"  # pynetdicom serves it by the event handler, like every known class
_MEDIUM: Final = 0
_US_LENGTH: Final = 2


@dataclass(frozen=True, slots=True)
class AffectedUids:
    """The affected SOP Class and SOP Instance UID of a request as they came, padding removed, and maybe no UIDs."""

    sop_class_uid: str
    sop_instance_uid: str


class StoreRequests:
    """The C-STORE requests of one association that are on their way, and what their command sets said."""

    def __init__(self) -> None:
        """Start with none."""
        self._numbers = itertools.count(1)
        self._affected: dict[str, AffectedUids] = {}

    def note(self, affected: AffectedUids) -> str:
        """Keep the affected UIDs of a request, and return the UID that stands in for them."""
        stand_in = f"2.25.{next(self._numbers)}"
        self._affected[stand_in] = affected
        return stand_in

    def received(self, message: DIMSEMessage) -> None:
        """Rewrite the command set of a C-STORE request; leave other messages alone."""
        if not isinstance(message, C_STORE_RQ) or isinstance(message.command_set, list):
            return
        command = message.command_set
        stand_in = self.note(affected_uids(command))
        rewritten = Dataset()
        _put(rewritten, _AFFECTED_SOP_CLASS_UID, "UI", _STORAGE_SERVICE_CLASS)
        _put(rewritten, _COMMAND_FIELD, "US", command.CommandField)
        _put(rewritten, _MESSAGE_ID, "US", _number(command, _MESSAGE_ID))
        _put(rewritten, _PRIORITY, "US", _MEDIUM)
        _put(rewritten, _DATA_SET_TYPE, "US", command.CommandDataSetType)
        _put(rewritten, _AFFECTED_SOP_INSTANCE_UID, "UI", stand_in)
        message.command_set = rewritten

    def take(self, stand_in: str) -> AffectedUids:
        """Return the affected UIDs of the request that is known by `stand_in`, and forget them."""
        return self._affected.pop(stand_in)


def arguments(stand_in: str, message_id: int) -> list[Argument]:
    """Return what pynetdicom is to make of the command set of a C-STORE request that it has not read."""
    return [
        Argument("AffectedSOPClassUID", _STORAGE_SERVICE_CLASS),
        Argument("MessageID", message_id),
        Argument("Priority", _MEDIUM),
        Argument("AffectedSOPInstanceUID", stand_in),
    ]


def message_id_of(elements: dict[int, bytes]) -> int:
    """Read the Message ID of raw elements by number."""
    return int.from_bytes(elements.get(0x0110, b"")[:_US_LENGTH], "little")


def affected_of(elements: dict[int, bytes]) -> AffectedUids:
    """Read the affected UIDs of raw elements by number."""
    return AffectedUids(_decoded(elements.get(0x0002, b"")), _decoded(elements.get(0x1000, b"")))


def affected_uids(command: Dataset) -> AffectedUids:
    """Read the affected UIDs of a command set that nobody has rewritten."""
    return AffectedUids(_text(command, _AFFECTED_SOP_CLASS_UID), _text(command, _AFFECTED_SOP_INSTANCE_UID))


def _raw(command: Dataset, tag: int) -> bytes:
    """Return an element's bytes as received, b"" if it is not there; nothing is converted, so nothing can fail."""
    element = command.get_item(tag)
    return (element.value or b"") if isinstance(element, RawDataElement) else b""


def _text(command: Dataset, tag: int) -> str:
    return _decoded(_raw(command, tag))


def _decoded(value: bytes) -> str:
    return value.decode("latin-1").strip("\0 ")  # any byte is some character, and comes back as it was


def _number(command: Dataset, tag: int) -> int:
    return int.from_bytes(_raw(command, tag)[:_US_LENGTH], "little")


def _put(command: Dataset, tag: int, vr: str, value: str | int) -> None:
    command[tag] = DataElement(tag, vr, value, validation_mode=config.IGNORE)
