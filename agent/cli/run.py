"""`tibabu run`."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
import structlog
from structlog.typing import Processor

from agent import logs
from agent.cli.options import config_path
from agent.config.file import Config
from agent.errors import ConfigError, InstallationError
from agent.metrics.counted import Counts
from agent.metrics.joining import joined
from agent.process.app import run_role
from agent.process.forking import Forks, name_process
from agent.process.memory import RECYCLED, MemoryWatch
from agent.process.notices import Notices
from agent.process.parts import open_rows, utc_now
from agent.process.pulse import SILENT_SECONDS, start_pulse
from agent.process.reload import Change
from agent.process.reloading import Accepted, follow_file, follow_notices, place_of
from agent.process.renewal import Renewal
from agent.process.roles import DICOMWEB, HL7, METRICS, ROLES, SHADOW, processes_of, roles_of
from agent.process.stopping import StopOrder, say_ready, stop_at_end_of, stop_on_signals
from agent.process.supervisor import supervise
from db.installation import installation_uuid
from dicom_io.library_logs import quiet_libraries

log = structlog.get_logger(__name__)


@click.command(short_help="Serve until SIGTERM, then drain.")
@click.option("--config", "given", type=click.Path(dir_okay=False, path_type=Path), help="Configuration file.")
@click.option(
    "--only",
    "only",
    type=click.Choice((*ROLES, SHADOW, DICOMWEB, HL7, METRICS)),
    multiple=True,
    help="Serve only these roles (repeatable).",
)
@click.option("--supervised", is_flag=True, hidden=True, help="End with the parent process.")
def run(given: Path | None, only: tuple[str, ...], supervised: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Serve until SIGTERM, then drain: what is under way is finished, what is queued waits for the next start.

    Each role is a process of its own, restarted if it dies: receive (the DICOM SCP), work (gate, network, conclusions),
    deliver (reports to their destinations), clock (all that is periodic), web (the worklist page), and, if configured,
    shadow (the second model), dicomweb, hl7 and metrics. For each, one line of JSON on standard output says when it
    serves and where; logs go to standard error.
    """
    accepted = Accepted(config_path(given), place_of(only), utc_now)
    config = accepted.config
    _log(only[0] if len(only) == 1 else "supervisor", config)
    roles = only or roles_of(config)
    for role in roles:
        _check(role, config)
    with joined(config.metrics.folder) as folder:
        _run(processes_of(config, roles), accepted, folder, supervised=supervised)


def _run(processes: tuple[str, ...], accepted: Accepted, folder: Path | None, *, supervised: bool) -> None:
    """Serve one role in this process, or several in processes of their own, which count in `folder`."""
    config = accepted.config
    parent = [sys.stdin.fileno()] if supervised else []
    if len(processes) == 1:
        stop, hung_up = threading.Event(), threading.Event()
        stop_on_signals(stop, hung_up)
        for pipe in parent:
            stop_at_end_of(pipe, stop)
        _migrate(config)
        renewal = Renewal(stop)
        _in_background(follow_file, accepted, processes[0], hung_up, renewal)
        _serve(processes[0], config, stop, renewal, folder)
        return
    order = StopOrder(*parent)
    _migrate(config)
    notices = Notices()
    _count("supervisor", config, folder)
    supervise(processes, _forks(accepted, notices, folder).start, order, partial(_reload, accepted, notices, order))


def _forks(accepted: Accepted, notices: Notices, folder: Path | None) -> Forks:
    """Return what forks a role, with the configuration that is accepted then."""

    def serve(role: str, stop: threading.Event, hung_up: threading.Event) -> None:
        renewal = Renewal(stop, os.getppid())
        _in_background(follow_notices, notices, accepted.path, hung_up, renewal)
        _serve(role, accepted.config, stop, renewal, folder)

    return Forks(serve)


def _reload(accepted: Accepted, notices: Notices, order: StopOrder) -> tuple[Change, ...]:
    """Read the file again if SIGHUP asks for it, and return what changed."""
    found = accepted.reload() if order.hung_up() else ()
    if found:
        notices.post(accepted.text)
    return found


def _in_background(follow: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=follow, args=arguments, name="reload", daemon=True).start()


def _check(role: str, config: Config) -> None:
    """Raise ConfigError for a role that the configuration does not have."""
    if role == SHADOW and not config.model.shadow:
        message = "expected the name of a second model in model.shadow, for the role shadow. Received: none"
        raise ConfigError(message)
    for optional, section in ((DICOMWEB, config.dicomweb), (HL7, config.hl7)):
        if role == optional and not section.enabled:
            message = f"expected {role}.enabled = true, for the role {role}. Received: false"
            raise ConfigError(message)
    if role == METRICS and config.metrics.port is None:
        message = "expected metrics.port, for the role metrics. Received: none"
        raise ConfigError(message)


def _log(role: str, config: Config, *watchers: Processor) -> None:
    """Let this process, which is of that role, write its logs from now on as the configuration wants it."""
    section = config.log
    logs.configure(level=section.level, levels=section.levels, form=section.format, role=role, watchers=watchers)
    quiet_libraries()  # again: configuring the logs has opened them


def _count(role: str, config: Config, folder: Path | None, *others: Processor) -> Counts | None:
    """Let what this process logs be counted from now on, where there is a folder for it, and be seen by others."""
    try:
        counts = None if folder is None else Counts(folder, role, peers=[peer.ae_title for peer in config.peers])
    except OSError:
        counts = None
    _log(role, config, *others, *([] if counts is None else [counts.note]))
    if counts is None:
        log.warning("metrics_not_counted", folder=str(folder or config.metrics.folder or ""))
    return counts


@contextmanager
def _traced(role: str, config: Config) -> Iterator[tuple[Processor, ...]]:
    """Give what makes traces of the log for a block, if that is configured."""
    if config.metrics.traces is None:
        yield ()
        return
    try:
        from agent.tracing import Traces  # noqa: PLC0415 - an extra, and only of who wants traces
    except ModuleNotFoundError as error:
        message = f"metrics.traces: expected `pip install tibabu[otel]`. Received: no module {error.name}"
        raise InstallationError(message) from None
    database = open_rows(config)
    try:
        installation = installation_uuid(database, now=utc_now())
    finally:
        database.dispose()
    traces = Traces(config.metrics.traces, installation, role)
    try:
        yield (traces.note,)
    finally:
        traces.close()


def _serve(role: str, config: Config, stop: threading.Event, renewal: Renewal, folder: Path | None) -> None:
    """Serve a role in this process, which ends itself when it hangs, and to be started anew when it is too large."""
    name_process(role)
    if role == SHADOW:
        from agent.line.shadow import step_back  # noqa: PLC0415 - of this role only

        step_back()  # before the first thread of work starts
    start_pulse(SILENT_SECONDS * (10 if role == SHADOW else 1))  # that one may have to wait long for the processor
    limits = {"work": config.work.megabytes, SHADOW: config.work.megabytes, "deliver": config.deliver.megabytes}
    watch = MemoryWatch(limits[role], stop) if role in limits else None
    with _traced(role, config) as traces:
        run_role(role, config, stop, say_ready, renewal, _count(role, config, folder, *traces))
    if renewal.anew or (watch is not None and watch.exceeded):
        sys.exit(RECYCLED)


def _migrate(config: Config) -> None:
    """Bring the database to this version."""
    from db.migrate import upgrade  # noqa: PLC0415 - whoever asks for help or mistypes an option need not wait for Alembic

    database = open_rows(config)
    upgrade(database)
    database.dispose()
