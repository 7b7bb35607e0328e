"""The Storage SCP: C-STORE of every Storage SOP Class in every transfer syntax, and C-ECHO (PS3.4 annexes A and B)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pynetdicom.ae import ApplicationEntity

from dicom_io.acceptor import Acceptor
from dicom_io.connections import Connections
from dicom_io.door import Door, Network
from dicom_io.errors import NetworkError
from dicom_io.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_io.library_logs import quiet_libraries
from dicom_io.proxy_protocol import Balancers
from dicom_io.received import AssociationSummary, ReceivedInstance, Sink
from dicom_io.reception import NewSpool
from dicom_io.services import Services
from dicom_io.session import Session, Terms
from dicom_io.slots import Slots
from dicom_io.tls import TlsServer, TlsServerSettings

__all__ = ["AssociationSummary", "ReceivedInstance", "ScpSettings", "Sink", "StorageScp"]

_OPEN_DOOR: Final = Door()
_NO_SERVICES: Final = Services()
_NO_LIMIT: Final = 1 << 31  # associations are counted here: pynetdicom counts every open connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ScpSettings:
    """How the SCP listens. Time-outs are in seconds.

    `port` None: not without TLS; `tls` None: not with it. `door` says who may do what. `acse_timeout`: how long a TLS
    handshake and how long a request may take to come; `dimse_timeout`: how long a peer may take for a PDU;
    `message_timeout`: how long for a whole message, and a second more for each 10 kB; `network_timeout`: how long it
    may be silent otherwise. `maximum_pdu_size` is in bytes. Processes with the same `slots_file` count their
    associations together. With `accept_unknown_sop_classes`, private SOP Classes and others that no dictionary knows
    are taken for Storage SOP Classes.
    `balancers`: load balancers that say by the PROXY protocol who really calls.
    With `share_port` other processes may listen there, too: each connection goes to one of them.
    """

    ae_title: str = "TIBABU"
    host: str = "0.0.0.0"  # noqa: S104  # modalities are other machines: it serves a network
    port: int | None = 11112
    tls: TlsServerSettings | None = None
    tls_port: int = 2762
    door: Door = _OPEN_DOOR
    share_port: bool = False
    balancers: tuple[Network, ...] = ()
    require_called_ae_title: bool = True
    maximum_associations: int = 64
    maximum_pdu_size: int = 131072
    acse_timeout: float = 30
    dimse_timeout: float = 60
    network_timeout: float = 120
    message_timeout: float = 300
    accept_unknown_sop_classes: bool = False
    slots_file: Path | None = None


def _now() -> datetime:
    return datetime.now(UTC)


class StorageScp:
    """Receives Instances and hands them to the sink, from the thread of their association."""

    def __init__(
        self,
        settings: ScpSettings,
        sink: Sink,
        new_spool: NewSpool,
        *,
        services: Services = _NO_SERVICES,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Prepare; what is being received is written to spools.

        Raises ValueError for settings that no AE can have, such as an AE title of 17 characters.
        """
        quiet_libraries()
        self._settings = settings
        self._entity = _entity(settings)
        self._connections = Connections(settings.maximum_associations, Slots(settings.slots_file))
        self._terms = Terms(
            sink=sink,
            door=settings.door,
            new_spool=new_spool,
            admit=self._connections.admit,
            clock=clock,
            accept_unknown_sop_classes=settings.accept_unknown_sop_classes,
            services=services,
            balancers=Balancers(settings.balancers),
        )
        self._plain: Acceptor | None = None
        self._encrypted: Acceptor | None = None

    def start(self) -> None:
        """Listen; associations are accepted from now on.

        Raises NetworkError when an address is not free, or its subclass TlsError when certificates cannot be used.
        """
        settings = self._settings
        tls = None if settings.tls is None else TlsServer(settings.tls)
        if settings.port is not None:
            self._plain = self._listen(settings.port, None)
        if tls is not None:
            try:
                self._encrypted = self._listen(settings.tls_port, tls)
            except NetworkError:
                self.stop(0)
                raise

    @property
    def port(self) -> int:
        """The port that is listened on without TLS; useful where the settings say 0, which picks a free one."""
        return (self._settings.port or 0) if self._plain is None else self._plain.port

    @property
    def tls_port(self) -> int:
        """The port that is listened on with TLS."""
        return self._settings.tls_port if self._encrypted is None else self._encrypted.port

    def renew(self, sink: Sink, door: Door, services: Services) -> None:
        """Serve the connections that come from now on so; those that are open go on as they began."""
        self._terms = replace(self._terms, sink=sink, door=door, services=services)

    def stop(self, timeout: float) -> None:
        """Accept nobody more, let open associations finish for `timeout` seconds, then abort them.

        Returns when all have ended, or some seconds after the time-out if the sink does not return.
        """
        for acceptor in (self._plain, self._encrypted):
            if acceptor is not None:
                acceptor.close()
        self._connections.drain(timeout)

    def _listen(self, port: int, tls: TlsServer | None) -> Acceptor:
        address = self._settings.host, port
        try:
            return Acceptor(
                self._entity,
                address,
                self._connections,
                self._new_session,
                tls,
                self._settings.message_timeout,
                share_port=self._settings.share_port,
            )
        except OSError as error:
            message = f"expected a free address to listen on. Received: host={address[0]} port={port}, {error.strerror}"
            raise NetworkError(message) from error

    def _new_session(self, peer_address: str) -> Session:
        return Session(self._terms, peer_address)


def _entity(settings: ScpSettings) -> ApplicationEntity:
    entity = ApplicationEntity(settings.ae_title)
    entity.require_called_aet = settings.require_called_ae_title
    entity.maximum_associations = _NO_LIMIT
    entity.maximum_pdu_size = settings.maximum_pdu_size
    entity.acse_timeout = settings.acse_timeout
    entity.dimse_timeout = settings.dimse_timeout
    entity.network_timeout = settings.network_timeout
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return entity
