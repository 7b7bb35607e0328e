"""Two readers at one study in real browsers: the second sees who has it, and keys do what the forms do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from db.feedback import all_feedback
from db.outcome import Outcome
from db.worklist import study_record, worklist_row

NewPage = Callable[..., Page]
UID = "2.25.1"

pytestmark = pytest.mark.tools


@pytest.fixture
def flagged(ledger: Any) -> Any:
    at = datetime.now(UTC) - timedelta(minutes=10)
    image = ledger.receive(UID, at=at, patient_id="P1", patient_name="Doe^Jane")
    ledger.score(image, Outcome.FLAGGED, at=at, probability=0.8)
    ledger.conclude(image.study_id, at=at + timedelta(minutes=1))
    return ledger


def test_an_open_study_is_seen_to_be_read_and_keys_disagree_mark_read_and_take_back(
    url: str, new_page: NewPage, flagged: Any, eventually: Callable[..., None]
) -> None:
    reader = new_page(f"{url}/studies/{UID}")
    other = new_page(f"{url}/")
    expect(other.get_by_text("being read:")).to_be_visible()
    expect(reader.get_by_text("You have this study before you")).to_be_visible()
    reader.keyboard.press("d")
    expect(reader.get_by_label("No pneumonia, another finding").last).to_be_visible()
    reader.locator("#reading-disagree").get_by_label("No pneumonia, another finding").check()
    reader.locator("#reading-disagree").get_by_label("Reason").fill("dru: a rib")  # letters are no keys in a field
    reader.locator("#reading-disagree").get_by_role("button", name="Disagree").click()
    expect(reader.get_by_text("Your opinion of the AI's result is on record.")).to_be_visible()
    record = study_record(flagged.database, UID)
    assert record is not None
    assert [row["event"] for row in record.events].count("OPENED") == 1  # the form led back to the same reading
    assert [(row.agrees, row.reason) for row in all_feedback(flagged.database)] == [(False, "dru: a rib")]
    reader.wait_for_load_state("load")  # keys are heard from then on
    reader.keyboard.press("r")  # in the viewer it resets the view: the key leads to the button, and Enter presses it
    expect(reader.get_by_role("button", name="Mark read")).to_be_focused()
    row = worklist_row(flagged.database, UID)
    assert row is not None
    assert row.read_at is None
    reader.keyboard.press("Enter")
    expect(reader.get_by_text("the study is off the worklist")).to_be_visible()
    reader.wait_for_load_state("load")
    reader.keyboard.press("u")
    reader.keyboard.press("Enter")
    expect(reader.get_by_text("Taken back.")).to_be_visible()
    row = worklist_row(flagged.database, UID)
    assert row is not None
    assert row.read_at is None
    reader.goto(f"{url}/feedback")
    eventually(lambda: not worklist_row(flagged.database, UID).reader_at(datetime.now(UTC)))  # type: ignore[union-attr]
