"""Reloading: the file is read and checked whole; a good one is put on record and taken, of a bad one nothing is."""

import os
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog

from agent.config.file import Config, parse, read
from agent.errors import ConfigError
from agent.process.notices import Notices
from agent.process.parts import open_rows
from agent.process.rehearsal import unusable
from agent.process.reload import RENEWED, Change, changes, needing_restart, starting_anew
from agent.process.renewal import Renewal
from agent.unforeseen import unforeseen
from db.errors import DatabaseError
from db.reloads import Reload, ReloadOutcome, record_reload

log = structlog.get_logger(__name__)

_OF_NETWORK = frozenset({"peers", "destinations", "forward", "orders"})


def place_of(roles: Iterable[str]) -> str:
    """Return what a supervisor is called among those of the site: its host, and its roles where it has not all."""
    named = ", ".join(roles)
    return f"{socket.gethostname()}: {named}" if named else socket.gethostname()


@dataclass(slots=True)
class Accepted:
    """The configuration that runs: its file, the text that was accepted, and what that says."""

    path: Path | None
    place: str
    clock: Callable[[], datetime]
    text: str = field(init=False, repr=False)
    config: Config = field(init=False)

    def __post_init__(self) -> None:
        """Take what the file says at the start. Raises ConfigError."""
        self.text, self.config = self._read()

    def reload(self) -> tuple[Change, ...]:
        """Take what the file says now and return what changed; nothing where it is refused.

        A named edge: whatever goes wrong with a file, the supervisor and all that it runs go on.
        """
        with unforeseen(log, "configuration_refused", problems=["see where this was raised."]) as ended:
            changed = self._take()
        return changed if ended.by is None else ()

    def _take(self) -> tuple[Change, ...]:
        try:
            text, config = self._read()
            found = changes(self.config, config)
            wrong = list(unusable(config, found))
        except ConfigError as error:
            return self._refuse(str(error).splitlines())
        wrong += [f"{change.key}: expected to stay until the next start." for change in needing_restart(found)]
        if wrong:
            return self._refuse(wrong)
        outcome = ReloadOutcome.TAKEN if found else ReloadOutcome.UNCHANGED
        of_network = any(change.table in _OF_NETWORK for change in found)
        if (reason := self._record(outcome, tuple(map(str, found)), (), of_network=of_network)) is not None:
            log.error("configuration_refused", problems=[f"the database: {reason}"])  # nor can that be put on record
            return ()
        log.info("configuration_reloaded", outcome=str(outcome), changed=[change.key for change in found])
        self.text, self.config = text, config
        return found

    def _read(self) -> tuple[str, Config]:
        text = read(self.path)
        return text, parse(text, self.path)

    def _refuse(self, problems: list[str]) -> tuple[Change, ...]:
        log.error("configuration_refused", problems=problems)
        # What was given may be a secret in the wrong place: it stands in this host's log alone.
        told = tuple(problem.strip().partition(" Received:")[0] for problem in problems)
        self._record(ReloadOutcome.REFUSED, (), told, of_network=False)
        return ()

    def _record(
        self, outcome: ReloadOutcome, changed: tuple[str, ...], problems: tuple[str, ...], *, of_network: bool
    ) -> str | None:
        """Put on record how it went; return why that is not possible, None when it is done."""
        try:
            reload = Reload(
                place=self.place,
                pid=os.getpid(),
                at=self.clock(),
                outcome=outcome,
                changes=changed,
                problems=problems,
            )
            database = open_rows(self.config)
            try:
                record_reload(database, reload, of_network=of_network)
            finally:
                database.dispose()
        except (DatabaseError, OSError) as error:
            log.warning("reload_not_recorded", outcome=str(outcome), reason=str(error))
            return str(error)
        return None


def follow_notices(notices: Notices, path: Path | None, hung_up: threading.Event, renewal: Renewal) -> None:
    """Have a role take over what its supervisor has accepted and posted, at each SIGHUP from it."""

    def take() -> None:
        for text in notices.news():
            renewal.tell(parse(text, path))

    _follow(hung_up, renewal, take)


def follow_file(accepted: Accepted, role: str, hung_up: threading.Event, renewal: Renewal) -> None:
    """Have a role that runs alone take over what its file says, at each SIGHUP.

    One that is to start anew is told to drain, and that it has to be started again.
    """

    def take() -> None:
        found = accepted.reload()
        if role in starting_anew(found):
            renewal.start_anew()
        elif found and role in RENEWED:
            renewal.tell(accepted.config)

    _follow(hung_up, renewal, take)


def _follow(hung_up: threading.Event, renewal: Renewal, take: Callable[[], None]) -> None:
    """Call `take` at each SIGHUP, until the role has to start anew since it failed."""
    while hung_up.wait():
        hung_up.clear()
        if not renewal.attempt(take):
            return
