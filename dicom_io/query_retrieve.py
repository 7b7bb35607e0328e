"""Query/Retrieve as SCP, Study Root (PS3.4 annex C): C-FIND. What is retrieved goes out by `dicom_io.retrieve`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from dicom_io.errors import ArchiveError, MatchingError
from dicom_io.exchange import Caller, Exchange
from dicom_io.identifier import Identifier, encode_answer, read_identifier
from dicom_io.matching import MAXIMUM_VALUES, Query, Value, make_query
from dicom_io.query_keys import ABOVE, KEYS, UNIQUE_KEYS, Level
from dicom_io.statuses import (
    CANCELLED,
    DATA_SET_DOES_NOT_MATCH,
    OUT_OF_RESOURCES,
    PENDING,
    PENDING_WITHOUT_SOME_KEYS,
    SUCCESS,
)

COMBINED: Final = 1
"""Where in the extended negotiation combined matching of dates and times stands (PS3.4 C.5.1.1.1), counted from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrievable:
    """An Instance that can be sent: what it is, and what has its file for a block (StoreError: not now, or no more)."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    local: Callable[[], AbstractContextManager[Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A request as it was served: identifiers only, for a line in the log.

    `answers` counts matches of a query, or Instances that were sent; `failed` those that were not.
    """

    caller: Caller
    verb: str
    level: str
    status: int
    answers: int
    failed: int = 0
    destination: str = ""
    reason: str = ""


class Archive(Protocol):
    """What the agent holds. Called from the thread of the association that asks; all raise ArchiveError."""

    def find(self, level: Level, query: Query, is_given_up: Callable[[], bool]) -> Iterator[Mapping[str, Value]]:
        """Yield the attributes of each Study, Series or Instance that matches; end when `is_given_up`."""

    def instances(self, unique_keys: Mapping[str, tuple[str, ...]]) -> Sequence[Retrievable]:
        """Return the Instances that have all these unique keys: each by its name, with the values it may have."""

    def held_syntaxes(self) -> Mapping[str, Sequence[str]]:
        """Return in which transfer syntaxes Instances of a SOP Class lie here, the most frequent first."""

    def served(self, served: Served) -> None:
        """Take note of a request when it is over."""


def find(archive: Archive, exchange: Exchange, *, combined: bool, maximum_answers: int) -> Served:
    """Serve a C-FIND request: a pending response for each match, then the final one."""
    level, status, reason, answers = "", SUCCESS, "", 0
    try:
        identifier = read_identifier(exchange.identifier, exchange.transfer_syntax)
        level = checked_level(identifier)
        names = _returned(identifier, Level(level))
        query = make_query({name: identifier.values.get(name, "") for name in names}, combined=combined)
        is_partly = identifier.has_others or len(identifier.values.keys() - set(names)) > 0
        pending = PENDING_WITHOUT_SOME_KEYS if is_partly else PENDING
        for attributes in archive.find(Level(level), query, lambda: exchange.is_given_up):
            if exchange.is_given_up:
                break
            if answers == maximum_answers:
                status, reason = OUT_OF_RESOURCES, f"more than {maximum_answers} answers"
                break
            called = exchange.caller.called_ae_title.strip()
            answer = encode_answer(level, called, attributes, names, exchange.transfer_syntax)
            exchange.respond(pending, identifier=answer)
            answers += 1
        if exchange.is_given_up:
            status, reason = CANCELLED, ""
    except MatchingError as error:
        status, reason = DATA_SET_DOES_NOT_MATCH, str(error)
    except ArchiveError as error:
        status, reason = OUT_OF_RESOURCES, str(error)
    exchange.respond(status, comment=reason)
    return Served(caller=exchange.caller, verb="find", level=level, status=status, answers=answers, reason=reason)


def checked_level(identifier: Identifier) -> str:
    """Return the level, if the Identifier gives exactly one value of each unique key above it (PS3.4 C.4.1.2.1)."""
    if identifier.level not in ABOVE:
        message = f"expected a level of {', '.join(Level)}. Received: length={len(identifier.level)}"
        raise MatchingError(message)
    for above in ABOVE[Level(identifier.level)]:
        name = UNIQUE_KEYS[above]
        value = identifier.values.get(name, "").strip()
        if not value or set(value) & set("*?\\"):
            message = f"expected one {name} above level {identifier.level}. Received: length={len(value)}"
            raise MatchingError(message)
    return identifier.level


def unique_keys(identifier: Identifier) -> dict[str, tuple[str, ...]]:
    """Return what a retrieval asks for: the values of the unique keys of its level and above (PS3.4 C.4.2.1.4.1)."""
    level = Level(checked_level(identifier))
    found = {}
    for one in (*ABOVE[level], level):
        name = UNIQUE_KEYS[one]
        values = tuple(part.strip() for part in identifier.values.get(name, "").split("\\") if part.strip())
        if not values or len(values) > MAXIMUM_VALUES or any(set(value) & set("*?") for value in values):
            message = f"expected a value or a list of {name}. Received: values={len(values)}"
            raise MatchingError(message)
        found[name] = values
    return found


def _returned(identifier: Identifier, level: Level) -> tuple[str, ...]:
    """Return the attributes that an answer has: the keys asked for that the level has, and the unique keys."""
    levels = (*ABOVE[level], level)
    asked = (name for name in identifier.values if KEYS[name].level in levels)
    return tuple(dict.fromkeys((*asked, *(UNIQUE_KEYS[one] for one in levels))))
