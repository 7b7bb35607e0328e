"""The webhook destination against a real HTTP server; Standard Webhooks' own library judges the signature."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from agent.destinations import Outgoing, webhook
from agent.errors import DeliveryError, DestinationDownError, Retry

KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 25))).decode()
BODY = json.dumps({"type": "tibabu.study.result", "data": {"outcome": "flagged", "name": "Öz"}}, ensure_ascii=False)
REPORT = Outgoing("application/json", BODY.encode(), "2.25.77", "1.2.3")
Make = Callable[..., webhook.Destination]


@pytest.fixture
def make(http_server: Any, monkeypatch: pytest.MonkeyPatch) -> Make:
    def destination(secret: str = KEY, *, clock: datetime | None = None, **settings: Any) -> webhook.Destination:
        monkeypatch.setenv("HOOK", secret)
        url = {"url": f"{http_server.url}/hooks/tibabu"}
        made = webhook.Settings(**{"name": "hook", "type": "webhook", "secret_variable": "HOOK"} | url | settings)
        return webhook.Destination(made, "TIBABU", lambda: clock or datetime.now(UTC))

    return destination


def test_the_receiver_can_tell_who_sent_it_and_that_nothing_was_changed(http_server: Any, make: Make) -> None:
    assert make().send(REPORT) == "HTTP 200"
    (asked,) = http_server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/hooks/tibabu", REPORT.data)
    assert asked.headers["content-type"] == "application/json"
    Webhook(KEY).verify(asked.body, asked.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(asked.body, asked.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(KEY).verify(asked.body.replace(b"flagged", b"failed "), asked.headers)


def test_the_identifier_is_the_same_in_every_attempt_and_the_time_is_the_attempts(http_server: Any, make: Make) -> None:
    now = datetime.now(UTC)
    for moment in (now - timedelta(hours=1), now):
        make(clock=moment).send(REPORT)
    first, second = http_server.asked
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "2.25.77"
    assert first.body == second.body
    Webhook(KEY).verify(second.body, second.headers)
    with pytest.raises(WebhookVerificationError):  # what is an hour old may have been recorded by somebody
        Webhook(KEY).verify(first.body, first.headers)


def test_a_secret_can_be_changed_while_both_sign(http_server: Any, make: Make, tmp_path: Path) -> None:
    (file := tmp_path / "hook").write_text(f"{KEY}\n{OTHER}\n")
    make(secret_variable="", secret_file=file).send(REPORT)
    (asked,) = http_server.asked
    for secret in (KEY, OTHER):
        Webhook(secret).verify(asked.body, asked.headers)


@pytest.mark.parametrize("secret", ["whsec_short", "not base64 !", "whsec_" + base64.b64encode(bytes(65)).decode(), ""])
def test_without_a_fit_secret_nothing_is_sent_and_it_is_not_shown(http_server: Any, make: Make, secret: str) -> None:
    for act in ("send", "ping"):
        with pytest.raises(DeliveryError) as caught:
            make(secret).send(REPORT) if act == "send" else make(secret).ping()
        assert caught.value.retry
        assert not secret or secret not in str(caught.value)
    assert http_server.asked == []


@pytest.mark.parametrize(
    ("status", "retry"),
    [
        (302, Retry.SLOWLY),
        (400, Retry.NEVER),
        (401, Retry.SLOWLY),
        (404, Retry.SLOWLY),
        (410, Retry.NEVER),
        (429, Retry.SOON),
        (500, Retry.SOON),
        (502, Retry.SOON),
    ],
)
def test_only_2xx_means_that_it_was_taken(http_server: Any, make: Make, status: int, retry: Retry) -> None:
    http_server.answers = lambda _: (status, {"Location": f"{http_server.url}/internal"}, b"no such patient: Geheim")
    with pytest.raises(DeliveryError) as caught:
        make().send(REPORT)
    assert caught.value.patience is retry
    assert "Geheim" not in str(caught.value)
    assert [asked.path for asked in http_server.asked] == ["/hooks/tibabu"]
    for fine in (201, 202, 204):
        http_server.answers = lambda _, fine=fine: (fine, {}, b"")
        assert make().send(REPORT) == f"HTTP {fine}"


def test_it_goes_to_the_configured_url_only_and_its_path_is_told_to_nobody(
    http_server: Any, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy of the environment, no redirection; and the path of such a URL is often a secret."""
    for variable in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    http_server.answers = lambda _: (500, {}, b"")
    with pytest.raises(DestinationDownError) as caught:
        make().send(REPORT)
    assert http_server.url in str(caught.value)
    assert "hooks" not in str(caught.value)
    assert len(http_server.asked) == 1


@pytest.mark.parametrize(("status", "there"), [(200, True), (405, True), (404, True), (503, False), (301, False)])
def test_a_ping_sends_nothing(http_server: Any, make: Make, status: int, *, there: bool) -> None:
    http_server.answers = lambda _: (status, {}, b"")
    if there:
        make().ping()
    else:
        with pytest.raises(DeliveryError):
            make().ping()
    assert [(asked.method, asked.body) for asked in http_server.asked] == [("HEAD", b"")]


def test_over_tls_only_the_server_that_is_trusted_gets_anything(tls_server: Any, make: Make, certificate: Path) -> None:
    assert make(url=tls_server.url, tls_ca_file=certificate / "own.pem").send(REPORT) == "HTTP 200"
    tls_server.asked.clear()
    with pytest.raises(DestinationDownError, match="certificate not trusted"):
        make(url=tls_server.url).send(REPORT)
    with pytest.raises(DestinationDownError, match="certificate not trusted"):
        make(url=tls_server.url.replace("127.0.0.1", "localhost"), tls_ca_file=certificate / "own.pem").send(REPORT)
    assert tls_server.asked == []


@pytest.mark.parametrize(
    "settings",
    [
        {"secret_variable": ""},
        {"secret_file": "/hook"},
        {"url": "file:///etc/passwd"},
        {"url": "https://ris.example/hook?token=1"},
        {"url": "https://user@ris.example/hook"},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    given = {"name": "hook", "type": "webhook", "url": "https://ris.example/hook", "secret_variable": "HOOK"}
    webhook.Settings(**given)
    with pytest.raises(ValidationError):
        webhook.Settings(**given | settings)
