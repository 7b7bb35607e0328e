"""The composition root: what each role of the agent is made of. Importing this module starts nothing."""

import os
import socket
import threading
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog

from agent.config.file import Config
from agent.destinations import Forwarding, Holding
from agent.job_log import told
from agent.line.store_away import patient
from agent.metrics.counted import Counts
from agent.process.memory import keep_freed
from agent.process.outgoing import make_destinations, note_takers_of, routes_of
from agent.process.parts import Parts, allowances, clock_is_off, parts_of, utc_now
from agent.process.renewal import Renewal
from agent.process.roles import CLOCK, DICOMWEB, HL7, METRICS, SHADOW
from db import kinds
from db.audit import THE_AGENT, AuditEvent, record
from db.audit_terms import EventAction, EventId, EventType
from db.database import Database
from db.delivery_list import open_deliveries
from db.errors import DatabaseError
from db.figures import OPEN
from db.queue import Handler

log = structlog.get_logger(__name__)

_DRAIN_SECONDS = 30.0
_SHADOW_PATIENCE = timedelta(hours=2)  # it has what the others leave of the processor


class Ready(Protocol):
    """Called once by a role when it serves, with what others need to reach it."""

    def __call__(self, role: str, **facts: object) -> None: ...  # noqa: D102 - see the class


def run_role(
    role: str,
    config: Config,
    stop: threading.Event,
    ready: Ready,
    renewal: Renewal | None = None,
    counts: Counts | None = None,
) -> None:
    """Run one role until `stop` is set, then drain it; what it is told meanwhile by `renewal` it takes over.

    `counts` counts what this process logs.
    """
    renewal = renewal or Renewal(stop)
    roles: dict[str, Callable[[Config, Parts, threading.Event, Ready], None]] = {
        "receive": partial(_receive, renewal=renewal, counts=counts),
        "work": _work,
        "deliver": _deliver,
        CLOCK: _clock,
        "web": partial(_web, renewal=renewal, counts=counts),
        SHADOW: _shadow,
        DICOMWEB: partial(_dicomweb, renewal=renewal),
        HL7: partial(_hl7, renewal=renewal),
        METRICS: partial(_metrics, counts=counts),
    }
    with parts_of(config) as parts:
        if (seconds := clock_is_off(parts.database, utc_now)) is not None:
            log.warning("clock_is_off", role=role, seconds_ahead=round(seconds, 1))
        _tell(parts, role, EventType.APPLICATION_START)
        roles[role](config, parts, stop, ready)
        _tell(parts, role, EventType.APPLICATION_STOP)
    log.info("stopped", role=role)


def _tell(parts: Parts, role: str, what: EventType) -> None:
    """Put on record that a process of a role begins, or has ended in order (PS3.15 A.5.3.1)."""
    event = AuditEvent(
        event=EventId.APPLICATION_ACTIVITY,
        type=what,
        action=EventAction.EXECUTE,
        who=THE_AGENT,
        at=utc_now(),
        detail=f"{role} on {socket.gethostname()}, process {os.getpid()}",
    )
    try:
        record(parts.database, event)
    except DatabaseError as error:  # a database that is away keeps no process from starting, nor from ending
        log.warning("activity_not_recorded", role=role, reason=str(error))


def _receive(
    config: Config, parts: Parts, stop: threading.Event, ready: Ready, renewal: Renewal, counts: Counts | None
) -> None:
    from agent.process.receiving import make_scp, renew_scp  # noqa: PLC0415 - each role loads only what it runs

    scp = make_scp(config, parts)
    scp.start()

    def renew(new: Config) -> None:
        renew_scp(scp, new, parts)
        if counts is not None:
            counts.know([peer.ae_title for peer in new.peers])

    renewal.follow(renew)
    section = config.receive
    facts = {"port": scp.port} if section.plain else {}
    facts |= {} if section.tls is None else {"tls_port": scp.tls_port}
    ready("receive", ae_title=section.ae_title, **facts)
    stop.wait()
    scp.stop(_DRAIN_SECONDS)


def _work(config: Config, parts: Parts, stop: threading.Event, ready: Ready) -> None:
    keep_freed()
    from agent.line.conclude import Concluder  # noqa: PLC0415
    from agent.line.reject import Rejecter  # noqa: PLC0415
    from agent.line.score import Scorer  # noqa: PLC0415
    from agent.line.shadow import forget  # noqa: PLC0415
    from agent.line.site import Watch  # noqa: PLC0415
    from agent.process import schedule  # noqa: PLC0415 - each role loads only what it runs
    from agent.process.inference import images_at_once, make_decoder, make_pipeline, model_identity  # noqa: PLC0415
    from db.operating_point import active_operating_points  # noqa: PLC0415

    points = partial(active_operating_points, parts.database, config.model.name)
    active = points()
    clock = schedule.start({"operating_point": (Watch(points, active).look, 60)})
    with make_decoder(config) as decoder:
        pipeline = make_pipeline(config, active, decoder.read_frames)
        shadowed = bool(config.model.shadow)
        scorer = Scorer(
            parts.database,
            parts.queue,
            parts.store,
            pipeline,
            allowances(config),
            utc_now,
            shadowed,
            decoder.same_content,
        )
        concluder = Concluder(
            parts.database,
            parts.queue,
            parts.installation,
            model_identity(pipeline.card),
            routes_of(config),
            note_takers_of(config),
            utc_now,
        )
        rejecter = Rejecter(parts.database, parts.queue, parts.store, allowances(config), utc_now)
        decoder.wait_until_ready()
        ready("work", model=pipeline.card.name, operating_point=pipeline.card.operating_point.name)
        left_over: dict[str, Handler] = {} if shadowed else {kinds.SHADOW: forget}
        handlers = {
            kinds.SCORE: scorer.score,
            kinds.COMPARE: scorer.compare,
            kinds.CONCLUDE: concluder.conclude,
            kinds.WITHDRAW: concluder.withdraw,
            kinds.REJECT: rejecter.reject,
            kinds.AMEND: concluder.amend,
        }
        parts.queue.run(
            told(patient(handlers | left_over, utc_now)),
            stop=stop,
            concurrency=images_at_once(config),
            longest=timedelta(seconds=config.work.job_seconds),
        )
    clock.shutdown()


def _shadow(config: Config, parts: Parts, stop: threading.Event, ready: Ready) -> None:
    from agent.line.pipeline import Classifier  # noqa: PLC0415
    from agent.line.shadow import ShadowScorer  # noqa: PLC0415
    from agent.process.inference import load_shadow, make_decoder  # noqa: PLC0415 - each role loads only what it runs
    from db.operating_point import active_operating_points  # noqa: PLC0415

    def load() -> Classifier:
        return load_shadow(config, active_operating_points(parts.database, config.model.shadow))

    with make_decoder(config, processes=1) as decoder:
        scorer = ShadowScorer(parts.database, parts.queue, parts.store, load, utc_now, decoder.read_frames)
        if resumed := scorer.resume():
            log.info("shadow_resumed", jobs=resumed)
        ready(SHADOW, model=config.model.shadow)
        handlers = told(patient({kinds.SHADOW: scorer.score}, utc_now))
        parts.queue.run(handlers, stop=stop, concurrency=1, longest=_SHADOW_PATIENCE)


def _deliver(config: Config, parts: Parts, stop: threading.Event, ready: Ready) -> None:
    keep_freed()
    from agent.line.breaker import Breaker  # noqa: PLC0415 - each role loads only what it runs
    from agent.line.confirm import Confirmer  # noqa: PLC0415
    from agent.line.deliver import Deliverer  # noqa: PLC0415
    from agent.line.forward import Forwarder  # noqa: PLC0415
    from agent.process.lanes import run_lanes  # noqa: PLC0415
    from agent.process.receiving import make_announcer, make_asker, make_committer  # noqa: PLC0415

    backoff = config.deliver.backoff
    breaker = Breaker(parts.database, parts.queue, backoff, config.deliver.rest_after_failures, utc_now)
    made = make_destinations(config)
    confirmer = Confirmer(parts.database, made, breaker, backoff, utc_now)
    takers = {name: one for name, one in made.items() if isinstance(one, Forwarding)}
    deliverer = Deliverer(
        parts.database,
        parts.queue,
        parts.store,
        parts.installation,
        made,
        config.reports,
        breaker,
        confirmer,
        backoff,
        utc_now,
    )
    forwarder = Forwarder(parts.database, parts.store, takers, backoff, utc_now)
    # Lanes for each destination, one for reports and one for Instances: one that hangs until its time-outs holds back
    # nobody else, and a report does not wait behind a long study.
    handlers: dict[str, Handler] = {kinds.deliver(name): deliverer.deliver for name in made}
    handlers |= {kinds.forward(name): forwarder.forward for name in takers}
    handlers[kinds.COMMIT] = make_committer(config, parts).send
    announcer = make_announcer(config, parts)
    for peer in config.peers:
        if peer.listens is not None:
            handlers[kinds.ups_event(peer.listens.ae_title)] = announcer.tell
    if (asker := make_asker(config, parts)) is not None:
        handlers[kinds.ORDER] = asker.ask
    names = [settings.name for settings in config.destinations]
    for settings in config.destinations:
        if settings.test_folder is not None:
            log.warning("destination_on_trial", destination=settings.name, folder=str(settings.test_folder))

    def longest(kind: str) -> timedelta:
        return timedelta(seconds=config.deliver.job_seconds) * (8 if kind.startswith(kinds.forward("")) else 1)

    _tell_of_nobodys(parts.database, names)
    started = partial(ready, "deliver", destinations=names)
    run_lanes(parts.queue, told(patient(handlers, utc_now)), stop, started=started, longest=longest)
    for one in made.values():
        if isinstance(one, Holding):
            one.release()


def _tell_of_nobodys(database: Database, destinations: Collection[str]) -> None:
    """Say what waits for destinations that were taken out of the configuration: nothing sends it meanwhile."""
    for one in open_deliveries(database, OPEN):
        if one.destination not in destinations:
            facts = {"destination": one.destination, "state": one.state}
            log.warning("deliveries_to_nobody", reports=one.reports, instances=one.instances, **facts)


def _clock(config: Config, parts: Parts, stop: threading.Event, ready: Ready) -> None:
    from agent.process.clock import ticks_of  # noqa: PLC0415 - each role loads only what it runs
    from agent.process.clockwork import Clockwork  # noqa: PLC0415

    ticks = ticks_of(config, parts)
    ready(CLOCK, ticks=sorted(ticks))
    Clockwork(parts.database, ticks, utc_now, hangs=lambda: os._exit(1)).run(stop)


def _web(
    config: Config, parts: Parts, stop: threading.Event, ready: Ready, renewal: Renewal, counts: Counts | None
) -> None:
    from agent.process.pages import serve_web  # noqa: PLC0415 - each role loads only what it runs

    serve_web(config, parts, stop, lambda url: ready("web", url=url), renewal, counts)


def _metrics(config: Config, parts: Parts, stop: threading.Event, ready: Ready, counts: Counts | None) -> None:
    from agent.metrics.listener import Answers, serve  # noqa: PLC0415 - each role loads only what it runs
    from agent.watch.watching import make_check, make_exposition  # noqa: PLC0415

    section, folder = config.metrics, None if counts is None else counts.folder
    answers = Answers(
        exposition=make_exposition(config, parts, folder),
        check=make_check(config, parts, folder),
        database=parts.database if section.token else None,
    )
    serve(answers, section, stop=stop, ready=lambda url: ready(METRICS, url=url))


def _dicomweb(config: Config, parts: Parts, stop: threading.Event, ready: Ready, renewal: Renewal) -> None:
    from agent.process.sharing import serve_dicomweb  # noqa: PLC0415 - each role loads only what it runs

    serve_dicomweb(config, parts, stop, lambda url: ready(DICOMWEB, url=url), renewal)


def _hl7(config: Config, parts: Parts, stop: threading.Event, ready: Ready, renewal: Renewal) -> None:
    from agent.process.listening import make_incoming, make_listener  # noqa: PLC0415 - each role loads only what it runs

    listener = make_listener(config, parts)
    listener.start()
    renewal.follow(lambda new: listener.renew(make_incoming(new, parts).answer))
    ready(HL7, port=listener.port)
    stop.wait()
    listener.stop(_DRAIN_SECONDS)
