"""The forms with which a reader acts on a study, as a browser without script sends them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from db.amendment import amendment_to_record
from db.audit_search import AuditQuery, search
from db.audit_terms import EventId
from db.feedback import all_feedback
from db.outcome import Outcome
from db.reading_record import reading_record
from db.worklist import worklist_row


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def flagged(ledger: Any, now: datetime) -> str:
    image = ledger.receive("2.25.1", at=now - timedelta(minutes=10), patient_id="P1", patient_name="Doe^Jane")
    ledger.score(image, Outcome.FLAGGED, at=now - timedelta(minutes=9), probability=0.8)
    ledger.conclude(image.study_id, at=now - timedelta(minutes=8))
    return "2.25.1"


class Reader:
    def __init__(self, client: httpx.Client, uid: str) -> None:
        self._client, self.at = client, f"/studies/{uid}"

    def page(self) -> str:
        return self._client.get(self.at).text

    def post(self, what: str, **values: object) -> httpx.Response:
        """Send a form of the page as it stands now."""
        hidden = dict(re.findall(r'type="hidden" name="(revision|version)" value="(\d+)"', self.page()))
        data = {name: str(value) for name, value in (hidden | values).items()}
        return self._client.post(f"{self.at}/reading/{what}", data=data, headers={"Sec-Fetch-Site": "same-origin"})


@pytest.fixture
def reader(client: httpx.Client, flagged: str) -> Reader:
    return Reader(client, flagged)


def act_of(page: str, text: str) -> str:
    found = re.search(rf'name="act" value="(\d+)"(?:(?!name="act").)*Take back<span[^>]*>: {text}', page, re.DOTALL)
    assert found is not None, page
    return found[1]


def test_a_reader_disagrees_and_is_asked_whether_what_was_sent_is_to_be_withdrawn(reader: Reader, ledger: Any) -> None:
    assert "may have been sent" not in reader.page()
    seen = {"finding": "other", "also": "nodule", "finding_text": "<b>rib</b>"}
    assert reader.post("feedback", opinion="disagree", reason="a rib", **seen | {"also": "a rib"}).status_code == 422
    sent = reader.post("feedback", opinion="disagree", reason="a rib", **seen)
    assert (sent.status_code, sent.headers["location"]) == (303, "/studies/2.25.1?done=feedback#reading")
    page = reader.page()
    assert "disagrees, no pneumonia, another finding, nodule" in page
    assert "Nodule; &lt;b&gt;rib&lt;/b&gt;" in page
    assert "may have been sent" in page
    assert [row.person for row in all_feedback(ledger.database)] == ["local"]
    assert reader.post("amend").status_code == 303
    assert amendment_to_record(ledger.database, 1) is not None
    assert reader.post("withdraw", cause="safety", note="no infiltrate").status_code == 303
    row = worklist_row(ledger.database, "2.25.1")
    assert row is not None
    assert (row.outcome, row.ai_priority) == (Outcome.NOT_ANALYSED, None)
    assert "no infiltrate" in row.reason


def test_the_forms_do_what_they_say_and_each_can_be_taken_back(reader: Reader, ledger: Any) -> None:
    for what, values, text in (
        ("read", {}, "Marked read"),
        ("priority", {"priority": "HIGH", "reason": "the ward called"}, "Priority: High"),
        ("assign", {"person": "bo"}, "Assigned to bo"),
        ("note", {"note": "called the ward"}, "Note"),
        ("feedback", {"opinion": "agree", "finding": "present"}, "Opinion of the AI&#39;s result: agrees"),
    ):
        assert reader.post(what, **values).status_code == 303, what
        page = reader.page()
        assert f"<b>{text}" in page, (what, page)
        assert reader.post("undo", act=act_of(page, text)).status_code == 303, what
    record = reading_record(ledger.database, "2.25.1")
    assert record is not None
    assert (record.read_at, record.person_priority, record.assigned_to) == (None, None, "")
    assert not any(act.can_be_undone for act in record.acts)
    assert reader.page().count("taken back by") == 5


def test_who_comes_second_is_told_what_the_first_one_did_and_overwrites_nothing(reader: Reader) -> None:
    reader.post("assign", person="bo")
    late = reader.post("assign", person="cy", version=0)
    assert late.status_code == 409
    assert "local assigned it meanwhile" in late.text
    assert "Assigned to <bdi>bo</bdi>" in reader.page()


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("priority", {"priority": "LATER", "reason": "x"}),
        ("priority", {"priority": "HIGH"}),
        ("feedback", {"opinion": "perhaps", "finding": "present"}),
        ("feedback", {"opinion": "agree", "finding": "absent"}),
        ("note", {"note": ""}),
        ("note", {"note": "x" * 2001}),
        ("undo", {"act": "x"}),
        ("withdraw", {"cause": "whim"}),
        ("read", {"revision": "one"}),
    ],
)
def test_what_no_form_says_or_is_not_enough_is_refused_in_words(
    reader: Reader, what: str, values: dict[str, str]
) -> None:
    answer = reader.post(what, **values)
    assert answer.status_code == 422
    assert "There is no such page" not in answer.text


def test_the_page_that_is_open_says_so_on_the_worklist_until_it_is_closed(reader: Reader, client: httpx.Client) -> None:
    assert reader.post("keep", begin="yes").json() == {"mine": True}
    assert "being read: <bdi>Local user</bdi>" in client.get("/").text
    assert reader.post("keep").json() == {"mine": True}
    reader.post("close")
    assert "being read" not in client.get("/").text
    assert reader.post("keep").json() == {"mine": False}


def test_an_unknown_study_cannot_be_acted_on(client: httpx.Client, url: str) -> None:
    answer = client.post(
        "/studies/2.25.404/reading/note", data={"note": "x"}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 422, url


def test_what_readers_said_is_shown_over_time_and_taken_away_as_csv(
    reader: Reader, client: httpx.Client, ledger: Any
) -> None:
    assert "No reader has agreed or disagreed" in client.get("/feedback").text
    reader.post("feedback", opinion="disagree", finding="absent", reason="a rib")
    page = client.get("/feedback").text
    assert "0 of 1 (0%)" in page
    assert page.count("<circle") == 2, "agreement and predictive value have a dot, missed has none yet"
    table = client.get("/feedback.csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert "a rib" in table.text
    (row,) = search(ledger.database, AuditQuery(event=EventId.EXPORT)).rows
    assert row.event.detail == "1 opinions of readers"


@pytest.mark.parametrize(
    ("word", "said"), [("read", "off the worklist"), ("open", "before you"), ("x", 'class="done"')]
)
def test_what_was_done_is_said_only_while_it_is_so(reader: Reader, client: httpx.Client, word: str, said: str) -> None:
    assert said not in client.get(f"{reader.at}?done={word}").text
    reader.post("read")
    assert "the study is off the worklist" in client.get(f"{reader.at}?done=read").text
    assert "on the worklist again" not in client.get(f"{reader.at}?done=unread").text
