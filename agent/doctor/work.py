"""What stands wrong with the work itself: what is not done any more, waits too long, or waits for a person."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from agent.destinations import Confirming
from agent.doctor.finding import Finding, Patient, Remedy, Severity
from agent.process.outgoing import make_destinations
from db.database import Database
from db.job_subjects import studies_of_jobs
from db.quarantine import quarantined
from db.queue import open_queue
from db.ticks import Health, ticks
from db.trouble import OF_DESTINATIONS, Standing, Trouble, standing

NOT_RUNNING: Final = Remedy(
    code="not-running",
    severity=Severity.WARNING,
    why="Nothing periodic has run for a while: no `clock` process runs, so studies do not end and nothing is retried.",
    commands=("systemctl status tibabu", "systemctl restart tibabu", "tibabu ticks{config}"),
)
TICK_FAILS: Final = Remedy(
    code="tick-fails",
    severity=Severity.ERROR,
    why="Something that is to be done periodically is not done.",
    commands=("tibabu ticks{config}", "journalctl --unit tibabu"),
)
PARKED: Final = Remedy(
    code="parked",
    severity=Severity.ERROR,
    why="These are not sent again by themselves: the receiver does not have them.",
    commands=(
        "tibabu deliveries --state parked --destination {name}{config}",
        "tibabu requeue --deliveries --destination {name}{config}",
    ),
    words="Mend the cause first; the first command tells each one's reason.",
)
RESTS: Final = Remedy(
    code="rests",
    severity=Severity.ERROR,
    why="It failed several times in a row: nothing is sent there until it answers.",
    commands=("tibabu deliveries --destination {name}{config}",),
    words="Mend it there; it is asked every two minutes, and what waits is sent when it answers.",
)
TO_NOBODY: Final = Remedy(
    code="to-nobody",
    severity=Severity.ERROR,
    why="The configuration does not have their destination: nothing sends them.",
    commands=("tibabu deliveries --destination {name}{config}",),
    words="Put the destination back, under the same name, and reload: then they are sent.",
)
UNCONFIRMED: Final = Remedy(
    code="unconfirmed",
    severity=Severity.WARNING,
    why="It said that it stored reports, and was not seen to have them.",
    commands=("tibabu deliveries --state stored --destination {name}{config}",),
)
FILES_DAMAGED: Final = Remedy(
    code="files-damaged",
    severity=Severity.ERROR,
    why="Stored files are lost or not what was received.",
    commands=("tibabu verify --digests{config}",),
    words="Bring them back from the back-up or have the images sent again.",
)
TRIAGE_OFF: Final = Remedy(
    code="triage-off",
    severity=Severity.WARNING,
    why="No study is raised or called flagged.",
    commands=("tibabu triage{config}", "tibabu triage --on --reason REASON{config}"),
)
DRIFT: Final = Remedy(
    code="drift",
    severity=Severity.WARNING,
    why="What comes in is not what the model was made on: its measured figures may not hold.",
    commands=("tibabu drift{config}",),
)
JOBS_WAIT: Final = Remedy(
    code="jobs-wait",
    severity=Severity.WARNING,
    why="Studies are not analysed or reported in time.",
    commands=("systemctl status tibabu", "tibabu worklist{config}"),
    keys=("work.processes",),
    words="Does the role run that does them? If it does and does not keep up, give it more processes.",
)
JOBS_PARKED: Final = Remedy(
    code="jobs-parked",
    severity=Severity.ERROR,
    why="These failed again and again and are not done by themselves.",
    commands=("tibabu requeue {study}{config}", "tibabu requeue --commitments{config}"),
    words="The page /system/queue lists them with their reasons and runs each again.",
)
QUARANTINED: Final = Remedy(
    code="quarantined",
    severity=Severity.WARNING,
    why="Their objects name two patients, or one UID came with two contents: nothing of them is sent.",
    commands=("tibabu show {study}{config}",),
    words="A person decides on the page /quarantine.",
)

_LONG: Final = timedelta(minutes=15)
_UNKNOWN: Final = "STUDY_INSTANCE_UID"


def look(patient: Patient) -> Iterator[Finding]:
    """Look at what is on record of the work; nothing where there is no database that can be read."""
    database = patient.database
    if database is None:
        return
    found = [*_troubles(patient, database), *_jobs(patient, database), *_quarantine(patient, database)]
    yield from found or [patient.fit("work", "nothing is parked, waits for long, or fails")]


def _troubles(patient: Patient, database: Database) -> Iterator[Finding]:
    made = make_destinations(patient.config)
    patience = {name: one.patience if isinstance(one, Confirming) and one.ways else None for name, one in made.items()}
    rows = ticks(database)
    idle = bool(rows) and all(row.health(patient.now) is Health.OVERDUE for row in rows)
    if idle:
        last = max(row.overdue_at for row in rows)
        detail = (
            f"expected a running `clock` process. Received: nothing periodic since before {last:%Y-%m-%d %H:%M} UTC"
        )
        yield patient.ill("agent", NOT_RUNNING, detail)
    with database.read() as connection:
        stands = list(standing(connection, patience, now=patient.now))
    for one in stands:
        if one.trouble is not Trouble.DISK_LOW and not (idle and one.trouble is Trouble.TICK_OVERDUE):
            yield of_trouble(patient, one)


def of_trouble(patient: Patient, one: Standing) -> Finding:
    """Return the finding of one trouble."""
    check, remedy, what = _OF[one.trouble]
    counts = ((one.reports, "reports"), (one.instances, "images"))
    things = " and ".join(f"{count} {word}" for count, word in counts if count) or one.destination
    said = "; ".join(filter(None, (f"since {one.since:%Y-%m-%d %H:%M} UTC", one.status, one.reason)))
    name = one.destination if one.trouble in _NAMED else ""
    detail = f"expected {what}. Received: {things}, {said}"
    return patient.ill(f"{check} {name}".rstrip(), remedy, detail, name=one.destination)


def _jobs(patient: Patient, database: Database) -> Iterator[Finding]:
    queue = open_queue(database)
    for kind in queue.depth(patient.now):
        if kind.waiting and kind.oldest_run_at is not None and patient.now - kind.oldest_run_at > _LONG:
            minutes = (patient.now - kind.oldest_run_at).total_seconds() // 60
            least = f"expected no job to wait for more than {_LONG.seconds // 60} minutes"
            detail = f"{least}. Received: {kind.waiting} wait, the oldest for {minutes:.0f}"
            yield patient.ill(f"jobs {kind.kind}", JOBS_WAIT, detail)
    if parked := queue.parked():
        about = studies_of_jobs(database, [(job.kind, job.key) for job in parked])
        study = next(iter(about.values()), _UNKNOWN)
        kinds = ", ".join(sorted({job.kind for job in parked}))
        said = f"{len(parked)} ({kinds}), the latest at {parked[0].parked_at:%Y-%m-%d %H:%M} UTC"
        detail = f"expected no parked job. Received: {said}"
        yield patient.ill("jobs", JOBS_PARKED, detail, study=study)


def _quarantine(patient: Patient, database: Database) -> Iterator[Finding]:
    if waiting := quarantined(database):
        detail = f"expected no study in quarantine. Received: {len(waiting)}"
        yield patient.ill("quarantine", QUARANTINED, detail, study=waiting[0].study_instance_uid)


_NAMED: Final = frozenset({*OF_DESTINATIONS, Trouble.TICK_FAILS, Trouble.TICK_OVERDUE})
_OF: Final = {
    Trouble.PARKED: ("deliveries", PARKED, "nothing parked"),
    Trouble.RESTS: ("deliveries", RESTS, "a destination that takes what it is sent"),
    Trouble.TO_NOBODY: ("deliveries", TO_NOBODY, "a destination that the configuration has"),
    Trouble.UNCONFIRMED: ("deliveries", UNCONFIRMED, "reports that were seen to be there"),
    Trouble.TICK_FAILS: ("tick", TICK_FAILS, "it to do well"),
    Trouble.TICK_OVERDUE: ("tick", TICK_FAILS, "it to have run"),
    Trouble.FILES_DAMAGED: ("stored files", FILES_DAMAGED, "whole files"),
    Trouble.TRIAGE_OFF: ("triage", TRIAGE_OFF, "triage to be on"),
    Trouble.DRIFT: ("drift", DRIFT, "images and scores as the model was made on"),
}
"""The troubles that people are told of, each with its check and row; a low disk is looked at itself."""
