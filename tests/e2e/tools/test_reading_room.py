"""A reading room, end to end: DCMTK sends, a real agent analyses, people sign in and read in real browsers.

All tests share one agent with accounts; the later ones go on where the earlier ones left it.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pydicom import dcmread

from agent.web.access import Role
from agent.web.passwords import Hasher
from db.account_changes import create
from db.accounts import NewAccount
from db.audit import THE_AGENT
from db.queue import utc_now
from model.classifier import DEFAULT

NewPage = Callable[..., Page]  # tests/fixtures/chromium.py
Tibabu = Any  # tests/e2e/conftest.py
PASSWORD = "seven grey owls argue"  # noqa: S105 - of people in tests
FIRST_PASSWORD = "four quiet herons wade"  # noqa: S105

pytestmark = [pytest.mark.shared, pytest.mark.tools]


@pytest.fixture(scope="module")
def agent(
    configure: Callable[..., Tibabu], running: Any, recording_pacs: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tibabu]:
    """Run an agent whose people have accounts, with a PACS."""
    with recording_pacs() as pacs:
        sections = {"web": {"port": 0, "accounts": True}, "model": {"name": DEFAULT}}
        made = configure(tmp_path_factory.mktemp("room"), {"pacs": pacs.peer}, **sections)
        with running(made) as found:
            for name, role in (("ann", Role.READER), ("ben", Role.READER), ("olga", Role.OPERATOR)):
                account = NewAccount(
                    name=name,
                    display_name=f"{name.title()} Example",
                    roles=(role,),
                    password_hash=Hasher().hash(FIRST_PASSWORD),
                    password_ends_at=utc_now() + timedelta(days=1),
                )
                create(found.database, account, who=THE_AGENT, now=utc_now())
            yield found


@pytest.fixture(scope="module")
def states() -> dict[str, Any]:
    """Keep the cookies of who has signed in."""
    return {}


@pytest.fixture
def desk(agent: Tibabu, new_page: NewPage, states: dict[str, Any]) -> Callable[..., Page]:
    """Return `desk(name, path="/")`: opens a page in the browser of somebody who is signed in there."""

    def sit_down(name: str, path: str = "/") -> Page:
        page = new_page(agent.url.rstrip("/") + path, storage_state=states.get(name))
        if name not in states:
            page.get_by_label("Name").fill(name)
            page.get_by_label("Password", exact=True).fill(FIRST_PASSWORD)
            page.keyboard.press("Enter")
            page.get_by_label("New password", exact=True).fill(PASSWORD)
            page.keyboard.press("Enter")
            expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()
            states[name] = page.context.storage_state()
        return page

    return sit_down


@pytest.fixture(scope="module")
def sick(children: Mapping[str, list[Path]]) -> Path:
    """Return the file of a radiograph that the model flags."""
    return children["PNEUMONIA"][1]


@pytest.fixture(scope="module")
def uid(sick: Path) -> str:
    """Return the flagged study's UID."""
    return str(dcmread(sick, stop_before_pixels=True).StudyInstanceUID)


def test_a_study_that_dcmtk_sends_appears_at_the_top_of_an_open_page(
    agent: Tibabu, desk: Any, storescu: Any, children: Mapping[str, list[Path]], sick: Path, uid: str
) -> None:
    storescu(agent.peer, children["NORMAL"][:2])
    page = desk("ann")
    rows = page.locator("[data-key]")
    expect(rows).to_have_count(2)
    page.evaluate("window.same = true")
    storescu(agent.peer, [sick])
    row = page.locator(f"[data-key='{uid}'].flagged")
    expect(row).to_be_visible(timeout=120_000)
    expect(rows.first).to_have_attribute("data-key", uid)
    expect(row).to_contain_text("AI flagged")
    expect(row).to_contain_text("acknowledged", timeout=120_000)
    assert page.evaluate("window.same")


def test_a_reader_opens_windows_overlays_the_heat_map_and_disagrees(
    agent: Tibabu, desk: Any, uid: str, eventually: Any
) -> None:
    page = desk("ann")
    path = f"{agent.url}studies/{uid}"
    told = page.request.get(f"{agent.url}api/v1/studies/{uid}").json()
    heat = f"{path}/instances/{told['instances'][0]['sop_instance_uid']}/heat-map"
    eventually(lambda: page.request.get(heat).ok)  # it is made after the study has its place
    page.locator(f"[data-key='{uid}'] a").first.click()
    expect(page.locator("#viewer .stage canvas").first).to_be_visible()
    expect(page.get_by_text("You have this study before you")).to_be_visible()
    width = page.get_by_label("Width")
    expect(width).not_to_have_value("")
    before = width.input_value()
    box = page.locator("#viewer .stage").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 100, steps=4)
    page.mouse.up()
    expect(width).not_to_have_value(before)
    button = page.get_by_role("button", name="Heat map")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Opacity").fill("70")
    expect(page.get_by_text("not where disease is")).to_be_visible()
    page.locator("#reading-disagree summary").click()
    disagree = page.locator("form.disagree")
    disagree.get_by_label("No pneumonia, nothing else to report").check()
    disagree.get_by_label("Reason").fill("A skin fold.")
    disagree.get_by_role("button", name="Disagree").click()
    expect(page.get_by_text("Your opinion of the AI's result is on record.")).to_be_visible()
    expect(page.locator("#reading-acts")).to_contain_text("A skin fold.")
    (opinion,) = page.request.get(f"{agent.url}api/v1/studies/{uid}/reading").json()["opinions"]
    assert (opinion["person"], opinion["agrees"], opinion["finding"]) == ("ann", False, "absent")


def test_a_second_reader_sees_who_has_the_study_and_that_it_is_read(desk: Any, uid: str) -> None:
    first, second = desk("ann", f"/studies/{uid}"), desk("ben")
    expect(first.get_by_text("You have this study before you")).to_be_visible()
    expect(second.locator(f"[data-key='{uid}']")).to_contain_text("being read: Ann Example")
    other = desk("ben", f"/studies/{uid}")
    expect(other.locator("#reading-state")).to_contain_text("Being read: Ann Example")
    expect(other.get_by_role("button", name="Take over from Ann Example")).to_be_visible()
    first.locator("#reading-title").click()
    first.keyboard.press("r")  # leads to the button, and Enter presses it
    expect(first.get_by_role("button", name="Mark read")).to_be_focused()
    first.keyboard.press("Enter")
    expect(first.get_by_text("Marked read: the study is off the worklist.")).to_be_visible()
    expect(second.locator(f"[data-key='{uid}']:not(.left)")).to_have_count(0)


def test_by_keyboard_alone_somebody_signs_in_opens_a_study_agrees_and_takes_it_back(
    agent: Tibabu, desk: Any, new_page: NewPage
) -> None:
    desk("ben")  # has a password of his own
    page = new_page(agent.url)
    press = page.keyboard.press

    def go_to(selector: str) -> None:
        for _ in range(60):
            if page.evaluate("(one) => document.activeElement.matches(one)", selector):
                return
            press("Tab")
        pytest.fail(f"not reached by Tab: {selector}")

    go_to("#main input[name=name]")
    page.keyboard.type("ben")
    go_to("input[type=password]")
    page.keyboard.type(PASSWORD)
    press("Enter")
    expect(page.locator("[data-key]").first).to_be_visible()
    page.wait_for_load_state("load")  # keys are heard from then on, here as below
    press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    press("Enter")
    go_to("[data-key] a")
    press("Enter")
    expect(page.get_by_text("You have this study before you")).to_be_visible()
    page.wait_for_load_state("load")
    press("a")
    go_to("#reading-agree button")
    press("Enter")
    expect(page.get_by_text("Your opinion of the AI's result is on record.")).to_be_visible()
    page.wait_for_load_state("load")
    press("u")
    expect(page.locator("#reading-undo")).to_be_focused()
    press("Enter")
    expect(page.get_by_text("Taken back.")).to_be_visible()


def test_roles_open_what_is_theirs_and_nothing_else(agent: Tibabu, desk: Any, uid: str, complaints: list[str]) -> None:
    reader, operator = desk("ann"), desk("olga", "/system")
    expect(reader.get_by_role("link", name="System")).to_have_count(0)
    expect(operator.get_by_role("link", name="Worklist")).to_have_count(0)
    for page, path in ((reader, "system"), (operator, f"studies/{uid}")):
        answer = page.goto(agent.url + path)
        assert answer is not None
        assert answer.status == 403
    assert operator.request.get(agent.url).status == 403
    assert operator.request.get(f"{agent.url}api/v1/worklist").status == 403
    assert operator.request.get(f"{agent.url}api/v1/ticks").ok
    assert all("a status of 403" in complaint for complaint in complaints)
    complaints.clear()


def test_who_guesses_is_locked_out_and_who_belongs_there_is_not(
    agent: Tibabu, desk: Any, new_page: NewPage, complaints: list[str]
) -> None:
    known = desk("ann")
    guesser = new_page(agent.url)
    for number in range(10):
        form = {"name": "ann", "password": f"a wrong password {number}"}
        assert (
            "wrong" in guesser.request.post(f"{agent.url}sign-in", form=form, headers={"Origin": agent.url[:-1]}).text()
        )
    guesser.get_by_label("Name").fill("ann")
    guesser.get_by_label("Password", exact=True).fill(PASSWORD)
    guesser.get_by_role("button", name="Sign in").click()
    expect(guesser.get_by_role("alert")).to_contain_text("Too many")
    known.get_by_role("button", name="Sign out", exact=True).click()
    known.get_by_label("Name").fill("ann")
    known.get_by_label("Password", exact=True).fill(PASSWORD)
    known.keyboard.press("Enter")
    expect(known.get_by_role("button", name="Sign out", exact=True)).to_be_visible()
    complaints.clear()


def test_nothing_of_the_patients_is_in_the_log(agent: Tibabu, children: Mapping[str, list[Path]]) -> None:
    files = [file for files in children.values() for file in files]
    names = [str(dcmread(file, stop_before_pixels=True).PatientName) for file in files]
    log = agent.text()
    assert not any(word in log for name in names for word in (name, name.replace("^", ", ", 1)))
    assert agent.events("web_page_failed") == []
