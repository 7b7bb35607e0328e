"""The exceptions of `dicom_io`, all of them: foreign errors are mapped to these at the package's edge.

    DicomIoError
      +-- HeaderError                  a dataset that cannot be read
      |     +-- UidError               a value that is no UID
      +-- MatchingError                a query whose keys make no sense
      +-- CommitmentError              a request for Storage Commitment that is refused, with its status
      +-- ArchiveError                 what is held cannot be read now
      +-- PixelError                   frames that cannot be made, with a reason for people
      +-- DecoderError                 a process for decoding that cannot be started
      +-- StoreError                   bytes that could not be made durable, or not be had back
      |     +-- NoSpaceError           because the disk or the quota is full
      |     +-- LostError              a stored file that is gone or damaged
      |     +-- TooLargeError          because it is larger than is taken
      +-- NetworkError                 a peer that did not do its part
            +-- PeerUnreachableError       no connection to it
            +-- AssociationRejectedError   it refuses to talk to us
            +-- AssociationAbortedError    it stopped in the middle
            +-- PeerTimeoutError           it says nothing
            +-- TlsError                   no encryption with it, or certificates that cannot be used
            +-- ProxyHeaderError           a load balancer that does not say who calls

Messages read "expected X. Received: name=value" and never hold patient data.
"""


class DicomIoError(Exception):
    """The root: everything that this package raises on purpose."""


class HeaderError(DicomIoError):
    """A dataset that cannot be read as DICOM."""


class UidError(HeaderError):
    """A value that is no UID of PS3.5 section 9."""


class MatchingError(DicomIoError):
    """A query with a key whose value cannot be matched."""


class CommitmentError(DicomIoError):
    """A request for Storage Commitment that is refused; `status` is what the peer is answered (PS3.7 10.1.4.1.10)."""

    def __init__(self, status: int) -> None:
        """Keep the status."""
        super().__init__(f"expected a request that can be kept. Received: status={status:04X}")
        self.status = status


class ArchiveError(DicomIoError):
    """What the agent holds cannot be read now."""


class PixelError(DicomIoError):
    """Frames that cannot be made from an Instance; `reason` is a short static phrase for people."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, for example "pixel data is truncated"."""
        super().__init__(reason)
        self.reason = reason


class DecoderError(DicomIoError):
    """A process for decoding that cannot be started: nothing is known about the image."""


class StoreError(DicomIoError):
    """Bytes could not be made durable, and nothing new stands under the final name; or could not be had back now."""


class NoSpaceError(StoreError):
    """The disk or the quota of the store is full."""


class LostError(StoreError):
    """A stored file is not there, or is not what was put: asking again will not help."""


class TooLargeError(StoreError):
    """An Instance is larger than is taken."""


class NetworkError(DicomIoError):
    """A peer that did not do its part."""


class PeerUnreachableError(NetworkError):
    """No TCP connection to the peer: wrong address, closed port, no route."""


class AssociationRejectedError(NetworkError):
    """The peer answered A-ASSOCIATE-RJ, or accepted none of what was proposed."""


class AssociationAbortedError(NetworkError):
    """The peer aborted or dropped the connection while something was under way."""


class PeerTimeoutError(NetworkError):
    """The peer did not answer within the time-out."""


class TlsError(NetworkError):
    """No TLS with the peer: a handshake that failed, or certificate files that cannot be used."""


class ProxyHeaderError(NetworkError):
    """A load balancer's connection that does not begin with a header of the PROXY protocol."""
