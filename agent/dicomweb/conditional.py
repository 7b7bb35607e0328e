"""Entity tags (RFC 9110 8.8.3): what is stored under a digest never changes."""

from starlette.requests import Request
from starlette.responses import Response

from db.archive import HeldInstance


def etag_of(instance: HeldInstance) -> str:
    """Return the tag of what is made of an Instance's bytes and nothing else."""
    return f'"{instance.sha256}"'


def not_modified(request: Request, etag: str) -> Response | None:
    """Return the answer, 304, for who has it already; None for others."""
    said = request.headers.get("if-none-match", "")
    has_it = etag in {one.strip().removeprefix("W/") for one in said.split(",")}
    return Response(status_code=304, headers={"ETag": etag}) if has_it else None
