"""The pages of the models and of the audit trail: cards as they are, and who did what; no patient is shown."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from agent.web.markdown import pieces
from db.audit import AuditEvent, Who, record
from db.audit_search import AuditQuery, search
from db.audit_terms import EventAction, EventId, EventOutcome
from model.card import read_card
from model.card_markdown import render
from model.zoo import architecture, loadable

Ledger = Any  # tests/fixtures/served.py
NOW = datetime.now(UTC)


@pytest.fixture
def site(url: str) -> Iterator[httpx.Client]:
    headers = {"Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as found:
        yield found


def text(page: str) -> str:
    inline = re.sub(r"</?(?:bdi|time|b|strong)\b[^>]*>", "", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", inline)).split())


def test_every_model_is_listed_with_its_digest_and_its_card_is_shown_whole(site: httpx.Client) -> None:
    shown = text(site.get("/system/models").text)
    for name in loadable():
        card = read_card(architecture(name).card_path)
        assert f"{name} {card.version} : not in use" in shown
        assert card.sha256 in shown
        page = text(site.get(f"/system/models/{name}").text)
        assert card.intended_use in page
        for word in re.findall(r"[\w.%]+", re.sub(r"[|`*#-]", " ", render(card))):
            assert word in page
    assert site.get("/system/models/no_such_model").status_code == 404
    assert "No second model is configured" in site.get("/system/models/compare").text


def test_the_pieces_of_markdown_are_headings_texts_lists_and_tables() -> None:
    found = list(pieces("## A `b`\n\nOne\ntwo.\n\n- **x**\n- y\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"))
    assert [(piece.kind, piece.rows) for piece in found] == [
        ("heading", (("A b",),)),
        ("text", (("One two.",),)),
        ("list", (("x",), ("y",))),
        ("table", (("a", "b"), ("1", "2"))),
    ]


def happened(ledger: Ledger, person: str, number: int = 1, **said: Any) -> None:
    for minutes in range(number):
        event = AuditEvent(
            event=EventId.INSTANCES_ACCESSED,
            action=EventAction.READ,
            who=Who(person, "reader", "10.0.0.7"),
            at=NOW - timedelta(hours=1, minutes=minutes),
            **said,
        )
        record(ledger.database, event)


def rows(page: httpx.Response) -> list[str]:
    body = re.search(r"<tbody>(.*?)</tbody>", page.text, re.DOTALL)
    return [] if body is None else [text(row) for row in re.findall(r"<tr>.*?</tr>", body[1], re.DOTALL)]


@pytest.mark.parametrize(
    "form",
    [
        {"person": "rita"},
        {"patient": "P-SECRET"},
        {"study": "1.2.3"},
        {"failures": "1"},
        {"person": "rita", "event": "instances_accessed", "since": "2020-01-01T00:00", "until": "2099-01-01T00:00"},
    ],
)
def test_an_event_is_found_by_what_is_asked_and_the_patient_is_not_shown(
    site: httpx.Client, ledger: Ledger, form: dict[str, str]
) -> None:
    happened(ledger, "otto")
    said = {"study_instance_uid": "1.2.3", "patient_id": "P-SECRET", "outcome": EventOutcome.MINOR_FAILURE}
    happened(ledger, "rita", detail="study's <b>page</b>", **said)
    answer = site.post("/audit", data=form)
    (found,) = rows(answer)
    assert "rita, reader 10.0.0.7 instances accessed: seen minor failure study's <b>page</b> - 1.2.3" in found
    assert answer.text.count("P-SECRET") == ("patient" in form)  # in the field where it was written
    (asked,) = search(ledger.database, AuditQuery(event=EventId.AUDIT_LOG_USED)).rows
    assert (asked.event.who.name, asked.event.detail) == ("local", "search")


def test_it_is_leafed_through_by_its_own_button(site: httpx.Client, ledger: Ledger) -> None:
    happened(ledger, "rita", 60)
    first = site.post("/audit", data={"person": "rita"})
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', first.text))
    second = site.post("/audit", data=fields)
    assert (len(rows(first)), len(rows(second))) == (50, 10)
    assert not set(rows(first)) & set(rows(second))
    assert "Further back</button>" not in second.text


def test_what_is_no_time_is_said_and_not_asked_about(site: httpx.Client, ledger: Ledger) -> None:
    happened(ledger, "rita")
    answer = site.post("/audit", data={"person": "rita", "since": "yesterday"})
    assert "Not understood as a time, and not asked about: from" in answer.text
    assert len(rows(answer)) == 1
    times = {"since": "0001-01-01T00:00+14:00", "until": "9999-12-31T23:59-14:00"}
    assert "not asked about: from, until" in site.post("/audit", data=times).text
    place = {"after_id": "1", "after_at": "0001-01-01T00:00+14:00"}
    assert site.post("/audit", data={"person": "rita"} | place).status_code == 200
    assert "Nothing is on record of that." in site.post("/audit", data={"person": "nobody"}).text
