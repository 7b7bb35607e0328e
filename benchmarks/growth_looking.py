"""What people and programs look at all day: operations of growth_operations.py that only read."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice

from growth_made import SECONDS_APART
from growth_site import ENOUGH, Operation, Site
from sqlalchemy import select

from agent.web.listing import PER_PAGE
from db.archive import find_instances, find_series, held_by_uid, held_instances, recent_syntaxes
from db.archive_columns import AnyOf, Between, Criteria, Like
from db.breaker import rests
from db.database import Database
from db.delivery_list import count_deliveries, listed_deliveries
from db.figures import figures
from db.queue import utc_now
from db.schema.domain import study
from db.search import search_studies
from db.workitem_reading import TaskCriteria, reading_tasks
from db.worklist import study_record, waits_to_be_read
from db.worklist_counts import worklist_counts
from db.worklist_view import Place, Show, Wanted, worklist_view


def looking(site: Site) -> tuple[Operation, ...]:
    """Return what only reads."""
    return (*_pages(site), *_searches(site), *_others(site))


def _pages(site: Site) -> tuple[Operation, ...]:
    database, page = site.database, "the page"
    order = study.c.due_at.desc(), study.c.id.desc()
    query = select(study.c.due_at, study.c.id).where(waits_to_be_read()).order_by(*order).offset(PER_PAGE).limit(1)
    with database.read() as connection:
        due_at, number = connection.execute(query).one()
    last = due_at, number
    before_all = utc_now() - timedelta(seconds=site.studies * SECONDS_APART // 2)

    def seen(wanted: Wanted, after: Place | None = None) -> object:
        return worklist_view(database, wanted, now=utc_now(), limit=PER_PAGE, after=after)

    return (
        Operation(page, "counts", lambda: worklist_counts(database, now=utc_now())),
        Operation(page, "first page", lambda: seen(Wanted())),
        Operation(page, "last page", lambda: seen(Wanted(), last)),
        Operation(page, "flagged", lambda: seen(Wanted(outcome="flagged"))),
        Operation(page, "read, the latest", lambda: seen(Wanted(show=Show.READ))),
        Operation(page, "read, long ago", lambda: seen(Wanted(show=Show.READ), (before_all, site.studies // 2))),
        Operation(page, "quarantined", lambda: seen(Wanted(show=Show.QUARANTINED))),
        Operation(page, "with a delivery that failed", lambda: seen(Wanted(show=Show.UNDELIVERED))),
    )


def _searches(site: Site) -> tuple[Operation, ...]:
    database, search = site.database, "search"
    day = (utc_now() - timedelta(days=1)).strftime("%Y%m%d")
    before = (utc_now() - timedelta(seconds=site.studies * SECONDS_APART, days=2)).strftime("%Y%m%d")

    def of(column: str, value: Callable[[int], str]) -> Callable[[], object]:
        return lambda: site.find({column: AnyOf((value(site.any_study()),))})

    def parts(find: Callable[[Database, Criteria], Iterator[object]]) -> Callable[[], object]:
        return lambda: list(find(database, {"study_instance_uid": AnyOf((site.uid(site.any_study()),))}))

    def held() -> object:
        return list(held_instances(database, {"sop_instance_uid": AnyOf((site.uid(site.any_study(), ".1.0"),))}))

    def some_name() -> str:
        return f"Family{site.any_study() % max(site.studies // 4, 1)}"

    def typed(further: str) -> Callable[[], object]:
        return lambda: search_studies(database, f"{further} {some_name()}")

    return (
        Operation(search, "by Patient ID", of("patient_id", site.patient_id)),
        Operation(search, "by accession number", of("accession_number", site.accession_number)),
        Operation(search, "by UID", of("study_instance_uid", site.uid)),
        Operation(
            search, "by patient's name, that begins so", lambda: site.find({"patient_name": Like((some_name(),))})
        ),
        Operation(search, "by a part of it", lambda: site.find({"patient_name": Like((some_name()[2:],))})),
        Operation(search, "as typed: a name", typed("")),
        Operation(search, "as typed: what all have, and a name", typed("chest giv")),
        Operation(search, "as typed: what all have", lambda: search_studies(database, "chest giv")),
        Operation(
            search, "as typed: a Patient ID", lambda: search_studies(database, site.patient_id(site.any_study()))
        ),
        Operation(search, "a day before all others", lambda: site.find({"study_date": AnyOf((before,))})),
        Operation(search, "until that day", lambda: site.find({"study_date": Between("", before)})),
        Operation(search, "since yesterday", lambda: site.find({"study_date": Between(day, "")})),
        Operation(search, "the latest hundred", lambda: site.find({})),
        Operation(search, "the series of a study", parts(find_series)),
        Operation(search, "the Instances of a study", parts(find_instances)),
        Operation(search, "an Instance by its UID", held),
    )


def _others(site: Site) -> tuple[Operation, ...]:
    database, show, read = site.database, "one study", "other lists"

    def tasks(**criteria: tuple[str, ...]) -> object:
        return list(islice(reading_tasks(database, TaskCriteria(**criteria)), ENOUGH))

    return (
        Operation(show, "tibabu show", lambda: study_record(database, site.uid(site.any_study()))),
        Operation(show, "Storage Commitment", lambda: held_by_uid(database, [site.uid(site.any_study(), ".1.0")])),
        Operation(read, "reading tasks, open", lambda: tasks(states=("SCHEDULED",))),
        Operation(read, "reading tasks, of a patient", lambda: tasks(patient_ids=(site.patient_id(site.any_study()),))),
        Operation(read, "reading tasks, all, the first hundred", tasks),
        Operation(read, "deliveries, the latest", lambda: listed_deliveries(database)),
        Operation(read, "deliveries, parked", lambda: listed_deliveries(database, state="PARKED")),
        Operation(read, "deliveries, of a destination", lambda: listed_deliveries(database, destination="pacs")),
        Operation(read, "deliveries, counted", lambda: count_deliveries(database), 20),
        Operation(read, "destinations that rest", lambda: rests(database)),
        Operation(read, "what a scrape tells", lambda: figures(database)),
        Operation(read, "transfer syntaxes of late", lambda: recent_syntaxes(database)),
        Operation(read, "queue, depth", lambda: site.queue.depth(utc_now())),
        Operation(read, "queue, parked", site.queue.parked),
    )
