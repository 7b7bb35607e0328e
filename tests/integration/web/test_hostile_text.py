"""Whatever comes over the wire is text on every page: it makes no element, hides nothing, reorders nothing, ends.

Every address that the site answers to GET is asked for, so that a new page is held to it, too.
"""

import re
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from agent.web import account_addresses
from agent.web.api.application import BASE
from agent.web.site import ADDRESSES
from db.attributes import InstanceAttributes
from db.database import Database
from db.outcome import Outcome

Ledger = Any  # tests/fixtures/served.py
UID = "2.25.1505"
PASSWORD = "four quiet herons wade"  # noqa: S105 - of people in tests
MARK = "hostile"
MARKUP = (
    f"<img src=x onerror={MARK}()><script>{MARK}()</script>",
    f"\" onmouseover=\"{MARK}()\" x='{MARK}' autofocus onfocus='{MARK}()",
    f"--><svg/onload={MARK}()><!--{{{{ {MARK} }}}}{{% {MARK} %}}",
)
TEXTS = {
    "markup": " ".join(MARKUP),
    "hidden": f"{MARK}\u202egnp.exe\u2066\u200f\u200b\u2060\ufeff\u00ad\U000e0041\x00\x1b[2J\x07\r\n\x85\u2028",
    "very long": MARK + "W" * 60_000,
}
HIDDEN = re.compile(
    "[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f\x00\x07\x1b\x85]"
)
OF_ACCOUNTS = {*account_addresses.ADDRESSES}
PATHS = sorted({address.path for address in set(ADDRESSES) - OF_ACCOUNTS if address.method == "GET"})
VALUES = {"study_instance_uid": f"{UID}.1", "sop_instance_uid": f"{UID}.1.1", "frame": "1", "report": "1"}
VALUES["name"] = "efficientnet_lite0"  # of a model, and of nobody's account
LONGEST_TEXT = 2_000


class Elements(HTMLParser):
    """Reads a page as a browser does, and keeps what runs and what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        handlers = [name for name in found if name.startswith("on") or name == "style"]
        if handlers or (tag == "script" and not str(found.get("src", "")).startswith("/static/")):
            self.wrong.append(f"{tag} {found}")
        if any(value and re.match(r"\s*(javascript|data|vbscript):", value) for value in found.values()):
            self.wrong.append(f"{tag} {found}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"comment {data}")


def troubles(text: str) -> list[str]:
    """Return what is wrong with a page or a part of one."""
    read = Elements()
    read.feed(text)
    found = list(read.wrong)
    found += [f"hidden {hidden[0]!r}" for hidden in HIDDEN.finditer(text)]
    found += ["too long" for one in read.texts if len(one) > LONGEST_TEXT]
    return found


@pytest.mark.parametrize("kind", TEXTS)
def test_text_that_comes_over_the_wire_is_text_on_every_page(
    client: httpx.Client, ledger: Ledger, sr_file: Callable[..., bytes], kind: str
) -> None:
    text, at = TEXTS[kind], datetime.now(UTC) - timedelta(hours=9)
    attributes = InstanceAttributes(
        **{field.name: text for field in fields(InstanceAttributes) if field.type in {str, "str"}}
    )
    names = ("patient_name", "patient_id", "issuer_of_patient_id", "patient_birth_date", "patient_sex", "patient_age")
    names += ("accession_number", "study_date", "study_time", "study_description", "calling_ae_title")
    said = dict.fromkeys(names, text)
    instance = ledger.receive(f"{UID}.1", at=at, attributes=attributes, **said)
    plain = {"candidate": False, "is_image": False, "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.34"}
    ledger.receive(
        f"{UID}.1", at=at, file=sr_file(text.replace("\x00", "")[:60]), attributes=attributes, **plain, **said
    )
    ledger.score(instance, Outcome.FAILED, reason=text, at=at)
    ledger.conclude(instance.study_id, at=at + timedelta(minutes=1), destinations=("PACS", "RIS"))
    ledger.deliver(f"{UID}.1", at=at + timedelta(minutes=2), parked="RIS")
    shown, wrong = 0, {}
    for path in PATHS:
        address = re.sub(r"{(\w+)[^}]*}", lambda found: VALUES.get(found[1], "1"), path)
        if path.endswith("/instances/{sop_instance_uid}/report"):
            address = address.replace(f"{UID}.1.1", f"{UID}.1.2")
        with client.stream("GET", address) as answer:  # a stream of events has no end
            assert answer.status_code < 500, path
            assert answer.headers["x-content-type-options"] == "nosniff"
            if not answer.headers["content-type"].startswith("text/html"):
                continue
            page = answer.read().decode()
        shown += MARK in page
        if found := troubles(page):
            wrong[path] = found[:3]
    assert wrong == {}
    assert shown >= 2


@pytest.mark.parametrize("kind", TEXTS)
def test_what_people_call_themselves_and_their_browsers_is_text_on_every_page_of_accounts(
    sqlite_database: Database, visit: Callable[..., Any], make_person: Any, kind: str
) -> None:
    """The name of a person, perhaps by a provider's word, and what a browser says of itself."""
    make_person(sqlite_database, "root", "admin", "reader", display_name=TEXTS[kind])
    browser = visit(sqlite_database, codes_of=frozenset())
    said = {"User-Agent": TEXTS[kind].encode("ascii", "ignore").decode().translate(dict.fromkeys(range(32)))[:5000]}
    browser.post("/sign-in", data={"name": "root", "password": PASSWORD}, headers=said)
    shown, wrong = 0, {}
    for path in sorted({one.path for one in OF_ACCOUNTS if one.method == "GET"}):
        answer = browser.get(path.replace("{name}", "root"))
        assert answer.status_code < 500, path
        shown += MARK in answer.text
        if answer.headers.get("content-type", "").startswith("text/html") and (found := troubles(answer.text)):
            wrong[path] = found[:3]
    assert wrong == {}
    assert shown >= 3


def test_hostile_text_is_no_page_of_the_api(client: httpx.Client, ledger: Ledger) -> None:
    ledger.receive(f"{UID}.1", at=datetime.now(UTC), patient_name=MARKUP[0])
    answer = client.get(f"{BASE}/studies/{UID}.1")
    assert MARK in answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_somebody_asks_for_is_no_part_of_the_answer(client: httpx.Client) -> None:
    for path in (
        "/studies/%3Cscript%3Ehostile",
        "/nothing/%3Cimg%20onerror=hostile%3E",
        "/?q=%22%3E%3Cscript%3Ehostile",
    ):
        answer = client.get(path)
        assert not troubles(answer.text)
        assert "<script>hostile" not in answer.text
