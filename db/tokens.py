"""Tokens that let programs in: named, with scopes, revocable; only a digest of each is kept."""

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, insert, literal, or_, select, update

from db.audit import AuditEvent, Who, note
from db.audit_terms import EventAction, EventId, EventType
from db.database import Database
from db.errors import ConstraintError, RefusedError
from db.schema.accounts import account
from db.schema.tokens import NAME, api_token
from db.subscriptions import forget_token

_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{NAME - 1}}}")
_USE_IS_NOTED_EVERY: Final = timedelta(minutes=1)
_WITH_ACCOUNT: Final = select(api_token, account.c.name.label("account")).outerjoin(
    account, account.c.id == api_token.c.account_id
)
_PROGRAM: Final = "service"
_LETS_IN: Final = and_(
    api_token.c.revoked_at.is_(None),
    or_(
        api_token.c.account_id.is_(None),
        and_(account.c.disabled_at.is_(None), (literal(" ") + account.c.roles + " ").contains(f" {_PROGRAM} ")),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A token on record, without the token. The last four are None as long as there is nothing to say."""

    id: int
    name: str
    scopes: frozenset[str]
    created_by: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_by: str | None
    revoked_at: datetime | None
    account: str | None


def create_token(  # noqa: PLR0913 - what is on record of a token
    database: Database,
    name: str,
    *,
    sha256: str,
    scopes: Collection[str],
    by: str,
    now: datetime,
    account_name: str | None = None,
    source: str = "",
) -> TokenRecord:
    """Put a token on record by its digest; with `account_name` it is that program's, and ends with its account.

    Raises RefusedError for a name that is none (it is shown in logs and stands where a calling AE title stands), or
    that an active token has.
    """
    if _NAME.fullmatch(name) is None:
        message = f"expected a name of 1 to {NAME} letters, digits, dots, dashes and underscores. Received: another"
        raise RefusedError(message)
    try:
        with database.begin() as connection:
            values = {"name": name, "sha256": sha256, "scopes": " ".join(sorted(scopes)), "created_by": by}
            account_id = None if account_name is None else _program(connection, account_name)
            connection.execute(insert(api_token).values(values | {"created_at": now, "account_id": account_id}))
            row = connection.execute(_WITH_ACCOUNT.where(api_token.c.sha256 == sha256)).one()
            _note(connection, Who(by, source=source), f"token {name} made: {row.scopes}", now)
    except ConstraintError:
        message = f"expected a name that no active token has. Received: {name}; revoke that one first"
        raise RefusedError(message) from None
    return _record(row)


def tokens(database: Database) -> tuple[TokenRecord, ...]:
    """Return all that ever were, oldest first."""
    with database.read() as connection:
        rows = connection.execute(_WITH_ACCOUNT.order_by(api_token.c.id)).all()
    return tuple(_record(row) for row in rows)


def active_token(database: Database, sha256: str) -> TokenRecord | None:
    """Return the token of that digest, or None where there is none, or it or its account lets nobody in any more.

    The digest of 256 random bits is what is looked for: how long that takes says nothing about a token.
    """
    with database.read() as connection:
        row = connection.execute(_WITH_ACCOUNT.where(api_token.c.sha256 == sha256, _LETS_IN)).one_or_none()
    if row is None or not hmac.compare_digest(row.sha256, sha256):
        return None
    return _record(row)


def is_active(database: Database, token_id: int) -> bool:
    """Tell whether a token has not been revoked since it was looked up."""
    query = _WITH_ACCOUNT.where(api_token.c.id == token_id, _LETS_IN)
    with database.read() as connection:
        return connection.execute(query).one_or_none() is not None


def note_use(database: Database, record: TokenRecord, *, now: datetime) -> None:
    """Record that a token is used, once a minute at most: a viewer asks a hundred times a second."""
    before = now - _USE_IS_NOTED_EVERY
    if record.last_used_at is not None and record.last_used_at > before:
        return
    column = api_token.c.last_used_at
    with database.begin() as connection:
        connection.execute(
            update(api_token)
            .where(api_token.c.id == record.id, or_(column.is_(None), column <= before))
            .values(last_used_at=now)
        )


def revoke_token(database: Database, name: str, *, by: str, now: datetime, source: str = "") -> None:
    """Let the active token of that name in no more, and end its subscriptions. RefusedError where there is none."""
    with database.begin() as connection:
        revoked = connection.execute(
            update(api_token)
            .where(api_token.c.name == name, api_token.c.revoked_at.is_(None))
            .values(revoked_at=now, revoked_by=by)
        )
        forget_token(connection, name)
        if revoked.rowcount:
            _note(connection, Who(by, source=source), f"token {name} revoked", now)
    if not revoked.rowcount:
        message = "expected the name of an active token. Received: another"
        raise RefusedError(message)


def _program(connection: Connection, name: str) -> int:
    """Return the id of an enabled account of the role service. RefusedError where there is none of that name."""
    query = select(account.c.id, account.c.roles).where(account.c.name == name, account.c.disabled_at.is_(None))
    row = connection.execute(query).one_or_none()
    if row is None or _PROGRAM not in row.roles.split():
        message = "expected the name of an enabled account of the role service. Received: another"
        raise RefusedError(message)
    return int(row.id)


def _note(connection: Connection, who: Who, detail: str, now: datetime) -> None:
    event = AuditEvent(
        event=EventId.SECURITY_ALERT,
        type=EventType.SECURITY_CONFIGURATION,
        action=EventAction.UPDATE,
        who=who,
        at=now,
        detail=detail,
    )
    note(connection, event)


def _record(row: Row[Any]) -> TokenRecord:
    return TokenRecord(
        id=row.id,
        name=row.name,
        scopes=frozenset(row.scopes.split()),
        created_by=row.created_by,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_by=row.revoked_by,
        revoked_at=row.revoked_at,
        account=row.account,
    )
