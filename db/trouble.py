"""What stands wrong until somebody looks, with deliveries and with this agent itself: nothing of a patient."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, func, select

from db.breaker import BreakerState
from db.delivery_attempt import Ending
from db.delivery_state import DeliveryState
from db.disks import disk_rows
from db.drift import alarm_rows
from db.forwarding import QUARANTINED
from db.schema.delivery import delivery_attempt, destination_rest
from db.schema.domain import delivery
from db.schema.keeping import damaged_file
from db.ticks import Health, tick_rows
from db.triage import switched_off

_LONGEST: Final = 300


class Trouble(StrEnum):
    """What can stand wrong with a destination, with a tick, a disk, or stored files."""

    PARKED = "parked"  # deliveries that are not sent again by themselves
    RESTS = "rests"  # it does not answer, and is only asked whether it is back
    TO_NOBODY = "to_nobody"  # deliveries wait for it, and the configuration does not have it
    UNCONFIRMED = "unconfirmed"  # it said that it has reports, and was not seen to have them in time
    TICK_FAILS = "tick_fails"  # something periodic fails, whenever it runs
    TICK_OVERDUE = "tick_overdue"  # something periodic has not run, or has not ended, when it should have
    FILES_DAMAGED = "files_damaged"  # stored files are lost, or are not what was stored
    TRIAGE_OFF = "triage_off"  # nothing is analysed for anybody: a person or an alarm has switched triage off
    DRIFT = "drift"  # images or scores lie further from the model's card than the site allows
    DISK_LOW = "disk_low"  # there is little room where the store or the database lies


OF_DESTINATIONS: Final = frozenset({Trouble.PARKED, Trouble.RESTS, Trouble.TO_NOBODY, Trouble.UNCONFIRMED})
"""The troubles of destinations; the others are this agent's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One trouble. `status` is the receiver's, empty if it gave none; `reason` has no values of a patient."""

    trouble: Trouble
    destination: str
    """Its name, or the tick's, or what lies on the disk."""
    since: datetime
    reports: int = 0
    instances: int = 0
    status: str = ""
    reason: str = ""


def standing(connection: Connection, patience: Mapping[str, timedelta | None], *, now: datetime) -> Iterator[Standing]:
    """Yield what stands wrong. `patience` has the destinations, and how long each may take to confirm; None: unasked.

    Instances held back because their study is quarantined are no trouble of their destination.
    """
    yield from _parked(connection)
    yield from _resting(connection, patience)
    yield from _to_nobody(connection, patience)
    for destination, longest in patience.items():
        if longest is not None:
            yield from _unconfirmed(connection, destination, longest, now)
    yield from _ticks(connection, now)
    yield from _disks(connection)
    yield from _files(connection)
    for alarm in alarm_rows(connection):
        yield Standing(trouble=Trouble.DRIFT, destination=alarm.name, since=alarm.since, reason=alarm.reason)
    if (off := switched_off(connection)) is not None:
        yield Standing(trouble=Trouble.TRIAGE_OFF, destination="triage", since=off.off_at, reason=f"by {off.off_by}")


def _parked(connection: Connection) -> Iterator[Standing]:
    stands = (delivery.c.state == DeliveryState.PARKED, delivery.c.reason != QUARANTINED)
    groups = connection.execute(
        select(
            delivery.c.destination,
            func.count(delivery.c.report_id).label("reports"),
            func.count(delivery.c.instance_id).label("instances"),
        )
        .where(*stands)
        .group_by(delivery.c.destination)
        .order_by(delivery.c.destination)
    ).all()
    for group in groups:
        first = connection.execute(
            select(delivery.c.id, delivery.c.updated_at, delivery.c.reason)
            .where(*stands, delivery.c.destination == group.destination)
            .order_by(delivery.c.updated_at, delivery.c.id)
            .limit(1)
        ).one()
        status = connection.execute(
            select(delivery_attempt.c.status)
            .where(delivery_attempt.c.delivery_id == first.id)
            .order_by(delivery_attempt.c.number.desc())
            .limit(1)
        ).scalar_one_or_none()
        yield Standing(
            trouble=Trouble.PARKED,
            destination=group.destination,
            since=first.updated_at,
            reports=group.reports,
            instances=group.instances,
            status=status or "",
            reason=_without_values(first.reason),
        )


def _resting(connection: Connection, known: Mapping[str, timedelta | None]) -> Iterator[Standing]:
    table = destination_rest
    rows = connection.execute(
        select(table.c.destination, table.c.opened_at, table.c.reason)
        .where(table.c.state != BreakerState.CLOSED, table.c.opened_at.is_not(None), table.c.destination.in_(known))
        .order_by(table.c.destination)
    )
    for row in rows:
        yield Standing(
            trouble=Trouble.RESTS,
            destination=row.destination,
            since=row.opened_at,
            reason=_without_values(row.reason),
        )


def _to_nobody(connection: Connection, known: Mapping[str, timedelta | None]) -> Iterator[Standing]:
    """Yield what waits for a destination that was taken out, or that a process ordered while it drained."""
    groups = connection.execute(
        select(
            delivery.c.destination,
            func.min(delivery.c.created_at, type_=delivery.c.created_at.type).label("since"),
            func.count(delivery.c.report_id).label("reports"),
            func.count(delivery.c.instance_id).label("instances"),
        )
        .where(delivery.c.state.in_((DeliveryState.QUEUED, DeliveryState.STORED)), delivery.c.destination.not_in(known))
        .group_by(delivery.c.destination)
        .order_by(delivery.c.destination)
    )
    for group in groups.mappings():
        yield Standing(trouble=Trouble.TO_NOBODY, **group)


def _unconfirmed(connection: Connection, destination: str, patience: timedelta, now: datetime) -> Iterator[Standing]:
    """Yield what the destination said that it stored, whether it is being asked now or being sent again."""
    count, first = connection.execute(
        select(
            func.count(delivery.c.id.distinct()),
            func.min(delivery_attempt.c.ended_at, type_=delivery_attempt.c.ended_at.type),
        )
        .select_from(delivery)
        .join(delivery_attempt, delivery_attempt.c.delivery_id == delivery.c.id)
        .where(
            delivery.c.destination == destination,
            delivery.c.state.in_((DeliveryState.STORED, DeliveryState.QUEUED)),
            delivery_attempt.c.ending == Ending.ACKNOWLEDGED,
            delivery_attempt.c.ended_at <= now - patience,
        )
    ).one()
    if count:
        yield Standing(trouble=Trouble.UNCONFIRMED, destination=destination, since=first + patience, reports=count)


def _ticks(connection: Connection, now: datetime) -> Iterator[Standing]:
    for row in tick_rows(connection):
        health = row.health(now)
        if health is Health.OVERDUE:
            reason = "" if row.running_since is None else f"it runs since {row.running_since:%Y-%m-%d %H:%M:%S} UTC"
            yield Standing(trouble=Trouble.TICK_OVERDUE, destination=row.name, since=row.overdue_at, reason=reason)
        elif health is Health.FAILING:
            reason = f"{row.failures_in_a_row} times in a row, {row.error}"
            since = row.failing_since or now
            yield Standing(trouble=Trouble.TICK_FAILS, destination=row.name, since=since, reason=reason)


def _disks(connection: Connection) -> Iterator[Standing]:
    for one in disk_rows(connection):
        if one.low_since is not None:
            reason = f"{one.free_megabytes} MB are free"
            if one.refused_megabytes:
                reason += f"; below {one.refused_megabytes} MB Instances are refused"
            yield Standing(trouble=Trouble.DISK_LOW, destination=one.place, since=one.low_since, reason=reason)


def _files(connection: Connection) -> Iterator[Standing]:
    table = damaged_file
    count, since = connection.execute(
        select(func.count(), func.min(table.c.found_at, type_=table.c.found_at.type)).where(table.c.mended_at.is_(None))
    ).one()
    if count:
        reason = f"{count} stored files"
        yield Standing(trouble=Trouble.FILES_DAMAGED, destination="store", since=since, reason=reason)


def _without_values(reason: str) -> str:
    return reason.partition(" Received: ")[0].removesuffix(".")[:_LONGEST]
