"""MLLP over TLS: the receiver's certificate is checked, and ours is shown to one that asks for it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.hl7.client import Client, Receiver
from agent.hl7.errors import NotReachedError
from dicom_io.tls import TlsClientSettings, TlsServer, TlsServerSettings

CONTROL_ID = "A" * 20
MESSAGE = f"MSH|^~\\&|TIBABU||RIS||20260301||ORU^R01^ORU_R01|{CONTROL_ID}|P|2.5.1\r".encode()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ris.pem, tibabu.pem and other.pem, each its own authority, with their keys."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ris", "tibabu", "other"):
        key = f"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.pem -days 1"
        subject = f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1"
        command = ["openssl", "req", "-x509", *key.split(), *subject.split()]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603
    return folder


def client(ris: Any, folder: Path, *, authority: str, ours: str) -> Client:
    tls = TlsClientSettings(
        ca_file=folder / f"{authority}.pem", certificate=folder / f"{ours}.pem", key=folder / f"{ours}.key"
    )
    return Client(Receiver(host="127.0.0.1", port=ris.port, tls=tls, response_timeout=60))


@pytest.fixture
def tls_ris(ris: Any, certificates: Path) -> Any:
    server = TlsServer(
        TlsServerSettings(
            certificate=certificates / "ris.pem", key=certificates / "ris.key", client_ca=certificates / "tibabu.pem"
        )
    )
    ris.wrap = server.handshake
    return ris


def test_messages_go_encrypted_over_one_connection(tls_ris: Any, certificates: Path) -> None:
    ours = client(tls_ris, certificates, authority="ris", ours="tibabu")
    assert [str(ours.exchange(MESSAGE, CONTROL_ID)) for _ in range(3)] == ["AA"] * 3
    ours.close()
    assert tls_ris.messages == [MESSAGE] * 3
    assert tls_ris.connections == 1


def test_a_receiver_that_is_not_trusted_gets_nothing(tls_ris: Any, certificates: Path) -> None:
    with pytest.raises(NotReachedError, match=r"TLS with .*: certificate not trusted"):
        client(tls_ris, certificates, authority="other", ours="tibabu").exchange(MESSAGE, CONTROL_ID)
    assert tls_ris.messages == []


def test_files_that_cannot_be_used_are_told(tls_ris: Any, certificates: Path) -> None:
    with pytest.raises(NotReachedError, match="expected PEM files"):
        client(tls_ris, certificates, authority="none", ours="tibabu").exchange(MESSAGE, CONTROL_ID)
