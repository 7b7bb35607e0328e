"""How the datasets of C-STORE requests come in: each fragment goes to a file as it arrives (PS3.7 9.1.1, PS3.8 E.1).

pynetdicom would gather them in memory. It still reads the command set, finds the end of the message and hands the
request over; only the place where fragments of a dataset are written is exchanged, for a `Spool`.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import P_DATA

from dicom_io.command_set import AffectedUids, StoreRequests, affected_of, affected_uids, arguments, message_id_of
from dicom_io.comments import said_of
from dicom_io.file_meta import encode_file_meta
from dicom_io.fragments import FragmentOrder, FragmentOrderError
from dicom_io.pdu_reader import LONGEST_PDU
from dicom_io.spool import Spool
from dicom_io.store_messages import read_store_request, write_store_response

_LONGEST_UID: Final = 1024  # characters written of what is no UID; such an Instance is refused

_LENGTH: Final = 4  # bytes, of the length of a presentation data value
_VALUE_HEAD: Final = 6  # length, context ID and message control header
_PDU_HEAD: Final = struct.Struct(">BBLLBB")  # with that of its only value
_P_DATA: Final = 0x04
_COMMAND: Final = 0x01  # bits of the header (PS3.8 E.2): a command set's fragment,
_ENDS: Final = 0x03  # and the last one

_ENOUGH: Final = 8
"""C-STORE requests that wait for their answer, before no more is read: one, unless a peer does what nobody negotiated
(asynchronous operations, PS3.7 D.3.3.3)."""
_MOST_OPEN: Final = 64
"""As many of them as are taken where they come in one PDU."""

NewSpool = Callable[[], Spool]


class _DataSetFile:
    """A spool as what pynetdicom takes it for: a temporary file that is flushed, closed and removed."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.name = spool.name
        self.write = spool.write
        self.file = self

    def flush(self) -> None:
        """Do nothing: a spool keeps nothing back."""

    def close(self) -> None:
        """Remove the file unless it was kept."""
        self.spool.close()


def _values(body: memoryview) -> list[tuple[int, int, memoryview]]:
    """Return context ID, header and fragment of each value of a P-DATA-TF PDU (PS3.8 9.3.5), [] if it is not sound."""
    values, position = [], 0
    while position < len(body):
        start = position + _VALUE_HEAD
        end = position + _LENGTH + int.from_bytes(body[position : position + _LENGTH], "big")
        if not start <= end <= len(body):
            return []
        values.append((body[start - 2], body[start - 1], body[start:end]))
        position = end
    return values


def begin(spool: Spool, affected: AffectedUids, transfer_syntax_uid: str) -> None:
    """Write what stands before the dataset (PS3.10 7.1)."""
    uids = affected.sop_class_uid[:_LONGEST_UID], affected.sop_instance_uid[:_LONGEST_UID]
    spool.write(encode_file_meta(*uids, transfer_syntax_uid))


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A C-STORE request that is complete; `spool` is None if it came without a dataset."""

    context_id: int
    message_id: int
    affected: AffectedUids
    spool: Spool | None


class SpoolingDimse(DIMSEServiceProvider):
    """A DIMSE provider that writes the dataset of each C-STORE request to a spool, as a Part 10 file.

    The request carries it as `_dataset_file`, as pynetdicom's own chunked reception does. `close` removes the spools
    of requests that were never answered.
    """

    has_own_reader = False  # the association's loop takes its messages

    def __init__(self, association: Association, new_spool: NewSpool) -> None:
        """Serve `association`."""
        super().__init__(association)
        self.msg_queue = association.dimse.msg_queue  # somebody may wait there already
        self._new_spool = new_spool
        self.longest: int | None = None  # bytes of an Instance
        self._requests = StoreRequests()
        association.bind(evt.EVT_DIMSE_RECV, self._on_message_received)
        self._open: list[Spool] = []
        self._file: _DataSetFile | None = None

    @property
    def _order(self) -> FragmentOrder:
        machine: Any = self.dul.state_machine
        order: FragmentOrder = machine.order
        return order

    def _on_message_received(self, event: Event) -> None:
        self._requests.received(event.message)

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take fragments of messages: one by one, since a message may end and the next begin within one PDU."""
        for context_id, value in primitive.presentation_data_value_list:
            if not self._has_begun(context_id, value[0], value[1:]):
                one: Any = P_DATA()
                one.presentation_data_value_list = [[context_id, value]]
                super().receive_primitive(one)
            message = self.message
            self._file = self._file_of(message) if isinstance(message, C_STORE_RQ) else None

    def take(self, body: memoryview) -> bool:
        """Take what a P-DATA-TF PDU holds in the place of pynetdicom, if it is of a plain C-STORE request.

        That is a command set in one piece, or nothing but fragments of the dataset that is due. If it is not, nothing
        has happened: pynetdicom is to look at it, since it is another message or a peer's mistake.
        """
        values = _values(body)
        if self._file is not None:
            return self._take_fragments(self._file, values)
        if len(values) != 1 or not self._order.may_begin or len(self._open) >= _MOST_OPEN:
            return False
        ((context_id, header, value),) = values
        if not self._has_begun(context_id, header, bytes(value)):
            return False
        self._order.took(context_id, header)
        return True

    def _take_fragments(self, file: _DataSetFile, values: list[tuple[int, int, memoryview]]) -> bool:
        """Write fragments to the file of the dataset, and hand the request over with the last one."""
        message: Any = self.message
        headers = [header & _ENDS if context_id == message.context_id else _COMMAND for context_id, header, _ in values]
        is_plain = headers and not any(headers[:-1]) and not headers[-1] & _COMMAND
        if not is_plain or (headers[-1] and not hasattr(message, "stand_in")):
            return False
        for _, _, value in values:
            file.write(value)
        self._order.took(message.context_id, headers[-1])
        if headers[-1]:
            file.spool.write_back()  # while the header is read
            self.message = self._file = None
            affected = self._requests.take(message.stand_in)
            request = StoreRequest(message.context_id, message.message_id, affected, file.spool)
            messages: Any = self.msg_queue
            messages.put((request.context_id, request))
        return True

    def _has_begun(self, context_id: int, header: int, value: bytes) -> bool:
        """Take the whole command set of a C-STORE request in the place of pynetdicom, if it is that."""
        is_accepted = context_id in self.assoc._accepted_cx  # noqa: SLF001  # the way pynetdicom looks it up
        if self.message is not None or header & _ENDS != _ENDS or not is_accepted:
            return False
        elements = read_store_request(value)
        if elements is None:
            return False
        affected = affected_of(elements)
        message: Any = DIMSEMessage()
        message.__class__ = C_STORE_RQ  # as pynetdicom does
        message.context_id = context_id
        message.message_id = message_id_of(elements)
        message.stand_in = self._requests.note(affected)
        message.command_set = arguments(message.stand_in, message.message_id)
        message._data_set_file = self._file = self._new_file(message, affected)  # noqa: SLF001  # see the module
        self.message = message
        return True

    def answer(self, request: StoreRequest, status: int) -> None:
        """Send the response to a C-STORE request."""
        affected, (comment, offending) = request.affected, said_of(status)
        command = write_store_response(
            affected.sop_class_uid,
            affected.sop_instance_uid,
            request.message_id,
            status,
            comment=comment,
            offending=offending,
        )
        most = (self.maximum_pdu_size or LONGEST_PDU) - _VALUE_HEAD
        if len(command) <= most and self._send_at_once(request.context_id, command):
            return
        for start in range(0, len(command), most):
            data: Any = P_DATA()
            header = _ENDS if start + most >= len(command) else _COMMAND
            data.presentation_data_value_list = [[request.context_id, bytes((header,)) + command[start : start + most]]]
            self.dul.send_pdu(data)

    def _send_at_once(self, context_id: int, command: bytes) -> bool:
        """Send a message that is a command set in one fragment (PS3.8 9.3.5), unless something waits before it."""
        length = _VALUE_HEAD + len(command)
        head = _PDU_HEAD.pack(_P_DATA, 0, length, length - _LENGTH, context_id, _ENDS)
        layer: Any = self.dul
        sent: bool = layer.state_machine.send_at_once(head + command)
        if sent and len(self._open) >= _ENOUGH:
            layer.bell.ring()  # the next may be read
        return sent

    @property
    def has_enough(self) -> bool:
        """Whether so many requests wait for their answers that no more should be read before some have theirs."""
        is_likely = self.message is None and len(self._open) >= _ENOUGH
        return is_likely and sum(not spool.is_closed for spool in self._open) >= _ENOUGH

    def request_of(self, primitive: Any, context_id: int) -> StoreRequest:  # noqa: ANN401  # pynetdicom's are untyped here
        """Return what pynetdicom has made a primitive of."""
        file: _DataSetFile | None = primitive._dataset_file  # noqa: SLF001  # see the module
        affected = self._requests.take(primitive.AffectedSOPInstanceUID)
        return StoreRequest(context_id, primitive.MessageID, affected, None if file is None else file.spool)

    def close(self) -> None:
        """Remove what is left of this association."""
        while self._open:
            self._open.pop().close()

    def _file_of(self, message: Any) -> _DataSetFile:  # noqa: ANN401  # our file stands where pynetdicom would have its own
        if message._data_set_file is None:  # noqa: SLF001  # see the module
            affected = affected_uids(message.command_set)
            message._data_set_file = self._new_file(message, affected)  # noqa: SLF001
        file: _DataSetFile = message._data_set_file  # noqa: SLF001
        return file

    def _new_file(self, message: Any, affected: AffectedUids) -> _DataSetFile:  # noqa: ANN401  # as above
        self._open = [spool for spool in self._open if not spool.is_closed]
        if len(self._open) >= _MOST_OPEN:  # each holds a file open
            message = f"expected at most {_MOST_OPEN} requests without an answer. Received: another one"
            raise FragmentOrderError(message)
        spool = self._new_spool()
        spool.longest = self.longest
        self._open.append(spool)
        begin(spool, affected, self._syntax(message))
        return _DataSetFile(spool)

    def _syntax(self, message: Any) -> str:  # noqa: ANN401  # as above
        context = self.assoc._accepted_cx.get(message.context_id)  # noqa: SLF001  # the way pynetdicom looks it up
        return "" if context is None else str(context.transfer_syntax[0])
