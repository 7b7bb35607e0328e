"""Reloading the configuration by a person or a program: the supervisor of this process reads its host's file again."""

import time
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from starlette.requests import Request

from agent.web import times
from agent.web.people import readable
from agent.web.services import services_of
from agent.web.trail import who_asks
from db.reloads import Reload, ReloadOutcome, record_asked, reloads

_PATIENCE: Final = 15.0
_LOOK_SECONDS: Final = 0.1
_WORDS: Final = {
    ReloadOutcome.TAKEN: ("acknowledged", "taken over"),
    ReloadOutcome.UNCHANGED: ("acknowledged", "nothing had changed"),
    ReloadOutcome.REFUSED: ("failed", "refused; the one before it stays"),
}
"""The symbol and the words of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReload:
    """One place's last reload in words."""

    place: str
    at: times.Moment
    symbol: str
    outcome: str
    changes: tuple[str, ...]
    problems: tuple[str, ...]


def reload_now(request: Request) -> Reload | None:
    """Have the file read again and return how it went; None where nobody said so in time."""
    services = services_of(request)
    if services.reload is None:
        return None
    asked = services.clock()
    record_asked(services.database, who_asks(request), at=asked)
    pid, until = services.reload(), time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        for one in reloads(services.database):
            if one.pid == pid and one.at >= asked:
                return one
        time.sleep(_LOOK_SECONDS)
    return None


def shown_reload(one: Reload, zone: tzinfo | None = None) -> ShownReload:
    """Return one in words."""
    symbol, outcome = _WORDS[one.outcome]
    return ShownReload(
        place=readable(one.place),
        at=times.exact(one.at, zone),
        symbol=symbol,
        outcome=outcome,
        changes=tuple(map(readable, one.changes)),
        problems=tuple(map(readable, one.problems)),
    )
