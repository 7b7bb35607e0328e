"""What is answered instead: application/problem+json (RFC 9457), in a sentence without patient data."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path

from agent.web import trail
from agent.web.api.model import Model
from db.errors import ChangedError, RefusedError

MEDIA_TYPE: Final = "application/problem+json"


class Fault(Model):
    """What is wrong with one value of a request."""

    where: str = Field(description="The place of the value, as body.limit or query.after.", examples=["query.limit"])
    detail: str = Field(examples=["Input should be less than or equal to 200"])


class Problem(Model):
    """Why a request was not served (RFC 9457). Programs go by `status`; `detail` is for people."""

    type: str = Field(default="about:blank", description="Always about:blank: the status says which kind it is.")
    title: str = Field(description="The name of the status.", examples=["Not Found"])
    status: int = Field(ge=400, le=599, examples=[404])
    detail: str = Field(description="What is wrong with this request.", examples=["There is no such study here."])
    errors: tuple[Fault, ...] = Field(default=(), description="Of 422: the values that are not as described here.")


SENTENCES: Final = {
    401: "Expected the header Authorization: Bearer TOKEN, or the cookie of who is signed in. Received: neither.",
    404: "There is nothing at this address.",
    405: "This address answers no such method.",
    422: "Some values are not as they are described.",
}
"""What is said where whoever refuses says nothing better."""


def problem(
    status: int, detail: str = "", headers: Mapping[str, str] | None = None, errors: tuple[Fault, ...] = ()
) -> Response:
    """Return the answer."""
    title = HTTPStatus(status).phrase
    said = Problem(title=title, status=status, detail=detail or SENTENCES.get(status, f"{title}."), errors=errors)
    content = said.model_dump(exclude=None if errors else {"errors"})
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


async def refused(request: Request, error: HTTPException) -> Response:
    """Answer what an endpoint refused, or what has no endpoint."""
    said = error.detail if error.detail.endswith(".") else ""
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers |= allow(methods_at(request.app.openapi(), _address(request)))
    if error.status_code == HTTPStatus.FORBIDDEN and request.state.person is not None:
        await run_in_threadpool(
            trail.refused, request, f"{request.method} {described_at(request.app.openapi(), _address(request))}"
        )
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="tibabu"'
    return problem(error.status_code, said, headers)


async def conflicting(_request: Request, error: RefusedError) -> Response:
    """Answer a change that cannot be made as things stand: `db` says why."""
    return problem(409, _sentence(error))


async def outdated(_request: Request, error: ChangedError) -> Response:
    """Answer a change that was decided for another state of the study: `db` says what has happened."""
    return problem(412, _sentence(error))


def _sentence(error: RefusedError) -> str:
    text = str(error).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


async def invalid(_request: Request, error: RequestValidationError) -> Response:
    """Answer a request whose values are not as described, without repeating them: 422, or 400 if it is no JSON."""
    faults = tuple(_fault(one) for one in error.errors())
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return problem(400, "Expected a body that is JSON. Received: another.")
    return problem(422, errors=faults)


def _fault(error: Mapping[str, Any]) -> Fault:
    return Fault(where=".".join(str(part) for part in error["loc"]), detail=error["msg"])


def described_at(document: Mapping[str, Any], address: str) -> str:
    """Return the path of the document that an address is of, without what a peer put into it; "" if it is of none."""
    return next((path for path in document["paths"] if compile_path(path)[0].match(address)), "")


def methods_at(document: Mapping[str, Any], address: str) -> set[str]:
    """Return what an address answers."""
    found = {method.upper() for method in document["paths"].get(described_at(document, address), ())}
    return found | ({"HEAD"} if "GET" in found else set())


def allow(methods: Iterable[str]) -> dict[str, str]:
    """Return the header that says what an address answers (RFC 9110 10.2.1)."""
    return {"Allow": ", ".join(sorted(methods))}


def _address(request: Request) -> str:
    return str(request.scope["path"].removeprefix(request.scope["root_path"]))
