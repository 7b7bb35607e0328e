"""Sessions as the database keeps them: one that ended meanwhile goes on by no proof, and changes nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, select

from agent.web.sign_in import OF_NAME
from db import sign_in
from db.accounts import AccountRecord, Codes
from db.audit import Who
from db.database import Database
from db.failures import Guarded
from db.schema.audit import audit_event
from db.sessions import Limits, NewSession, Stage, session_of

MakePerson = Callable[..., Any]
Hand = Any
LIMITS: Final = Limits(idle=timedelta(hours=1), absolute=timedelta(hours=1))
DEARER: Final = "a hash that took longer"


def session_for(account: AccountRecord) -> NewSession:
    return NewSession(
        account_id=account.id, sha256="a" * 64, stage=Stage.OPEN, how="password", address="x", browser="y"
    )


def told(database: Database) -> int:
    """Return how much the audit trail tells."""
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(audit_event)).scalar_one())


def test_a_session_that_ended_meanwhile_goes_on_by_nothing_and_what_was_asked_for_did_not_happen(
    sqlite_database: Database, make_person: MakePerson, hand: Hand
) -> None:
    """An administrator, or its person from elsewhere, may end it between the question and the answer."""
    jane = make_person(sqlite_database, "jane")
    sign_in.begin(sqlite_database, session_for(jane), arrival=None, password_hash=None, limits=LIMITS, now=hand())
    session = session_of(sqlite_database, "a" * 64, limits=LIMITS, now=hand())
    assert session is not None
    who, before = Who("jane"), sign_in.secrets_for(sqlite_database, jane.id)
    sign_in.sign_out(sqlite_database, session, who, now=hand())
    before_that = told(sqlite_database)
    sign_in.sign_out(sqlite_database, session, who, now=hand())
    guard = Guarded("jane", OF_NAME)
    arrival = sign_in.Arrival(account=jane, who=who, forgiven=guard, shared=None, browser="b" * 64)
    goes_on: dict[str, Any] = {"sha256": "c" * 64, "now": hand()}
    opens: dict[str, Any] = goes_on | {"stage": Stage.OPEN}
    proof, codes = sign_in.Proof(step=1), Codes("SECRET", 1, ("d" * 64,))
    assert not sign_in.go_on(sqlite_database, session, proof, arrival=arrival, **opens)
    assert not sign_in.choose_password(sqlite_database, session, "new", who=who, long=True, **opens)
    assert not sign_in.set_up_codes(sqlite_database, session, codes, who=who, **opens)
    assert not sign_in.prove_again(sqlite_database, session, guard, who, **goes_on)
    assert session_of(sqlite_database, "c" * 64, limits=LIMITS, now=hand()) is None
    after = sign_in.secrets_for(sqlite_database, jane.id)
    assert (after.password_hash, told(sqlite_database)) == (before.password_hash, before_that)


def test_a_password_that_is_hashed_anew_as_its_person_signs_in_is_kept_so(
    sqlite_database: Database, make_person: MakePerson, hand: Hand
) -> None:
    jane = make_person(sqlite_database, "jane")
    sign_in.begin(sqlite_database, session_for(jane), arrival=None, password_hash=DEARER, limits=LIMITS, now=hand())
    assert sign_in.secrets_for(sqlite_database, jane.id).password_hash == DEARER
