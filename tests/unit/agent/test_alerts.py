"""What an alert says, and which destinations can carry one."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from agent.config.file import Config
from agent.destinations import Alert
from agent.watch.alerts import alert_of
from db.alerts import Claim
from db.trouble import Standing, Trouble

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PACS = {"name": "pacs", "type": "dicom", "ae_title": "PACS", "host": "10.0.0.5", "port": 104}
OPS = {"name": "ops", "type": "folder", "folder": "alerts"}


def told(trouble: Trouble, **facts: Any) -> Alert:
    stands = Standing(trouble=trouble, destination="ris", since=NOON, **facts) if facts else None
    given = {"alert_id": 1, "trouble": trouble, "destination": "ris", "channel": "ops", "identifier": "alert-1"}
    return alert_of(Claim(**given, stands=stands, may_know=False, claimed_until=NOON), at=NOON)


@pytest.mark.parametrize(
    ("trouble", "facts", "subject"),
    [
        (Trouble.PARKED, {"reports": 3}, "3 reports parked for destination ris"),
        (Trouble.PARKED, {"reports": 1, "instances": 2}, "1 report and 2 images parked for destination ris"),
        (Trouble.PARKED, {}, "nothing is parked any more for destination ris"),
        (
            Trouble.RESTS,
            {"reason": "x"},
            "destination ris does not take what it is sent, and nothing is sent there until it answers",
        ),
        (Trouble.RESTS, {}, "destination ris answers again"),
        (
            Trouble.UNCONFIRMED,
            {"reports": 1},
            "1 report not confirmed by destination ris, which said that it stored them",
        ),
        (
            Trouble.TO_NOBODY,
            {"reports": 2},
            "2 reports waiting for destination ris, which the configuration does not have",
        ),
        (
            Trouble.TO_NOBODY,
            {},
            "nothing waits for destination ris any more, or the configuration has it again",
        ),
        (Trouble.UNCONFIRMED, {}, "no report waits any more for destination ris to confirm it"),
        (Trouble.TICK_FAILS, {"reason": "x"}, "ris, which is done periodically, fails"),
        (Trouble.TICK_FAILS, {}, "ris, which is done periodically, does not fail any more"),
        (Trouble.TICK_OVERDUE, {"reason": "x"}, "ris, which is done periodically, is overdue"),
        (Trouble.TICK_OVERDUE, {}, "ris, which is done periodically, is not overdue any more"),
        (Trouble.FILES_DAMAGED, {"reason": "x"}, "files in the ris are damaged or lost"),
        (Trouble.FILES_DAMAGED, {}, "no file in the ris is damaged or lost any more"),
        (Trouble.DISK_LOW, {"reason": "x"}, "there is little room where the ris lies"),
        (Trouble.DISK_LOW, {}, "there is room again where the ris lies"),
    ],
)
def test_the_subject_says_what_stands_wrong_or_does_no_more(trouble: Trouble, facts: Any, subject: str) -> None:
    alert = told(trouble, **facts)
    assert alert.subject == f"Tibabu: {subject}"
    assert json.loads(alert.data)["data"]["sentence"] == f"{subject}."


def test_it_says_since_when_why_and_how_to_mend_it() -> None:
    assert told(Trouble.PARKED, reports=3, status="A900", reason="expected it to be taken").lines == (
        "3 reports parked for destination ris.",
        "Since: 2026-01-01T12:00:00+00:00",
        "Status: A900",
        "Reason: expected it to be taken",
        "",
        "Look, mend the cause, and send again:",
        "tibabu deliveries --state parked --destination ris",
        "tibabu requeue --deliveries --destination ris",
    )


@pytest.mark.parametrize("to", [["nobody"], ["pacs"], ["ops", "ops"]])
def test_alerts_to_who_cannot_carry_them_are_an_error_of_the_configuration(to: list[str]) -> None:
    with pytest.raises(ValidationError, match=r"alerts\n.*expected (destinations that carry|each destination once)"):
        Config.model_validate({"destinations": [PACS, OPS], "alerts": {"to": to}})


def test_alerts_go_to_destinations_that_carry_them() -> None:
    assert Config.model_validate({"destinations": [PACS, OPS], "alerts": {"to": ["ops"]}}).alerts.to == ("ops",)
