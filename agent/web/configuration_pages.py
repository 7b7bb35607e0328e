"""The page of the configuration: what this process runs with, and how that differs from the defaults."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import SYSTEM_READ
from agent.web.access import Address
from agent.web.services import services_of
from agent.web.system_pages import system_page


def show_configuration(request: Request) -> Response:
    """Show every setting, or only those that differ from their defaults."""
    tables = services_of(request).configuration
    everything = request.query_params.get("all") == "1"
    changed = [table.only_changed() for table in tables if table.changed]
    return system_page(request, "configuration.html", tables=tables if everything else changed, everything=everything)


ADDRESSES: Final = (Address("GET", "/system/configuration", show_configuration, SYSTEM_READ),)
