"""A part of a STOW-RS body on its way to being an Instance: written to a file as it arrives."""

from collections.abc import Callable

from dicom_io.arriving import HEAD, our_beginning
from dicom_io.errors import HeaderError
from dicom_io.file_meta import FileMeta
from dicom_io.spool import Spool
from dicom_io.statuses import CANNOT_UNDERSTAND


class Arrival:
    """The first bytes of a part, until they say which Instance it is, and from then on the file that it becomes.

    Of a part that has failed nothing more is kept; `failure` is its Failure Reason. Close it, whatever became of it.
    """

    def __init__(self, new_spool: Callable[[], Spool], *, failure: int = 0) -> None:
        """Begin with nothing."""
        self.size = 0
        self.meta: FileMeta | None = None
        self.spool: Spool | None = None
        self.failure = failure
        self._new_spool = new_spool
        self._head = bytearray()

    def write(self, data: bytes) -> None:
        """Take some more."""
        self.size += len(data)
        if self.failure:
            return
        if self.spool is not None:
            self.spool.write(data)
            return
        self._head += data
        if len(self._head) >= HEAD:
            self.understand()

    def understand(self) -> None:
        """Read from what has come which Instance this is, and begin its file, unless that has been done."""
        if self.spool is not None or self.failure:
            return
        try:
            self.meta, beginning = our_beginning(bytes(self._head))
        except HeaderError:
            self.failure = CANNOT_UNDERSTAND
            beginning = b""
        self._head.clear()
        if self.meta is not None:
            self.spool = self._new_spool()
            self.spool.write(beginning)

    def close(self) -> None:
        """Remove what was not kept."""
        if self.spool is not None:
            self.spool.close()
