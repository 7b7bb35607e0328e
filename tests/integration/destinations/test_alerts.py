"""A destination that rests, and people who are told of it over a real socket; the clock is in the test's hand."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from agent.config.alerts import AlertsSection
from agent.destinations import folder, webhook
from agent.watch.alerts import Alerter
from db.breaker import note_answer, note_fault
from db.database import Database
from db.queue import open_queue

KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Ops:
    """A RIS that can rest, and an alerter that tells a web service."""

    def __init__(self, database: Database, url: str, tmp_path: Path) -> None:
        self.database, self.now, self.folder = database, datetime.now(UTC), tmp_path / "alerts"
        hook = {"name": "ops", "type": "webhook", "url": url, "secret_variable": "HOOK", "reports": ()}
        self.made = {
            "ris": folder.Destination(folder.Settings(name="ris", type="folder", folder=tmp_path / "ris"), ""),
            "ops": webhook.Destination(webhook.Settings(**hook), ""),
            "copies": folder.Destination(folder.Settings(name="copies", type="folder", folder=self.folder), ""),
        }

    def alerter(self, *to: str) -> Alerter:
        return Alerter(self.database, self.made, AlertsSection(to=to or ("ops",)), lambda: self.now)

    def rests(self, name: str = "ris") -> None:
        reason = "expected RIS to answer. Received: Doe^Jane"
        note_fault(self.database, name, reason=reason, limit=1, probe_in=timedelta(minutes=1), at=self.now)
        self.now += timedelta(minutes=5)

    def answers(self) -> None:
        note_answer(self.database, open_queue(self.database), "ris", at=self.now)


@pytest.fixture
def ops(database: Database, http_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ops]:
    monkeypatch.setenv("HOOK", KEY)
    return Ops(database, http_server.url, tmp_path)


def test_the_service_is_told_once_signed_by_whichever_process_and_when_it_is_over(ops: Ops, http_server: Any) -> None:
    ops.rests()
    for _ in range(3):
        ops.alerter().look()
    (asked,) = http_server.asked
    Webhook(KEY).verify(asked.body, asked.headers)
    told = json.loads(asked.body)
    assert (told["type"], told["data"]["trouble"], told["data"]["destination"]) == ("alert", "rests", "ris")
    assert told["data"]["stands"] is True
    assert told["data"]["commands"] == ["tibabu check", "tibabu deliveries --destination ris"]
    assert b"Doe" not in asked.body
    ops.answers()
    for _ in range(3):
        ops.alerter().look()
    _, over = http_server.asked
    assert json.loads(over.body)["data"]["sentence"] == "destination ris answers again."
    assert json.loads(over.body)["data"]["stands"] is False


def test_while_the_service_is_away_it_is_told_by_a_later_tick_and_another_channel_at_once(
    ops: Ops, http_server: Any
) -> None:
    http_server.answers = lambda _: (503, {}, b"")
    ops.rests()
    ops.alerter("ops", "copies").look()
    (file,) = ops.folder.glob("alert-*.json")
    assert json.loads(file.read_bytes())["data"]["trouble"] == "rests"
    http_server.answers = lambda _: (200, {}, b"")
    ops.alerter("ops", "copies").look()
    ops.alerter("ops", "copies").look()
    assert [asked.method for asked in http_server.asked] == ["POST", "POST"]
    assert list(ops.folder.iterdir()) == [file]


def test_a_channel_that_fails_is_waited_for_once_in_each_tick(ops: Ops, http_server: Any) -> None:
    http_server.answers = lambda _: (503, {}, b"")
    ops.rests()
    ops.rests("copies")
    ops.alerter().look()
    assert len(http_server.asked) == 1
    http_server.answers = lambda _: (200, {}, b"")
    ops.alerter().look()
    names = {json.loads(asked.body)["data"]["destination"] for asked in http_server.asked[1:]}
    assert names == {"ris", "copies"}


def test_of_its_own_trouble_no_channel_is_told_the_log_is_once(ops: Ops, http_server: Any) -> None:
    ops.rests("ops")
    with capture_logs() as logs:
        ops.alerter().look()
        ops.alerter().look()
    assert http_server.asked == []
    (line,) = [line for line in logs if line["event"] == "alert_not_carried"]
    assert (line["log_level"], line["destination"]) == ("error", "ops")


def test_after_a_connection_that_broke_it_is_told_again_under_the_same_identifier(ops: Ops, http_server: Any) -> None:
    http_server.answers = lambda _: (0, {}, b"")
    ops.rests()
    ops.alerter().look()
    http_server.answers = lambda _: (200, {}, b"")
    ops.alerter().look()
    first, second = http_server.asked
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
