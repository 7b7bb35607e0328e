"""The audit trail reaches a file and a syslog receiver over TLS: in order, each event once, or again after a crash."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from agent.audit.hand_over import HandOver
from agent.audit.message import Reporter
from agent.audit.sinks import FileSink, Sink, SyslogSink
from agent.errors import AuditError
from db.audit import AuditEvent, Who, record
from db.audit_outbox import follow, waiting
from db.audit_search import AuditQuery, search
from db.audit_terms import EventAction, EventId, EventOutcome
from db.database import Database
from dicom_io.tls import TlsClientSettings

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)


def happen(database: Database, *details: str, at: datetime = NOW) -> None:
    for detail in details:
        record(
            database,
            AuditEvent(
                event=EventId.EXPORT,
                action=EventAction.READ,
                outcome=EventOutcome.MINOR_FAILURE if detail == "bad" else EventOutcome.SUCCESS,
                who=Who("ada"),
                at=at,
                detail=detail,
            ),
        )


def details(lines: list[bytes]) -> list[str]:
    found = [etree.fromstring(line).findtext("EventIdentification/EventOutcomeDescription") for line in lines]
    return [one for one in found if not one.startswith("to ")]


def make(database: Database, sinks: dict[str, Sink], keep: timedelta | None = None, now: datetime = NOW) -> HandOver:
    return HandOver(database, sinks, Reporter("Tibabu"), keep, lambda: now)


def test_a_file_gets_what_happens_from_when_it_is_configured_in_order_and_once(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "audit.xml"
    happen(database, "before")
    tick = make(database, {"file": FileSink(file)})
    tick.run()
    happen(database, "first", "second")
    tick.run()
    tick.run()
    happen(database, "third")
    tick.run()
    assert details(file.read_bytes().splitlines()) == ["first", "second", "third"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_a_crash_cut_off_is_given_again_on_a_line_of_its_own(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "audit.xml"
    tick = make(database, {"file": FileSink(file)})
    tick.run()
    before = file.read_bytes()
    happen(database, "first")
    file.write_bytes(before + b"<?xml version='1.0' enc")
    tick.run()
    assert details(file.read_bytes().splitlines()[-1:]) == ["first"]


def test_a_sink_that_is_not_configured_any_more_is_forgotten_and_the_trail_says_so(
    database: Database, tmp_path: Path
) -> None:
    make(database, {"file": FileSink(tmp_path / "audit.xml")}).run()
    happen(database, "never handed over")
    make(database, {}).run()
    assert waiting(database, "file", limit=10) == ()
    assert search(database, AuditQuery()).rows[0].event.detail == "to file; 1 not handed over"
    follow(database, ["file"], now=NOW)
    assert [row.event.detail for row in waiting(database, "file", limit=10)] == ["to file"]


def test_events_go_by_age_once_they_were_handed_over_and_the_trail_says_how_many(
    database: Database, tmp_path: Path
) -> None:
    missing = tmp_path / "no folder" / "audit.xml"
    follow(database, ["file"], now=NOW)
    happen(database, "old")
    later = NOW + timedelta(days=40)
    with pytest.raises(AuditError):
        make(database, {"file": FileSink(missing)}, timedelta(days=30), later).run()
    assert "old" in {row.event.detail for row in search(database, AuditQuery()).rows}, "nobody has it yet"
    missing.parent.mkdir()
    make(database, {"file": FileSink(missing)}, timedelta(days=30), later).run()
    (left,) = search(database, AuditQuery()).rows
    assert (left.event.action, left.event.detail) == (
        EventAction.DELETE,
        "retention: 2 events from before 2026-03-11 removed",
    )


@dataclass
class Receiver:
    """A syslog receiver over TLS: reads frames by their counts (RFC 5425), and answers a closing."""

    listener: socket.socket
    context: ssl.SSLContext
    frames: list[bytes] = field(default_factory=list)
    connections: int = 0
    cut_off: bool = False

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self.listener.accept()
                self.connections += 1
                with suppress(OSError), self.context.wrap_socket(plain, server_side=True) as connection:
                    connection.settimeout(60)
                    self._read(connection)
                    if self.cut_off:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                        continue
                    connection.unwrap()

    def _read(self, connection: ssl.SSLSocket) -> None:
        while count := self._count(connection):
            frame = b""
            while len(frame) < count:
                frame += connection.recv(count - len(frame))
            self.frames.append(frame)
            if self.cut_off:
                return

    @staticmethod
    def _count(connection: ssl.SSLSocket) -> int:
        digits = b""
        while (letter := connection.recv(1)) not in {b"", b" "}:
            digits += letter
        return int(digits or 0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem"
    subprocess.run(  # noqa: S603 - a fixed command
        [*command.split(), "-subj", "/CN=audit", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def receiver(certificate: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    found = Receiver(socket.create_server(("127.0.0.1", 0)), context)
    thread = threading.Thread(target=found.serve)
    thread.start()
    yield found
    found.listener.shutdown(socket.SHUT_RDWR)
    found.listener.close()
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture
def syslog(receiver: Receiver, certificate: Path) -> Callable[[], SyslogSink]:
    trust = TlsClientSettings(ca_file=certificate / "cert.pem")
    return lambda: SyslogSink("127.0.0.1", receiver.port, trust, own_host="triage-1")


def test_syslog_gets_frames_counted_in_bytes_with_the_head_that_dicom_wants(
    sqlite_database: Database, receiver: Receiver, syslog: Callable[[], SyslogSink]
) -> None:
    tick = make(sqlite_database, {"syslog": syslog()})
    tick.run()
    happen(sqlite_database, "first", "zweiß", "bad")
    tick.run()
    heads = [frame.partition(b"\xef\xbb\xbf") for frame in receiver.frames]
    assert details([body for _, _, body in heads]) == ["first", "zweiß", "bad"]
    fields = [head.decode().split() for head, _, _ in heads[1:]]
    assert [one[0] for one in fields] == ["<85>1", "<85>1", "<84>1"]
    assert {tuple(one[1:4]) for one in fields} == {("2026-03-01T08:00:00.000Z", "triage-1", "tibabu")}
    assert {tuple(one[5:]) for one in fields} == {("DICOM+RFC3881", "-")}
    assert waiting(sqlite_database, "syslog", limit=10) == ()


def test_what_a_receiver_that_breaks_off_may_not_have_read_is_given_again_in_order(
    sqlite_database: Database, receiver: Receiver, syslog: Callable[[], SyslogSink], tmp_path: Path
) -> None:
    file = tmp_path / "audit.xml"
    tick = make(sqlite_database, {"syslog": syslog(), "file": FileSink(file)})
    tick.run()
    receiver.frames.clear()
    happen(sqlite_database, "first", "second")
    receiver.cut_off = True
    with pytest.raises(AuditError, match="failed=syslog"):
        tick.run()
    assert details(file.read_bytes().splitlines()) == ["first", "second"], "the other has it already"
    receiver.cut_off = False
    receiver.frames.clear()
    tick.run()
    assert details([frame.partition(b"\xef\xbb\xbf")[2] for frame in receiver.frames]) == ["first", "second"]


def test_a_receiver_whose_certificate_is_not_trusted_gets_nothing(
    sqlite_database: Database, receiver: Receiver
) -> None:
    with pytest.raises(AuditError):
        make(sqlite_database, {"syslog": SyslogSink("127.0.0.1", receiver.port)}).run()
    assert receiver.frames == []
