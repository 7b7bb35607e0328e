"""How the datasets of C-STORE requests come in: each fragment goes to a file as it arrives (PS3.7 9.1.1, PS3.8 E.1).

pynetdicom would gather them in memory. It still reads the command set, finds the end of the message and hands the
request over; only the place where fragments of a dataset are written is exchanged, for a `Spool`.
"""

from collections.abc import Callable
from typing import Any, Final

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.pdu_primitives import P_DATA

from dicom_io.command_set import AffectedUids, StoreRequests, affected_of, affected_uids
from dicom_io.file_meta import encode_file_meta
from dicom_io.fragments import FragmentOrderError
from dicom_io.spool import Spool
from dicom_io.store_messages import read_store_request

_LONGEST_UID: Final = 1024  # characters written of what is no UID; such an Instance is refused

_LENGTH: Final = 4  # bytes, of the length of a presentation data value
_VALUE_HEAD: Final = 6  # length, context ID and message control header
_ENDS: Final = 0x03  # bits of the header: a command set's fragment, the last fragment (PS3.8 E.2)

_MESSAGE_ID: Final = 0x0110

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
        self.name = str(spool.path)
        self.write = spool.write
        self.file = self

    def flush(self) -> None:
        """Do nothing: a spool keeps nothing back."""

    def close(self) -> None:
        """Remove the file unless it was kept."""
        self.spool.close()


def begin(spool: Spool, affected: AffectedUids, transfer_syntax_uid: str) -> None:
    """Write what stands before the dataset (PS3.10 7.1)."""
    uids = affected.sop_class_uid[:_LONGEST_UID], affected.sop_instance_uid[:_LONGEST_UID]
    spool.write(encode_file_meta(*uids, transfer_syntax_uid))


def spool_of(request: Any) -> Spool | None:  # noqa: ANN401  # pynetdicom's primitives are untyped here
    """Return the spool with the dataset of a C-STORE request, None if it came without one."""
    file: _DataSetFile | None = request._dataset_file  # noqa: SLF001  # see SpoolingDimse
    return None if file is None else file.spool


class SpoolingDimse(DIMSEServiceProvider):
    """A DIMSE provider that writes the dataset of each C-STORE request to a spool, as a Part 10 file.

    The request carries it as `_dataset_file`, as pynetdicom's own chunked reception does. `close` removes the spools
    of requests that were never answered.
    """

    def __init__(self, association: Association, new_spool: NewSpool, requests: StoreRequests) -> None:
        """Serve `association`; `requests` are what is remembered of those that are under way."""
        super().__init__(association)
        self.msg_queue = association.dimse.msg_queue  # somebody may wait there already
        self._new_spool = new_spool
        self.longest: int | None = None  # bytes of an Instance
        self._requests = requests
        self._open: list[Spool] = []
        self._file: _DataSetFile | None = None

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take fragments of messages: one by one, since a message may end and the next begin within one PDU."""
        for context_id, value in primitive.presentation_data_value_list:
            if not self._has_begun(context_id, value):
                one: Any = P_DATA()
                one.presentation_data_value_list = [[context_id, value]]
                super().receive_primitive(one)
            message = self.message
            self._file = self._file_of(message) if isinstance(message, C_STORE_RQ) else None

    def _has_begun(self, context_id: int, value: bytes) -> bool:
        """Take the whole command set of a C-STORE request in the place of pynetdicom, if it is that."""
        if self.message is not None or value[0] & _ENDS != _ENDS:
            return False
        elements = read_store_request(value[1:])
        if elements is None:
            return False
        affected = affected_of(elements)
        message: Any = DIMSEMessage()
        message.__class__ = C_STORE_RQ  # as pynetdicom does
        message.context_id = context_id
        message.command_set = self._requests.begun(affected, elements.get(_MESSAGE_ID, b""))
        message._data_set_file = self._new_file(message, affected)  # noqa: SLF001  # see the module
        self.message = message
        return True

    def send_msg(self, primitive: Any, context_id: int) -> None:  # noqa: ANN401  # as above
        """Send a message: a plain C-STORE response at once, all else as pynetdicom does."""
        encoded = self._requests.response(primitive)
        if encoded is None:
            super().send_msg(primitive, context_id)
            return
        data: Any = P_DATA()
        data.presentation_data_value_list = [[context_id, bytes((_ENDS,)) + encoded]]
        self.dul.send_pdu(data)

    @property
    def is_in_dataset(self) -> bool:
        """Whether the next fragment belongs to the dataset of a C-STORE request."""
        return self._file is not None

    @property
    def has_enough(self) -> bool:
        """Whether so many requests wait for their answers that no more should be read before some have theirs."""
        is_likely = self.message is None and len(self._open) >= _ENOUGH
        return is_likely and sum(not spool.is_closed for spool in self._open) >= _ENOUGH

    def take_fragments(self, body: bytearray) -> bool:
        """Write what a P-DATA-TF PDU holds (PS3.8 9.3.5) to the file, if all of it is the middle of the dataset.

        If not, nothing is written: pynetdicom is to look at it, since it is the dataset's end or a peer's mistake.
        """
        file, message = self._file, self.message
        if file is None or message is None:
            return False
        fragments, position, view = [], 0, memoryview(body)
        while position < len(body):
            start = position + _VALUE_HEAD
            end = position + _LENGTH + int.from_bytes(view[position : position + _LENGTH], "big")
            is_ours = (
                start <= end <= len(body) and body[start - 2] == message.context_id and not body[start - 1] & _ENDS
            )
            if not is_ours:
                return False
            fragments.append(view[start:end])
            position = end
        for fragment in fragments:
            file.write(fragment)
        return bool(fragments)

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
