"""What stands, in figures, for whoever watches the system: cheap to ask for every few seconds, and of no patient."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from db.database import Database
from db.delivery_list import OpenDeliveries, count_open
from db.delivery_state import DeliveryState
from db.disks import Disk, disk_rows
from db.drift import reports_of
from db.lifecycle import State
from db.schema.domain import study
from db.schema.keeping import backup
from db.triage import switched_off

OPEN: Final = (DeliveryState.QUEUED, DeliveryState.STORED, DeliveryState.PARKED)
"""The states in which a delivery waits for something; what is held for an outcome may be held for ever."""

_LOOKED_AT: Final = 200  # of the latest studies: thousands of priors in a row are not walked past at each scrape


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What stands. `studies` counts those that are not concluded, by state; `undecided` wait for a person."""

    deliveries: tuple[OpenDeliveries, ...]
    studies: dict[str, int]
    undecided: int
    last_received_at: datetime | None
    disks: tuple[Disk, ...]
    triage_on: bool
    drift: dict[str, str]
    backed_up_at: datetime | None


def figures(database: Database) -> Figures:
    """Return what stands, as one transaction sees it."""
    with database.read() as connection:
        return Figures(
            deliveries=count_open(connection, OPEN),
            studies=_studies(connection),
            undecided=connection.scalar(select(func.count()).select_from(study).where(study.c.conflict != "")) or 0,
            last_received_at=_last(connection),
            disks=disk_rows(connection),
            triage_on=switched_off(connection) is None,
            drift={span: content for span, (_, content) in reports_of(connection).items()},
            backed_up_at=connection.scalar(
                select(backup.c.began_at).where(backup.c.is_whole).order_by(backup.c.ended_at.desc()).limit(1)
            ),
        )


def _studies(connection: Connection) -> dict[str, int]:
    waiting = (State.RECEIVING, State.COMPLETE)
    query = (
        select(study.c.state, func.count().label("studies")).where(study.c.state.in_(waiting)).group_by(study.c.state)
    )
    return dict.fromkeys(map(str, waiting), 0) | {row.state: row.studies for row in connection.execute(query)}


def _last(connection: Connection) -> datetime | None:
    """Return when the latest study came that is not only here as a prior; None if there are many priors after it."""
    columns = study.c.received_at, study.c.prior_only
    # In order, and no condition on the number: PostgreSQL takes that for a third of all studies, and calls workers
    newest = select(*columns).order_by(study.c.id.desc()).limit(_LOOKED_AT).subquery()
    query = select(func.max(newest.c.received_at, type_=study.c.received_at.type)).where(~newest.c.prior_only)
    found: datetime | None = connection.scalar(query)
    return found
