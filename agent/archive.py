"""What the agent holds, as queries ask for it: the matching of `dicom_io` over the rows of `db`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from db.archive import Held, find_instances, find_series, find_studies, held_instances, recent_syntaxes
from db.archive_columns import AnyOf, Between, Criteria, Criterion, Like
from db.audit import AuditEvent, Who, record
from db.audit_terms import EventAction, EventId, EventOutcome
from db.database import Database
from db.errors import DatabaseError
from dicom_io.errors import ArchiveError, StoreError
from dicom_io.matching import Matcher, OneOf, Pattern, Query, Range, Value
from dicom_io.query_keys import Level
from dicom_io.query_retrieve import Retrievable, Served
from dicom_io.store import Store

log = structlog.get_logger(__name__)

_FIND: Final[dict[Level, Callable[[Database, Criteria], Iterator[Held]]]] = {
    Level.STUDY: find_studies,
    Level.SERIES: find_series,
    Level.IMAGE: find_instances,
}
_NUMBERS: Final = frozenset({"IS", "US"})


def _never() -> bool:
    return False


def find(database: Database, level: Level, query: Query, is_given_up: Callable[[], bool] = _never) -> Iterator[Held]:
    """Yield what matches, the newest Studies first, until who asks has given up.

    Raises db.errors.DatabaseError when the rows cannot be read.
    """
    for held in _FIND[level](database, criteria(query)):
        if is_given_up():
            return
        if query.fulfilled_by(held.attributes):
            yield held


@dataclass(frozen=True, slots=True)
class HeldArchive:
    """What the SCP's Query/Retrieve service asks, from the threads of its associations."""

    database: Database
    store: Store
    clock: Callable[[], datetime]

    def find(self, level: Level, query: Query, is_given_up: Callable[[], bool]) -> Iterator[Mapping[str, Value]]:
        """Yield the attributes of what matches."""
        with _mapped():
            for held in find(self.database, level, query, is_given_up):
                yield held.attributes

    def instances(self, unique_keys: Mapping[str, tuple[str, ...]]) -> Sequence[Retrievable]:
        """Return the Instances that have all these unique keys, in the order in which they came."""
        asked = {name: AnyOf(values) for name, values in unique_keys.items()}
        with _mapped():
            return [
                Retrievable(
                    sop_class_uid=one.sop_class_uid,
                    sop_instance_uid=one.sop_instance_uid,
                    transfer_syntax_uid=one.transfer_syntax_uid,
                    local=partial(self.store.local, one.path),
                )
                for one in held_instances(self.database, asked)
            ]

    def held_syntaxes(self) -> Mapping[str, Sequence[str]]:
        """Return in which transfer syntaxes the latest Instances of each SOP Class came."""
        with _mapped():
            return recent_syntaxes(self.database)

    def served(self, served: Served) -> None:
        """Log a request when it is over: one line each."""
        log.info(
            "query_retrieve",
            verb=served.verb,
            association_id=served.caller.association_id,
            calling_ae_title=served.caller.calling_ae_title,
            peer_address=served.caller.address,
            query_level=served.level,
            status=f"{served.status:04X}",
            answers=served.answers,
            failed=served.failed,
            destination=served.destination,
            reason=served.reason,
        )
        sends = served.verb != "find"
        event = AuditEvent(
            event=EventId.INSTANCES_TRANSFERRED if sends else EventId.QUERY,
            action=EventAction.READ if sends else EventAction.EXECUTE,
            outcome=EventOutcome.SERIOUS_FAILURE if served.failed or served.reason else EventOutcome.SUCCESS,
            who=Who(served.caller.calling_ae_title.strip(), source=served.caller.address),
            counterpart=(served.destination or served.caller.calling_ae_title.strip()) if sends else "",
            at=self.clock(),
            detail=f"{served.verb} {served.level}: {served.answers}",
        )
        try:
            record(self.database, event)
        except DatabaseError as error:
            log.warning("query_not_recorded", association_id=served.caller.association_id, reason=str(error))


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except (DatabaseError, StoreError) as error:
        raise ArchiveError(str(error)) from error


def criteria(query: Query) -> Criteria:
    """Return what SQL can say of the query in advance. It never leaves out what matches."""
    made = {name: _criterion(name, matcher) for name, matcher in query.matchers.items()}
    return {name: criterion for name, criterion in made.items() if criterion is not None}


def _criterion(name: str, matcher: Matcher) -> Criterion | None:
    match matcher:
        case OneOf(vr=vr, values=values):
            return None if vr in _NUMBERS else AnyOf(values)
        case Pattern(texts=(text,)):
            return Like(tuple(part for part in re.split(r"[*?^=\s]", text) if part))
        case Range(vr="DA", low=low, high=high) if name == "study_date":
            return Between(low, high)
    return None
