"""The command set of a C-STORE request made digestible, so that whatever stands in it gets a status (PS3.7 9.1.1).

pynetdicom aborts an association over a UID of 65 characters or a strange Priority, and answers nothing to an empty
Affected SOP Instance UID. So the command set is rewritten before pynetdicom looks at it, through its two public
notifications of DIMSE messages: the affected UIDs are kept aside under a UID made up for this request, which is looked
up when the request is served and when the response goes out, bearing the UIDs as they came.
"""

import itertools
from dataclasses import dataclass
from typing import Any, Final

from pydicom import config
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pynetdicom.dimse_messages import C_STORE_RQ, C_STORE_RSP, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE

from dicom_io.store_messages import Argument, write_store_response

_GROUP_LENGTH: Final = 0x00000000
_AFFECTED_SOP_CLASS_UID: Final = 0x00000002
_COMMAND_FIELD: Final = 0x00000100
_MESSAGE_ID: Final = 0x00000110
_PRIORITY: Final = 0x00000700
_DATA_SET_TYPE: Final = 0x00000800
_AFFECTED_SOP_INSTANCE_UID: Final = 0x00001000
_STORAGE_SERVICE_CLASS: Final = "1.2.840.10008.4.2"  # pynetdicom serves it by the event handler, like every known class
_MEDIUM: Final = 0
_US_LENGTH: Final = 2
_SHORT_UIDS: Final = 256  # characters, of two UIDs that are some


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

    def begun(self, affected: AffectedUids, message_id: bytes) -> list[Argument]:
        """Return what pynetdicom is to make of the command set of a C-STORE request that it has not read."""
        return [
            Argument("AffectedSOPClassUID", _STORAGE_SERVICE_CLASS),
            Argument("MessageID", int.from_bytes(message_id[:_US_LENGTH], "little")),
            Argument("Priority", _MEDIUM),
            Argument("AffectedSOPInstanceUID", self._note(affected)),
        ]

    def _note(self, affected: AffectedUids) -> str:
        stand_in = f"2.25.{next(self._numbers)}"
        self._affected[stand_in] = affected
        return stand_in

    def received(self, message: DIMSEMessage) -> None:
        """Rewrite the command set of a C-STORE request; leave other messages alone."""
        if not isinstance(message, C_STORE_RQ) or isinstance(message.command_set, list):
            return
        command = message.command_set
        stand_in = self._note(affected_uids(command))
        rewritten = Dataset()
        _put(rewritten, _AFFECTED_SOP_CLASS_UID, "UI", _STORAGE_SERVICE_CLASS)
        _put(rewritten, _COMMAND_FIELD, "US", command.CommandField)
        _put(rewritten, _MESSAGE_ID, "US", _number(command, _MESSAGE_ID))
        _put(rewritten, _PRIORITY, "US", _MEDIUM)
        _put(rewritten, _DATA_SET_TYPE, "US", command.CommandDataSetType)
        _put(rewritten, _AFFECTED_SOP_INSTANCE_UID, "UI", stand_in)
        message.command_set = rewritten

    def affected(self, stand_in: str) -> AffectedUids:
        """Return the affected UIDs of the request that pynetdicom knows by `stand_in`."""
        return self._affected[stand_in]

    def response(self, response: Any) -> bytes | None:  # noqa: ANN401  # pynetdicom's primitives are untyped here
        """Return the encoded command set of a plain C-STORE response, and forget the request; None for what is else."""
        is_plain = isinstance(response, C_STORE) and response.MessageIDBeingRespondedTo is not None
        if not is_plain or response.Status is None or response.ErrorComment or response.OffendingElement:
            return None
        affected = self._affected.get(response.AffectedSOPInstanceUID)
        if affected is None or len(affected.sop_class_uid) + len(affected.sop_instance_uid) > _SHORT_UIDS:
            return None  # the response may need several fragments
        del self._affected[response.AffectedSOPInstanceUID]
        return write_store_response(affected.sop_class_uid, affected.sop_instance_uid, response)

    def answered(self, message: DIMSEMessage) -> None:
        """Give a C-STORE response the affected UIDs of its request, and forget the request."""
        if not isinstance(message, C_STORE_RSP):
            return
        command = message.command_set
        affected = self._affected.pop(command.AffectedSOPInstanceUID)
        before = _size(command, _AFFECTED_SOP_CLASS_UID) + _size(command, _AFFECTED_SOP_INSTANCE_UID)
        _put(command, _AFFECTED_SOP_CLASS_UID, "UI", affected.sop_class_uid)
        _put(command, _AFFECTED_SOP_INSTANCE_UID, "UI", affected.sop_instance_uid)
        after = _size(command, _AFFECTED_SOP_CLASS_UID) + _size(command, _AFFECTED_SOP_INSTANCE_UID)
        _put(command, _GROUP_LENGTH, "UL", command.CommandGroupLength + after - before)


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


def _size(command: Dataset, tag: int) -> int:
    """Return the length of a UID's encoded value: padded to an even one (PS3.5 6.2)."""
    length = len("\\".join(command[tag].value) if command[tag].VM > 1 else command[tag].value or "")
    return length + length % 2
