"""The Storage SCP: C-STORE of every Storage SOP Class in every transfer syntax, and C-ECHO (PS3.4 annexes A and B)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pynetdicom.ae import ApplicationEntity

from dicom_io.acceptor import Acceptor, Connections
from dicom_io.door import Door
from dicom_io.errors import NetworkError
from dicom_io.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_io.library_logs import quiet_libraries
from dicom_io.received import AssociationSummary, ReceivedInstance, Sink
from dicom_io.reception import NewSpool
from dicom_io.services import Services
from dicom_io.session import Session, Terms

__all__ = ["AssociationSummary", "ReceivedInstance", "ScpSettings", "Sink", "StorageScp"]

_OPEN_DOOR: Final = Door()
_NO_SERVICES: Final = Services()
_NO_LIMIT: Final = 1 << 31  # associations are counted here: pynetdicom counts every open connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ScpSettings:
    """How the SCP listens. Time-outs are in seconds.

    `door` says who may do what. `acse_timeout`: how long a request may take to come after the
    connection; `dimse_timeout`: how long a peer may pause within a PDU; `network_timeout`: how long it may be silent
    otherwise. `maximum_pdu_size` is in bytes. With `accept_unknown_sop_classes`, private SOP Classes and others that no
    dictionary knows are taken for Storage SOP Classes.
    """

    ae_title: str = "TIBABU"
    host: str = "0.0.0.0"  # noqa: S104  # modalities are other machines: it serves a network
    port: int = 11112
    door: Door = _OPEN_DOOR
    require_called_ae_title: bool = True
    maximum_associations: int = 64
    maximum_pdu_size: int = 131072
    acse_timeout: float = 30
    dimse_timeout: float = 60
    network_timeout: float = 120
    accept_unknown_sop_classes: bool = False


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
        self._connections = Connections(settings.maximum_associations)
        self._terms = Terms(
            sink=sink,
            door=settings.door,
            new_spool=new_spool,
            admit=self._connections.admit,
            clock=clock,
            accept_unknown_sop_classes=settings.accept_unknown_sop_classes,
            services=services,
        )
        self._acceptor: Acceptor | None = None

    def start(self) -> None:
        """Listen; associations are accepted from now on. Raises NetworkError when the address is not free."""
        address = self._settings.host, self._settings.port
        try:
            self._acceptor = Acceptor(self._entity, address, self._connections, self._new_session)
        except OSError as error:
            message = (
                f"expected a free address to listen on. Received: host={address[0]} port={address[1]}, {error.strerror}"
            )
            raise NetworkError(message) from error

    @property
    def port(self) -> int:
        """The port that is listened on; useful where the settings say 0, which picks a free one."""
        return self._settings.port if self._acceptor is None else self._acceptor.port

    def stop(self, timeout: float) -> None:
        """Refuse new associations, let open ones finish for `timeout` seconds, then abort them.

        Returns when all have ended, or some seconds after the time-out if the sink does not return.
        """
        if self._acceptor is not None:
            self._acceptor.stop(timeout)

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
