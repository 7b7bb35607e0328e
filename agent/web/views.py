"""Views of the worklist as addresses say them, and back. Pure. Nothing in an address names or describes a patient."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import parse_qsl, urlencode

from db.outcome import Outcome
from db.priority import Priority
from db.worklist_view import WORKING, Age, Place, Show, Wanted

LONGEST: Final = 64
"""Characters of a modality's or a sender's name."""

SHOWN: Final = {
    Show.UNREAD: "To be read",
    Show.READ: "Read",
    Show.QUARANTINED: "Quarantined",
    Show.UNDELIVERED: "Delivery failed",
}
OUTCOMES: Final = {
    Outcome.FLAGGED.value: "Flagged",
    Outcome.NOT_FLAGGED.value: "Not flagged",
    Outcome.NOT_ANALYSED.value: "Not analysed",
    Outcome.FAILED.value: "Failed",
    WORKING: "Not concluded yet",
}
PRIORITIES: Final = {"high": "High", "medium": "Medium", "routine": "Routine"}
AGES: Final = {
    Age.HOUR: "The last hour",
    Age.DAY: "The last 24 hours",
    Age.WEEK: "The last 7 days",
    Age.OLDER: "More than 24 hours ago",
}
BUILT_IN: Final = (
    ("To be read", ""),
    ("Flagged", "outcome=flagged"),
    ("Mine", "mine=1"),
    ("Read", "show=read"),
    ("Quarantined", "show=quarantined"),
    ("Delivery failed", "show=undelivered"),
)
"""Views that everybody has: name and query."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PLACE: Final = re.compile(r"([0-9]{0,17})\.([0-9]{1,12})")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is wanted, and which page of it: behind a place, the first row having this number."""

    wanted: Wanted
    mine: bool = False
    after: Place | None = None
    first: int = 1

    @property
    def filters(self) -> str:
        """The view as the query of an address, whatever the page; the same view has the same."""
        wanted = self.wanted
        said = {
            "show": "" if wanted.show is Show.UNREAD else wanted.show.value,
            "outcome": wanted.outcome,
            "priority": "" if wanted.priority is None else wanted.priority.name.lower(),
            "modality": wanted.modality,
            "sender": wanted.sender,
            "age": "" if wanted.age is None else wanted.age.value,
            "mine": "1" if self.mine else "",
        }
        return urlencode({name: value for name, value in said.items() if value})

    @property
    def query(self) -> str:
        """The page as the query of an address."""
        place = "" if self.after is None else urlencode({"after": _told(self.after), "n": self.first})
        return "&".join(part for part in (self.filters, place) if part)

    @property
    def key(self) -> str:
        """A name of the page that is another one for each person whose own studies it shows."""
        return f"{self.query} {self.wanted.assigned_to}"

    def behind(self, place: Place, rows: int) -> str:
        """Return the query of the page that begins behind a place."""
        page = View(wanted=self.wanted, mine=self.mine, after=place, first=self.first + rows)
        return page.query


def view_of(said: Mapping[str, str], person: str) -> View:
    """Return the view that an address says, for the account `person`; what means nothing is left out."""
    outcome, priority = said.get("outcome", ""), said.get("priority", "")
    mine = said.get("mine", "") == "1"
    wanted = Wanted(
        show=_one_of(Show, said.get("show", "")) or Show.UNREAD,
        outcome=outcome if outcome in OUTCOMES else "",
        priority=Priority[priority.upper()] if priority in PRIORITIES else None,
        modality=said.get("modality", "")[:LONGEST],
        sender=said.get("sender", "")[:LONGEST],
        age=_one_of(Age, said.get("age", "")),
        assigned_to=person if mine else "",
    )
    after = _read(said.get("after", ""), timed=wanted.show in {Show.UNREAD, Show.READ})
    number = said.get("n", "")
    first = int(number) if after is not None and _NUMBER.fullmatch(number) and number.isascii() else 1
    return View(wanted=wanted, mine=mine, after=after, first=first)


def filters_of(query: str) -> str:
    """Return what of a query is a view's, as `View.filters` writes it."""
    return view_of(dict(parse_qsl(query)), "").filters


def described(view: View) -> str:
    """Return a view's filters in words; "" for none."""
    wanted = view.wanted
    parts: Iterable[str] = (
        OUTCOMES.get(wanted.outcome, ""),
        "" if wanted.priority is None else f"{PRIORITIES[wanted.priority.name.lower()]} priority",
        wanted.modality,
        wanted.sender and f"from {wanted.sender}",
        "" if wanted.age is None else f"received: {AGES[wanted.age].lower()}",
        "assigned to me" if view.mine else "",
    )
    return ", ".join(part for part in parts if part)


def _one_of(words: type[_Word], value: str) -> _Word | None:
    return next((word for word in words if word.value == value), None)


def _told(place: Place) -> str:
    at, number = place
    return f"{'' if at is None else (at - _EPOCH) // _MICROSECOND}.{number}"


def _read(text: str, *, timed: bool) -> Place | None:
    found = _PLACE.fullmatch(text)
    if found is None or bool(found[1]) is not timed or not text.isascii():
        return None
    try:
        return (_EPOCH + int(found[1]) * _MICROSECOND if timed else None), int(found[2])
    except OverflowError:
        return None
