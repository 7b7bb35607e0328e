"""What the SCP hands to the agent: received Instances, and a summary of each association."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from dicom_io.spool import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedInstance:
    """One C-STORE request.

    `spool` holds a Part 10 file: preamble, file meta information (always the same for the same dataset, whoever sent
    it) and the dataset's bytes exactly as received. It is closed by who made it, once the sink has answered. The
    affected UIDs are the request's, without their padding but otherwise as they came: they may be empty, 65
    characters long or anything else, and unlike the dataset's.
    """

    spool: Spool
    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    association_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationSummary:
    """One TCP connection from its opening to its end; times are aware UTC.

    AE titles are "" where the peer never got as far as asking for an association (a load balancer's probe). `stored`
    and `refused` count Instances by their status (success and warnings, failures), `bytes` their files' sizes together.
    `trouble` says why nobody could be asked what is wanted, "" if that is not known.
    """

    association_id: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    opened_at: datetime
    closed_at: datetime
    how: Literal["released", "aborted", "rejected"]
    stored: int
    refused: int
    bytes: int
    trouble: str = ""


class Sink(Protocol):
    """Where received Instances go. Called from many threads, for each association one call at a time."""

    def received(self, instance: ReceivedInstance) -> int:
        """Take the Instance and return the C-STORE status (PS3.4 table B.2-1); 0x0000 only once it is durable."""

    def association_ended(self, summary: AssociationSummary) -> None:
        """Take note that an association is over; called once for each, after its last `received`."""
