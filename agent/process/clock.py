"""Everything periodic, in one table: what is done, and how often. What is done knows nothing of this file."""

import socket
from functools import partial

from agent.audit.hand_over import HandOver
from agent.audit.message import Reporter
from agent.audit.sinks import FileSink, Sink, SyslogSink
from agent.config.file import Config
from agent.keeping.backup import LONGEST, BackupMaker
from agent.keeping.retention import Retainer
from agent.keeping.scrub import PERIOD, Scrubber
from agent.line.complete import Completer
from agent.process.clockwork import Tick
from agent.process.outgoing import make_destinations
from agent.process.parts import Parts, allowances, sqlite_file, utc_now
from agent.watch.alerts import Alerter
from agent.watch.disk import DATABASE, STORE, Watermark
from agent.watch.drift import DriftWatch
from agent.watch.watching import card_of
from db.search_index import take_apart


def ticks_of(config: Config, parts: Parts) -> dict[str, Tick]:
    """Return the ticks of an agent with this configuration, by name; each runs once in the cluster."""
    completer = Completer(parts.database, parts.queue, allowances(config), utc_now)
    ticks = {
        "close": Tick(completer.close, 0.5),
        "reap": Tick(completer.reap, 5),
        "tidy": Tick(completer.tidy, 5),
        "heal": Tick(completer.heal, 60),
        "words": Tick(partial(take_apart, parts.database), 5),
        "disk": Tick(_watermark(config, parts).look, 60),
        "audit": _audit(config, parts),
    }
    watch = DriftWatch(parts.database, partial(card_of, config, parts), config.drift, utc_now)
    ticks["drift"] = Tick(watch.look, config.drift.every_minutes * 60)
    if config.alerts.to:
        ticks["alert"] = Tick(Alerter(parts.database, make_destinations(config), config.alerts, utc_now).look, 60)
    if config.retention.is_on:
        retainer = Retainer(parts.database, parts.queue, parts.store, config.retention, utc_now)
        run, period = retainer.run_if_clock_is_right, config.retention.every_minutes * 60
        ticks["retention"] = Tick(run, period, longest_seconds=3600)
    if config.scrub.every_days:
        ticks["scrub"] = Tick(Scrubber(parts.database, parts.store, config.scrub, utc_now).run, PERIOD)
    if config.backup.folder is not None:
        maker = BackupMaker(parts.database, parts.store, parts.installation, utc_now, config.backup.pg_dump)
        make = partial(maker.make_regularly, config.backup.folder, config.backup.keep)
        ticks["backup"] = Tick(make, config.backup.every_hours * 3600, longest_seconds=LONGEST)
    return ticks


def _audit(config: Config, parts: Parts) -> Tick:
    """Return who hands the audit trail over; where nobody is to get it, it only forgets those who were."""
    section, host = config.audit, socket.gethostname()
    sinks: dict[str, Sink] = {} if section.file is None else {"file": FileSink(section.file)}
    if section.receiver is not None:
        sinks["syslog"] = SyslogSink(*section.receiver, section.trust, own_host=host)
    reporter = Reporter(section.source, section.site, host)
    hand_over = HandOver(parts.database, sinks, reporter, section.keep, utc_now)
    return Tick(hand_over.run, section.every_seconds if sinks else 3600)


def _watermark(config: Config, parts: Parts) -> Watermark:
    file = sqlite_file(config)
    places = {STORE: config.store.local_folder} | ({} if file is None else {DATABASE: file.parent})
    section = config.store
    return Watermark(parts.database, places, section.low_megabytes, section.minimum_free_megabytes, utc_now)
