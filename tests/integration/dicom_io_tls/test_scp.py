"""The SCP over TLS (PS3.15 annex B): DCMTK's tools with every kind of certificate, and what is no TLS at all."""

import os
import shutil
import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from dicom_io.errors import NetworkError, TlsError
from dicom_io.peer import Peer
from dicom_io.scu import echo
from dicom_io.tls import SUITES, TlsClientSettings, TlsServerSettings

pytestmark = pytest.mark.tools

REFUSED = "expected a TLS handshake. Received: "


def with_clients(folder: Path, *, required: bool = True) -> TlsServerSettings:
    return TlsServerSettings(
        certificate=folder / "server.pem", key=folder / "server.key", client_ca=folder / "ca.pem", required=required
    )


@pytest.mark.parametrize("profile", ["+px", "+py", "+pz"])
def test_dcmtk_stores_over_tls_in_each_profile_that_is_not_retired(
    start_scp: Any, sink: Any, certificates: Path, run: Any, instance: Path, profile: str
) -> None:
    scp = start_scp()
    options = ("+tla", profile, "+cf", certificates / "ca.pem", "-aec", "TIBABU")
    status, said = run("storescu", *options, "127.0.0.1", scp.tls_port, instance)
    assert status == 0, said
    assert sink.instances == 1
    assert sink.wait(1)[0].how == "released"


def test_dcmtk_verifies_over_tls_with_and_without_a_certificate_of_its_own(
    start_scp: Any, sink: Any, certificates: Path, run: Any
) -> None:
    scp = start_scp(tls=with_clients(certificates, required=False))
    common = ("+cf", certificates / "ca.pem", "-aec", "TIBABU", "127.0.0.1", scp.tls_port)
    assert run("echoscu", "+tla", *common)[0] == 0
    assert run("echoscu", "+tls", certificates / "xray.key", certificates / "xray.pem", *common)[0] == 0
    assert [summary.how for summary in sink.wait(2)] == ["released"] * 2


def test_a_peer_with_a_certificate_of_our_authority_stores_where_one_is_required(
    start_scp: Any, sink: Any, certificates: Path, run: Any, instance: Path
) -> None:
    scp = start_scp(tls=with_clients(certificates))
    own = ("+tls", certificates / "xray.key", certificates / "xray.pem", "+cf", certificates / "ca.pem")
    status, said = run("storescu", *own, "-aec", "TIBABU", "127.0.0.1", scp.tls_port, instance)
    assert status == 0, said
    assert sink.instances == 1


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("stranger", "certificate not trusted, unable to get local issuer certificate"),
        ("expired", "certificate not trusted, certificate has expired"),
        ("", "peer did not return a certificate"),
    ],
)
def test_a_peer_with_a_wrong_certificate_or_none_gets_no_association_and_one_summary_says_why(
    start_scp: Any, sink: Any, certificates: Path, run: Any, instance: Path, who: str, reason: str
) -> None:
    scp = start_scp(tls=with_clients(certificates))
    own = ("+tls", certificates / f"{who}.key", certificates / f"{who}.pem") if who else ("+tla",)
    options = (*own, "+cf", certificates / "ca.pem", "-aec", "TIBABU")
    assert run("storescu", *options, "127.0.0.1", scp.tls_port, instance)[0] != 0
    (summary,) = sink.wait(1)
    assert (summary.how, summary.trouble, summary.calling_ae_title) == ("aborted", REFUSED + reason, "")
    assert sink.instances == 0


@pytest.mark.parametrize(
    "said", [b"", b"\1\0\0\0\0\xcd\0\1", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"A" * 400, bytes(300)]
)
def test_what_is_no_tls_ends_within_the_time_for_a_request_and_delays_nobody(
    start_scp: Any, sink: Any, certificates: Path, said: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", start_scp(acse_timeout=0.5).tls_port), 60) as rude:
        rude.sendall(said)
        with suppress(ConnectionResetError):
            while rude.recv(1000):
                pass
    assert sink.wait(1)[0].trouble
    patient = start_scp(acse_timeout=3600)  # whoever waited for the one that is stuck would wait for an hour
    with socket.create_connection(("127.0.0.1", patient.tls_port), 60) as rude:
        rude.sendall(said)
        echo(Peer("TIBABU", "127.0.0.1", patient.tls_port, TlsClientSettings(ca_file=certificates / "ca.pem")))
    assert [summary.how for summary in sink.wait(3)].count("released") == 1


def test_plain_dicom_to_the_tls_port_and_tls_to_the_plain_port_are_told_in_the_summary(
    start_scp: Any, sink: Any, certificates: Path, run: Any
) -> None:
    scp = start_scp(port=0)
    assert run("echoscu", "-aec", "TIBABU", "127.0.0.1", scp.port)[0] == 0
    assert run("echoscu", "-aec", "TIBABU", "127.0.0.1", scp.tls_port)[0] != 0
    assert run("echoscu", "+tla", "+cf", certificates / "ca.pem", "-aec", "TIBABU", "127.0.0.1", scp.port)[0] != 0
    troubles = [summary.trouble for summary in sink.wait(3)]
    assert troubles == ["", f"{REFUSED}wrong version number", "TLS to the port without it"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_older_than_1_2_is_refused(start_scp: Any, sink: Any, version: ssl.TLSVersion) -> None:
    context = _careless_client()
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", start_scp().tls_port), 20) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)
    assert sink.wait(1)[0].trouble == f"{REFUSED}unsupported protocol"


def test_suites_without_forward_secrecy_or_authenticated_encryption_are_refused(start_scp: Any, sink: Any) -> None:
    context = _careless_client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256")
    with socket.create_connection(("127.0.0.1", start_scp().tls_port), 20) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)
    assert sink.wait(1)[0].trouble == f"{REFUSED}no shared cipher"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken_with_authenticated_encryption(start_scp: Any, version: ssl.TLSVersion) -> None:
    context = _careless_client()
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", start_scp().tls_port), 20) as plain,
        context.wrap_socket(plain) as encrypted,
    ):
        suite, spoken, _ = encrypted.cipher() or ("", "", 0)
        assert spoken == version.name.replace("_", ".")
        assert suite in SUITES if version == ssl.TLSVersion.TLSv1_2 else suite.startswith("TLS_")


def _careless_client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_a_new_certificate_is_taken_up_without_a_restart_and_a_broken_one_is_not(
    start_scp: Any, certificates: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="dicom_io")
    mine = TlsServerSettings(certificate=tmp_path / "mine.pem", key=tmp_path / "mine.key")

    def install(name: str) -> None:
        for suffix in (".key", ".pem"):
            shutil.copy(certificates / f"{name}{suffix}", tmp_path / f"new{suffix}")
            os.replace(tmp_path / f"new{suffix}", tmp_path / f"mine{suffix}")  # noqa: PTH105

    install("expired")
    scp = start_scp(tls=mine)
    peer = Peer("TIBABU", "127.0.0.1", scp.tls_port, TlsClientSettings(ca_file=certificates / "ca.pem"))
    with pytest.raises(TlsError, match="certificate has expired"):
        echo(peer)
    install("server")
    echo(peer)
    mine.certificate.write_text("no certificate", encoding="ascii")
    echo(peer)
    install("server")
    echo(peer)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["tls_certificate_loaded", "tls_certificate_not_loaded", "tls_certificate_loaded"]


def test_a_missing_certificate_is_told_when_starting(start_scp: Any, tmp_path: Path) -> None:
    absent = TlsServerSettings(certificate=tmp_path / "absent.pem", key=tmp_path / "absent.key")
    with pytest.raises(NetworkError, match="expected PEM files with certificates and the key of the first"):
        start_scp(tls=absent)


def test_handshakes_that_hang_leave_neither_thread_nor_socket(start_scp: Any, sink: Any) -> None:
    scp = start_scp(acse_timeout=0.5)
    threads = threading.active_count()
    with ExitStack() as idle:
        for _ in range(30):
            idle.enter_context(socket.create_connection(("127.0.0.1", scp.tls_port), 20))
        assert len(sink.wait(30)) == 30
    deadline = time.monotonic() + 120
    while threading.active_count() > threads and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert threading.active_count() <= threads


def test_a_balancers_header_comes_before_the_handshake_and_is_needed(
    start_scp: Any, sink: Any, certificates: Path
) -> None:
    scp = start_scp(balancers=(ip_network("127.0.0.1"),))
    trusting = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    with socket.create_connection(("127.0.0.1", scp.tls_port), 20) as plain:
        plain.sendall(b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 2762\r\n")
        with trusting.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
            assert encrypted.version() == "TLSv1.3"
    assert (sink.wait(1)[0].peer_address, sink.wait(1)[0].trouble) == ("10.1.2.3", "")
    with socket.create_connection(("127.0.0.1", scp.tls_port), 20) as plain, suppress(OSError):
        trusting.wrap_socket(plain, server_hostname="127.0.0.1").close()
        pytest.fail("it was served without a header")
    assert sink.wait(2)[1].trouble == "expected a PROXY header from a balancer. Received: something else"
