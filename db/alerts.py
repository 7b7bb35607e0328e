"""Who is told of what stands wrong: claimed in one transaction, sent after it, and settled by how that went.

So that of several processes one tells it, and what a process that died was telling is told by another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select, update

from db.database import Database
from db.schema.delivery import alert
from db.trouble import Standing, Trouble, standing

LEASE: Final = timedelta(minutes=10)
"""Who has not settled a claim by then has died, and another process tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Through which channels, of which destinations, how soon and how often again is told what stands wrong."""

    channels: tuple[str, ...]
    patience: Mapping[str, timedelta | None]
    """The destinations, and how long each may take to confirm what it has; None: it is not asked."""
    after: timedelta
    repeat: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One message to send now. `stands` is None where the trouble is over."""

    alert_id: int
    trouble: Trouble
    destination: str
    channel: str
    identifier: str
    stands: Standing | None
    may_know: bool
    """Whether the channel may have been told before that it stands."""
    claimed_until: datetime


def claim_alerts(database: Database, rules: Rules, *, now: datetime) -> tuple[Claim, ...]:
    """Commit, before anything is sent, what this process tells now: nobody else does until it is settled."""
    with database.begin(lock=("alert", "all")) as connection:
        found = {(one.trouble, one.destination): one for one in standing(connection, rules.patience, now=now)}
        rows = {(row.trouble, row.destination, row.channel): row for row in connection.execute(select(alert))}
        return (
            *_claimed_to_tell(connection, found, rows, rules, now),
            *_claimed_to_clear(connection, found, rows, rules, now),
        )


def settle_alert(database: Database, claim: Claim, *, told: bool, maybe: bool = False, at: datetime) -> None:
    """Commit how a sending ended: `told`; else it is tried again, `maybe` as something that may have arrived."""
    own = (alert.c.id == claim.alert_id, alert.c.claimed_until == claim.claimed_until)
    with database.begin() as connection:
        if told and claim.stands is not None:
            connection.execute(update(alert).where(*own).values(told=alert.c.told + 1, told_at=at, claimed_until=None))
        elif told or not (maybe or claim.may_know):
            connection.execute(delete(alert).where(*own))
        else:
            connection.execute(update(alert).where(*own).values(claimed_until=None))


def _claimed_to_tell(
    connection: Connection,
    found: Mapping[tuple[Trouble, str], Standing],
    rows: Mapping[tuple[str, str, str], Any],
    rules: Rules,
    now: datetime,
) -> Iterator[Claim]:
    """Claim what stands for long enough and is not known, or was told long ago."""
    until = now + LEASE
    for (trouble, destination), stands in found.items():
        for channel in rules.channels:
            row = rows.get((trouble, destination, channel))
            if row is None:
                if now < stands.since + rules.after:
                    continue
                key = {"trouble": trouble, "destination": destination, "channel": channel}
                values = {"token": uuid4().hex, "told": 0, "claimed_until": until}
                row = connection.execute(insert(alert).values(key | values).returning(alert)).one()
                may_know = False
            elif _is_free(row, now) and (row.told_at is None or row.told_at + rules.repeat <= now):
                connection.execute(update(alert).where(alert.c.id == row.id).values(claimed_until=until))
                may_know = True
            else:
                continue
            yield _claim(row, f"alert-{row.token}-{row.told + 1}", stands, may_know=may_know, until=until)


def _claimed_to_clear(
    connection: Connection,
    found: Mapping[tuple[Trouble, str], Standing],
    rows: Mapping[tuple[str, str, str], Any],
    rules: Rules,
    now: datetime,
) -> Iterator[Claim]:
    """Claim what was told and is over; what nobody can be told any more, or needs to know, is forgotten."""
    until = now + LEASE
    for (trouble, destination, channel), row in rows.items():
        if (trouble, destination) in found or not _is_free(row, now):
            continue
        gone = trouble in {Trouble.RESTS, Trouble.UNCONFIRMED} and destination not in rules.patience
        if channel not in rules.channels or gone:
            connection.execute(delete(alert).where(alert.c.id == row.id))
            continue
        # Once it may have been told that it is over, it is told anew should it stand again.
        connection.execute(update(alert).where(alert.c.id == row.id).values(claimed_until=until, told_at=None))
        yield _claim(row, f"alert-{row.token}-{row.told}-over", None, may_know=True, until=until)


def _is_free(row: Any, now: datetime) -> bool:  # noqa: ANN401 - a row of `alert`
    return row.claimed_until is None or row.claimed_until <= now


def _claim(row: Any, identifier: str, stands: Standing | None, *, may_know: bool, until: datetime) -> Claim:  # noqa: ANN401
    return Claim(
        alert_id=row.id,
        trouble=Trouble(row.trouble),
        destination=row.destination,
        channel=row.channel,
        identifier=identifier,
        stands=stands,
        may_know=may_know,
        claimed_until=until,
    )
