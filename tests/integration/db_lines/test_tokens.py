"""Tokens on record: by their digest only, one active for a name, and revoked ones let nobody in."""

from datetime import UTC, datetime, timedelta

import pytest

from db.database import Database
from db.errors import RefusedError
from db.tokens import TokenRecord, active_token, create_token, note_use, revoke_token, tokens

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def create(database: Database, name: str, digit: str = "a") -> TokenRecord:
    return create_token(database, name, sha256=digit * 64, scopes=("b", "a"), by="user root", now=NOON)


def test_an_active_token_is_found_by_its_digest_with_its_scopes(database: Database) -> None:
    made = create(database, "ohif")
    assert active_token(database, "a" * 64) == made
    assert made.scopes == {"a", "b"}
    assert (made.last_used_at, made.revoked_at) == (None, None)
    assert active_token(database, "b" * 64) is None


def test_a_revoked_token_lets_nobody_in_and_stays_on_record(database: Database) -> None:
    create(database, "ohif")
    revoke_token(database, "ohif", by="user jane", now=NOON + timedelta(hours=1))
    assert active_token(database, "a" * 64) is None
    again = create(database, "ohif", "b")
    assert active_token(database, "b" * 64) == again
    old, _ = tokens(database)
    assert (old.revoked_by, old.revoked_at) == ("user jane", NOON + timedelta(hours=1))


def test_two_active_tokens_of_one_name_are_refused(database: Database) -> None:
    create(database, "ohif")
    with pytest.raises(RefusedError, match="no active token has"):
        create(database, "ohif", "b")
    assert len(tokens(database)) == 1


@pytest.mark.parametrize("name", ["", "a" * 17, "two words", "-", "Jörg", "a\n"])
def test_a_name_that_could_not_stand_in_a_log_is_refused(database: Database, name: str) -> None:
    with pytest.raises(RefusedError, match="expected a name of 1 to 16"):
        create(database, name)


def test_a_token_that_nobody_has_cannot_be_revoked(database: Database) -> None:
    with pytest.raises(RefusedError, match="name of an active token"):
        revoke_token(database, "ohif", by="user jane", now=NOON)


def test_its_use_is_on_record_to_the_minute(database: Database) -> None:
    made = create(database, "ohif")
    note_use(database, made, now=NOON)
    note_use(database, made, now=NOON + timedelta(seconds=59))
    used = active_token(database, "a" * 64)
    assert used is not None
    assert used.last_used_at == NOON
    note_use(database, used, now=NOON + timedelta(seconds=60))
    later = active_token(database, "a" * 64)
    assert later is not None
    assert later.last_used_at == NOON + timedelta(seconds=60)
