"""Calling peers over TLS: DCMTK's storescp and our own SCP, whom we believe and whom we do not."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dicom_io.errors import AssociationAbortedError, NetworkError, PeerUnreachableError, TlsError
from dicom_io.peer import Peer, Timeouts
from dicom_io.scu import echo, send
from dicom_io.tls import TlsClientSettings, TlsServerSettings

pytestmark = pytest.mark.tools


@pytest.fixture
def storescp(
    certificates: Path, tool: Callable[[str], str], tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[Callable[..., int]]:
    """Start DCMTK's storescp with TLS on a free port and return that."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: object) -> int:
        port = free_port()
        own = ("+tls", certificates / "server.key", certificates / "server.pem")
        command = [tool("storescp"), *own, *options, "-od", tmp_path, port]
        started.append(subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL))  # noqa: S603
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), 1):
                return port
        pytest.fail("expected storescp to listen")

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_files_are_sent_over_tls_and_our_certificate_is_shown_where_it_is_asked_for(
    storescp: Callable[..., int], certificates: Path, instance: Path
) -> None:
    port = storescp("+cf", certificates / "ca.pem")
    ours = TlsClientSettings(
        ca_file=certificates / "ca.pem", certificate=certificates / "xray.pem", key=certificates / "xray.key"
    )
    (status,) = send(Peer("STORESCP", "127.0.0.1", port, ours), [instance])
    assert status.stored
    nameless = TlsClientSettings(ca_file=certificates / "ca.pem")
    with pytest.raises(NetworkError):
        send(Peer("STORESCP", "127.0.0.1", port, nameless), [instance])


def test_a_peer_of_another_authority_is_not_believed(start_scp: Any, sink: Any, certificates: Path) -> None:
    peer = Peer("TIBABU", "127.0.0.1", start_scp().tls_port, TlsClientSettings(ca_file=certificates / "elsewhere.pem"))
    with pytest.raises(
        TlsError, match=r"expected TLS with TIBABU@127\.0\.0\.1:\d+\. Received: certificate not trusted"
    ):
        echo(peer)
    assert sink.wait(1)[0].trouble.endswith("alert unknown ca")


def test_the_certificate_must_be_the_hosts_unless_configured_otherwise(
    start_scp: Any, issue: Any, certificates: Path
) -> None:
    issue("elsewhere-host", "ca", address="192.0.2.1")
    named = TlsServerSettings(certificate=certificates / "elsewhere-host.pem", key=certificates / "elsewhere-host.key")
    port = start_scp(tls=named).tls_port
    ca_file = certificates / "ca.pem"
    with pytest.raises(TlsError, match="certificate not trusted, IP address mismatch"):
        echo(Peer("TIBABU", "127.0.0.1", port, TlsClientSettings(ca_file=ca_file)))
    echo(Peer("TIBABU", "127.0.0.1", port, TlsClientSettings(ca_file=ca_file, verify_host_name=False)))


def test_a_peer_that_refuses_our_certificate_is_a_network_error(start_scp: Any, certificates: Path) -> None:
    demanding = TlsServerSettings(
        certificate=certificates / "server.pem", key=certificates / "server.key", client_ca=certificates / "ca.pem"
    )
    settings = TlsClientSettings(ca_file=certificates / "ca.pem")
    with pytest.raises((TlsError, AssociationAbortedError)):
        echo(Peer("TIBABU", "127.0.0.1", start_scp(tls=demanding).tls_port, settings))


def test_a_peer_without_tls_is_a_tls_error_and_a_closed_port_is_none(start_scp: Any, certificates: Path) -> None:
    settings = TlsClientSettings(ca_file=certificates / "ca.pem")
    scp = start_scp(port=0)
    with pytest.raises(TlsError, match="Received: "):
        echo(Peer("TIBABU", "127.0.0.1", scp.port, settings))
    scp.stop(0)
    with pytest.raises(PeerUnreachableError):
        echo(Peer("TIBABU", "127.0.0.1", scp.port, settings))


def test_a_peer_that_never_answers_the_handshake_is_given_up(certificates: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = int(silent.getsockname()[1])
        settings = TlsClientSettings(ca_file=certificates / "ca.pem")
        with pytest.raises(TlsError, match="nothing in time"):
            echo(Peer("SILENT", "127.0.0.1", port, settings), timeouts=Timeouts(connection=0.5))


def test_files_that_are_no_certificates_are_told(certificates: Path, instance: Path) -> None:
    with pytest.raises(TlsError, match="expected PEM files"):
        echo(Peer("ANY", "127.0.0.1", 1, TlsClientSettings(ca_file=instance)))
    with pytest.raises(TlsError, match="expected PEM files"):
        echo(
            Peer(
                "ANY",
                "127.0.0.1",
                1,
                TlsClientSettings(certificate=certificates / "xray.pem", key=certificates / "server.key"),
            )
        )
