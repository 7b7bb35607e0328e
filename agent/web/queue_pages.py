"""The operator's pages of the queue and of deliveries: what waits, runs and is parked, and what is put back."""

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.tokens import SYSTEM_READ, SYSTEM_WRITE
from agent.web import queue, system
from agent.web.access import Address
from agent.web.forms import form_of, number_in
from agent.web.services import services_of
from agent.web.system_pages import system_page
from agent.web.trail import who_asks
from db.breaker import rests, try_now
from db.delivery_list import open_deliveries, parked_deliveries
from db.job_subjects import studies_of_jobs
from db.operated import note_operated
from db.requeue import requeue_deliveries

_MOST: Final = 100
"""Parked jobs or deliveries that are listed."""


def show_queue(request: Request) -> Response:
    """Show the jobs by kind, those that run, and those that are parked."""
    services = services_of(request)
    now, zone = services.clock(), services.zone
    running, parked = services.queue.running()[:_MOST], services.queue.parked()
    listed = parked[:_MOST]
    jobs = [*((job.kind, job.key) for job in running), *((job.kind, job.key) for job in listed)]
    studies = studies_of_jobs(services.database, jobs)
    return system_page(
        request,
        "queue.html",
        kinds=[queue.shown_kind(depth, now) for depth in services.queue.depth(now)],
        running=[queue.shown_running(job, studies, now, zone) for job in running],
        parked=[queue.shown_parked(job, studies, zone) for job in listed],
        more_parked=len(parked) - len(listed),
    )


def retry_job(request: Request) -> Response:
    """Let a parked job run again."""
    services, form = services_of(request), form_of(request)
    kind, key, now, who = form.get("kind", ""), form.get("key", ""), services.clock(), who_asks(request)
    also = partial(note_operated, who=who, detail=f"parked job {kind} {key} requeued", at=now)
    found = services.queue.requeue(kind, key, now, also=also)
    return _back("/system/queue", "retried" if found else "gone")


def show_deliveries(request: Request) -> Response:
    """Show what is under way by destination, which of them rest, and what is parked."""
    services = services_of(request)
    parked = parked_deliveries(services.database, limit=_MOST + 1)
    return system_page(
        request,
        "deliveries.html",
        destinations=queue.shown_destinations(
            open_deliveries(services.database), rests(services.database, only_open=True), services.zone
        ),
        parked=[queue.shown_delivery(one, services.zone) for one in parked[:_MOST]],
        more_parked=len(parked) > _MOST,
    )


def requeue(request: Request) -> Response:
    """Put back one parked delivery, or all to one destination."""
    services, form = services_of(request), form_of(request)
    delivery, destination = number_in(form, "delivery"), form.get("destination", "")
    if delivery is None and not destination:
        return _back("/system/deliveries", "gone")
    count = requeue_deliveries(
        services.database,
        services.queue,
        now=services.clock(),
        who=who_asks(request),
        destination=destination,
        delivery_id=delivery,
    )
    return _back("/system/deliveries", "requeued", count) if count else _back("/system/deliveries", "gone")


def send_now(request: Request) -> Response:
    """Try a destination now, and what waits for it."""
    services = services_of(request)
    destination = form_of(request).get("destination", "")
    count = try_now(services.database, services.queue, destination, who=who_asks(request), now=services.clock())
    return _back("/system/deliveries", "tried", count)


def _back(address: str, done: str, number: int | None = None) -> Response:
    return RedirectResponse(address + system.done_query(done, number), 303)


ADDRESSES: Final = (
    Address("GET", "/system/queue", show_queue, SYSTEM_READ),
    Address("POST", "/system/queue/retry", retry_job, SYSTEM_WRITE),
    Address("GET", "/system/deliveries", show_deliveries, SYSTEM_READ),
    Address("POST", "/system/deliveries/requeue", requeue, SYSTEM_WRITE),
    Address("POST", "/system/deliveries/now", send_now, SYSTEM_WRITE),
)
