"""Everybody that the agent calls: destinations, and peers that listen. All are asked at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from agent.destinations import Destination
from agent.destinations.folder import Trial
from agent.doctor.finding import Finding, Patient, Remedy, Severity
from agent.doctor.reach import reached
from agent.errors import AgentError
from agent.process.outgoing import make_destinations
from dicom_io.errors import AssociationRejectedError, DicomIoError, TlsError
from dicom_io.scu import Peer, echo

PEER_AWAY: Final = Remedy(
    code="peer-away",
    severity=Severity.ERROR,
    why="What it asks to be sent (C-MOVE, reports on commitments, reading tasks) does not arrive.",
    commands=("tibabu echo {peer}{config}",),
    keys=("peers",),
    words="Is it switched on, are host and port right, does a firewall stand between?",
)
PEER_REFUSES: Final = Remedy(
    code="peer-refuses",
    severity=Severity.ERROR,
    why="It is there and does not talk to this agent.",
    commands=("tibabu echo {peer}{config}",),
    keys=("peers", "receive.ae_title"),
    words="Have this agent's AE title {own} entered there, and compare the one that it is called by.",
)
PEER_TLS_FAILS: Final = Remedy(
    code="peer-tls-fails",
    severity=Severity.ERROR,
    why="No encryption with it: certificates are not trusted, or one side does not speak TLS at that port.",
    commands=("openssl s_client -connect {address}",),
    keys=("peers",),
)
DESTINATION_AWAY: Final = Remedy(
    code="destination-away",
    severity=Severity.ERROR,
    why="Reports wait for it, and are parked in the end.",
    commands=("tibabu check{config}", "tibabu deliveries --destination {name}{config}"),
    keys=("destinations",),
    words="Is it switched on, are host and port right, does a firewall stand between? Then check again.",
)
DESTINATION_REFUSES: Final = Remedy(
    code="destination-refuses",
    severity=Severity.ERROR,
    why="It is there and does not talk to this agent: reports wait for it, and are parked in the end.",
    commands=("tibabu deliveries --destination {name}{config}",),
    keys=("destinations", "receive.ae_title"),
    words="Have this agent's AE title {own} entered there, and compare the one that it is called by.",
)
DESTINATION_TLS_FAILS: Final = Remedy(
    code="destination-tls-fails",
    severity=Severity.ERROR,
    why="No encryption with it: reports wait for it, and are parked in the end.",
    keys=("destinations",),
    words="Compare tls, tls_ca_file and tls_certificate of this destination with what is set there.",
)
DESTINATION_ON_TRIAL: Final = Remedy(
    code="destination-on-trial",
    severity=Severity.WARNING,
    why="Nothing is sent there: reports go to its test folder.",
    keys=("destinations",),
    words="Take test_folder out of {name} and restart when it is to be sent.",
)
NO_DESTINATION: Final = Remedy(
    code="no-destination",
    severity=Severity.WARNING,
    why="No report is sent anywhere: only who opens the worklist sees what was found.",
    keys=("destinations",),
)

_AT_ONCE: Final = 16
_REFUSALS: Final = ("HTTP 401", "HTTP 403")


def look(patient: Patient) -> Iterator[Finding]:
    """Ask every destination and every peer that listens whether it is there."""
    asked: list[Callable[[], Finding]] = [
        partial(_destination, patient, name, one) for name, one in make_destinations(patient.config).items()
    ]
    if not asked:
        yield patient.ill("destinations", NO_DESTINATION, "expected a destination of reports. Received: none")
    peers = [section.listens for section in patient.config.peers]
    asked += [partial(_peer, patient, peer) for peer in peers if peer is not None]
    with ThreadPoolExecutor(_AT_ONCE, "check") as pool:
        yield from pool.map(lambda ask: ask(), asked)


def _peer(patient: Patient, peer: Peer) -> Finding:
    check, facts = f"peer {peer.ae_title}", {"peer": str(peer), "own": patient.config.receive.ae_title}
    try:
        echo(peer, calling_ae_title=patient.config.receive.ae_title)
    except DicomIoError as error:
        if isinstance(error, AssociationRejectedError):
            return patient.ill(check, PEER_REFUSES, str(error), **facts)
        if isinstance(error, TlsError):
            return patient.ill(check, PEER_TLS_FAILS, str(error), address=f"{peer.host}:{peer.port}")
        return patient.ill(check, PEER_AWAY, _with_reason(str(error), peer.host, peer.port), **facts)
    return patient.fit(check, "answers")


def _destination(patient: Patient, name: str, one: Destination) -> Finding:
    check, facts = f"destination {name}", {"name": name, "own": patient.config.receive.ae_title}
    try:
        one.ping()
    except (AgentError, DicomIoError, OSError) as error:
        cause = error.__context__ or error
        if isinstance(cause, AssociationRejectedError) or getattr(error, "status", "") in _REFUSALS:
            return patient.ill(check, DESTINATION_REFUSES, str(error), **facts)
        if isinstance(cause, TlsError):
            return patient.ill(check, DESTINATION_TLS_FAILS, str(error))
        settings = next(one for one in patient.config.destinations if one.name == name)
        detail = _with_reason(str(error), getattr(settings, "host", ""), getattr(settings, "port", 0))
        return patient.ill(check, DESTINATION_AWAY, detail, **facts)
    if isinstance(one, Trial):
        detail = "on trial: nothing is sent there; its test folder can be written"
        return patient.ill(check, DESTINATION_ON_TRIAL, detail, **facts)
    return patient.fit(check, "answers")


def _with_reason(detail: str, host: str, port: int) -> str:
    reason = reached(host, port) if host and port else ""
    return f"{detail} ({reason})" if reason and reason not in detail else detail
