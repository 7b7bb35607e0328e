"""The whole examination, in the order in which one thing rests on the other."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from agent.doctor import backups, configuration, host, models, network, rows, services, store, work
from agent.doctor.finding import Finding, Look, Patient, Remedy
from db.errors import DatabaseError

_BEFORE: Final[tuple[Look, ...]] = (
    configuration.look,
    host.look_at_clock,
    host.look_at_files,
    store.look_at_room,
    store.look_at_rights,
    store.look_at_objects,
)
_WITH_ROWS: Final[tuple[Look, ...]] = (
    rows.look,
    store.look_at_files,
    models.look,
    services.look,
    host.look_at_ports,
    network.look,
    work.look,
    backups.look,
)

REMEDIES: Final = {
    row.code: row
    for module in (configuration, host, store, rows, models, services, network, work, backups)
    for row in vars(module).values()
    if isinstance(row, Remedy)
}
"""Every finding there is, by its code."""


def examine(path: Path | None, *, named: bool, clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Yield what is seen of the installation that `path` configures; `named`: commands have to name that file."""
    config = configuration.read(path, named=named)
    if isinstance(config, Finding):
        yield config
        return
    patient = Patient(config=config, path=path, named=named, clock=clock)
    for look in _BEFORE:
        yield from guarded(look, patient)
    with rows.opened_if_fit(patient) as (database, found):
        yield from found
        patient = replace(patient, database=database)
        for look in _WITH_ROWS:
            yield from guarded(look, patient)


def guarded(look: Look, patient: Patient) -> Iterator[Finding]:
    """Look; a database or a disk that goes away meanwhile is a finding, and the other looks go on."""
    try:
        yield from look(patient)
    except DatabaseError as error:
        yield patient.ill("database", rows.DATABASE_FAILS, str(error))
    except OSError as error:
        name = error.filename or look.__module__.rpartition(".")[2]
        yield patient.ill(
            "rights", host.CANNOT_LOOK, f"expected to be able to look at {name}. Received: {error.strerror}"
        )
