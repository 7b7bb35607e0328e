"""The page of the configuration: what this process runs with, and how that differs from the defaults."""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.tokens import SYSTEM_READ, SYSTEM_WRITE
from agent.web import system
from agent.web.access import Address
from agent.web.reloads import reload_now, shown_reload
from agent.web.services import services_of
from agent.web.system_pages import system_page
from db.reloads import reloads

_HERE: Final = "/system/configuration"


def show_configuration(request: Request) -> Response:
    """Show every setting, or only those that differ from their defaults."""
    services = services_of(request)
    tables = services.configuration
    everything = request.query_params.get("all") == "1"
    changed = [table.only_changed() for table in tables if table.changed]
    return system_page(
        request,
        "configuration.html",
        tables=tables if everything else changed,
        everything=everything,
        reloads=[shown_reload(one, services.zone) for one in reloads(services.database)],
    )


def reload(request: Request) -> Response:
    """Have this host's file read again, and taken over if it is good."""
    one = reload_now(request)
    done = "silent_supervisor" if one is None else f"reload_{one.outcome}"
    return RedirectResponse(_HERE + system.done_query(done), 303)


ADDRESSES: Final = (
    Address("GET", _HERE, show_configuration, SYSTEM_READ),
    Address("POST", f"{_HERE}/reload", reload, SYSTEM_WRITE),
)
