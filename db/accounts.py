"""Accounts of people and of programs: made, changed and disabled, never removed."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from db.database import Database, take
from db.errors import RefusedError
from db.schema.accounts import NAME, account, recovery_code

_NAME: Final = re.compile(rf"[a-z0-9][a-z0-9._@-]{{0,{NAME - 1}}}")
_TAKEN: Final = frozenset({"local", "agent", "unknown", "nobody", "hl7", "retention", "tibabu", "system"})
"""What the audit trail and the studies' histories call those who are no person."""
LONGEST_DISPLAY_NAME: Final = 100
_MADE: Final = frozenset({"roles", "has_password", "has_codes"})  # of other columns


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecord:
    """An account on record, without its secrets."""

    id: int
    name: str
    display_name: str
    roles: frozenset[str]
    has_password: bool
    password_is_long: bool
    password_ends_at: datetime | None
    has_codes: bool
    issuer: str | None
    created_by: str
    created_at: datetime
    disabled_at: datetime | None
    signed_in_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to make. Without a password nobody signs in here; one that ends has to be replaced first."""

    name: str
    display_name: str
    roles: Collection[str]
    password_hash: str | None = None
    password_ends_at: datetime | None = None
    issuer: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What a sign-in is checked by."""

    password_hash: str | None
    totp_secret: str | None
    totp_step: int | None


@dataclass(frozen=True, slots=True, repr=False)
class Codes:
    """What codes are checked by: the secret, the time step of the last one used, and the recovery codes' digests."""

    secret: str
    step: int
    recovery: tuple[str, ...]


def plain_name(name: str) -> str:
    """Return the name of an account as it is on record. RefusedError for what is none."""
    plain = name.strip().lower()
    if _NAME.fullmatch(plain) is None or plain in _TAKEN:
        message = f"expected a name of 1 to {NAME} letters a to z, digits and . - _ @. Received: another"
        raise RefusedError(message)
    return plain


def create_account(connection: Connection, new: NewAccount, *, by: str, now: datetime) -> AccountRecord:
    """Put an account on record. RefusedError for a name that is none or that is taken."""
    name = plain_name(new.name)
    take(connection, ("account", name))
    if _named(connection, name) is not None:
        message = f"expected a name that no account has. Received: {name}"
        raise RefusedError(message)
    values = {
        "name": name,
        "display_name": _display_name(new.display_name) or name,
        "roles": " ".join(sorted(new.roles)),
        "password_hash": new.password_hash,
        "password_is_long": False,
        "password_ends_at": new.password_ends_at,
        "password_set_at": now if new.password_hash else None,
        "issuer": new.issuer,
        "subject": new.subject,
        "created_by": by,
        "created_at": now,
    }
    return account_record(connection.execute(insert(account).values(values).returning(account)).one())


def accounts(database: Database) -> tuple[AccountRecord, ...]:
    """Return all accounts by name."""
    with database.read() as connection:
        return tuple(account_record(row) for row in connection.execute(select(account).order_by(account.c.name)))


def account_named(database: Database, name: str) -> AccountRecord:
    """Return the account of that name. RefusedError where there is none."""
    with database.read() as connection:
        row = _named(connection, name.strip().lower())
    if row is None:
        message = "expected the name of an account. Received: another"
        raise RefusedError(message)
    return account_record(row)


def account_for_sign_in(database: Database, name: str) -> tuple[AccountRecord, Secrets] | None:
    """Return the account of that name with what a sign-in is checked by; None where there is none."""
    with database.read() as connection:
        row = _named(connection, name.strip().lower())
    return None if row is None else (account_record(row), _secrets(row))


def secrets_of(connection: Connection, account_id: int) -> Secrets:
    """Return what a sign-in to the account is checked by."""
    return _secrets(connection.execute(select(account).where(account.c.id == account_id)).one())


def change_account(connection: Connection, account_id: int, **values: object) -> None:
    """Write columns of an account."""
    connection.execute(update(account).where(account.c.id == account_id).values(values))


def set_password(
    connection: Connection,
    account_id: int,
    password_hash: str,
    *,
    long: bool,
    ends_at: datetime | None = None,
    now: datetime,
) -> None:
    """Replace an account's password; with `ends_at` by an initial one, which has to be replaced until then."""
    change_account(
        connection,
        account_id,
        password_hash=password_hash,
        password_is_long=long,
        password_ends_at=ends_at,
        password_set_at=now,
    )


def set_roles(connection: Connection, account_id: int, roles: Collection[str]) -> None:
    """Give an account other roles."""
    change_account(connection, account_id, roles=" ".join(sorted(roles)))


def set_codes(connection: Connection, account_id: int, codes: Codes) -> None:
    """Ask for codes from now on."""
    change_account(connection, account_id, totp_secret=codes.secret, totp_step=codes.step)
    connection.execute(delete(recovery_code).where(recovery_code.c.account_id == account_id))
    rows = [{"account_id": account_id, "sha256": digest} for digest in codes.recovery]
    connection.execute(insert(recovery_code), rows)


def remove_codes(connection: Connection, account_id: int) -> None:
    """Ask for codes no more."""
    change_account(connection, account_id, totp_secret=None, totp_step=None)
    connection.execute(delete(recovery_code).where(recovery_code.c.account_id == account_id))


def use_step(connection: Connection, account_id: int, step: int) -> bool:
    """Use the code of a time step. Tell whether neither it nor a later one was used before (RFC 6238 5.2)."""
    later = account.c.totp_step.is_(None) | (account.c.totp_step < step)
    changed = connection.execute(update(account).where(account.c.id == account_id, later).values(totp_step=step))
    return bool(changed.rowcount)


def use_recovery_code(connection: Connection, account_id: int, sha256: str) -> bool:
    """Use a recovery code. Tell whether there was one that nobody had used."""
    which = recovery_code.c.account_id == account_id, recovery_code.c.sha256 == sha256
    return bool(connection.execute(delete(recovery_code).where(*which)).rowcount)


def recovery_codes_left(database: Database, account_id: int) -> int:
    """Return how many recovery codes have not been used."""
    query = select(recovery_code.c.sha256).where(recovery_code.c.account_id == account_id)
    with database.read() as connection:
        return len(connection.execute(query).all())


def account_record(row: Row[Any]) -> AccountRecord:
    """Return the account of a row of `account`, which may have others joined to it."""
    named: Mapping[Any, Any] = row._mapping  # noqa: SLF001 - as SQLAlchemy has it
    plain = [name for name in AccountRecord.__dataclass_fields__ if name not in _MADE]
    return AccountRecord(
        roles=frozenset(named[account.c.roles].split()),
        has_password=named[account.c.password_hash] is not None,
        has_codes=named[account.c.totp_secret] is not None,
        **{name: named[account.c[name]] for name in plain},
    )


def _secrets(row: Row[Any]) -> Secrets:
    return Secrets(row.password_hash, row.totp_secret, row.totp_step)


def _named(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(account).where(account.c.name == name)).one_or_none()


def _display_name(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:LONGEST_DISPLAY_NAME]
