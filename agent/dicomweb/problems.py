"""Answers to what cannot be done: application/problem+json (RFC 9457), a sentence without patient data."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse


class ProblemError(Exception):
    """Why a request is not served: its HTTP status and one sentence for the developer at the other end."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        """Keep them; headers are named with underscores."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def problem(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **members: Any,  # noqa: ANN401 - what JSON takes
) -> JSONResponse:
    """Return the answer; `members` are further facts for programs."""
    content = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return JSONResponse(content, status, headers, media_type="application/problem+json")
