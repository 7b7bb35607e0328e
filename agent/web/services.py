"""What the pages work with, and how one is made of a template."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from agent.watch.readiness import Readiness
from agent.web import triage, words
from agent.web.access import LOCAL, Identify
from agent.web.accounts import Accounts
from agent.web.callers import Reach
from agent.web.configuration import Table
from agent.web.decoding import Decoding
from agent.web.models import InUse
from agent.web.neighbours import Neighbour
from db.database import Database
from db.priority import Allowances
from db.queue import Queue
from db.triage import triage_off
from dicom_io.store import Store

_TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Watch:
    """What machines ask: the metrics in Prometheus' text format, and how the parts of the agent are."""

    scrape: Callable[[], bytes]
    look: Callable[[], Readiness]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The agent's parts, and what the configuration says. Times are shown in `zone`; None is the machine's own."""

    database: Database
    queue: Queue
    store: Store
    clock: Callable[[], datetime]
    allowances: Allowances
    accounts: Accounts | None = None
    reach: Reach = field(default_factory=Reach)
    identify: Identify | None = None  # None: by the accounts, if there are any
    zone: tzinfo | None = None
    decoding: Decoding | None = None
    neighbours: tuple[Neighbour, ...] = ()
    configuration: tuple[Table, ...] = ()
    models: InUse = field(default_factory=InUse)
    reload: Callable[[], int] | None = None  # has this host's file read again, and returns which process does it
    watch: Watch | None = None

    @property
    def who(self) -> Identify:
        """What tells who asks: without accounts everybody is the local user."""
        if self.identify is not None:
            return self.identify
        return (lambda _request: LOCAL) if self.accounts is None else self.accounts.identify


def services_of(request: Request) -> Services:
    """Return what the pages work with."""
    services: Services = request.app.state.services
    return services


def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["caveat"] = words.CAVEAT
    return made


_ENVIRONMENT: Final = _templates()


def page(request: Request, template: str, status: int = 200, /, **values: object) -> Response:
    """Return a page of who asks: `person` is there in every template, None for nobody, and whether triage is off."""
    person = getattr(request.state, "person", None)
    services = services_of(request)
    off = None if person is None else triage_off(services.database)
    shown = None if off is None else triage.banner(off, services.zone)
    values = {"person": person, "triage_off": shown} | values
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(values), status)


def fragment(template: str, /, **values: object) -> str:
    """Return what a template makes that is nobody's in particular: a part of a page that many share."""
    return _ENVIRONMENT.get_template(template).render(**values)


def plain_page(template: str, status: int, /, **values: object) -> Response:
    """Return a page of nobody: for what went wrong before it was known who asks."""
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(person=None, triage_off=None, **values), status)
