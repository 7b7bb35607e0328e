"""Corrected patients: what ADT says of a person is carried into the studies on record, and merges move studies.

Received files stay as they came. A study's row is corrected, remembers which attributes no longer are those of its
images, and is reported anew if it was reported. What cannot be told apart is left alone and marked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from db.advance import Position, note
from db.amendment import request_amendment
from db.database import take
from db.lifecycle import State
from db.patient_match import Demographics, Identifier, match, same_name
from db.queue import Queue
from db.schema.domain import study
from db.schema.hl7 import patient_alias
from db.search_index import SEARCHED, learn_anew
from db.told import IDENTITY_CORRECTED
from db.workitems import replace_task

_OF_TASKS = frozenset(
    {"patient_id", "issuer_of_patient_id", "patient_name", "patient_birth_date", "patient_sex"}
)  # whose they are

AMBIGUOUS = "two patients may have this ID"
"""Why a study is marked: an update came for its Patient ID, and nobody could tell whether it is about its patient."""


@dataclass(slots=True)
class Corrected:
    """What an update came to: studies corrected, reported anew, left because they are in doubt or in quarantine."""

    matched: int = 0
    corrected: int = 0
    amended: int = 0
    doubtful: int = 0
    quarantined: int = 0

    def __add__(self, other: "Corrected") -> "Corrected":
        """Return both together."""
        return Corrected(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Who corrects and when; `home` is the assigning authority of whatever names none. All of it is one transaction."""

    connection: Connection
    queue: Queue
    source: str
    at: datetime
    home: str = ""
    _renamed: set[int] = field(default_factory=set, init=False)

    def update_patient(self, identifiers: Iterable[Identifier], said: Demographics) -> Corrected:
        """Give the patient's studies the name, birth date and sex that were said; Patient ID and issuer stay."""
        done = Corrected()
        self._lock(identifiers)
        for identifier in dict.fromkeys(identifiers):
            self._each(identifier, (said,), lambda _row: said.items(), done)
        self._learn()
        return done

    def merge_patient(
        self, prior: Identifier, prior_said: Demographics, surviving: Identifier, said: Demographics
    ) -> Corrected:
        """Move the studies of `prior` to `surviving`; images that still come under the old one belong there, too."""
        done = Corrected()
        nothing_new = prior.authorities == surviving.authorities or not (prior.authorities and surviving.authorities)
        if not prior.patient_id or (prior.patient_id == surviving.patient_id and nothing_new):
            return done
        self._lock((prior, surviving))
        moved_authority = surviving.authorities and not surviving.authorities & prior.authorities

        def values(row: Row[Any]) -> dict[str, str]:
            issuer = surviving.issuer if moved_authority else row.issuer_of_patient_id
            return said.items() | {"patient_id": surviving.patient_id, "issuer_of_patient_id": issuer}

        self._each(prior, (said, prior_said), values, done)
        self._remember(prior, surviving, said)
        self._learn()
        return done

    def _lock(self, identifiers: Iterable[Identifier]) -> None:
        for patient_id in sorted({one.patient_id for one in identifiers}):
            take(self.connection, patient_lock(patient_id))

    def _each(
        self,
        identifier: Identifier,
        persons: Sequence[Demographics],
        values: Callable[[Row[Any]], Mapping[str, str]],
        done: Corrected,
    ) -> None:
        rows = self.connection.execute(
            select(study).where(study.c.patient_id == identifier.patient_id).order_by(study.c.id).with_for_update()
        ).all()
        found = match(identifier, rows, persons, home=self.home) if identifier.patient_id else None
        for row in found.sure if found else ():
            done.matched += 1
            self._correct(row, values(row), done)
        for row in found.doubtful if found else ():
            done.doubtful += 1
            self._doubt(row)

    def _correct(self, row: Row[Any], values: Mapping[str, str], done: Corrected) -> None:
        position = Position(row.id, State(row.state), row.revision)
        changed = {name: value for name, value in values.items() if _differs(name, value, getattr(row, name))}
        if not changed:
            self._settle(row)
            return
        names = " ".join(sorted(changed))
        if row.conflict:
            done.quarantined += 1
            self._note(position, "IDENTITY_NOT_CORRECTED", f"{names}: the study is in quarantine ({self.source})")
            return
        done.corrected += 1
        corrected = " ".join(sorted(changed.keys() | set(row.corrected.split())))
        self.connection.execute(
            update(study).where(study.c.id == row.id).values(**changed, corrected=corrected, doubt="")
        )
        if changed.keys() & SEARCHED:
            self._renamed.add(row.id)
        self._note(position, IDENTITY_CORRECTED, f"{names} ({self.source})")
        if _OF_TASKS & changed.keys():
            replace_task(self.connection, self.queue, row.id, at=self.at)
        reason = f"corrected: {names}"
        done.amended += request_amendment(self.connection, self.queue, row.id, reason=reason, at=self.at)

    def _learn(self) -> None:
        for study_id in sorted(self._renamed):
            learn_anew(self.connection, study_id)
        self._renamed.clear()

    def _settle(self, row: Row[Any]) -> None:
        """Take a mark away: this message is about the study's patient, and says what is on record."""
        if row.doubt:
            self.connection.execute(update(study).where(study.c.id == row.id).values(doubt=""))

    def _doubt(self, row: Row[Any]) -> None:
        position = Position(row.id, State(row.state), row.revision)
        if not row.doubt:
            self.connection.execute(update(study).where(study.c.id == row.id).values(doubt=AMBIGUOUS))
            self._note(position, "IDENTITY_IN_DOUBT", f"{AMBIGUOUS} ({self.source})")

    def _note(self, position: Position, event: str, detail: str) -> None:
        note(self.connection, position, event, position.state, at=self.at, detail=detail, actor="hl7")

    def _remember(self, prior: Identifier, surviving: Identifier, said: Demographics) -> None:
        """Remember that one identifier stands for another now. The surviving one is alive, whatever was before."""
        alive = (patient_alias.c.prior_patient_id == surviving.patient_id) & (
            patient_alias.c.prior_issuer == surviving.issuer
        )
        again = (patient_alias.c.prior_patient_id == prior.patient_id) & (patient_alias.c.prior_issuer == prior.issuer)
        self.connection.execute(delete(patient_alias).where(alive | again))
        self.connection.execute(
            insert(patient_alias).values(
                prior_patient_id=prior.patient_id,
                prior_issuer=prior.issuer,
                patient_id=surviving.patient_id,
                issuer_of_patient_id=surviving.issuer,
                patient_name=said.patient_name or "",
                patient_birth_date=said.patient_birth_date or "",
                at=self.at,
            )
        )


def patient_lock(patient_id: str) -> tuple[str, str]:
    """Return the name of the lock in which a patient is changed, and a study of that patient begins."""
    return "patient", patient_id


def _differs(name: str, value: str, held: str) -> bool:
    """Tell whether what is said differs: a name in other case or without empty components is the same name."""
    return not same_name(value, held) if name == "patient_name" else value != held
