"""The page of the API: what programs may ask, from its document. No other host's script draws it."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from agent.web.access import SIGNED_IN, Address
from agent.web.api.application import BASE, Api
from agent.web.services import page

OF_PEOPLE: Final = "signed in"
"""What is said in place of a scope: it is about people themselves, and programs have no account of their own."""


def show_api(request: Request) -> Response:
    """Show the operations by what they are about."""
    api: Api = request.app.state.api
    return page(request, "api.html", base=BASE, groups=_groups(api.openapi()))


def _groups(document: dict[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Return the operations in words, by tag."""
    groups: dict[str, list[dict[str, str]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = next(iter(operation["security"][0].get("token", ())), OF_PEOPLE)
            said = {"method": method.upper(), "path": path, "summary": operation["summary"], "scope": scope}
            said["description"] = operation["description"]
            groups.setdefault(operation["tags"][0], []).append(said)
    return groups


ADDRESSES: Final = (Address("GET", "/api", show_api, SIGNED_IN),)
