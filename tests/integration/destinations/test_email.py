"""The mail destination against aiosmtpd, a real mail server, over real sockets, with TLS."""

import asyncio
import email.policy
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from agent.destinations import Alert, Outgoing
from agent.destinations import email as module
from agent.errors import DeliveryError, DestinationDownError, Retry

DATA: dict[str, Any] = {
    "study_instance_uid": "1.2.3",
    "outcome": "flagged",
    "priority": {"order": "LOW", "effective": "MEDIUM"},
    "concluded_at": "2026-03-01T21:00:01+00:00",
    "model": {"name": "lite", "version": "3", "operating_point": "sensitive"},
    "sentences": ["FLAGGED for prioritisation.", "Not a diagnosis."],
    "links": {"study": "https://tibabu.example/studies/1.2.3"},
}
PATIENT = {"patient_name": "Öztürk^Zoë", "patient_id": "P-1", "accession_number": ""}
Make = Callable[..., module.Destination]


def summary(**changes: Any) -> Outgoing:
    payload = {"schema": "tibabu-summary-1", "timestamp": "2026-03-01T21:00:01+00:00", "data": DATA | changes}
    return Outgoing("application/json", json.dumps(payload).encode(), "2.25.77", "1.2.3")


@dataclass
class Post:
    """What a mail server was given, and what it says to commands by their names."""

    port: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    says: dict[str, str] = field(default_factory=dict)
    letters: list[Envelope] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        envelope.mail_from = address
        return self.says.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        said = self.says.get(address, "250 OK")
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        said = self.says.get("DATA", "250 OK")
        if said.startswith("250"):
            self.letters.append(envelope)
        return said

    async def handle_QUIT(self, *_: Any) -> str:  # noqa: N802
        return self.says.get("QUIT", "221 Bye")

    def authenticate(self, *arguments: Any) -> AuthResult:
        login: LoginPassword = arguments[-1]
        self.logins.append((login.login, login.password))
        return AuthResult(success=login.password == b"geheim", handled=False)


def letter_of(post: Post) -> Any:
    """Return the only letter, as a mail program reads it."""
    (envelope,) = post.letters
    assert isinstance(envelope.content, bytes)
    return email.message_from_bytes(envelope.content, policy=email.policy.default)


@contextmanager
def serving(post: Post, *, implicit: ssl.SSLContext | None = None, **options: Any) -> Iterator[Post]:
    """Serve on a port of its own, with TLS from the first byte if `implicit`."""
    ready, ended, connections = threading.Event(), asyncio.Event(), list[asyncio.BaseTransport]()

    class Remembering(SMTP):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connections.append(transport)
            super().connection_made(transport)

    def made() -> SMTP:
        login = {"authenticator": post.authenticate, "auth_require_tls": False}
        return Remembering(post, hostname="mail", loop=asyncio.get_running_loop(), **login, **options)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0, ssl=implicit)
        post.port, post.loop = server.sockets[0].getsockname()[1], asyncio.get_running_loop()
        ready.set()
        await ended.wait()
        server.close()
        talks = asyncio.all_tasks() - {asyncio.current_task()}
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        for connection in connections:
            connection.abort()
        await server.wait_closed()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(60)
    try:
        yield post
    finally:
        assert post.loop is not None
        post.loop.call_soon_threadsafe(ended.set)
        thread.join()


@pytest.fixture
def post(server_tls: ssl.SSLContext) -> Iterator[Post]:
    """Give a mail server that speaks STARTTLS."""
    with serving(Post(), tls_context=server_tls) as post:
        yield post


@pytest.fixture
def make(certificate: Path) -> Make:
    def destination(post: Post, **settings: Any) -> module.Destination:
        given = {
            "name": "mail",
            "type": "email",
            "host": "127.0.0.1",
            "port": post.port,
            "sender": "tibabu@hospital.example",
            "recipients": ["reading@hospital.example", "chief@hospital.example"],
            "tls_ca_file": certificate / "own.pem",
        }
        return module.Destination(module.Settings(**given | settings), "TIBABU")

    return destination


def test_all_recipients_get_the_summary_in_words_encrypted(post: Post, make: Make) -> None:
    assert make(post).send(summary()) == "250: 2 recipients"
    assert post.encrypted == [True]
    assert post.letters[0].rcpt_tos == ["reading@hospital.example", "chief@hospital.example"]
    letter = letter_of(post)
    assert letter["Subject"] == "AI triage: a study was flagged"
    assert (letter["From"], letter["Auto-Submitted"]) == ("tibabu@hospital.example", "auto-generated")
    assert letter["Message-ID"] == "<2.25.77@hospital.example>"
    assert letter["Date"].datetime.isoformat() == "2026-03-01T21:00:01+00:00"
    said = letter.get_content()
    told = ("Priority: MEDIUM, raised from LOW", "Concluded: 2026-03-01 21:00:01 UTC")
    for line in (*DATA["sentences"], *told, "Open: https://tibabu.example/studies/1.2.3"):
        assert line in said.splitlines()


def test_times_are_in_the_summarys_zone_and_no_order_is_made_up(post: Post, make: Make) -> None:
    priority = {"order": "LOW", "effective": "LOW"}
    make(post).send(summary(concluded_at="2026-03-02T02:30:01.25+05:30", priority=priority))
    said = letter_of(post).get_content().splitlines()
    assert {"Priority: LOW", "Concluded: 2026-03-02 02:30:01 UTC+05:30"} <= set(said)


def test_whoever_gets_it_twice_can_tell(post: Post, make: Make) -> None:
    for _ in range(2):
        make(post).send(summary())
    first, second = post.letters
    assert first.content == second.content


@pytest.mark.parametrize("outcome", ["flagged", "not_flagged", "not_analysed", "failed"])
def test_the_subject_says_the_outcome_and_nothing_of_the_patient(post: Post, make: Make, outcome: str) -> None:
    make(post).send(summary(outcome=outcome, patient=PATIENT))
    subject = letter_of(post)["Subject"]
    assert subject.startswith("AI triage: ")
    assert not any(text in subject for text in ("Öz", "P-1", "1.2.3", "normal", "clear", "negative"))
    assert "does not exclude disease" in subject or outcome != "not_flagged"


def test_whoever_was_told_can_see_by_the_subject_that_it_is_withdrawn(post: Post, make: Make) -> None:
    make(post).send(summary(outcome="not_analysed", withdrawn=True))
    assert letter_of(post)["Subject"] == "AI triage: a result was withdrawn"


def test_the_patient_is_named_if_the_summary_does_in_any_script(post: Post, make: Make) -> None:
    make(post).send(summary(patient=PATIENT))
    assert "Name: Öztürk^Zoë" in letter_of(post).get_content().splitlines()
    assert "Accession number" not in letter_of(post).get_content()
    assert isinstance(post.letters[0].content, bytes)
    assert post.letters[0].content.isascii()


def test_no_text_of_a_patient_can_become_a_header_or_a_line_of_its_own(post: Post, make: Make) -> None:
    make(post).send(summary(patient={"patient_name": "A\r\nBcc: everybody@example\r\n.\r\nQUIT"}))
    assert "Bcc" not in letter_of(post)
    assert "Name: A Bcc: everybody@example . QUIT" in letter_of(post).get_content().splitlines()


@pytest.mark.parametrize(
    ("command", "said", "retry"),
    [
        ("MAIL", "451 later", Retry.SOON),
        ("MAIL", "550 you Geheim", Retry.NEVER),
        ("chief@hospital.example", "450 full", Retry.SOON),
        ("chief@hospital.example", "550 nobody", Retry.NEVER),
        ("DATA", "451 later", Retry.SOON),
        ("DATA", "554 spam Geheim", Retry.NEVER),
    ],
)
def test_what_the_server_refuses_goes_to_nobody_and_is_tried_again_or_parked_by_the_table(
    post: Post, make: Make, command: str, said: str, retry: Retry
) -> None:
    """One recipient who is refused keeps it from all: sent again, the others would get it twice."""
    post.says[command] = said
    with pytest.raises(DeliveryError) as caught:
        make(post).send(summary())
    assert (caught.value.patience, caught.value.status) == (retry, said[:3])
    assert post.letters == []
    assert "Geheim" not in str(caught.value)


def test_a_poor_farewell_does_not_undo_what_was_taken(post: Post, make: Make) -> None:
    post.says["QUIT"] = "500 what"
    assert make(post).send(summary()) == "250: 2 recipients"


def test_nothing_is_sent_to_a_server_that_does_not_encrypt_or_is_another(
    make: Make, certificate: Path, server_tls: ssl.SSLContext
) -> None:
    with serving(Post()) as plain:
        with pytest.raises(DestinationDownError):
            make(plain).send(summary())
        assert plain.letters == []
        assert make(plain, encryption="none").send(summary()) == "250: 2 recipients"
        assert plain.encrypted == [False]
    with serving(Post(), tls_context=server_tls) as stranger:
        with pytest.raises(DestinationDownError, match="certificate"):
            make(stranger, tls_ca_file=None).send(summary())
        with pytest.raises(DestinationDownError, match="certificate"):
            make(stranger, host="localhost").send(summary())
        assert stranger.letters == []
    assert certificate.is_dir()


def test_tls_from_the_first_byte_is_spoken_too(make: Make, server_tls: ssl.SSLContext) -> None:
    with serving(Post(), implicit=server_tls) as post:
        assert make(post, encryption="tls").send(summary()) == "250: 2 recipients"
        assert post.encrypted == [True]


def test_a_login_is_made_with_the_secret_of_the_moment(post: Post, make: Make, tmp_path: Path) -> None:
    (file := tmp_path / "password").write_text("falsch\n")
    destination = make(post, login="tibabu", secret_file=file)
    with pytest.raises(DestinationDownError) as caught:
        destination.ping()
    assert caught.value.patience is Retry.SLOWLY
    assert "falsch" not in f"{caught.value}{destination}"
    file.write_text("geheim\n")
    destination.ping()
    assert destination.send(summary()) == "250: 2 recipients"
    assert post.logins[-1] == (b"tibabu", b"geheim")


def test_a_server_that_is_away_is_tried_again(make: Make, free_port: Callable[[], int]) -> None:
    with pytest.raises(DestinationDownError, match="Connection refused") as caught:
        make(Post(free_port())).send(summary())
    assert not caught.value.sent


def test_an_alert_is_a_letter_with_its_sentence_as_subject(post: Post, make: Make) -> None:
    subject, noon = "Tibabu: 3 reports parked for destination ris", datetime(2026, 1, 1, 12, tzinfo=UTC)
    make(post).alert(Alert("alert-1", noon, subject, ("3 reports parked.", "tibabu requeue --deliveries"), b"{}"))
    letter = letter_of(post)
    assert (letter["subject"], letter["auto-submitted"]) == (subject, "auto-generated")
    assert letter["message-id"].startswith("<alert-1@")
    assert letter.get_content().splitlines() == ["3 reports parked.", "tibabu requeue --deliveries"]


def test_an_alert_that_the_server_does_not_take_has_failed(post: Post, make: Make) -> None:
    post.says["DATA"] = "451 later"
    with pytest.raises(DeliveryError):
        make(post).alert(Alert("alert-1", datetime(2026, 1, 1, 12, tzinfo=UTC), "Tibabu: x", ("x",), b"{}"))
